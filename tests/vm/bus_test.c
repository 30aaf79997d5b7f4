/* SPDX-License-Identifier: Apache-2.0 */
/* Bus dispatch: who is found, what nobody owns, what moves from inside its own access. */
#include "vm/bus.h"

#include <errno.h>
#include <string.h>

#include "base/util.h"
#include "check_main.h"

static struct bus bus;
static uint64_t seen_offset;
static unsigned seen_len;

static void read_mark(void *self, uint64_t offset, void *data, unsigned len)
{
	seen_offset = offset;
	seen_len = len;
	memset(data, *(const int *)self, len);
}

static void write_mark(void *self, uint64_t offset, const void *data, unsigned len)
{
	(void)data;
	*(int *)self = (int)len;
	seen_offset = offset;
}

static const struct bus_ops ops = { .read = read_mark, .write = write_mark };
static int one = 0x11, two = 0x22;

static void setup(void)
{
	bus_init(&bus, "test");
	ck_assert_int_eq(bus_add(&bus, "two", 0x200, 0x10, &ops, &two), 0);
	ck_assert_int_eq(bus_add(&bus, "one", 0x100, 0x10, &ops, &one), 0);
}

START_TEST(test_access_finds_its_range)
{
	uint32_t data;

	setup();
	ck_assert(bus_read(&bus, 0x10c, &data, 4));
	ck_assert_uint_eq(data, 0x11111111);
	ck_assert_uint_eq(seen_offset, 0xc);
	ck_assert(bus_read(&bus, 0x200, &data, 4));
	ck_assert_uint_eq(data, 0x22222222);
	bus_finish(&bus);
}
END_TEST

START_TEST(test_nobody_reads_as_ones)
{
	uint32_t data = 0;

	setup();
	ck_assert(!bus_read(&bus, 0xff, &data, 1));
	ck_assert_uint_eq(data, 0xff);
	ck_assert(!bus_read(&bus, 0x10e, &data, 4)); /* crosses the end */
	ck_assert_uint_eq(data, 0xffffffff);
	ck_assert(!bus_read(&bus, UINT64_MAX, &data, 1));
	ck_assert(!bus_write(&bus, 0x300, &data, 4));
	bus_finish(&bus);
}
END_TEST

START_TEST(test_overlaps_are_refused)
{
	setup();
	ck_assert_int_eq(bus_add(&bus, "x", 0x10f, 1, &ops, &one), -EEXIST);
	ck_assert_int_eq(bus_add(&bus, "x", 0xf0, 0x11, &ops, &one), -EEXIST);
	ck_assert_int_eq(bus_add(&bus, "x", 0xf0, 0x1000, &ops, &one), -EEXIST);
	ck_assert_int_eq(bus_add(&bus, "x", 0x110, 0, &ops, &one), -EINVAL);
	ck_assert_int_eq(bus_add(&bus, "x", UINT64_MAX, 2, &ops, &one), -EINVAL);
	ck_assert_int_eq(bus_add(&bus, "x", 0x110, 0xf0, &ops, &one), 0);
	bus_finish(&bus);
}
END_TEST

static void move(void *arg)
{
	(void)arg;
	ck_assert_int_eq(bus_remove(&bus, 0x300), 0);
	ck_assert_int_eq(bus_add(&bus, "mover", 0x400, 4, &ops, &one), 0);
}

static void write_and_move(void *self, uint64_t offset, const void *data, unsigned len)
{
	(void)self;
	(void)offset;
	(void)data;
	(void)len;
	bus_defer(move, NULL);
}

START_TEST(test_range_moves_from_inside_its_own_access)
{
	static const struct bus_ops mover = { .read = read_mark, .write = write_and_move };
	uint32_t data = 0;

	setup();
	ck_assert_int_eq(bus_add(&bus, "mover", 0x300, 4, &mover, &one), 0);
	ck_assert(bus_write(&bus, 0x300, &data, 4));
	ck_assert(!bus_read(&bus, 0x300, &data, 4));
	ck_assert(bus_read(&bus, 0x400, &data, 4));
	bus_finish(&bus);
}
END_TEST

START_TEST(test_a_thousand_ranges_are_all_found)
{
	uint8_t data;

	bus_init(&bus, "test");
	for (uint64_t i = 0; i < 1000; i++)
		ck_assert_int_eq(bus_add(&bus, "x", (i * 7919 % 1000) * 16, 8, &ops, &one), 0);
	for (uint64_t i = 0; i < 1000; i++) {
		ck_assert(bus_read(&bus, i * 16 + 7, &data, 1));
		ck_assert_uint_eq(seen_offset, 7);
		ck_assert(!bus_read(&bus, i * 16 + 8, &data, 1));
	}
	for (uint64_t i = 0; i < 1000; i++)
		ck_assert_int_eq(bus_remove(&bus, i * 16), 0);
	ck_assert_int_eq(bus_remove(&bus, 0), -ENOENT);
	bus_finish(&bus);
}
END_TEST

CHECK_MAIN("bus", test_access_finds_its_range, test_nobody_reads_as_ones, test_overlaps_are_refused,
	   test_range_moves_from_inside_its_own_access, test_a_thousand_ranges_are_all_found)
