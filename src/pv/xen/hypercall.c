/* SPDX-License-Identifier: Apache-2.0 */
/* Takes hypercalls: which there are, who may make them, and how they read and write the guest. */
#include "pv/xen/hypercall.h"

#include <string.h>

#include "base/util.h"
#include "kvm/kvm_x86.h"

/* How many entries of a multicall are done at the most: Xen preempts itself instead. */
#define MULTICALL_MAX 4096

int xen_translate(const struct xen_call *call, uint64_t gva, uint64_t *ret_gpa)
{
	struct kvm_translation translation = { .linear_address = gva };

	if (kvm_translate(call->v->vcpu->fd, &translation) < 0 || !translation.valid)
		return -XEN_EFAULT;
	*ret_gpa = translation.physical_address;
	return 0;
}

/* Page by page: what is next to each other by its virtual address need not be in memory. */
static int copy(const struct xen_call *call, uint64_t gva, void *data, size_t len, bool out)
{
	struct mem *mem = &call->xen->vm->mem;
	uint8_t *at = data;

	if (!call->longmode && gva + len > 1ULL << 32)
		return -XEN_EFAULT;
	while (len > 0) {
		size_t part = min_u64(len, XEN_PAGE_SIZE - gva % XEN_PAGE_SIZE);
		uint64_t gpa;
		int r = xen_translate(call, gva, &gpa);

		if (r == 0)
			r = out ? mem_write(mem, gpa, at, part) : mem_read(mem, gpa, at, part);
		if (r < 0)
			return -XEN_EFAULT;
		gva += part;
		at += part;
		len -= part;
	}
	return 0;
}

int xen_copy_in(const struct xen_call *call, void *to, uint64_t gva, size_t len)
{
	return copy(call, gva, to, len, false);
}

int xen_copy_out(const struct xen_call *call, uint64_t gva, const void *from, size_t len)
{
	return copy(call, gva, (void *)from, len, true);
}

/* Xen's numbers are Linux's; what Xen has no word for is said as -EINVAL. */
int xen_error(int r)
{
	return r < -XEN_EOPNOTSUPP ? -XEN_EINVAL : r;
}

static int64_t multicall_64(struct xen_call *call)
{
	for (uint64_t i = 0; i < call->args[1]; i++) {
		uint64_t at = call->args[0] + i * sizeof(struct xen_multicall_entry_64);
		struct xen_multicall_entry_64 entry;
		struct xen_call one = *call;

		if (xen_copy_in(call, &entry, at, sizeof(entry)))
			return -XEN_EFAULT;
		one.nested = true;
		one.op = entry.op;
		memcpy(one.args, entry.args, sizeof(one.args));
		entry.result = (uint64_t)xen_hypercall(&one, 0);
		if (xen_copy_out(call, at, &entry, sizeof(entry)))
			return -XEN_EFAULT;
	}
	return 0;
}

static int64_t multicall_32(struct xen_call *call)
{
	for (uint64_t i = 0; i < call->args[1]; i++) {
		uint64_t at = call->args[0] + i * sizeof(struct xen_multicall_entry_32);
		struct xen_multicall_entry_32 entry;
		struct xen_call one = *call;

		if (xen_copy_in(call, &entry, at, sizeof(entry)))
			return -XEN_EFAULT;
		one.nested = true;
		one.op = entry.op;
		for (size_t a = 0; a < ARRAY_SIZE(one.args); a++)
			one.args[a] = entry.args[a];
		entry.result = (uint32_t)xen_hypercall(&one, 0);
		if (xen_copy_out(call, at, &entry, sizeof(entry)))
			return -XEN_EFAULT;
	}
	return 0;
}

static int64_t multicall(struct xen_call *call)
{
	if (call->nested)
		return -XEN_EINVAL;
	if (call->args[1] > MULTICALL_MAX)
		return -XEN_E2BIG;
	return call->longmode ? multicall_64(call) : multicall_32(call);
}

/* xen/arch/x86/hvm/hypercall.c: those that an HVM domain has. */
static int64_t (*const table[XEN_HYPERCALLS])(struct xen_call *call) = {
	[HYPERVISOR_memory_op] = xen_memory_op,
	[HYPERVISOR_multicall] = multicall,
	[HYPERVISOR_set_timer_op] = xen_set_timer_op,
	[HYPERVISOR_xen_version] = xen_xen_version,
	[HYPERVISOR_console_io] = xen_console_io,
	[HYPERVISOR_grant_table_op] = xen_grant_table_op,
	[HYPERVISOR_vm_assist] = xen_vm_assist,
	[HYPERVISOR_vcpu_op] = xen_vcpu_op,
	[HYPERVISOR_sched_op] = xen_sched_op,
	[HYPERVISOR_event_channel_op] = xen_event_channel_op,
	[HYPERVISOR_physdev_op] = xen_physdev_op,
	[HYPERVISOR_hvm_op] = xen_hvm_op,
};

int64_t xen_hypercall(struct xen_call *call, unsigned cpl)
{
	uint64_t op = call->longmode ? call->op : (uint32_t)call->op;

	if (call->v->refused) {
		xen_lock(call->xen);
		xen_via_send_again(call->v);
		xen_unlock(call->xen);
	}
	if (cpl > 0)
		return -XEN_EPERM;
	if (op >= XEN_HYPERCALLS || !table[op])
		return -XEN_ENOSYS;
	return table[op](call);
}
