/* SPDX-License-Identifier: Apache-2.0 */
/* A guest in a directory: the file "memory", and the stream "state" (STREAM.md, section 8). */
#ifndef MIGRATE_SNAPSHOT_H
#define MIGRATE_SNAPSHOT_H

#include <stddef.h>

#include "migrate/guest.h"
#include "migrate/progress.h"
#include "migrate/state.h"
#include "migrate/stream.h"

/* The names of the two files. */
#define SNAPSHOT_STATE	"state"
#define SNAPSHOT_MEMORY "memory"

struct snapshot_writer;

struct snapshot_options {
	int memory_fd, state_fd; /* empty files: to read and write, and to write */
	const char *machine;
};

/*
 * Copies the string; the descriptors are the writer's, also when this fails; guest stays the caller's
 * and outlives it. -ENOMEM.
 */
int snapshot_writer_create(const struct migrate_guest *guest, const struct snapshot_options *options,
			   struct snapshot_writer **ret_writer);
void snapshot_writer_destroy(struct snapshot_writer *writer);

/*
 * Writes a snapshot of a running guest, which stands still only for what it wrote at the last and its
 * registers, and then goes on. Once, on the calling thread. When it returns 0, both files are on
 * stable storage; snapshot_dir.h makes a snapshot of them.
 *   -ENOSPC and what else the file system says
 *   -ECANCELED
 */
int snapshot_writer_run(struct snapshot_writer *writer);

/* Gives up, unless the guest has been copied whole: -EALREADY then. Any thread. */
int snapshot_writer_cancel(struct snapshot_writer *writer);

/* Any thread. */
void snapshot_writer_progress(struct snapshot_writer *writer, struct migrate_progress *ret_progress);

/* What a state file holds. */
struct snapshot {
	struct buffer machine; /* a text, with its NUL */
	struct buffer regions; /* a table, see regions.h */
	struct buffer names, state;
	int memory_fd; /* -1: not opened */
};

/*
 * Reads a state from a stream and checks all of its form. -EINVAL (no snapshot of this ferry's and this
 * host's), -EBADMSG (damaged), with a text. snapshot_finish() also after a failure.
 */
int snapshot_parse(const struct stream *stream, struct snapshot *ret_snapshot);
/* The same of dir, with its memory file opened; or of a state file alone, or that of a directory. */
int snapshot_open(const char *dir, struct snapshot *ret_snapshot);
int snapshot_open_state(const char *path, struct snapshot *ret_snapshot);
void snapshot_finish(struct snapshot *snapshot);

/*
 * Fills a blank machine, whose memory the first may fill before there is anything else. It is mapped,
 * not read: its pages come from the file when they are touched, so the file must stay as it is while
 * the guest lives. -EREMOTE: the guest cannot live here, for the reasons in *verdict.
 */
int snapshot_load_memory(struct snapshot *snapshot, struct mem *mem, struct verdict *verdict);
/* The registers, and memory if it is not filled yet. *verdict has everything that is in the way. */
int snapshot_load(struct snapshot *snapshot, const struct migrate_guest *guest,
		  struct verdict *verdict);

/*
 * Before the guest first runs: sets every register that is a promise (REG_PROMISE) to what the snapshot's
 * guest was promised, and to zero what that does not know; like its first vCPU, all of them.
 *   -EREMOTE  this host cannot promise that, for the reasons in *verdict
 *   -EINVAL   the snapshot is of another architecture, or this one's promises are no such registers
 */
int snapshot_promise(const struct snapshot *snapshot, struct reg_file *regs,
		     struct verdict *verdict);

#endif
