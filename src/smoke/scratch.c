/* SPDX-License-Identifier: Apache-2.0 */
/* Makes a directory, and removes it. */
#include "smoke/scratch.h"

#include <ferry/error.h>

#include <errno.h>
#include <ftw.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "smoke/test.h"

static bool is_needed(const struct smoke_tests *tests)
{
	bool needed = tests->boot_count > 0;

	for (size_t i = 0; i < tests->count; i++)
		needed = needed || tests->all[i].move_every > 0;
	return needed;
}

static int name_snapshots(struct smoke_tests *tests, const char *path)
{
	for (size_t i = 0; i < tests->boot_count; i++) {
		struct smoke_test *boot = &tests->boots[i];

		if (asprintf(&boot->snapshot, "%s/boot-%zu", path, i + 1) < 0) {
			boot->snapshot = NULL;
			return because(-ENOMEM, "out of memory");
		}
	}
	return 0;
}

int smoke_scratch_make(struct smoke_tests *tests, char **ret_path)
{
	const char *parent = getenv("TMPDIR");
	char *path;
	int err;

	*ret_path = NULL;
	if (!is_needed(tests))
		return 0;
	if (asprintf(&path, "%s/ferry-smoke-XXXXXX", parent && *parent ? parent : "/tmp") < 0)
		return because(-ENOMEM, "out of memory");
	if (!mkdtemp(path)) {
		err = because(-errno, "cannot make a directory like %s: %s", path, strerror(errno));
		free(path);
		return err;
	}
	err = name_snapshots(tests, path);
	if (err)
		smoke_scratch_remove(path);
	else
		*ret_path = path;
	return err;
}

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *where)
{
	(void)info, (void)kind, (void)where;
	return remove(path);
}

void smoke_scratch_remove(char *path)
{
	if (path)
		nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
	free(path);
}
