/* SPDX-License-Identifier: Apache-2.0 */
/* Memory in a VM without vCPUs, a model of KVM's slots made from its ioctls, and faults at each. */
#ifndef TESTS_MEM_TXN_FIXTURE_H
#define TESTS_MEM_TXN_FIXTURE_H

#include <ferry/error.h>

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "check_main.h"
#include "kvm/ioctl.h"
#include "kvm/kvm.h"
#include "mem/dirty.h"
#include "mem/mem_impl.h"
#include "mem/txn.h"
#include "need_kvm.h"

#define PAGE  GUEST_PAGE_SIZE
#define SLOTS 24

/* Which ioctls fail (counted from 0), with what; and what has been seen. */
static struct faults {
	int at[2]; /* -1: none */
	int error;
	int seen;
	int hit;
	unsigned refused_caps; /* of KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2; all: there is no such */
	struct kvm_userspace_memory_region model[SLOTS];
	int stops, goes;
	bool in_pieces; /* the commit changes more than one slot */
	bool holes; /* something was taken away while the guest could see it come and go */
} faults;

static struct mem mem;
static int kvm_fd = -1;

/* What the hooks expect is said with if: ck_assert allocates, and allocations are counted, too. */

/* What is in the map that is published: an addition that is taken back is no hole. */
static bool takes_away(const struct kvm_userspace_memory_region *slot)
{
	const struct kvm_userspace_memory_region *had = &faults.model[slot->slot];
	const struct mem_region *region = mem_map_find(mem_map(&mem), had->guest_phys_addr);

	return had->memory_size && region && region->slot == slot->slot &&
	       (!slot->memory_size || slot->guest_phys_addr != had->guest_phys_addr);
}

static int before(void *self, const char *name, long arg)
{
	(void)self;
	if (strcmp(name, "KVM_CHECK_EXTENSION") == 0)
		return faults.refused_caps == ~0U ? -EINVAL : 0;
	if (strcmp(name, "KVM_ENABLE_CAP") == 0)
		((struct kvm_enable_cap *)arg)->args[0] &= ~(uint64_t)faults.refused_caps;
	if (strcmp(name, "KVM_SET_USER_MEMORY_REGION") == 0 && takes_away((void *)arg))
		faults.holes |= faults.stops == faults.goes && (faults.in_pieces || mem.tracked);
	for (int i = 0; i < 2; i++) {
		if (faults.seen != faults.at[i])
			continue;
		faults.hit++;
		faults.seen++;
		return faults.error;
	}
	faults.seen++;
	return 0;
}

static void after(void *self, const char *name, long arg, int result)
{
	const struct kvm_userspace_memory_region *slot = (void *)arg;

	(void)self;
	if (result != 0 || strcmp(name, "KVM_SET_USER_MEMORY_REGION") != 0)
		return;
	if (slot->slot >= SLOTS)
		ck_abort_msg("slot %u", slot->slot);
	faults.model[slot->slot] = *slot;
	if (!slot->memory_size)
		faults.model[slot->slot] = (struct kvm_userspace_memory_region){ 0 };
}

static const struct kvm_hook hook = { .before = before, .after = after };

static int stop(void *self)
{
	(void)self;
	/* The order: never stopped under the lock. */
	if (pthread_mutex_trylock(&mem.lock))
		ck_abort_msg("stopped under the lock");
	pthread_mutex_unlock(&mem.lock);
	faults.stops++;
	return 0;
}

static void go(void *self)
{
	(void)self;
	faults.goes++;
}

/* In the lab, where each VM takes its time, one case of n; others in the next scenario. */
static inline bool is_left_out(unsigned *turn, unsigned n)
{
	return getenv("FERRY_TEST_SLOWDOWN") && (*turn)++ % n;
}

static void fixture_open(unsigned refused_caps)
{
	const struct mem_options options = { .name = "test" };
	int fd;

	memset(&faults, 0, sizeof(faults));
	faults.at[0] = faults.at[1] = -1;
	faults.refused_caps = refused_caps;
	kvm_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	ck_assert_int_ge(kvm_fd, 0);
	fd = kvm_create_vm(kvm_fd, 0);
	ck_assert_int_ge(fd, 0);
	kvm_hook_set(&hook);
	ck_assert_int_eq(mem_init(&mem, fd, SLOTS, &options), 0);
	mem.guard = (struct mem_guard){ .stop = stop, .go = go };
}

static void fixture_close(void)
{
	int fd = mem.vm_fd;

	kvm_hook_set(NULL);
	mem_finish(&mem);
	close(fd);
	close(kvm_fd);
}

/* KVM's slots are the map's regions, one each, and no others. */
static void check_model(void)
{
	const struct mem_map *map = mem_map(&mem);
	unsigned slots = 0;
	gpa_t end = 0;

	for (uint32_t slot = 0; slot < SLOTS; slot++) {
		slots += faults.model[slot].memory_size != 0;
		ck_assert_int_eq(mem.slots[0] >> slot & 1, faults.model[slot].memory_size != 0);
	}
	ck_assert_uint_eq(slots, map->count);
	for (size_t i = 0; i < map->count; i++) {
		const struct mem_region *region = mem_map_at(map, i);
		const struct kvm_userspace_memory_region *slot = &faults.model[region->slot];

		ck_assert_uint_eq(slot->guest_phys_addr, region->gpa);
		ck_assert_uint_eq(slot->memory_size, region->size);
		ck_assert_uint_eq(slot->userspace_addr, (uintptr_t)region->hva);
		ck_assert_uint_eq(slot->flags & KVM_MEM_READONLY,
				  region->flags & MEM_READONLY ? KVM_MEM_READONLY : 0);
		ck_assert_uint_ge(region->gpa, end);
		end = region->gpa + region->size;
	}
}

static void check_logs(void)
{
	const struct mem_map *map = mem_map(&mem);

	for (size_t i = 0; i < map->count; i++) {
		const struct mem_region *region = mem_map_at(map, i);

		ck_assert_int_eq(faults.model[region->slot].flags & KVM_MEM_LOG_DIRTY_PAGES,
				 mem.tracked && !(region->flags & MEM_READONLY));
	}
}

/* Nobody holds the lock, and the guest runs. */
static void check_at_rest(void)
{
	ck_assert_int_eq(pthread_mutex_trylock(&mem.lock), 0);
	pthread_mutex_unlock(&mem.lock);
	ck_assert_int_eq(faults.stops, faults.goes);
	ck_assert(!faults.holes);
}

#endif
