/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Xen on a KVM that knows nothing of it: hypercalls leave by OUT, upcalls are MSIs, and vcpu_info.time is
 * KVM's own clock page (MSR_KVM_SYSTEM_TIME_NEW), which has Xen's layout.
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include <ferry/error.h>

#include "arch/x86/regs.h"
#include "base/util.h"
#include "pv/xen/hypercall.h"

#define NS_PER_S 1000000000ULL

static void call_code(const struct xen *xen, uint8_t code[3])
{
	(void)xen;
	memcpy(code, xen_port_call, 3);
}

/* The wall clock at which guest time was zero; an odd version says that it is being written. */
static void write_wallclock(struct xen *xen)
{
	uint8_t *page = xen_page_hva(xen, &xen->shared);
	uint32_t *wc = (uint32_t *)(page + (xen->longmode
						    ? offsetof(struct xen_shared_info_64, wc_version)
						    : offsetof(struct xen_shared_info_32, wc_version)));
	uint32_t *high = (uint32_t *)(page + (xen->longmode
						      ? offsetof(struct xen_shared_info_64, wc_sec_hi)
						      : offsetof(struct xen_shared_info_32, wc_sec_hi)));
	uint32_t version = (__atomic_load_n(wc, __ATOMIC_RELAXED) + 1) | 1;
	struct timespec now;
	uint64_t ns;

	clock_gettime(CLOCK_REALTIME, &now);
	ns = (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec - xen_now(xen);
	__atomic_store_n(&wc[0], version, __ATOMIC_SEQ_CST);
	wc[1] = (uint32_t)(ns / NS_PER_S);
	wc[2] = (uint32_t)(ns % NS_PER_S);
	*high = (uint32_t)(ns / NS_PER_S >> 32);
	__atomic_store_n(&wc[0], version + 1, __ATOMIC_SEQ_CST);
}

static int set_shared_info(struct xen *xen)
{
	write_wallclock(xen);
	return 0;
}

static int nothing(struct xen *xen)
{
	(void)xen;
	return 0;
}

static int vcpu_nothing(struct xen_vcpu *v)
{
	(void)v;
	return 0;
}

/* Where KVM shall keep the clock, as the MSR has it. */
static uint64_t clock_place(const struct xen_vcpu *v)
{
	const struct xen *xen = v->xen;
	uint64_t gpa = v->info_gpa;

	if (gpa == XEN_NO_GPA && v->id < XEN_LEGACY_MAX_VCPUS && xen->shared.gfn != XEN_NO_GFN)
		gpa = xen->shared.gfn * XEN_PAGE_SIZE + 64ULL * v->id;
	if (gpa == XEN_NO_GPA)
		return 0;
	return (gpa + offsetof(struct xen_vcpu_info_64, time)) | KVM_SYSTEM_TIME_ENABLE;
}

/* KVM fills the page when the vCPU is entered; until then it shows what vCPU 0's does. */
static void lend_time(struct xen_vcpu *v)
{
	const uint8_t *from = xen_vcpu_info(&v->xen->vcpus[0]);
	uint8_t *to = xen_vcpu_info(v);
	struct pvclock_vcpu_time_info time;

	if (!from || !to || from == to)
		return;
	to += offsetof(struct xen_vcpu_info_64, time);
	memcpy(&time, to, sizeof(time));
	if (time.version)
		return;
	memcpy(&time, from + offsetof(struct xen_vcpu_info_64, time), sizeof(time));
	/* One that is just being written is not taken. */
	if (!(time.version & 1))
		memcpy(to, &time, sizeof(time));
}

static int set_vcpu_info(struct xen_vcpu *v)
{
	lend_time(v);
	return x86_msr_write(v->vcpu, MSR_KVM_SYSTEM_TIME_NEW, clock_place(v));
}

/* An INIT makes KVM forget the clock (kvmclock_reset), and the LAPIC an upcall that it had not handed on. */
static void after_init(struct xen_vcpu *v)
{
	uint64_t now;

	if (x86_msr_read(v->vcpu, MSR_KVM_SYSTEM_TIME_NEW, &now) == 0 && now != clock_place(v))
		x86_msr_write(v->vcpu, MSR_KVM_SYSTEM_TIME_NEW, clock_place(v));
	xen_via_send_again(v);
}

static void work(void *self, struct vcpu *vcpu)
{
	struct xen *xen = self;
	struct xen_vcpu *v = &xen->vcpus[vcpu->index];

	xen_lock(xen);
	after_init(v);
	xen_via_inject(v);
	xen_unlock(xen);
}

static int init(struct xen *xen)
{
	int r;

	if (!xen->vm->caps.signal_msi)
		return because(-EOPNOTSUPP, "this KVM cannot send MSIs: no Xen guests");
	r = vm_work_add(xen->vm, work, xen);
	return r < 0 ? r : xen_traps_add(xen);
}

/* Guests use it where clocks are stable (PVCLOCK_TSC_STABLE_BIT): then it does not change. */
static int set_time_info(struct xen_vcpu *v)
{
	struct pvclock_vcpu_time_info time;
	const uint8_t *info = xen_vcpu_info(v);

	if (v->time_gpa == XEN_NO_GPA || !info)
		return 0;
	memcpy(&time, info + offsetof(struct xen_vcpu_info_64, time), sizeof(time));
	time.version &= ~1u;
	return mem_write(&v->xen->vm->mem, v->time_gpa, &time, sizeof(time));
}

static int set_runstate(struct xen_vcpu *v)
{
	xen_runstate_write(v);
	return 0;
}

static int set_timer(struct xen_vcpu *v)
{
	xen_timers_changed(v->xen);
	return 0;
}

static void get_timer(struct xen_vcpu *v)
{
	(void)v;
}

static bool take_timer(struct xen_vcpu *v)
{
	(void)v;
	return false;
}

static void restore_timer(struct xen_vcpu *v)
{
	xen_timers_changed(v->xen);
}

static void port_changed(struct xen *xen, uint32_t port)
{
	(void)xen, (void)port;
}

static void choose_delivery(struct xen *xen)
{
	(void)xen;
}

static bool send(struct xen_vcpu *v, uint32_t port)
{
	(void)v, (void)port;
	return false;
}

static void upcall(struct xen_vcpu *v)
{
	if (v->vector)
		xen_via_send(v);
	else if (v->xen->callback_vector)
		xen_via_inject_soon(v);
	else
		xen_via_raise(v);
}

const struct xen_engine_ops xen_engine_portable = {
	.name = "portable",
	.init = init,
	.call_code = call_code,
	.set_longmode = set_shared_info,
	.set_shared_info = set_shared_info,
	.set_callback = nothing,
	.set_runstate_flag = nothing,
	.set_vcpu_info = set_vcpu_info,
	.set_time_info = set_time_info,
	.set_runstate = set_runstate,
	.set_vector = vcpu_nothing,
	.set_timer = set_timer,
	.get_timer = get_timer,
	.take_timer = take_timer,
	.restore_timer = restore_timer,
	.port_changed = port_changed,
	.choose_delivery = choose_delivery,
	.send = send,
	.upcall = upcall,
	.after_init = after_init,
};
