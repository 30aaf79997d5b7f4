/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes 0, 1, 2, … to a port for ever, by OUT or (command line "string") by REP OUTSB, in registers
 * that a test can compare with what arrived: RBX is the next number, or RCX what is left.
 */
#include <abi/pvh.h>

#include "lib/guest.h"

#define PORT_VALUE   0x1000
#define PORT_ADDRESS 0x1004 /* told once: where the OUT instruction is */
#define BLOCK        4096

static uint8_t block[BLOCK];

static void __attribute__((noreturn)) count(void)
{
	__asm__ volatile("	mov $0x1004, %%edx\n"
			 "	mov $1f, %%eax\n"
			 "	out %%eax, %%dx\n"
			 "	mov $0x1000, %%edx\n"
			 "	xor %%ebx, %%ebx\n"
			 "2:	mov %%ebx, %%eax\n"
			 "1:	out %%eax, %%dx\n"
			 "	inc %%ebx\n"
			 "	jmp 2b\n"
			 :
			 :
			 : "rax", "rbx", "rdx");
	__builtin_unreachable();
}

static void __attribute__((noreturn)) count_strings(void)
{
	for (uint32_t i = 0; i < BLOCK; i++)
		block[i] = (uint8_t)i;
	__asm__ volatile("	mov $0x1004, %%edx\n"
			 "	mov $1f, %%eax\n"
			 "	out %%eax, %%dx\n"
			 "	mov $0x1000, %%edx\n"
			 "2:	mov %0, %%rsi\n"
			 "	mov $4096, %%ecx\n"
			 "1:	rep outsb\n"
			 "	jmp 2b\n"
			 :
			 : "r"(block)
			 : "rax", "rcx", "rdx", "rsi", "memory");
	__builtin_unreachable();
}

void guest_main(const void *info)
{
	const struct hvm_start_info *start = info;
	const char *how = (const char *)(uintptr_t)start->cmdline_paddr;

	if (how[0] == 's')
		count_strings();
	count();
}
