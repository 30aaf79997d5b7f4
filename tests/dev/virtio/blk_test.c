/* SPDX-License-Identifier: Apache-2.0 */
/* virtio-blk on real files: what it does for a driver, and what it does about a hostile one. */
#include "check_main.h"
#include "dev/virtio/fake_core.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <ferry/error.h>

#include <abi/virtio_blk.h>

#include "base/util.h"
#include "dev/virtio/blk.h"
#include "io/disk_image.h"

#define DISK_SIZE (4u << 20)
#define SECTORS	  (DISK_SIZE / 512)
#define UNTOUCHED 0xee

static struct vm vm;
static struct blk *blk;
static struct virtio_device *device;
/* tmpfs punches holes but makes no zeros and has no direct I/O; what has both is slow to sync. */
#define DIR_FAST "/dev/shm"
#define DIR_DISK "/var/tmp"

static const char *dir = DIR_FAST;
static char path[64];
static int file; /* the tests' own descriptor of the image */

/* Repeats itself after PERIOD bytes. */
#define PERIOD (128u << 10)

static uint8_t pattern(uint64_t offset)
{
	return (uint8_t)(offset ^ offset >> 9 ^ 0x5a);
}

static void make_file(void)
{
	static uint8_t content[PERIOD];

	snprintf(path, sizeof(path), "%s/ferry-blk-XXXXXX", dir);
	file = mkstemp(path);
	ck_assert_int_ge(file, 0);
	for (uint64_t i = 0; i < PERIOD; i++)
		content[i] = pattern(i);
	for (unsigned i = 0; i < DISK_SIZE; i += PERIOD)
		ck_assert_int_eq(pwrite(file, content, PERIOD, i), PERIOD);
}

static int open_disk(struct blk_options options)
{
	make_file();
	fake_vm_init(&vm);
	options.id = "disk0";
	options.path = path;
	return blk_create(&vm, NULL, &options, &blk);
}

static void setup(struct blk_options options)
{
	ck_assert_int_eq(open_disk(options), 0);
	device = fake_device;
}

static void teardown(void)
{
	blk_destroy(blk);
	fake_vm_finish(&vm);
	close(file);
	unlink(path);
}

/* A request with its header and status; data buffers are the caller's. */
struct request {
	struct virtio_blk_req header;
	uint8_t status;
	unsigned head;
};

static void add_to(struct request *request, unsigned q, uint32_t type, uint64_t sector,
		   const struct iovec *out_data, unsigned outs, const struct iovec *in_data,
		   unsigned ins)
{
	struct iovec out[300] = { { &request->header, sizeof(request->header) } };
	struct iovec in[300];

	request->header = (struct virtio_blk_req){ .type = type, .sector = sector };
	request->status = UNTOUCHED;
	for (unsigned i = 0; i < outs; i++)
		out[1 + i] = out_data[i];
	for (unsigned i = 0; i < ins; i++)
		in[i] = in_data[i];
	in[ins] = (struct iovec){ &request->status, 1 };
	request->head = fake_add(&device->queues[q], out, outs + 1, in, ins + 1);
}

static bool is_pushed(const struct request *request)
{
	return device->queues[0].chains[request->head].pushed;
}

static uint8_t run(uint32_t type, uint64_t sector, const struct iovec *out, unsigned outs,
		   const struct iovec *in, unsigned ins)
{
	static struct request request;

	add_to(&request, 0, type, sector, out, outs, in, ins);
	fake_notify(device, 0);
	fake_wait(&vm, is_pushed(&request));
	ck_assert(!device->broken);
	return request.status;
}

static uint8_t read_disk(uint64_t sector, void *buf, size_t len)
{
	return run(VIRTIO_BLK_T_IN, sector, NULL, 0, &(struct iovec){ buf, len }, 1);
}

static uint8_t write_disk(uint64_t sector, const void *buf, size_t len)
{
	return run(VIRTIO_BLK_T_OUT, sector, &(struct iovec){ (void *)(uintptr_t)buf, len }, 1,
		   NULL, 0);
}

static uint8_t ranges(uint32_t type, const struct virtio_blk_discard_write_zeroes *range,
		      size_t bytes)
{
	return run(type, 0, &(struct iovec){ (void *)(uintptr_t)range, bytes }, 1, NULL, 0);
}

static struct virtio_blk_config config(void)
{
	struct virtio_blk_config c = { 0 };

	ck_assert_uint_le(device->config_size, sizeof(c));
	device->ops->config_read(device->self, 0, &c, device->config_size);
	return c;
}

START_TEST(test_reads_and_writes_reach_the_image)
{
	static uint8_t a[4096], b[512], c[1024];
	struct iovec three[] = { { a, 4096 }, { b, 512 }, { c, 1024 } };

	setup((struct blk_options){ 0 });
	ck_assert_uint_eq(run(VIRTIO_BLK_T_IN, 7, NULL, 0, three, 3), VIRTIO_BLK_S_OK);
	for (unsigned i = 0; i < 4096; i++)
		ck_assert_uint_eq(a[i], pattern(7 * 512 + i));
	ck_assert_uint_eq(c[1023], pattern(7 * 512 + 5631));
	ck_assert_uint_eq(device->queues[0].chains[0].written, 5633);

	memset(b, 0x11, sizeof(b));
	memset(c, 0x22, sizeof(c));
	ck_assert_uint_eq(run(VIRTIO_BLK_T_OUT, SECTORS - 3, three + 1, 2, NULL, 0),
			  VIRTIO_BLK_S_OK);
	ck_assert_uint_eq(device->queues[0].chains[1].written, 1);
	ck_assert_int_eq(pread(file, a, 1536, DISK_SIZE - 1536), 1536);
	ck_assert_mem_eq(a, b, 512);
	ck_assert_mem_eq(a + 512, c, 1024);
	teardown();
}
END_TEST

START_TEST(test_a_request_may_be_cut_anywhere)
{
	struct virtio_blk_req header = { .type = VIRTIO_BLK_T_IN, .sector = 1 };
	static uint8_t data[513]; /* with the status behind the data */
	struct iovec out[] = { { &header, 3 }, { (uint8_t *)&header + 3, 13 } };
	struct iovec in[] = { { data, 100 }, { data + 100, 413 } };

	setup((struct blk_options){ 0 });
	data[512] = UNTOUCHED;
	fake_add(&device->queues[0], out, 2, in, 2);
	fake_notify(device, 0);
	fake_wait(&vm, device->queues[0].pushed == 1);
	ck_assert_uint_eq(data[512], VIRTIO_BLK_S_OK);
	ck_assert_uint_eq(data[511], pattern(1023));
	teardown();
}
END_TEST

START_TEST(test_ranges_outside_the_disk_are_errors_and_touch_nothing)
{
	static uint8_t buf[1024];
	static const uint64_t sectors[] = { SECTORS - 1,	  SECTORS,	  SECTORS + 1,
					    UINT64_MAX,		  UINT64_MAX - 1, UINT64_MAX / 512,
					    UINT64_MAX / 512 + 1, 1ULL << 63,	  1ULL << 55 };

	setup((struct blk_options){ 0 });
	memset(buf, UNTOUCHED, sizeof(buf));
	for (unsigned i = 0; i < ARRAY_SIZE(sectors); i++) {
		ck_assert_uint_eq(read_disk(sectors[i], buf, 1024), VIRTIO_BLK_S_IOERR);
		ck_assert_uint_eq(write_disk(sectors[i], buf, 1024), VIRTIO_BLK_S_IOERR);
		ck_assert_uint_eq(device->queues[0].chains[2 * i].written, 0);
	}
	ck_assert_uint_eq(buf[0], UNTOUCHED);
	ck_assert_uint_eq(lseek(file, 0, SEEK_END), DISK_SIZE);
	teardown();
}
END_TEST

START_TEST(test_lengths_that_are_no_sectors_are_errors)
{
	static uint8_t buf[2048];

	setup((struct blk_options){ 0 });
	ck_assert_uint_eq(read_disk(0, buf, 511), VIRTIO_BLK_S_IOERR);
	ck_assert_uint_eq(read_disk(0, buf, 513), VIRTIO_BLK_S_IOERR);
	ck_assert_uint_eq(write_disk(0, buf, 1), VIRTIO_BLK_S_IOERR);
	ck_assert_uint_eq(read_disk(0, buf, 0), VIRTIO_BLK_S_OK);
	teardown();
}
END_TEST

START_TEST(test_lengths_beyond_all_memory_are_errors)
{
	static uint8_t buf[512];
	struct iovec huge[4] = { { buf, 1UL << 30 },
				 { buf, 1UL << 30 },
				 { buf, 1UL << 30 },
				 { buf, (1UL << 30) - 512 } };

	setup((struct blk_options){ 0 });
	ck_assert_uint_eq(run(VIRTIO_BLK_T_OUT, 0, huge, 4, NULL, 0), VIRTIO_BLK_S_IOERR);
	ck_assert_uint_eq(run(VIRTIO_BLK_T_IN, 0, NULL, 0, huge, 4), VIRTIO_BLK_S_IOERR);
	ck_assert_uint_eq(run(VIRTIO_BLK_T_DISCARD, 0, huge, 4, NULL, 0), VIRTIO_BLK_S_IOERR);
	teardown();
}
END_TEST

START_TEST(test_a_short_header_is_an_error)
{
	struct virtio_blk_req header = { .type = VIRTIO_BLK_T_IN };
	uint8_t status[8];

	setup((struct blk_options){ 0 });
	memset(status, UNTOUCHED, sizeof(status));
	for (unsigned len = 0; len < 16; len++) {
		fake_add(&device->queues[0], &(struct iovec){ &header, len }, len ? 1 : 0,
			 &(struct iovec){ status, 1 }, 1);
		fake_notify(device, 0);
		ck_assert_uint_eq(device->queues[0].pushed, len + 1);
		ck_assert_uint_eq(status[0], VIRTIO_BLK_S_IOERR);
		status[0] = UNTOUCHED;
	}
	ck_assert_uint_eq(status[1], UNTOUCHED);
	teardown();
}
END_TEST

START_TEST(test_a_request_without_status_byte_breaks_the_device)
{
	struct virtio_blk_req header = { .type = VIRTIO_BLK_T_FLUSH };

	setup((struct blk_options){ 0 });
	fake_add(&device->queues[0], &(struct iovec){ &header, 16 }, 1, NULL, 0);
	fake_notify(device, 0);
	ck_assert(device->broken);
	ck_assert_ptr_nonnull(strstr(device->why, "status"));
	device->ops->reset(device->self);
	ck_assert_uint_eq(device->resets_done, 1);
	teardown();
}
END_TEST

START_TEST(test_unknown_requests_are_unsupported)
{
	static uint8_t buf[512];
	static const uint32_t types[] = { 2, 3, 5, 6, 7, 9, 10, 12, 14, 0x80000000, UINT32_MAX };

	setup((struct blk_options){ 0 });
	for (unsigned i = 0; i < ARRAY_SIZE(types); i++)
		ck_assert_uint_eq(run(types[i], 0, NULL, 0, &(struct iovec){ buf, 512 }, 1),
				  VIRTIO_BLK_S_UNSUPP);
	teardown();
}
END_TEST

START_TEST(test_too_many_buffers_are_an_error)
{
	static uint8_t buf[512];
	struct iovec many[290];

	setup((struct blk_options){ 0 });
	for (unsigned i = 0; i < ARRAY_SIZE(many); i++)
		many[i] = (struct iovec){ buf, 512 };
	ck_assert_uint_eq(config().seg_max, 254);
	ck_assert_uint_eq(run(VIRTIO_BLK_T_IN, 0, NULL, 0, many, 254), VIRTIO_BLK_S_OK);
	ck_assert_uint_eq(run(VIRTIO_BLK_T_IN, 0, NULL, 0, many, 290), VIRTIO_BLK_S_IOERR);
	teardown();
}
END_TEST

START_TEST(test_read_only_disks_are_not_written)
{
	static uint8_t buf[512];
	struct virtio_blk_discard_write_zeroes range = { 0, 8, 0 };

	setup((struct blk_options){ .readonly = true });
	ck_assert(device->offered & 1ULL << VIRTIO_BLK_F_RO);
	ck_assert(!(device->offered & 1ULL << VIRTIO_BLK_F_DISCARD));
	ck_assert_uint_eq(write_disk(0, buf, 512), VIRTIO_BLK_S_IOERR);
	ck_assert_uint_eq(ranges(VIRTIO_BLK_T_DISCARD, &range, 16), VIRTIO_BLK_S_IOERR);
	ck_assert_uint_eq(ranges(VIRTIO_BLK_T_WRITE_ZEROES, &range, 16), VIRTIO_BLK_S_IOERR);
	ck_assert_uint_eq(run(VIRTIO_BLK_T_FLUSH, 0, NULL, 0, NULL, 0), VIRTIO_BLK_S_OK);
	ck_assert_uint_eq(read_disk(0, buf, 512), VIRTIO_BLK_S_OK);
	ck_assert_uint_eq(buf[100], pattern(100));
	teardown();
}
END_TEST

static void check_zero(off_t offset, size_t len, bool zero)
{
	static uint8_t buf[1 << 20];

	ck_assert_int_eq(pread(file, buf, len, offset), (ssize_t)len);
	for (size_t i = 0; i < len; i++)
		if (buf[i] != (zero ? 0 : pattern((uint64_t)offset + i)))
			ck_abort_msg("byte %zu is %#x", (size_t)offset + i, buf[i]);
}

static blkcnt_t blocks(void)
{
	struct stat st;

	ck_assert_int_eq(fstat(file, &st), 0);
	return st.st_blocks;
}

START_TEST(test_discard_gives_space_back)
{
	struct virtio_blk_discard_write_zeroes two[] = { { 0, 2048, 0 }, { 4096, 2048, 0 } };
	blkcnt_t before;

	setup((struct blk_options){ 0 });
	before = blocks();
	ck_assert_uint_eq(ranges(VIRTIO_BLK_T_DISCARD, two, 32), VIRTIO_BLK_S_OK);
	ck_assert_int_le(blocks(), before - 4096);
	check_zero(0, 1 << 20, true);
	check_zero(1 << 20, 1 << 20, false);
	ck_assert_int_eq(lseek(file, 0, SEEK_END), DISK_SIZE);
	teardown();
}
END_TEST

START_TEST(test_write_zeroes_zeroes_exactly_its_ranges)
{
	struct virtio_blk_discard_write_zeroes three[] = { { 1, 1, 0 },
							   { 2048, 0, 0 },
							   { 3, 2, 1 } };

	dir = DIR_DISK;
	setup((struct blk_options){ 0 });
	ck_assert_uint_eq(ranges(VIRTIO_BLK_T_WRITE_ZEROES, three, 48), VIRTIO_BLK_S_OK);
	check_zero(0, 512, false);
	check_zero(512, 512, true);
	check_zero(1024, 512, false);
	check_zero(1536, 1024, true);
	check_zero(2560, 8192, false);
	teardown();
}
END_TEST

START_TEST(test_zeros_are_written_where_the_file_system_makes_none)
{
	struct virtio_blk_discard_write_zeroes two[] = { { 1, 5000, 0 }, { 6000, 1, 0 } };

	setup((struct blk_options){ 0 });
	ck_assert_uint_eq(ranges(VIRTIO_BLK_T_WRITE_ZEROES, two, 32), VIRTIO_BLK_S_OK);
	check_zero(0, 512, false);
	check_zero(512, 1 << 20, true);
	check_zero(5000 * 512, 512, true);
	check_zero(5001 * 512, 999 * 512, false);
	check_zero(6000 * 512, 512, true);
	check_zero(6001 * 512, 512, false);
	teardown();
}
END_TEST

START_TEST(test_bad_ranges_are_refused_as_a_whole)
{
	static const struct {
		uint32_t type;
		struct virtio_blk_discard_write_zeroes range;
		uint8_t status;
	} cases[] = {
		{ VIRTIO_BLK_T_DISCARD, { SECTORS, 1, 0 }, VIRTIO_BLK_S_IOERR },
		{ VIRTIO_BLK_T_DISCARD, { SECTORS - 1, 2, 0 }, VIRTIO_BLK_S_IOERR },
		{ VIRTIO_BLK_T_DISCARD, { UINT64_MAX, 2, 0 }, VIRTIO_BLK_S_IOERR },
		{ VIRTIO_BLK_T_DISCARD, { UINT64_MAX / 512 + 1, 1, 0 }, VIRTIO_BLK_S_IOERR },
		{ VIRTIO_BLK_T_DISCARD, { 0, UINT32_MAX, 0 }, VIRTIO_BLK_S_IOERR },
		{ VIRTIO_BLK_T_DISCARD, { 0, 8, 1 }, VIRTIO_BLK_S_UNSUPP },
		{ VIRTIO_BLK_T_DISCARD, { 0, 8, 0x80000000 }, VIRTIO_BLK_S_UNSUPP },
		{ VIRTIO_BLK_T_WRITE_ZEROES, { SECTORS - 1, 2, 1 }, VIRTIO_BLK_S_IOERR },
		{ VIRTIO_BLK_T_WRITE_ZEROES, { 0, 8, 2 }, VIRTIO_BLK_S_UNSUPP },
	};

	setup((struct blk_options){ 0 });
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct virtio_blk_discard_write_zeroes two[] = { { 0, 8, 0 }, cases[i].range };

		ck_assert_uint_eq(ranges(cases[i].type, two, 32), cases[i].status);
	}
	check_zero(0, 4096, false);
	teardown();
}
END_TEST

START_TEST(test_ranges_beyond_what_was_promised_are_errors)
{
	struct virtio_blk_discard_write_zeroes range = { 0, 1u << 22, 0 };

	make_file();
	ck_assert_int_eq(ftruncate(file, 1L << 33), 0);
	fake_vm_init(&vm);
	ck_assert_int_eq(blk_create(&vm, NULL, &(struct blk_options){ .id = "disk0", .path = path }, &blk), 0);
	device = fake_device;
	ck_assert_uint_eq(config().max_discard_sectors, 1u << 22);
	ck_assert_uint_eq(ranges(VIRTIO_BLK_T_DISCARD, &range, 16), VIRTIO_BLK_S_OK);
	range.num_sectors++;
	ck_assert_uint_eq(ranges(VIRTIO_BLK_T_DISCARD, &range, 16), VIRTIO_BLK_S_IOERR);
	teardown();
}
END_TEST

START_TEST(test_discards_of_a_wrong_shape_are_errors)
{
	struct virtio_blk_discard_write_zeroes many[33] = { 0 };

	setup((struct blk_options){ 0 });
	ck_assert_uint_eq(config().max_discard_seg, 32);
	ck_assert_uint_eq(ranges(VIRTIO_BLK_T_DISCARD, many, 33 * 16), VIRTIO_BLK_S_IOERR);
	ck_assert_uint_eq(ranges(VIRTIO_BLK_T_DISCARD, many, 0), VIRTIO_BLK_S_IOERR);
	ck_assert_uint_eq(ranges(VIRTIO_BLK_T_DISCARD, many, 15), VIRTIO_BLK_S_IOERR);
	ck_assert_uint_eq(ranges(VIRTIO_BLK_T_DISCARD, many, 17), VIRTIO_BLK_S_IOERR);
	ck_assert_uint_eq(ranges(VIRTIO_BLK_T_DISCARD, many, 32 * 16), VIRTIO_BLK_S_OK);
	teardown();
}
END_TEST

/* Which blocks of 64 KiB were written since the last time; the first is bit 0. */
static uint64_t dirty_blocks(void)
{
	uint64_t bitmap = 0;

	disk_dirty_collect(&blk_image(blk)->dirty, &bitmap);
	return bitmap;
}

static void start_tracking(void)
{
	ck_assert_int_eq(disk_dirty_start(&blk_image(blk)->dirty, DISK_SIZE), 0);
}

START_TEST(test_writes_discards_and_zeros_are_told_and_nothing_else)
{
	static uint8_t buf[1024];
	struct virtio_blk_discard_write_zeroes two[] = { { 127, 2, 0 }, { 512, 128, 0 } };

	setup((struct blk_options){ 0 });
	ck_assert_uint_eq(write_disk(0, buf, 512), VIRTIO_BLK_S_OK);
	start_tracking();
	ck_assert_uint_eq(read_disk(0, buf, 1024), VIRTIO_BLK_S_OK);
	ck_assert_uint_eq(write_disk(SECTORS - 1, buf, 1024), VIRTIO_BLK_S_IOERR);
	ck_assert_uint_eq(run(VIRTIO_BLK_T_FLUSH, 0, NULL, 0, NULL, 0), VIRTIO_BLK_S_OK);
	ck_assert_uint_eq(dirty_blocks(), 0);
	ck_assert_uint_eq(write_disk(SECTORS - 1, buf, 512), VIRTIO_BLK_S_OK);
	ck_assert_uint_eq(dirty_blocks(), 1ULL << 63);
	ck_assert_uint_eq(write_disk(128 * 7 - 1, buf, 1024), VIRTIO_BLK_S_OK);
	ck_assert_uint_eq(dirty_blocks(), 3ULL << 6);
	ck_assert_uint_eq(ranges(VIRTIO_BLK_T_DISCARD, two, 32), VIRTIO_BLK_S_OK);
	ck_assert_uint_eq(dirty_blocks(), 0x13);
	ck_assert_uint_eq(ranges(VIRTIO_BLK_T_WRITE_ZEROES, two, 32), VIRTIO_BLK_S_OK);
	ck_assert_uint_eq(dirty_blocks(), 0x13);
	disk_dirty_stop(&blk_image(blk)->dirty);
	teardown();
}
END_TEST

START_TEST(test_a_write_that_a_reset_gives_up_is_told)
{
	static struct request request;
	static uint8_t buf[512];

	setup((struct blk_options){ 0 });
	start_tracking();
	add_to(&request, 0, VIRTIO_BLK_T_OUT, 256, &(struct iovec){ buf, 512 }, 1, NULL, 0);
	fake_notify(device, 0);
	device->ops->reset(device->self);
	fake_wait(&vm, device->resets_done == 1);
	check_zero(256 * 512, 512, true);
	ck_assert_uint_eq(dirty_blocks(), 1ULL << 2);
	teardown();
}
END_TEST

START_TEST(test_direct_writes_by_way_of_a_bounce_buffer_are_told)
{
	static uint8_t buf[(192 << 10) + 1];

	dir = DIR_DISK;
	setup((struct blk_options){ .direct = true });
	start_tracking();
	ck_assert_uint_eq(write_disk(128, buf + 1, 192 << 10), VIRTIO_BLK_S_OK);
	ck_assert_uint_eq(dirty_blocks(), 0xe);
	teardown();
}
END_TEST

START_TEST(test_get_id_gives_the_serial_number)
{
	char id[32];

	setup((struct blk_options){ .serial = "disk-of-20-character" });
	memset(id, UNTOUCHED, sizeof(id));
	ck_assert_uint_eq(run(VIRTIO_BLK_T_GET_ID, 0, NULL, 0, &(struct iovec){ id, 20 }, 1),
			  VIRTIO_BLK_S_OK);
	ck_assert_mem_eq(id, "disk-of-20-character", 20);
	ck_assert_uint_eq((uint8_t)id[20], UNTOUCHED);
	ck_assert_uint_eq(run(VIRTIO_BLK_T_GET_ID, 0, NULL, 0, &(struct iovec){ id, 19 }, 1),
			  VIRTIO_BLK_S_IOERR);
	teardown();
}
END_TEST

START_TEST(test_a_burst_is_one_interrupt)
{
	static struct request requests[128];
	static uint8_t bufs[128][512];

	setup((struct blk_options){ .queues = 1 });
	for (unsigned i = 0; i < 128; i++)
		add_to(&requests[i], 0, VIRTIO_BLK_T_IN, i, NULL, 0,
		       &(struct iovec){ bufs[i], 512 }, 1);
	fake_notify(device, 0);
	fake_wait(&vm, device->queues[0].pushed == 128);
	ck_assert_uint_eq(device->queues[0].unannounced, 0);
	ck_assert_uint_lt(device->queues[0].interrupts, 16);
	for (unsigned i = 0; i < 128; i++)
		ck_assert_uint_eq(bufs[i][7], pattern(i * 512 + 7));
	teardown();
}
END_TEST

/* It costs the driver an exit, so it is put off until nothing else is left to do. */
START_TEST(test_a_driver_is_asked_to_notify_before_the_loop_sleeps)
{
	static struct request requests[100];
	struct virtqueue *queue;

	setup((struct blk_options){ 0 });
	queue = &device->queues[0];
	queue->asked = true;
	for (unsigned i = 0; i < ARRAY_SIZE(requests); i++) {
		add_to(&requests[i], 0, VIRTIO_BLK_T_FLUSH, 0, NULL, 0, NULL, 0);
		if (queue->asked) {
			queue->asked = false;
			fake_notify(device, 0);
			ck_assert(!queue->asked);
		}
		fake_wait(&vm, is_pushed(&requests[i]));
	}
	fake_run_ms(&vm, 5);
	ck_assert(queue->asked);
	teardown();
}
END_TEST

START_TEST(test_more_requests_than_the_queue_has_are_served_in_turn)
{
	static struct request requests[1000];
	static uint8_t bufs[1000][512];

	setup((struct blk_options){ .queues = 2 });
	for (unsigned i = 0; i < 1000; i++)
		add_to(&requests[i], 1, VIRTIO_BLK_T_IN, i, NULL, 0,
		       &(struct iovec){ bufs[i], 512 }, 1);
	fake_notify(device, 1);
	ck_assert_uint_lt(device->queues[1].popped, 1000);
	fake_wait(&vm, device->queues[1].pushed == 1000);
	for (unsigned i = 0; i < 1000; i++)
		ck_assert_uint_eq(bufs[i][7], pattern(i * 512 + 7));
	teardown();
}
END_TEST

static void add_many(struct request *requests, uint8_t (*bufs)[4096], unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		add_to(&requests[i], 0, VIRTIO_BLK_T_IN, i * 8, NULL, 0,
		       &(struct iovec){ bufs[i], 4096 }, 1);
}

START_TEST(test_reset_waits_for_what_is_under_way_and_returns_nothing)
{
	static struct request requests[100];
	static uint8_t bufs[100][4096];

	setup((struct blk_options){ 0 });
	add_many(requests, bufs, 99);
	add_to(&requests[99], 0, VIRTIO_BLK_T_FLUSH, 0, NULL, 0, NULL, 0);
	fake_notify(device, 0);
	device->ops->reset(device->self);
	ck_assert_uint_eq(device->resets_done, 0);
	fake_wait(&vm, device->resets_done == 1);
	ck_assert_uint_eq(device->queues[0].pushed, 0);
	for (unsigned i = 0; i < 100; i++)
		ck_assert_uint_eq(requests[i].status, UNTOUCHED);
	ck_assert_uint_eq(read_disk(0, bufs[0], 4096), VIRTIO_BLK_S_OK);
	teardown();
}
END_TEST

START_TEST(test_quiesce_ends_when_everything_was_answered)
{
	static struct request requests[100];
	static uint8_t bufs[100][4096];

	setup((struct blk_options){ 0 });
	add_many(requests, bufs, 100);
	fake_notify(device, 0);
	device->ops->quiesce(device->self);
	ck_assert_uint_eq(device->quiesced, 0);
	fake_wait(&vm, device->quiesced == 1);
	ck_assert_uint_eq(device->queues[0].pushed, 100);
	device->held = false;
	ck_assert_uint_eq(read_disk(0, bufs[0], 4096), VIRTIO_BLK_S_OK);
	device->ops->quiesce(device->self);
	ck_assert_uint_eq(device->quiesced, 2); /* at once */
	teardown();
}
END_TEST

START_TEST(test_a_quiesce_that_was_taken_back_holds_nothing_up)
{
	static struct request requests[100], later;
	static uint8_t bufs[100][4096];

	setup((struct blk_options){ 0 });
	add_many(requests, bufs, 100);
	fake_notify(device, 0);
	device->ops->quiesce(device->self);
	device->held = false; /* resumed before it was quiet */
	add_to(&later, 0, VIRTIO_BLK_T_FLUSH, 0, NULL, 0, NULL, 0);
	fake_notify(device, 0);
	fake_wait(&vm, device->queues[0].pushed == 101);
	teardown();
}
END_TEST

static int flush_result;

static void flush_ended(void *arg, const char *id, int res)
{
	ck_assert_str_eq(id, "disk0");
	flush_result = res;
	*(bool *)arg = true;
}

START_TEST(test_a_flush_from_outside_tells_its_result)
{
	bool ended = false;

	setup((struct blk_options){ 0 });
	blk_flush(blk, flush_ended, &ended);
	ck_assert(!ended);
	fake_wait(&vm, ended);
	ck_assert_int_eq(flush_result, 0);
	blk_flush(blk, flush_ended, &ended); /* under way when the disk goes */
	teardown();
}
END_TEST

START_TEST(test_an_unlocked_disk_is_locked_later)
{
	struct disk_image second;

	setup((struct blk_options){ .unlocked = true });
	ck_assert_int_eq(disk_image_init(&second, path, false, false), 0);
	ck_assert_int_eq(blk_lock(blk), 0);
	ck_assert_int_eq(disk_image_lock(&second, path, false), -EBUSY);
	blk_unlock(blk);
	ck_assert_int_eq(disk_image_lock(&second, path, false), 0);
	ck_assert_int_eq(blk_lock(blk), -EBUSY);
	disk_image_finish(&second);
	teardown();
}
END_TEST

START_TEST(test_a_disk_goes_away_with_requests_under_way)
{
	static struct request requests[100];
	static uint8_t bufs[100][4096];

	setup((struct blk_options){ 0 });
	add_many(requests, bufs, 100);
	fake_notify(device, 0);
	teardown();
}
END_TEST

/* Buffers at an odd address: direct I/O cannot use them. */
static uint8_t unaligned[100][4096 + 1] __attribute__((aligned(4096)));

static bool setup_direct(void)
{
	int r;

	dir = DIR_DISK;
	r = open_disk((struct blk_options){ .direct = true });

	device = fake_device;
	if (r == 0)
		return true;
	ck_assert_ptr_nonnull(strstr(error_text(r), "direct I/O"));
	blk = NULL;
	teardown();
	return false;
}

START_TEST(test_direct_io_takes_buffers_of_any_alignment)
{
	static struct request requests[100];
	static uint8_t big[74 * 4096];

	if (!setup_direct())
		return;
	for (unsigned i = 0; i < 100; i++)
		add_to(&requests[i], 0, VIRTIO_BLK_T_IN, i * 8, NULL, 0,
		       &(struct iovec){ unaligned[i] + 1, 4096 }, 1);
	fake_notify(device, 0);
	fake_wait(&vm, device->queues[0].pushed == 100);
	for (unsigned i = 0; i < 100; i++) {
		ck_assert_uint_eq(requests[i].status, VIRTIO_BLK_S_OK);
		ck_assert_uint_eq(unaligned[i][1 + 77], pattern(i * 4096 + 77));
		ck_assert_uint_eq(unaligned[i][4096], pattern(i * 4096 + 4095));
	}
	memset(big, 0x77, sizeof(big));
	ck_assert_uint_eq(write_disk(8, big + 1, 73 * 4096), VIRTIO_BLK_S_OK);
	memset(big, 0, sizeof(big));
	ck_assert_int_eq(pread(file, big, 74 * 4096, 4096), 74 * 4096);
	ck_assert_uint_eq(big[73 * 4096 - 1], 0x77);
	ck_assert_uint_eq(big[73 * 4096], pattern(74 * 4096));
	teardown();
}
END_TEST

START_TEST(test_reset_forgets_requests_that_wait_for_a_buffer)
{
	static struct request requests[100];

	if (!setup_direct())
		return;
	for (unsigned i = 0; i < 100; i++)
		add_to(&requests[i], 0, VIRTIO_BLK_T_IN, i * 8, NULL, 0,
		       &(struct iovec){ unaligned[i] + 1, 4096 }, 1);
	fake_notify(device, 0);
	device->ops->reset(device->self);
	fake_wait(&vm, device->resets_done == 1);
	ck_assert_uint_eq(device->queues[0].pushed, 0);
	ck_assert_uint_eq(read_disk(8, unaligned[0] + 1, 4096), VIRTIO_BLK_S_OK);
	teardown();
}
END_TEST

START_TEST(test_an_image_that_became_shorter_gives_errors)
{
	static uint8_t buf[8192];

	setup((struct blk_options){ 0 });
	ck_assert_int_eq(ftruncate(file, DISK_SIZE / 2), 0);
	ck_assert_uint_eq(read_disk(SECTORS - 16, buf, 8192), VIRTIO_BLK_S_IOERR);
	ck_assert_uint_eq(read_disk(SECTORS / 2 - 8, buf, 8192), VIRTIO_BLK_S_IOERR);
	ck_assert_uint_eq(read_disk(SECTORS / 2 - 16, buf, 8192), VIRTIO_BLK_S_OK);
	teardown();
}
END_TEST

START_TEST(test_write_cache_mode_is_the_drivers_choice)
{
	static uint8_t buf[512];

	setup((struct blk_options){ 0 });
	ck_assert_uint_eq(config().writeback, 1);
	device->ops->config_write(device->self, 32, "\0", 1);
	ck_assert_uint_eq(config().writeback, 0);
	ck_assert_uint_eq(write_disk(0, buf, 512), VIRTIO_BLK_S_OK);
	device->features &= ~(1ULL << VIRTIO_BLK_F_CONFIG_WCE);
	device->ops->config_write(device->self, 32, "\1", 1);
	ck_assert_uint_eq(config().writeback, 0);
	device->ops->config_write(device->self, 0, "\1\1\1\1", 4);
	ck_assert_uint_eq(config().capacity, SECTORS);
	device->features &= ~(1ULL << VIRTIO_BLK_F_FLUSH);
	ck_assert_uint_eq(write_disk(0, buf, 512), VIRTIO_BLK_S_OK);
	device->ops->reset(device->self);
	ck_assert_uint_eq(config().writeback, 1);
	teardown();
}
END_TEST

static char overlay[80];

static void setup_overlay(void)
{
	make_file();
	snprintf(overlay, sizeof(overlay), "%s.overlay", path);
	fake_vm_init(&vm);
	ck_assert_int_eq(blk_create(&vm, NULL,
				    &(struct blk_options){
					    .id = "disk0", .path = path, .overlay = overlay },
				    &blk), 0);
	device = fake_device;
}

static void teardown_overlay(void)
{
	teardown();
	unlink(overlay);
}

/* The image's own bytes. */
static void assert_base_is_as_it_was(void)
{
	static uint8_t content[DISK_SIZE];

	ck_assert_int_eq(pread(file, content, sizeof(content), 0), DISK_SIZE);
	for (uint64_t i = 0; i < DISK_SIZE; i++)
		ck_assert_uint_eq(content[i], pattern(i % PERIOD));
}

START_TEST(test_an_overlay_takes_writes_and_leaves_the_image_alone)
{
	static uint8_t disk[DISK_SIZE], model[DISK_SIZE], data[40 * 512];
	struct iovec pieces[DISK_SIZE / 4096];

	setup_overlay();
	for (uint64_t i = 0; i < DISK_SIZE; i++)
		model[i] = pattern(i % PERIOD);
	/* Neighbours, overlaps, across words of the bitmap, and the last sector. */
	for (unsigned i = 0; i < 200; i++) {
		uint64_t sector = i == 199 ? SECTORS - 1 : i * 2654435761u % (SECTORS - 40);
		size_t len = i == 199 ? 512 : 512 * (1 + i % 40);

		memset(data, (int)i + 1, len);
		memset(model + sector * 512, (int)i + 1, len);
		ck_assert_uint_eq(write_disk(sector, data, len), VIRTIO_BLK_S_OK);
	}
	ck_assert_uint_eq(read_disk(0, disk, sizeof(disk)), VIRTIO_BLK_S_OK);
	ck_assert_int_eq(memcmp(disk, model, sizeof(disk)), 0);
	memset(disk, 0, sizeof(disk));
	for (unsigned i = 0; i < 128; i++)
		pieces[i] = (struct iovec){ disk + 4096 * i, 4096 };
	ck_assert_uint_eq(run(VIRTIO_BLK_T_IN, 0, NULL, 0, pieces, 128), VIRTIO_BLK_S_OK);
	ck_assert_int_eq(memcmp(disk, model, 128 * 4096), 0);
	assert_base_is_as_it_was();
	teardown_overlay();
}
END_TEST

START_TEST(test_an_overlay_hides_what_was_discarded_and_zeroed)
{
	const struct virtio_blk_discard_write_zeroes range = { .sector = 8, .num_sectors = 3 };
	static uint8_t data[16 * 512];

	setup_overlay();
	ck_assert_uint_eq(ranges(VIRTIO_BLK_T_WRITE_ZEROES, &range, sizeof(range)), VIRTIO_BLK_S_OK);
	ck_assert_uint_eq(read_disk(0, data, sizeof(data)), VIRTIO_BLK_S_OK);
	for (unsigned i = 0; i < sizeof(data); i++)
		ck_assert_uint_eq(data[i], i / 512 >= 8 && i / 512 < 11 ? 0 : pattern(i));
	ck_assert_uint_eq(run(VIRTIO_BLK_T_FLUSH, 0, NULL, 0, NULL, 0), VIRTIO_BLK_S_OK);
	assert_base_is_as_it_was();
	teardown_overlay();
}
END_TEST

START_TEST(test_an_overlay_goes_on_where_it_was)
{
	static uint8_t data[1024];
	struct blk_options options = { .id = "disk0", .path = path, .overlay = overlay };

	setup_overlay();
	memset(data, 7, 512);
	ck_assert_uint_eq(write_disk(3, data, 512), VIRTIO_BLK_S_OK);
	blk_destroy(blk);
	fake_vm_finish(&vm);
	fake_vm_init(&vm);
	ck_assert_int_eq(blk_create(&vm, NULL, &options, &blk), 0);
	device = fake_device;
	ck_assert_uint_eq(read_disk(3, data, 1024), VIRTIO_BLK_S_OK);
	ck_assert_uint_eq(data[511], 7);
	ck_assert_uint_eq(data[512], pattern(4 * 512));
	teardown_overlay();
}
END_TEST

START_TEST(test_what_is_no_overlay_is_refused)
{
	struct blk_options options = { .id = "disk0", .path = path, .overlay = overlay };
	struct blk *other;

	setup_overlay();
	/* Another guest has it. */
	ck_assert_int_eq(blk_create(&vm, NULL, &options, &other), -EBUSY);
	options.readonly = true;
	ck_assert_int_eq(blk_create(&vm, NULL, &options, &other), -EINVAL);
	options.readonly = false;
	options.overlay = path;
	ck_assert_int_eq(blk_create(&vm, NULL, &options, &other), -EINVAL);
	ck_assert_ptr_nonnull(strstr(error_text(-EINVAL), "no overlay"));
	assert_base_is_as_it_was();
	teardown_overlay();
}
END_TEST

START_TEST(test_configuration_describes_the_image)
{
	setup((struct blk_options){ .queues = 5 });
	ck_assert_uint_eq(config().capacity, SECTORS);
	ck_assert_uint_eq(config().blk_size, 512);
	ck_assert_uint_eq(config().num_queues, 5);
	ck_assert_uint_eq(config().topology.physical_block_exp, 3);
	teardown();
}
END_TEST

START_TEST(test_bad_options_are_refused_with_a_reason)
{
	ck_assert_int_eq(open_disk((struct blk_options){ .queues = 17 }), -EINVAL);
	ck_assert_ptr_nonnull(strstr(error_text(-EINVAL), "17 queues"));
	blk = NULL;
	teardown();
	ck_assert_int_eq(open_disk((struct blk_options){ .serial = "disk-of-21-characters" }),
			 -EINVAL);
	ck_assert_ptr_nonnull(strstr(error_text(-EINVAL), "serial"));
	teardown();
}
END_TEST

START_TEST(test_registers_hold_the_disk_to_its_size)
{
	struct reg_key capacity = { REG_VM,
				    REG_ID(REG_BANK_VIRTIO, 0, 3, FAKE_BDF << 16 | 0x8000) };
	struct reg_key writeback = { REG_VM,
				     REG_ID(REG_BANK_VIRTIO, 0, 0, FAKE_BDF << 16 | 0x8020) };
	uint64_t sectors = SECTORS;
	char name[64];

	setup((struct blk_options){ 0 });
	fake_check_bank(&vm.regs, &vm.regs);
	ck_assert_int_eq(reg_file_set(&vm.regs, capacity, &sectors), 0);
	sectors++;
	ck_assert_int_eq(reg_file_set(&vm.regs, capacity, &sectors), -EINVAL);
	ck_assert_int_eq(reg_file_set(&vm.regs, writeback, "\2"), -EINVAL);
	ck_assert_int_eq(reg_file_set(&vm.regs, writeback, "\0"), 0);
	ck_assert_uint_eq(config().writeback, 0);
	ck_assert_int_eq(reg_file_name(&vm.regs, writeback, name, sizeof(name)), 0);
	ck_assert_str_eq(name, "virtio.00:03.0.writeback");
	teardown();
}
END_TEST

CHECK_MAIN("virtio-blk", test_reads_and_writes_reach_the_image, test_a_request_may_be_cut_anywhere,
	   test_ranges_outside_the_disk_are_errors_and_touch_nothing,
	   test_lengths_that_are_no_sectors_are_errors, test_lengths_beyond_all_memory_are_errors,
	   test_a_short_header_is_an_error, test_a_request_without_status_byte_breaks_the_device,
	   test_unknown_requests_are_unsupported, test_too_many_buffers_are_an_error,
	   test_read_only_disks_are_not_written, test_discard_gives_space_back,
	   test_write_zeroes_zeroes_exactly_its_ranges,
	   test_zeros_are_written_where_the_file_system_makes_none,
	   test_bad_ranges_are_refused_as_a_whole, test_ranges_beyond_what_was_promised_are_errors,
	   test_discards_of_a_wrong_shape_are_errors,
	   test_writes_discards_and_zeros_are_told_and_nothing_else,
	   test_a_write_that_a_reset_gives_up_is_told,
	   test_direct_writes_by_way_of_a_bounce_buffer_are_told,
	   test_get_id_gives_the_serial_number,
	   test_a_burst_is_one_interrupt,
	   test_a_driver_is_asked_to_notify_before_the_loop_sleeps,
	   test_more_requests_than_the_queue_has_are_served_in_turn,
	   test_reset_waits_for_what_is_under_way_and_returns_nothing,
	   test_quiesce_ends_when_everything_was_answered,
	   test_a_quiesce_that_was_taken_back_holds_nothing_up,
	   test_a_flush_from_outside_tells_its_result, test_an_unlocked_disk_is_locked_later,
	   test_a_disk_goes_away_with_requests_under_way,
	   test_direct_io_takes_buffers_of_any_alignment,
	   test_reset_forgets_requests_that_wait_for_a_buffer,
	   test_an_image_that_became_shorter_gives_errors,
	   test_write_cache_mode_is_the_drivers_choice, test_configuration_describes_the_image,
	   test_bad_options_are_refused_with_a_reason,
	   test_an_overlay_takes_writes_and_leaves_the_image_alone,
	   test_an_overlay_hides_what_was_discarded_and_zeroed, test_an_overlay_goes_on_where_it_was,
	   test_what_is_no_overlay_is_refused, test_registers_hold_the_disk_to_its_size)
