/* SPDX-License-Identifier: Apache-2.0 */
/* Files of tests. */
#include "smoke/matrix.h"

#include <ferry/error.h>

#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "check_main.h"
#include "smoke/test.h"

static char seen[4096];

/* The names of a file's cases; or what is wrong with it. */
static const char *names(const char *text)
{
	struct json_object *root = json_tokener_parse(text);
	struct smoke_matrix matrix = { 0 };

	ck_assert_ptr_nonnull(root);
	seen[0] = '\0';
	if (smoke_matrix_read(root, &matrix) < 0)
		strcpy(seen, error_text(-22));
	for (size_t i = 0; i < matrix.count; i++) {
		strcat(seen, matrix.cases[i].name);
		strcat(seen, " ");
	}
	smoke_matrix_finish(&matrix);
	json_object_put(root);
	return seen;
}

START_TEST(test_every_combination_is_there_once)
{
	ck_assert_str_eq(names("{\"matrix\":{\"kernel\":[\"/x/a\",\"b\"],\"cpus\":[1,2]}}"),
			 "a/cpus=1 a/cpus=2 b/cpus=1 b/cpus=2 ");
	ck_assert_str_eq(names("{\"matrix\":{\"kernel\":[\"a\",\"b\"]},"
			       "\"tests\":[{\"name\":\"x\"},{\"name\":\"y\"}]}"),
			 "x/a x/b y/a y/b ");
	ck_assert_str_eq(names("{\"kernel\":\"a\",\"timeout\":3}"), "a ");
}
END_TEST

START_TEST(test_what_is_wrong_has_its_place)
{
	static const char *const wrong[][2] = {
		{ "{\"matrix\":1}", "matrix: " },
		{ "{\"matrix\":{\"cpus\":1}}", "matrix.cpus: " },
		{ "{\"matrix\":{\"cpus\":[]}}", "matrix.cpus: " },
		{ "{\"matrix\":{\"kernel\":[\"/dev/null\",\"/dev/./null\"]}}", "matrix.kernel[1]: " },
		{ "{\"tests\":[]}", "tests: " },
		{ "{\"tests\":[1]}", "tests[0]: " },
		{ "{\"tests\":[{\"name\":\"a\"},{\"name\":\"a\"}]}", "tests[1]: " },
		{ "{\"matrix\":{\"cpus\":[1]},\"tests\":[{\"cpus\":2}]}", "tests[0].cpus: " },
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		ck_assert_msg(strncmp(names(wrong[i][0]), wrong[i][1], strlen(wrong[i][1])) == 0,
			      "%s: %s", wrong[i][0], seen);
}
END_TEST

START_TEST(test_a_matrix_beyond_all_measure_is_refused)
{
	char text[4096] = "{\"matrix\":{", axis[128];

	for (int i = 0; i < 8; i++) {
		snprintf(axis, sizeof(axis), "%s\"a%d\":[0,1,2,3,4,5,6,7,8,9]", i ? "," : "", i);
		strcat(text, axis);
	}
	strcat(text, "}}");
	ck_assert_ptr_nonnull(strstr(names(text), "more than"));
}
END_TEST

START_TEST(test_each_test_is_in_one_shard)
{
	unsigned count[10] = { 0 };

	for (unsigned part = 1; part <= 3; part++) {
		struct smoke_tests tests = { .all = calloc(10, sizeof(*tests.all)),
					     .count = 10 };

		for (unsigned i = 0; i < 10; i++)
			tests.all[i].cpus = i;
		smoke_tests_shard(&tests, part, 3);
		for (size_t i = 0; i < tests.count; i++)
			count[tests.all[i].cpus]++;
		smoke_tests_finish(&tests);
	}
	for (unsigned i = 0; i < 10; i++)
		ck_assert_uint_eq(count[i], 1);
}
END_TEST

START_TEST(test_boots_that_no_test_of_a_shard_begins_from_are_dropped)
{
	struct smoke_tests tests = {
		.all = calloc(4, sizeof(*tests.all)),
		.count = 4,
		.boots = calloc(3, sizeof(*tests.boots)),
		.boot_count = 3,
	};
	static const char *const names[] = { "a", "b", "c" };

	for (size_t i = 0; i < 3; i++)
		tests.boots[i].name = strdup(names[i]);
	for (size_t i = 0; i < 4; i++)
		tests.all[i].name = strdup("test");
	tests.all[0].warm = 3;
	tests.all[1].warm = 2;
	tests.all[2].warm = 3;
	smoke_tests_shard(&tests, 1, 2);
	ck_assert_uint_eq(tests.boot_count, 1);
	ck_assert_str_eq(tests.boots[0].name, "c");
	ck_assert_uint_eq(tests.all[0].warm, 1);
	ck_assert_uint_eq(tests.all[1].warm, 1);
	smoke_tests_finish(&tests);
}
END_TEST

CHECK_MAIN("smoke/matrix", test_every_combination_is_there_once, test_what_is_wrong_has_its_place,
	   test_a_matrix_beyond_all_measure_is_refused, test_each_test_is_in_one_shard,
	   test_boots_that_no_test_of_a_shard_begins_from_are_dropped)
