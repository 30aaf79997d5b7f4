/* SPDX-License-Identifier: Apache-2.0 */
/* What fuzz_xen.c begins with: its head says how calls are written. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "fuzz/seeds.h"

#define FILL	  256
#define CALLS	  56
#define CALL_SIZE 9 /* with one pointer among its six arguments */

/* Two ports and a send, in both ABIs: fuzz_xen.c says how calls are written. */
static void make_xen_seed(const char *dir)
{
	static const uint8_t calls[] = {
		12, 1, 7, 0xc0, 0, 0, 0, 0, 0,	/* add_to_physmap */
		32, 1, 7, 0xc1, 0, 0, 0, 0, 0,	/* bind_ipi */
		32, 3, 1, 0xc2, 0, 0, 0, 0, 0,	/* bind_virq */
		32, 1, 4, 0xc3, 0, 0, 0, 0, 0,	/* send */
		32, 1, 11, 0xc4, 0, 0, 0, 0, 0, /* init_control */
		32, 1, 12, 0xc4, 0, 0, 0, 0, 0, /* expand_array */
		24, 1, 10, 0, 0xc5, 0, 0, 0, 0, /* register_vcpu_info */
		29, 0, 3, 0xc6, 0, 0, 0, 0, 0,	/* poll */
	};
	static const uint8_t fill[256] = { 1, 0, 0, 0, 0, 1 };
	uint8_t seed[sizeof(fill) + sizeof(calls)];

	memcpy(seed, fill, sizeof(fill));
	memcpy(seed + sizeof(fill), calls, sizeof(calls));
	write_bytes(dir, "xen", "ports", seed, sizeof(seed));
}

/* What a pointer points to: DOMID_SELF and small numbers; or numbers of pages; or nothing. */
static void make_fill(uint8_t *fill, unsigned which)
{
	memset(fill, 0, FILL);
	for (unsigned i = 0; i < FILL && which < 2; i += 8)
		fill[i] = which ? (uint8_t)(0x80 + i / 8) : 1;
	if (which == 0) {
		fill[0] = 0xf0;
		fill[1] = 0x7f;
	}
}

/* Operation subop of a hypercall, with its argument where hypercalls have it. */
static void put_call(uint8_t *at, uint8_t op, uint8_t subop, unsigned form, uint8_t how)
{
	static const uint8_t forms[3][7] = {
		{ 0, 0xc1, 0, 1, 0, 0, 0 }, /* (subop, pointer, count) */
		{ 0, 1, 0xc1, 0, 0, 0, 0 }, /* (subop, vcpu, pointer) */
		{ 0xc1, 0, 1, 0, 0, 0, 0 }, /* (pointer, count) */
	};

	at[0] = op;
	at[1] = how;
	memcpy(at + 2, forms[form], CALL_SIZE - 2);
	if (form < 2)
		at[2] = subop;
}

/* Every operation of every hypercall, in both ABIs, and all registers behind them. */
static void make_call_seeds(const char *dir)
{
	static const uint8_t ops[] = { 12, 15, 17, 18, 20, 22, 24, 29, 31, 32, 33, 34, 40, 41, 13 };
	uint8_t seed[FILL + CALLS * CALL_SIZE];
	char name[32];

	for (unsigned i = 0; i < ARRAY_SIZE(ops); i++)
		for (unsigned form = 0; form < 3; form++)
			for (unsigned which = 0; which < 3; which++) {
				make_fill(seed, which);
				for (uint8_t k = 0; k < CALLS - 1; k++)
					put_call(seed + FILL + k * CALL_SIZE, ops[i], k / 2, form,
						 (uint8_t)(k & 1));
				put_call(seed + FILL + (CALLS - 1) * CALL_SIZE, 0xff, 40, 0, 1);
				snprintf(name, sizeof(name), "calls-%u-%u-%u", ops[i], form, which);
				write_bytes(dir, "xen", name, seed, sizeof(seed));
			}
}

void make_xen_seeds(const char *dir)
{
	make_xen_seed(dir);
	make_call_seeds(dir);
}
