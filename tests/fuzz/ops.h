/* SPDX-License-Identifier: Apache-2.0 */
/* What fuzz_machine.c reads its input as, and seeds.c writes: accesses, one after the other. */
#ifndef TESTS_FUZZ_OPS_H
#define TESTS_FUZZ_OPS_H

#include <stdint.h>

enum fuzz_op_kind {
	FUZZ_PORT,	/* b: which; with bit 3 of a, which of those that there are */
	FUZZ_CONFIG,	/* where: in ECAM */
	FUZZ_CONFIG_OF, /* a: the device, b: the register */
	FUZZ_BAR,	/* a: the device, b: the register */
	FUZZ_MEMORY,	/* where */
	FUZZ_START,	/* a: the device, b: a queue, where: its rings, value: features of the first 32 */
	FUZZ_KICK,	/* a: the device, b: the queue */
	FUZZ_TURN,	/* the loop */
	FUZZ_FRAME,	/* b: so many bytes come from the network, with that length in front */
	FUZZ_WIRE,	/* a: 0: value comes from it; 1: what was sent is taken; 2: it ends */
	FUZZ_REQUEST,	/* a: the device, bit 6: in pieces, bit 7: indirect; b: the queue and lengths; see there */
	FUZZ_HOST,	/* a: what the host's side does, with b and value */
	FUZZ_CHIP,	/* a: a device of arm64's, b: the register */
	FUZZ_OPS
};

/* Of FUZZ_START, bits 32 to 39 of value: features are asked for that are not offered. */
#define FUZZ_NOT_OFFERED 0x5a

/* Of FUZZ_REQUEST: what the device reads (a multiple of 4 up to 124, or from 144 on of 128 more), and writes. */
#define FUZZ_REQUEST_OF(queue, out, in) \
	((uint16_t)((queue) | (((out) < 128 ? (out) / 4 : 31 + ((out) - 16) / 128) << 3) | \
		    ((in) < 64 ? (in) : 63 + ((in) - 1) / 64) << 9))

enum fuzz_host {
	FUZZ_HOST_INPUT,    /* b: the console; value is typed */
	FUZZ_HOST_ROOM,	    /* b: how much the consoles take from now on */
	FUZZ_HOST_BUTTON,
	FUZZ_HOST_BALLOON,  /* b: MiB */
	FUZZ_HOST_MEMORY,   /* b: blocks more than it was booted with */
	FUZZ_HOST_TERMINAL, /* value: its size */
	FUZZ_HOST_REGISTERS, /* read, and written as they are */
	FUZZ_HOST_HOLD,	     /* as for a move; b: which register is set, to value behind what it was */
};

/* Bits 4 and 5 of a are the logarithm of an access's length; bit 7 of kind: it reads. */
struct fuzz_op {
	uint8_t kind, a;
	uint16_t b;
	uint32_t where;
	uint64_t value;
};

#endif
