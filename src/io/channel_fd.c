/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors that travel over a channel: unix(7), SCM_RIGHTS. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "io/channel_impl.h"

/* A stream socket carries control data only beside at least one byte. */
#define MARK 0xfd

/*
 * Room for one descriptor and no more: CMSG_LEN, where CMSG_SPACE would let a second one in on
 * 64-bit hosts, which nobody then closes.
 */
union control {
	struct cmsghdr header;
	char bytes[CMSG_SPACE(sizeof(int))];
};

bool channel_can_send_fd(const struct channel *channel)
{
	return channel->is_unix;
}

static int before(struct channel *channel)
{
	struct channel_fault_action action = { 0 };

	if (!channel->is_unix)
		return because(-EOPNOTSUPP, "%s: only a unix socket carries descriptors",
			       channel->name);
	return channel_fault_before(channel, CHANNEL_FD, NULL, 0, &action);
}

/* Repeats step until it has done something: its result, or an error with a text. */
static ssize_t persist(struct channel *channel, struct msghdr *message,
		       ssize_t (*step)(struct channel *channel, struct msghdr *message),
		       const struct channel_end *end, short events, const char *doing)
{
	uint64_t deadline = channel_now_ms() + channel->timeout_ms;
	ssize_t n;
	int r;

	for (;;) {
		r = channel_wait(channel, end->fd, events, deadline);
		if (r == 0)
			r = channel_stalled(channel, doing);
		if (r < 0)
			return r;
		n = step(channel, message);
		if (n >= 0)
			return n;
		if (errno != EAGAIN && errno != EINTR)
			return channel_gone(channel, -errno, doing);
	}
}

static ssize_t send_step(struct channel *channel, struct msghdr *message)
{
	return sendmsg(channel->out.fd, message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static ssize_t receive_step(struct channel *channel, struct msghdr *message)
{
	return recvmsg(channel->in.fd, message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
}

int channel_send_fd(struct channel *channel, int fd)
{
	unsigned char mark = MARK;
	struct iovec iov = { &mark, 1 };
	union control control = { .header = { .cmsg_len = CMSG_LEN(sizeof(int)),
					      .cmsg_level = SOL_SOCKET,
					      .cmsg_type = SCM_RIGHTS } };
	struct msghdr message = { .msg_iov = &iov,
				  .msg_iovlen = 1,
				  .msg_control = &control,
				  .msg_controllen = CMSG_SPACE(sizeof(int)) };
	ssize_t n;
	int r = before(channel);

	if (r < 0)
		return r;
	memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	n = persist(channel, &message, send_step, &channel->out, POLLOUT, "send a descriptor");
	if (n < 0)
		return (int)n;
	__atomic_fetch_add(&channel->bytes_written, 1, __ATOMIC_RELAXED);
	return 0;
}

static int received_fd(struct msghdr *message)
{
	struct cmsghdr *header = CMSG_FIRSTHDR(message);
	int fd;

	if (!header || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS ||
	    header->cmsg_len != CMSG_LEN(sizeof(int)))
		return -1;
	memcpy(&fd, CMSG_DATA(header), sizeof(fd));
	return fd;
}

int channel_receive_fd(struct channel *channel, int *ret_fd)
{
	unsigned char mark = 0;
	struct iovec iov = { &mark, 1 };
	union control control = { .bytes = { 0 } };
	struct msghdr message = { .msg_iov = &iov,
				  .msg_iovlen = 1,
				  .msg_control = &control,
				  .msg_controllen = CMSG_LEN(sizeof(int)) };
	AUTO_CLOSE int fd = -1;
	ssize_t n;
	int r = before(channel);

	if (r < 0)
		return r;
	n = persist(channel, &message, receive_step, &channel->in, POLLIN, "receive a descriptor");
	if (n < 0)
		return (int)n;
	if (n == 0)
		return channel_gone(channel, -EPIPE, "receive a descriptor");
	__atomic_fetch_add(&channel->bytes_read, 1, __ATOMIC_RELAXED);
	fd = received_fd(&message);
	if (fd < 0 || mark != MARK || (message.msg_flags & MSG_CTRUNC))
		return because(-EPROTO, "%s: the peer sent no single descriptor where one is due",
			       channel->name);
	*ret_fd = fd_take(&fd);
	return 0;
}
