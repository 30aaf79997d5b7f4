/* SPDX-License-Identifier: Apache-2.0 */
/* What fuzz_machine.c reads its input as, and seeds.c writes: accesses, one after the other. */
#ifndef TESTS_FUZZ_OPS_H
#define TESTS_FUZZ_OPS_H

#include <stdint.h>

enum fuzz_op_kind {
	FUZZ_PORT,	/* b: which */
	FUZZ_CONFIG,	/* where: in ECAM */
	FUZZ_CONFIG_OF, /* a: the device, b: the register */
	FUZZ_BAR,	/* a: the device, b: the register */
	FUZZ_MEMORY,	/* where */
	FUZZ_START,	/* a: the device, b: a queue, where: its rings, value: features */
	FUZZ_KICK,	/* a: the device, b: the queue */
	FUZZ_TURN,	/* the loop */
	FUZZ_FRAME,	/* b: so many bytes come from the network, with that length in front */
	FUZZ_WIRE,	/* a: 0: value comes from it; 1: what was sent is taken; 2: it ends */
	FUZZ_OPS
};

/* Bits 4 and 5 of a are the logarithm of an access's length; bit 7 of kind: it reads. */
struct fuzz_op {
	uint8_t kind, a;
	uint16_t b;
	uint32_t where;
	uint64_t value;
};

#endif
