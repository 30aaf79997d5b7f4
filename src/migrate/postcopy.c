/* SPDX-License-Identifier: Apache-2.0 */
/* The source after the guest has left: pages on request, and all others one after the other. */
#include <errno.h>
#include <string.h>

#include <ferry/error.h>

#include "mem/mem.h"
#include "migrate/source_impl.h"

/* How long the reason for a lost connection may come after the loss. */
#define LAST_WORD_MS 1000

static int answer(struct page_sink sink, const struct mem *mem, const struct record *request)
{
	const void *page = mem_ptr(mem, request->a, GUEST_PAGE_SIZE);
	int err;

	if (!page || request->a % GUEST_PAGE_SIZE)
		return because(-EBADMSG, "a request for a page at %#llx, which is not memory",
			       (unsigned long long)request->a);
	err = sink.add(sink.self, request->a, page);
	return err ? err : sink.flush(sink.self);
}

/* Until the connection ends. A failure shows on the others as well, whose thread tells of it. */
static void *server_main(void *arg)
{
	struct migrate_source *source = arg;
	struct channel *channel = source->served;
	struct stream stream = stream_of_channel(channel);
	struct page_packer packer;
	struct record request;
	int err = page_packer_init(&packer, stream, 0);

	while (!err) {
		err = channel_wait_readable(channel, -1);
		if (err <= 0)
			break;
		err = stream_expect(&stream, RECORD_REQUEST, &request);
		if (!err)
			err = answer(page_packer_sink(&packer), source->guest->mem, &request);
	}
	page_packer_finish(&packer);
	channel_shutdown(channel);
	return NULL;
}

int postcopy_serve(struct migrate_source *source)
{
	int err;

	source->served = source->urgent;
	err = -pthread_create(&source->server, NULL, server_main, source);

	source->has_server = !err;
	return err ? because(err, "cannot start a thread: %s", strerror(-err)) : 0;
}

int postcopy_announce(struct migrate_source *source)
{
	struct buffer missing = { 0 };
	int err;

	if (!source->urgent)
		return because(-EOPNOTSUPP, "the other side cannot do post-copy");
	err = copier_export(source->copier, &missing);
	if (!err)
		err = postcopy_serve(source);
	if (!err)
		err = stream_send_buffer(&source->streams[0], RECORD_MISSING, &missing);
	buffer_finish(&missing);
	return err;
}

/* Because the guest has ended there, say: then the connections end before all is sent. */
static bool needs_no_more(struct migrate_source *source)
{
	struct record record;

	return channel_wait_readable(source->channels[0], LAST_WORD_MS) > 0 &&
	       stream_receive(&source->streams[0], &record) == 0 && record.type == RECORD_COMPLETE;
}

int postcopy_push(struct migrate_source *source)
{
	struct record record;
	int err;

	source_set_phase(source, MIGRATE_PULLING);
	copier_set_still(source->copier);
	err = copier_round(source->copier);
	for (unsigned i = 0; i < source->channel_count && !err; i++)
		err = stream_send(&source->streams[i], RECORD_DONE, 0, 0, NULL, 0);
	if (!err)
		return stream_expect(&source->streams[0], RECORD_COMPLETE, &record);
	return needs_no_more(source) ? 0 : err;
}

void postcopy_end(struct migrate_source *source)
{
	if (source->has_server)
		pthread_join(source->server, NULL);
	source->has_server = false;
}
