/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a guest of its own by SVM (AMD64 Architecture Programmer's Manual, volume 2, 15), over and
 * over: it reads a window behind which a test puts other pages, and calls back. KVM shadows its page
 * tables, for which each memory slot needs more than a plain guest's does.
 */
#include "lib/guest.h"

#define CONTROL 0x600000UL
#define WINDOW	0x700000UL

#define MSR_EFER	    0xc0000080
#define MSR_VM_HSAVE_PA	    0xc0010117
#define EFER_SVME	    (1UL << 12)
#define INTERCEPT_VMRUN	    1U
#define INTERCEPT_VMMCALL   2U
#define EXIT_VMMCALL	    0x81
#define ATTRIBUTES_CODE	    0x29b /* long mode, present, readable */
#define ATTRIBUTES_DATA	    0xc93

/* Offsets in the VMCB, appendix B. */
enum {
	AT_INTERCEPTS = 0x010,
	AT_ASID = 0x058,
	AT_EXIT_CODE = 0x070,
	AT_ES = 0x400,
	AT_CS = 0x410,
	AT_SS = 0x420,
	AT_DS = 0x430,
	AT_EFER = 0x4d0,
	AT_CR4 = 0x548,
	AT_CR3 = 0x550,
	AT_CR0 = 0x558,
	AT_DR7 = 0x560,
	AT_DR6 = 0x568,
	AT_RFLAGS = 0x570,
	AT_RIP = 0x578,
	AT_RAX = 0x5f8,
	AT_PAT = 0x668,
};

struct control {
	uint64_t generation, nested, stop; /* the test's */
	uint64_t ended;
	uint64_t failed, expected, found;
	uint64_t rounds, nested_rounds;
};

static volatile struct control *const control = (volatile struct control *)CONTROL;

static uint8_t vmcb[4096] __attribute__((aligned(4096)));
static uint8_t host_save[4096] __attribute__((aligned(4096)));

void nested_guest(void);

__asm__(".text\n"
	"nested_guest:\n"
	"	mov (%rbx), %rax\n"
	"	vmmcall\n"
	"	ud2\n");

static void put(unsigned at, uint64_t value)
{
	*(volatile uint64_t *)(vmcb + at) = value;
}

static uint64_t get(unsigned at)
{
	return *(volatile uint64_t *)(vmcb + at);
}

static void put_segment(unsigned at, uint64_t selector, uint64_t attributes)
{
	put(at, selector | attributes << 16 | 0xffffffffUL << 32);
}

#define READ_CR(n, value) __asm__ volatile("mov %%cr" #n ", %0" : "=r"(value))

/* It has our page tables and segments. */
static void prepare(void)
{
	uint64_t cr0, cr3, cr4;

	READ_CR(0, cr0);
	READ_CR(3, cr3);
	READ_CR(4, cr4);
	wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SVME);
	wrmsr(MSR_VM_HSAVE_PA, (uintptr_t)host_save);
	put(AT_INTERCEPTS, INTERCEPT_VMRUN | INTERCEPT_VMMCALL);
	put(AT_ASID, 1);
	put_segment(AT_CS, 8, ATTRIBUTES_CODE);
	put_segment(AT_ES, 16, ATTRIBUTES_DATA);
	put_segment(AT_SS, 16, ATTRIBUTES_DATA);
	put_segment(AT_DS, 16, ATTRIBUTES_DATA);
	put(AT_EFER, rdmsr(MSR_EFER));
	put(AT_CR0, cr0);
	put(AT_CR3, cr3);
	put(AT_CR4, cr4);
	put(AT_DR6, 0xffff0ff0);
	put(AT_DR7, 0x400);
	put(AT_PAT, 0x0007040600070406);
	put(AT_RFLAGS, 2);
}

static void fail(uint64_t what, uint64_t expected, uint64_t found)
{
	if (control->failed)
		return;
	control->expected = expected;
	control->found = found;
	control->failed = what;
}

static void check(uint64_t before, uint64_t found)
{
	if (found < before || found > control->generation + 1)
		fail(1, before, found);
}

static void run_nested(void)
{
	uint64_t before = control->generation;

	put(AT_RIP, (uintptr_t)nested_guest);
	__asm__ volatile("vmrun %%rax" : : "a"(vmcb), "b"(WINDOW) : "memory");
	if (get(AT_EXIT_CODE) != EXIT_VMMCALL)
		fail(2, EXIT_VMMCALL, get(AT_EXIT_CODE));
	check(before, get(AT_RAX));
	control->nested_rounds++;
}

void guest_ap_main(uint32_t n)
{
	(void)n;
}

void guest_main(const void *info)
{
	(void)info;
	prepare();
	while (!control->stop && !control->failed) {
		uint64_t before = control->generation;

		check(before, *(volatile uint64_t *)WINDOW);
		control->rounds++;
		if (control->nested)
			run_nested();
	}
	control->ended = 1;
	for (;;)
		__asm__ volatile("cli; hlt");
}
