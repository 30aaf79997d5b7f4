/* SPDX-License-Identifier: Apache-2.0 */
/* HVMOP_set_param and HVMOP_get_param: what a domain may ask of and say about itself (xen/arch/x86/hvm/hvm.c). */
#include <errno.h>

#include "base/util.h"
#include "pv/xen/hypercall.h"

/* struct tss32; and with all that a task state segment of virtual 8086 mode can have behind it. */
#define TSS_SIZE_MIN 104u
#define TSS_SIZE_MAX (TSS_SIZE_MIN + 0x100 / 8 + 0x10000 / 8 + 1)
/* What old loaders, which did not say, reserved. */
#define TSS_SIZE_OLD 128u

/* Which a guest may read, and which it may write, of its own; GONE were a device model's once. */
enum { GET = 1, SET = 2, GONE = 4 };
static const uint8_t allowed[XEN_HVM_PARAMS] = {
	[HVM_PARAM_CALLBACK_IRQ] = GET | SET,
	[HVM_PARAM_STORE_PFN] = GET,
	[HVM_PARAM_STORE_EVTCHN] = GET | SET,
	[HVM_PARAM_DM_DOMAIN] = GONE,
	[HVM_PARAM_VM86_TSS] = GET | SET,
	[HVM_PARAM_CONSOLE_PFN] = GET,
	[HVM_PARAM_CONSOLE_EVTCHN] = GET | SET,
	[HVM_PARAM_ACPI_IOPORTS_LOCATION] = GET | SET,
	[HVM_PARAM_BUFIOREQ_EVTCHN] = GONE,
	[HVM_PARAM_VM_GENERATION_ID_ADDR] = GET | SET,
	[HVM_PARAM_X87_FIP_WIDTH] = GET | SET,
	[HVM_PARAM_VM86_TSS_SIZED] = GET | SET,
};

/* The second of the two moments at which Xen looks at the guest's width. */
static int set_callback(struct xen_call *call, uint64_t value)
{
	int r = xen_set_longmode(call->xen, call->longmode);

	if (r == 0)
		r = xen_via_set(call->xen, value);
	if (r == 0)
		call->xen->engine->choose_delivery(call->xen);
	return r;
}

static int set_tss(struct xen *xen, uint64_t value)
{
	if (value >> 32 < TSS_SIZE_MIN)
		return -EINVAL;
	xen->param[HVM_PARAM_VM86_TSS_SIZED] =
		(uint32_t)value | min_u64(value >> 32, TSS_SIZE_MAX) << 32;
	return 0;
}

/* lock held. */
static int set_param(struct xen_call *call, uint32_t index, uint64_t value)
{
	struct xen *xen = call->xen;
	int r = 0;

	switch (index) {
	case HVM_PARAM_CALLBACK_IRQ:
		r = set_callback(call, value);
		break;
	case HVM_PARAM_VM86_TSS:
		if (value > UINT32_MAX)
			return -EINVAL;
		xen->param[HVM_PARAM_VM86_TSS_SIZED] =
			value ? value | (uint64_t)TSS_SIZE_OLD << 32 : 0;
		return 0;
	case HVM_PARAM_VM86_TSS_SIZED:
		return set_tss(xen, value);
	case HVM_PARAM_ACPI_IOPORTS_LOCATION: /* the old place or the new one */
		r = value <= 1 ? 0 : -EINVAL;
		break;
	case HVM_PARAM_X87_FIP_WIDTH:
		r = value == 0 || value == 4 || value == 8 ? 0 : -EINVAL;
		break;
	default:
		break;
	}
	if (r == 0)
		xen->param[index] = value;
	return r;
}

static int64_t check(const struct xen_hvm_param *op, unsigned access)
{
	int r;

	if (op->index >= XEN_HVM_PARAMS)
		return -XEN_EINVAL;
	r = xen_check_self(op->domid);
	if (r < 0)
		return r;
	if (allowed[op->index] & access)
		return 0;
	return allowed[op->index] & GONE && access == GET ? -XEN_ENODATA : -XEN_EPERM;
}

int64_t xen_set_param(struct xen_call *call)
{
	struct xen_hvm_param op;
	int64_t r;

	if (xen_copy_in(call, &op, call->args[1], sizeof(op)))
		return -XEN_EFAULT;
	r = check(&op, SET);
	if (r < 0)
		return r;
	xen_lock(call->xen);
	r = set_param(call, op.index, op.value);
	xen_unlock(call->xen);
	return r < 0 ? xen_error((int)r) : xen_sync(call->xen);
}

int64_t xen_get_param(struct xen_call *call)
{
	struct xen *xen = call->xen;
	struct xen_hvm_param op;
	int64_t r;

	if (xen_copy_in(call, &op, call->args[1], sizeof(op)))
		return -XEN_EFAULT;
	r = check(&op, GET);
	if (r < 0)
		return r;
	xen_lock(xen);
	op.value = op.index == HVM_PARAM_VM86_TSS ? (uint32_t)xen->param[HVM_PARAM_VM86_TSS_SIZED]
						  : xen->param[op.index];
	xen_unlock(xen);
	return xen_copy_out(call, call->args[1], &op, sizeof(op));
}
