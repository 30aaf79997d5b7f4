/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads a port for ever, by IN or (command line "string") by REP INSB, in registers that a test can
 * compare with what it served: RBX counts, or RCX is what is left. KVM finishes an IN only when it is
 * entered again, so a pause in between is seen.
 */
#include <abi/pvh.h>

#include "lib/guest.h"

/* Port 0x1004 is told once where the instruction is; port 0x1000 is what is read. */
#define BLOCK        4096

static uint8_t block[BLOCK];

static void __attribute__((noreturn)) count(void)
{
	__asm__ volatile("	mov $0x1004, %%edx\n"
			 "	mov $1f, %%eax\n"
			 "	out %%eax, %%dx\n"
			 "	mov $0x1000, %%edx\n"
			 "	xor %%ebx, %%ebx\n"
			 "1:	in %%dx, %%eax\n"
			 "	inc %%ebx\n"
			 "	jmp 1b\n"
			 :
			 :
			 : "rax", "rbx", "rdx");
	__builtin_unreachable();
}

static void __attribute__((noreturn)) count_strings(void)
{
	__asm__ volatile("	mov $0x1004, %%edx\n"
			 "	mov $1f, %%eax\n"
			 "	out %%eax, %%dx\n"
			 "	mov $0x1000, %%edx\n"
			 "2:	mov %0, %%rdi\n"
			 "	mov $4096, %%ecx\n"
			 "1:	rep insb\n"
			 "	jmp 2b\n"
			 :
			 : "r"(block)
			 : "rax", "rcx", "rdx", "rdi", "memory");
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
