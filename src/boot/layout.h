/* SPDX-License-Identifier: Apache-2.0 */
/* Where boot puts its own structures in guest memory, below the hole at 640 KiB. */
#ifndef BOOT_LAYOUT_H
#define BOOT_LAYOUT_H

/*
 * Kernels copy all of this before they reuse low memory. The first 16 KiB stay free: what lies at
 * address 0 is too easily taken for "none".
 */
#define LAYOUT_START_INFO   0x6000UL /* hvm_start_info, then its modlist */
#define LAYOUT_MODLIST	    0x6100UL
#define LAYOUT_BOOT_PARAMS  0x7000UL
#define LAYOUT_MEMMAP	    0x8000UL
#define LAYOUT_MEMMAP_MAX   128UL    /* entries of 24 bytes: less than a page; what E820 takes */
#define LAYOUT_SCRATCH	    0x9000UL /* boot_entry.scratch, seven pages */
#define LAYOUT_CMDLINE	    0x20000UL
#define LAYOUT_CMDLINE_SIZE 0x10000UL

/* Kernels and initrds lie from here on. */
#define LAYOUT_HIGH 0x100000UL

#endif
