/* SPDX-License-Identifier: Apache-2.0 */
/* Asks user space by an MSR, by a port that is a hypercall, and by CPUID; says what came back. */
#include <abi/pvh.h>

#include "lib/cmdline.h"
#include "lib/guest.h"

#define MSR_TEST  0x40000200
#define MSR_FAULT 0x40000202
#define CALL_PORT 0x5a

static uint64_t hypercall(uint64_t call, uint64_t argument)
{
	uint64_t result;

	__asm__ volatile("outb %%al, %3"
			 : "=a"(result)
			 : "a"(call), "D"(argument), "i"(CALL_PORT)
			 : "memory");
	return result;
}

static uint32_t leaf(uint32_t function)
{
	uint32_t eax, ebx, ecx, edx;

	__asm__ volatile("cpuid" : "=a"(eax), "=b"(ebx), "=c"(ecx), "=d"(edx) : "a"(function), "c"(0));
	return ebx;
}

static void say(const char *what, uint64_t value)
{
	guest_puts(what);
	guest_put_hex(value);
	guest_puts("\n");
}

void guest_main(const void *info)
{
	const struct hvm_start_info *start = info;

	if (cmdline_number((const char *)(uintptr_t)start->cmdline_paddr, "fault", 0))
		wrmsr(MSR_FAULT, 1);
	wrmsr(MSR_TEST, 0x123456789abcdef0);
	say("msr ", rdmsr(MSR_TEST));
	say("call ", hypercall(7, 0x1111));
	say("call ", hypercall(8, 0x2222));
	say("leaf ", leaf(0x40000000));
}
