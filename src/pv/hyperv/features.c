/* SPDX-License-Identifier: Apache-2.0 */
/* The table of features. */
#include "pv/hyperv/features.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ferry/error.h>

#include "base/util.h"

enum {
	RELAXED,
	VAPIC,
	SPINLOCKS,
	VPINDEX,
	RUNTIME,
	CRASH,
	RESET,
	TIME,
	FREQUENCIES,
	SYNIC,
	STIMER,
	STIMER_DIRECT,
	TLBFLUSH,
	TLBFLUSH_EXT,
	IPI,
	XMM_INPUT,
	REENLIGHTENMENT,
};

#define BIT(feature) (1U << (feature))

/* QEMU's docs/system/i386/hyperv.rst has the names, and who needs whom. */
static const struct feature {
	const char *name;
	uint32_t needs;
	struct hyperv_promise promise;
	const char *not_portable; /* why the portable engine has not got it; NULL: it has */
} features[] = {
	[RELAXED] = { "relaxed", 0, { .hints.eax = HV_HINT_A_RELAXED }, NULL },
	[VAPIC] = { "vapic", 0,
		    { .features.eax = HV_FEATURE_A_APIC, .hints.eax = HV_HINT_A_APIC },
		    "KVM's LAPIC takes an EOI from the guest only" },
	[SPINLOCKS] = { "spinlocks", 0, { .hints.ebx = HV_HINT_B_NEVER_NOTIFY }, NULL },
	[VPINDEX] = { "vpindex", 0, { .features.eax = HV_FEATURE_A_VP_INDEX }, NULL },
	[RUNTIME] = { "runtime", 0, { .features.eax = HV_FEATURE_A_VP_RUNTIME }, NULL },
	[CRASH] = { "crash", 0, { .features.edx = HV_FEATURE_D_CRASH }, NULL },
	[RESET] = { "reset", 0, { .features.eax = HV_FEATURE_A_RESET }, NULL },
	[TIME] = { "time", 0,
		   { .features.eax = HV_FEATURE_A_TIME_REF_COUNT | HV_FEATURE_A_REFERENCE_TSC },
		   NULL },
	[FREQUENCIES] = { "frequencies", 0,
			  { .features = { .eax = HV_FEATURE_A_FREQUENCIES,
					  .edx = HV_FEATURE_D_FREQUENCIES } },
			  NULL },
	[SYNIC] = { "synic", BIT(VPINDEX),
		    { .features = { .eax = HV_FEATURE_A_SYNIC,
				    .ebx = HV_FEATURE_B_POST_MESSAGES |
					   HV_FEATURE_B_SIGNAL_EVENTS },
		      .hints.eax = HV_HINT_A_NO_AUTO_EOI },
		    NULL },
	[STIMER] = { "stimer", BIT(SYNIC) | BIT(TIME), { .features.eax = HV_FEATURE_A_STIMER },
		     NULL },
	[STIMER_DIRECT] = { "stimer-direct", BIT(STIMER),
			    { .features.edx = HV_FEATURE_D_STIMER_DIRECT }, NULL },
	[TLBFLUSH] = { "tlbflush", BIT(VPINDEX),
		       { .hints.eax = HV_HINT_A_REMOTE_FLUSH | HV_HINT_A_EX_MASKS }, NULL },
	[TLBFLUSH_EXT] = { "tlbflush-ext", BIT(TLBFLUSH),
			   { .features.edx = HV_FEATURE_D_EXTENDED_RANGES }, NULL },
	[IPI] = { "ipi", BIT(VPINDEX),
		  { .hints.eax = HV_HINT_A_CLUSTER_IPI | HV_HINT_A_EX_MASKS }, NULL },
	[XMM_INPUT] = { "xmm-input", 0, { .features.edx = HV_FEATURE_D_XMM_INPUT }, NULL },
	[REENLIGHTENMENT] = { "reenlightenment", 0,
			      { .features.eax = HV_FEATURE_A_REENLIGHTENMENT }, NULL },
};

/* Features that others have, and why ferry has not. */
static const struct {
	const char *name, *why;
} refused[] = {
	{ "evmcs", "for hypervisors in the guest" },
	{ "emsr-bitmap", "for hypervisors in the guest" },
	{ "tlbflush-direct", "for hypervisors in the guest" },
	{ "avic", "KVM's APICs are not accelerated for it" },
	{ "apicv", "KVM's APICs are not accelerated for it" },
	{ "no-nonarch-coresharing", "ferry does not say where vCPUs run" },
	{ "syndbg", "there is no debugger to talk to" },
	{ "passthrough", "name what the guest shall have" },
	{ "enforce-cpuid", "it always is" },
};

#define DEFAULT_SET                                                                                \
	(BIT(RELAXED) | BIT(VPINDEX) | BIT(RUNTIME) | BIT(CRASH) | BIT(RESET) | BIT(TIME) |        \
	 BIT(FREQUENCIES) | BIT(TLBFLUSH) | BIT(IPI) | BIT(XMM_INPUT))

static int refuse(const char *word)
{
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
		if (strcmp(word, refused[i].name) == 0)
			return because(-EINVAL, "ferry has no Hyper-V feature %s: %s", word,
				       refused[i].why);
	return because(-EINVAL, "there is no Hyper-V feature \"%s\"; 'ferry help run' lists them",
		       word);
}

/* What follows spinlocks=: how often a guest tries before it tells the hypervisor. */
static int parse_spinlocks(const char *value, uint32_t *ret_spinlocks)
{
	char *end;
	unsigned long tries = value ? strtoul(value, &end, 0) : 0;

	if (!value || !*value || *end || tries < 0xfff || tries > HV_HINT_B_NEVER_NOTIFY)
		return because(-EINVAL, "spinlocks=N is a number of tries from 4095 on");
	*ret_spinlocks = (uint32_t)tries;
	return 0;
}

static int parse_word(char *word, uint32_t *set, uint32_t *ret_spinlocks)
{
	char *value = strchr(word, '=');

	if (value)
		*value++ = '\0';
	if (strcmp(word, "default") == 0 && !value) {
		*set |= DEFAULT_SET;
		return 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(features); i++) {
		if (strcmp(word, features[i].name) != 0)
			continue;
		*set |= BIT(i);
		if (i == SPINLOCKS)
			return parse_spinlocks(value, ret_spinlocks);
		return value ? because(-EINVAL, "the Hyper-V feature %s takes no value", word) : 0;
	}
	return refuse(word);
}

/* Nothing that is needed stands behind who needs it: once from the end is enough. */
static uint32_t with_needs(uint32_t set)
{
	for (size_t i = ARRAY_SIZE(features); i-- > 0;)
		if (set & BIT(i))
			set |= features[i].needs;
	return set;
}

int hyperv_features_parse(const char *text, uint32_t *ret_set, uint32_t *ret_spinlocks,
			  char *ret_added, size_t size)
{
	uint32_t set = 0, spinlocks = HV_HINT_B_NEVER_NOTIFY;
	char words[512];
	char *rest = words;
	int r = 0;

	if (snprintf(words, sizeof(words), "%s", *text ? text : "default") >= (int)sizeof(words))
		return because(-EINVAL, "the list of Hyper-V features is too long");
	while (rest && r == 0)
		r = parse_word(strsep(&rest, ","), &set, &spinlocks);
	if (r < 0)
		return r;
	hyperv_features_names(with_needs(set) & ~set, spinlocks, ret_added, size);
	*ret_set = with_needs(set);
	*ret_spinlocks = spinlocks;
	return 0;
}

/* The hints' ebx is a number. */
static bool is_offered(const struct hyperv_promise *wanted, const struct hyperv_promise *offer)
{
	return !(wanted->features.eax & ~offer->features.eax) &&
	       !(wanted->features.ebx & ~offer->features.ebx) &&
	       !(wanted->features.edx & ~offer->features.edx) &&
	       !(wanted->hints.eax & ~offer->hints.eax);
}

int hyperv_features_check(uint32_t set, const struct hyperv_promise *offer, const char *why)
{
	for (size_t i = 0; i < ARRAY_SIZE(features); i++)
		if (set & BIT(i) && !is_offered(&features[i].promise, offer))
			return because(-EINVAL, "Hyper-V feature %s: %s", features[i].name, why);
	return 0;
}

int hyperv_features_check_portable(uint32_t set)
{
	for (size_t i = 0; i < ARRAY_SIZE(features); i++)
		if (set & BIT(i) && features[i].not_portable)
			return because(-EINVAL, "Hyper-V feature %s: %s", features[i].name,
				       features[i].not_portable);
	return 0;
}

static void add_leaf(struct hyperv_leaf *to, const struct hyperv_leaf *leaf)
{
	to->eax |= leaf->eax;
	to->ebx |= leaf->ebx;
	to->ecx |= leaf->ecx;
	to->edx |= leaf->edx;
}

struct hyperv_promise hyperv_features_promise(uint32_t set, uint32_t spinlocks)
{
	struct hyperv_promise promise = { .features.eax = HV_FEATURE_A_HYPERCALL };

	for (size_t i = 0; i < ARRAY_SIZE(features); i++) {
		if (!(set & BIT(i)))
			continue;
		add_leaf(&promise.features, &features[i].promise.features);
		add_leaf(&promise.hints, &features[i].promise.hints);
	}
	promise.hints.ebx = (set & BIT(SPINLOCKS)) ? spinlocks : HV_HINT_B_NEVER_NOTIFY;
	return promise;
}

struct hyperv_promise hyperv_features_all(enum hyperv_engine engine)
{
	uint32_t set = 0;

	for (size_t i = 0; i < ARRAY_SIZE(features); i++)
		if (engine == HYPERV_ENGINE_KERNEL || !features[i].not_portable)
			set |= BIT(i);
	return hyperv_features_promise(set, HV_HINT_B_NEVER_NOTIFY);
}

void hyperv_features_names(uint32_t set, uint32_t spinlocks, char *text, size_t size)
{
	size_t at = 0;

	text[0] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(features); i++) {
		if (!(set & BIT(i)) || at >= size)
			continue;
		at += (size_t)snprintf(text + at, size - at, "%s%s", at ? "," : "",
				       features[i].name);
		if (i == SPINLOCKS && at < size)
			at += (size_t)snprintf(text + at, size - at, "=%u", spinlocks);
	}
}
