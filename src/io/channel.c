/* SPDX-License-Identifier: Apache-2.0 */
/* A channel's life, and its reading and writing above whatever transport it has. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "io/channel_impl.h"

#define GRACE_MS 1000
#define PARTS	 64

int channel_create(const char *name, enum channel_kind kind, const struct channel_options *options,
		   struct channel **ret_channel)
{
	struct channel *channel = calloc(1, sizeof(*channel));
	int r;

	if (!channel)
		return -ENOMEM;
	channel->kind = kind;
	channel->in.fd = channel->out.fd = -1;
	channel->timeout_ms = options->timeout_ms ? options->timeout_ms : CHANNEL_TIMEOUT_MS;
	channel->trusted_timeout_ms = channel->timeout_ms;
	channel->fault = options->fault;
	channel->connect_fd = options->cancel_fd ? *options->cancel_fd : -1;
	channel->name = strdup(name);
	channel->cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (!channel->name || channel->cancel_fd < 0) {
		r = channel->name ? -errno : -ENOMEM;
		channel_destroy(channel);
		return r;
	}
	*ret_channel = channel;
	return 0;
}

void channel_trust(struct channel *channel)
{
	channel->timeout_ms = channel->trusted_timeout_ms;
}

static void close_end(const struct channel_end *end)
{
	if (end->fd >= 0)
		close(end->fd);
}

void channel_destroy(struct channel *channel)
{
	bool is_canceled;

	if (!channel)
		return;
	is_canceled = __atomic_load_n(&channel->is_canceled, __ATOMIC_ACQUIRE);
	channel_tls_destroy(channel);
	close_end(&channel->out);
	if (channel->in.fd != channel->out.fd)
		close_end(&channel->in);
	channel_child_destroy(channel->child, is_canceled ? 0 : GRACE_MS);
	if (channel->cancel_fd >= 0)
		close(channel->cancel_fd);
	free(channel->name);
	free(channel);
}

void channel_shutdown(struct channel *channel)
{
	__atomic_store_n(&channel->is_canceled, true, __ATOMIC_RELEASE);
	/* Fails only when the counter is full, and then it wakes too. */
	eventfd_write(channel->cancel_fd, 1);
}

unsigned iov_cursor_fill(struct iov_cursor *cursor, struct iovec *part, unsigned max)
{
	size_t offset = cursor->offset;
	unsigned n = 0;

	for (unsigned i = 0; i < cursor->count && n < max; i++, offset = 0) {
		size_t len = cursor->iov[i].iov_len - offset;

		if (len)
			part[n++] = (struct iovec){ (char *)cursor->iov[i].iov_base + offset, len };
	}
	return n;
}

void iov_cursor_advance(struct iov_cursor *cursor, size_t len)
{
	cursor->offset += len;
	while (cursor->count && cursor->offset >= cursor->iov->iov_len) {
		cursor->offset -= cursor->iov->iov_len;
		cursor->iov++;
		cursor->count--;
	}
}

static int write_plain(struct channel *channel, const struct iovec *iov, unsigned count)
{
	struct iov_cursor cursor = { iov, count, 0 };
	struct iovec part[PARTS];
	unsigned n;

	while ((n = iov_cursor_fill(&cursor, part, PARTS))) {
		ssize_t written = channel_raw_write(channel, part, n);

		if (written < 0)
			return (int)written;
		iov_cursor_advance(&cursor, (size_t)written);
		__atomic_fetch_add(&channel->bytes_written, (uint64_t)written, __ATOMIC_RELAXED);
	}
	return 0;
}

int channel_write_all(struct channel *channel, const struct iovec *iov, unsigned count)
{
	if (channel->tls)
		return channel_tls_write(channel, iov, count);
	return write_plain(channel, iov, count);
}

int channel_write(struct channel *channel, const struct iovec *iov, unsigned count)
{
	if (channel->fault)
		return channel_fault_write(channel, iov, count);
	return channel_write_all(channel, iov, count);
}

/*
 * RFC 8446 5.1: a record begins with its type (alert 21, handshake 22) and a legacy version 3.x.
 * The very first bytes of a plain stream cannot be that: ferry's own begin with letters.
 */
static bool is_tls(const unsigned char *bytes, size_t len)
{
	return len >= 3 && (bytes[0] == 21 || bytes[0] == 22) && bytes[1] == 3 && bytes[2] <= 4;
}

static int ended(struct channel *channel, size_t done, size_t len)
{
	int r = channel_gone(channel, -EPIPE, "read");

	if (!done)
		return r;
	return because_of(r, "in the middle (%zu of %zu bytes had come)", done, len);
}

int channel_read_all(struct channel *channel, void *buf, size_t len)
{
	bool is_first = channel->is_tcp && !channel->tls && !channel_bytes_read(channel);
	size_t done = 0;

	while (done < len) {
		ssize_t n = channel->tls
				    ? channel_tls_read(channel, (char *)buf + done, len - done)
				    : channel_raw_read(channel, (char *)buf + done, len - done);

		if (n < 0)
			return (int)n;
		if (n == 0)
			return ended(channel, done, len);
		done += (size_t)n;
		__atomic_fetch_add(&channel->bytes_read, (uint64_t)n, __ATOMIC_RELAXED);
		if (is_first && is_tls(buf, done))
			return because(-EPROTO, "%s: the peer speaks TLS, and we do not",
				       channel->name);
	}
	return 0;
}

int channel_read(struct channel *channel, void *buf, size_t len)
{
	if (channel->fault)
		return channel_fault_read(channel, buf, len);
	return channel_read_all(channel, buf, len);
}

unsigned channel_timeout_ms(const struct channel *channel)
{
	return channel->timeout_ms;
}

int channel_wait_readable(struct channel *channel, int timeout_ms)
{
	uint64_t deadline = timeout_ms < 0 ? UINT64_MAX : channel_now_ms() + (unsigned)timeout_ms;

	if (channel->tls)
		return channel_tls_wait_readable(channel, deadline);
	return channel_wait(channel, channel->in.fd, POLLIN, deadline);
}

ssize_t channel_read_some(struct channel *channel, void *buf, size_t len)
{
	return channel->tls ? channel_tls_read(channel, buf, len) :
			      channel_raw_read(channel, buf, len);
}

int channel_socket(const struct channel *channel)
{
	return channel->in.fd == channel->out.fd ? channel->in.fd : -EINVAL;
}

int channel_release(struct channel *channel)
{
	int fd = channel->in.fd;

	channel->in.fd = channel->out.fd = -1;
	channel_destroy(channel);
	return fd;
}

void channel_command_ended(const struct channel *channel, char *text, size_t size)
{
	text[0] = '\0';
	if (channel->child)
		channel_child_tell(channel->child, text, size);
}

bool channel_can_repeat(const struct channel *channel)
{
	return channel->kind == CHANNEL_TCP || channel->kind == CHANNEL_UNIX;
}

uint64_t channel_bytes_written(const struct channel *channel)
{
	return __atomic_load_n(&channel->bytes_written, __ATOMIC_RELAXED);
}

uint64_t channel_bytes_read(const struct channel *channel)
{
	return __atomic_load_n(&channel->bytes_read, __ATOMIC_RELAXED);
}

const char *channel_name(const struct channel *channel)
{
	return channel->name;
}
