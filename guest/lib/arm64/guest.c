/* SPDX-License-Identifier: Apache-2.0 */
/* The arm64 machine as a guest program sees it. */
#include "lib/guest.h"

/* PSCI (DEN0022), 5.1 */
#define PSCI_CPU_OFF	  0x84000002
#define PSCI_CPU_ON	  0xc4000003
#define PSCI_SYSTEM_OFF	  0x84000008
#define PSCI_SYSTEM_RESET 0x84000009

#define CPUS_MAX 64

/* Devicetree Specification 0.4, 5.2 and 5.4 */
#define FDT_BEGIN_NODE 1
#define FDT_END_NODE   2
#define FDT_PROP       3
#define FDT_NOP	       4

extern const uint8_t cpu_entry[];
uint8_t cpu_stacks[CPUS_MAX][4096] __attribute__((aligned(4096)));

/* Loops that the compiler does not make calls of what they are. */
void *memcpy(void *to, const void *from, size_t n)
{
	for (size_t i = 0; i < n; i++)
		((volatile uint8_t *)to)[i] = ((const uint8_t *)from)[i];
	return to;
}

void *memset(void *to, int v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		((volatile uint8_t *)to)[i] = (uint8_t)v;
	return to;
}

static uint32_t big(const uint8_t *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static bool is(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return *a == *b;
}

static bool begins(const char *text, const char *prefix)
{
	while (*prefix && *text == *prefix) {
		text++;
		prefix++;
	}
	return !*prefix;
}

const uint8_t *guest_fdt_property(const void *info, const char *node, const char *name)
{
	const uint8_t *fdt = info, *at = fdt + big(fdt + 8);
	const char *strings = (const char *)fdt + big(fdt + 12), *in = "";

	for (;;) {
		uint32_t token = big(at), len;

		at += 4;
		if (token == FDT_BEGIN_NODE) {
			in = (const char *)at;
			while (*at++)
				;
		} else if (token == FDT_PROP) {
			len = big(at);
			if (begins(in, node) && is(strings + big(at + 4), name))
				return at + 8;
			at += 8 + len;
		} else if (token != FDT_END_NODE && token != FDT_NOP) {
			return NULL;
		}
		at = (const uint8_t *)(((uintptr_t)at + 3) & ~3UL);
	}
}

const char *guest_cmdline(const void *info)
{
	const uint8_t *text = guest_fdt_property(info, "chosen", "bootargs");

	return text ? (const char *)text : "";
}

void guest_puts(const char *s)
{
	while (*s)
		uart_write(0, (uint8_t)*s++);
}

void guest_halt(void)
{
	for (;;)
		__asm__ volatile("msr daifset, #15\n\twfi");
}

void guest_poweroff(void)
{
	hvc(PSCI_SYSTEM_OFF, 0, 0, 0, 0, 0);
	guest_halt();
}

void guest_reset(void)
{
	hvc(PSCI_SYSTEM_RESET, 0, 0, 0, 0, 0);
	guest_halt();
}

/* QEMU docs/specs/pvpanic: bit 0 */
void guest_panic(void)
{
	mmio_write8(PANIC_ADDRESS, 1);
	guest_halt();
}

uint32_t guest_cpu_id(void)
{
	uint64_t mpidr = read_sysreg(mpidr_el1);

	/* KVM: 16 CPUs in a cluster. */
	return (uint32_t)((mpidr & 0xf) | (mpidr >> 8 & 0xff) << 4);
}

uint64_t guest_cpu_address(uint32_t id)
{
	return (id & 0xf) | (uint64_t)(id >> 4) << 8;
}

void guest_start_cpu(uint32_t id)
{
	hvc(PSCI_CPU_ON, guest_cpu_address(id), (uintptr_t)cpu_entry, id, 0, 0);
}

void guest_stop_cpu(void)
{
	hvc(PSCI_CPU_OFF, 0, 0, 0, 0, 0);
	guest_halt();
}

void __attribute__((weak)) guest_ap_main(uint32_t n)
{
	(void)n;
}

void __attribute__((weak)) guest_exception(uint32_t vector, uint64_t *registers)
{
	(void)registers;
	guest_puts("exception ");
	guest_put_dec(vector);
	guest_puts(" esr=");
	guest_put_hex(read_sysreg(esr_el1));
	guest_puts(" elr=");
	guest_put_hex(read_sysreg(elr_el1));
	guest_puts(" far=");
	guest_put_hex(read_sysreg(far_el1));
	guest_puts("\n");
	guest_reset();
}
