/* SPDX-License-Identifier: Apache-2.0 */
/* A channel's sockets: how they are set, how a peer is reached, where plain text may go. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "io/channel_impl.h"

/* What a peer that has vanished is allowed: tcp(7). Its own limits keep a socket's larger. */
#define KEEPALIVE_IDLE_S     15
#define KEEPALIVE_INTERVAL_S 5
#define LOCAL_BUFFER	     ((int)MIB)

static bool is_loopback(const struct sockaddr *address)
{
	const struct sockaddr_in *in = (const void *)address;
	const struct sockaddr_in6 *in6 = (const void *)address;

	if (address->sa_family == AF_INET)
		return ntohl(in->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
	if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr))
		return in6->sin6_addr.s6_addr[12] == IN_LOOPBACKNET;
	return IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr);
}

int channel_check_plaintext(const char *name, const struct sockaddr *address,
			    const struct channel_options *options)
{
	if (options->tls || options->insecure_plaintext || is_loopback(address))
		return 0;
	return because(-EPERM,
		       "%s: a guest's memory does not leave this host unencrypted: use --tls DIR "
		       "(or --insecure-plaintext, where nobody else is on the network)",
		       name);
}

/*
 * A peer that takes nothing, or answers nothing, is what our own deadlines catch. TCP_USER_TIMEOUT
 * would catch one that is only slow, too: a window that opens less far than the next segment is
 * long counts for nothing there.
 */
void channel_tune_tcp(int fd)
{
	int idle = KEEPALIVE_IDLE_S, interval = KEEPALIVE_INTERVAL_S, on = 1;

	/* Linux's own sizes of TCP's buffers grow with the link; setting them would stop that. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof(interval));
}

/* Whatever of it net.core.wmem_max grants. */
void channel_tune_unix(int fd)
{
	int size = LOCAL_BUFFER;

	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
}

/* As getnameinfo(3), which opens a socket of its own to find the name of an IPv6 scope. */
static int numeric_host(const struct sockaddr_storage *address, char *host, size_t size)
{
	const struct sockaddr_in6 *in6 = (const void *)address;
	const struct sockaddr_in *in = (const void *)address;
	bool is_in6 = address->ss_family == AF_INET6;
	size_t len;

	if (!is_in6 && address->ss_family != AF_INET)
		return because(-EAFNOSUPPORT, "not an address of the internet");
	if (!inet_ntop(address->ss_family,
		       is_in6 ? (const void *)&in6->sin6_addr : (const void *)&in->sin_addr, host,
		       (socklen_t)size))
		return -errno;
	len = strlen(host);
	if (is_in6 && in6->sin6_scope_id)
		snprintf(host + len, size - len, "%%%u", in6->sin6_scope_id);
	return 0;
}

int channel_address_name(const struct sockaddr_storage *address, char *name, size_t size)
{
	/* sin6_port is where sin_port is. */
	unsigned port = ntohs(((const struct sockaddr_in *)(const void *)address)->sin_port);
	char host[INET6_ADDRSTRLEN + 16];
	int r = numeric_host(address, host, sizeof(host));

	if (r == 0)
		snprintf(name, size, strchr(host, ':') ? "tcp:[%s]:%u" : "tcp:%s:%u", host, port);
	return r;
}

int channel_peer_host(int fd, char *host, size_t size)
{
	struct sockaddr_storage address = { 0 };
	socklen_t len = sizeof(address);

	if (getpeername(fd, (struct sockaddr *)&address, &len) < 0)
		return -errno;
	return numeric_host(&address, host, size);
}

/* connect(2) with the channel's deadline; fd is the channel's already. */
static int connect_fd(struct channel *channel, const struct sockaddr *address, socklen_t len)
{
	int fd = channel->out.fd, err = 0, r;
	socklen_t err_len = sizeof(err);

	if (connect(fd, address, len) == 0)
		return 0;
	if (errno != EINPROGRESS && errno != EINTR)
		return -errno;
	r = channel_wait(channel, fd, POLLOUT, channel_now_ms() + channel->timeout_ms);
	if (r <= 0)
		return r < 0 ? r : -ETIMEDOUT;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &err_len) < 0)
		return -errno;
	return -err;
}

static int open_socket(struct channel *channel, int family)
{
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	channel->in = channel->out = (struct channel_end){ .fd = fd, .is_socket = true };
	return 0;
}

static int connect_address(const char *name, const struct addrinfo *at,
			   const struct channel_options *options, struct channel **ret_channel)
{
	struct channel *channel;
	int r = channel_check_plaintext(name, at->ai_addr, options);

	if (r < 0)
		return r;
	r = channel_create(name, CHANNEL_TCP, options, &channel);
	if (r < 0)
		return r;
	channel->is_tcp = true;
	r = open_socket(channel, at->ai_family);
	if (r == 0) {
		channel_tune_tcp(channel->out.fd);
		r = connect_fd(channel, at->ai_addr, at->ai_addrlen);
	}
	if (r < 0) {
		channel_destroy(channel);
		return because(r, "%s: cannot connect: %s", name, strerror(-r));
	}
	*ret_channel = channel;
	return 0;
}

int channel_connect_tcp(const char *name, const struct channel_uri *uri,
			const struct channel_options *options, struct channel **ret_channel)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV };
	struct addrinfo *list = NULL;
	int err = getaddrinfo(uri->host, uri->port, &hints, &list);
	int r = -ENOENT;

	if (err)
		return because(-ENOENT, "%s: cannot resolve %s: %s", name, uri->host,
			       gai_strerror(err));
	for (struct addrinfo *at = list; at; at = at->ai_next) {
		r = connect_address(name, at, options, ret_channel);
		if (r == 0)
			break;
	}
	freeaddrinfo(list);
	return r;
}

struct sockaddr_un channel_unix_address(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	memcpy(address.sun_path, path, strlen(path)); /* fits, says channel_uri_parse() */
	return address;
}

int channel_connect_unix(const char *name, const struct channel_uri *uri,
			 const struct channel_options *options, struct channel **ret_channel)
{
	struct sockaddr_un address = channel_unix_address(uri->rest);
	struct channel *channel;
	int r = channel_create(name, CHANNEL_UNIX, options, &channel);

	if (r < 0)
		return r;
	channel->is_unix = true;
	r = open_socket(channel, AF_UNIX);
	if (r == 0) {
		channel_tune_unix(channel->out.fd);
		r = connect_fd(channel, (struct sockaddr *)&address, sizeof(address));
	}
	if (r < 0) {
		channel_destroy(channel);
		return because(r, "%s: cannot connect: %s", name,
			       r == -EAGAIN ? "too many wait already" : strerror(-r));
	}
	*ret_channel = channel;
	return 0;
}
