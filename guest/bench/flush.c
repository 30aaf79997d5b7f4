/* SPDX-License-Identifier: Apache-2.0 */
/* Has another CPU's TLB flushed by Hyper-V without end, with a mark before each batch. cpus=N */
#include <abi/pvh.h>

#include "lib/cmdline.h"
#include "lib/guest.h"
#include "lib/hyperv.h"

#define SERIAL_PORT 0x3f8
#define BATCH	    100 /* tools/bench.d/measurements.py has the same number */

static uint32_t running;

void guest_ap_main(uint32_t n)
{
	(void)n;
	__atomic_fetch_add(&running, 1, __ATOMIC_SEQ_CST);
	for (;;)
		cpu_relax();
}

void guest_main(const void *info)
{
	const struct hvm_start_info *start = info;
	const char *cmdline = (const char *)(uintptr_t)start->cmdline_paddr;
	uint32_t cpus = (uint32_t)cmdline_number(cmdline, "cpus", 2);

	hyperv_init();
	guest_x2apic();
	for (uint32_t id = 1; id < cpus; id++)
		guest_start_cpu(id);
	while (__atomic_load_n(&running, __ATOMIC_SEQ_CST) < cpus - 1)
		cpu_relax();
	for (;;) {
		outb(SERIAL_PORT, 'm');
		for (unsigned i = 0; i < BATCH; i++)
			hyperv_flush_by(0, FORM_SPACE, (1ull << cpus) - 2);
	}
}
