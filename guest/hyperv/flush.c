/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CPUs that ask for flushes again and again, and CPUs that only run. Each tells a port of its own what
 * it is about to do, and what came of it.
 *
 * cpus=N flushers=MASK targets=MASK form=NUMBER (enum hyperv_form)
 */
#include <abi/pvh.h>

#include "lib/cmdline.h"
#include "lib/guest.h"
#include "lib/hyperv.h"

#define PORT	  0x1000 /* and the VP's index */
#define BEGINS	  1
#define DONE	  2
#define HAS_FAILED 3

static uint64_t cpus, flushers, targets;
static unsigned form;

static void run(void)
{
	uint32_t n = (uint32_t)rdmsr(HV_MSR_VP_INDEX);

	while (!(flushers >> n & 1))
		cpu_relax();
	for (;;) {
		outb((uint16_t)(PORT + n), BEGINS);
		outb((uint16_t)(PORT + n),
		     (uint16_t)hyperv_flush_by(n, form, targets) ? HAS_FAILED : DONE);
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
	form = (unsigned)cmdline_number(cmdline, "form", 0);
	hyperv_init();
	guest_x2apic();
	for (uint32_t id = 1; id < cpus; id++)
		guest_start_cpu(id);
	run();
}
