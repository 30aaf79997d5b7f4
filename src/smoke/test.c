/* SPDX-License-Identifier: Apache-2.0 */
/* Tests, one and many. */
#include "smoke/test.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void smoke_test_finish(struct smoke_test *test)
{
	free(test->name);
	smoke_rules_finish(&test->rules);
	smoke_words_finish(&test->booted);
	smoke_words_finish(&test->carried);
	smoke_disks_finish(&test->disks);
	free(test->snapshot);
	*test = (struct smoke_test){ 0 };
}

void smoke_tests_finish(struct smoke_tests *tests)
{
	for (size_t i = 0; i < tests->count; i++)
		smoke_test_finish(&tests->all[i]);
	for (size_t i = 0; i < tests->boot_count; i++)
		smoke_test_finish(&tests->boots[i]);
	free(tests->all);
	free(tests->boots);
	*tests = (struct smoke_tests){ 0 };
}

/* Boots that no test begins from any more. */
static void drop_boots(struct smoke_tests *tests)
{
	size_t kept = 0;

	for (size_t i = 0; i < tests->boot_count; i++) {
		bool used = false;

		for (size_t k = 0; k < tests->count; k++) {
			if (tests->all[k].warm != i + 1)
				continue;
			tests->all[k].warm = kept + 1;
			used = true;
		}
		if (used)
			tests->boots[kept++] = tests->boots[i];
		else
			smoke_test_finish(&tests->boots[i]);
	}
	tests->boot_count = kept;
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
	drop_boots(tests);
}

void smoke_test_file_name(const struct smoke_test *test, size_t number, char *name, size_t size)
{
	int len = snprintf(name, size, "%03zu-%s", number, test->name);

	for (int i = 0; i < len && name[i]; i++) {
		if (!isalnum((unsigned char)name[i]) && !strchr("._-+=", name[i]))
			name[i] = '_';
	}
}
