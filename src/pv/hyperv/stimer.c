/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Synthetic timers: TLFS 12.3. The guest counts by its reference time, the loop's timer, one for
 * all, by the host's. When that is due the VP is asked to look, on its own thread and outside
 * KVM_RUN: it fires what is due by the guest's time. So nothing is written to memory or to a LAPIC
 * while the VM is paused, and no timer is early.
 */
#include <errno.h>
#include <string.h>

#include <ferry/error.h>

#include "base/clock.h"
#include "base/util.h"
#include "pv/hyperv/impl.h"
#include "vm/vm.h"

#define NS_PER_TICK 100
#define NEVER	    UINT64_MAX

/* A period that is shorter than this loses ticks: it would only keep the host busy. */
#define PERIOD_MIN_TICKS 500

static uint64_t add(uint64_t a, uint64_t b)
{
	return a > NEVER - b ? NEVER : a + b;
}

bool hyperv_stimer_has(uint32_t index)
{
	return index >= HV_MSR_STIMER0_CONFIG && index < HV_MSR_STIMER0_CONFIG + 2 * HV_STIMERS;
}

static struct hyperv_stimer *timer_of(struct hyperv *hv, uint32_t vp, uint32_t index)
{
	return &hyperv_vp(hv, vp)->stimers[(index - HV_MSR_STIMER0_CONFIG) / 2];
}

static bool is_config(uint32_t index)
{
	return (index - HV_MSR_STIMER0_CONFIG) % 2 == 0;
}

/* The loop's timer, for the first VP of all that is due. Loop thread. */
static void fired(struct loop_timer *timer);

static void arm(struct hyperv *hv)
{
	uint64_t first = NEVER, now = clock_now();

	for (uint32_t i = 0; i < hv->vm->vcpu_count; i++)
		first = min_u64(first, atomic_load(&hyperv_vp(hv, i)->due));
	if (first == NEVER)
		loop_timer_disarm(hv->vm->loop, &hv->timer);
	else
		loop_timer_arm(hv->vm->loop, &hv->timer, first > now ? first - now : 0, fired);
}

static void fired(struct loop_timer *timer)
{
	struct hyperv *hv = container_of(timer, struct hyperv, timer);
	uint64_t now = clock_now();

	for (uint32_t i = 0; i < hv->vm->vcpu_count; i++) {
		struct hyperv_vp *vp = hyperv_vp(hv, i);
		uint64_t due = atomic_load(&vp->due);

		/* Unless it has just been given another. */
		if (due <= now && atomic_compare_exchange_strong(&vp->due, &due, NEVER)) {
			atomic_store(&vp->is_due, true);
			vcpu_request(&hv->vm->vcpus[i], VCPU_REQUEST_WORK);
		}
	}
	arm(hv);
}

static void rearm(void *arg)
{
	struct hyperv *hv = arg;

	atomic_store(&hv->is_arming, false);
	arm(hv);
}

void hyperv_stimer_finish(struct hyperv *hv)
{
	loop_timer_disarm(hv->vm->loop, &hv->timer);
}

static bool is_running(const struct hyperv_stimer *timer)
{
	return timer->config & HV_STIMER_ENABLE && timer->expires != NEVER && !timer->is_stuck;
}

/* Tells the loop when the VP has to look next. One message is enough until the loop does. */
static void publish(struct hyperv *hv, struct hyperv_vp *vp, uint64_t now)
{
	uint64_t first = NEVER, due;

	for (unsigned i = 0; i < HV_STIMERS; i++)
		if (is_running(&vp->stimers[i]))
			first = min_u64(first, vp->stimers[i].expires);
	due = first > now ? first - now : 0;
	due = due > NEVER / NS_PER_TICK ? NEVER : add(clock_now(), due * NS_PER_TICK);
	if (atomic_exchange(&vp->due, first == NEVER ? NEVER : due) == NEVER && first == NEVER)
		return;
	if (!atomic_exchange(&hv->is_arming, true) && loop_call(hv->vm->loop, rearm, hv) < 0)
		atomic_store(&hv->is_arming, false);
}

/* Counts from now on: a period, or until a moment. */
static void start(struct hyperv_stimer *timer, uint64_t now)
{
	timer->is_stuck = false;
	timer->expires = NEVER;
	if (timer->count)
		timer->expires = (timer->config & HV_STIMER_PERIODIC) ? add(now, timer->count)
								      : timer->count;
}

/* 0: the guest was told; -errno: not now. */
static int tell(struct hyperv *hv, uint32_t vp, unsigned i, uint64_t now)
{
	const struct hyperv_stimer *timer = &hyperv_vp(hv, vp)->stimers[i];
	const struct hv_timer_message payload = {
		.timer = i, .expiration = timer->expires, .delivery = now,
	};
	struct hv_message message = {
		.type = HV_MESSAGE_TIMER_EXPIRED, .payload_size = sizeof(payload),
	};

	if (timer->config & HV_STIMER_DIRECT) {
		hyperv_interrupt(hv, vp, timer->config >> HV_STIMER_VECTOR_SHIFT & HV_SINT_VECTOR);
		return 0;
	}
	memcpy(message.payload, &payload, sizeof(payload));
	return hyperv_synic_post(hv, &hyperv_vp(hv, vp)->synic, vp,
				 timer->config >> HV_STIMER_SINT_SHIFT & (HV_SYNIC_SINTS - 1),
				 &message);
}

/* The next tick is the first that has not passed; the guest learns of one that it has missed. */
static void go_on(struct hyperv_stimer *timer, uint64_t now)
{
	uint64_t period = timer->count > PERIOD_MIN_TICKS ? timer->count : PERIOD_MIN_TICKS;

	timer->expires = add(timer->expires, (now - timer->expires) / period * period);
	timer->expires = add(timer->expires, period);
}

/* TLFS 12.3.1: one that fires once is disabled then; if the guest cannot be told, when it can. */
static void expire(struct hyperv *hv, uint32_t vp, unsigned i, uint64_t now)
{
	struct hyperv_stimer *timer = &hyperv_vp(hv, vp)->stimers[i];
	int r = tell(hv, vp, i, now);

	if (timer->config & HV_STIMER_PERIODIC)
		go_on(timer, now);
	else if (r == 0)
		timer->config &= ~HV_STIMER_ENABLE;
	timer->is_stuck = r < 0 && !(timer->config & HV_STIMER_PERIODIC);
}

/* Fires what is due. synic_lock. */
static void look(struct hyperv *hv, uint32_t vp, uint64_t now)
{
	for (unsigned i = 0; i < HV_STIMERS; i++) {
		const struct hyperv_stimer *timer = &hyperv_vp(hv, vp)->stimers[i];

		if (is_running(timer) && timer->expires <= now)
			expire(hv, vp, i, now);
	}
	publish(hv, hyperv_vp(hv, vp), now);
}

uint64_t hyperv_stimer_get(struct hyperv *hv, uint32_t vp, uint32_t index)
{
	const struct hyperv_stimer *timer = timer_of(hv, vp, index);
	uint64_t value;

	pthread_mutex_lock(&hv->synic_lock);
	value = is_config(index) ? timer->config : timer->count;
	pthread_mutex_unlock(&hv->synic_lock);
	return value;
}

/* TLFS 12.4.2: without a SINT nobody could be told, unless directly. */
static uint64_t take_config(uint64_t value)
{
	value &= HV_STIMER_KNOWN;
	if (!(value & HV_STIMER_DIRECT) && !(value >> HV_STIMER_SINT_SHIFT))
		value &= ~HV_STIMER_ENABLE;
	return value;
}

/* TLFS 12.4.3: a count of 0 stops the timer. */
static void take_count(struct hyperv_stimer *timer, uint64_t value)
{
	timer->count = value;
	if (!value)
		timer->config &= ~HV_STIMER_ENABLE;
	else if (timer->config & HV_STIMER_AUTO_ENABLE)
		timer->config |= HV_STIMER_ENABLE;
}

int hyperv_stimer_write(struct hyperv *hv, struct vcpu *vcpu, uint32_t index, uint64_t value)
{
	struct hyperv_stimer *timer = timer_of(hv, vcpu->index, index);
	uint64_t now;
	int r = hyperv_clock_read(hv, vcpu, &now);

	if (is_config(index) && value & HV_STIMER_DIRECT &&
	    !(hv->promise.features.edx & HV_FEATURE_D_STIMER_DIRECT))
		return -EINVAL;
	if (r < 0)
		return r;
	pthread_mutex_lock(&hv->synic_lock);
	if (is_config(index))
		timer->config = take_config(value);
	else
		take_count(timer, value);
	start(timer, now);
	look(hv, vcpu->index, now);
	pthread_mutex_unlock(&hv->synic_lock);
	return 0;
}

/* Its thread starts it, when the clock is what it will be. */
void hyperv_stimer_set(struct hyperv *hv, uint32_t vp, uint32_t index, uint64_t value)
{
	struct hyperv_stimer *timer = timer_of(hv, vp, index);
	uint64_t *msr = is_config(index) ? &timer->config : &timer->count;

	pthread_mutex_lock(&hv->synic_lock);
	if (*msr != value) {
		*msr = is_config(index) ? take_config(value) : value;
		timer->is_new = true;
		atomic_store(&hyperv_vp(hv, vp)->is_due, true);
		vcpu_request(&hv->vm->vcpus[vp], VCPU_REQUEST_WORK);
	}
	pthread_mutex_unlock(&hv->synic_lock);
}

void hyperv_stimer_work(struct hyperv *hv, struct vcpu *vcpu)
{
	struct hyperv_vp *vp = hyperv_vp(hv, vcpu->index);
	uint64_t now;

	if (!atomic_exchange(&vp->is_due, false) || hyperv_clock_read(hv, vcpu, &now) < 0)
		return;
	pthread_mutex_lock(&hv->synic_lock);
	for (unsigned i = 0; i < HV_STIMERS; i++) {
		if (vp->stimers[i].is_new)
			start(&vp->stimers[i], now);
		vp->stimers[i].is_new = false;
	}
	look(hv, vcpu->index, now);
	pthread_mutex_unlock(&hv->synic_lock);
}

void hyperv_stimer_retry(struct hyperv *hv, struct vcpu *vcpu)
{
	struct hyperv_vp *vp = hyperv_vp(hv, vcpu->index);

	pthread_mutex_lock(&hv->synic_lock);
	for (unsigned i = 0; i < HV_STIMERS; i++) {
		if (vp->stimers[i].is_stuck)
			atomic_store(&vp->is_due, true);
		vp->stimers[i].is_stuck = false;
	}
	pthread_mutex_unlock(&hv->synic_lock);
	hyperv_stimer_work(hv, vcpu);
}
