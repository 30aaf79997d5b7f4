/* SPDX-License-Identifier: Apache-2.0 */
/* One client of a control socket: lines in, lines out, and no more memory than that needs. */
#include <ferry/error.h>

#include <errno.h>
#include <json-c/json.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/util.h"
#include "control/server.h"

/* A stream's lines are gathered to about that much before they are sent. */
#define GATHER 16384

static void client_ready(struct loop_watch *watch, unsigned events);

static void patience_ended(struct loop_timer *timer)
{
	client_destroy(container_of(timer, struct control_client, patience));
}

/*
 * Waits for events only, 0: for its end. A client that is sent to has some time from the last byte it
 * took.
 */
static int wait_for(struct control_client *client, unsigned events)
{
	struct loop *loop = client->control->loop;
	int err = 0;

	if (client->events != events || !client->watch.poll) {
		loop_watch_remove(loop, &client->watch);
		err = loop_watch_add(loop, &client->watch, client->fd, events, client_ready);
		client->events = events;
	}
	if (events != POLLOUT)
		loop_timer_disarm(loop, &client->patience);
	else if (!err)
		err = loop_timer_arm(loop, &client->patience, client->control->patience,
				     patience_ended);
	return err;
}

static void forget_stream(struct control_client *client)
{
	struct control_stream *stream = client->stream;

	client->stream = NULL;
	if (stream)
		stream->destroy(stream);
	json_object_put(client->stream_id);
	client->stream_id = NULL;
}

/* Takes line, which is NULL for want of memory. */
static int append_line(struct control_client *client, char *line)
{
	size_t len = line ? strlen(line) : 0;
	char *grown = line ? realloc(client->out, client->out_len + len + 1) : NULL;

	if (grown) {
		memcpy(grown + client->out_len, line, len + 1);
		client->out = grown;
		client->out_len += len;
	}
	free(line);
	return grown ? 0 : -ENOMEM;
}

/* The next part of a stream, or nothing; after the last the answer to its request. */
static int fill_from_stream(struct control_client *client)
{
	struct control_stream *stream = client->stream;
	char *line;
	int r;

	while (client->out_len < GATHER) {
		r = stream->next(stream, &line);
		client->is_idle = r == -EAGAIN;
		if (r < 0)
			return client->is_idle ? 0 : r;
		if (r > 0) {
			r = append_line(client, line);
			if (r)
				return r;
			continue;
		}
		line = stream->answer(stream, client->stream_id);
		client->stream_id = NULL;
		forget_stream(client);
		return append_line(client, line);
	}
	return 0;
}

/* Sends what waits. 0: all is sent; -EAGAIN: the socket is full; another -errno: it is gone. */
static int send_out(struct control_client *client)
{
	while (client->out_at < client->out_len) {
		ssize_t n = send(client->fd, client->out + client->out_at,
				 client->out_len - client->out_at, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EWOULDBLOCK ? -EAGAIN : -errno;
		client->out_at += (size_t)n;
	}
	free(client->out);
	client->out = NULL;
	client->out_at = client->out_len = 0;
	return 0;
}

static void close_fds(struct control_client *client)
{
	for (unsigned i = 0; i < client->fd_count; i++)
		if (client->fds[i] >= 0)
			close(client->fds[i]);
	client->fd_count = 0;
}

static int handle_line(struct control_client *client)
{
	struct rpc_reply reply;
	int err;

	client->in[client->in_len] = '\0';
	err = rpc_handle(control_methods, control_method_count, client, client->in, client->in_len,
			 &reply);
	client->in_len = 0;
	close_fds(client);
	if (err)
		return err;
	if (reply.is_stream)
		client->stream_id = reply.id;
	return reply.line ? append_line(client, reply.line) : 0;
}

static void keep_fds(struct control_client *client, struct msghdr *message)
{
	for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part; part = CMSG_NXTHDR(message, part)) {
		size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		int fd;

		if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < count; i++) {
			memcpy(&fd, CMSG_DATA(part) + i * sizeof(fd), sizeof(fd));
			if (client->fd_count < CONTROL_FDS_MAX)
				client->fds[client->fd_count++] = fd;
			else
				close(fd);
		}
	}
}

/* The bytes that were seen, and the descriptors that came with them; the kernel parts them where these do. */
static int take_bytes(struct control_client *client, size_t take)
{
	union {
		char bytes[CMSG_SPACE(CONTROL_FDS_MAX * sizeof(int))];
		struct cmsghdr align;
	} control;

	while (take) {
		struct iovec into = { .iov_base = client->in + client->in_len, .iov_len = take };
		struct msghdr message = { .msg_iov = &into, .msg_iovlen = 1,
					  .msg_control = &control,
					  .msg_controllen = sizeof(control) };
		ssize_t n = recvmsg(client->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -EPIPE;
		keep_fds(client, &message);
		client->in_len += (size_t)n;
		take -= (size_t)n;
	}
	return 0;
}

/*
 * Takes bytes up to the end of one line and no further: what follows stays in the socket, whose
 * readiness then tells of it. 1: a line is complete; 0: not yet; -errno: the client is gone.
 */
static int read_line(struct control_client *client)
{
	char *into = client->in + client->in_len;
	size_t room = RPC_LINE_MAX - client->in_len, take;
	ssize_t n = recv(client->fd, into, room, MSG_DONTWAIT | MSG_PEEK);
	const char *end;

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (n == 0)
		return -EPIPE;
	end = memchr(into, '\n', (size_t)n);
	take = end ? (size_t)(end - into) + 1 : (size_t)n;
	if (take_bytes(client, take) < 0)
		return -EPIPE;
	client->in_len -= end != NULL;
	if (!end && client->in_len == RPC_LINE_MAX) {
		client->is_closing = true;
		return append_line(
			client, rpc_error_line(RPC_INVALID_REQUEST, "the line is longer than 64K"));
	}
	return end != NULL;
}

/* Does one step in each direction; -errno: the client is to be dropped. */
static int step(struct control_client *client)
{
	int err;

	if (!client->out_len && !client->stream && !client->is_closing) {
		err = read_line(client);
		if (err > 0 && client->in_len > 0)
			err = handle_line(client);
		if (err < 0)
			return err;
	}
	if (client->stream && !client->out_len) {
		err = fill_from_stream(client);
		if (err)
			return err;
	}
	err = send_out(client);
	if (err && err != -EAGAIN)
		return err;
	if (!client->out_len && client->is_closing)
		return -EPIPE;
	if (!client->out_len && !client->stream)
		return wait_for(client, POLLIN);
	return wait_for(client, client->out_len || !client->is_idle ? POLLOUT : 0);
}

void client_continue(struct control_client *client)
{
	if (step(client) < 0)
		client_destroy(client);
}

static void client_ready(struct loop_watch *watch, unsigned events)
{
	struct control_client *client = container_of(watch, struct control_client, watch);

	if (client->events)
		client_continue(client);
	else if (events & (POLLERR | POLLHUP))
		client_destroy(client);
	else /* it has said all that it will, and still listens */
		loop_watch_remove(client->control->loop, watch);
}

int client_create(struct control *control, int fd)
{
	struct control_client *client = calloc(1, sizeof(*client));

	if (!client) {
		close(fd);
		return -ENOMEM;
	}
	client->control = control;
	client->fd = fd;
	client->next = control->clients;
	control->clients = client;
	control->client_count++;
	client->in = malloc(RPC_LINE_MAX + 1);
	if (!client->in || wait_for(client, POLLIN) != 0) {
		client_destroy(client);
		return -ENOMEM;
	}
	return 0;
}

void client_destroy(struct control_client *client)
{
	struct control *control = client->control;
	struct control_client **link = &control->clients;

	while (*link != client)
		link = &(*link)->next;
	*link = client->next;
	control->client_count--;
	send_out(client);
	loop_watch_remove(control->loop, &client->watch);
	loop_timer_disarm(control->loop, &client->patience);
	forget_stream(client);
	close_fds(client);
	close(client->fd);
	free(client->in);
	free(client->out);
	free(client);
	control_has_room(control);
}
