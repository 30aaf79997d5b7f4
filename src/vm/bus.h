/* SPDX-License-Identifier: Apache-2.0 */
/* Dispatch of port and MMIO accesses. */
#ifndef VM_BUS_H
#define VM_BUS_H

#include <ferry/bus.h>

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/shared_lock.h"

/*
 * lock: readers are vCPUs during a dispatch (ops included), writers change the ranges. A device's
 * own lock may be taken under it, never the other way round; ops wait for no vCPU. ranges are sorted by base: a dispatch
 * costs one binary search, or none where the last one was.
 */
struct bus {
	const char *name;
	struct shared_lock lock;
	struct bus_range {
		const char *name;
		uint64_t base;
		uint64_t len;
		const struct bus_ops *ops;
		void *self;
	} *ranges;
	size_t count;
	size_t capacity;
	_Atomic size_t last; /* index of the range that was accessed last; a guess */
};

void bus_init(struct bus *bus, const char *name);
void bus_finish(struct bus *bus);

/*
 * One access by the guest. An access that nobody owns, or that crosses a range's end, reads as all
 * ones and is dropped when it writes; false then, for whoever counts them.
 */
bool bus_read(struct bus *bus, uint64_t addr, void *data, unsigned len);
bool bus_write(struct bus *bus, uint64_t addr, const void *data, unsigned len);

/*
 * bus_add() and bus_remove() for a device that must move its own range from inside its ops (a PCI
 * BAR): the change is made by the dispatching thread after the ops returned and the lock is free,
 * before the guest goes on. fn(arg) may call bus_add and bus_remove. Only from inside ops, on the
 * same thread.
 */
void bus_defer(void (*fn)(void *arg), void *arg);

#endif
