/* SPDX-License-Identifier: Apache-2.0 */
/* Writes a guest into two files while it runs. */
#include "migrate/snapshot.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <ferry/error.h>

#include "base/clock.h"
#include "base/util.h"
#include "mem/dirty.h"
#include "mem/window.h"
#include "migrate/copier.h"
#include "migrate/memory_file.h"
#include "migrate/regions.h"

/* What may be left when the guest is held: 8 MiB are written to the page cache in a few milliseconds. */
#define LEFT_PAGES 2048
/* A guest that dirties memory faster than a file takes it is held with more left after so many rounds. */
#define ROUNDS_MAX 8

static int stream_write_file(void *self, const struct iovec *iov, unsigned count)
{
	FILE *file = self;

	for (unsigned i = 0; i < count; i++)
		if (fwrite(iov[i].iov_base, 1, iov[i].iov_len, file) != iov[i].iov_len)
			return because(-errno, "cannot write the state: %s", strerror(errno));
	return 0;
}

struct snapshot_writer {
	const struct migrate_guest *guest;
	char *machine;
	int state_fd;
	struct memory_file memory;
	bool is_tracking;
	struct buffer names, state;
	uint64_t begun;

	pthread_mutex_t lock;
	/* Under lock: who cancels or asks for progress uses them. */
	struct copier *copier;
	bool cancelled, is_copied;
	struct migrate_progress progress;
};

static int was_cancelled(void)
{
	return because(-ECANCELED, "cancelled");
}

static void set_phase(struct snapshot_writer *writer, enum migrate_phase phase, unsigned round)
{
	pthread_mutex_lock(&writer->lock);
	writer->progress.phase = phase;
	writer->progress.round = round;
	pthread_mutex_unlock(&writer->lock);
}

void snapshot_writer_progress(struct snapshot_writer *writer, struct migrate_progress *ret_progress)
{
	pthread_mutex_lock(&writer->lock);
	*ret_progress = writer->progress;
	if (writer->copier) {
		ret_progress->remaining = copier_pending(writer->copier) * GUEST_PAGE_SIZE;
		ret_progress->copied = copier_copied(writer->copier) * GUEST_PAGE_SIZE;
		ret_progress->sent = copier_loaded(writer->copier) * GUEST_PAGE_SIZE;
	}
	if (ret_progress->phase != MIGRATE_ENDED)
		ret_progress->elapsed_ns = clock_now() - writer->begun;
	pthread_mutex_unlock(&writer->lock);
}

/* Known to who cancels from the moment it exists. */
static int start_copier(struct snapshot_writer *writer)
{
	const struct page_sink sink = memory_file_sink(&writer->memory);
	const struct copier_options options = {
		.mem = writer->guest->mem,
		.sinks = &sink,
		.count = 1,
	};
	struct copier *copier;
	int err = mem_dirty_start(writer->guest->mem);

	writer->is_tracking = !err;
	if (!err)
		err = copier_create(&options, &copier);
	if (err)
		return err;
	pthread_mutex_lock(&writer->lock);
	writer->copier = copier;
	if (writer->cancelled)
		err = was_cancelled();
	pthread_mutex_unlock(&writer->lock);
	return err;
}

/* While the guest runs: until little is left, or it would never be. */
static int copy_live(struct snapshot_writer *writer)
{
	int err = start_copier(writer);

	for (unsigned round = 1; !err && round <= ROUNDS_MAX; round++) {
		set_phase(writer, MIGRATE_COPYING, round);
		err = copier_round(writer->copier);
		if (!err)
			err = copier_collect(writer->copier);
		if (!err && copier_pending(writer->copier) <= LEFT_PAGES)
			break;
	}
	return err;
}

/* The guest stands still: no page and no register is from another moment. */
static int copy_rest(struct snapshot_writer *writer)
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

static int copy_held(struct snapshot_writer *writer)
{
	uint64_t begun = clock_now();
	char text[ERROR_TEXT_MAX];
	int err, went_on;

	set_phase(writer, MIGRATE_HOLDING, writer->progress.round);
	err = writer->guest->hold(writer->guest->self);
	if (err)
		return err;
	err = copy_rest(writer);
	snprintf(text, sizeof(text), "%s", error_text(err));
	went_on = writer->guest->go_on(writer->guest->self);
	pthread_mutex_lock(&writer->lock);
	writer->progress.downtime_ns = clock_now() - begun;
	pthread_mutex_unlock(&writer->lock);
	if (went_on)
		return because_of(went_on, "the guest could not go on");
	return err ? because(err, "%s", text) : 0;
}

static int write_records(const struct snapshot_writer *writer, const struct stream *stream)
{
	const char *machine = writer->machine;
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

static int write_state(struct snapshot_writer *writer)
{
	FILE *file = fdopen(writer->state_fd, "w");
	const struct stream stream = { .write = stream_write_file, .self = file };
	int err;

	if (!file)
		return because(-errno, "the state file: %s", strerror(errno));
	err = write_records(writer, &stream);
	if (!err && (fflush(file) != 0 || fsync(writer->state_fd) != 0))
		err = because(-errno, "cannot write the state: %s", strerror(errno));
	writer->state_fd = -1;
	if (fclose(file) != 0 && !err)
		err = because(-errno, "cannot write the state: %s", strerror(errno));
	return err;
}

/* After this nobody cancels any more. */
static int commit(struct snapshot_writer *writer)
{
	bool cancelled;

	pthread_mutex_lock(&writer->lock);
	cancelled = writer->cancelled;
	writer->is_copied = !cancelled;
	pthread_mutex_unlock(&writer->lock);
	return cancelled ? was_cancelled() : 0;
}

static int write_all(struct snapshot_writer *writer)
{
	int err = memory_file_begin(&writer->memory);

	if (!err)
		err = copy_live(writer);
	if (!err)
		err = copy_held(writer);
	if (writer->is_tracking)
		mem_dirty_stop(writer->guest->mem);
	if (!err)
		err = commit(writer);
	if (!err)
		err = write_state(writer);
	if (!err && fsync(writer->memory.fd) < 0)
		err = because(-errno, "cannot write the guest's memory: %s", strerror(errno));
	return err;
}

static void end_progress(struct snapshot_writer *writer)
{
	uint64_t now = clock_now();

	pthread_mutex_lock(&writer->lock);
	writer->progress.phase = MIGRATE_ENDED;
	writer->progress.elapsed_ns = now - writer->begun;
	pthread_mutex_unlock(&writer->lock);
}

int snapshot_writer_run(struct snapshot_writer *writer)
{
	int err;

	mem_pin(writer->guest->mem);
	err = write_all(writer);
	mem_unpin(writer->guest->mem);
	end_progress(writer);
	return err;
}

int snapshot_writer_cancel(struct snapshot_writer *writer)
{
	int err = 0;

	pthread_mutex_lock(&writer->lock);
	if (writer->is_copied) {
		err = because(-EALREADY, "too late: the guest has been copied");
	} else {
		writer->cancelled = true;
		if (writer->copier)
			copier_stop(writer->copier, was_cancelled());
	}
	pthread_mutex_unlock(&writer->lock);
	return err;
}

int snapshot_writer_create(const struct migrate_guest *guest, const struct snapshot_options *options,
			   struct snapshot_writer **ret_writer)
{
	struct snapshot_writer *writer = calloc(1, sizeof(*writer));

	if (!writer) {
		close(options->memory_fd);
		close(options->state_fd);
		return because(-ENOMEM, "out of memory");
	}
	pthread_mutex_init(&writer->lock, NULL);
	writer->guest = guest;
	writer->machine = strdup(options->machine);
	writer->state_fd = options->state_fd;
	writer->memory = (struct memory_file){ .mem = guest->mem, .fd = options->memory_fd };
	writer->begun = clock_now();
	writer->progress.total = mem_total(guest->mem);
	/* There is nobody to connect to, or to ask. */
	writer->progress.phase = MIGRATE_COPYING;
	if (!writer->machine) {
		snapshot_writer_destroy(writer);
		return because(-ENOMEM, "out of memory");
	}
	*ret_writer = writer;
	return 0;
}

void snapshot_writer_destroy(struct snapshot_writer *writer)
{
	if (!writer)
		return;
	copier_destroy(writer->copier);
	memory_file_close(&writer->memory);
	if (writer->state_fd >= 0)
		close(writer->state_fd);
	buffer_finish(&writer->names);
	buffer_finish(&writer->state);
	pthread_mutex_destroy(&writer->lock);
	free(writer->machine);
	free(writer);
}
