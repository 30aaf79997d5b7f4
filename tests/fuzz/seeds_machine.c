/* SPDX-License-Identifier: Apache-2.0 */
/* What fuzz_machine.c begins with: every device as its driver uses it. */
#include <string.h>

#include <abi/virtio_blk.h>

#include "base/util.h"
#include "fuzz/ops.h"
#include "fuzz/seeds.h"

#define OPS_MAX 256

/* The slots of fuzz_machine.c's devices. */
enum {
	BLK_SLOT = 2,
	NET_SLOT = 3,
};

struct seed {
	struct fuzz_op ops[OPS_MAX];
	size_t count;
};

static void add(struct seed *seed, struct fuzz_op op)
{
	if (seed->count < OPS_MAX)
		seed->ops[seed->count++] = op;
}

static void write_ops(const char *dir, const char *name, const struct seed *seed)
{
	write_bytes(dir, "machine", name, seed->ops, seed->count * sizeof(seed->ops[0]));
}

/* Each device's queues, with requests of every form: in one piece, in two, indirect. */
static void make_device_seeds(const char *dir)
{
	static const uint16_t sizes[][2] = { { 0, 64 }, { 24, 10 }, { 144, 0 }, { 32, 513 } };
	static const uint64_t features[] = { UINT64_MAX, 0 };
	char name[] = "device-0-0";

	for (uint8_t slot = 1; slot < 8; slot++) {
		for (unsigned f = 0; f < ARRAY_SIZE(features); f++) {
			struct seed seed = { 0 };

			add(&seed, (struct fuzz_op){ FUZZ_START, slot, 0, 0x100000, features[f] });
			for (unsigned i = 0; i < 5 * ARRAY_SIZE(sizes); i++) {
				const uint16_t *size = sizes[i / 5];

				add(&seed, (struct fuzz_op){
						   FUZZ_REQUEST, (uint8_t)(slot | (i % 3) << 6),
						   FUZZ_REQUEST_OF(i % 5, size[0], size[1]),
						   1u << 16 | 1, (uint64_t)i << 32 | i });
			}
			add(&seed, (struct fuzz_op){ FUZZ_HOST, FUZZ_HOST_INPUT, 1, 0, 'x' });
			add(&seed, (struct fuzz_op){ FUZZ_HOST, FUZZ_HOST_HOLD, (uint16_t)(64 * slot), 0, 1 });
			for (uint16_t offset = 0; offset < 0x40; offset += 4)
				add(&seed, (struct fuzz_op){ FUZZ_BAR | 0x80, (uint8_t)(slot | 0x20),
							     offset, 0, 0 });
			for (uint16_t offset = 0; offset < 0x80; offset += 4)
				add(&seed, (struct fuzz_op){ FUZZ_CONFIG_OF | (offset & 4 ? 0 : 0x80),
							     (uint8_t)(slot | 0x20), offset, 0,
							     UINT64_MAX });
			name[7] = (char)('0' + slot);
			name[9] = (char)('0' + f);
			write_ops(dir, name, &seed);
		}
	}
}

/* A request of each type, one that fits the disk and one that does not. */
static void make_disk_seed(const char *dir)
{
	static const struct {
		uint32_t type;
		uint16_t out, in;
	} requests[] = {
		{ VIRTIO_BLK_T_IN, 16, 513 },	     { VIRTIO_BLK_T_OUT, 528, 1 },
		{ VIRTIO_BLK_T_FLUSH, 16, 1 },	     { VIRTIO_BLK_T_GET_ID, 16, 21 },
		{ VIRTIO_BLK_T_DISCARD, 32, 1 },     { VIRTIO_BLK_T_WRITE_ZEROES, 32, 1 },
		{ VIRTIO_BLK_T_WRITE_ZEROES, 64, 1 }, { 7, 16, 1 },
		{ VIRTIO_BLK_T_IN, 16, 1 },	     { VIRTIO_BLK_T_IN, 12, 513 },
	};
	struct seed seed = { 0 };

	add(&seed, (struct fuzz_op){ FUZZ_START, BLK_SLOT, 0, 0x100000, UINT64_MAX });
	for (unsigned i = 0; i < 2 * ARRAY_SIZE(requests); i++)
		add(&seed,
		    (struct fuzz_op){ FUZZ_REQUEST, (uint8_t)(BLK_SLOT | (i & 3) << 6),
				      FUZZ_REQUEST_OF(i & 1, requests[i / 2].out, requests[i / 2].in),
				      (i & 1) << 24 | 8 << 16 | (i & 2 ? 0xffff : 8),
				      (uint64_t)(i & 1 ? 4096 : 8) << 32 | requests[i / 2].type });
	add(&seed, (struct fuzz_op){ FUZZ_TURN, 0, 0, 0, 0 });
	write_ops(dir, "disk", &seed);
}

/* Blocks are plugged, asked for and unplugged; the balloon is told what to be. */
static void make_memory_seed(const char *dir)
{
	struct seed seed = { 0 };

	for (uint8_t slot = 1; slot < 8; slot++) {
		add(&seed, (struct fuzz_op){ FUZZ_HOST, FUZZ_HOST_MEMORY, 16, 0, 0 });
		add(&seed, (struct fuzz_op){ FUZZ_START, slot, 0, 0x100000, UINT64_MAX });
		for (uint64_t type = 0; type < 8; type++)
			add(&seed, (struct fuzz_op){ FUZZ_REQUEST, slot, FUZZ_REQUEST_OF(0, 24, 10), 4,
						     1ULL << 32 | type % 4 });
		for (uint64_t type = 0; type < 4; type++)
			add(&seed, (struct fuzz_op){ FUZZ_REQUEST, slot, FUZZ_REQUEST_OF(0, 24, 10),
						     (uint32_t)(2 - type / 2), (type + 1) << 32 | (3 - type) });
		add(&seed, (struct fuzz_op){ FUZZ_HOST, FUZZ_HOST_BALLOON, 16, 0, 0 });
		add(&seed, (struct fuzz_op){ FUZZ_HOST, FUZZ_HOST_MEMORY, 0, 0, 0 });
		add(&seed, (struct fuzz_op){ FUZZ_HOST, FUZZ_HOST_TERMINAL, 0, 0, 0x180050 });
		add(&seed, (struct fuzz_op){ FUZZ_BAR, (uint8_t)(slot | 0x20), 0x2008, 0, 'x' });
	}
	add(&seed, (struct fuzz_op){ FUZZ_HOST, FUZZ_HOST_HOLD, 100, 0, 1 });
	write_ops(dir, "memory", &seed);
}

/* Every port that there is, and every register of arm64's chips: read, written, read. */
static void make_port_seeds(const char *dir)
{
	static const uint64_t values[] = { 0x80, 0, 0x07, UINT64_MAX };
	struct seed seed;

	for (unsigned v = 0; v < ARRAY_SIZE(values); v++) {
		char name[] = "ports-0";

		seed.count = 0;
		name[6] = (char)('0' + v);
		for (uint16_t i = 0; i < 3 * 15; i++)
			if (i % 15 != 13 && i % 15 != 10)
				add(&seed, (struct fuzz_op){ (uint8_t)(FUZZ_PORT | (i / 15 & 1 ? 0 : 0x80)),
							     8, i % 15, 0, values[v] });
		add(&seed, (struct fuzz_op){ FUZZ_HOST, FUZZ_HOST_INPUT, 0, 0, 0x4142434445464748 });
		for (uint16_t reg = 0; reg < 14; reg++) {
			add(&seed, (struct fuzz_op){ FUZZ_PORT, 8, 8, 0, reg });
			add(&seed, (struct fuzz_op){ FUZZ_PORT, 8, 9, 0, values[v] & 0x7f });
			add(&seed, (struct fuzz_op){ FUZZ_PORT | 0x80, 8, 9, 0, 0 });
		}
		add(&seed, (struct fuzz_op){ FUZZ_HOST, FUZZ_HOST_BUTTON, 0, 0, 0 });
		add(&seed, (struct fuzz_op){ FUZZ_HOST, FUZZ_HOST_ROOM, 0, 0, 0 });
		add(&seed, (struct fuzz_op){ FUZZ_PORT, 8, 0, 0, 'x' });
		add(&seed, (struct fuzz_op){ FUZZ_HOST, FUZZ_HOST_ROOM, 5, 0, 0 });
		add(&seed, (struct fuzz_op){ FUZZ_HOST, FUZZ_HOST_REGISTERS, 0, 0, 0 });
		/* The last word: panic, reset, switch off, exit. */
		add(&seed, (struct fuzz_op){ FUZZ_PORT, 8, (uint16_t[]){ 10, 13, 11, 15 }[v], 0,
					     (uint64_t[]){ 1, 1, 0x34, 0 }[v] });
		write_ops(dir, name, &seed);
	}
	for (uint8_t chip = 0; chip < 2; chip++) {
		char name[] = "chip-0";

		seed.count = 0;
		name[5] = (char)('0' + chip);
		for (uint16_t offset = 0; offset < 0x40; offset += 4)
			for (unsigned v = 0; v < 3; v++)
				add(&seed, (struct fuzz_op){ (uint8_t)(FUZZ_CHIP | (v == 1 ? 0 : 0x80)),
							     (uint8_t)(0x20 | (chip ? 0x22 : 0x21)), offset, 0,
							     values[3] });
		for (uint16_t offset = 0x3fc; offset < 0x424; offset += 4)
			add(&seed, (struct fuzz_op){ FUZZ_CHIP | (offset & 4 ? 0x80 : 0),
						     (uint8_t)(0x20 | (chip ? 0x22 : 0x21)), offset, 0,
						     values[3] });
		for (uint16_t offset = 0xfe0; offset < 0x1000; offset += 4)
			add(&seed, (struct fuzz_op){ FUZZ_CHIP | 0x80, (uint8_t)(0x20 | (chip ? 0x22 : 0x21)),
						     offset, 0, 0 });
		add(&seed, (struct fuzz_op){ FUZZ_HOST, FUZZ_HOST_BUTTON, 0, 0, 0 });
		add(&seed, (struct fuzz_op){ FUZZ_HOST, FUZZ_HOST_REGISTERS, 0, 0, 0 });
		write_ops(dir, name, &seed);
	}
}

/* A queue of the network's with one chain of one descriptor, and what the target does then. */
static void make_net_seed(const char *dir, const char *name, uint16_t queue, uint64_t flags,
			  const struct fuzz_op *then, size_t count)
{
	const uint32_t base = 0x200000U;
	const struct fuzz_op begin[] = {
		{ FUZZ_START, NET_SLOT, queue, base, UINT64_MAX },
		{ FUZZ_MEMORY, 0, 0, base, base + 0x1000 },
		{ FUZZ_MEMORY, 0, 0, base + 8, flags << 32 | 1600 },
		{ FUZZ_MEMORY, 0, 0, base + 0x400, 1ULL << 16 },
		{ FUZZ_KICK, NET_SLOT, queue, 0, 0 },
	};
	struct fuzz_op ops[16];

	memcpy(ops, begin, sizeof(begin));
	memcpy(ops + ARRAY_SIZE(begin), then, count * sizeof(*then));
	write_bytes(dir, "machine", name, ops, (ARRAY_SIZE(begin) + count) * sizeof(*ops));
}

/* Frames come, before there are buffers and after; one is sent; a filter is set; the wire is cut. */
static void make_net_seeds(const char *dir)
{
	static const struct fuzz_op frames[] = { { FUZZ_FRAME, 0, 60, 0, 1 }, { FUZZ_TURN, 0, 0, 0, 0 },
						 { FUZZ_FRAME, 0, 1514, 0, 2 }, { FUZZ_FRAME, 0, 2, 0, 3 },
						 { FUZZ_TURN, 0, 0, 0, 0 } };
	static const struct fuzz_op taken[] = { { FUZZ_WIRE, 1, 0, 0, 0 }, { FUZZ_TURN, 0, 0, 0, 0 } };
	static const struct fuzz_op cut[] = { { FUZZ_WIRE, 0, 0, 0, 0 }, { FUZZ_TURN, 0, 0, 0, 0 },
					      { FUZZ_WIRE, 2, 0, 0, 0 }, { FUZZ_TURN, 0, 0, 0, 0 } };

	make_net_seed(dir, "net-rx", 0, 2, frames, ARRAY_SIZE(frames));
	make_net_seed(dir, "net-tx", 1, 0, taken, ARRAY_SIZE(taken));
	make_net_seed(dir, "net-ctrl", 2, 0, cut, ARRAY_SIZE(cut));
}

void make_machine_seeds(const char *dir)
{
	make_device_seeds(dir);
	make_disk_seed(dir);
	make_memory_seed(dir);
	make_port_seeds(dir);
	make_net_seeds(dir);
}
