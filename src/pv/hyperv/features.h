/* SPDX-License-Identifier: Apache-2.0 */
/* What a Hyper-V guest is promised: features by the names that QEMU gave them, and CPUID leaves. */
#ifndef PV_HYPERV_FEATURES_H
#define PV_HYPERV_FEATURES_H

#include <stddef.h>
#include <stdint.h>

#include <abi/hyperv.h>

enum hyperv_engine {
	HYPERV_ENGINE_AUTO,
	HYPERV_ENGINE_KERNEL,	/* KVM's own Hyper-V */
	HYPERV_ENGINE_PORTABLE, /* ferry's: any KVM that can leave MSRs to user space */
};

/* Four registers of CPUID. */
struct hyperv_leaf {
	uint32_t eax, ebx, ecx, edx;
};

/* Leaves HV_CPUID_FEATURES and HV_CPUID_HINTS. */
struct hyperv_promise {
	struct hyperv_leaf features, hints;
};

/*
 * What text asks for, "relaxed,spinlocks=4095" say; "" or "default" for what suits most guests. What
 * a feature needs comes with it: *ret_added names those (of size bytes; "": none). -EINVAL for a name
 * that is none, or a feature that ferry has not, with the reason.
 */
int hyperv_features_parse(const char *text, uint32_t *ret_set, uint32_t *ret_spinlocks,
			  char *ret_added, size_t size);

/* -EINVAL, naming the first that the portable engine has not, and why. */
int hyperv_features_check_portable(uint32_t set);

struct hyperv_promise hyperv_features_promise(uint32_t set, uint32_t spinlocks);

/* All that the engine (not AUTO) could promise; KVM may have less. */
struct hyperv_promise hyperv_features_all(enum hyperv_engine engine);

/* Names of what is in the set, as they are parsed, with a comma between them. */
void hyperv_features_names(uint32_t set, uint32_t spinlocks, char *text, size_t size);

#endif
