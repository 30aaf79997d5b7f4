/* SPDX-License-Identifier: Apache-2.0 */
/* The virtual counter, watched: does it ever go back, or leap? */
#include "lib/clock.h"

#include "lib/guest.h"

#define SECOND 1000000000UL

/* The latest that any CPU has read. */
static uint64_t latest;

static uint64_t read_counter(void)
{
	__asm__ volatile("isb" : : : "memory");
	return read_sysreg(cntvct_el0);
}

static uint64_t ns_of(uint64_t ticks)
{
	uint64_t hz = read_sysreg(cntfrq_el0);

	return ticks / hz * SECOND + ticks % hz * SECOND / hz;
}

int clock_init(uint32_t n)
{
	(void)n;
	return 0;
}

void clock_begin(struct clock_watch *watch, uint32_t n)
{
	(void)n;
	watch->tsc = read_counter();
	watch->now = ns_of(watch->tsc);
}

int clock_is_common(void)
{
	return 1;
}

static void publish(uint64_t mine)
{
	uint64_t before = __atomic_load_n(&latest, __ATOMIC_RELAXED);

	while (before < mine && !__atomic_compare_exchange_n(&latest, &before, mine, false,
							     __ATOMIC_RELEASE, __ATOMIC_RELAXED))
		;
}

uint64_t clock_look(struct clock_watch *watch, uint32_t n)
{
	/* Read first: what comes after must not be less. */
	uint64_t least = __atomic_load_n(&latest, __ATOMIC_ACQUIRE), own = watch->now;

	(void)n;
	watch->tsc = read_counter();
	watch->now = ns_of(watch->tsc);
	if (watch->tsc < least || watch->now < own)
		watch->back++;
	else if (watch->now - own > watch->leap)
		watch->leap = watch->now - own;
	if (watch->now > own && watch->now - own > watch->recent)
		watch->recent = watch->now - own;
	publish(watch->tsc);
	return watch->now;
}

/* Nobody tells by how much it stood still. */
void clock_settle(struct clock_watch *watch, uint32_t n)
{
	(void)n;
	if (watch->recent > watch->gap)
		watch->gap = watch->recent;
	watch->recent = 0;
}
