/* SPDX-License-Identifier: Apache-2.0 */
/* Hypercalls, from the caller's registers and memory to what is asked for. It changes nothing. */
#ifndef PV_HYPERV_HCALL_H
#define PV_HYPERV_HCALL_H

#include <stdbool.h>
#include <stdint.h>

#include <abi/hyperv.h>

struct mem;

/* What the caller was promised: the leaves HV_CPUID_FEATURES and HV_CPUID_HINTS. */
struct hcall_rights {
	uint32_t features_b, features_d;
	uint32_t hints_a;
	bool spin_wait;
};

/* TLFS 3.7: RCX, RDX and R8, or what takes their place in 32-bit mode; XMM0-5, low halves first. */
struct hcall_regs {
	uint64_t input, in, out;
	uint64_t xmm[HV_XMM_WORDS]; /* if hcall_needs_xmm() says so */
};

enum hcall_kind {
	HCALL_NONE, /* there is nothing to do about it */
	HCALL_FLUSH,
	HCALL_IPI,
	HCALL_POST,
	HCALL_SIGNAL,
};

/* A VP is meant if all is set, or its bit is. */
struct hcall_targets {
	bool all;
	uint64_t banks[HV_VP_SET_BANKS];
};

struct hcall {
	enum hcall_kind kind;
	uint32_t vector;
	uint32_t reps; /* elements done when it is done */
	struct hcall_targets targets;
	uint32_t connection;
	uint16_t flag;		   /* of HCALL_SIGNAL */
	struct hv_message message; /* of HCALL_POST */
};

/* Not a status: the caller takes #UD. */
#define HCALL_UD 0x10000u

/* Whether the call's parameters are in XMM registers too. */
bool hcall_needs_xmm(uint64_t input);

/*
 * HV_STATUS_SUCCESS, and what is to be done; or the status that the TLFS has for what is wrong, or
 * HCALL_UD. The caller's memory is read once.
 */
uint32_t hcall_decode(const struct mem *mem, const struct hcall_rights *rights,
		      const struct hcall_regs *regs, struct hcall *ret_call);

static inline bool hcall_targets_has(const struct hcall_targets *targets, uint32_t vp)
{
	return targets->all ||
	       (vp / 64 < HV_VP_SET_BANKS && targets->banks[vp / 64] >> vp % 64 & 1);
}

#endif
