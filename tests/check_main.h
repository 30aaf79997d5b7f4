/* SPDX-License-Identifier: Apache-2.0 */
/* The main() of a unit test: one suite of cases, and the exit status that ctest reads. */
#ifndef TESTS_CHECK_MAIN_H
#define TESTS_CHECK_MAIN_H

#include <check.h>
#include <stdlib.h>

#define CHECK_SUITE(name, ...)                                                                     \
	static int run_suite(void)                                                                 \
	{                                                                                          \
		const TTest *const tests[] = { __VA_ARGS__ };                                      \
		Suite *suite = suite_create(name);                                                 \
		TCase *tcase = tcase_create(name);                                                 \
		SRunner *runner = srunner_create(suite);                                           \
		int failed;                                                                        \
                                                                                                   \
		suite_add_tcase(suite, tcase);                                                     \
		tcase_set_timeout(tcase, 180);                                                     \
		for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)                      \
			tcase_add_test(tcase, tests[i]);                                           \
		srunner_run_all(runner, CK_ENV);                                                   \
		failed = srunner_ntests_failed(runner);                                            \
		srunner_free(runner);                                                              \
		return failed ? EXIT_FAILURE : EXIT_SUCCESS;                                       \
	}

#define CHECK_MAIN(name, ...)                                                                      \
	CHECK_SUITE(name, __VA_ARGS__)                                                             \
	int main(void)                                                                             \
	{                                                                                          \
		return run_suite();                                                                \
	}

#endif
