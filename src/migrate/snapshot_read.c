/* SPDX-License-Identifier: Apache-2.0 */
/* Reads a snapshot, and fills a machine from it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <ferry/error.h>

#include "base/cleanup.h"
#include "mem/adopt.h"
#include "migrate/regions.h"
#include "migrate/snapshot.h"

#define OPEN_TRIES 10

static int stream_read_file(void *self, void *buf, size_t len)
{
	FILE *file = self;

	if (fread(buf, 1, len, file) == len)
		return 0;
	return ferror(file) ? because(-errno, "cannot be read: %s", strerror(errno)) :
			      because(-EBADMSG, "it is cut off");
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

static int read_state(int fd, struct snapshot *snapshot)
{
	FILE *file = fdopen(fd, "r");
	const struct stream stream = { .read = stream_read_file, .self = file };
	int err;

	if (!file) {
		close(fd);
		return because(-ENOMEM, "out of memory");
	}
	err = parse(&stream, snapshot);
	fclose(file);
	return err;
}

/* Of a directory its state. */
static int open_state(const char *path)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISDIR(st.st_mode))
		return openat(fd, SNAPSHOT_STATE, O_RDONLY | O_CLOEXEC);
	return fd_take(&fd);
}

int snapshot_open_state(const char *path, struct snapshot *ret_snapshot)
{
	int fd = open_state(path);
	int err;

	*ret_snapshot = (struct snapshot){ .memory_fd = -1 };
	if (fd < 0)
		return because(-errno, "%s: %s", path, strerror(errno));
	err = read_state(fd, ret_snapshot);
	return err ? because_of(err, "%s", path) : 0;
}

/* Not to wait for the other end of a pipe, say. */
static int open_file(int dir_fd, const char *dir, const char *name, int *ret_fd)
{
	AUTO_CLOSE int fd = openat(dir_fd, name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	if (fd < 0 && errno == ENOENT)
		return because(-ENOENT, "%s is no snapshot: it has no file named %s", dir, name);
	if (fd < 0 || fstat(fd, &st) < 0)
		return because(-errno, "%s/%s: %s", dir, name, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return because(-EINVAL, "%s/%s is no file", dir, name);
	*ret_fd = fd_take(&fd);
	return 0;
}

/* Both files of one directory: another snapshot may take its place, and its name, at any moment. */
static int open_files(const char *dir, int *ret_state, int *ret_memory)
{
	AUTO_CLOSE int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO_CLOSE int state = -1;
	int err;

	if (dir_fd < 0)
		return because(-errno, "%s: %s", dir, strerror(errno));
	err = open_file(dir_fd, dir, SNAPSHOT_STATE, &state);
	if (!err)
		err = open_file(dir_fd, dir, SNAPSHOT_MEMORY, ret_memory);
	if (err)
		return err;
	*ret_state = fd_take(&state);
	return 0;
}

int snapshot_open(const char *dir, struct snapshot *ret_snapshot)
{
	int state = -1, err = -ENOENT;

	*ret_snapshot = (struct snapshot){ .memory_fd = -1 };
	/* What was replaced loses its files: then there is another of that name. */
	for (int i = 0; i < OPEN_TRIES && err == -ENOENT; i++)
		err = open_files(dir, &state, &ret_snapshot->memory_fd);
	if (err)
		return err;
	err = read_state(state, ret_snapshot);
	return err ? because_of(err, "%s/" SNAPSHOT_STATE, dir) : 0;
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

int snapshot_load_memory(struct snapshot *snapshot, struct mem *mem, struct verdict *verdict)
{
	int err;

	regions_compare(&snapshot->regions, mem, true, verdict);
	if (verdict->refusals)
		return because(-EREMOTE, "%s", verdict_text(verdict));
	err = mem_adopt(mem, snapshot->memory_fd, MEM_ADOPT_PRIVATE);
	if (!err)
		snapshot->memory_fd = -1;
	return err;
}

static int load_shape(struct snapshot *snapshot, const struct migrate_guest *guest,
		      struct verdict *verdict)
{
	int err = state_load_shape(guest->regs, &snapshot->state, &snapshot->names, verdict);

	if (!err)
		err = snapshot_load_memory(snapshot, guest->mem, verdict);
	/* It is in *verdict; and what other registers have against it is to be there too. */
	return err == -EREMOTE ? 0 : err;
}

int snapshot_load(struct snapshot *snapshot, const struct migrate_guest *guest,
		  struct verdict *verdict)
{
	int err = snapshot->memory_fd >= 0 ? load_shape(snapshot, guest, verdict) : 0;

	if (err)
		return err;
	err = state_load_rest(guest->regs, &snapshot->state, &snapshot->names, verdict);
	if (!err && verdict->refusals)
		err = because(-EREMOTE, "%s", verdict_text(verdict));
	return err;
}
