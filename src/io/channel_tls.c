/* SPDX-License-Identifier: Apache-2.0 */
/* TLS over a channel's transport. */
#include "io/channel_tls.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "io/channel_impl.h"

/*
 * GnuTLS lets one thread send and another receive in the same session, but not while it changes
 * keys; with AES it does so by itself every 2^24 records (RFC 8446 5.5), and whenever the peer
 * asks. So every call of it is made under a lock, and none of them waits or touches a socket: what
 * it writes goes to .out, what it reads comes from .in, and the two threads fill and empty these
 * without the lock.
 *
 * RFC 8446 5.1, 5.2: 16 KiB in a record; what encryption adds is at most 256 bytes and the header.
 */
#define RECORD	   16384
#define RECORD_MAX (RECORD + 256 + 5)
#define BUFFER	   (8 * RECORD_MAX)
#define ACCEPTED   0x06

#define PRIORITIES                                                                \
	"SECURE128:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+AES-128-GCM:+AES-256-GCM:" \
	"+CHACHA20-POLY1305"

struct channel_tls {
	struct tls_library lib;
	gnutls_session_t session; /* lock, once the handshake is over */
	struct channel_tls_keys *keys;
	gnutls_typed_vdata_st wanted[2];
	pthread_mutex_t lock;
	bool is_up;

	/* The reading thread's. */
	gnutls_packet_t packet;
	gnutls_datum_t plain; /* what of the packet is unread */
	size_t in_at, in_len;
	bool in_ended;
	int first; /* the first byte that the peer sent; -1: none yet */

	/* The writing thread's; but GnuTLS may also append an alert for the reading one. */
	size_t out_at;
	size_t out_len; /* lock */
	size_t staged;
	unsigned char in[BUFFER], out[BUFFER], stage[RECORD];
};

static ssize_t push(gnutls_transport_ptr_t self, const void *data, size_t len)
{
	struct channel_tls *tls = self;

	len = min_u64(len, sizeof(tls->out) - tls->out_len);
	if (!len) {
		tls->lib.transport_set_errno(tls->session, EAGAIN);
		return -1;
	}
	memcpy(tls->out + tls->out_len, data, len);
	tls->out_len += len;
	return (ssize_t)len;
}

static ssize_t pull(gnutls_transport_ptr_t self, void *data, size_t len)
{
	struct channel_tls *tls = self;

	len = min_u64(len, tls->in_len - tls->in_at);
	if (!len && !tls->in_ended) {
		tls->lib.transport_set_errno(tls->session, EAGAIN);
		return -1;
	}
	memcpy(data, tls->in + tls->in_at, len);
	tls->in_at += len;
	return (ssize_t)len;
}

static int pull_timeout(gnutls_transport_ptr_t self, unsigned timeout_ms)
{
	struct channel_tls *tls = self;

	(void)timeout_ms;
	return tls->in_ended || tls->in_at < tls->in_len;
}

/* The bytes that were read into .in, when all before them have been taken. */
static int received(struct channel *channel, ssize_t n)
{
	struct channel_tls *tls = channel->tls;

	if (n == -ECONNRESET || n == -EPIPE)
		n = 0;
	if (n < 0)
		return (int)n;
	tls->in_at = 0;
	tls->in_len = (size_t)n;
	tls->in_ended = n == 0;
	if (n && tls->first < 0)
		tls->first = tls->in[0];
	return 0;
}

static int fill(struct channel *channel)
{
	struct channel_tls *tls = channel->tls;

	return received(channel, channel_raw_read(channel, tls->in, sizeof(tls->in)));
}

static int flush(struct channel *channel)
{
	struct channel_tls *tls = channel->tls;

	for (;;) {
		struct iovec part;
		ssize_t n;

		pthread_mutex_lock(&tls->lock);
		part = (struct iovec){ tls->out + tls->out_at, tls->out_len - tls->out_at };
		if (!part.iov_len)
			tls->out_at = tls->out_len = 0;
		pthread_mutex_unlock(&tls->lock);
		if (!part.iov_len)
			return 0;
		n = channel_raw_write(channel, &part, 1);
		if (n < 0)
			return (int)n;
		tls->out_at += (size_t)n;
	}
}

static bool is_again(int err)
{
	return err == GNUTLS_E_AGAIN || err == GNUTLS_E_INTERRUPTED ||
	       err == GNUTLS_E_WARNING_ALERT_RECEIVED;
}

/* err is GnuTLS's. */
static int explain(struct channel *channel, int err, const char *host)
{
	struct channel_tls *tls = channel->tls;

	if (err == GNUTLS_E_CERTIFICATE_VERIFICATION_ERROR)
		return channel_tls_refused(&tls->lib, tls->session, channel->name, host);
	if (err == GNUTLS_E_FATAL_ALERT_RECEIVED)
		return channel_tls_alerted(&tls->lib, tls->session, channel->name);
	if (err == GNUTLS_E_NO_CERTIFICATE_FOUND || err == GNUTLS_E_CERTIFICATE_REQUIRED)
		return because(-EACCES, "%s: TLS: the peer gave no certificate", channel->name);
	/* RFC 8446 5.1: alert or handshake. */
	if (tls->first >= 0 && tls->first != 21 && tls->first != 22)
		return because(-EPROTO, "%s: the peer does not speak TLS", channel->name);
	if (tls->in_ended)
		return because(-EPIPE,
			       "%s: the peer closed the connection instead of agreeing on "
			       "TLS; does it use TLS?",
			       channel->name);
	return because(-EPROTO, "%s: TLS 1.3: %s", channel->name, tls->lib.strerror(err));
}

static void tell_peer(struct channel *channel, int err)
{
	struct channel_tls *tls = channel->tls;
	char text[ERROR_TEXT_MAX];

	if (err == GNUTLS_E_FATAL_ALERT_RECEIVED || tls->in_ended)
		return;
	if (err == GNUTLS_E_CERTIFICATE_VERIFICATION_ERROR)
		tls->lib.alert_send(tls->session, GNUTLS_AL_FATAL,
				    channel_tls_refusal(&tls->lib, tls->session));
	else
		tls->lib.alert_send_appropriate(tls->session, err);
	/* What is told to the caller is why, not whether the alert got through. */
	snprintf(text, sizeof(text), "%s", error_text(0));
	flush(channel);
	because(0, "%s", text);
}

static int wait_and_fill(struct channel *channel, uint64_t deadline)
{
	int r = channel_wait(channel, channel->in.fd, POLLIN, deadline);

	if (r == 0)
		return because(-ETIMEDOUT,
			       "%s: no agreement on TLS within %u ms; does the peer use TLS?",
			       channel->name, channel->timeout_ms);
	return r < 0 ? r : fill(channel);
}

/* One deadline for all of it: a peer that sends a byte now and then holds nobody up. */
static int shake_hands(struct channel *channel, const char *host)
{
	uint64_t deadline = channel_now_ms() + channel->timeout_ms;
	struct channel_tls *tls = channel->tls;
	int err, r;

	while ((err = tls->lib.handshake(tls->session)) != GNUTLS_E_SUCCESS) {
		if (!is_again(err)) {
			r = explain(channel, err, host);
			tell_peer(channel, err);
			return r;
		}
		r = flush(channel);
		if (r == 0 &&
		    (tls->lib.record_get_direction(tls->session) || tls->in_at < tls->in_len))
			continue;
		if (r == 0)
			r = wait_and_fill(channel, deadline);
		if (r < 0)
			return r;
	}
	return flush(channel);
}

static int set_up(struct channel_tls *tls, const char *host)
{
	const char *purpose = host ? GNUTLS_KP_TLS_WWW_SERVER : GNUTLS_KP_TLS_WWW_CLIENT;
	unsigned flags =
		GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL | GNUTLS_NO_TICKETS | GNUTLS_FORCE_CLIENT_CERT;
	int err = tls->lib.init(&tls->session, flags | (host ? GNUTLS_CLIENT : GNUTLS_SERVER));

	if (err == 0)
		err = tls->lib.priority_set_direct(tls->session, PRIORITIES, NULL);
	if (err == 0)
		err = tls->lib.credentials_set(tls->session, GNUTLS_CRD_CERTIFICATE,
					       tls->keys->credentials);
	if (err < 0)
		return because(-EIO, "TLS: %s", tls->lib.strerror(err));
	tls->wanted[0] = (gnutls_typed_vdata_st){ .type = GNUTLS_DT_KEY_PURPOSE_OID,
						  .data = (unsigned char *)purpose };
	tls->wanted[1] = (gnutls_typed_vdata_st){ .type = GNUTLS_DT_DNS_HOSTNAME,
						  .data = (unsigned char *)host };
	tls->lib.session_set_verify_cert2(tls->session, tls->wanted, host ? 2 : 1, 0);
	if (!host)
		tls->lib.certificate_server_set_request(tls->session, GNUTLS_CERT_REQUIRE);
	tls->lib.transport_set_ptr(tls->session, tls);
	tls->lib.transport_set_push_function(tls->session, push);
	tls->lib.transport_set_pull_function(tls->session, pull);
	tls->lib.transport_set_pull_timeout_function(tls->session, pull_timeout);
	return 0;
}

/* In TLS 1.3 a client is done before its certificate has been looked at: it waits for the verdict.
 */
static int exchange_verdict(struct channel *channel, bool is_client)
{
	struct channel_tls *tls = channel->tls;
	unsigned char verdict = ACCEPTED;
	ssize_t n;

	if (!is_client) {
		tls->lib.record_send(tls->session, &verdict, 1);
		return flush(channel);
	}
	n = channel_tls_read(channel, &verdict, 1);
	if (n < 0)
		return (int)n;
	if (n == 0)
		return because(-EPIPE, "%s: the peer closed the connection after TLS's handshake",
			       channel->name);
	if (verdict != ACCEPTED)
		return because(-EPROTO, "%s: TLS: not a peer of ours", channel->name);
	return 0;
}

int channel_tls_start(struct channel *channel, struct channel_tls_keys *keys, const char *host)
{
	struct channel_tls *tls = calloc(1, sizeof(*tls));
	int r;

	if (!tls)
		return -ENOMEM;
	pthread_mutex_init(&tls->lock, NULL);
	tls->first = -1;
	channel->tls = tls;
	tls->lib = keys->lib;
	tls->keys = channel_tls_keys_get(keys);
	r = set_up(tls, host);
	if (r == 0)
		r = shake_hands(channel, host);
	if (r == 0)
		r = exchange_verdict(channel, host != NULL);
	tls->is_up = r == 0;
	/* The strings are the caller's. */
	if (tls->session)
		tls->lib.session_set_verify_cert2(tls->session, NULL, 0, 0);
	return r;
}

static bool has_room(struct channel_tls *tls)
{
	bool yes;

	pthread_mutex_lock(&tls->lock);
	/* Beside the record there may be a change of keys before it. */
	yes = sizeof(tls->out) - tls->out_len >= (size_t)2 * RECORD_MAX;
	pthread_mutex_unlock(&tls->lock);
	return yes;
}

/* At most RECORD bytes become one record. */
static int seal(struct channel *channel, const void *data, size_t len)
{
	struct channel_tls *tls = channel->tls;
	ssize_t n;
	int r;

	if (!has_room(tls)) {
		r = flush(channel);
		if (r < 0)
			return r;
	}
	pthread_mutex_lock(&tls->lock);
	n = tls->lib.record_send(tls->session, data, len);
	pthread_mutex_unlock(&tls->lock);
	if (n != (ssize_t)len)
		return because(-EIO, "%s: TLS: %s", channel->name,
			       tls->lib.strerror(n < 0 ? (int)n : GNUTLS_E_INTERNAL_ERROR));
	__atomic_fetch_add(&channel->bytes_written, (uint64_t)len, __ATOMIC_RELAXED);
	return 0;
}

static int seal_staged(struct channel *channel)
{
	struct channel_tls *tls = channel->tls;
	size_t len = tls->staged;

	tls->staged = 0;
	return len ? seal(channel, tls->stage, len) : 0;
}

/* Small pieces are gathered, for a record costs the same whatever is in it; large ones go as is. */
static int stage(struct channel *channel, const struct iovec *piece, size_t *ret_len)
{
	struct channel_tls *tls = channel->tls;
	size_t len = min_u64(piece->iov_len, RECORD - tls->staged);

	*ret_len = len;
	if (len == RECORD)
		return seal(channel, piece->iov_base, len);
	memcpy(tls->stage + tls->staged, piece->iov_base, len);
	tls->staged += len;
	return tls->staged == RECORD ? seal_staged(channel) : 0;
}

int channel_tls_write(struct channel *channel, const struct iovec *iov, unsigned count)
{
	struct iov_cursor cursor = { iov, count, 0 };
	struct iovec piece;
	size_t len;
	int r = 0;

	while (r == 0 && iov_cursor_fill(&cursor, &piece, 1)) {
		r = stage(channel, &piece, &len);
		iov_cursor_advance(&cursor, len);
	}
	if (r == 0)
		r = seal_staged(channel);
	return r < 0 ? r : flush(channel);
}

/*
 * Decrypts what is at hand. 1: .plain has bytes; 0: the peer has closed; -EAGAIN: .in is empty,
 * which it need not be when GnuTLS says so: it does after a change of keys, too.
 */
static int open_record(struct channel *channel)
{
	struct channel_tls *tls = channel->tls;
	ssize_t n;

	do {
		if (tls->packet)
			tls->lib.packet_deinit(tls->packet);
		tls->packet = NULL;
		pthread_mutex_lock(&tls->lock);
		n = tls->lib.record_recv_packet(tls->session, &tls->packet);
		pthread_mutex_unlock(&tls->lock);
	} while (is_again((int)n) && (n != GNUTLS_E_AGAIN || tls->in_at < tls->in_len));
	if (n > 0) {
		tls->lib.packet_get(tls->packet, &tls->plain, NULL);
		return 1;
	}
	if (n == GNUTLS_E_AGAIN)
		return -EAGAIN;
	/* Killed peers do not say goodbye; whoever reads knows whether more was due. */
	if (n == 0 || n == GNUTLS_E_PREMATURE_TERMINATION)
		return 0;
	if (n == GNUTLS_E_FATAL_ALERT_RECEIVED)
		return channel_tls_alerted(&tls->lib, tls->session, channel->name);
	return because(-EBADMSG, "%s: TLS: the stream was damaged on its way: %s", channel->name,
		       tls->lib.strerror((int)n));
}

ssize_t channel_tls_read(struct channel *channel, void *buf, size_t len)
{
	struct channel_tls *tls = channel->tls;

	while (!tls->plain.size) {
		int r = open_record(channel);

		if (r == -EAGAIN)
			r = fill(channel);
		else if (r == 0)
			return 0;
		if (r < 0)
			return r;
	}
	len = min_u64(len, tls->plain.size);
	memcpy(buf, tls->plain.data, len);
	tls->plain.data += len;
	tls->plain.size -= (unsigned)len;
	return (ssize_t)len;
}

int channel_tls_wait_readable(struct channel *channel, uint64_t deadline)
{
	struct channel_tls *tls = channel->tls;
	int r;

	while (!tls->plain.size) {
		r = open_record(channel);
		if (r != -EAGAIN)
			return r < 0 ? r : 1;
		r = channel_wait(channel, channel->in.fd, POLLIN, deadline);
		if (r <= 0)
			return r;
		r = received(channel, channel_raw_read_now(channel, tls->in, sizeof(tls->in)));
		if (r < 0 && r != -EAGAIN)
			return channel_gone(channel, r, "read");
	}
	return 1;
}

/* No waiting here: what does not fit into the socket's buffer is not said. */
static void say_goodbye(struct channel *channel)
{
	struct channel_tls *tls = channel->tls;

	if (!tls->is_up || channel->is_canceled || tls->out_len)
		return;
	if (tls->lib.bye(tls->session, GNUTLS_SHUT_WR) == 0)
		send(channel->out.fd, tls->out, tls->out_len, MSG_DONTWAIT | MSG_NOSIGNAL);
}

void channel_tls_destroy(struct channel *channel)
{
	struct channel_tls *tls = channel->tls;

	if (!tls)
		return;
	if (tls->session) {
		say_goodbye(channel);
		if (tls->packet)
			tls->lib.packet_deinit(tls->packet);
		tls->lib.deinit(tls->session);
	}
	channel_tls_keys_put(tls->keys);
	pthread_mutex_destroy(&tls->lock);
	free(tls);
	channel->tls = NULL;
}
