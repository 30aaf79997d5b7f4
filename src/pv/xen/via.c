/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a guest is told of events: by a vector of each vCPU's LAPIC, or as HVM_PARAM_CALLBACK_IRQ says. By a
 * vector of the domain, which nobody acknowledges; or by a line, a GSI or a PCI device's INTx, which
 * is up as long as vCPU 0 has an upcall pending (xen/arch/x86/hvm/irq.c). KVM takes a line down when
 * the guest acknowledges it; we look then whether it goes up again.
 */
#include <errno.h>

#include <ferry/error.h>

#include "base/clock.h"
#include "base/util.h"
#include "kvm/kvm_x86.h"
#include "pv/xen/hypercall.h"

#define RFLAGS_IF (1u << 9)

/* A vCPU that cannot take an interrupt now is asked again so soon. */
#define INJECT_RETRY_NS 200000ULL

/* One whose LAPIC is off, which may be for good. */
#define REFUSED_MIN_NS 1000000ULL
#define REFUSED_MAX_NS 256000000ULL

static bool is_pending(const struct xen_vcpu *v)
{
	const uint8_t *info = xen_vcpu_info(v);

	return info && __atomic_load_n(info, __ATOMIC_SEQ_CST);
}

static void acked(void *self)
{
	struct xen *xen = self;

	xen_lock(xen);
	if (is_pending(&xen->vcpus[0]))
		irq_level_raise(&xen->line);
	xen_unlock(xen);
}

int xen_via_init(struct xen *xen)
{
	return irq_level_init(&xen->line, xen->vm, acked, xen);
}

void xen_via_finish(struct xen *xen)
{
	irq_level_finish(&xen->line);
}

/* The line of a GSI or of a device's pin; 0: none (public/hvm/params.h). */
static uint32_t line_of(const struct xen *xen, uint64_t value)
{
	uint32_t gsi = 0;

	if (value >> XEN_CALLBACK_TYPE_SHIFT == XEN_CALLBACK_TYPE_GSI)
		gsi = (uint8_t)value;
	else if (value >> XEN_CALLBACK_TYPE_SHIFT == XEN_CALLBACK_TYPE_PCI_INTX && xen->intx_gsi)
		gsi = xen->intx_gsi(value >> 11 & 31, value & 3);
	return gsi < XEN_GSIS ? gsi : 0;
}

int xen_via_set(struct xen *xen, uint64_t value)
{
	bool by_vector = value >> XEN_CALLBACK_TYPE_SHIFT == XEN_CALLBACK_TYPE_VECTOR;
	uint8_t before = xen->callback_vector;
	uint32_t gsi = line_of(xen, value);
	int r = 0;

	if (by_vector && (uint8_t)value < XEN_VECTOR_MIN)
		return -EINVAL;
	if (gsi)
		r = irq_level_attach(&xen->line, gsi);
	if (r < 0)
		return r;
	xen->callback_vector = by_vector ? (uint8_t)value : 0;
	r = xen->engine->set_callback(xen);
	if (r < 0)
		xen->callback_vector = before;
	else if (!gsi)
		irq_level_detach(&xen->line);
	return r;
}

void xen_via_raise(struct xen_vcpu *v)
{
	if (v->id == 0)
		irq_level_raise(&v->xen->line);
}

/*
 * A LAPIC that is off takes nothing. In Xen the upcall comes as soon as the guest switches it on
 * (xen/arch/x86/hvm/vlapic.c), and in KVM's Xen support too; other KVMs tell nobody. So it is made again
 * with the vCPU's next hypercall, and from time to time.
 */
void xen_via_send(struct xen_vcpu *v)
{
	if (xen_send_msi(v, v->vector)) {
		v->refused = false;
		return;
	}
	v->refused_for = v->refused ? min_u64(2 * v->refused_for, REFUSED_MAX_NS) : REFUSED_MIN_NS;
	v->refused_at = clock_now() + v->refused_for;
	v->refused = true;
	xen_timers_changed(v->xen);
}

void xen_via_send_again(struct xen_vcpu *v)
{
	if (v->vector && is_pending(v))
		xen_via_send(v);
	else
		v->refused = false;
}

/* As KVM's own interrupts from a PIC: past the LAPIC, when the vCPU takes interrupts. */
static bool inject(struct xen_vcpu *v)
{
	struct kvm_mp_state state = { 0 };
	struct kvm_vcpu_events events;
	struct kvm_regs regs;

	if (kvm_get_vcpu_events(v->vcpu->fd, &events) < 0 ||
	    kvm_get_regs(v->vcpu->fd, &regs) < 0 || !(regs.rflags & RFLAGS_IF))
		return false;
	if (events.interrupt.injected || events.interrupt.shadow || events.nmi.injected ||
	    events.exception.injected || events.exception.pending)
		return false;
	events.interrupt.injected = 1;
	events.interrupt.nr = v->xen->callback_vector;
	events.interrupt.soft = 0;
	if (kvm_set_vcpu_events(v->vcpu->fd, &events) < 0)
		return false;
	if (kvm_get_mp_state(v->vcpu->fd, &state) == 0 && state.mp_state == KVM_MP_STATE_HALTED) {
		state.mp_state = KVM_MP_STATE_RUNNABLE;
		kvm_set_mp_state(v->vcpu->fd, &state);
	}
	return true;
}

void xen_via_inject_soon(struct xen_vcpu *v)
{
	v->inject = true;
	vcpu_request(v->vcpu, VCPU_REQUEST_WORK);
}

void xen_via_inject(struct xen_vcpu *v)
{
	if (!v->inject)
		return;
	v->inject = v->xen->callback_vector && !v->vector && is_pending(v) && !inject(v);
	v->inject_at = clock_now() + INJECT_RETRY_NS;
	if (v->inject)
		xen_timers_changed(v->xen);
}
