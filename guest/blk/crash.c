/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest whose monitor may be killed at any moment: it writes generations of blocks to a virtio disk, flushes,
 * and says which generation has been flushed; begun anew it finds on the disk no sector that is older.
 *
 *   round=N   generations begin at N << 20 (1)
 *   acked=G   the last one that was said to be flushed; the disk is looked at first (0: nothing was written)
 *   count=N   so many generations after the first, then it switches off (0: for ever)
 *   through=1 the disk's cache is switched to write-through, and nothing is flushed
 *
 * It says "verified", then "flushed G" for each generation, in the end "done"; or "LOST …", "failed …".
 *
 * The first generation of a round is all blocks. Each of the following is eight of the 64, and the flush of
 * one is under way together with the writes of the next, which are other blocks.
 */
#include <abi/virtio_blk.h>

#include "lib/cmdline.h"
#include "lib/guest.h"
#include "lib/virtio.h"

#define BLOCKS	      64
#define BATCH	      8
#define SECTORS	      8 /* of a block */
#define WORDS	      (VIRTIO_BLK_SECTOR / 8)
#define STRIDE	      5	 /* block of place n: n * STRIDE % BLOCKS */
#define STRIDE_BACK   13 /* 5 * 13 is 1 there */
#define FLUSH	      BATCH
#define DESCRIPTORS   3 /* of a request */
#define CONFIG_WCE_AT offsetof(struct virtio_blk_config, writeback)

static struct virtio disk;
static struct virtio_blk_req headers[BATCH + 1];
static volatile uint8_t statuses[BATCH + 1];
static uint64_t data[BATCH][SECTORS][WORDS] __attribute__((aligned(4096)));

static uint64_t word_of(uint64_t generation, uint64_t sector, unsigned n)
{
	uint64_t v = (generation * 0x9e3779b97f4a7c15 + sector) * 0xbf58476d1ce4e5b9 + n;

	if (n == 0)
		return generation;
	v ^= v >> 29;
	v *= 0x94d049bb133111eb;
	return v ^ v >> 32;
}

static void stop(const char *what, uint64_t a, uint64_t b, uint64_t c)
{
	guest_puts(what);
	guest_puts(" ");
	guest_put_hex(a);
	guest_puts(" ");
	guest_put_hex(b);
	guest_puts(" ");
	guest_put_hex(c);
	guest_puts("\n");
	guest_poweroff();
}

/* Request SLOT, of the block whose data is in data[SLOT]; SLOT FLUSH is a flush. */
static void submit(unsigned slot, uint32_t type, uint64_t block)
{
	uint16_t head = (uint16_t)(DESCRIPTORS * slot), last = head + 1;

	headers[slot] = (struct virtio_blk_req){ .type = type, .sector = block * SECTORS };
	statuses[slot] = 0xff;
	virtio_describe(&disk, head, &headers[slot], sizeof(headers[slot]), VIRTQ_DESC_F_NEXT);
	if (type != VIRTIO_BLK_T_FLUSH)
		virtio_describe(&disk, last++, data[slot], sizeof(data[slot]),
				VIRTQ_DESC_F_NEXT | (type == VIRTIO_BLK_T_IN ? VIRTQ_DESC_F_WRITE : 0));
	virtio_describe(&disk, last, &statuses[slot], 1, VIRTQ_DESC_F_WRITE);
	virtio_add(&disk, head);
}

static void wait(void)
{
	while (!virtio_is_idle(&disk))
		cpu_relax();
}

static void expect_ok(unsigned slot, const char *what)
{
	if (statuses[slot] != VIRTIO_BLK_S_OK)
		stop(what, slot, statuses[slot], 0);
}

static void begin_writes(uint64_t generation, uint64_t first)
{
	for (unsigned i = 0; i < BATCH; i++) {
		uint64_t block = (first + i) * STRIDE % BLOCKS;

		for (unsigned s = 0; s < SECTORS; s++)
			for (unsigned n = 0; n < WORDS; n++)
				data[i][s][n] = word_of(generation, block * SECTORS + s, n);
		submit(i, VIRTIO_BLK_T_OUT, block);
	}
}

static void end_writes(void)
{
	wait();
	for (unsigned i = 0; i < BATCH; i++)
		expect_ok(i, "failed write");
}

static void say_flushed(uint64_t generation)
{
	guest_puts("flushed ");
	guest_put_dec(generation);
	guest_puts("\n");
}

/* The last generation up to ACKED that wrote this block. */
static uint64_t written_last(uint64_t acked, uint64_t block)
{
	uint64_t base = acked >> 20 << 20, k = acked - base;
	uint64_t residue = block * STRIDE_BACK % BLOCKS / BATCH;
	uint64_t back = (k - residue) % (BLOCKS / BATCH);

	return k > back ? acked - back : base;
}

/* Old is lost, and so is what nobody wrote; what is newer was under way. */
static void check_sector(const uint64_t *words, uint64_t block, unsigned s, uint64_t acked)
{
	uint64_t oldest = acked ? written_last(acked, block) : 0, found = words[0];

	if (found < oldest)
		stop("LOST block, found, written:", block * SECTORS + s, found, oldest);
	for (unsigned n = 1; n < WORDS; n++)
		if (words[n] != (found ? word_of(found, block * SECTORS + s, n) : 0))
			stop("LOST block, generation, torn at word", block * SECTORS + s, found, n);
}

static void verify(uint64_t acked)
{
	for (uint64_t first = 0; first < BLOCKS; first += BATCH) {
		for (unsigned i = 0; i < BATCH; i++)
			submit(i, VIRTIO_BLK_T_IN, first + i);
		virtio_kick(&disk);
		wait();
		for (unsigned i = 0; i < BATCH; i++) {
			expect_ok(i, "failed read");
			for (unsigned s = 0; s < SECTORS; s++)
				check_sector(data[i][s], first + i, s, acked);
		}
	}
	guest_puts("verified\n");
}

static void write_first(uint64_t base, bool through)
{
	for (uint64_t first = 0; first < BLOCKS; first += BATCH) {
		begin_writes(base, first);
		virtio_kick(&disk);
		end_writes();
	}
	if (!through) {
		submit(FLUSH, VIRTIO_BLK_T_FLUSH, 0);
		virtio_kick(&disk);
		wait();
		expect_ok(FLUSH, "failed flush");
	}
	say_flushed(base);
}

/* Writes GENERATION while the one before it is flushed; through: written is flushed. */
static void write_next(uint64_t generation, uint64_t k, bool through)
{
	begin_writes(generation, k * BATCH);
	if (!through && k > 1)
		submit(FLUSH, VIRTIO_BLK_T_FLUSH, 0);
	virtio_kick(&disk);
	if (!through && k > 1) {
		while (statuses[FLUSH] == 0xff)
			cpu_relax();
		expect_ok(FLUSH, "failed flush");
		say_flushed(generation - 1);
	}
	end_writes();
	if (through)
		say_flushed(generation);
}

void guest_main(const void *info)
{
	const char *cmdline = guest_cmdline(info);
	uint64_t base = cmdline_number(cmdline, "round", 1) << 20;
	uint64_t count = cmdline_number(cmdline, "count", 0);
	bool through = cmdline_number(cmdline, "through", 0);

	if (!virtio_start(&disk, VIRTIO_ID_BLOCK, 1 << VIRTIO_BLK_F_FLUSH | 1 << VIRTIO_BLK_F_CONFIG_WCE))
		stop("failed to start", 0, 0, 0);
	disk.specific[CONFIG_WCE_AT] = !through;
	verify(cmdline_number(cmdline, "acked", 0));
	write_first(base, through);
	for (uint64_t k = 1; !count || k <= count; k++)
		write_next(base + k, k, through);
	guest_puts("done\n");
}
