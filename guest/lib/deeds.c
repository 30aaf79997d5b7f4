/* SPDX-License-Identifier: Apache-2.0 */
/* Ports, memory-mapped registers, MSRs and CPUID at random. */
#include "lib/deeds.h"

#include "lib/fault.h"
#include "lib/guest.h"
#include "lib/random.h"

/* src/machine/x86.c */
#define ECAM	  0xe0000000UL
#define BARS	  0xc0000000UL
#define HIGH_BASE 0x100000000UL

#define REACH (32UL << 20)

const uint64_t deeds_ram = 0, deeds_ecam = ECAM, deeds_bars = BARS;

uint64_t deeds_edge(void)
{
	static const uint64_t edges[] = {
		0, BARS, ECAM, HIGH_BASE, 1ULL << 52, UINT64_MAX, UINT64_MAX & ~0xfffULL,
		0xfec00000, 0xfee00000,
	};

	return edges[below(sizeof(edges) / sizeof(edges[0]))];
}

static void do_port(void)
{
	static const uint16_t known[] = { 0x20, 0x40, 0x60, 0x70, 0xa0, 0x3f8, 0x600, 0xcf8, 0xcfc, 0x4d0 };
	uint16_t port = one_in(2) ? (uint16_t)any()
				  : (uint16_t)(known[below(sizeof(known) / sizeof(known[0]))] + below(8));

	/* Those that end the machine come last. */
	if (port >= 0x505 && port <= 0x603)
		return;
	switch (below(5)) {
	case 0:
		inb(port);
		break;
	case 1:
		inl(port);
		break;
	case 2:
		outb(port, (uint8_t)any());
		break;
	case 3:
		outw(port, (uint16_t)any());
		break;
	default:
		outl(port, (uint32_t)any());
		break;
	}
}

static void do_mmio(void)
{
	static const uint64_t places[] = { BARS, ECAM, 0xfec00000, 0xfed00000, 0xf0000000 };
	uint64_t address = places[below(sizeof(places) / sizeof(places[0]))] + below(REACH);
	uint64_t value;

	if (address >> 12 == 0xfee00)
		return;
	if (one_in(2))
		fault_load(address, 1U << below(4), &value);
	else
		fault_store(address, 1U << below(4), any());
}

/* Bases: architectural, extended, KVM's, Hyper-V's and Xen's, x2APIC's, AMD's. */
static void do_msr(uint64_t address)
{
	static const uint32_t bases[] = { 0, 0x170, 0x200, 0x400, 0x4b564d00, 0x40000000, 0xc0010000, 0xc0000100 };
	uint32_t msr = bases[below(sizeof(bases) / sizeof(bases[0]))] + (uint32_t)below(256);
	uint64_t value = one_in(2) ? address : any();

	if (one_in(16))
		msr = (uint32_t)any();
	/* The LAPIC's base and EFER are this program's own, and KVM's clocks write where they are told. */
	if (msr == 0x1b || msr == 0xc0000080 || msr >> 8 == 0x4b564d)
		value = 0;
	if (one_in(2) || !value)
		fault_rdmsr(msr, &value);
	else
		fault_wrmsr(msr, value);
}

static void do_cpuid(void)
{
	static const uint32_t bases[] = { 0, 0x40000000, 0x80000000 };
	uint32_t eax = bases[below(3)] + (uint32_t)below(64), ebx, ecx = (uint32_t)below(8), edx;

	__asm__ volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
}

void deeds_do(uint64_t address)
{
	switch (below(4)) {
	case 0:
		do_port();
		break;
	case 1:
		do_mmio();
		break;
	case 2:
		do_msr(address);
		break;
	default:
		do_cpuid();
		break;
	}
}
