/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Registers of Hyper-V that are no MSRs: what was promised, and the inhibit. MSRs are registers by their
 * own numbers, whichever engine keeps them, so that a guest can go from one to the other.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <ferry/error.h>

#include "base/util.h"
#include "pv/hyperv/impl.h"
#include "vm/vm.h"

/* The numbers are the TLFS's. Leaves have 16 bytes, all others 8. */
#define FEATURES_ID REG_ID(REG_BANK_HYPERV, 0, 4, HV_REGISTER_FEATURES)
#define HINTS_ID    REG_ID(REG_BANK_HYPERV, 0, 4, HV_REGISTER_HINTS)
/* field 1: what is added to the scaled TSC; 0: not known */
#define OFFSET_ID   REG_ID(REG_BANK_HYPERV, 1, 3, HV_REGISTER_REFERENCE_TSC)

#define INTERCEPT_ID REG_ID(REG_BANK_HYPERV_VP, 0, 3, HV_REGISTER_INTERCEPT_SUSPEND)
#define DISPATCH_ID  REG_ID(REG_BANK_HYPERV_VP, 0, 3, HV_REGISTER_DISPATCH_SUSPEND)

/* HV_REGISTER_DISPATCH_SUSPEND: bit 0, and ours above, whom the VP waits for. */
#define DISPATCH_SUSPENDED   1ULL
#define DISPATCH_WHOM_SHIFT  32

static int no_such(struct reg_key key)
{
	return because(-ENOENT, "no Hyper-V register %#llx", (unsigned long long)key.id);
}

static int list(void *self, uint32_t v, struct reg_list *out)
{
	int r = reg_list_add(out, v, FEATURES_ID, 0);

	(void)self;
	if (r == 0)
		r = reg_list_add(out, v, HINTS_ID, 0);
	if (r == 0)
		r = reg_list_add(out, v, OFFSET_ID, 0);
	return r;
}

static int get(void *self, struct reg_key key, void *val)
{
	const struct hyperv *hv = self;

	if (key.id == FEATURES_ID)
		memcpy(val, &hv->promise.features, sizeof(hv->promise.features));
	else if (key.id == HINTS_ID)
		memcpy(val, &hv->promise.hints, sizeof(hv->promise.hints));
	else if (key.id == OFFSET_ID)
		memcpy(val, &hv->offset, sizeof(hv->offset));
	else
		return no_such(key);
	return 0;
}

/* ebx of the hints is a number, not a set of bits. */
static int set_leaf(struct hyperv *hv, struct hyperv_leaf *leaf, const void *val)
{
	const struct hyperv_promise all = hyperv_features_all(hv->engine);
	bool is_hints = leaf == &hv->promise.hints;
	struct hyperv_leaf wanted, offered = is_hints ? all.hints : all.features;

	memcpy(&wanted, val, sizeof(wanted));
	if (memcmp(&wanted, leaf, sizeof(wanted)) == 0)
		return 0;
	if (hv->vm->has_run)
		return because(-EBUSY, "what Hyper-V promised is fixed once the VM has run");
	if (wanted.eax & ~offered.eax || (!is_hints && wanted.ebx & ~offered.ebx) || wanted.ecx ||
	    wanted.edx & ~offered.edx)
		return because(-EINVAL,
			       "this host's Hyper-V does not offer bits %#x %#x %#x of CPUID %#x",
			       wanted.eax & ~offered.eax, is_hints ? 0 : wanted.ebx & ~offered.ebx,
			       wanted.edx & ~offered.edx,
			       is_hints ? HV_CPUID_HINTS : HV_CPUID_FEATURES);
	*leaf = wanted;
	hyperv_take_rights(hv);
	return 0;
}

static int set(void *self, struct reg_key key, const void *val)
{
	struct hyperv *hv = self;

	if (key.id == FEATURES_ID)
		return set_leaf(hv, &hv->promise.features, val);
	if (key.id == HINTS_ID)
		return set_leaf(hv, &hv->promise.hints, val);
	if (key.id != OFFSET_ID)
		return no_such(key);
	memcpy(&hv->offset, val, sizeof(hv->offset));
	return 0;
}

static int name_of(void *self, struct reg_key key, char *name, size_t size)
{
	const char *text = key.id == FEATURES_ID ? "features" :
			   key.id == HINTS_ID	 ? "hints" :
			   key.id == OFFSET_ID	 ? "reference_tsc_offset" :
						   NULL;

	(void)self;
	if (!text)
		return -ENOENT;
	snprintf(name, size, "%s", text);
	return 0;
}

static int vp_list(void *self, uint32_t v, struct reg_list *out)
{
	int r = reg_list_add(out, v, INTERCEPT_ID, 0);

	(void)self;
	return r < 0 ? r : reg_list_add(out, v, DISPATCH_ID, 0);
}

static int vp_get(void *self, struct reg_key key, void *val)
{
	uint64_t value = 0;
	uint32_t whom;

	if (key.id == INTERCEPT_ID) {
		if (hyperv_is_inhibited(self, key.vcpu))
			value = HV_INTERCEPT_SUSPEND_TLB_LOCKED;
	} else if (key.id == DISPATCH_ID) {
		if (hyperv_waits_on(self, key.vcpu, &whom))
			value = DISPATCH_SUSPENDED | (uint64_t)whom << DISPATCH_WHOM_SHIFT;
	} else {
		return no_such(key);
	}
	memcpy(val, &value, sizeof(value));
	return 0;
}

static int vp_set(void *self, struct reg_key key, const void *val)
{
	struct hyperv *hv = self;
	uint64_t value;

	memcpy(&value, val, sizeof(value));
	if (key.id == INTERCEPT_ID) {
		if (value & ~HV_INTERCEPT_SUSPEND_TLB_LOCKED)
			return because(-EINVAL, "a VP cannot be suspended like %#llx",
				       (unsigned long long)value);
		return hyperv_tlb_flush_inhibit(hv, key.vcpu, value != 0);
	}
	if (key.id != DISPATCH_ID)
		return no_such(key);
	if (!value) {
		hyperv_stop_waiting(hv, key.vcpu);
		return 0;
	}
	if ((uint32_t)value != DISPATCH_SUSPENDED || value >> DISPATCH_WHOM_SHIFT == key.vcpu ||
	    value >> DISPATCH_WHOM_SHIFT >= hv->vm->vcpu_count)
		return because(-EINVAL, "a VP cannot wait like %#llx", (unsigned long long)value);
	hyperv_wait(hv, key.vcpu, (uint32_t)(value >> DISPATCH_WHOM_SHIFT));
	return 0;
}

static int vp_name_of(void *self, struct reg_key key, char *name, size_t size)
{
	(void)self;
	if (key.id != INTERCEPT_ID && key.id != DISPATCH_ID)
		return -ENOENT;
	snprintf(name, size, "%s", key.id == INTERCEPT_ID ? "intercept_suspend" : "dispatch_suspend");
	return 0;
}

int hyperv_add_bank(struct hyperv *hv)
{
	static const struct reg_bank bank = {
		.name = "hyperv",
		.mask = REG_BANK_MASK,
		.match = REG_BANK(REG_BANK_HYPERV),
		.list = list,
		.get = get,
		.set = set,
		.name_of = name_of,
	};

	return reg_file_add(&hv->vm->regs, &bank, 0, 0, hv);
}

int hyperv_add_vp_bank(struct hyperv *hv)
{
	static const struct reg_bank bank = {
		.name = "hyperv_vp",
		.mask = REG_BANK_MASK,
		.match = REG_BANK(REG_BANK_HYPERV_VP),
		.per_vcpu = 1,
		.list = vp_list,
		.get = vp_get,
		.set = vp_set,
		.name_of = vp_name_of,
	};

	return reg_file_add(&hv->vm->regs, &bank, 0, 0, hv);
}
