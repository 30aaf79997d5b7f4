/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two CPUs that never rest, and tell again and again how much of their time KVM says was stolen:
 * CPU n writes the low word, in microseconds, to port 0x1000 + 4 * n.
 */
#include <abi/pvclock.h>
#include <abi/steal.h>

#include "lib/guest.h"

#define CPUS	  2
#define PORT	  0x1000
#define NS_PER_US 1000

static struct kvm_steal_time steal_times[CPUS] __attribute__((aligned(KVM_STEAL_TIME_ALIGN)));

static bool is_offered(void)
{
	uint32_t eax = KVM_CPUID_FEATURES, ebx, ecx = 0, edx;

	__asm__ volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
	return eax >> KVM_FEATURE_STEAL_TIME & 1;
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

static void __attribute__((noreturn)) tell(uint32_t n)
{
	wrmsr(MSR_KVM_STEAL_TIME, (uintptr_t)&steal_times[n] | KVM_STEAL_TIME_ENABLE);
	for (;;) {
		for (unsigned i = 0; i < 200; i++)
			cpu_relax();
		outl((uint16_t)(PORT + 4 * n), (uint32_t)(stolen(&steal_times[n]) / NS_PER_US));
	}
}

void guest_ap_main(uint32_t n)
{
	tell(n + 1);
}

void guest_main(const void *info)
{
	(void)info;
	if (!is_offered()) {
		guest_puts("no steal time\n");
		return;
	}
	guest_x2apic();
	guest_start_cpu(1);
	tell(0);
}
