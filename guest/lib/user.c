/* SPDX-License-Identifier: Apache-2.0 */
/*
 * User mode by IRET, and back by the exception that UD2 causes: kvm_pvm, the software KVM, knows
 * neither SYSCALL nor INT, but it delivers exceptions as any CPU does.
 */
#include "lib/user.h"

#include <stddef.h>

/* Selectors: SDM 3.4.2; those of supervisor mode are start.S's. */
#define KERNEL_CODE 0x08
#define USER_DATA   (0x18 | 3)
#define USER_CODE   (0x20 | 3)
#define TSS	    0x28

/* Ports are user mode's too: hypercalls may leave by one. */
#define USER_FLAGS 0x3002

#define VECTOR_UD    6
#define GATE_PRESENT 0x8e00 /* an interrupt gate */
#define TSS_PRESENT  0x89
#define STACK_BYTES  1024

/* SDM 8.7, of which only the stack of supervisor mode is used. */
struct tss {
	uint32_t reserved;
	uint64_t rsp0;
	uint8_t rest[92];
} __attribute__((packed));

struct gate {
	uint16_t low, selector, attributes, middle;
	uint32_t high, reserved;
};

struct table {
	uint16_t limit;
	uint64_t base;
} __attribute__((packed));

static struct gate idt[VECTOR_UD + 1];
static uint64_t gdts[USER_CPUS][7];
static struct tss tsses[USER_CPUS];
static uint8_t stacks[USER_CPUS][STACK_BYTES] __attribute__((aligned(16)));

void user_gate(void);

__asm__(".text\n"
	"user_gate:\n"
	"	addq $2, (%rsp)\n" /* the length of UD2 */
	"	call *%rax\n"
	"	iretq\n");

static void load_tables(uint32_t n)
{
	const struct table gdt_pointer = { sizeof(gdts[n]) - 1, (uintptr_t)gdts[n] };
	const struct table idt_pointer = { sizeof(idt) - 1, (uintptr_t)idt };
	const uint64_t tss = (uintptr_t)&tsses[n], gate = (uintptr_t)user_gate;
	const uint64_t gdt[7] = { 0,
				  0x00af9b000000ffff,
				  0x00cf93000000ffff,
				  0x00cff3000000ffff,
				  0x00affb000000ffff,
				  (sizeof(struct tss) - 1) | (tss & 0xffffff) << 16 |
					  (uint64_t)TSS_PRESENT << 40 | (tss >> 24 & 0xff) << 56,
				  tss >> 32 };

	tsses[n].rsp0 = (uintptr_t)stacks[n] + STACK_BYTES;
	for (unsigned i = 0; i < 7; i++)
		gdts[n][i] = gdt[i];
	idt[VECTOR_UD] = (struct gate){ (uint16_t)gate,		KERNEL_CODE,
					GATE_PRESENT,		(uint16_t)(gate >> 16),
					(uint32_t)(gate >> 32), 0 };
	__asm__ volatile("lgdt %0; lidt %1; ltr %w2"
			 :
			 : "m"(gdt_pointer), "m"(idt_pointer), "r"(TSS)
			 : "memory");
}

void user_enter(uint32_t n)
{
	load_tables(n);
	__asm__ volatile("mov %%rsp, %%rax\n"
			 "	pushq %0\n"
			 "	push %%rax\n"
			 "	pushq %2\n"
			 "	pushq %1\n"
			 "	pushq $1f\n"
			 "	iretq\n"
			 "1:\n"
			 :
			 : "i"(USER_DATA), "i"(USER_CODE), "i"(USER_FLAGS)
			 : "rax", "cc", "memory");
}
