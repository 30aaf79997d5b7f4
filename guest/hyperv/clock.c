/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reference time, by its page and by its counter, on one CPU after the other: what
 * kvm-unit-tests' hyperv_clock looks at. cpus=N samples=N
 */
#include "lib/cmdline.h"
#include "lib/guest.h"
#include "lib/hyperv.h"

static struct hv_reference_tsc_page page __attribute__((aligned(4096)));
static uint64_t samples, last;
static uint32_t done;

static uint64_t read_tsc(void)
{
	uint32_t low, high;

	__asm__ volatile("lfence; rdtsc" : "=a"(low), "=d"(high) : : "memory");
	return (uint64_t)high << 32 | low;
}

/* TLFS 12.7.3: consistent if the sequence stays; 0: by the counter. */
static uint64_t read_page(void)
{
	uint32_t sequence;
	uint64_t now;

	do {
		sequence = __atomic_load_n(&page.sequence, __ATOMIC_ACQUIRE);
		now = (uint64_t)((unsigned __int128)read_tsc() * page.scale >> 64) +
		      (uint64_t)page.offset;
	} while (__atomic_load_n(&page.sequence, __ATOMIC_ACQUIRE) != sequence);
	return sequence ? now : rdmsr(HV_MSR_TIME_REF_COUNT);
}

static void say(const char *what, uint64_t value)
{
	guest_puts(what);
	guest_puts(" ");
	guest_put_dec(value);
	guest_puts("\n");
}

/* The page is never behind the counter, nor ahead of it, nor of itself on the CPU before. */
static void run(void)
{
	uint64_t apart = 0, back = 0;

	for (uint64_t i = 0; i < samples; i++) {
		uint64_t before = rdmsr(HV_MSR_TIME_REF_COUNT), now = read_page();

		apart += now < before || rdmsr(HV_MSR_TIME_REF_COUNT) < now;
		back += now < last;
		last = now;
	}
	say("cpu", rdmsr(HV_MSR_VP_INDEX));
	say("apart", apart);
	say("back", back);
}

void guest_ap_main(uint32_t n)
{
	(void)n;
	run();
	__atomic_store_n(&done, 1, __ATOMIC_SEQ_CST);
	for (;;)
		__asm__ volatile("cli; hlt");
}

void guest_main(const void *info)
{
	const char *cmdline = guest_cmdline(info);
	uint64_t cpus = cmdline_number(cmdline, "cpus", 1);

	samples = cmdline_number(cmdline, "samples", 100);
	hyperv_init();
	guest_x2apic();
	wrmsr(HV_MSR_REFERENCE_TSC, (uintptr_t)&page | HV_MSR_PAGE_ENABLE);
	say("named", rdmsr(HV_MSR_REFERENCE_TSC) == ((uintptr_t)&page | HV_MSR_PAGE_ENABLE));
	run();
	for (uint32_t id = 1; id < cpus; id++) {
		__atomic_store_n(&done, 0, __ATOMIC_SEQ_CST);
		guest_start_cpu(id);
		while (!__atomic_load_n(&done, __ATOMIC_SEQ_CST))
			rdmsr(HV_MSR_VP_INDEX);
	}
	wrmsr(HV_MSR_REFERENCE_TSC, 0);
	say("unnamed", rdmsr(HV_MSR_REFERENCE_TSC) == 0);
}
