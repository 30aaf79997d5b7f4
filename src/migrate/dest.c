/* SPDX-License-Identifier: Apache-2.0 */
/* Receives a guest: says what it cannot be given, takes memory and registers, and runs it when told to. */
#include "migrate/dest.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <ferry/error.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/util.h"
#include "mem/adopt.h"
#include "mem/mem.h"
#include "migrate/pages.h"
#include "migrate/regions.h"
#include "migrate/source.h"
#include "migrate/state.h"
#include "migrate/stream.h"

#define SESSION_SIZE 16

/* One connection besides the first, and the thread that receives from it. */
struct receiver {
	struct migrate_dest *dest;
	struct channel *channel;
	struct stream stream;
	struct page_unpacker unpacker;
	pthread_t thread;
	bool has_thread;
};

struct migrate_dest {
	struct channel_listener *listener;
	const struct migrate_guest *guest;
	struct stream control;
	uint8_t session[SESSION_SIZE];
	struct buffer machine; /* a text, with its NUL */
	struct buffer regions, names, state;
	struct verdict verdict;
	struct page_unpacker unpacker;
	uint64_t begun;

	pthread_mutex_t lock;
	/* Under lock: who cancels uses them. */
	struct channel *channel;
	struct receiver receivers[MIGRATE_CONNECTIONS_MAX];
	unsigned receiver_count, expected;
	bool cancelled, loaded;
	int err; /* the first failure of a receiver */
	char err_text[ERROR_TEXT_MAX];
	struct migrate_progress progress;
};

static void set_phase(struct migrate_dest *dest, enum migrate_phase phase)
{
	pthread_mutex_lock(&dest->lock);
	dest->progress.phase = phase;
	pthread_mutex_unlock(&dest->lock);
}

static int receive_hello(struct migrate_dest *dest)
{
	const struct stream *control = &dest->control;
	struct record record;
	int err = stream_receive_header(control, STREAM_CONTROL);

	if (!err)
		err = stream_expect(control, RECORD_HELLO, &record);
	if (!err)
		err = stream_receive_payload(control, &record, dest->session);
	if (!err && (record.a < 1 || record.a > MIGRATE_CONNECTIONS_MAX))
		err = because(-EBADMSG, "%llu connections", (unsigned long long)record.a);
	if (err)
		return err;
	dest->expected = (unsigned)record.a - 1;
	err = stream_expect(control, RECORD_MACHINE, &record);
	if (!err)
		err = stream_receive_buffer(control, &record, &dest->machine);
	if (!err)
		err = state_check_machine(&dest->machine);
	return err;
}

static int create(struct channel_listener *listener, struct channel *channel,
		  struct migrate_dest **ret_dest)
{
	struct migrate_dest *dest = calloc(1, sizeof(*dest));

	if (!dest) {
		channel_destroy(channel);
		return because(-ENOMEM, "out of memory");
	}
	pthread_mutex_init(&dest->lock, NULL);
	dest->listener = listener;
	dest->channel = channel;
	dest->control = stream_of_channel(channel);
	dest->begun = clock_now();
	*ret_dest = dest;
	return 0;
}

int migrate_dest_open(struct channel_listener *listener, struct migrate_dest **ret_dest)
{
	struct migrate_dest *dest = NULL;
	struct channel *channel = NULL;
	bool repeats;
	int err;

	for (;;) {
		err = channel_accept(listener, -1, &channel);
		if (err == -ECANCELED || err == -EOPNOTSUPP)
			return err;
		if (err)
			continue; /* one connection's failure */
		repeats = channel_can_repeat(channel);
		err = create(listener, channel, &dest);
		if (err)
			return err;
		err = receive_hello(dest);
		if (!err)
			break;
		stream_abort(&dest->control, err);
		migrate_dest_destroy(dest);
		if (!repeats)
			return err;
	}
	*ret_dest = dest;
	return 0;
}

const char *migrate_dest_machine(const struct migrate_dest *dest)
{
	return (const char *)dest->machine.data;
}

void migrate_dest_refuse(struct migrate_dest *dest, int err)
{
	stream_abort(&dest->control, err);
}

/* Everything that stands in the guest's way, at once: the memory's map and each register. */
static int check(struct migrate_dest *dest)
{
	const struct stream *control = &dest->control;
	struct record record;
	int err = stream_expect(control, RECORD_REGIONS, &record);

	if (!err)
		err = regions_receive(control, &record, &dest->regions);
	if (!err)
		regions_compare(&dest->regions, dest->guest->mem, false, &dest->verdict);
	if (!err)
		err = stream_expect(control, RECORD_NAMES, &record);
	if (!err)
		err = stream_receive_parts(control, &record, &dest->names);
	if (!err)
		err = state_check_names(&dest->names);
	if (!err)
		err = stream_expect(control, RECORD_REGISTERS, &record);
	if (!err)
		err = stream_receive_parts(control, &record, &dest->state);
	if (!err)
		err = stream_expect(control, RECORD_CHECK, &record);
	if (!err)
		err = state_load(dest->guest->regs, &dest->state, &dest->names, &dest->verdict);
	if (!err)
		err = stream_send(control, RECORD_VERDICT, dest->verdict.refusals, 0,
				  dest->verdict.text.data, dest->verdict.text.size);
	if (!err && dest->verdict.refusals)
		err = because(-EREMOTE, "the guest cannot live here: %u thing%s in the way",
			      dest->verdict.refusals, dest->verdict.refusals == 1 ? " is" : "s are");
	return err;
}

/*
 * The first failure is told to the source and ends every connection, so that nobody waits for the rest.
 * While there are receivers nobody else writes to the control connection.
 */
static void fail(struct migrate_dest *dest, int err)
{
	pthread_mutex_lock(&dest->lock);
	if (!dest->err) {
		dest->err = err;
		strncpy(dest->err_text, error_text(err), sizeof(dest->err_text) - 1);
		stream_abort(&dest->control, err);
		for (unsigned i = 0; i < dest->receiver_count; i++)
			channel_shutdown(dest->receivers[i].channel);
		channel_shutdown(dest->channel);
	}
	pthread_mutex_unlock(&dest->lock);
}

static int receive_pages(struct receiver *receiver)
{
	struct record record;
	int err;

	for (;;) {
		err = stream_receive(&receiver->stream, &record);
		if (err || record.type == RECORD_DONE)
			return err;
		if (!page_record(&record))
			return because(-EBADMSG, "a record of %s among pages",
				       record_name(record.type));
		err = page_unpacker_receive(&receiver->unpacker, &receiver->stream, &record);
		if (err)
			return err;
	}
}

static void *receiver_main(void *arg)
{
	struct receiver *receiver = arg;
	int err = receive_pages(receiver);

	if (err)
		fail(receiver->dest, err);
	return NULL;
}

/* A connection of this migration's; -EINVAL: somebody else's. */
static int greet(struct migrate_dest *dest, const struct stream *stream)
{
	uint8_t session[SESSION_SIZE];
	struct record record;
	int err = stream_receive_header(stream, STREAM_DATA);

	if (!err)
		err = stream_expect(stream, RECORD_HELLO, &record);
	if (!err)
		err = stream_receive_payload(stream, &record, session);
	if (!err && memcmp(session, dest->session, SESSION_SIZE) != 0)
		err = because(-EINVAL, "a connection of another migration");
	return err;
}

static int add_receiver(struct migrate_dest *dest, struct channel *channel)
{
	struct receiver *receiver = &dest->receivers[dest->receiver_count];
	struct stream stream = stream_of_channel(channel);
	int err = greet(dest, &stream);

	if (err) {
		stream_abort(&stream, err);
		channel_destroy(channel);
		return 0;
	}
	receiver->dest = dest;
	receiver->channel = channel;
	receiver->stream = stream;
	pthread_mutex_lock(&dest->lock);
	dest->receiver_count++;
	if (dest->cancelled)
		err = because(-ECANCELED, "cancelled");
	pthread_mutex_unlock(&dest->lock);
	if (!err)
		err = page_unpacker_init(&receiver->unpacker, dest->guest->mem, NULL);
	if (!err)
		err = -pthread_create(&receiver->thread, NULL, receiver_main, receiver);
	receiver->has_thread = !err;
	return err;
}

static int accept_receivers(struct migrate_dest *dest)
{
	struct channel *channel;
	int err = 0;

	while (!err && dest->receiver_count < dest->expected) {
		err = channel_accept(dest->listener, CHANNEL_TIMEOUT_MS, &channel);
		if (err == -ETIMEDOUT || err == -ECANCELED || err == -EOPNOTSUPP)
			return because_of(err, "connection %u of %u", dest->receiver_count + 2,
					  dest->expected + 1);
		err = err ? 0 : add_receiver(dest, channel);
	}
	return err;
}

static int adopt_memory(struct migrate_dest *dest, const struct record *record)
{
	AUTO_CLOSE int fd = -1;
	int err;

	dest->regions.size = 0;
	err = regions_receive(&dest->control, record, &dest->regions);
	if (!err)
		regions_compare(&dest->regions, dest->guest->mem, true, &dest->verdict);
	if (!err && dest->verdict.refusals)
		err = because(-EBADMSG, "the memory lies elsewhere in its file");
	if (!err)
		err = channel_receive_fd(dest->channel, &fd);
	if (!err)
		err = mem_adopt(dest->guest->mem, fd, MEM_ADOPT_SHARED);
	if (!err)
		fd_take(&fd);
	return err;
}

/* Memory, until the registers come. */
static int receive_memory(struct migrate_dest *dest, struct record *ret_record)
{
	const struct stream *control = &dest->control;
	bool shared = false;
	int err;

	for (;;) {
		err = stream_receive(control, ret_record);
		if (err)
			return err;
		/* Descriptors replace connections: the source opens those only when it copies. */
		if (ret_record->type == RECORD_MEMORY_FD && !shared) {
			shared = true;
			err = adopt_memory(dest, ret_record);
		} else if (page_record(ret_record) && !shared) {
			err = page_unpacker_receive(&dest->unpacker, control, ret_record);
		} else {
			return 0;
		}
		if (err)
			return err;
	}
}

static int join_receivers(struct migrate_dest *dest)
{
	int err;

	for (unsigned i = 0; i < dest->receiver_count; i++) {
		if (dest->receivers[i].has_thread)
			pthread_join(dest->receivers[i].thread, NULL);
		dest->receivers[i].has_thread = false;
	}
	pthread_mutex_lock(&dest->lock);
	err = dest->err;
	pthread_mutex_unlock(&dest->lock);
	return err ? because(err, "%s", dest->err_text) : 0;
}

/* The registers as they are at last, when all memory is there: some are written into it. */
static int load(struct migrate_dest *dest, const struct record *first)
{
	const struct stream *control = &dest->control;
	struct record record;
	int err;

	if (first->type != RECORD_REGISTERS)
		return because(-EBADMSG, "a record of %s where registers were due",
			       record_name(first->type));
	set_phase(dest, MIGRATE_HOLDING);
	dest->state.size = 0;
	err = stream_receive_parts(control, first, &dest->state);
	if (!err)
		err = stream_expect(control, RECORD_END, &record);
	if (!err)
		err = join_receivers(dest);
	if (!err)
		err = state_load(dest->guest->regs, &dest->state, &dest->names, &dest->verdict);
	if (!err && dest->verdict.refusals)
		err = because(-EREMOTE, "%s", verdict_text(&dest->verdict));
	return err;
}

static int receive(struct migrate_dest *dest)
{
	struct record record;
	int err = check(dest);

	if (!err)
		err = page_unpacker_init(&dest->unpacker, dest->guest->mem, NULL);
	set_phase(dest, MIGRATE_COPYING);
	if (!err)
		err = accept_receivers(dest);
	if (!err)
		err = receive_memory(dest, &record);
	return err ? err : load(dest, &record);
}

/*
 * Everything is here. A source that gives up now says so or has gone on by itself, unless it has sent
 * RUN: with the connection gone nobody knows, and the guest stays held until somebody decides.
 */
static enum migrate_arrival take_over(struct migrate_dest *dest, int *ret_err)
{
	struct record record;
	int err;

	pthread_mutex_lock(&dest->lock);
	dest->loaded = true;
	pthread_mutex_unlock(&dest->lock);
	set_phase(dest, MIGRATE_HANDING);
	*ret_err = stream_send(&dest->control, RECORD_LOADED, 0, 0, NULL, 0);
	if (!*ret_err)
		*ret_err = stream_expect(&dest->control, RECORD_RUN, &record);
	if (*ret_err == -EREMOTEIO)
		return MIGRATE_NOT_ARRIVED;
	if (*ret_err)
		return MIGRATE_ARRIVAL_IN_DOUBT;
	*ret_err = dest->guest->arrive(dest->guest->self);
	if (*ret_err) {
		stream_abort(&dest->control, *ret_err);
		return MIGRATE_NOT_ARRIVED;
	}
	/* The guest runs, whether its source hears of it or not. */
	err = stream_send(&dest->control, RECORD_RUNNING, 0, 0, NULL, 0);
	(void)err;
	return MIGRATE_ARRIVED;
}

enum migrate_arrival migrate_dest_run(struct migrate_dest *dest, const struct migrate_guest *guest,
				      int *ret_err)
{
	enum migrate_arrival arrival = MIGRATE_NOT_ARRIVED;
	int err;

	dest->guest = guest;
	dest->progress.total = mem_total(guest->mem);
	set_phase(dest, MIGRATE_CHECKING);
	err = receive(dest);
	if (err) {
		fail(dest, err);
		join_receivers(dest);
		err = because(dest->err, "%s", dest->err_text);
	} else {
		arrival = take_over(dest, &err);
	}
	set_phase(dest, MIGRATE_ENDED);
	*ret_err = err;
	return arrival;
}

int migrate_dest_cancel(struct migrate_dest *dest)
{
	bool loaded;

	pthread_mutex_lock(&dest->lock);
	loaded = dest->loaded;
	dest->cancelled = true;
	pthread_mutex_unlock(&dest->lock);
	if (loaded)
		return because(-EALREADY, "too late: everything has arrived");
	fail(dest, because(-ECANCELED, "cancelled"));
	return 0;
}

void migrate_dest_progress(struct migrate_dest *dest, struct migrate_progress *ret_progress)
{
	pthread_mutex_lock(&dest->lock);
	*ret_progress = dest->progress;
	ret_progress->sent = channel_bytes_read(dest->channel);
	for (unsigned i = 0; i < dest->receiver_count; i++)
		ret_progress->sent += channel_bytes_read(dest->receivers[i].channel);
	pthread_mutex_unlock(&dest->lock);
	ret_progress->elapsed_ns = clock_now() - dest->begun;
}

const char *migrate_dest_refusals(const struct migrate_dest *dest)
{
	return verdict_text(&dest->verdict);
}

void migrate_dest_destroy(struct migrate_dest *dest)
{
	if (!dest)
		return;
	join_receivers(dest);
	for (unsigned i = 0; i < dest->receiver_count; i++) {
		page_unpacker_finish(&dest->receivers[i].unpacker);
		channel_destroy(dest->receivers[i].channel);
	}
	page_unpacker_finish(&dest->unpacker);
	channel_destroy(dest->channel);
	buffer_finish(&dest->machine);
	buffer_finish(&dest->regions);
	buffer_finish(&dest->names);
	buffer_finish(&dest->state);
	verdict_finish(&dest->verdict);
	pthread_mutex_destroy(&dest->lock);
	free(dest);
}
