/* SPDX-License-Identifier: Apache-2.0 */
/* KVM's binary statistics: what a made-up kernel says is understood, or refused. */
#include "kvm/stats.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <ferry/error.h>

#include "check_main.h"
#include "kvm/uapi.h"

#define NAME_SIZE 16

/* A statistics file with two statistics: one number, and a histogram of three buckets. */
struct file {
	struct kvm_stats_header header;
	struct {
		uint32_t flags;
		int16_t exponent;
		uint16_t size;
		uint32_t offset, bucket_size;
		char name[NAME_SIZE];
	} descs[2];
	uint64_t values[4];
};

static struct file file;
static struct kvm_stats stats;

static void make(void)
{
	file = (struct file){
		.header = { .name_size = NAME_SIZE,
			    .num_desc = 2,
			    .desc_offset = sizeof(struct kvm_stats_header),
			    .data_offset = offsetof(struct file, values) },
		.descs = { { .flags = KVM_STATS_TYPE_CUMULATIVE | KVM_STATS_UNIT_SECONDS |
				      KVM_STATS_BASE_POW10,
			     .exponent = -9,
			     .size = 1,
			     .offset = 24,
			     .name = "halt_wait_ns" },
			   { .flags = KVM_STATS_TYPE_LINEAR_HIST | KVM_STATS_BASE_POW2,
			     .size = 3,
			     .bucket_size = 10,
			     .name = "hist" } },
		.values = { 1, 2, 3, 4444 },
	};
}

/* Reads the file's first bytes. */
static int read_bytes(size_t size)
{
	stats = (struct kvm_stats){ .fd = memfd_create("stats", MFD_CLOEXEC) };
	ck_assert_int_ge(stats.fd, 0);
	ck_assert_int_eq(write(stats.fd, &file, size), (ssize_t)size);
	return kvm_stats_read(&stats);
}

static void refuse(void)
{
	ck_assert_int_eq(read_bytes(sizeof(file)), -EPROTO);
	kvm_stats_finish(&stats);
	make();
}

START_TEST(test_statistics_are_found_by_name)
{
	const struct kvm_stat *stat;

	make();
	ck_assert_int_eq(read_bytes(sizeof(file)), 0);
	ck_assert_uint_eq(stats.count, 2);
	stat = kvm_stats_find(&stats, "halt_wait_ns");
	ck_assert_ptr_nonnull(stat);
	ck_assert_int_eq(stat->kind, KVM_STAT_CUMULATIVE);
	ck_assert_int_eq(stat->unit, KVM_STAT_SECONDS);
	ck_assert_int_eq(stat->exponent, -9);
	ck_assert_uint_eq(stat->base, 10);
	ck_assert_uint_eq(stat->values[0], 4444);
	stat = kvm_stats_find(&stats, "hist");
	ck_assert_int_eq(stat->kind, KVM_STAT_LINEAR);
	ck_assert_uint_eq(stat->base, 2);
	ck_assert_uint_eq(stat->count, 3);
	ck_assert_uint_eq(stat->values[2], 3);
	ck_assert_ptr_null(kvm_stats_find(&stats, "his"));
	kvm_stats_finish(&stats);
}
END_TEST

START_TEST(test_values_are_read_anew)
{
	const uint64_t value = 5555;

	make();
	ck_assert_int_eq(read_bytes(sizeof(file)), 0);
	ck_assert_int_eq(pwrite(stats.fd, &value, 8, offsetof(struct file, values[3])), 8);
	ck_assert_int_eq(kvm_stats_read(&stats), 0);
	ck_assert_uint_eq(kvm_stats_find(&stats, "halt_wait_ns")->values[0], 5555);
	kvm_stats_finish(&stats);
}
END_TEST

START_TEST(test_a_file_that_ends_early_is_refused)
{
	make();
	for (size_t size = 0; size < sizeof(file); size += 4) {
		ck_assert_int_eq(read_bytes(size), -EPROTO);
		kvm_stats_finish(&stats);
	}
}
END_TEST

START_TEST(test_what_cannot_be_is_refused)
{
	make();
	file.header.name_size = 0;
	refuse();
	file.header.name_size = UINT32_MAX;
	refuse();
	file.header.num_desc = UINT32_MAX;
	refuse();
	file.header.data_offset++;
	refuse();
	file.header.desc_offset = UINT32_MAX;
	refuse();
	file.descs[1].size = 0;
	refuse();
	file.descs[1].size = UINT16_MAX;
	refuse();
	file.descs[0].offset = UINT32_MAX - 7;
	refuse();
	file.descs[0].offset = 20;
	refuse();
}
END_TEST

START_TEST(test_a_name_without_end_ends_where_it_must)
{
	make();
	memset(file.descs[0].name, 'x', NAME_SIZE);
	ck_assert_int_eq(read_bytes(sizeof(file)), 0);
	ck_assert_uint_eq(strlen(stats.stats[0].name), NAME_SIZE - 1);
	kvm_stats_finish(&stats);
}
END_TEST

START_TEST(test_without_a_descriptor_there_are_none)
{
	stats = (struct kvm_stats){ .fd = -1 };
	ck_assert_int_eq(kvm_stats_open(&stats, -1), -EBADF);
	ck_assert_int_eq(kvm_stats_read(&stats), -ENODEV);
	kvm_stats_finish(&stats);
}
END_TEST

CHECK_MAIN("stats", test_statistics_are_found_by_name, test_values_are_read_anew,
	   test_a_file_that_ends_early_is_refused, test_what_cannot_be_is_refused,
	   test_a_name_without_end_ends_where_it_must, test_without_a_descriptor_there_are_none)
