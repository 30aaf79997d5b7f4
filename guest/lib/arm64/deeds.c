/* SPDX-License-Identifier: Apache-2.0 */
/* Memory-mapped registers, also by accesses that no device can serve, and firmware calls at random. */
#include "lib/deeds.h"

#include <abi/sdei.h>

#include "lib/fault.h"
#include "lib/guest.h"
#include "lib/random.h"

/* src/machine/arm64.c */
#define STOLEN_ADDRESS 0x0a000000UL
#define BARS	       0x10000000UL
#define ECAM	       0x3f000000UL
#define RAM	       0x40000000UL
#define PAGE	       4096UL

/* What start.S has mapped. */
#define MAPPED (1UL << 39)

#define PSCI_FUNCTION(n) (0x84000000 | (n))

const uint64_t deeds_ram = RAM, deeds_ecam = ECAM, deeds_bars = BARS;

extern const uint8_t deeds_handler[];

/* A handler of SDEI events; where nothing can be completed it falls. */
__asm__(".global deeds_handler\n"
	"deeds_handler:\n"
	"	mov x0, #0x25\n"
	"	movk x0, #0xc400, lsl #16\n"
	"	hvc #0\n"
	"	brk #0\n");

uint64_t deeds_edge(void)
{
	static const uint64_t edges[] = {
		0, GICD_ADDRESS, GICR_ADDRESS, STOLEN_ADDRESS, BARS, ECAM, MAPPED, UINT64_MAX,
		UINT64_MAX & ~0xfffULL, 1ULL << 47,
	};

	return edges[below(sizeof(edges) / sizeof(edges[0]))];
}

/* pvpanic ends the machine: it comes last. */
static uint64_t any_register(void)
{
	static const struct {
		uint64_t base, size;
	} places[] = {
		{ GICD_ADDRESS, 16 * PAGE }, { GITS_ADDRESS, 32 * PAGE }, { GICR_ADDRESS, 32 * PAGE },
		{ SERIAL_ADDRESS, 8 },	     { RTC_ADDRESS, PAGE },	  { GPIO_ADDRESS, PAGE },
		{ STOLEN_ADDRESS, PAGE },    { BARS, 32UL << 20 },	  { ECAM, 1UL << 20 },
		{ 0, 0x08000000 },
	};
	uint64_t n = below(sizeof(places) / sizeof(places[0]));

	return places[n].base + below(places[n].size);
}

/* Most are where an access of that size may be. */
static void do_mmio(void)
{
	unsigned size = 1U << below(4);
	uint64_t address = any_register(), value;

	if (!one_in(16))
		address &= ~(uint64_t)(size - 1);
	switch (below(8)) {
	case 0:
		fault_load_pair(address & ~7UL);
		break;
	case 1:
		fault_store_pair(address & ~7UL, any());
		break;
	case 2:
	case 3:
	case 4:
		fault_load(address, size, &value);
		break;
	default:
		fault_store(address, size, any());
		break;
	}
}

/* Those of PSCI that end the machine, or wait for interrupts, which nobody takes here. */
static bool is_an_end(uint32_t function)
{
	static const uint8_t ends[] = { 1, 2, 8, 9, 0xc, 0xd, 0xe, 0x12 };

	for (unsigned i = 0; i < sizeof(ends); i++)
		if ((function & ~0x40000000U) == PSCI_FUNCTION(ends[i]))
			return true;
	return false;
}

/* Where a handler may be: there, and where nothing is, can be executed, or can be an instruction. */
static uint64_t any_entry(void)
{
	const uint64_t entries[] = { (uintptr_t)deeds_handler, (uintptr_t)deeds_handler, 0,
				     (uintptr_t)deeds_handler + 2, SERIAL_ADDRESS, MAPPED - PAGE,
				     MAPPED, UINT64_MAX & ~3UL };

	return entries[below(sizeof(entries) / sizeof(entries[0]))];
}

static uint64_t any_argument(uint64_t address)
{
	switch (below(8)) {
	case 0:
		return any();
	case 1:
		return address;
	case 2:
		return SDEI_EVENT_PRIVATE_NORMAL + below(8);
	default:
		return below(4);
	}
}

static void call(uint32_t function, uint64_t address)
{
	uint64_t arguments[6] = { function };

	for (unsigned i = 1; i < 6; i++)
		arguments[i] = any_argument(address);
	if (function == SDEI_EVENT_REGISTER)
		arguments[2] = any_entry();
	if (function == SDEI_EVENT_COMPLETE_AND_RESUME)
		arguments[1] = any_entry();
	if (one_in(16))
		fault_smc(arguments);
	else
		fault_hvc(arguments);
}

/* Bases: the architecture's, PSCI's, TRNG's, the hypervisor's, KVM's own. */
static void do_call(uint64_t address)
{
	static const uint32_t bases[] = { 0x80000000, 0x84000000, 0xc4000000, 0x84000050,
					  0xc5000000, 0x86000000, 0xc6000000 };
	uint32_t function = bases[below(sizeof(bases) / sizeof(bases[0]))] + (uint32_t)below(64);

	if (one_in(16))
		function = (uint32_t)any();
	if (!is_an_end(function))
		call(function, address);
}

static void do_sdei(uint64_t address)
{
	call(SDEI_FUNCTIONS + (uint32_t)below(SDEI_FUNCTION_COUNT), address);
}

void deeds_do(uint64_t address)
{
	switch (below(4)) {
	case 0:
		do_call(address);
		break;
	case 1:
		do_mmio();
		break;
	default:
		do_sdei(address);
		break;
	}
}
