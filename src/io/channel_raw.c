/* SPDX-License-Identifier: Apache-2.0 */
/* A channel's transport: sockets and pipes, each step with a deadline, none with a signal. */
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "io/channel_impl.h"

uint64_t channel_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

int channel_gone(struct channel *channel, int err, const char *doing)
{
	char how[128] = "";

	if (channel->child)
		channel_child_tell(channel->child, how, sizeof(how));
	if (err == -EPIPE)
		return because(err, "%s: the peer closed the connection%s", channel->name, how);
	return because(err, "%s: cannot %s: %s%s", channel->name, doing, strerror(-err), how);
}

int channel_stalled(struct channel *channel, const char *doing)
{
	return because(-ETIMEDOUT, "%s: cannot %s: nothing moved for %u ms", channel->name, doing,
		       channel->timeout_ms);
}

int channel_canceled(struct channel *channel)
{
	return because(-ECANCELED, "%s: canceled", channel->name);
}

static bool is_canceled(const struct channel *channel)
{
	return __atomic_load_n(&channel->is_canceled, __ATOMIC_ACQUIRE);
}

/* Rounded up, so that the deadline has passed when poll(2) says so. */
static int poll_timeout(uint64_t deadline)
{
	uint64_t now;

	if (deadline == UINT64_MAX)
		return -1;
	now = channel_now_ms();
	if (deadline <= now)
		return 0;
	return deadline - now < INT32_MAX ? (int)(deadline - now) + 1 : INT32_MAX;
}

int channel_wait(struct channel *channel, int fd, short events, uint64_t deadline)
{
	for (;;) {
		struct pollfd fds[3] = {
			{ .fd = fd, .events = events },
			{ .fd = channel->cancel_fd, .events = POLLIN },
			{ .fd = channel->connect_fd, .events = POLLIN },
		};
		int timeout = poll_timeout(deadline);
		int r = poll(fds, 3, timeout);

		if (r < 0 && errno != EINTR)
			return because(-errno, "poll: %s", strerror(errno));
		if (is_canceled(channel) || (r > 0 && fds[2].revents))
			return channel_canceled(channel);
		if (r > 0 && fds[0].revents)
			return 1;
		if (r == 0 && timeout == 0)
			return 0;
	}
}

/* write(2) has no flag against SIGPIPE: it is held back, and taken away if it came from here. */
static ssize_t write_pipe(int fd, const struct iovec *iov, unsigned count)
{
	struct timespec at_once = { 0 };
	sigset_t pipe_set, old, pending;
	ssize_t n;

	sigemptyset(&pipe_set);
	sigaddset(&pipe_set, SIGPIPE);
	sigpending(&pending);
	pthread_sigmask(SIG_BLOCK, &pipe_set, &old);
	n = writev(fd, iov, (int)count);
	n = n < 0 ? -errno : n;
	if (n == -EPIPE && !sigismember(&pending, SIGPIPE))
		sigtimedwait(&pipe_set, NULL, &at_once);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return n;
}

static ssize_t write_now(const struct channel_end *end, const struct iovec *iov, unsigned count)
{
	struct msghdr message = { .msg_iov = (struct iovec *)iov, .msg_iovlen = count };
	ssize_t n;

	if (!end->is_socket)
		return write_pipe(end->fd, iov, count);
	n = sendmsg(end->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
	return n < 0 ? -errno : n;
}

/* What of the bytes that were written the peer's side has not taken yet; -1: a pipe does not say. */
static int not_taken(const struct channel_end *end)
{
	int bytes;

	return end->is_socket && ioctl(end->fd, SIOCOUTQ, &bytes) == 0 ? bytes : -1;
}

/*
 * TCP's socket is writable again when a third of its buffer is empty, and that is more than a megabyte:
 * a peer that is slow may not take so much before the deadline. It is gone when it takes nothing.
 */
static int wait_to_write(struct channel *channel)
{
	int left = not_taken(&channel->out), before, r;

	do {
		before = left;
		r = channel_wait(channel, channel->out.fd, POLLOUT,
				 channel_now_ms() + channel->timeout_ms);
		left = not_taken(&channel->out);
	} while (r == 0 && left < before);
	return r == 0 ? channel_stalled(channel, "write") : r;
}

ssize_t channel_raw_write(struct channel *channel, const struct iovec *iov, unsigned count)
{
	ssize_t n;
	int r;

	for (;;) {
		if (is_canceled(channel))
			return channel_canceled(channel);
		n = write_now(&channel->out, iov, count);
		if (n >= 0)
			return n;
		if (n != -EAGAIN && n != -EINTR)
			return channel_gone(channel, (int)n, "write");
		r = wait_to_write(channel);
		if (r < 0)
			return r;
	}
}

ssize_t channel_raw_read_now(struct channel *channel, void *buf, size_t len)
{
	const struct channel_end *end = &channel->in;
	ssize_t n;

	do
		n = end->is_socket ? recv(end->fd, buf, len, MSG_DONTWAIT)
				   : read(end->fd, buf, len);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

ssize_t channel_raw_read(struct channel *channel, void *buf, size_t len)
{
	uint64_t deadline = 0;
	ssize_t n;
	int r;

	for (;;) {
		if (is_canceled(channel))
			return channel_canceled(channel);
		n = channel_raw_read_now(channel, buf, len);
		if (n >= 0)
			return n;
		if (n != -EAGAIN)
			return channel_gone(channel, (int)n, "read");
		if (!deadline)
			deadline = channel_now_ms() + channel->timeout_ms;
		r = channel_wait(channel, channel->in.fd, POLLIN, deadline);
		if (r == 0)
			r = channel_stalled(channel, "read");
		if (r < 0)
			return r;
	}
}

/* A pipe cannot be shut; but its descriptor can become that of one whose other end is closed. */
static void cut_end(const struct channel_end *end, int side)
{
	int pipe_fds[2];

	if (end->is_socket) {
		shutdown(end->fd, SHUT_RDWR);
	} else if (pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK) == 0) {
		dup3(pipe_fds[side], end->fd, O_CLOEXEC);
		close(pipe_fds[0]);
		close(pipe_fds[1]);
	}
}

void channel_raw_cut(struct channel *channel)
{
	cut_end(&channel->out, 1);
	if (channel->in.fd != channel->out.fd)
		cut_end(&channel->in, 0);
}
