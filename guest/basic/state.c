/* SPDX-License-Identifier: Apache-2.0 */
/* Leaves traces in as many registers as it can, says so, and spins: something worth saving. */
#include "lib/guest.h"

#define MSR_SYSENTER_CS 0x174
#define MSR_PAT         0x277
#define MSR_STAR        0xc0000081
#define MSR_LSTAR       0xc0000082

static void program_pit(void)
{
	/* Counter 2, both bytes, mode 2. Counter 0 would go on to tick while the VM is paused. */
	outb(0x43, 0xb4);
	outb(0x42, 0x34);
	outb(0x42, 0x12);
}

static void program_pic(void)
{
	outb(0x20, 0x11); /* ICW1 … ICW4, then all masked */
	outb(0x21, 0x20);
	outb(0x21, 0x04);
	outb(0x21, 0x01);
	outb(0x21, 0xfb);
}

static void program_serial(void)
{
	outb(0x3ff, 0x5a); /* scratch */
	outb(0x3fb, 0x83);
	outb(0x3f8, 0x0c); /* divisor 12 */
	outb(0x3fb, 0x03);
	outb(0x3fc, 0x0b);
}

void guest_main(const void *info)
{
	volatile uint32_t *ioapic = (volatile uint32_t *)0xfec00000;

	(void)info;
	program_pit();
	program_pic();
	program_serial();
	outb(0x70, 0x20);
	outb(0x71, 0x77); /* a byte of CMOS */
	outl(0xcf8, 0x80000004); /* command of 0:0.0 */
	wrmsr(MSR_SYSENTER_CS, 0x1234);
	wrmsr(MSR_PAT, 0x0007040600070406);
	wrmsr(MSR_STAR, 0x0023001000000000);
	wrmsr(MSR_LSTAR, 0xffffffff81000000);
	guest_x2apic();
	ioapic[0] = 0x10 + 2 * 5;
	ioapic[4] = 0x00010035;
	__asm__ volatile("mov %0, %%dr0" : : "r"(0x1122334455667788));
	guest_puts("ready\n");
	for (;;)
		cpu_relax();
}
