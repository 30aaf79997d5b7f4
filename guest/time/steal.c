/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two CPUs that never rest, and tell again and again how much of their time they had to wait: CPU n
 * writes the low word, in microseconds, to port 0x1000 + 4 * n. Who says so is on the command line:
 * from=kvm (steal time), xen (the runstate "runnable"), or hyperv (VP runtime: how much they had).
 */
#include <abi/hyperv.h>
#include <abi/pvclock.h>
#include <abi/steal.h>

#include "lib/cmdline.h"
#include "lib/guest.h"
#include "lib/hyperv.h"
#include "lib/xen.h"

#define CPUS	  2
#define PORT	  0x1000
#define NS_PER_US 1000
#define TICKS_PER_US 10 /* TLFS: VP runtime counts 100 ns */

static struct kvm_steal_time steal_times[CPUS] __attribute__((aligned(KVM_STEAL_TIME_ALIGN)));
static struct xen_vcpu_runstate_info_64 runstates[CPUS] __attribute__((aligned(64)));
static char from; /* the first letter */

static bool is_offered(void)
{
	uint32_t eax = KVM_CPUID_FEATURES, ebx, ecx = 0, edx;

	if (from != 'k')
		return from != 'x' || xen_init();
	__asm__ volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
	return eax >> KVM_FEATURE_STEAL_TIME & 1;
}

static void ask(uint32_t n)
{
	struct xen_vcpu_register_area area = { (uintptr_t)&runstates[n] };

	if (from == 'k')
		wrmsr(MSR_KVM_STEAL_TIME, (uintptr_t)&steal_times[n] | KVM_STEAL_TIME_ENABLE);
	if (from == 'x')
		xen_call(HYPERVISOR_vcpu_op, VCPUOP_register_runstate_memory_area, n,
			 (uintptr_t)&area);
}

static uint64_t stolen(const volatile struct kvm_steal_time *time)
{
	uint32_t version;
	uint64_t steal;

	do {
		version = time->version;
		steal = time->steal;
	} while (version & 1 || version != time->version);
	return steal;
}

static uint64_t microseconds(uint32_t n)
{
	const volatile struct xen_vcpu_runstate_info_64 *runstate = &runstates[n];

	if (from == 'h')
		return rdmsr(HV_MSR_VP_RUNTIME) / TICKS_PER_US;
	if (from == 'x')
		return runstate->time[XEN_RUNSTATE_runnable] / NS_PER_US;
	return stolen(&steal_times[n]) / NS_PER_US;
}

static void __attribute__((noreturn)) tell(uint32_t n)
{
	ask(n);
	for (;;) {
		for (unsigned i = 0; i < 200; i++)
			cpu_relax();
		outl((uint16_t)(PORT + 4 * n), (uint32_t)microseconds(n));
	}
}

void guest_ap_main(uint32_t n)
{
	tell(n + 1);
}

void guest_main(const void *info)
{
	const char *who = cmdline_value(guest_cmdline(info), "from");

	from = who ? who[0] : 'k';
	if (!is_offered()) {
		guest_puts("no steal time\n");
		return;
	}
	if (from == 'h')
		hyperv_init();
	guest_x2apic();
	guest_start_cpu(1);
	tell(0);
}
