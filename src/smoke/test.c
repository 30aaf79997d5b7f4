/* SPDX-License-Identifier: Apache-2.0 */
/* Tests, one and many. */
#include "smoke/test.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void smoke_test_finish(struct smoke_test *test)
{
	free(test->name);
	smoke_rules_finish(&test->rules);
	for (char **arg = test->args; arg && *arg; arg++)
		free(*arg);
	free(test->args);
	*test = (struct smoke_test){ 0 };
}

void smoke_tests_finish(struct smoke_tests *tests)
{
	for (size_t i = 0; i < tests->count; i++)
		smoke_test_finish(&tests->all[i]);
	free(tests->all);
	*tests = (struct smoke_tests){ 0 };
}

void smoke_tests_shard(struct smoke_tests *tests, unsigned part, unsigned parts)
{
	size_t kept = 0;

	for (size_t i = 0; i < tests->count; i++) {
		if (i % parts == part - 1)
			tests->all[kept++] = tests->all[i];
		else
			smoke_test_finish(&tests->all[i]);
	}
	tests->count = kept;
}

void smoke_test_file_name(const struct smoke_test *test, size_t number, char *name, size_t size)
{
	int len = snprintf(name, size, "%03zu-%s", number, test->name);

	for (int i = 0; i < len && name[i]; i++) {
		if (!isalnum((unsigned char)name[i]) && !strchr("._-+=", name[i]))
			name[i] = '_';
	}
}
