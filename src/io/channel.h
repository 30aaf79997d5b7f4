/* SPDX-License-Identifier: Apache-2.0 */
/* A byte stream to a peer, one that carries descriptors where it can. */
#ifndef IO_CHANNEL_H
#define IO_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

/*
 * Calls here block, each with a deadline: for threads of their own, never the loop's. No call
 * raises SIGPIPE. One thread may read from a channel while another writes to it; two readers, or
 * two writers, at the same time may not be. channel_send_fd() counts as writing,
 * channel_receive_fd() and channel_wait_readable() as reading.
 *
 * Where a URI leads:
 *   tcp:HOST:PORT   HOST a name, an IPv4 address or [an IPv6 address]; every address of a name is
 *                   tried in turn. A listener may say port 0, and gets one.
 *   unix:PATH       a socket file. A listener makes it (mode 0600), in the place of one that
 *                   nobody listens to any more, and removes it.
 *   fd:N, fd:R,W    an inherited connected socket, or a descriptor to read from and one to write
 *                   to (pipes, sockets). Once they are found to be that they are the channel's, which
 *                   closes them also when it then fails.
 *   exec:COMMAND    sh -c COMMAND, whose standard input and output are the stream; its standard
 *                   error is ours. It has a process group of its own, so no terminal to ask on.
 * fd: and exec: are one connection: listening there means one channel_accept().
 *
 * TLS (GnuTLS, version 1.3) is for tcp:, and for fd: where it is a TCP socket. Both sides prove
 * themselves by a certificate that the other's ca-cert.pem has signed; who connects also checks
 * that the listener's is for the host in the URI (for fd: the peer's address). When the listener
 * has found everything in order it sends one byte, 0x06, which the connecting side reads before
 * channel_connect() returns: so a refused certificate is told there, and nowhere later.
 */
struct channel;
struct channel_listener;

enum channel_op {
	CHANNEL_CONNECT, /* the connection stands; before TLS begins */
	CHANNEL_ACCEPT,	 /* the same, for the side that listens */
	CHANNEL_READ,	 /* one channel_read() */
	CHANNEL_WRITE,	 /* one channel_write() */
	CHANNEL_FD,	 /* one channel_send_fd() or channel_receive_fd() */
};

enum channel_fault_kind {
	CHANNEL_FAULT_NONE,
	CHANNEL_FAULT_CLOSE, /* the connection is closed, for both sides: -EPIPE */
	CHANNEL_FAULT_STALL, /* nothing moves: -ETIMEDOUT after the deadline; the connection stays
			      */
	CHANNEL_FAULT_SHORT, /* .at bytes pass, then the connection is closed; READ, WRITE */
	CHANNEL_FAULT_FLIP,  /* the byte .at arrives with all its bits turned; READ, WRITE */
};

/* at counts modulo the operation's length. A kind that an operation does not have changes nothing.
 */
struct channel_fault_action {
	enum channel_fault_kind kind; /* CHANNEL_FAULT_NONE when before() is called */
	size_t at;
};

/*
 * For tests: asked before each operation, by the thread that is about to do it (several threads,
 * several channels: before() brings its own lock). It may count, look, fill in the action, return
 * -errno (which the operation then returns, having done nothing), or kill its own process. For
 * CHANNEL_WRITE data and len are the first of the buffers: a message's header. For CHANNEL_READ len
 * is what is asked for, and data is NULL. For the others both are 0.
 */
struct channel_fault {
	int (*before)(void *self, enum channel_op op, const void *data, size_t len,
		      struct channel_fault_action *action);
	void *self;
};

/* Zeroed is a good beginning. Strings and fault are used during the call that is given them; a
 * listener copies the strings; fault must outlive every channel. */
struct channel_options {
	const char *tls;	 /* directory of ca-cert.pem, cert.pem, key.pem; NULL: no TLS */
	bool insecure_plaintext; /* tcp without TLS beyond loopback is allowed */
	unsigned timeout_ms;	 /* how long a step may make no progress; 0: CHANNEL_TIMEOUT_MS */
	const struct channel_fault *fault;
	/* An eventfd, NULL: none. While it is readable, channel_connect() gives up: -ECANCELED. */
	const int *cancel_fd;
};

#define CHANNEL_TIMEOUT_MS 30000
/* The same for who has connected and not yet shown who it is, TLS included: channel_trust(). */
#define CHANNEL_STRANGER_MS 10000

/* Whether the files of channel_options.tls can serve: -ENOENT, -EACCES, -EINVAL with a text. */
int channel_check_keys(const char *directory);

/* Whether uri has one of the forms above; nothing is opened or resolved. -EINVAL with a text. */
int channel_uri_check(const char *uri);
/* The forms, for a help page: lines that end in a newline and begin with two spaces. */
const char *channel_uri_help(void);

/*
 * Connects, TLS included. Resolving a name takes as long as the system's resolver does; each
 * address has the deadline for itself, and so has TLS.
 *
 * -EINVAL: not a URI, or TLS with unix: or exec:. -EPERM: plain TCP beyond loopback without
 * insecure_plaintext. -EACCES: the peer's certificate is none that we accept, or it accepts none of
 * ours; also a key file that everybody may read. -EPROTO: it does not speak TLS, or not 1.3.
 * -ETIMEDOUT; -ECONNREFUSED and what else connect(2) gives. All with a text.
 */
int channel_connect(const char *uri, const struct channel_options *options,
		    struct channel **ret_channel);

/*
 * The same where somebody else has connected: fd, a stream socket that is the channel's from now on,
 * also when this fails, leads to uri (which is no fd:). TLS, if options ask for it, is still to come.
 */
int channel_adopt(const char *uri, int fd, const struct channel_options *options,
		  struct channel **ret_channel);

/* The other end of that: its socket is the caller's, and the channel is no more. Not with TLS or exec:. */
int channel_release(struct channel *channel);

/* Its one socket, which stays the channel's. -EINVAL: it has two descriptors. */
int channel_socket(const struct channel *channel);

/*
 * Listens; exec: starts its command. -EADDRINUSE: somebody listens there. -EEXIST: the path of
 * unix: is something else than a socket. TLS's files are read here, once for all connections.
 * Errors otherwise as for channel_connect().
 */
int channel_listen(const char *uri, const struct channel_options *options,
		   struct channel_listener **ret_listener);

/* The URI with the real port in the place of 0. The listener's. */
const char *channel_listener_uri(const struct channel_listener *listener);

/* unix: the directory that holds its socket, for channel_listener_destroy(); the listener's. Else -1. */
int channel_listener_directory(const struct channel_listener *listener);

/*
 * Waits for the next connection, and brings its TLS about. timeout_ms is for the coming of it; -1:
 * for ever, until channel_listener_stop(). -ETIMEDOUT: nobody came. -ECANCELED: stopped.
 * -EOPNOTSUPP: fd: and exec: have given the one connection they have. Any other error is one
 * connection's (as for channel_connect()): the listener stands, and may accept the next. One thread
 * at a time.
 */
int channel_accept(struct channel_listener *listener, int timeout_ms, struct channel **ret_channel);

/*
 * Who has connected is who it should be: it has all of timeout_ms for each step from here on. Until then
 * others wait behind it, so it has CHANNEL_STRANGER_MS at the most.
 */
void channel_trust(struct channel *channel);

/* channel_accept() returns -ECANCELED, now and from now on. Any thread. */
void channel_listener_stop(struct channel_listener *listener);

/* Its channels live on. NULL is fine. */
void channel_listener_destroy(struct channel_listener *listener);

/*
 * All of it or an error, after which the channel is of no more use for writing.
 * -EPIPE, -ECONNRESET: the peer is gone. -ETIMEDOUT: the peer took nothing for timeout_ms.
 * -ECANCELED: channel_shutdown(). With exec: the text has the command's exit status.
 * Small buffers cost no more than large ones; small calls do.
 */
int channel_write(struct channel *channel, const struct iovec *iov, unsigned count);

/*
 * All of it or an error. -EPIPE: the peer closed; the text says whether before the first byte of
 * this call or in the middle. -EBADMSG: TLS found the stream damaged. Otherwise as for writing.
 */
int channel_read(struct channel *channel, void *buf, size_t len);

/* What there is, at least a byte, within the channel's own time; 0: the peer has closed. */
ssize_t channel_read_some(struct channel *channel, void *buf, size_t len);

/* How long a step of it may make no progress. */
unsigned channel_timeout_ms(const struct channel *channel);

/*
 * 1: there is something to read, or the peer has closed (which the next read tells); 0: not within
 * timeout_ms (-1: for ever). -ECANCELED, or TLS's -EBADMSG, -EPROTO. What TLS holds already counts.
 */
int channel_wait_readable(struct channel *channel, int timeout_ms);

/*
 * A descriptor, with one byte (0xfd) that marks its place in the stream; unix: and fd: of a unix
 * socket have it, elsewhere -EOPNOTSUPP. The sender keeps its own. Receiving: *ret_fd is
 * close-on-exec and the caller's; -EPROTO when the byte or the descriptor is not there.
 */
bool channel_can_send_fd(const struct channel *channel);
int channel_send_fd(struct channel *channel, int fd);
int channel_receive_fd(struct channel *channel, int *ret_fd);

/* How the command of exec: ended, as "; the command ended with status 1"; else, or while it runs, "". */
void channel_command_ended(const struct channel *channel, char *text, size_t size);

/* Whether its URI gives further connections: tcp: and unix: do. */
bool channel_can_repeat(const struct channel *channel);

/* Who blocks in the channel returns with -ECANCELED, and so does every later call. Any thread. */
void channel_shutdown(struct channel *channel);

/*
 * What has been written still reaches the peer. The command of exec: gets an end of file and a
 * second to end, none after channel_shutdown(); then its process group is killed. NULL is fine.
 */
void channel_destroy(struct channel *channel);

/* Bytes of callers, TLS's own not counted; they grow while a call is under way. Any thread. */
uint64_t channel_bytes_written(const struct channel *channel);
uint64_t channel_bytes_read(const struct channel *channel);

/* The peer, for messages: the URI that was connected to; tcp:ADDRESS:PORT of one accepted. */
const char *channel_name(const struct channel *channel);

#endif
