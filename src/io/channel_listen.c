/* SPDX-License-Identifier: Apache-2.0 */
/* Listening for channels. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "io/channel_impl.h"
#include "io/channel_tls.h"

struct channel_listener {
	char *uri;
	enum channel_kind kind;
	struct channel_options options;
	char *tls;	       /* options.tls's copy */
	struct channel_tls_keys *keys; /* NULL: no TLS */
	int fd;		       /* tcp:, unix: */
	struct channel *ready; /* fd:, exec:, until it is accepted */
	int directory;	       /* unix: what its socket is in; else -1 */
	char *path;	       /* unix: what destroy removes there, if it is still this inode */
	dev_t dev;
	ino_t ino;
	int stop_fd; /* eventfd: readable from stop on */
	pthread_mutex_t lock;
	bool is_stopped;	  /* lock */
	struct channel *greeting; /* lock; the one whose TLS is under way */
};

static int bind_tcp(struct channel_listener *listener, const struct addrinfo *at)
{
	int r = channel_check_plaintext(listener->uri, at->ai_addr, &listener->options);
	AUTO_CLOSE int fd = -1;
	int on = 1;

	if (r < 0)
		return r;
	fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return because(-errno, "%s: socket: %s", listener->uri, strerror(errno));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, at->ai_addr, at->ai_addrlen) < 0 || listen(fd, SOMAXCONN) < 0)
		return because(-errno, "%s: cannot listen: %s", listener->uri, strerror(errno));
	listener->fd = fd_take(&fd);
	return 0;
}

/* The host as it was said, for it is what a certificate is for; the port as the kernel chose it. */
static int name_port(struct channel_listener *listener, const struct channel_uri *uri)
{
	struct sockaddr_in6 address = { 0 }; /* sin_port is at the same place in sockaddr_in */
	socklen_t len = sizeof(address);
	char *name = NULL;

	if (getsockname(listener->fd, (struct sockaddr *)&address, &len) < 0)
		return -errno;
	if (asprintf(&name, strchr(uri->host, ':') ? "tcp:[%s]:%u" : "tcp:%s:%u", uri->host,
		     ntohs(address.sin6_port)) < 0)
		return -ENOMEM;
	free(listener->uri);
	listener->uri = name;
	return 0;
}

static int listen_tcp(struct channel_listener *listener, const struct channel_uri *uri)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
				  .ai_flags = AI_PASSIVE | AI_NUMERICSERV };
	struct addrinfo *list = NULL;
	int err = getaddrinfo(uri->host, uri->port, &hints, &list);
	int r = -ENOENT;

	if (err)
		return because(-ENOENT, "%s: cannot resolve %s: %s", listener->uri, uri->host,
			       gai_strerror(err));
	for (struct addrinfo *at = list; at; at = at->ai_next) {
		r = bind_tcp(listener, at);
		if (r == 0)
			break;
	}
	freeaddrinfo(list);
	return r < 0 ? r : name_port(listener, uri);
}

/* Whether nobody listens to the socket file any more. */
static bool is_dead(const struct sockaddr_un *address)
{
	AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	return fd >= 0 && connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 &&
	       errno == ECONNREFUSED;
}

static int remove_dead(const struct channel_listener *listener, const struct sockaddr_un *address)
{
	struct stat info;

	if (lstat(address->sun_path, &info) < 0)
		return 0;
	if (!S_ISSOCK(info.st_mode))
		return because(-EEXIST, "%s: there is a file that is not a socket", listener->uri);
	if (!is_dead(address))
		return because(-EADDRINUSE, "%s: somebody listens there already", listener->uri);
	return unlink(address->sun_path) < 0 ? -errno : 0;
}

/* Whoever removes it may have no path to it any more. */
static int keep_place(struct channel_listener *listener, const char *path)
{
	const char *slash = strrchr(path, '/');
	AUTO_FREE char *directory = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");

	listener->path = strdup(slash ? slash + 1 : path);
	if (!directory || !listener->path)
		return -ENOMEM;
	listener->directory = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (listener->directory < 0)
		return because(-errno, "%s: %s", directory, strerror(errno));
	return 0;
}

/* The mode of the socket is that of its file, from its first moment on. */
static int listen_unix(struct channel_listener *listener, const struct channel_uri *uri)
{
	struct sockaddr_un address = channel_unix_address(uri->rest);
	struct stat info;
	int r = remove_dead(listener, &address);

	if (r < 0)
		return r;
	listener->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (listener->fd < 0)
		return -errno;
	if (fchmod(listener->fd, 0600) < 0 ||
	    bind(listener->fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(listener->fd, SOMAXCONN) < 0 || lstat(address.sun_path, &info) < 0)
		return because(-errno, "%s: cannot listen: %s", listener->uri, strerror(errno));
	listener->dev = info.st_dev;
	listener->ino = info.st_ino;
	return keep_place(listener, uri->rest);
}

static int open_listener(struct channel_listener *listener, const struct channel_uri *uri)
{
	int r = channel_check_tls(listener->uri, uri->kind, &listener->options);

	if (r == 0 && listener->tls)
		r = channel_tls_keys_load(listener->tls, &listener->keys);
	if (r < 0)
		return r;
	switch (uri->kind) {
	case CHANNEL_TCP:
		return listen_tcp(listener, uri);
	case CHANNEL_UNIX:
		return listen_unix(listener, uri);
	case CHANNEL_DESCRIPTORS:
		return channel_open_descriptors(listener->uri, uri, &listener->options,
						&listener->ready);
	case CHANNEL_EXEC:
		return channel_open_exec(listener->uri, uri, &listener->options, &listener->ready);
	}
	return -EINVAL;
}

int channel_listen(const char *uri, const struct channel_options *options,
		   struct channel_listener **ret_listener)
{
	struct channel_listener *listener;
	struct channel_uri to;
	int r = channel_uri_parse(uri, true, &to);

	if (r < 0)
		return r;
	listener = calloc(1, sizeof(*listener));
	if (!listener)
		return -ENOMEM;
	pthread_mutex_init(&listener->lock, NULL);
	listener->kind = to.kind;
	listener->fd = listener->directory = -1;
	listener->options = *options;
	listener->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	listener->uri = strdup(uri);
	listener->options.tls = listener->tls = options->tls ? strdup(options->tls) : NULL;
	if (listener->stop_fd < 0)
		r = -errno;
	else if (!listener->uri || (options->tls && !listener->tls))
		r = -ENOMEM;
	else
		r = open_listener(listener, &to);
	if (r < 0) {
		channel_listener_destroy(listener);
		return r;
	}
	*ret_listener = listener;
	return 0;
}

const char *channel_listener_uri(const struct channel_listener *listener)
{
	return listener->uri;
}

int channel_listener_directory(const struct channel_listener *listener)
{
	return listener->directory;
}

void channel_listener_stop(struct channel_listener *listener)
{
	pthread_mutex_lock(&listener->lock);
	listener->is_stopped = true;
	eventfd_write(listener->stop_fd, 1);
	if (listener->greeting)
		channel_shutdown(listener->greeting);
	pthread_mutex_unlock(&listener->lock);
}

static void remove_own(const struct channel_listener *listener)
{
	struct stat info;

	if (fstatat(listener->directory, listener->path, &info, AT_SYMLINK_NOFOLLOW) == 0 &&
	    info.st_dev == listener->dev && info.st_ino == listener->ino)
		unlinkat(listener->directory, listener->path, 0);
}

void channel_listener_destroy(struct channel_listener *listener)
{
	if (!listener)
		return;
	if (listener->directory >= 0) {
		remove_own(listener);
		close(listener->directory);
	}
	if (listener->fd >= 0)
		close(listener->fd);
	channel_destroy(listener->ready);
	if (listener->stop_fd >= 0)
		close(listener->stop_fd);
	pthread_mutex_destroy(&listener->lock);
	channel_tls_keys_put(listener->keys);
	free(listener->path);
	free(listener->tls);
	free(listener->uri);
	free(listener);
}

static int canceled(const struct channel_listener *listener)
{
	return because(-ECANCELED, "%s: listening was stopped", listener->uri);
}

/* 1: somebody is there. */
static int wait_for_peer(struct channel_listener *listener, uint64_t deadline)
{
	struct pollfd fds[2] = {
		{ .fd = listener->fd, .events = POLLIN },
		{ .fd = listener->stop_fd, .events = POLLIN },
	};
	uint64_t now = channel_now_ms();
	int timeout = -1;

	if (deadline != UINT64_MAX)
		timeout = deadline > now ? (int)(deadline - now) : 0;
	if (poll(fds, 2, timeout) < 0 && errno != EINTR)
		return because(-errno, "poll: %s", strerror(errno));
	if (fds[1].revents)
		return canceled(listener);
	if (fds[0].revents)
		return 1;
	if (timeout == 0)
		return because(-ETIMEDOUT, "%s: nobody has connected", listener->uri);
	return 0;
}

/* accept(2) also reports errors of a connection that has gone meanwhile: these are nobody's. */
static bool is_nobody(int err)
{
	static const int errors[] = {
		EAGAIN,	  EINTR,     ECONNABORTED, EPROTO,	 ENOPROTOOPT,
		ENETDOWN, EHOSTDOWN, ENONET,	   EHOSTUNREACH, ENETUNREACH
	};

	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		if (err == errors[i])
			return true;
	return false;
}

static int accept_fd(struct channel_listener *listener, uint64_t deadline,
		     struct sockaddr_storage *ret_address, socklen_t *ret_len)
{
	for (;;) {
		int r = wait_for_peer(listener, deadline), fd;

		if (r < 0)
			return r;
		if (r == 0)
			continue;
		*ret_len = sizeof(*ret_address);
		fd = accept4(listener->fd, (struct sockaddr *)ret_address, ret_len,
			     SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd >= 0)
			return fd;
		if (!is_nobody(errno))
			return because(-errno, "%s: accept: %s", listener->uri, strerror(errno));
	}
}

static int accept_socket(struct channel_listener *listener, uint64_t deadline,
			 struct channel **ret_channel)
{
	char name[128];
	struct sockaddr_storage address;
	AUTO_CLOSE int fd = -1;
	struct channel *channel;
	socklen_t len;
	int r;

	fd = accept_fd(listener, deadline, &address, &len);
	if (fd < 0)
		return fd;
	if (listener->kind == CHANNEL_TCP) {
		r = channel_address_name(&address, name, sizeof(name));
		if (r < 0)
			return r;
	}
	r = channel_create(listener->kind == CHANNEL_TCP ? name : listener->uri, listener->kind,
			   &listener->options, &channel);
	if (r < 0)
		return r;
	channel->in = channel->out = (struct channel_end){ .fd = fd_take(&fd), .is_socket = true };
	if (channel->timeout_ms > CHANNEL_STRANGER_MS)
		channel->timeout_ms = CHANNEL_STRANGER_MS;
	channel->is_tcp = listener->kind == CHANNEL_TCP;
	channel->is_unix = !channel->is_tcp;
	if (channel->is_tcp)
		channel_tune_tcp(channel->in.fd);
	else
		channel_tune_unix(channel->in.fd);
	*ret_channel = channel;
	return 0;
}

/* The only one there is. */
static int take_ready(struct channel_listener *listener, struct channel **ret_channel)
{
	if (!listener->ready)
		return because(-EOPNOTSUPP, "%s: it is one connection, and that has been taken",
			       listener->uri);
	*ret_channel = listener->ready;
	listener->ready = NULL;
	return 0;
}

static int set_greeting(struct channel_listener *listener, struct channel *channel)
{
	bool is_stopped;

	pthread_mutex_lock(&listener->lock);
	is_stopped = listener->is_stopped;
	listener->greeting = channel;
	pthread_mutex_unlock(&listener->lock);
	return is_stopped ? canceled(listener) : 0;
}

int channel_accept(struct channel_listener *listener, int timeout_ms, struct channel **ret_channel)
{
	uint64_t deadline = timeout_ms < 0 ? UINT64_MAX : channel_now_ms() + (unsigned)timeout_ms;
	struct channel *channel = NULL;
	int r, stopped;

	r = listener->fd >= 0 ? accept_socket(listener, deadline, &channel)
			      : take_ready(listener, &channel);
	if (r < 0)
		return r;
	r = set_greeting(listener, channel);
	if (r == 0)
		r = channel_greet(channel, &listener->options, listener->keys, NULL);
	stopped = set_greeting(listener, NULL);
	if (r == 0)
		r = stopped;
	if (r < 0) {
		channel_destroy(channel);
		return r;
	}
	*ret_channel = channel;
	return 0;
}
