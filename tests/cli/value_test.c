/* SPDX-License-Identifier: Apache-2.0 */
/* Values that a person types. */
#include "cli/value.h"

#include <ferry/error.h>

#include <errno.h>
#include <string.h>

#include "base/util.h"
#include "check_main.h"

START_TEST(test_sizes_are_powers_of_1024)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} good[] = {
		{ "0", 0 },	    { "4096", 4096 },
		{ "1K", 1024 },	    { "512M", 512 * MIB },
		{ "4G", 4 * GIB },  { "2T", 2048 * GIB },
		{ "3g", 3 * GIB },  { "1MiB", MIB },
		{ "16kib", 16384 }, { "18446744073709551615", UINT64_MAX },
	};

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		uint64_t bytes = 1;

		ck_assert_int_eq(value_size(good[i].text, &bytes), 0);
		ck_assert_uint_eq(bytes, good[i].bytes);
	}
}
END_TEST

START_TEST(test_what_is_no_size_is_refused)
{
	static const char *const bad[] = { "",
					   "M",
					   "-1",
					   "1.5G",
					   "512MB",
					   "12Q",
					   " 1",
					   "1 ",
					   "0x10",
					   "1KK",
					   "1MiBs",
					   "16777217T",
					   "18446744073709551616" };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		uint64_t bytes = 77;

		error_clear();
		ck_assert_int_eq(value_size(bad[i], &bytes), -EINVAL);
		ck_assert_uint_eq(bytes, 77);
		ck_assert_ptr_eq(strchr(error_text(-EINVAL), '\n'), NULL);
	}
}
END_TEST

START_TEST(test_a_size_is_spelled_as_it_is_typed)
{
	static const uint64_t sizes[] = { 0, 1, 1023, 1024, 1536 * MIB, 4 * GIB, 1024 * GIB };
	char text[32];

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		uint64_t bytes;

		value_size_text(sizes[i], text, sizeof(text));
		ck_assert_int_eq(value_size(text, &bytes), 0);
		ck_assert_uint_eq(bytes, sizes[i]);
	}
	value_size_text(1536 * MIB, text, sizeof(text));
	ck_assert_str_eq(text, "1536M");
}
END_TEST

START_TEST(test_counts_stay_in_their_bounds)
{
	uint64_t count = 0;

	ck_assert_int_eq(value_count("1", 1, 16, &count), 0);
	ck_assert_int_eq(value_count("16", 1, 16, &count), 0);
	ck_assert_uint_eq(count, 16);
	ck_assert_int_eq(value_count("0", 1, 16, &count), -EINVAL);
	ck_assert_int_eq(value_count("17", 1, 16, &count), -EINVAL);
	ck_assert_int_eq(value_count("4x", 1, 16, &count), -EINVAL);
	ck_assert_int_eq(value_count("99999999999999999999999", 1, UINT64_MAX, &count), -EINVAL);
}
END_TEST

START_TEST(test_vm_names_cannot_leave_their_directory)
{
	ck_assert_int_eq(value_vm_name("web-1.test_A"), 0);
	ck_assert_int_eq(value_vm_name(""), -EINVAL);
	ck_assert_int_eq(value_vm_name(".."), -EINVAL);
	ck_assert_int_eq(value_vm_name("-x"), -EINVAL);
	ck_assert_int_eq(value_vm_name("a/b"), -EINVAL);
	ck_assert_int_eq(value_vm_name("a b"), -EINVAL);
	ck_assert_int_eq(value_vm_name("0123456789012345678901234567890123456789"
				       "0123456789012345678901234"),
			 -EINVAL);
}
END_TEST

START_TEST(test_a_mac_is_of_one_machine)
{
	uint8_t mac[6];

	ck_assert_int_eq(value_mac("52:54:00:aB:cd:09", mac), 0);
	ck_assert_mem_eq(mac, "\x52\x54\x00\xab\xcd\x09", 6);
	ck_assert_int_eq(value_mac("53:54:00:ab:cd:09", mac), -EINVAL);
	ck_assert_int_eq(value_mac("52:54:00:ab:cd", mac), -EINVAL);
	ck_assert_int_eq(value_mac("52-54-00-ab-cd-09", mac), -EINVAL);
	ck_assert_int_eq(value_mac("52:54:00:ab:cd:0g", mac), -EINVAL);
}
END_TEST

struct taken {
	char path[32];
	char queues[8];
	int readonly;
};

static int take_path(void *target, const char *value)
{
	strncpy(((struct taken *)target)->path, value, 31);
	return 0;
}

static int take_queues(void *target, const char *value)
{
	strncpy(((struct taken *)target)->queues, value, 7);
	return 0;
}

static int take_readonly(void *target, const char *value)
{
	ck_assert_ptr_eq(value, NULL);
	((struct taken *)target)->readonly++;
	return 0;
}

static const struct value_field fields[] = {
	{ "path", "FILE", take_path },
	{ "queues", "N", take_queues },
	{ "readonly", NULL, take_readonly },
};

static int take(const char *text, struct taken *taken)
{
	char copy[64];

	*taken = (struct taken){ 0 };
	strcpy(copy, text);
	return value_fields(copy, fields, ARRAY_SIZE(fields), taken);
}

START_TEST(test_fields_are_keys_with_values)
{
	struct taken taken;

	ck_assert_int_eq(take("path=a.img,readonly,queues=4", &taken), 0);
	ck_assert_str_eq(taken.path, "a.img");
	ck_assert_str_eq(taken.queues, "4");
	ck_assert_int_eq(taken.readonly, 1);
}
END_TEST

START_TEST(test_the_first_field_may_stand_without_its_key)
{
	struct taken taken;

	ck_assert_int_eq(take("a.img", &taken), 0);
	ck_assert_str_eq(taken.path, "a.img");
	ck_assert_int_eq(take("readonly,a.img", &taken), -EINVAL);
}
END_TEST

START_TEST(test_a_doubled_comma_is_a_comma)
{
	struct taken taken;

	ck_assert_int_eq(take("path=a,,b,,,readonly", &taken), 0);
	ck_assert_str_eq(taken.path, "a,b,");
	ck_assert_int_eq(taken.readonly, 1);
}
END_TEST

START_TEST(test_wrong_fields_are_refused)
{
	static const char *const bad[] = {
		"",	     "path=",	     "path",	     "a.img,",
		"a.img,red", "a.img,queues", "readonly=yes", "a.img,readonly=",
		"size=3"
	};
	struct taken taken;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		/* The name of a field alone, at the front: a flag or a mistake, never a file. */
		ck_assert_int_eq(take(bad[i], &taken), -EINVAL);
	}
}
END_TEST

static const char *nearest_of(const char *typed)
{
	static const char *const names[] = { "memory", "cpus",	  "disk",	   "net",
					     "name",   "console", "console-output" };
	struct value_nearest nearest = { .typed = typed };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		value_nearest_try(&nearest, names[i]);
	return nearest.name ? nearest.name : "";
}

START_TEST(test_typing_errors_find_the_nearest_name)
{
	ck_assert_str_eq(nearest_of("memroy"), "memory");
	ck_assert_str_eq(nearest_of("mem"), "memory");
	ck_assert_str_eq(nearest_of("cpu"), "cpus");
	ck_assert_str_eq(nearest_of("disks"), "disk");
	ck_assert_str_eq(nearest_of("consol"), "console");
	ck_assert_str_eq(nearest_of("frobnicate"), "");
	ck_assert_str_eq(nearest_of("x"), "");
	ck_assert_str_eq(nearest_of(""), "");
	ck_assert_str_eq(nearest_of("a-very-long-option-that-is-longer-than-a-row-of-the-table"),
			 "");
}
END_TEST

CHECK_MAIN("cli/value", test_sizes_are_powers_of_1024, test_what_is_no_size_is_refused,
	   test_a_size_is_spelled_as_it_is_typed, test_counts_stay_in_their_bounds,
	   test_vm_names_cannot_leave_their_directory, test_a_mac_is_of_one_machine,
	   test_fields_are_keys_with_values, test_the_first_field_may_stand_without_its_key,
	   test_a_doubled_comma_is_a_comma, test_wrong_fields_are_refused,
	   test_typing_errors_find_the_nearest_name)
