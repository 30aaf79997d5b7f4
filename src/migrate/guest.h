/* SPDX-License-Identifier: Apache-2.0 */
/* What the engine knows of a VM: memory, registers, and how to make them stand still. */
#ifndef MIGRATE_GUEST_H
#define MIGRATE_GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mem;
struct reg_file;

/* What is asked of a store consists of whole blocks; the last may be a part of one. */
#define MIGRATE_STORE_BLOCK 65536ULL

/*
 * A disk that is copied along. offset is a multiple of the block, len too unless the range ends where the
 * disk does, buf is aligned to the block. machine_store_read() and its neighbours (ferry/machine.h) say
 * what the functions must do.
 */
struct migrate_store {
	const char *id; /* "disk0": the same on both sides */
	uint64_t size;	/* bytes, a multiple of 512 */
	void *self;
	/* At the source. */
	int (*read)(void *self, uint64_t offset, void *buf, size_t len);
	int (*next_data)(void *self, uint64_t *offset, uint64_t *ret_len);
	int (*track)(void *self);
	void (*collect)(void *self, uint64_t *bitmap);
	void (*untrack)(void *self);
	/* At the destination, after retake(). */
	int (*write)(void *self, uint64_t offset, const void *buf, size_t len);
	int (*zero)(void *self, uint64_t offset, uint64_t len);
	int (*sync)(void *self);
};

/*
 * Filled in by whoever owns the machine; everything outlives the migration. The functions are called
 * on the migration's threads and may block. machine_hold() and its neighbours (ferry/machine.h) say
 * what they must do.
 */
struct migrate_guest {
	struct mem *mem;
	struct reg_file *regs;
	void *self;
	/* Runs fn(arg) while the vCPUs stand still for a moment. Its result, or why it was not run. */
	int (*glance)(void *self, int (*fn)(void *arg), void *arg);
	/* Brings everything to rest; the guest stays as it is then until go_on or arrive. */
	int (*hold)(void *self);
	/* Ends hold() on the same side. */
	int (*go_on)(void *self);
	/* Begins to run a guest that came from elsewhere. On failure nothing has run. */
	int (*arrive)(void *self);
	/* Gives up what only one side may have, before the other side is told to run. */
	void (*surrender)(void *self);
	/* Takes it back: -EBUSY when the other side has it, so runs. */
	int (*retake)(void *self);
	/* Slows the vCPUs down by percent, 0 … 99. */
	void (*throttle)(void *self, unsigned percent);
	/* The writable disks, for who asks for them to be copied. */
	const struct migrate_store *stores;
	unsigned store_count;
};

#endif
