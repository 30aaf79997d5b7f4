/* SPDX-License-Identifier: Apache-2.0 */
/* A channel's fault point: what tests make of an operation. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "io/channel_impl.h"

static int stall(struct channel *channel)
{
	int r = channel_wait(channel, -1, 0, channel_now_ms() + channel->timeout_ms);

	return r < 0 ? r : channel_stalled(channel, "go on (a fault that was asked for)");
}

static int cut(struct channel *channel)
{
	channel_raw_cut(channel);
	return because(-EPIPE, "%s: closed (a fault that was asked for)", channel->name);
}

int channel_fault_before(struct channel *channel, enum channel_op op, const void *data, size_t len,
			 struct channel_fault_action *ret_action)
{
	const struct channel_fault *fault = channel->fault;
	struct channel_fault_action action = { 0 };
	int r;

	if (!fault)
		return 0;
	r = fault->before(fault->self, op, data, len, &action);
	if (r < 0)
		return because(r, "%s: %s (a fault that was asked for)", channel->name,
			       strerror(-r));
	if (action.kind == CHANNEL_FAULT_STALL)
		return stall(channel);
	if (action.kind == CHANNEL_FAULT_CLOSE)
		return cut(channel);
	*ret_action = action;
	return 0;
}

/* The pieces of iov that make up its bytes from..to. */
static unsigned slice(const struct iovec *iov, unsigned count, size_t from, size_t to,
		      struct iovec *part)
{
	unsigned n = 0;
	size_t at = 0;

	for (unsigned i = 0; i < count; at += iov[i++].iov_len) {
		size_t begin = from > at ? from - at : 0;
		size_t end = to > at ? to - at : 0;

		end = end < iov[i].iov_len ? end : iov[i].iov_len;
		if (begin < end)
			part[n++] = (struct iovec){ (char *)iov[i].iov_base + begin, end - begin };
	}
	return n;
}

static int write_slice(struct channel *channel, const struct iovec *iov, unsigned count,
		       size_t from, size_t to)
{
	AUTO_FREE struct iovec *part = calloc(count, sizeof(*part));

	if (!part)
		return -ENOMEM;
	return channel_write_all(channel, part, slice(iov, count, from, to, part));
}

static int write_flipped(struct channel *channel, const struct iovec *iov, unsigned count,
			 size_t at, size_t total)
{
	struct iovec part;
	unsigned char byte;
	int r = write_slice(channel, iov, count, 0, at);

	if (r < 0 || slice(iov, count, at, at + 1, &part) != 1)
		return r;
	byte = *(unsigned char *)part.iov_base ^ 0xff;
	part.iov_base = &byte;
	r = channel_write_all(channel, &part, 1);
	return r < 0 ? r : write_slice(channel, iov, count, at + 1, total);
}

int channel_fault_write(struct channel *channel, const struct iovec *iov, unsigned count)
{
	struct channel_fault_action action = { 0 };
	size_t total = 0;
	int r;

	for (unsigned i = 0; i < count; i++)
		total += iov[i].iov_len;
	r = channel_fault_before(channel, CHANNEL_WRITE, count ? iov[0].iov_base : NULL,
				 count ? iov[0].iov_len : 0, &action);
	if (r < 0)
		return r;
	if (total && action.kind == CHANNEL_FAULT_FLIP)
		return write_flipped(channel, iov, count, action.at % total, total);
	if (!total || action.kind != CHANNEL_FAULT_SHORT)
		return channel_write_all(channel, iov, count);
	r = write_slice(channel, iov, count, 0, action.at % total);
	return r < 0 ? r : cut(channel);
}

int channel_fault_read(struct channel *channel, void *buf, size_t len)
{
	struct channel_fault_action action = { 0 };
	int r = channel_fault_before(channel, CHANNEL_READ, NULL, len, &action);

	if (r < 0)
		return r;
	if (len && action.kind == CHANNEL_FAULT_SHORT) {
		r = channel_read_all(channel, buf, action.at % len);
		return r < 0 ? r : cut(channel);
	}
	r = channel_read_all(channel, buf, len);
	if (r == 0 && len && action.kind == CHANNEL_FAULT_FLIP)
		((unsigned char *)buf)[action.at % len] ^= 0xff;
	return r;
}
