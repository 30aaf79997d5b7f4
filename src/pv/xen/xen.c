/* SPDX-License-Identifier: Apache-2.0 */
/* A Xen domain is made and taken apart: its leaves of CPUID, its engine, its vCPUs. */
#include "pv/xen/xen.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <ferry/error.h>

#include "arch/x86/ident.h"
#include "base/util.h"
#include "pv/xen/hypercall.h"

/* xen/arch/x86/traps.c, cpuid_hypervisor_leaves(). Leaf 5 is for PV domains. */
static int set_cpuid(struct xen *xen, struct vcpu *vcpu)
{
	uint32_t base = xen->cpuid_base;
	uint32_t features = XEN_HVM_CPUID_IOMMU_MAPPINGS | XEN_HVM_CPUID_VCPU_ID_PRESENT |
			    XEN_HVM_CPUID_DOMID_PRESENT | XEN_HVM_CPUID_UPCALL_VECTOR;
	const struct kvm_cpuid_entry2 leaves[] = {
		{ .function = base, .eax = base + XEN_CPUID_LEAVES,
		  .ebx = XEN_CPUID_SIGNATURE_EBX, .ecx = XEN_CPUID_SIGNATURE_ECX,
		  .edx = XEN_CPUID_SIGNATURE_EDX },
		{ .function = base + 1, .eax = xen->version },
		{ .function = base + 2, .eax = 1, .ebx = XEN_HYPERCALL_MSR },
		{ .function = base + 3, .index = 0, .flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX },
		{ .function = base + 3, .index = 1, .flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX },
		{ .function = base + 3, .index = 2, .flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX },
		{ .function = base + 4,
		  .eax = features |
			 (xen->vm->arch.extended_destination ? XEN_HVM_CPUID_EXT_DEST_ID : 0),
		  .ebx = vcpu->index, .ecx = XEN_GUEST_DOMID },
		{ .function = base + 5 },
	};

	return x86_cpuid_replace(vcpu, base, base + 0xff, leaves, ARRAY_SIZE(leaves));
}

static int init_vcpus(struct xen *xen)
{
	xen->vcpus = calloc(xen->vm->vcpu_count, sizeof(*xen->vcpus));
	if (!xen->vcpus)
		return -ENOMEM;
	xen->vcpu_count = xen->vm->vcpu_count;
	for (uint32_t i = 0; i < xen->vcpu_count; i++) {
		struct xen_vcpu *v = &xen->vcpus[i];

		v->xen = xen;
		v->vcpu = &xen->vm->vcpus[i];
		v->id = i;
		v->info_gpa = v->time_gpa = v->runstate_gpa = XEN_NO_GPA;
		v->fifo.gfn = XEN_NO_GFN;
		v->runstate.state = i == 0 ? XEN_RUNSTATE_running : XEN_RUNSTATE_offline;
	}
	return 0;
}

static int choose_engine(struct xen *xen, enum xen_engine engine)
{
	bool kernel = engine == XEN_ENGINE_KERNEL;
	uint32_t enough = KVM_XEN_HVM_CONFIG_INTERCEPT_HCALL | KVM_XEN_HVM_CONFIG_SHARED_INFO |
			  KVM_XEN_HVM_CONFIG_EVTCHN_SEND;

	if (engine == XEN_ENGINE_AUTO)
		kernel = (xen->kvm_flags & enough) == enough;
	xen->engine = kernel ? &xen_engine_kernel : &xen_engine_portable;
	return xen->engine->init(xen);
}

static void copy_options(struct xen *xen, const struct xen_options *options)
{
	xen->version = options->version ? options->version : XEN_VERSION_DEFAULT;
	xen->intx_gsi = options->intx_gsi;
	xen->pirqs.offered = options->pirqs;
	xen->range_count = min_u64(options->range_count, XEN_RANGES_MAX);
	memcpy(xen->ranges, options->ranges, xen->range_count * sizeof(*xen->ranges));
	xen->say = options->say;
	xen->say_self = options->self;
}

/* Everything as it is before the guest has asked for anything; the vCPUs have no threads yet. */
static int tell_engine(struct xen *xen)
{
	int r = xen->engine->set_longmode(xen);

	if (r == 0)
		r = xen->engine->set_shared_info(xen);
	for (uint32_t i = 0; r == 0 && i < xen->vcpu_count; i++)
		r = xen->engine->set_vcpu_info(&xen->vcpus[i]);
	return r < 0 ? because(r, "xen: %s", strerror(-r)) : 0;
}

int xen_create(struct vm *vm, const struct xen_options *options, struct xen **ret_xen)
{
	struct xen *xen = calloc(1, sizeof(*xen));
	int r;

	if (!xen)
		return -ENOMEM;
	pthread_mutex_init(&xen->lock, NULL);
	xen->vm = vm;
	xen->longmode = true;
	xen->kvm_flags = (uint32_t)vm->caps.xen_hvm;
	xen->cpuid_base = XEN_CPUID_BASE;
	xen->hypercall_page = XEN_NO_GPA;
	copy_options(xen, options);
	xen_ports_init(xen);
	xen_pirqs_init(xen);
	r = init_vcpus(xen);
	if (r == 0)
		r = xen_page_init(&xen->shared);
	if (r == 0)
		r = xen_via_init(xen);
	if (r == 0)
		r = choose_engine(xen, options->engine);
	for (uint32_t i = 0; r == 0 && i < xen->vcpu_count; i++)
		r = set_cpuid(xen, &vm->vcpus[i]);
	if (r == 0)
		r = tell_engine(xen);
	if (r < 0)
		goto fail;
	*ret_xen = xen;
	return 0;
fail:
	xen_destroy(xen);
	return r;
}

void xen_destroy(struct xen *xen)
{
	if (!xen)
		return;
	xen_timer_finish(xen);
	xen_via_finish(xen);
	xen_ports_finish(xen);
	xen_page_finish(&xen->shared);
	pthread_mutex_destroy(&xen->lock);
	free(xen->hole_gfns);
	free(xen->vcpus);
	free(xen);
}

const char *xen_engine_name(const struct xen *xen)
{
	return xen->engine->name;
}

int xen_apply(struct xen_vcpu *v)
{
	const struct xen_engine_ops *engine = v->xen->engine;
	const struct {
		unsigned stale;
		int (*set)(struct xen_vcpu *v);
	} all[] = {
		{ XEN_STALE_INFO, engine->set_vcpu_info }, /* first: the time is taken from it */
		{ XEN_STALE_TIME, engine->set_time_info },
		{ XEN_STALE_RUNSTATE, engine->set_runstate },
		{ XEN_STALE_VECTOR, engine->set_vector },
		{ XEN_STALE_TIMER, engine->set_timer },
	};
	unsigned stale = v->stale;
	int r = 0;

	v->stale = 0;
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		int one = (stale & all[i].stale) ? all[i].set(v) : 0;

		r = r < 0 ? r : one;
	}
	if (v->rescan)
		xen_rescan(v);
	v->rescan = false;
	return r;
}

static int apply_on(void *arg, struct vcpu *vcpu)
{
	struct xen *xen = arg;
	int r;

	xen_lock(xen);
	r = xen_apply(&xen->vcpus[vcpu->index]);
	xen_unlock(xen);
	return r;
}

int xen_sync(struct xen *xen)
{
	int r = 0;

	for (uint32_t i = 0; i < xen->vcpu_count; i++) {
		bool stale;
		int one = 0;

		xen_lock(xen);
		stale = xen->vcpus[i].stale || xen->vcpus[i].rescan;
		xen_unlock(xen);
		if (stale)
			one = vcpu_call(xen->vcpus[i].vcpu, apply_on, xen);
		r = r < 0 ? r : one;
	}
	return r < 0 ? xen_error(r) : 0;
}

/* xen/common/domain.c: domain_soft_reset(). The registrations are undone, and may be made again. */
void xen_soft_reset(struct xen *xen)
{
	xen_lock(xen);
	xen_ports_reset(xen);
	xen_pirqs_reset(xen);
	for (uint32_t i = 0; i < xen->vcpu_count; i++) {
		struct xen_vcpu *v = &xen->vcpus[i];

		if (v->info_gpa != XEN_NO_GPA)
			mem_unmark_always_dirty(&xen->vm->mem, v->info_gpa, 64);
		v->info_gpa = v->time_gpa = v->runstate_gpa = XEN_NO_GPA;
		v->vector = 0;
		v->timer.single = v->timer.period = 0;
		v->stale = XEN_STALE_INFO | XEN_STALE_TIME | XEN_STALE_RUNSTATE | XEN_STALE_VECTOR |
			   XEN_STALE_TIMER;
	}
	xen_shared_info_map(xen, XEN_NO_GFN);
	memset(xen->shared.own, 0, XEN_PAGE_SIZE);
	xen->param[HVM_PARAM_CALLBACK_IRQ] = 0;
	xen_via_set(xen, 0);
	xen->engine->choose_delivery(xen);
	xen_unlock(xen);
	xen_sync(xen);
}
