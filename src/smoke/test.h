/* SPDX-License-Identifier: Apache-2.0 */
/* A test: a guest to boot, and what is expected of it. */
#ifndef SMOKE_TEST_H
#define SMOKE_TEST_H

#include <stddef.h>
#include <stdint.h>

#include "smoke/rules.h"

struct smoke_test {
	char *name;
	struct smoke_rules rules;
	char **args; /* of `ferry run`, ending with NULL */
	unsigned cpus;
	uint64_t memory; /* bytes; both for deciding how many run at once */
};

struct smoke_tests {
	struct smoke_test *all;
	size_t count;
};

void smoke_test_finish(struct smoke_test *test);
void smoke_tests_finish(struct smoke_tests *tests);

/*
 * Keeps the part-th of parts (from 1): each test is in exactly one, and in the same for everybody
 * who has the same tests in the same order.
 */
void smoke_tests_shard(struct smoke_tests *tests, unsigned part, unsigned parts);

/* A name for files: the number, and the test's name with _ for what is no letter, digit or . _ - + = */
void smoke_test_file_name(const struct smoke_test *test, size_t number, char *name, size_t size);

#endif
