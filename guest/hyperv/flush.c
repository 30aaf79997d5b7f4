/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CPUs that ask for flushes again and again, and CPUs that only run. Each tells a port of its own
 * what it is about to do, and what came of it.
 *
 * cpus=N flushers=MASK targets=MASK form=NUMBER (enum hyperv_form)
 * own=1: not through the hypercall page, but by the instruction that it has now
 */
#include <abi/pvh.h>

#include "lib/cmdline.h"
#include "lib/guest.h"
#include "lib/hyperv.h"

#define PORT	  0x1000 /* and the VP's index */
#define BEGINS	  1
#define DONE	  2
#define HAS_FAILED 3

static uint64_t cpus, flushers, targets, own;
static unsigned form;

/* src/pv/hyperv/impl.h */
#define HYPERV_PORT 0xb8

static uint64_t flush_alone(void)
{
	static struct hv_flush flush __attribute__((aligned(8)));
	register uint64_t r8 __asm__("r8") = 0;
	uint64_t result = 0, input = HV_CALL_FLUSH_SPACE, in = (uintptr_t)&flush;

	flush.processor_mask = targets;
	__asm__ volatile("outb %%al, %[port]"
			 : "+a"(result), "+c"(input), "+d"(in)
			 : "r"(r8), [port] "i"(HYPERV_PORT)
			 : "memory");
	return result;
}

static uint64_t flush(uint32_t n)
{
	return own ? flush_alone() : hyperv_flush_by(n, form, targets);
}

static void run(void)
{
	uint32_t n = (uint32_t)rdmsr(HV_MSR_VP_INDEX);

	while (!(flushers >> n & 1))
		cpu_relax();
	for (;;) {
		outb((uint16_t)(PORT + n), BEGINS);
		outb((uint16_t)(PORT + n),
		     (uint16_t)flush(n) ? HAS_FAILED : DONE);
	}
}

void guest_ap_main(uint32_t n)
{
	(void)n;
	run();
}

void guest_main(const void *info)
{
	const struct hvm_start_info *start = info;
	const char *cmdline = (const char *)(uintptr_t)start->cmdline_paddr;

	cpus = cmdline_number(cmdline, "cpus", 2);
	flushers = cmdline_number(cmdline, "flushers", 1);
	targets = cmdline_number(cmdline, "targets", 2);
	own = cmdline_number(cmdline, "own", 0);
	form = (unsigned)cmdline_number(cmdline, "form", 0);
	hyperv_init();
	guest_x2apic();
	for (uint32_t id = 1; id < cpus; id++)
		guest_start_cpu(id);
	run();
}
