/* SPDX-License-Identifier: Apache-2.0 */
/* Hypercalls. */
#include "lib/hyperv.h"

#include "lib/guest.h"

/* TLFS 2.6: an open-source system, of nobody in particular. */
#define GUEST_OS_ID (1ull << 63 | 0x7ff0ull << 48)

#define SOME_ADDRESS 0x400000ull
#define CR4_OSFXSR   (1ull << 9)

static uint8_t page[HV_PAGE_SIZE] __attribute__((aligned(4096)));
static uint64_t inputs[HYPERV_CPUS][512] __attribute__((aligned(4096)));

void hyperv_init(void)
{
	wrmsr(HV_MSR_GUEST_OS_ID, GUEST_OS_ID);
	wrmsr(HV_MSR_HYPERCALL, (uintptr_t)page | HV_MSR_PAGE_ENABLE);
}

void hyperv_say(uint32_t cpu, const char *what, uint64_t value)
{
	guest_puts("cpu ");
	guest_put_dec(cpu);
	guest_puts(" ");
	guest_puts(what);
	guest_puts(" ");
	guest_put_dec(value);
	guest_puts("\n");
}

const uint64_t *hyperv_page(void)
{
	return (const uint64_t *)(uintptr_t)page;
}

uint64_t hyperv_call(uint64_t input, uint64_t in, uint64_t out)
{
	register uint64_t r8 __asm__("r8") = out;
	uint64_t result;

	__asm__ volatile("call *%3"
			 : "=a"(result), "+c"(input), "+d"(in)
			 : "r"(page), "r"(r8)
			 : "r9", "r10", "r11", "cc", "memory");
	return result;
}

uint64_t hyperv_call_xmm(uint64_t input, uint64_t in, uint64_t out, const uint64_t *xmm)
{
	uint64_t cr4;

	__asm__ volatile("mov %%cr4, %0" : "=r"(cr4));
	__asm__ volatile("mov %0, %%cr4" : : "r"(cr4 | CR4_OSFXSR));
	__asm__ volatile("movdqu (%0), %%xmm0; movdqu 16(%0), %%xmm1; movdqu 32(%0), %%xmm2;"
			 "movdqu 48(%0), %%xmm3; movdqu 64(%0), %%xmm4; movdqu 80(%0), %%xmm5"
			 : : "r"(xmm) : "memory");
	return hyperv_call(input, in, out);
}

/* Writes the parameters down; returns the control word. */
static uint64_t prepare(uint64_t *words, unsigned form, uint64_t mask)
{
	int is_list = form >= FORM_LIST, is_all = form & 1, is_ex = form % FORM_LIST >= FORM_SPACE_EX;
	uint16_t code = is_list ? HV_CALL_FLUSH_LIST : HV_CALL_FLUSH_SPACE;
	unsigned n = 0;

	words[n++] = 0;
	words[n++] = HV_FLUSH_ALL_SPACES | (is_all && !is_ex ? HV_FLUSH_ALL_PROCESSORS : 0);
	if (is_ex) {
		code = is_list ? HV_CALL_FLUSH_LIST_EX : HV_CALL_FLUSH_SPACE_EX;
		words[n++] = is_all ? HV_VP_SET_ALL : HV_VP_SET_SPARSE;
		words[n++] = !is_all;
	}
	if (!is_ex || !is_all)
		words[n++] = is_all ? 0 : mask;
	if (is_list)
		words[n++] = SOME_ADDRESS;
	return hyperv_input(code, is_ex && !is_all, (uint32_t)is_list);
}

uint64_t hyperv_flush_by(uint32_t n, unsigned form, uint64_t mask)
{
	uint64_t *words = inputs[n];
	uint64_t input = prepare(words, form % FORM_XMM, mask);

	if (form < FORM_XMM)
		return hyperv_call(input, (uintptr_t)words, 0);
	return hyperv_call_xmm(input | HV_CALL_FAST, words[0], words[1], words + 2);
}
