/* SPDX-License-Identifier: Apache-2.0 */
/* Brings a channel about: by connecting, from inherited descriptors, from a command. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/util.h"
#include "io/channel_impl.h"

#define LOCAL_BUFFER ((int)MIB)

int channel_check_tls(const char *name, enum channel_kind kind,
		      const struct channel_options *options)
{
	if (!options->tls || kind == CHANNEL_TCP || kind == CHANNEL_DESCRIPTORS)
		return 0;
	return because(-EINVAL, "%s: TLS is for TCP", name);
}

static int start_tls(struct channel *channel, const struct channel_options *options,
		     struct channel_tls_keys *keys, const char *host)
{
	int r;

	if (keys)
		return channel_tls_start(channel, keys, host);
	r = channel_tls_keys_load(options->tls, &keys);
	if (r < 0)
		return r;
	r = channel_tls_start(channel, keys, host);
	channel_tls_keys_put(keys);
	return r;
}

int channel_greet(struct channel *channel, const struct channel_options *options,
		  struct channel_tls_keys *keys, const char *host)
{
	struct channel_fault_action action = { 0 };
	int r = channel_fault_before(channel, host ? CHANNEL_CONNECT : CHANNEL_ACCEPT, NULL, 0,
				     &action);

	if (r >= 0 && options->tls)
		r = start_tls(channel, options, keys, host);
	/* From here on channel_shutdown() ends it. */
	channel->connect_fd = -1;
	return r;
}

/* A socket of the internet or of this host. Datagrams and what is not connected are none. */
static int adopt_socket(struct channel *channel, int fd, const struct channel_options *options)
{
	struct sockaddr_storage peer = { 0 };
	socklen_t len = sizeof(peer), type_len = sizeof(int);
	int type = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_len) < 0 || type != SOCK_STREAM ||
	    getpeername(fd, (struct sockaddr *)&peer, &len) < 0)
		return because(-EINVAL, "%s: %d is not a connected stream socket", channel->name,
			       fd);
	channel->is_unix = peer.ss_family == AF_UNIX;
	channel->is_tcp = peer.ss_family == AF_INET || peer.ss_family == AF_INET6;
	if (channel->is_unix)
		channel_tune_unix(fd);
	if (!channel->is_tcp)
		return 0;
	channel_tune_tcp(fd);
	return channel_check_plaintext(channel->name, (struct sockaddr *)&peer, options);
}

static int adopt_pipe(struct channel *channel, int fd, int flags, int forbidden_mode)
{
	if ((flags & O_ACCMODE) == forbidden_mode)
		return because(-EINVAL, "%s: %d is the wrong end of a pipe", channel->name, fd);
	fcntl(fd, F_SETPIPE_SZ, LOCAL_BUFFER);
	return fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ? -errno : 0;
}

/* Closes nothing: the descriptor is the channel's when all is in order. */
static int adopt(struct channel *channel, int fd, int forbidden_mode,
		 const struct channel_options *options, struct channel_end *ret_end)
{
	int flags = fcntl(fd, F_GETFL), r;
	struct stat info;

	if (flags < 0 || fstat(fd, &info) < 0)
		return because(-errno, "%s: descriptor %d: %s", channel->name, fd, strerror(errno));
	if (S_ISSOCK(info.st_mode))
		r = adopt_socket(channel, fd, options);
	else if (S_ISFIFO(info.st_mode))
		r = adopt_pipe(channel, fd, flags, forbidden_mode);
	else
		r = because(-EINVAL, "%s: %d is neither a socket nor a pipe", channel->name, fd);
	if (r < 0)
		return r;
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	*ret_end = (struct channel_end){ .fd = fd, .is_socket = S_ISSOCK(info.st_mode) };
	return 0;
}

static int adopt_both(struct channel *channel, const struct channel_uri *uri,
		      const struct channel_options *options)
{
	struct channel_end in = { 0 }, out = { 0 };
	int r = adopt(channel, uri->in, O_WRONLY, options, &in);

	if (r < 0)
		return r;
	if (uri->in != uri->out) {
		r = adopt(channel, uri->out, O_RDONLY, options, &out);
		channel->is_unix = false;
	} else if (in.is_socket) {
		out = in;
	} else {
		r = because(-EINVAL, "%s: a pipe has one direction: fd:R,W", channel->name);
	}
	if (r < 0)
		return r;
	if (options->tls && (!channel->is_tcp || uri->in != uri->out))
		return because(-EINVAL, "%s: TLS is for one TCP socket", channel->name);
	channel->in = in;
	channel->out = out;
	return 0;
}

int channel_open_descriptors(const char *name, const struct channel_uri *uri,
			     const struct channel_options *options, struct channel **ret_channel)
{
	struct channel *channel;
	int r = channel_create(name, CHANNEL_DESCRIPTORS, options, &channel);

	if (r < 0)
		return r;
	r = adopt_both(channel, uri, options);
	if (r < 0) {
		channel_destroy(channel);
		return r;
	}
	*ret_channel = channel;
	return 0;
}

/* What leads to a unix socket passes descriptors; a socket that only carries another's bytes does not. */
static int adopt_one(struct channel *channel, int fd, enum channel_kind kind,
		     const struct channel_options *options)
{
	struct channel_end end;
	struct stat info;
	int r = 0;

	if (fstat(fd, &info) < 0 || !S_ISSOCK(info.st_mode))
		r = because(-EINVAL, "%s: what leads there is no socket", channel->name);
	if (r == 0)
		r = adopt(channel, fd, O_WRONLY, options, &end);
	if (r < 0)
		return r;
	channel->in = channel->out = end;
	channel->is_unix = channel->is_unix && kind == CHANNEL_UNIX;
	return 0;
}

int channel_adopt(const char *uri, int fd, const struct channel_options *options,
		  struct channel **ret_channel)
{
	struct channel *channel = NULL;
	struct channel_uri to = { 0 };
	AUTO_CLOSE int taken = fd;
	int r = channel_uri_parse(uri, false, &to);

	if (r == 0 && to.kind == CHANNEL_DESCRIPTORS)
		r = because(-EINVAL, "%s: a descriptor does not lead to another", uri);
	if (r == 0)
		r = channel_check_tls(uri, to.kind, options);
	if (r == 0)
		r = channel_create(uri, to.kind, options, &channel);
	if (r == 0)
		r = adopt_one(channel, fd, to.kind, options);
	if (r == 0) {
		fd_take(&taken);
		r = channel_greet(channel, options, NULL, to.host);
	}
	if (r < 0) {
		channel_destroy(channel);
		return r;
	}
	*ret_channel = channel;
	return 0;
}

int channel_open_exec(const char *name, const struct channel_uri *uri,
		      const struct channel_options *options, struct channel **ret_channel)
{
	AUTO_CLOSE int theirs = -1;
	struct channel *channel;
	int sockets[2];
	int r = channel_create(name, CHANNEL_EXEC, options, &channel);

	if (r < 0)
		return r;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) < 0) {
		r = -errno;
		goto fail;
	}
	channel->in = channel->out = (struct channel_end){ .fd = sockets[0], .is_socket = true };
	theirs = sockets[1];
	channel_tune_unix(sockets[0]);
	channel_tune_unix(theirs);
	r = channel_child_create(uri->rest, theirs, &channel->child);
	if (r < 0)
		goto fail;
	*ret_channel = channel;
	return 0;
fail:
	channel_destroy(channel);
	return r;
}

static int open_uri(const char *name, const struct channel_uri *uri,
		    const struct channel_options *options, struct channel **ret_channel)
{
	int r = channel_check_tls(name, uri->kind, options);

	if (r < 0)
		return r;
	switch (uri->kind) {
	case CHANNEL_TCP:
		return channel_connect_tcp(name, uri, options, ret_channel);
	case CHANNEL_UNIX:
		return channel_connect_unix(name, uri, options, ret_channel);
	case CHANNEL_DESCRIPTORS:
		return channel_open_descriptors(name, uri, options, ret_channel);
	case CHANNEL_EXEC:
		return channel_open_exec(name, uri, options, ret_channel);
	}
	return -EINVAL;
}

int channel_connect(const char *uri, const struct channel_options *options,
		    struct channel **ret_channel)
{
	struct channel *channel = NULL;
	struct channel_uri to = { 0 };
	int r = channel_uri_parse(uri, false, &to);

	if (r < 0)
		return r;
	r = open_uri(uri, &to, options, &channel);
	if (!channel)
		return r;
	if (options->tls && to.kind == CHANNEL_DESCRIPTORS)
		r = channel_peer_host(channel->out.fd, to.host, sizeof(to.host));
	if (r == 0)
		r = channel_greet(channel, options, NULL, to.host);
	if (r < 0) {
		channel_destroy(channel);
		return r;
	}
	*ret_channel = channel;
	return 0;
}
