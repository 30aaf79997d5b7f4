/* SPDX-License-Identifier: Apache-2.0 */
/* The platform device: its fixed ports and what they are for, its BARs, the logs, the debug port. */
#include "lib/xen.h"

#define CONFIG(reg) (1U << 31 | 31U << 11 | (reg))

static uint32_t config(uint32_t reg)
{
	outl(0xcf8, CONFIG(reg));
	return inl(0xcfc);
}

static uint16_t inw(uint16_t port)
{
	uint16_t v;

	__asm__ volatile("inw %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

static void log_to(uint16_t port, const char *text)
{
	while (*text)
		outb(port, (uint8_t)*text++);
}

/* As Linux does it (arch/x86/xen/platform-pci-unplug.c). */
static void unplug(void)
{
	xen_expect("magic", inw(0x10), 0x49d2);
	xen_expect("protocol", inb(0x12), 1);
	outw(0x12, 3);
	outl(0x10, 0x60c75);
	xen_expect("not refused", inw(0x10), 0x49d2);
	outw(0x10, 3);
}

void guest_main(const void *info)
{
	uint16_t io;

	(void)info;
	if (!xen_init())
		return;
	xen_expect("device", config(0), 0x00015853);
	xen_expect("class", config(8) >> 8, 0xff8000);
	xen_expect("ports and memory are decoded", config(4) & 3, 3);
	io = (uint16_t)(config(0x10) & ~3U);
	xen_expect("a BAR of ports", config(0x10) & 3, 1);
	xen_expect("a BAR of memory", config(0x14) & 15, 0);
	outl(0xcf8, CONFIG(0x10));
	outl(0xcfc, ~0U);
	xen_expect("256 ports", config(0x10), 0xffffff01);
	outl(0xcf8, CONFIG(0x10));
	outl(0xcfc, (uint32_t)io + 0x200);
	io = (uint16_t)(config(0x10) & ~3U);
	unplug();
	xen_expect("unlocked", inb(io), 0);
	outb(io, 1);
	xen_expect("locked", inb(io), 1);
	xen_expect("the debug port", inb(0xe9), 0xe9);
	log_to(0xe9, "debug\n");
	log_to(0x12, "log\n");
	log_to((uint16_t)(io + 8), "bar\n");
	xen_verdict();
}
