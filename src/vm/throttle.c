/* SPDX-License-Identifier: Apache-2.0 */
/* Slows a guest down: in every period the loop sends all vCPUs to sleep for a share of it. */
#include "base/util.h"
#include "vm/vm.h"

#define PERIOD_NS   10000000ULL
#define PERCENT_MAX 99

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

bool vm_throttle_left(const struct vm *vm, struct timespec *ret_left)
{
	uint64_t until = atomic_load(&vm->throttle.until), now = now_ns();

	if (until <= now)
		return false;
	*ret_left = (struct timespec){ .tv_nsec = (long)min_u64(until - now, PERIOD_NS) };
	return true;
}

static void begin_period(struct vm *vm);

static void period_ended(struct loop_timer *timer)
{
	begin_period(container_of(timer, struct vm, throttle.period));
}

/* The end of the sleep is one moment for all, however late a vCPU hears of it. */
static void begin_period(struct vm *vm)
{
	unsigned percent = atomic_load(&vm->throttle.percent);

	if (!percent)
		return;
	if (loop_timer_arm(vm->loop, &vm->throttle.period, PERIOD_NS, period_ended) < 0)
		return;
	atomic_store(&vm->throttle.until, now_ns() + PERIOD_NS / 100 * percent);
	for (uint32_t i = 0; i < vm->vcpu_count; i++)
		vcpu_request(&vm->vcpus[i], VCPU_REQUEST_THROTTLE);
}

static void changed(void *arg)
{
	struct vm *vm = arg;

	if (!vm->throttle.period.timeout)
		begin_period(vm);
}

/* Without memory for the message the guest is as fast as before: slowness is only ever a wish. */
void vm_throttle(struct vm *vm, unsigned percent)
{
	atomic_store(&vm->throttle.percent, (unsigned)min_u64(percent, PERCENT_MAX));
	if (!percent)
		atomic_store(&vm->throttle.until, 0);
	loop_call(vm->loop, changed, vm);
}
