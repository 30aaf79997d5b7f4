/* SPDX-License-Identifier: Apache-2.0 */
/* Records over something that reads and writes bytes: a channel, a file, a buffer. */
#ifndef MIGRATE_STREAM_H
#define MIGRATE_STREAM_H

#include <stdint.h>

#include "migrate/record.h"

struct buffer;
struct channel;

/* Both functions move all bytes, or fail with -errno and a text. */
struct stream {
	int (*read)(void *self, void *buf, size_t len);
	int (*write)(void *self, const struct iovec *iov, unsigned count);
	void *self;
};

/* A stream over a channel, which stays the caller's. */
struct stream stream_of_channel(struct channel *channel);

int stream_send_header(const struct stream *stream, enum stream_kind kind);
/* -EINVAL: not a stream, or one of another kind. */
int stream_receive_header(const struct stream *stream, enum stream_kind kind);

/* Sends one record; size bytes of payload follow its header. */
int stream_send(const struct stream *stream, enum record_type type, uint64_t a, uint64_t b,
		const void *payload, size_t size);

/*
 * Receives the next record's header; its payload (ret_record->size bytes) is next. An ABORT of the
 * peer is returned as -EREMOTEIO, its words in the text.
 */
int stream_receive(const struct stream *stream, struct record *ret_record);
/* The same, for when only one type can come; another is -EBADMSG. */
int stream_expect(const struct stream *stream, enum record_type type, struct record *ret_record);
/* The payload into buf, which has record->size bytes, and its checksum. */
int stream_receive_payload(const struct stream *stream, const struct record *record, void *buf);
/* The payload appended to a buffer. */
int stream_receive_buffer(const struct stream *stream, const struct record *record,
			  struct buffer *buffer);

/*
 * A buffer of whole entries (state.h) as records of one type, each no larger than a record may be; a
 * is the number of bytes before, b their number in all.
 */
int stream_send_buffer(const struct stream *stream, enum record_type type,
		       const struct buffer *buffer);
/* Its other end: takes the records from the first, received, to the last. -EBADMSG. */
int stream_receive_parts(const struct stream *stream, const struct record *first,
			 struct buffer *buffer);

/* Tells the peer why this side gives up. What cannot be sent is lost. */
void stream_abort(const struct stream *stream, int err);

#endif
