/* SPDX-License-Identifier: Apache-2.0 */
/* The clocks that KVM gives a guest, watched: do they ever go back, or leap? */
#include "lib/clock.h"

#include <abi/pvclock.h>

#include "lib/guest.h"
#include "lib/user.h"

#define SECOND 1000000000UL

/* ns by which the two times never part by themselves from one question to the next. */
#define DOUBTFUL 20000

/* KVM writes them; one of them a cache line, so that none crosses a page. */
static struct {
	struct pvclock_vcpu_time_info time;
	struct pvclock_wall_clock wall;
} __attribute__((aligned(64))) shared[USER_CPUS];

/* The latest that any CPU has read. */
static uint64_t latest_tsc, latest_clock;

static uint64_t read_tsc(void)
{
	uint32_t low, high;

	__asm__ volatile("lfence; rdtsc; lfence" : "=a"(low), "=d"(high) : : "memory");
	return (uint64_t)high << 32 | low;
}

static uint64_t scale(const struct pvclock_vcpu_time_info *time, uint64_t tsc)
{
	unsigned __int128 ns = tsc;

	ns = time->tsc_shift < 0 ? ns >> -time->tsc_shift : ns << time->tsc_shift;
	return (uint64_t)(ns * time->tsc_to_system_mul >> 32);
}

/* kvmclock as of now; *RET_TSC is the TSC that it was computed from. */
static uint64_t read_clock(uint32_t n, uint64_t *ret_tsc)
{
	const volatile struct pvclock_vcpu_time_info *time = &shared[n].time;
	struct pvclock_vcpu_time_info copy;

	do {
		copy.version = time->version & ~1U;
		__asm__ volatile("" : : : "memory");
		copy.tsc_timestamp = time->tsc_timestamp;
		copy.system_time = time->system_time;
		copy.tsc_to_system_mul = time->tsc_to_system_mul;
		copy.tsc_shift = time->tsc_shift;
		*ret_tsc = read_tsc();
	} while (time->version != copy.version);
	return copy.system_time + scale(&copy, *ret_tsc - copy.tsc_timestamp);
}

static uint64_t write_msr(uint64_t msr, uint64_t v)
{
	wrmsr((uint32_t)msr, v);
	return 0;
}

static int64_t ask_epoch(uint32_t n)
{
	const volatile struct pvclock_wall_clock *wall = &shared[n].wall;

	user_call(write_msr, MSR_KVM_WALL_CLOCK_NEW, (uintptr_t)wall);
	return (int64_t)(wall->sec * SECOND + wall->nsec);
}

static bool has_kvmclock(void)
{
	uint32_t eax = KVM_CPUID_FEATURES, ebx, ecx = 0, edx;

	__asm__ volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
	return eax & 1U << KVM_FEATURE_CLOCKSOURCE2;
}

int clock_init(uint32_t n)
{
	if (!has_kvmclock())
		return -1;
	wrmsr(MSR_KVM_SYSTEM_TIME_NEW, (uintptr_t)&shared[n].time | KVM_SYSTEM_TIME_ENABLE);
	return 0;
}

void clock_begin(struct clock_watch *watch, uint32_t n)
{
	watch->now = read_clock(n, &watch->tsc);
	watch->epoch = ask_epoch(n);
}

int clock_is_common(void)
{
	return shared[0].time.flags & PVCLOCK_TSC_STABLE_BIT;
}

/* Moves *LATEST on to MINE. */
static void publish(uint64_t *latest, uint64_t mine)
{
	uint64_t before = __atomic_load_n(latest, __ATOMIC_RELAXED);

	while (before < mine && !__atomic_compare_exchange_n(latest, &before, mine, false,
							     __ATOMIC_RELEASE, __ATOMIC_RELAXED))
		;
}

uint64_t clock_look(struct clock_watch *watch, uint32_t n)
{
	const uint64_t own_tsc = watch->tsc, own = watch->now;
	uint64_t least_tsc = own_tsc, least = own;

	/* These are read first: what comes after must not be less. */
	if (clock_is_common()) {
		least_tsc = __atomic_load_n(&latest_tsc, __ATOMIC_ACQUIRE);
		least = __atomic_load_n(&latest_clock, __ATOMIC_ACQUIRE);
	}
	watch->now = read_clock(n, &watch->tsc);
	if (watch->tsc < least_tsc || watch->now < least) {
		watch->back++;
	} else {
		uint64_t by_tsc = scale(&shared[n].time, watch->tsc - own_tsc), by_clock = watch->now - own;
		uint64_t leap = by_tsc > by_clock ? by_tsc : by_clock;

		watch->leap = leap > watch->leap ? leap : watch->leap;
	}
	if (watch->now > own && watch->now - own > watch->recent)
		watch->recent = watch->now - own;
	publish(&latest_tsc, watch->tsc);
	publish(&latest_clock, watch->now);
	return watch->now;
}

static int64_t middle(int64_t a, int64_t b, int64_t c)
{
	if (a > b)
		return middle(b, a, c);
	return c < a ? a : c > b ? b : c;
}

void clock_settle(struct clock_watch *watch, uint32_t n)
{
	int64_t epoch = ask_epoch(n), stood = epoch - watch->epoch;

	/*
	 * One answer in a row can be wrong: KVM took the two times at different moments, or a
	 * monitor restored the MSR, and so had the answer overwritten before the clock itself was
	 * restored.
	 */
	if (stood > DOUBTFUL || stood < -DOUBTFUL) {
		epoch = middle(epoch, ask_epoch(n), ask_epoch(n));
		stood = epoch - watch->epoch;
	}
	watch->epoch = epoch;
	if (stood > 0)
		watch->recent += (uint64_t)stood;
	if (watch->recent > watch->gap)
		watch->gap = watch->recent;
	watch->recent = 0;
}
