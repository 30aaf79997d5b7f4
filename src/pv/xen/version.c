/* SPDX-License-Identifier: Apache-2.0 */
/* xen_version (xen/common/kernel.c). */
#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "pv/xen/hypercall.h"

#define VIRT_START_64 0xffff800000000000ULL
#define VIRT_START_32 0xf5800000u

/* What Xen says of itself to domains that may not know. */
static const char denied[] = "<denied>";

static int64_t copy_text(struct xen_call *call, const char *text, size_t size)
{
	char buf[1024] = "";

	snprintf(buf, size, "%s", text);
	return xen_copy_out(call, call->args[1], buf, size);
}

static int64_t compile_info(struct xen_call *call)
{
	struct xen_compile_info info = { "<denied>", "<denied>", "<denied>", "<denied>" };

	return xen_copy_out(call, call->args[1], &info, sizeof(info));
}

static int64_t capabilities(struct xen_call *call)
{
	uint32_t major = call->xen->version >> 16, minor = call->xen->version & 0xffff;
	char text[128];

	snprintf(text, sizeof(text), "hvm-%u.%u-x86_32 hvm-%u.%u-x86_32p hvm-%u.%u-x86_64 ", major,
		 minor, major, minor, major, minor);
	return copy_text(call, text, 1024);
}

static int64_t platform_parameters(struct xen_call *call)
{
	uint64_t wide = VIRT_START_64;
	uint32_t narrow = VIRT_START_32;

	return call->longmode ? xen_copy_out(call, call->args[1], &wide, sizeof(wide))
			      : xen_copy_out(call, call->args[1], &narrow, sizeof(narrow));
}

static int64_t get_features(struct xen_call *call)
{
	struct xen_feature_info info;

	if (xen_copy_in(call, &info, call->args[1], sizeof(info)))
		return -XEN_EFAULT;
	if (info.submap_idx > 0)
		return -XEN_EINVAL;
	info.submap = XENFEAT_writable_page_tables | XENFEAT_auto_translated_physmap |
		      XENFEAT_hvm_callback_vector | XENFEAT_hvm_safe_pvclock |
		      XENFEAT_memory_op_vnode_supported | XENFEAT_not_direct_mapped;
	if (call->xen->pirqs.offered)
		info.submap |= XENFEAT_hvm_pirqs;
	return xen_copy_out(call, call->args[1], &info, sizeof(info));
}

static int64_t guest_handle(struct xen_call *call)
{
	static const uint8_t handle[16];

	return xen_copy_out(call, call->args[1], handle, sizeof(handle));
}

int64_t xen_xen_version(struct xen_call *call)
{
	switch ((uint32_t)call->args[0]) {
	case XENVER_version:
		return call->xen->version;
	case XENVER_extraversion:
		return copy_text(call, ".0-ferry", 16);
	case XENVER_compile_info:
		return compile_info(call);
	case XENVER_capabilities:
		return capabilities(call);
	case XENVER_changeset:
		return copy_text(call, denied, 64);
	case XENVER_platform_parameters:
		return platform_parameters(call);
	case XENVER_get_features:
		return get_features(call);
	case XENVER_pagesize:
		return call->args[1] ? -XEN_EINVAL : (int)XEN_PAGE_SIZE;
	case XENVER_guest_handle:
		return guest_handle(call);
	case XENVER_commandline:
		return copy_text(call, denied, 1024);
	case XENVER_build_id:
		return -XEN_ENODATA;
	default:
		return -XEN_ENOSYS;
	}
}
