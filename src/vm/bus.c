/* SPDX-License-Identifier: Apache-2.0 */
/* Finds who owns a port or an address, by binary search. */
#include "vm/bus.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <ferry/error.h>

#include "base/util.h"

/* What this thread's current dispatch has put off until the lock is free. */
static _Thread_local struct {
	void (*fn)(void *arg);
	void *arg;
} deferred;

void bus_init(struct bus *bus, const char *name)
{
	*bus = (struct bus){ .name = name, .lock = SHARED_LOCK_INIT };
}

void bus_finish(struct bus *bus)
{
	free(bus->ranges);
	*bus = (struct bus){ 0 };
}

/* Index of the first range whose base is above addr. */
static size_t above(const struct bus *bus, uint64_t addr)
{
	size_t low = 0;
	size_t high = bus->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (bus->ranges[middle].base <= addr)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static const struct bus_range *search(struct bus *bus, uint64_t addr, unsigned len)
{
	size_t i = above(bus, addr);
	const struct bus_range *range;

	if (i == 0)
		return NULL;
	range = &bus->ranges[i - 1];
	atomic_store_explicit(&bus->last, i - 1, memory_order_relaxed);
	return range_inside(addr - range->base, len, range->len) ? range : NULL;
}

static inline const struct bus_range *find(struct bus *bus, uint64_t addr, unsigned len)
{
	size_t last = atomic_load_explicit(&bus->last, memory_order_relaxed);
	const struct bus_range *range = &bus->ranges[last];

	if (last < bus->count && addr >= range->base &&
	    range_inside(addr - range->base, len, range->len))
		return range;
	return search(bus, addr, len);
}

static int overlap(const struct bus *bus, const char *name, uint64_t base, uint64_t len)
{
	size_t i = above(bus, base);
	const struct bus_range *before = i ? &bus->ranges[i - 1] : NULL;
	const struct bus_range *after = i < bus->count ? &bus->ranges[i] : NULL;
	const struct bus_range *other = NULL;

	if (before && base - before->base < before->len)
		other = before;
	else if (after && after->base - base < len)
		other = after;
	if (!other)
		return 0;
	return because(-EEXIST, "%s: %s at %#llx overlaps %s at %#llx", bus->name, name,
		       (unsigned long long)base, other->name, (unsigned long long)other->base);
}

static int reserve(struct bus *bus)
{
	size_t capacity = bus->capacity ? 2 * bus->capacity : 16;
	struct bus_range *ranges;

	if (bus->count < bus->capacity)
		return 0;
	ranges = reallocarray(bus->ranges, capacity, sizeof(*ranges));
	if (!ranges)
		return -ENOMEM;
	bus->ranges = ranges;
	bus->capacity = capacity;
	return 0;
}

static int add_locked(struct bus *bus, const struct bus_range *range)
{
	size_t at;
	int r;

	r = overlap(bus, range->name, range->base, range->len);
	if (r == 0)
		r = reserve(bus);
	if (r < 0)
		return r;
	at = above(bus, range->base);
	memmove(&bus->ranges[at + 1], &bus->ranges[at], (bus->count - at) * sizeof(*range));
	bus->ranges[at] = *range;
	bus->count++;
	return 0;
}

int bus_add(struct bus *bus, const char *name, uint64_t base, uint64_t len,
	    const struct bus_ops *ops, void *self)
{
	struct bus_range range = { name, base, len, ops, self };
	int r;

	if (!len || base + (len - 1) < base)
		return because(-EINVAL, "%s: %s has no proper range", bus->name, name);
	shared_lock_write(&bus->lock);
	r = add_locked(bus, &range);
	shared_lock_write_end(&bus->lock);
	return r;
}

int bus_remove(struct bus *bus, uint64_t base)
{
	int r = -ENOENT;
	size_t i;

	shared_lock_write(&bus->lock);
	i = above(bus, base);
	if (i && bus->ranges[i - 1].base == base) {
		memmove(&bus->ranges[i - 1], &bus->ranges[i],
			(bus->count - i) * sizeof(bus->ranges[0]));
		bus->count--;
		r = 0;
	}
	shared_lock_write_end(&bus->lock);
	return r;
}

void bus_defer(void (*fn)(void *arg), void *arg)
{
	deferred.fn = fn;
	deferred.arg = arg;
}

static inline void run_deferred(void)
{
	while (deferred.fn) {
		void (*fn)(void *arg) = deferred.fn;

		deferred.fn = NULL;
		fn(deferred.arg);
	}
}

EXIT_PATH bool bus_read(struct bus *bus, uint64_t addr, void *data, unsigned len)
{
	const uint64_t ones = UINT64_MAX;
	const struct bus_range *range;

	copy_access(data, &ones, len);
	shared_lock_read(&bus->lock);
	range = find(bus, addr, len);
	if (range)
		range->ops->read(range->self, addr - range->base, data, len);
	shared_lock_read_end(&bus->lock);
	run_deferred();
	return range != NULL;
}

EXIT_PATH bool bus_write(struct bus *bus, uint64_t addr, const void *data, unsigned len)
{
	const struct bus_range *range;

	shared_lock_read(&bus->lock);
	range = find(bus, addr, len);
	if (range)
		range->ops->write(range->self, addr - range->base, data, len);
	shared_lock_read_end(&bus->lock);
	run_deferred();
	return range != NULL;
}
