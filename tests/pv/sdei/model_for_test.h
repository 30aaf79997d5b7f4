/* SPDX-License-Identifier: Apache-2.0 */
/* A dispatcher of three PEs, without CPUs. */
#ifndef TESTS_PV_SDEI_MODEL_FOR_TEST_H
#define TESTS_PV_SDEI_MODEL_FOR_TEST_H

#include <string.h>

#include "pv/sdei/model.h"

#define PES 3

static struct sdei_pe pes[PES];
static struct sdei_model model;

static void setup(void)
{
	memset(pes, 0, sizeof(pes));
	memset(&model, 0, sizeof(model));
	for (unsigned i = 0; i < PES; i++)
		pes[i].mpidr = i << 8;
	model.pes = pes;
	model.pe_count = PES;
	model.interrupts = 64;
}

static int64_t call(uint32_t pe, uint32_t function, uint64_t a, uint64_t b, uint64_t c, uint64_t d,
		    uint64_t e)
{
	struct sdei_call what = { function, { a, b, c, d, e } };
	uint32_t whom;

	return sdei_call(&model, pe, &what, &whom);
}

#endif
