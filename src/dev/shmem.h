/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that a guest shares with the host or with other guests: a PCI function whose BAR 2 is a file.
 * To the guest it is QEMU's ivshmem-plain, revision 1 (docs/specs/ivshmem-spec): 1af4:1110, without
 * interrupts, so that BAR 0's registers are all reserved, and read as zero.
 */
#ifndef DEV_SHMEM_H
#define DEV_SHMEM_H

#include <stdint.h>

struct pci_host;
struct shmem;

struct shmem_options {
	const char *path; /* made where there is none, and then of that size */
	uint64_t size;	  /* a power of two, of whole pages */
};

/*
 * The content is the file's and stays there, as a disk's does: it is in no snapshot and does not move.
 * Who makes the file shorter ends the VMs that have it. -EINVAL, -errno with a text.
 */
int shmem_create(struct pci_host *host, const struct shmem_options *options,
		 struct shmem **ret_shmem);
/* The vCPUs are stopped. NULL is fine. */
void shmem_destroy(struct shmem *shmem);

#endif
