/* SPDX-License-Identifier: Apache-2.0 */
/* Reads a snapshot, and fills a machine from it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <ferry/error.h>

#include "mem/adopt.h"
#include "migrate/regions.h"
#include "migrate/snapshot.h"

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
	if (snprintf(path, sizeof(path), "%s/" SNAPSHOT_MEMORY, dir) >= (int)sizeof(path))
		return because(-ENAMETOOLONG, "%s: the name is too long", dir);
	snprintf(path, sizeof(path), "%s/" SNAPSHOT_STATE, dir);
	err = snapshot_open_state(path, ret_snapshot);
	if (err)
		return err;
	snprintf(path, sizeof(path), "%s/" SNAPSHOT_MEMORY, dir);
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
