/* SPDX-License-Identifier: Apache-2.0 */
/* A snapshot as `ferry snapshot` and the VM make it together. */
#ifndef TESTS_MIGRATE_SAVE_H
#define TESTS_MIGRATE_SAVE_H

#include "migrate/snapshot.h"
#include "migrate/snapshot_dir.h"

/* A writer of the directory's files, which are the writer's from then on. */
static inline int save_begin(struct snapshot_dir *dir, const struct migrate_guest *guest,
			     const char *machine, struct snapshot_writer **ret_writer)
{
	const struct snapshot_options options = {
		.memory_fd = dir->memory_fd,
		.state_fd = dir->state_fd,
		.machine = machine,
	};

	dir->memory_fd = dir->state_fd = -1;
	return snapshot_writer_create(guest, &options, ret_writer);
}

static inline int save_guest(const struct migrate_guest *guest, const char *name, const char *machine)
{
	struct snapshot_writer *writer = NULL;
	struct snapshot_dir dir;
	int err = snapshot_dir_make(&dir, name);

	if (!err)
		err = save_begin(&dir, guest, machine, &writer);
	if (!err)
		err = snapshot_writer_run(writer);
	if (!err)
		err = snapshot_dir_commit(&dir);
	snapshot_writer_destroy(writer);
	snapshot_dir_finish(&dir);
	return err;
}

#endif
