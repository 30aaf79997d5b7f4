/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the channel share. */
#ifndef IO_CHANNEL_IMPL_H
#define IO_CHANNEL_IMPL_H

#include <netdb.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>

#include <ferry/error.h>

#include "io/channel.h"

struct channel_tls_keys;

enum channel_kind {
	CHANNEL_TCP,
	CHANNEL_UNIX,
	CHANNEL_DESCRIPTORS,
	CHANNEL_EXEC
};

struct channel_uri {
	enum channel_kind kind;
	char host[NI_MAXHOST]; /* tcp:, without brackets */
	char port[6];
	const char *rest; /* what follows unix: and exec:; part of the URI */
	int in, out;	  /* fd: */
};

/* One direction. A socket has no O_NONBLOCK, which others who inherited it would share; a pipe has.
 */
struct channel_end {
	int fd;
	bool is_socket;
};

/* in is the reading thread's, out the writing thread's; what both use says so. */
struct channel {
	char *name;
	enum channel_kind kind;
	struct channel_end in, out; /* the same descriptor where it is one socket */
	bool is_tcp;		    /* an internet socket, also of fd: */
	bool is_unix;		    /* passes descriptors */
	unsigned timeout_ms, trusted_timeout_ms;
	int cancel_fd;	  /* eventfd: readable from channel_shutdown() on, and never read */
	int connect_fd;	  /* the caller's: channel_connect() is given up; -1 when it has ended */
	bool is_canceled; /* atomic */
	const struct channel_fault *fault;
	struct channel_child *child; /* exec: */
	struct channel_tls *tls;     /* has a lock of its own */
	uint64_t bytes_written;	     /* atomic */
	uint64_t bytes_read;	     /* atomic */
};

/* channel_uri.c */

/* Also what can only be said of a URI to connect to or to listen on. -EINVAL. */
int channel_uri_parse(const char *uri, bool is_listening, struct channel_uri *ret_uri);

/* channel.c */

/* Without descriptors. -ENOMEM, or eventfd(2)'s. */
int channel_create(const char *name, enum channel_kind kind, const struct channel_options *options,
		   struct channel **ret_channel);
int channel_write_all(struct channel *channel, const struct iovec *iov, unsigned count);
int channel_read_all(struct channel *channel, void *buf, size_t len);

/* The next bytes to write, at most max pieces; advancing passes over what has been written. */
struct iov_cursor {
	const struct iovec *iov;
	unsigned count;
	size_t offset; /* into iov[0] */
};
unsigned iov_cursor_fill(struct iov_cursor *cursor, struct iovec *part, unsigned max);
void iov_cursor_advance(struct iov_cursor *cursor, size_t len);

/* channel_raw.c: the transport below TLS */

uint64_t channel_now_ms(void);
/* 1: fd has events, or an error; 0: the deadline (UINT64_MAX: none) has passed; -ECANCELED. */
int channel_wait(struct channel *channel, int fd, short events, uint64_t deadline);
/* At least a byte within timeout_ms, or -errno with a text. */
ssize_t channel_raw_write(struct channel *channel, const struct iovec *iov, unsigned count);
/* The same; 0: the peer has closed. */
ssize_t channel_raw_read(struct channel *channel, void *buf, size_t len);
/* What is there at once: -EAGAIN, without a text, when that is nothing. */
ssize_t channel_raw_read_now(struct channel *channel, void *buf, size_t len);
/* Ends both directions of the connection, whoever uses them. */
void channel_raw_cut(struct channel *channel);

/* Texts for what every operation may meet. They return err. */
int channel_gone(struct channel *channel, int err, const char *doing);
int channel_stalled(struct channel *channel, const char *doing);
int channel_canceled(struct channel *channel);

/* channel_net.c */

/* -EPERM where plain TCP would leave this machine. */
int channel_check_plaintext(const char *name, const struct sockaddr *address,
			    const struct channel_options *options);
void channel_tune_tcp(int fd);
void channel_tune_unix(int fd);
/* "tcp:ADDRESS:PORT". */
int channel_address_name(const struct sockaddr_storage *address, char *name, size_t size);
/* The peer's address as text: fd: has no other name for the certificate. */
int channel_peer_host(int fd, char *host, size_t size);
struct sockaddr_un channel_unix_address(const char *path);
int channel_connect_tcp(const char *name, const struct channel_uri *uri,
			const struct channel_options *options, struct channel **ret_channel);
int channel_connect_unix(const char *name, const struct channel_uri *uri,
			 const struct channel_options *options, struct channel **ret_channel);

/* channel_open.c: fd: and exec:, and what all have in common */

int channel_open_descriptors(const char *name, const struct channel_uri *uri,
			     const struct channel_options *options, struct channel **ret_channel);
int channel_open_exec(const char *name, const struct channel_uri *uri,
		      const struct channel_options *options, struct channel **ret_channel);
/* -EINVAL where TLS is asked of what cannot have it. */
int channel_check_tls(const char *name, enum channel_kind kind,
		      const struct channel_options *options);
/*
 * What follows when the transport stands: the fault point, then TLS if options say so, with keys (NULL:
 * those that options name). host is the name that the listener's certificate must have; NULL on the
 * listener's side.
 */
int channel_greet(struct channel *channel, const struct channel_options *options,
		  struct channel_tls_keys *keys, const char *host);

/* channel_child.c */

/* sh -c command with socket_fd, which stays the caller's, as standard input and output. */
int channel_child_create(const char *command, int socket_fd, struct channel_child **ret_child);
/* How it ended, as "; the command ended with status 1"; waits a second for that. Else empty. */
void channel_child_tell(const struct channel_child *child, char *text, size_t size);
/* grace_ms for an end of its own. NULL is fine. */
void channel_child_destroy(struct channel_child *child, int grace_ms);

/* channel_fault.c */

/* Asks the fault point; CLOSE and STALL have happened when it returns, with the error in question.
 */
int channel_fault_before(struct channel *channel, enum channel_op op, const void *data, size_t len,
			 struct channel_fault_action *ret_action);
int channel_fault_write(struct channel *channel, const struct iovec *iov, unsigned count);
int channel_fault_read(struct channel *channel, void *buf, size_t len);

/* channel_tls.c */

/* GnuTLS, and what a directory's three files have, for any number of channels. */
int channel_tls_keys_load(const char *directory, struct channel_tls_keys **ret_keys);
/* When the last channel that uses them has gone too, they go. NULL is fine. */
void channel_tls_keys_put(struct channel_tls_keys *keys);
/* Shakes hands. The side that connects gives a host. Errors of channel_connect(). */
int channel_tls_start(struct channel *channel, struct channel_tls_keys *keys, const char *host);
int channel_tls_write(struct channel *channel, const struct iovec *iov, unsigned count);
/* At least a byte; 0: the peer has closed. */
ssize_t channel_tls_read(struct channel *channel, void *buf, size_t len);
int channel_tls_wait_readable(struct channel *channel, uint64_t deadline);
/* Says goodbye where that does not block. NULL is fine. */
void channel_tls_destroy(struct channel *channel);

#endif
