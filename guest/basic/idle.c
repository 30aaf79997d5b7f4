/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest that needs almost nothing of its host: ten times a second it wakes, compares some pages with what it
 * wrote there, and writes others. Reads from the serial port then: s: says "tick N", x: the end.
 */
#include "lib/guest.h"
#include "lib/irq.h"

#define PAGES 16
#define WORDS 512

#define MSR_X2APIC_EOI	  0x80b
#define MSR_X2APIC_SVR	  0x80f
#define MSR_X2APIC_TIMER  0x832
#define MSR_X2APIC_COUNT  0x838
#define MSR_X2APIC_DIVIDE 0x83e
#define SVR_ENABLE	  0x1ff
#define TIMER_PERIODIC	  (1U << 17)
#define DIVIDE_BY_1	  0xb
#define VECTOR		  0x40
#define PERIOD		  100000000 /* KVM's timer counts nanoseconds */

#define UART_LSR  5
#define LSR_READY 0x01

static uint64_t pages[PAGES][WORDS];
static uint64_t ticks;

static void ticked(unsigned vector)
{
	(void)vector;
	wrmsr(MSR_X2APIC_EOI, 0);
}

static void compare(const uint64_t *page, uint64_t expected)
{
	for (unsigned i = 0; i < WORDS; i++) {
		if (page[i] == expected)
			continue;
		guest_puts("bad\n");
		guest_panic();
	}
}

static void work(void)
{
	uint64_t *page = pages[ticks % PAGES];

	compare(page, ticks < PAGES ? 0 : ticks - PAGES);
	for (unsigned i = 0; i < WORDS; i++)
		page[i] = ticks;
	ticks++;
}

static bool obey(void)
{
	while (uart_read(UART_LSR) & LSR_READY) {
		uint8_t c = uart_read(0);

		if (c == 'x')
			return false;
		if (c != 's')
			continue;
		guest_puts("tick ");
		guest_put_dec(ticks);
		guest_puts("\n");
	}
	return true;
}

void guest_main(const void *info)
{
	(void)info;
	irq_set(VECTOR, ticked);
	irq_init();
	guest_x2apic();
	wrmsr(MSR_X2APIC_SVR, SVR_ENABLE);
	wrmsr(MSR_X2APIC_DIVIDE, DIVIDE_BY_1);
	wrmsr(MSR_X2APIC_TIMER, TIMER_PERIODIC | VECTOR);
	wrmsr(MSR_X2APIC_COUNT, PERIOD);
	guest_puts("ready\n");
	while (obey()) {
		__asm__ volatile("sti; hlt; cli" : : : "memory");
		work();
	}
}
