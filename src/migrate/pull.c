/* SPDX-License-Identifier: Apache-2.0 */
/* The destination in post-copy: the guest runs, and what it touches is fetched. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <ferry/error.h>

#include "mem/dirty.h"
#include "mem/pager.h"
#include "mem/window.h"
#include "migrate/dest_impl.h"

/* On the pager's thread, and on that of pager_repeat(). */
static void request(void *self, gpa_t page)
{
	struct migrate_dest *dest = self;
	struct stream stream;

	pthread_mutex_lock(&dest->request_lock);
	/* Without a connection it is asked for again when there is one: pager_repeat(). */
	if (dest->urgent) {
		stream = stream_of_channel(dest->urgent);
		if (stream_send(&stream, RECORD_REQUEST, page, 0, NULL, 0) < 0)
			channel_shutdown(dest->urgent);
	}
	pthread_mutex_unlock(&dest->request_lock);
}

int pull_check(struct migrate_dest *dest)
{
	struct pager *pager;
	int err = pager_create(dest->guest->mem, request, dest, &pager);

	if (!err)
		pager_destroy(pager);
	return err;
}

/* Pages that were sent and then written to are not valid: nobody may find them. */
static int drop(struct mem *mem, const struct mem_region *region, const uint8_t *bitmap)
{
	uint64_t pages = region->size / GUEST_PAGE_SIZE, first = 0;
	int err = 0;

	while (first < pages && !err) {
		uint64_t end = first;

		while (end < pages && get_u64(bitmap + end / 64 * 8) >> end % 64 & 1)
			end++;
		if (end > first)
			err = mem_drop(mem, region->gpa + first * GUEST_PAGE_SIZE,
				       (end - first) * GUEST_PAGE_SIZE);
		first = end + 1;
	}
	return err;
}

static int drop_missing(struct migrate_dest *dest, const struct buffer *bitmaps)
{
	const struct mem_map *map = mem_map_pinned(dest->guest->mem);
	uint64_t words = 0, at = 0;
	int err = 0;

	for (size_t i = 0; i < map->count; i++)
		words += mem_dirty_words(mem_map_at(map, i));
	if (bitmaps->size != words * sizeof(uint64_t))
		return because(-EBADMSG, "a bitmap of %zu bytes for %llu words", bitmaps->size,
			       (unsigned long long)words);
	for (size_t i = 0; i < map->count && !err; i++) {
		err = drop(dest->guest->mem, mem_map_at(map, i), bitmaps->data + at);
		at += mem_dirty_words(mem_map_at(map, i)) * sizeof(uint64_t);
	}
	return err;
}

static uint64_t count_missing(const struct buffer *bitmaps)
{
	uint64_t pages = 0;

	for (size_t at = 0; at < bitmaps->size; at += sizeof(uint64_t))
		pages += (uint64_t)__builtin_popcountll(get_u64(bitmaps->data + at));
	return pages;
}

int pull_begin(struct migrate_dest *dest, const struct record *first)
{
	struct buffer bitmaps = { 0 };
	int err = stream_receive_parts(&dest->control, first, &bitmaps);

	/* Older copies of pages are not under way any more. */
	if (!err)
		err = receivers_join(dest);
	if (!err)
		err = drop_missing(dest, &bitmaps);
	if (!err) {
		dest_set_missing(dest, count_missing(&bitmaps));
		err = pager_create(dest->guest->mem, request, dest, &dest->pager);
	}
	buffer_finish(&bitmaps);
	if (err)
		return err;
	dest->postcopy = true;
	dest->unpacker.pager = dest->pager;
	/* Registers are loaded next, which may touch memory. */
	return receivers_restart(dest);
}

static int pull(struct migrate_dest *dest)
{
	struct record record;
	int err;

	do {
		err = receivers_wait(dest->channel, &record);
		if (!err && page_record(&record))
			err = page_unpacker_receive(&dest->unpacker, &dest->control, &record);
		else if (!err && record.type != RECORD_DONE)
			err = because(-EBADMSG, "a record of %s among pages",
				      record_name(record.type));
	} while (!err && record.type != RECORD_DONE);
	return err;
}

static int send_missing(struct migrate_dest *dest)
{
	const struct mem_map *map = mem_map_pinned(dest->guest->mem);
	struct buffer bitmaps = { 0 };
	int err = 0;

	for (size_t i = 0; i < map->count && !err; i++) {
		uint64_t words = mem_dirty_words(mem_map_at(map, i));
		uint64_t *bitmap = calloc(words, sizeof(*bitmap));

		err = bitmap ? pager_missing(dest->pager, mem_map_at(map, i), bitmap) : -ENOMEM;
		for (uint64_t word = 0; word < words && !err; word++) {
			uint8_t bytes[sizeof(uint64_t)];

			put_u64(bytes, bitmap[word]);
			err = buffer_add(&bitmaps, bytes, sizeof(bytes));
		}
		free(bitmap);
	}
	if (!err) {
		dest_set_missing(dest, count_missing(&bitmaps));
		err = stream_send_buffer(&dest->control, RECORD_MISSING, &bitmaps);
	}
	buffer_finish(&bitmaps);
	return err;
}

/* The source of this guest, come again; -EINVAL: somebody else. */
static int greet_again(struct migrate_dest *dest)
{
	uint8_t session[SESSION_SIZE];
	struct record record = { 0 };
	int err = stream_receive_header(&dest->control, STREAM_CONTROL);

	if (!err)
		err = stream_expect(&dest->control, RECORD_HELLO, &record);
	if (!err)
		err = stream_receive_payload(&dest->control, &record, session);
	if (!err && (!(record.b & HELLO_RECOVER) ||
		     memcmp(session, dest->session, SESSION_SIZE) != 0))
		err = because(-EINVAL, "here is a guest already, which waits for its own source");
	return err;
}

/* Nobody uses the old connections any more; a source that still does is told so by their end. */
static void hang_up(struct migrate_dest *dest)
{
	struct channel *old;

	receivers_close(dest);
	pthread_mutex_lock(&dest->lock);
	old = dest->channel;
	dest->channel = NULL;
	pthread_mutex_unlock(&dest->lock);
	channel_destroy(old);
}

static void take_control(struct migrate_dest *dest, struct channel *channel)
{
	pthread_mutex_lock(&dest->lock);
	dest->channel = channel;
	dest->control = stream_of_channel(channel);
	dest->err = 0;
	pthread_mutex_unlock(&dest->lock);
}

static int connect_again(struct migrate_dest *dest)
{
	struct channel *channel;
	int err = channel_accept(dest->listener, -1, &channel);

	if (err)
		return err;
	take_control(dest, channel);
	err = greet_again(dest);
	if (err) {
		stream_abort(&dest->control, err);
		return err;
	}
	channel_trust(channel);
	err = send_missing(dest);
	if (!err)
		err = receivers_accept(dest);
	if (!err)
		err = receivers_restart(dest);
	return err ? err : pager_repeat(dest->pager);
}

static bool was_cancelled(struct migrate_dest *dest)
{
	bool cancelled;

	pthread_mutex_lock(&dest->lock);
	cancelled = dest->cancelled;
	pthread_mutex_unlock(&dest->lock);
	return cancelled;
}

/* Closes what is left of the connections, and waits for the source's next. */
static int recover(struct migrate_dest *dest, int err)
{
	do {
		receivers_fail(dest, err);
		hang_up(dest);
		err = was_cancelled(dest) ? because(-ECANCELED, "cancelled") : connect_again(dest);
	} while (err && err != -ECANCELED && err != -EOPNOTSUPP);
	return err;
}

int pull_finish(struct migrate_dest *dest, int err)
{
	dest_set_phase(dest, MIGRATE_PULLING);
	for (;;) {
		if (!err)
			err = pull(dest);
		if (!err)
			err = receivers_complete(dest);
		if (!err)
			break;
		err = recover(dest, err);
		if (err)
			return err;
	}
	/* What was not sent is zero. */
	pager_destroy(dest->pager);
	dest->pager = NULL;
	stream_send(&dest->control, RECORD_COMPLETE, 0, 0, NULL, 0);
	return 0;
}
