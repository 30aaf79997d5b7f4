/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CPUs that ask for flushes again and again, and CPUs that sleep. Each tells a port of its own
 * what it is about to do, and what came of it.
 *
 * cpus=N flushers=MASK targets=MASK form=NUMBER (enum hyperv_form)
 * own=1: not through the hypercall page, but by the instruction that it has now
 * spin=1: CPUs that do not flush run
 */
#include <abi/pvh.h>

#include "lib/cmdline.h"
#include "lib/guest.h"
#include "lib/hyperv.h"
#include "lib/irq.h"

#define PORT	  0x1000 /* and the VP's index */
#define BEGINS	  1
#define DONE	  2
#define HAS_FAILED 3
#define TOOK_NMI   4

static uint64_t cpus, flushers, targets, own, spin;
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

#define VECTOR_NMI 2

static void take_nmi(unsigned vector)
{
	(void)vector;
	outb((uint16_t)(PORT + rdmsr(HV_MSR_VP_INDEX)), TOOK_NMI);
}

static void run(void)
{
	uint32_t n = (uint32_t)rdmsr(HV_MSR_VP_INDEX);

	irq_init();
	while (!(flushers >> n & 1)) {
		if (spin)
			cpu_relax();
		else
			__asm__ volatile("cli; hlt" : : : "memory");
	}
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
	spin = cmdline_number(cmdline, "spin", 0);
	form = (unsigned)cmdline_number(cmdline, "form", 0);
	irq_set(VECTOR_NMI, take_nmi);
	hyperv_init();
	guest_x2apic();
	for (uint32_t id = 1; id < cpus; id++)
		guest_start_cpu(id);
	run();
}
