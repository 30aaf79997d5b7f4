/* SPDX-License-Identifier: Apache-2.0 */
/* The machine as a guest program sees it. */
#include "lib/guest.h"

#include <abi/pvh.h>

/* src/machine/x86.c: where the machine has its ports */
#define SERIAL_PORT        0x3f8
#define SLEEP_CONTROL_PORT 0x600
#define RESET_PORT         0x602
#define PVPANIC_PORT       0x505

#define SLEEP_S5 (5 << 2 | 1 << 5) /* ACPI 4.8.3.7: SLP_TYP 5, SLP_EN */

#define CPUID_TOPOLOGY 0x0b

#define MSR_APIC_BASE  0x1b
#define MSR_X2APIC_ICR 0x830
#define APIC_BASE_EXTD (1U << 10)
#define APIC_BASE_EN   (1U << 11)
#define ICR_INIT       0x4500
#define ICR_SIPI       0x4600

#define AP_TRAMPOLINE 0x8000UL
#define AP_MAX        1024

extern const uint8_t ap_trampoline[], ap_trampoline_end[];
uint32_t ap_count;
uint8_t ap_stacks[AP_MAX][4096] __attribute__((aligned(4096)));

void *memcpy(void *to, const void *from, size_t n)
{
	void *start = to;

	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
	return start;
}

void *memset(void *to, int v, size_t n)
{
	void *start = to;

	__asm__ volatile("rep stosb" : "+D"(to), "+c"(n) : "a"(v) : "memory");
	return start;
}

const char *guest_cmdline(const void *info)
{
	const struct hvm_start_info *start = info;

	return (const char *)(uintptr_t)start->cmdline_paddr;
}

void guest_puts(const char *s)
{
	while (*s)
		outb(SERIAL_PORT, (uint8_t)*s++);
}

void guest_halt(void)
{
	for (;;)
		__asm__ volatile("cli; hlt");
}

void guest_try_poweroff(void)
{
	outb(SLEEP_CONTROL_PORT, SLEEP_S5);
}

void guest_poweroff(void)
{
	guest_try_poweroff();
	guest_halt();
}

void guest_reset(void)
{
	outb(RESET_PORT, 1);
	guest_halt();
}

void guest_panic(void)
{
	outb(PVPANIC_PORT, 1);
	guest_halt();
}

void guest_triple_fault(void)
{
	static const struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) none = { 0, 0 };

	__asm__ volatile("lidt %0; ud2" : : "m"(none));
	guest_halt();
}

void guest_x2apic(void)
{
	wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | APIC_BASE_EN | APIC_BASE_EXTD);
}

uint32_t guest_cpu_id(void)
{
	uint32_t eax = CPUID_TOPOLOGY, ebx, ecx = 0, edx;

	__asm__ volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
	return edx;
}

void guest_start_cpu(uint32_t apic_id)
{
	memcpy((void *)AP_TRAMPOLINE, ap_trampoline, (size_t)(ap_trampoline_end - ap_trampoline));
	wrmsr(MSR_X2APIC_ICR, (uint64_t)apic_id << 32 | ICR_INIT);
	wrmsr(MSR_X2APIC_ICR, (uint64_t)apic_id << 32 | ICR_SIPI | AP_TRAMPOLINE >> 12);
	wrmsr(MSR_X2APIC_ICR, (uint64_t)apic_id << 32 | ICR_SIPI | AP_TRAMPOLINE >> 12);
}

void __attribute__((weak)) guest_ap_main(uint32_t n)
{
	(void)n;
}
