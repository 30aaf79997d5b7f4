/* SPDX-License-Identifier: Apache-2.0 */
/* Buses: who answers a guest's port or MMIO access. */
#ifndef FERRY_BUS_H
#define FERRY_BUS_H

#include <stdint.h>

/*
 * What a device supplies for a range. offset counts from the range's base; len is 1, 2, 4 or 8 and
 * the access lies wholly inside the range. data is little-endian and not aligned. Called on a vCPU's
 * thread, possibly on several at once: the device locks what it shares. read() finds data filled
 * with ones, which is what a register that is not there reads as.
 */
struct bus_ops {
	void (*read)(void *self, uint64_t offset, void *data, unsigned len);
	void (*write)(void *self, uint64_t offset, const void *data, unsigned len);
};

struct bus;

/*
 * Gives [base, base + len) to a device. Vanishing ranges wait until no vCPU is inside one of their
 * ops, so self may be freed after bus_remove(). Neither may be called from inside the ops of a
 * device on the same bus, except through bus_move().
 *   -EEXIST  the range overlaps another's (the text names it)
 *   -EINVAL  empty, or wraps
 *   -ENOENT  no range begins at base (remove)
 */
int bus_add(struct bus *bus, const char *name, uint64_t base, uint64_t len,
	    const struct bus_ops *ops, void *self);
int bus_remove(struct bus *bus, uint64_t base);

#endif
