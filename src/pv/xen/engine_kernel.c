/* SPDX-License-Identifier: Apache-2.0 */
/* KVM's own Xen support (Documentation/virt/kvm/api.rst, KVM_XEN_HVM_CONFIG and what follows it). */
#include <errno.h>
#include <string.h>

#include <ferry/error.h>

#include "base/util.h"
#include "kvm/kvm_x86.h"
#include "pv/xen/hypercall.h"

#define NEEDED                                                                                     \
	(KVM_XEN_HVM_CONFIG_HYPERCALL_MSR | KVM_XEN_HVM_CONFIG_INTERCEPT_HCALL |                   \
	 KVM_XEN_HVM_CONFIG_SHARED_INFO | KVM_XEN_HVM_CONFIG_EVTCHN_2LEVEL |                       \
	 KVM_XEN_HVM_CONFIG_EVTCHN_SEND)

/* KVM_XEN_HVM_SET_ATTR's unions lie at one offset: gfn for hva, long_mode for any flag (api.rst). */
static int set_vm(struct xen *xen, uint16_t type, uint64_t value)
{
	struct kvm_xen_hvm_attr attr = { .type = type };

	memcpy(&attr.u, &value, sizeof(value));
	return kvm_xen_hvm_set_attr(xen->vm->fd, &attr);
}

static int set_vcpu(struct xen_vcpu *v, uint16_t type, uint64_t value)
{
	struct kvm_xen_vcpu_attr attr = { .type = type, .u.gpa = value };

	return kvm_xen_vcpu_set_attr(v->vcpu->fd, &attr);
}

static bool by_hva(const struct xen *xen)
{
	return xen->kvm_flags & KVM_XEN_HVM_CONFIG_SHARED_INFO_HVA;
}

/*
 * Without EVTCHN_SEND KVM takes SCHEDOP_poll for a yield: it would otherwise wait for bits of shared_info
 * that nobody sets in the FIFO ABI.
 */
static int configure(struct xen *xen)
{
	struct kvm_xen_hvm_config config = {
		.flags = KVM_XEN_HVM_CONFIG_INTERCEPT_HCALL,
		.msr = XEN_HYPERCALL_MSR,
	};

	if (xen->kernel_delivers)
		config.flags |= KVM_XEN_HVM_CONFIG_EVTCHN_SEND;
	return kvm_xen_hvm_config(xen->vm->fd, &config);
}

static void exit_hypercall(void *self, struct vcpu *vcpu)
{
	struct xen *xen = self;
	struct kvm_xen_exit *exit = &vcpu->run->xen;
	struct xen_call call = {
		.xen = xen,
		.v = &xen->vcpus[vcpu->index],
		.longmode = exit->u.hcall.longmode,
		.op = exit->u.hcall.input,
	};
	int64_t result;

	memcpy(call.args, exit->u.hcall.params, sizeof(call.args));
	result = xen_hypercall(&call, exit->u.hcall.cpl);
	exit->u.hcall.result = call.longmode ? (uint64_t)result : (uint32_t)result;
}

static int init(struct xen *xen)
{
	int r;

	if ((xen->kvm_flags & NEEDED) != NEEDED)
		return because(-EOPNOTSUPP,
			       "this KVM's Xen support lacks something (has %#x, needs %#x): "
			       "--xen-engine=portable does without",
			       xen->kvm_flags, (unsigned)NEEDED);
	r = configure(xen);
	if (r < 0)
		return because(r, "KVM_XEN_HVM_CONFIG: %s", strerror(-r));
	r = set_vm(xen, KVM_XEN_ATTR_TYPE_XEN_VERSION, xen->version);
	for (uint32_t i = 0; r == 0 && i < xen->vcpu_count; i++)
		r = set_vcpu(&xen->vcpus[i], KVM_XEN_VCPU_ATTR_TYPE_VCPU_ID, i);
	if (r < 0)
		return because(r, "KVM_XEN_HVM_SET_ATTR: %s", strerror(-r));
	r = x86_exit_trap_add(xen->vm, KVM_EXIT_XEN, exit_hypercall, xen);
	return r < 0 ? r : xen_traps_add(xen);
}

/* AMD's CPUs have vmmcall, Intel's vmcall; KVM puts the other one right at the price of a fault. */
static void call_code(const struct xen *xen, uint8_t code[3])
{
	static const uint8_t vmcall[] = { 0x0f, 0x01, 0xc1 }, vmmcall[] = { 0x0f, 0x01, 0xd9 };
	bool amd = __builtin_cpu_is("amd");

	(void)xen;
	memcpy(code, amd ? vmmcall : vmcall, 3);
}

static int set_longmode(struct xen *xen)
{
	return set_vm(xen, KVM_XEN_ATTR_TYPE_LONG_MODE, xen->longmode);
}

static int set_shared_info(struct xen *xen)
{
	if (by_hva(xen))
		return set_vm(xen, KVM_XEN_ATTR_TYPE_SHARED_INFO_HVA,
			      (uintptr_t)xen_page_hva(xen, &xen->shared));
	return set_vm(xen, KVM_XEN_ATTR_TYPE_SHARED_INFO, xen->shared.gfn);
}

static int set_callback(struct xen *xen)
{
	return set_vm(xen, KVM_XEN_ATTR_TYPE_UPCALL_VECTOR, xen->callback_vector);
}

static int set_runstate_flag(struct xen *xen)
{
	if (!(xen->kvm_flags & KVM_XEN_HVM_CONFIG_RUNSTATE_UPDATE_FLAG))
		return 0; /* such a KVM sets XEN_RUNSTATE_UPDATE in any case */
	return set_vm(xen, KVM_XEN_ATTR_TYPE_RUNSTATE_UPDATE_FLAG, xen->runstate_flag);
}

static int set_vcpu_info(struct xen_vcpu *v)
{
	const struct xen *xen = v->xen;
	uint64_t gpa = v->info_gpa;

	if (gpa == XEN_NO_GPA && v->id < XEN_LEGACY_MAX_VCPUS) {
		if (by_hva(xen))
			return set_vcpu(v, KVM_XEN_VCPU_ATTR_TYPE_VCPU_INFO_HVA,
					(uintptr_t)xen_vcpu_info(v));
		if (xen->shared.gfn != XEN_NO_GFN)
			gpa = xen->shared.gfn * XEN_PAGE_SIZE + 64ULL * v->id;
	}
	return set_vcpu(v, KVM_XEN_VCPU_ATTR_TYPE_VCPU_INFO, gpa);
}

static int set_time_info(struct xen_vcpu *v)
{
	return set_vcpu(v, KVM_XEN_VCPU_ATTR_TYPE_VCPU_TIME_INFO, v->time_gpa);
}

static int set_runstate(struct xen_vcpu *v)
{
	if (!(v->xen->kvm_flags & KVM_XEN_HVM_CONFIG_RUNSTATE))
		return v->runstate_gpa == XEN_NO_GPA ? 0 : -EOPNOTSUPP;
	return set_vcpu(v, KVM_XEN_VCPU_ATTR_TYPE_RUNSTATE_ADDR, v->runstate_gpa);
}

static int set_vector(struct xen_vcpu *v)
{
	return set_vcpu(v, KVM_XEN_VCPU_ATTR_TYPE_UPCALL_VECTOR, v->vector);
}

static void get_timer(struct xen_vcpu *v)
{
	struct kvm_xen_vcpu_attr attr = { .type = KVM_XEN_VCPU_ATTR_TYPE_TIMER };

	if (kvm_xen_vcpu_get_attr(v->vcpu->fd, &attr) == 0 && attr.u.timer.port)
		v->timer.single = attr.u.timer.expires_ns;
}

/* What has run out is in memory then. */
static bool take_timer(struct xen_vcpu *v)
{
	struct kvm_xen_vcpu_attr attr = { .type = KVM_XEN_VCPU_ATTR_TYPE_TIMER };

	get_timer(v);
	attr.u.timer.priority = KVM_IRQ_ROUTING_XEN_EVTCHN_PRIO_2LEVEL;
	kvm_xen_vcpu_set_attr(v->vcpu->fd, &attr);
	return true;
}

/* KVM's timer, or none of its: with what timer.single says. */
static int give_timer(struct xen_vcpu *v)
{
	struct kvm_xen_vcpu_attr attr = { .type = KVM_XEN_VCPU_ATTR_TYPE_TIMER };

	attr.u.timer.priority = KVM_IRQ_ROUTING_XEN_EVTCHN_PRIO_2LEVEL;
	if (v->xen->kernel_delivers)
		attr.u.timer.port = v->virq_port[XEN_VIRQ_TIMER];
	if (attr.u.timer.port) {
		attr.u.timer.expires_ns = v->timer.single;
		v->timer.single = 0;
	}
	xen_timers_changed(v->xen);
	return kvm_xen_vcpu_set_attr(v->vcpu->fd, &attr);
}

/* A timer that KVM has goes to ferry, and the other way round, with what it is set to. */
static int set_timer(struct xen_vcpu *v)
{
	get_timer(v);
	return give_timer(v);
}

static void restore_timer(struct xen_vcpu *v)
{
	give_timer(v);
}

/* What the guest sends leaves the kernel as a signal, whatever ABI it has for what it is sent. */
static void send_to_eventfd(struct xen *xen, uint32_t port, int fd)
{
	struct kvm_xen_hvm_attr attr = { .type = KVM_XEN_ATTR_TYPE_EVTCHN };

	attr.u.evtchn.send_port = port;
	attr.u.evtchn.type = EVTCHNSTAT_interdomain;
	attr.u.evtchn.deliver.eventfd.fd = fd;
	kvm_xen_hvm_set_attr(xen->vm->fd, &attr);
}

static void port_changed(struct xen *xen, uint32_t port)
{
	struct kvm_xen_hvm_attr attr = { .type = KVM_XEN_ATTR_TYPE_EVTCHN };
	const struct xen_evtchn *channel = xen_port(xen, port), *to = channel;
	uint32_t deliver = port;

	attr.u.evtchn.send_port = port;
	attr.u.evtchn.flags = KVM_XEN_EVTCHN_DEASSIGN;
	kvm_xen_hvm_set_attr(xen->vm->fd, &attr);
	xen_senders_changed(xen, port);
	if (channel && channel->event_fd)
		send_to_eventfd(xen, port, channel->event_fd);
	if (!channel || !xen->kernel_delivers)
		return;
	if (channel->state == EVTCHNSTAT_interdomain && !channel->notify &&
	    channel->remote == XEN_GUEST_DOMID) {
		deliver = channel->number;
		to = xen_port(xen, deliver);
	} else if (channel->state != EVTCHNSTAT_ipi) {
		return;
	}
	if (!to)
		return;
	attr.u.evtchn.type = channel->state;
	attr.u.evtchn.flags = 0;
	attr.u.evtchn.deliver.port.port = deliver;
	attr.u.evtchn.deliver.port.vcpu = to->vcpu;
	attr.u.evtchn.deliver.port.priority = KVM_IRQ_ROUTING_XEN_EVTCHN_PRIO_2LEVEL;
	/* Where KVM does not take it the hypercall comes to ferry. */
	kvm_xen_hvm_set_attr(xen->vm->fd, &attr);
}

/* KVM makes upcalls by vector only, and knows the 2-level ABI only. */
static void choose_delivery(struct xen *xen)
{
	bool can = !xen->ports.fifo && (xen->callback_vector || xen->vcpus[0].vector);

	if (can == xen->kernel_delivers)
		return;
	xen->kernel_delivers = can;
	configure(xen);
	for (uint32_t port = 1; port < XEN_EVTCHN_2L_CHANNELS_64; port++)
		if (xen_port(xen, port))
			port_changed(xen, port);
	xen_senders_changed(xen, 0);
	for (uint32_t i = 0; i < xen->vcpu_count; i++)
		xen->vcpus[i].stale |= XEN_STALE_TIMER;
}

static bool send(struct xen_vcpu *v, uint32_t port)
{
	struct kvm_irq_routing_xen_evtchn event = {
		.port = port,
		.vcpu = v->id,
		.priority = KVM_IRQ_ROUTING_XEN_EVTCHN_PRIO_2LEVEL,
	};

	if (!v->xen->kernel_delivers)
		return false;
	if (!by_hva(v->xen) && v->xen->shared.gfn == XEN_NO_GFN)
		return false;
	return kvm_xen_hvm_evtchn_send(v->xen->vm->fd, &event) == 0;
}

/* KVM looks at evtchn_upcall_pending before it enters the guest, when a vector of the VM is set. */
static void upcall(struct xen_vcpu *v)
{
	if (v->vector)
		xen_via_send(v);
	else if (!v->xen->callback_vector)
		xen_via_raise(v);
	else if (v->vcpu != vcpu_current())
		vcpu_request(v->vcpu, VCPU_REQUEST_BLOCK);
}

static void after_init(struct xen_vcpu *v)
{
	(void)v;
}

const struct xen_engine_ops xen_engine_kernel = {
	.name = "kernel",
	.init = init,
	.call_code = call_code,
	.set_longmode = set_longmode,
	.set_shared_info = set_shared_info,
	.set_callback = set_callback,
	.set_runstate_flag = set_runstate_flag,
	.set_vcpu_info = set_vcpu_info,
	.set_time_info = set_time_info,
	.set_runstate = set_runstate,
	.set_vector = set_vector,
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
