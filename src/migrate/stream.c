/* SPDX-License-Identifier: Apache-2.0 */
/* One record after the other, each checked before anybody sees it. */
#include "migrate/stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <ferry/error.h>

#include "base/cleanup.h"
#include "base/util.h"
#include "io/channel.h"
#include "migrate/state.h"

#define ABORT_MAX 4096

/* All registers of the largest VM fit; an enemy's count does not make us take more memory. */
#define PARTS_MAX (1ULL << 30)

static int channel_reads(void *self, void *buf, size_t len)
{
	return channel_read(self, buf, len);
}

static int channel_writes(void *self, const struct iovec *iov, unsigned count)
{
	return channel_write(self, iov, count);
}

struct stream stream_of_channel(struct channel *channel)
{
	return (struct stream){ .read = channel_reads, .write = channel_writes, .self = channel };
}

int stream_send_header(const struct stream *stream, enum stream_kind kind)
{
	uint8_t header[STREAM_HEADER_SIZE];
	struct iovec iov = { header, sizeof(header) };

	stream_header_encode(header, kind);
	return stream->write(stream->self, &iov, 1);
}

int stream_receive_header(const struct stream *stream, enum stream_kind kind)
{
	uint8_t header[STREAM_HEADER_SIZE];
	enum stream_kind found;
	int err = stream->read(stream->self, header, sizeof(header));

	if (!err)
		err = stream_header_decode(header, &found);
	if (!err && found != kind)
		err = because(-EINVAL, "a stream of another kind (%d, not %d)", found, kind);
	return err;
}

int stream_send(const struct stream *stream, enum record_type type, uint64_t a, uint64_t b,
		const void *payload, size_t size)
{
	uint8_t header[RECORD_HEADER_SIZE];
	struct record record = {
		.type = type,
		.size = (uint32_t)size,
		.a = a,
		.b = b,
		.payload_sum = record_sum(payload, size),
	};
	struct iovec iov[] = { { header, sizeof(header) }, { (void *)payload, size } };

	record_encode(header, &record);
	return stream->write(stream->self, iov, size ? 2 : 1);
}

/* The peer's reason, made fit to be printed. */
static int take_abort(const struct stream *stream, const struct record *record)
{
	char text[ABORT_MAX + 1];
	int err = stream_receive_payload(stream, record, text);

	if (err)
		return err;
	text[record->size] = '\0';
	for (char *c = text; *c; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
	return because(-EREMOTEIO, "the other side gave up: %s", text);
}

int stream_receive(const struct stream *stream, struct record *ret_record)
{
	uint8_t header[RECORD_HEADER_SIZE];
	struct record record = { 0 };
	int err = stream->read(stream->self, header, sizeof(header));

	if (!err)
		err = record_decode(header, &record);
	if (!err && record.type == RECORD_ABORT)
		err = take_abort(stream, &record);
	if (!err)
		*ret_record = record;
	return err;
}

int stream_expect(const struct stream *stream, enum record_type type, struct record *ret_record)
{
	int err = stream_receive(stream, ret_record);

	if (!err && ret_record->type != type)
		err = because(-EBADMSG, "a record of %s where one of %s was due",
			      record_name(ret_record->type), record_name(type));
	return err;
}

int stream_receive_payload(const struct stream *stream, const struct record *record, void *buf)
{
	int err = record->size ? stream->read(stream->self, buf, record->size) : 0;

	return err ? err : record_check_payload(record, buf);
}

int stream_receive_buffer(const struct stream *stream, const struct record *record,
			  struct buffer *buffer)
{
	AUTO_FREE uint8_t *payload = malloc(record->size + 1);
	int err = payload ? stream_receive_payload(stream, record, payload) :
			    because(-ENOMEM, "out of memory");

	return err ? err : buffer_add(buffer, payload, record->size);
}

int stream_send_buffer(const struct stream *stream, enum record_type type,
		       const struct buffer *buffer)
{
	size_t at = 0;
	int err = 0;

	do {
		size_t size = min_u64(buffer->size - at, RECORD_PAYLOAD_MAX);

		err = stream_send(stream, type, at, buffer->size, buffer->data + at, size);
		at += size;
	} while (!err && at < buffer->size);
	return err;
}

int stream_receive_parts(const struct stream *stream, const struct record *first,
			 struct buffer *buffer)
{
	struct record record = *first;
	int err;

	for (;;) {
		if (record.b != first->b || record.b > PARTS_MAX || record.a != buffer->size ||
		    record.size > record.b - record.a || (!record.size && record.b))
			return because(-EBADMSG, "the parts of %s do not fit together",
				       record_name(first->type));
		err = stream_receive_buffer(stream, &record, buffer);
		if (err || buffer->size == first->b)
			return err;
		err = stream_expect(stream, first->type, &record);
		if (err)
			return err;
	}
}

void stream_abort(const struct stream *stream, int err)
{
	char text[ERROR_TEXT_MAX];

	strncpy(text, error_text(err), sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	stream_send(stream, RECORD_ABORT, 0, 0, text, strlen(text));
	because(err, "%s", text);
}
