/* SPDX-License-Identifier: Apache-2.0 */
/* A stream whose two ends are one buffer: what was written is what is read. */
#ifndef TESTS_MIGRATE_BYTES_H
#define TESTS_MIGRATE_BYTES_H

#include <errno.h>
#include <string.h>

#include <ferry/error.h>

#include "migrate/state.h"
#include "migrate/stream.h"

struct bytes {
	struct buffer buffer;
	size_t at;	     /* where the next read begins */
	int (*broken)(void); /* NULL, or what a write returns */
};

static inline int bytes_read(void *self, void *buf, size_t len)
{
	struct bytes *bytes = self;

	if (len > bytes->buffer.size - bytes->at)
		return because(-EPIPE, "the stream ends");
	if (len)
		memcpy(buf, bytes->buffer.data + bytes->at, len);
	bytes->at += len;
	return 0;
}

static inline int bytes_write(void *self, const struct iovec *iov, unsigned count)
{
	struct bytes *bytes = self;
	int err = bytes->broken ? bytes->broken() : 0;

	for (unsigned i = 0; i < count && !err; i++)
		err = buffer_add(&bytes->buffer, iov[i].iov_base, iov[i].iov_len);
	return err;
}

static inline struct stream bytes_stream(struct bytes *bytes)
{
	return (struct stream){ .read = bytes_read, .write = bytes_write, .self = bytes };
}

static inline void bytes_finish(struct bytes *bytes)
{
	buffer_finish(&bytes->buffer);
	bytes->at = 0;
}

#endif
