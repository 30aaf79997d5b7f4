/* SPDX-License-Identifier: Apache-2.0 */
/* Writes a guest into a directory while it runs, and fills a machine from one. */
#include "migrate/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <ferry/error.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/util.h"
#include "mem/adopt.h"
#include "mem/dirty.h"
#include "migrate/copier.h"
#include "migrate/memory_file.h"
#include "migrate/regions.h"

#define STATE_FILE  "state"
#define MEMORY_FILE "memory"

/* What may be left when the guest is held: 8 MiB are written to the page cache in a few milliseconds. */
#define LEFT_PAGES 2048
/* A guest that dirties memory faster than a file takes it is held with more left after so many rounds. */
#define ROUNDS_MAX 8

static int stream_read_file(void *self, void *buf, size_t len)
{
	FILE *file = self;

	if (fread(buf, 1, len, file) == len)
		return 0;
	return ferror(file) ? because(-errno, "cannot be read: %s", strerror(errno)) :
			      because(-EBADMSG, "it is cut off");
}

static int stream_write_file(void *self, const struct iovec *iov, unsigned count)
{
	FILE *file = self;

	for (unsigned i = 0; i < count; i++)
		if (fwrite(iov[i].iov_base, 1, iov[i].iov_len, file) != iov[i].iov_len)
			return because(-errno, "cannot write the state: %s", strerror(errno));
	return 0;
}

/* One snapshot that is being written. */
struct writer {
	const struct migrate_guest *guest;
	const struct snapshot_options *options;
	char *temporary; /* the directory, until it takes dir's place */
	int dir_fd;
	struct memory_file memory;
	struct copier *copier;
	struct buffer names, state;
	struct migrate_progress progress;
	uint64_t begun;
};

static void tell(struct writer *writer, enum migrate_phase phase)
{
	writer->progress.phase = phase;
	writer->progress.elapsed_ns = clock_now() - writer->begun;
	if (writer->copier) {
		writer->progress.remaining = copier_pending(writer->copier) * GUEST_PAGE_SIZE;
		writer->progress.copied = copier_copied(writer->copier) * GUEST_PAGE_SIZE;
	}
	if (writer->options->progress)
		writer->options->progress(writer->options->self, &writer->progress);
}

/* Whether dir may be replaced: it is not there, or empty, or a snapshot. */
static int check_dir(const char *dir)
{
	char path[4096];
	struct stat st;

	if (snprintf(path, sizeof(path), "%s/" STATE_FILE, dir) >= (int)sizeof(path))
		return because(-ENAMETOOLONG, "%s: the name is too long", dir);
	if (stat(dir, &st) < 0)
		return errno == ENOENT ? 0 : because(-errno, "%s: %s", dir, strerror(errno));
	if (S_ISDIR(st.st_mode) && stat(path, &st) == 0)
		return 0;
	if (rmdir(dir) == 0)
		return 0;
	return because(-EEXIST, "%s is there and is no snapshot: choose another name", dir);
}

static int make_files(struct writer *writer)
{
	struct mem *mem = writer->guest->mem;
	int err = check_dir(writer->options->dir);

	if (err)
		return err;
	if (asprintf(&writer->temporary, "%s.XXXXXX", writer->options->dir) < 0)
		return because(-ENOMEM, "out of memory");
	if (!mkdtemp(writer->temporary)) {
		err = because(-errno, "cannot make %s: %s", writer->temporary, strerror(errno));
		free(writer->temporary);
		writer->temporary = NULL;
		return err;
	}
	writer->dir_fd = open(writer->temporary, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (writer->dir_fd < 0)
		return because(-errno, "%s: %s", writer->temporary, strerror(errno));
	return memory_file_create(writer->dir_fd, MEMORY_FILE, mem, &writer->memory);
}

/* While the guest runs: until little is left, or it would never be. */
static int copy_live(struct writer *writer)
{
	const struct page_sink sink = memory_file_sink(&writer->memory);
	const struct copier_options options = {
		.mem = writer->guest->mem,
		.sinks = &sink,
		.count = 1,
	};
	int err = mem_dirty_start(writer->guest->mem);

	if (!err)
		err = copier_create(&options, &writer->copier);
	for (unsigned round = 1; !err && round <= ROUNDS_MAX; round++) {
		writer->progress.round = round;
		tell(writer, MIGRATE_COPYING);
		err = copier_round(writer->copier);
		if (!err)
			err = copier_collect(writer->copier);
		if (!err && copier_pending(writer->copier) <= LEFT_PAGES)
			break;
	}
	return err;
}

/* The guest stands still: no page and no register is from another moment. */
static int copy_rest(struct writer *writer)
{
	uint64_t count;
	int err = copier_collect(writer->copier);

	if (!err)
		err = copier_round(writer->copier);
	if (!err)
		err = state_save(writer->guest->regs, &writer->state, &count);
	if (!err)
		err = state_save_names(writer->guest->regs, &writer->names);
	return err;
}

static int copy_held(struct writer *writer)
{
	uint64_t begun = clock_now();
	char text[ERROR_TEXT_MAX];
	int err, went_on;

	tell(writer, MIGRATE_HOLDING);
	err = writer->guest->hold(writer->guest->self);
	if (err)
		return err;
	err = copy_rest(writer);
	snprintf(text, sizeof(text), "%s", error_text(err));
	went_on = writer->guest->go_on(writer->guest->self);
	writer->progress.downtime_ns = clock_now() - begun;
	if (went_on)
		return because_of(went_on, "the guest could not go on");
	return err ? because(err, "%s", text) : 0;
}

static int write_records(const struct writer *writer, const struct stream *stream)
{
	const char *machine = writer->options->machine;
	int err = stream_send_header(stream, STREAM_SNAPSHOT);

	if (!err)
		err = stream_send(stream, RECORD_MACHINE, 0, 0, machine, strlen(machine));
	if (!err)
		err = regions_send(stream, RECORD_MEMORY_FILE, writer->guest->mem);
	if (!err)
		err = stream_send_buffer(stream, RECORD_NAMES, &writer->names);
	if (!err)
		err = stream_send_buffer(stream, RECORD_REGISTERS, &writer->state);
	return err ? err : stream_send(stream, RECORD_END, 0, 0, NULL, 0);
}

static int write_state(const struct writer *writer)
{
	int fd = openat(writer->dir_fd, STATE_FILE, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	FILE *file = fd < 0 ? NULL : fdopen(fd, "w");
	const struct stream stream = { .write = stream_write_file, .self = file };
	int err;

	if (!file) {
		err = because(-errno, "cannot make the state file: %s", strerror(errno));
		if (fd >= 0)
			close(fd);
		return err;
	}
	err = write_records(writer, &stream);
	if (!err && (fflush(file) != 0 || fsync(fd) != 0))
		err = because(-errno, "cannot write the state: %s", strerror(errno));
	if (fclose(file) != 0 && !err)
		err = because(-errno, "cannot write the state: %s", strerror(errno));
	return err;
}

static void remove_snapshot(const char *dir)
{
	static const char *const files[] = { STATE_FILE, MEMORY_FILE };
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		unlinkat(fd, files[i], 0);
	close(fd);
	rmdir(dir);
}

/* The directory that holds the entry for dir: the exchange is on disk when it is. */
static int sync_parent(const char *dir)
{
	char path[4096];
	AUTO_CLOSE int fd = -1;
	const char *slash = strrchr(dir, '/');

	snprintf(path, sizeof(path), "%.*s", slash ? (int)(slash - dir) + 1 : 1, slash ? dir : ".");
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 || fsync(fd) < 0 ? because(-errno, "%s: %s", path, strerror(errno)) : 0;
}

/* One rename: there is a whole snapshot of that name before it and after it. */
static int put_in_place(struct writer *writer)
{
	const char *dir = writer->options->dir;
	bool replaces = true;
	int err;

	if (fsync(writer->memory.fd) < 0 || fsync(writer->dir_fd) < 0)
		return because(-errno, "cannot write the snapshot: %s", strerror(errno));
	if (renameat2(AT_FDCWD, writer->temporary, AT_FDCWD, dir, RENAME_EXCHANGE) < 0) {
		replaces = false;
		if (errno != ENOENT || rename(writer->temporary, dir) < 0)
			return because(-errno, "cannot make %s: %s", dir, strerror(errno));
	}
	err = sync_parent(dir);
	if (replaces)
		remove_snapshot(writer->temporary);
	free(writer->temporary);
	writer->temporary = NULL;
	return err;
}

int snapshot_write(const struct migrate_guest *guest, const struct snapshot_options *options)
{
	struct writer writer = {
		.guest = guest,
		.options = options,
		.dir_fd = -1,
		.memory.fd = -1,
		.begun = clock_now(),
		.progress.total = mem_total(guest->mem),
	};
	char text[ERROR_TEXT_MAX];
	int err = make_files(&writer);

	if (!err)
		err = copy_live(&writer);
	if (!err)
		err = copy_held(&writer);
	mem_dirty_stop(guest->mem);
	if (!err)
		err = write_state(&writer);
	if (!err)
		err = put_in_place(&writer);
	snprintf(text, sizeof(text), "%s", error_text(err));
	if (writer.temporary)
		remove_snapshot(writer.temporary);
	tell(&writer, MIGRATE_ENDED);
	copier_destroy(writer.copier);
	memory_file_close(&writer.memory);
	if (writer.dir_fd >= 0)
		close(writer.dir_fd);
	buffer_finish(&writer.names);
	buffer_finish(&writer.state);
	free(writer.temporary);
	return err ? because(err, "%s", text) : 0;
}

static int receive_parts(const struct stream *stream, enum record_type type, struct buffer *buffer)
{
	struct record record;
	int err = stream_expect(stream, type, &record);

	return err ? err : stream_receive_parts(stream, &record, buffer);
}

/* Each entry's form; what it means is the registers' affair. */
static int check_entries(const struct buffer *state)
{
	struct state_entry entry;
	size_t at = 0;
	int r;

	do
		r = state_next(state, &at, &entry);
	while (r > 0);
	return r;
}

static int parse(const struct stream *stream, struct snapshot *snapshot)
{
	struct record record;
	int err = stream_receive_header(stream, STREAM_SNAPSHOT);

	if (!err)
		err = stream_expect(stream, RECORD_MACHINE, &record);
	if (!err)
		err = stream_receive_buffer(stream, &record, &snapshot->machine);
	if (!err)
		err = state_check_machine(&snapshot->machine);
	if (!err)
		err = stream_expect(stream, RECORD_MEMORY_FILE, &record);
	if (!err)
		err = regions_receive(stream, &record, &snapshot->regions);
	if (!err)
		err = receive_parts(stream, RECORD_NAMES, &snapshot->names);
	if (!err)
		err = state_check_names(&snapshot->names);
	if (!err)
		err = receive_parts(stream, RECORD_REGISTERS, &snapshot->state);
	if (!err)
		err = check_entries(&snapshot->state);
	return err ? err : stream_expect(stream, RECORD_END, &record);
}

int snapshot_parse(const struct stream *stream, struct snapshot *ret_snapshot)
{
	*ret_snapshot = (struct snapshot){ .memory_fd = -1 };
	return parse(stream, ret_snapshot);
}

int snapshot_open_state(const char *path, struct snapshot *ret_snapshot)
{
	FILE *file = fopen(path, "re");
	const struct stream stream = { .read = stream_read_file, .self = file };
	int err;

	*ret_snapshot = (struct snapshot){ .memory_fd = -1 };
	if (!file)
		return because(-errno, "%s: %s", path, strerror(errno));
	err = snapshot_parse(&stream, ret_snapshot);
	fclose(file);
	return err ? because_of(err, "%s", path) : 0;
}

int snapshot_open(const char *dir, struct snapshot *ret_snapshot)
{
	char path[4096];
	int err;

	*ret_snapshot = (struct snapshot){ .memory_fd = -1 };
	if (snprintf(path, sizeof(path), "%s/" MEMORY_FILE, dir) >= (int)sizeof(path))
		return because(-ENAMETOOLONG, "%s: the name is too long", dir);
	snprintf(path, sizeof(path), "%s/" STATE_FILE, dir);
	err = snapshot_open_state(path, ret_snapshot);
	if (err)
		return err;
	snprintf(path, sizeof(path), "%s/" MEMORY_FILE, dir);
	ret_snapshot->memory_fd = open(path, O_RDONLY | O_CLOEXEC);
	return ret_snapshot->memory_fd < 0 ? because(-errno, "%s: %s", path, strerror(errno)) : 0;
}

void snapshot_finish(struct snapshot *snapshot)
{
	if (snapshot->memory_fd >= 0)
		close(snapshot->memory_fd);
	buffer_finish(&snapshot->machine);
	buffer_finish(&snapshot->regions);
	buffer_finish(&snapshot->names);
	buffer_finish(&snapshot->state);
	snapshot->memory_fd = -1;
}

int snapshot_load(struct snapshot *snapshot, const struct migrate_guest *guest,
		  struct verdict *verdict)
{
	int err;

	regions_compare(&snapshot->regions, guest->mem, true, verdict);
	if (verdict->refusals)
		return because(-EREMOTE, "%s", verdict_text(verdict));
	err = mem_adopt(guest->mem, snapshot->memory_fd, MEM_ADOPT_PRIVATE);
	if (err)
		return err;
	snapshot->memory_fd = -1;
	err = state_load(guest->regs, &snapshot->state, &snapshot->names, verdict);
	if (!err && verdict->refusals)
		err = because(-EREMOTE, "%s", verdict_text(verdict));
	return err;
}
