/* SPDX-License-Identifier: Apache-2.0 */
/* Hyper-V for guest programs: the hypercall page, and calls by memory and by registers. */
#ifndef GUEST_LIB_HYPERV_H
#define GUEST_LIB_HYPERV_H

#include <stdint.h>

#include <abi/hyperv.h>

/* As many CPUs can make hypercalls. */
#define HYPERV_CPUS 16

/* Says who the guest is, and has the page made; once. */
void hyperv_init(void);
/* "cpu 1 what 5": what a test looks for. */
void hyperv_say(uint32_t cpu, const char *what, uint64_t value);
/* The code of hypercalls, that page. */
const uint64_t *hyperv_page(void);

static inline uint64_t hyperv_input(uint16_t code, uint32_t var, uint32_t reps)
{
	return code | (uint64_t)var << HV_CALL_VAR_SHIFT | (uint64_t)reps << HV_CALL_REPS_SHIFT;
}

/* RCX, RDX and R8; the result. */
uint64_t hyperv_call(uint64_t input, uint64_t in, uint64_t out);
/* With XMM0 to XMM5 from 12 words: not where supervisor mode is interpreted. */
uint64_t hyperv_call_xmm(uint64_t input, uint64_t in, uint64_t out, const uint64_t *xmm);

/* The ways to ask for a flush of the CPUs in MASK. */
enum hyperv_form {
	FORM_SPACE,
	FORM_SPACE_ALL,
	FORM_SPACE_EX,
	FORM_SPACE_EX_ALL,
	FORM_LIST,
	FORM_LIST_ALL,
	FORM_LIST_EX,
	FORM_LIST_EX_ALL,
	FORMS,
	FORM_XMM = 16, /* added: by registers */
};

/* Asked for by CPU n, of all address spaces; the result. */
uint64_t hyperv_flush_by(uint32_t n, unsigned form, uint64_t mask);

#endif
