/* SPDX-License-Identifier: Apache-2.0 */
/* The connections besides the first: a thread for each, which puts pages where they belong. */
#include <errno.h>
#include <string.h>

#include <ferry/error.h>

#include "mem/pager.h"
#include "migrate/dest_impl.h"

/* lock held. Whether this is the first failure. */
static bool note_failure(struct migrate_dest *dest, int err)
{
	if (dest->err || dest->complete)
		return false;
	dest->err = err;
	strncpy(dest->err_text, error_text(err), sizeof(dest->err_text) - 1);
	/* Registers that are being loaded may wait for memory that will not come. */
	if (dest->pager && !dest->loaded)
		pager_release(dest->pager);
	return true;
}

/* lock held. */
static void end_connections(struct migrate_dest *dest)
{
	for (unsigned i = 0; i < dest->receiver_count; i++)
		channel_shutdown(dest->receivers[i].channel);
	if (dest->channel && (!dest->loaded || dest->running))
		channel_shutdown(dest->channel);
}

/*
 * lock held. Pages come, and nobody needs them. The source, which reads its control connection last of all,
 * has taken all that was sent on it before: this does not wait.
 */
static void end_pulling(struct migrate_dest *dest)
{
	if (dest->channel)
		stream_send(&dest->control, RECORD_COMPLETE, 0, 0, NULL, 0);
	end_connections(dest);
}

/* Without the lock while the source is told: that may take until its deadline. */
static void tell_and_end(struct migrate_dest *dest, int err)
{
	pthread_mutex_lock(&dest->answer_lock);
	stream_abort(&dest->control, err);
	pthread_mutex_unlock(&dest->answer_lock);
	pthread_mutex_lock(&dest->lock);
	end_connections(dest);
	pthread_mutex_unlock(&dest->lock);
}

void receivers_fail(struct migrate_dest *dest, int err)
{
	bool is_first, is_told = false;

	pthread_mutex_lock(&dest->lock);
	is_first = note_failure(dest, err);
	if (is_first && dest->loaded)
		end_connections(dest);
	else
		is_told = is_first;
	pthread_mutex_unlock(&dest->lock);
	if (is_told)
		tell_and_end(dest, err);
}

int receivers_cancel(struct migrate_dest *dest)
{
	int err = because(-ECANCELED, "cancelled");
	bool is_first, is_late, is_told = false;

	pthread_mutex_lock(&dest->lock);
	is_late = dest->loaded && !(dest->running && dest->postcopy);
	dest->cancelled = dest->cancelled || !is_late;
	is_first = !is_late && note_failure(dest, err);
	if (is_first && dest->loaded)
		end_pulling(dest);
	else
		is_told = is_first;
	pthread_mutex_unlock(&dest->lock);
	if (is_told)
		tell_and_end(dest, err);
	return is_late ? because(-EALREADY, "too late: everything has arrived") : 0;
}

int receivers_loaded(struct migrate_dest *dest)
{
	int err;

	pthread_mutex_lock(&dest->lock);
	err = dest->err;
	dest->loaded = !err;
	pthread_mutex_unlock(&dest->lock);
	return err ? because(err, "%s", dest->err_text) : 0;
}

int receivers_running(struct migrate_dest *dest)
{
	int err;

	pthread_mutex_lock(&dest->lock);
	dest->running = true;
	err = dest->err;
	pthread_mutex_unlock(&dest->lock);
	return err ? because(err, "%s", dest->err_text) : 0;
}

int receivers_wait(struct channel *channel, struct record *ret_record)
{
	const struct stream stream = stream_of_channel(channel);
	int r = channel_wait_readable(channel, -1);

	return r < 0 ? r : stream_receive(&stream, ret_record);
}

static int receive_pages(struct receiver *receiver)
{
	struct record record;
	int err;

	for (;;) {
		err = receivers_wait(receiver->channel, &record);
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
		receivers_fail(receiver->dest, err);
	return NULL;
}

/* A connection of this migration's. -EINVAL: somebody else's. */
static int greet(struct migrate_dest *dest, const struct stream *stream, enum stream_kind kind)
{
	uint8_t session[SESSION_SIZE];
	struct record record;
	int err = stream_receive_header(stream, kind);

	if (!err)
		err = stream_expect(stream, RECORD_HELLO, &record);
	if (!err)
		err = stream_receive_payload(stream, &record, session);
	if (!err && memcmp(session, dest->session, SESSION_SIZE) != 0)
		err = because(-EINVAL, "a connection of another migration");
	return err;
}

static int start(struct receiver *receiver)
{
	int err = -pthread_create(&receiver->thread, NULL, receiver_main, receiver);

	receiver->has_thread = !err;
	return err ? because(err, "cannot start a thread: %s", strerror(-err)) : 0;
}

static int add(struct migrate_dest *dest, struct channel *channel, enum stream_kind kind)
{
	struct receiver *receiver = &dest->receivers[dest->receiver_count];
	struct stream stream = stream_of_channel(channel);
	int err = greet(dest, &stream, kind);

	if (err) {
		stream_abort(&stream, err);
		channel_destroy(channel);
		return 0;
	}
	channel_trust(channel);
	*receiver = (struct receiver){ .dest = dest, .channel = channel, .stream = stream };
	pthread_mutex_lock(&dest->request_lock);
	pthread_mutex_lock(&dest->lock);
	dest->receiver_count++;
	if (kind == STREAM_URGENT)
		dest->urgent = channel;
	err = dest->cancelled ? because(-ECANCELED, "cancelled") : 0;
	pthread_mutex_unlock(&dest->lock);
	pthread_mutex_unlock(&dest->request_lock);
	if (!err)
		err = page_unpacker_init(&receiver->unpacker, dest->guest->mem, dest->pager);
	receiver->unpacker.arrived = &dest->arrived;
	return err;
}

static int accept_until(struct migrate_dest *dest, unsigned count, enum stream_kind kind)
{
	int timeout_ms = (int)channel_timeout_ms(dest->channel);
	struct channel *channel;
	int err = 0;

	while (!err && dest->receiver_count < count) {
		err = channel_accept(dest->listener, timeout_ms, &channel);
		if (err == -ETIMEDOUT || err == -ECANCELED || err == -EOPNOTSUPP)
			return because_of(err, "connection %u of %u", dest->receiver_count + 2,
					  dest->expected + 1);
		err = err ? 0 : add(dest, channel, kind);
	}
	return err;
}

int receivers_accept(struct migrate_dest *dest)
{
	struct record record;
	int err = stream_expect(&dest->control, RECORD_CONNECTIONS, &record);

	if (!err && record.a >= MIGRATE_CONNECTIONS_MAX)
		err = because(-EBADMSG, "%llu connections", (unsigned long long)record.a);
	if (err)
		return err;
	dest->expected = (unsigned)record.a;
	err = accept_until(dest, dest->expected, STREAM_DATA);
	/* In pre-copy nothing comes on the urgent one. */
	for (unsigned i = 0; i < dest->receiver_count && !err && !dest->postcopy; i++)
		err = start(&dest->receivers[i]);
	if (!err && record.b & HELLO_POSTCOPY)
		err = accept_until(dest, dest->expected + 1, STREAM_URGENT);
	return err;
}

int receivers_restart(struct migrate_dest *dest)
{
	int err = 0;

	for (unsigned i = 0; i < dest->receiver_count && !err; i++) {
		dest->receivers[i].unpacker.pager = dest->pager;
		err = start(&dest->receivers[i]);
	}
	return err;
}

static void join(struct receiver *receiver)
{
	if (receiver->has_thread)
		pthread_join(receiver->thread, NULL);
	receiver->has_thread = false;
}

static int first_failure(struct migrate_dest *dest)
{
	int err;

	pthread_mutex_lock(&dest->lock);
	err = dest->err;
	pthread_mutex_unlock(&dest->lock);
	return err ? because(err, "%s", dest->err_text) : 0;
}

int receivers_answer_sync(struct migrate_dest *dest)
{
	int err;

	pthread_mutex_lock(&dest->answer_lock);
	err = first_failure(dest);
	if (!err)
		err = stream_send(&dest->control, RECORD_DISK_SYNC, 0, 0, NULL, 0);
	pthread_mutex_unlock(&dest->answer_lock);
	return err;
}

int receivers_join(struct migrate_dest *dest)
{
	for (unsigned i = 0; i < dest->receiver_count; i++)
		join(&dest->receivers[i]);
	return first_failure(dest);
}

int receivers_complete(struct migrate_dest *dest)
{
	int err;

	for (unsigned i = 0; i < dest->expected && i < dest->receiver_count; i++)
		join(&dest->receivers[i]);
	err = first_failure(dest);
	if (err)
		return err;
	pthread_mutex_lock(&dest->lock);
	dest->complete = true;
	pthread_mutex_unlock(&dest->lock);
	if (dest->urgent)
		channel_shutdown(dest->urgent);
	return receivers_join(dest);
}

void receivers_close(struct migrate_dest *dest)
{
	unsigned count;

	/* Before request_lock: who holds it may be writing to one of them. */
	for (unsigned i = 0; i < dest->receiver_count; i++)
		channel_shutdown(dest->receivers[i].channel);
	receivers_join(dest);
	pthread_mutex_lock(&dest->request_lock);
	pthread_mutex_lock(&dest->lock);
	count = dest->receiver_count;
	dest->receiver_count = 0;
	dest->urgent = NULL;
	pthread_mutex_unlock(&dest->lock);
	pthread_mutex_unlock(&dest->request_lock);
	for (unsigned i = 0; i < count; i++) {
		page_unpacker_finish(&dest->receivers[i].unpacker);
		channel_destroy(dest->receivers[i].channel);
	}
}
