/* SPDX-License-Identifier: Apache-2.0 */
/* A kernel as an ELF file: its segments, its entry points, its way into guest memory. */
#ifndef BOOT_VMLINUX_H
#define BOOT_VMLINUX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "boot/image.h"
#include "mem/mem.h"

/* vmlinux has four or five. */
#define VMLINUX_SEGMENTS_MAX 32

struct vmlinux_segment {
	uint64_t offset; /* in the file */
	uint64_t file_size;
	gpa_t paddr; /* as linked */
	uint64_t vaddr;
	uint64_t mem_size;
};

struct vmlinux {
	bool elf64;
	bool has_entry; /* e_entry lies inside the kernel */
	uint64_t entry; /* physical, as linked */
	bool has_pvh;
	uint64_t pvh_entry; /* physical, as linked */
	/* PT_LOAD, by rising file offset; they overlap neither in the file nor in memory. */
	struct vmlinux_segment segments[VMLINUX_SEGMENTS_MAX];
	size_t segment_count;
	gpa_t start;	  /* of the lowest segment */
	gpa_t end;	  /* of the highest, .bss included */
	uint64_t elf_end; /* in the file: what follows does not belong to the ELF file */
	struct {
		uint64_t offset;
		uint64_t size;
		uint64_t align;
	} notes[4];
	size_t note_count;
};

bool vmlinux_is(const struct image *image);

/*
 * Reads the headers. file_size is that of the whole file, of which image may be only the beginning.
 * Every part of the result lies inside the file and inside 64 bits. -ENOEXEC: damaged, or for
 * another machine.
 */
int vmlinux_parse(const struct image *image, uint64_t file_size, struct vmlinux *ret_vmlinux);

/*
 * Looks for the PVH entry among the notes, whose address is as linked even in a relocatable kernel.
 * Fills has_pvh and pvh_entry. -ENOEXEC: damaged notes, or an entry outside the kernel.
 */
int vmlinux_find_pvh(const struct image *image, struct vmlinux *vmlinux);

/*
 * Copies the segments to their physical addresses plus delta. Memory there must be zero, or be
 * where the image itself lies: then every segment must move downwards (vmlinux_sinks()), and what
 * is left of the image around the segments is the caller's to clear. -ENOSPC: outside guest memory.
 */
int vmlinux_load(const struct image *image, const struct vmlinux *vmlinux, struct mem *mem,
		 uint64_t delta);

/*
 * Whether the segments can be moved from an image that lies in guest memory with its first segment
 * in place to where they belong, in file order, without one overwriting the next.
 */
bool vmlinux_sinks(const struct vmlinux *vmlinux);

#endif
