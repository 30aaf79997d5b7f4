/* SPDX-License-Identifier: Apache-2.0 */
/* Packets by passt: frames with their length in front, on a stream. */
#include "io/net_port.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/util.h"
#include "io/iov.h"
#include "io/passt.h"

#define LENGTH_SIZE 4

/* Room for several frames of the usual size and one of the longest. */
#define RX_SIZE (2 * (LENGTH_SIZE + NET_FRAME_MAX))

struct net_user {
	struct net_client client;
	struct loop *loop;
	struct passt *passt;
	struct loop_watch in, out;
	bool lost; /* the stream has ended, or makes no sense */
	/* Received bytes that are not a whole frame yet, or wait for a guest's buffer. */
	uint32_t rx_first, rx_end;
	uint8_t rx[RX_SIZE];
	/* The rest of a frame of which the socket took a part. */
	uint32_t tx_first, tx_end;
	uint8_t tx[LENGTH_SIZE + NET_FRAME_MAX];
};

/* May come twice: the stream ends, and then passt's exit says why. */
static void lose(struct net_user *user, const char *why)
{
	bool waiting = user->out.poll;

	loop_watch_remove(user->loop, &user->in);
	loop_watch_remove(user->loop, &user->out);
	user->lost = true;
	user->client.lost(user->client.self, why);
	if (waiting) /* no longer: what is sent from now on is lost */
		user->client.can_send(user->client.self);
}

static void passt_ended(void *self, const char *text)
{
	char why[800];

	snprintf(why, sizeof(why), "passt %s", text);
	lose(self, why);
}

/* The length of the frame at the front; 0: not all of it is there. */
static uint32_t frame_length(struct net_user *user)
{
	uint32_t have = user->rx_end - user->rx_first, len;

	if (have < LENGTH_SIZE)
		return 0;
	memcpy(&len, user->rx + user->rx_first, sizeof(len));
	len = ntohl(len);
	if (len == 0 || len > NET_FRAME_MAX) {
		lose(user, "passt sent a frame of an impossible length");
		return 0;
	}
	return have - LENGTH_SIZE < len ? 0 : len;
}

enum outcome {
	MORE,	    /* whole frames are used up */
	NO_BUFFERS, /* the guest takes none now */
};

static enum outcome deliver_frames(struct net_user *user)
{
	static const struct virtio_net_hdr none;
	uint32_t len;

	while ((len = frame_length(user)) != 0) {
		if (!user->client.receive(user->client.self, &none, user->rx + user->rx_first + LENGTH_SIZE, len))
			return NO_BUFFERS;
		user->rx_first += LENGTH_SIZE + len;
	}
	memmove(user->rx, user->rx + user->rx_first, user->rx_end - user->rx_first);
	user->rx_end -= user->rx_first;
	user->rx_first = 0;
	return MORE;
}

/* False: nothing came. */
static bool read_stream(struct net_user *user)
{
	ssize_t n = recv(passt_fd(user->passt), user->rx + user->rx_end, RX_SIZE - user->rx_end,
			 MSG_DONTWAIT);

	if (n > 0)
		user->rx_end += (uint32_t)n;
	else if (n == 0)
		lose(user, "passt closed its socket");
	else if (errno != EAGAIN && errno != EINTR)
		lose(user, strerror(errno));
	return n > 0;
}

/* The socket is watched only while the guest has buffers: until then it fills, and passt waits. */
static void receive_frames(struct net_user *user)
{
	for (int i = 0; i < NET_BURST && !user->lost; i++) {
		if (deliver_frames(user) == NO_BUFFERS) {
			loop_watch_remove(user->loop, &user->in);
			return;
		}
		if (user->lost || !read_stream(user))
			return;
	}
}

static void readable(struct loop_watch *watch, unsigned events)
{
	(void)events;
	receive_frames(container_of(watch, struct net_user, in));
}

static void user_receive(void *self)
{
	struct net_user *user = self;

	if (user->lost)
		return;
	if (!user->in.poll &&
	    loop_watch_add(user->loop, &user->in, passt_fd(user->passt), POLLIN, readable) < 0)
		return;
	receive_frames(user);
}

/* Sends the rest of a frame. True: it is gone, or the stream is. */
static bool flush(struct net_user *user)
{
	ssize_t n;

	if (user->tx_first == user->tx_end)
		return true;
	n = send(passt_fd(user->passt), user->tx + user->tx_first, user->tx_end - user->tx_first,
		 MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		lose(user, strerror(errno));
		return true;
	}
	user->tx_first += n > 0 ? (uint32_t)n : 0;
	return user->tx_first == user->tx_end;
}

static void writable(struct loop_watch *watch, unsigned events)
{
	struct net_user *user = container_of(watch, struct net_user, out);

	(void)events;
	if (!flush(user))
		return;
	loop_watch_remove(user->loop, watch);
	user->client.can_send(user->client.self);
}

static int wait_for_room(struct net_user *user)
{
	if (user->out.poll)
		return -EAGAIN;
	if (loop_watch_add(user->loop, &user->out, passt_fd(user->passt), POLLOUT, writable) < 0)
		return -ENOMEM;
	return -EAGAIN;
}

/* The socket took only a part: the rest of the frame must follow it before anything else. */
static void keep_rest(struct net_user *user, const struct iovec *iov, unsigned count,
		      uint64_t offset, uint64_t total)
{
	user->tx_first = 0;
	user->tx_end = (uint32_t)iov_to_buf(iov, count, offset, user->tx, total - offset);
	if (wait_for_room(user) != -EAGAIN)
		lose(user, "out of memory");
}

static int user_send(void *self, const struct virtio_net_hdr *header, const struct iovec *iov,
		     unsigned count, uint64_t len)
{
	struct net_user *user = self;
	uint32_t length = htonl((uint32_t)len);
	struct iovec all[NET_PORT_IOV_MAX];
	struct msghdr message = { .msg_iov = all, .msg_iovlen = count + 1 };
	ssize_t n;

	(void)header;
	if (user->lost || count >= ARRAY_SIZE(all))
		return 0;
	if (user->tx_first != user->tx_end)
		return -EAGAIN;
	all[0] = (struct iovec){ &length, sizeof(length) };
	memcpy(all + 1, iov, count * sizeof(*iov));
	n = sendmsg(passt_fd(user->passt), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return wait_for_room(user);
	if (n < 0)
		lose(user, strerror(errno));
	else if ((uint64_t)n < LENGTH_SIZE + len)
		keep_rest(user, all, count + 1, (uint64_t)n, LENGTH_SIZE + len);
	return 0;
}

static void user_destroy(void *self)
{
	struct net_user *user = self;

	loop_watch_remove(user->loop, &user->in);
	loop_watch_remove(user->loop, &user->out);
	passt_destroy(user->passt);
	free(user);
}

static const struct net_port_ops user_ops = {
	.send = user_send,
	.receive = user_receive,
	.destroy = user_destroy,
};

int net_user_create(struct loop *loop, const struct net_client *client, struct net_port *ret_port)
{
	struct net_user *user = calloc(1, sizeof(*user));
	struct passt_options options = { .ended = passt_ended, .self = user };
	int r;

	if (!user)
		return -ENOMEM;
	user->client = *client;
	user->loop = loop;
	r = passt_create(loop, &options, &user->passt);
	if (r < 0)
		goto fail;
	*ret_port = (struct net_port){ &user_ops, user };
	return 0;
fail:
	user_destroy(user);
	return r;
}
