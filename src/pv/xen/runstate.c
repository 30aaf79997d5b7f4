/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long a vCPU was running, runnable, blocked and offline. The kernel's engine has KVM's account; the
 * portable one knows when a vCPU first ran, and counts what KVM sleeps in HLT as running.
 */
#include <string.h>

#include "kvm/kvm_x86.h"
#include "pv/xen/hypercall.h"

void xen_runstate_set(struct xen_vcpu *v, uint32_t state)
{
	uint64_t now;

	if (v->runstate.state == state)
		return;
	now = xen_now(v->xen);
	if (now > v->runstate.since)
		v->runstate.time[v->runstate.state] += now - v->runstate.since;
	v->runstate.since = now;
	v->runstate.state = state;
}

static void from_kvm(struct xen_vcpu *v, struct xen_vcpu_runstate_info_64 *ret_info)
{
	struct kvm_xen_vcpu_attr attr = { .type = KVM_XEN_VCPU_ATTR_TYPE_RUNSTATE_DATA };

	*ret_info = (struct xen_vcpu_runstate_info_64){ 0 };
	if (kvm_xen_vcpu_get_attr(v->vcpu->fd, &attr) < 0)
		return;
	ret_info->state = (uint32_t)attr.u.runstate.state;
	ret_info->state_entry_time = attr.u.runstate.state_entry_time;
	ret_info->time[XEN_RUNSTATE_running] = attr.u.runstate.time_running;
	ret_info->time[XEN_RUNSTATE_runnable] = attr.u.runstate.time_runnable;
	ret_info->time[XEN_RUNSTATE_blocked] = attr.u.runstate.time_blocked;
	ret_info->time[XEN_RUNSTATE_offline] = attr.u.runstate.time_offline;
}

void xen_runstate_get(struct xen_vcpu *v, struct xen_vcpu_runstate_info_64 *ret_info)
{
	if (v->xen->engine == &xen_engine_kernel) {
		from_kvm(v, ret_info);
		return;
	}
	*ret_info = (struct xen_vcpu_runstate_info_64){
		.state = (uint32_t)v->runstate.state,
		.state_entry_time = v->runstate.since,
	};
	memcpy(ret_info->time, v->runstate.time, sizeof(ret_info->time));
}

static size_t shape(const struct xen *xen, const struct xen_vcpu_runstate_info_64 *info, void *buf)
{
	struct xen_vcpu_runstate_info_32 narrow = {
		.state = info->state,
		.state_entry_time = info->state_entry_time,
	};

	if (xen->longmode) {
		memcpy(buf, info, sizeof(*info));
		return sizeof(*info);
	}
	memcpy(narrow.time, info->time, sizeof(narrow.time));
	memcpy(buf, &narrow, sizeof(narrow));
	return sizeof(narrow);
}

/* With the update flag: set in its byte before anything else changes, and cleared last. */
void xen_runstate_write(struct xen_vcpu *v)
{
	struct mem *mem = &v->xen->vm->mem;
	struct xen_vcpu_runstate_info_64 info;
	uint64_t entry, flag_at;
	uint8_t buf[sizeof(info)], byte;
	size_t size;

	if (v->runstate_gpa == XEN_NO_GPA)
		return;
	xen_runstate_get(v, &info);
	entry = info.state_entry_time;
	flag_at = v->runstate_gpa + (v->xen->longmode ? 8 : 4) + 7;
	if (v->xen->runstate_flag) {
		byte = (uint8_t)((entry | XEN_RUNSTATE_UPDATE) >> 56);
		mem_write(mem, flag_at, &byte, 1);
		info.state_entry_time |= XEN_RUNSTATE_UPDATE;
	}
	size = shape(v->xen, &info, buf);
	atomic_thread_fence(memory_order_seq_cst);
	mem_write(mem, v->runstate_gpa, buf, size);
	atomic_thread_fence(memory_order_seq_cst);
	byte = (uint8_t)(entry >> 56);
	if (v->xen->runstate_flag)
		mem_write(mem, flag_at, &byte, 1);
}

struct get_info {
	struct xen *xen;
	struct xen_vcpu_runstate_info_64 info;
};

static int get_on(void *arg, struct vcpu *vcpu)
{
	struct get_info *get = arg;

	xen_lock(get->xen);
	xen_runstate_get(&get->xen->vcpus[vcpu->index], &get->info);
	xen_unlock(get->xen);
	return 0;
}

static int64_t get_info(struct xen_call *call, struct xen_vcpu *v)
{
	struct get_info get = { .xen = call->xen };
	struct xen_vcpu_runstate_info_64 wide;
	uint8_t buf[sizeof(wide)];
	size_t size;

	vcpu_call(v->vcpu, get_on, &get);
	if (call->longmode)
		size = sizeof(wide);
	else
		size = sizeof(struct xen_vcpu_runstate_info_32);
	wide = get.info;
	if (call->longmode)
		memcpy(buf, &wide, sizeof(wide));
	else
		*(struct xen_vcpu_runstate_info_32 *)buf = (struct xen_vcpu_runstate_info_32){
			.state = wide.state,
			.state_entry_time = wide.state_entry_time,
			.time = { wide.time[0], wide.time[1], wide.time[2], wide.time[3] },
		};
	return xen_copy_out(call, call->args[2], buf, size);
}

/* One range of guest physical addresses, of which KVM takes the first. */
static int area_gpa(struct xen_call *call, uint64_t gva, size_t size, uint64_t *ret_gpa)
{
	uint64_t last = 0;
	int r = xen_translate(call, gva, ret_gpa);

	if (r == 0)
		r = xen_translate(call, gva + size - 1, &last);
	if (r < 0)
		return r;
	if (last != *ret_gpa + size - 1 || !mem_ptr_rw(&call->xen->vm->mem, *ret_gpa, 1) ||
	    !mem_ptr_rw(&call->xen->vm->mem, last, 1))
		return -XEN_EINVAL;
	return 0;
}

int64_t xen_runstate_op(struct xen_call *call, struct xen_vcpu *v)
{
	bool is_time = call->args[0] == VCPUOP_register_vcpu_time_memory_area;
	size_t wide = sizeof(struct xen_vcpu_runstate_info_64);
	struct xen_vcpu_register_area area = { 0 };
	uint64_t *place = is_time ? &v->time_gpa : &v->runstate_gpa;
	uint64_t gpa = XEN_NO_GPA, old;
	int r = 0;

	if (call->args[0] == VCPUOP_get_runstate_info)
		return get_info(call, v);
	if (xen_copy_in(call, &area, call->args[2], sizeof(area)))
		return -XEN_EFAULT;
	if (!call->longmode)
		area.addr = (uint32_t)area.addr;
	if (is_time && area.addr % 4)
		return -XEN_EINVAL;
	if (area.addr)
		r = area_gpa(call, area.addr,
			     is_time ? sizeof(struct pvclock_vcpu_time_info) : wide - (call->longmode ? 0 : 4),
			     &gpa);
	if (r < 0)
		return r;
	xen_lock(call->xen);
	old = *place;
	*place = gpa;
	v->stale |= is_time ? XEN_STALE_TIME : XEN_STALE_RUNSTATE;
	xen_unlock(call->xen);
	r = xen_sync(call->xen);
	if (r == 0)
		return 0;
	xen_lock(call->xen);
	*place = old;
	v->stale |= is_time ? XEN_STALE_TIME : XEN_STALE_RUNSTATE;
	xen_unlock(call->xen);
	xen_sync(call->xen);
	return r;
}
