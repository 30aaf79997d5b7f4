/* SPDX-License-Identifier: Apache-2.0 */
/* The directory of a snapshot while it is written: for whoever may make files, which the VM may not. */
#ifndef MIGRATE_SNAPSHOT_DIR_H
#define MIGRATE_SNAPSHOT_DIR_H

struct snapshot_dir {
	char *name;	 /* what it is to be */
	char *temporary; /* what it is; NULL: it is what it is to be */
	int fd;
	int memory_fd, state_fd; /* its empty files, for snapshot_writer_create() */
};

/*
 * Makes name.incomplete-XXXXXX with its two files, and removes what others of such a name left behind
 * when they were killed. snapshot_dir_finish() also after a failure.
 *   -EEXIST  name is there and no snapshot
 * and what the file system says, with a text.
 */
int snapshot_dir_make(struct snapshot_dir *dir, const char *name);

/*
 * When the files are written: they take name's place, by one rename. There is a whole snapshot of that
 * name before it and after it, also after a crash: what that leaves the next one removes.
 */
int snapshot_dir_commit(struct snapshot_dir *dir);

/* What was not committed is removed. */
void snapshot_dir_finish(struct snapshot_dir *dir);

#endif
