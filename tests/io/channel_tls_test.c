/* SPDX-License-Identifier: Apache-2.0 */
/* TLS: who is let in, what each refusal is called, and two threads in one session. */
#include "io/channel_certs.h"
#include "io/channel_pair.h"

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#define TCP "tcp:127.0.0.1:0"

static char top[] = "/tmp/ferry-tls-XXXXXX";
static char near_dir[64], far_dir[64];
static struct ca ca, stranger;
static struct channel_options near_options = { .tls = near_dir, .timeout_ms = LONG_MS };
static struct channel_options far_options = { .tls = far_dir, .timeout_ms = LONG_MS };
static const struct channel_options plain = { .timeout_ms = LONG_MS };
static const struct cert_options usual;

static void begin(void)
{
	ck_assert_ptr_nonnull(mkdtemp(top));
	snprintf(near_dir, sizeof(near_dir), "%s/near", top);
	snprintf(far_dir, sizeof(far_dir), "%s/far", top);
	ca_init(&ca, "a CA");
	ca_init(&stranger, "another CA");
	certs_make(near_dir, &ca, &ca, &usual);
	certs_make(far_dir, &ca, &ca, &usual);
}

static void end(void)
{
	certs_remove(near_dir);
	certs_remove(far_dir);
	ca_finish(&ca);
	ca_finish(&stranger);
	ck_assert_int_eq(rmdir(top), 0);
}

static void says(int r, const char *all, int expected, const char *text)
{
	ck_assert_msg(r == expected && strstr(all, text), "%d: %s", r, all);
	ck_assert_msg(!strchr(all, '\x1b'), "%s", all);
}

/* What the connecting side is told, and what the listening one. */
static void refused(int near, const char *near_text, int far, const char *far_text)
{
	struct pair pair;
	int r = pair_try(&pair, TCP, &far_options, &near_options);

	says(r, error_text(r), near, near_text);
	says(pair.accepted, pair.text, far, far_text);
	/* The listener stands, with the certificates that it has read. */
	pthread_create(&pair.thread, NULL, pair_accept, &pair);
	r = channel_connect(channel_listener_uri(pair.listener), &near_options, &pair.near);
	pthread_join(pair.thread, NULL);
	ck_assert_int_eq(r, near);
	ck_assert_int_eq(pair.accepted, far);
	pair_close(&pair);
	certs_make(near_dir, &ca, &ca, &usual);
	certs_make(far_dir, &ca, &ca, &usual);
	r = pair_try(&pair, TCP, &far_options, &near_options);
	ck_assert_msg(r == 0 && pair.accepted == 0, "%s", error_text(r));
	pair_close(&pair);
}

START_TEST(test_a_stream_flows_both_ways_at_once)
{
	struct pair pair;

	begin();
	ck_assert_int_eq(pair_try(&pair, TCP, &far_options, &near_options), 0);
	flow_both_ways(pair.near, pair.far, (uint64_t)64 << 20);
	ck_assert_uint_eq(channel_bytes_written(pair.far), (uint64_t)64 << 20);
	pair_close(&pair);
	end();
}
END_TEST

START_TEST(test_the_host_may_be_a_name)
{
	struct pair pair;

	begin();
	ck_assert_int_eq(pair_try(&pair, "tcp:localhost:0", &far_options, &near_options), 0);
	flow_both_ways(pair.near, pair.far, CHUNK);
	pair_close(&pair);
	end();
}
END_TEST

START_TEST(test_tls_may_leave_this_host)
{
	struct pair pair;
	char uri[64];
	int r;

	begin();
	pair_listen(&pair, "tcp:0.0.0.0:0", &far_options);
	snprintf(uri, sizeof(uri), "tcp:127.0.0.1:%s",
		 strrchr(channel_listener_uri(pair.listener), ':') + 1);
	r = channel_connect(uri, &near_options, &pair.near);
	ck_assert_msg(r == 0, "%s", error_text(r));
	pthread_join(pair.thread, NULL);
	ck_assert_int_eq(pair.accepted, 0);
	pair_close(&pair);
	end();
}
END_TEST

START_TEST(test_an_expired_certificate_is_refused)
{
	static const struct cert_options expired = { .from = -9, .to = -2 };
	static const struct cert_options early = { .from = 2, .to = 9 };

	begin();
	certs_make(far_dir, &ca, &ca, &expired);
	refused(-EACCES, "has expired", -EACCES, "refused our certificate: it has expired");
	certs_make(near_dir, &ca, &ca, &expired);
	refused(-EACCES, "refused our certificate: it has expired", -EACCES, "has expired");
	certs_make(near_dir, &ca, &ca, &early);
	refused(-EACCES, "refused our certificate", -EACCES, "is not valid yet");
	end();
}
END_TEST

START_TEST(test_a_certificate_of_another_ca_is_refused)
{
	begin();
	certs_make(far_dir, &stranger, &ca, &usual);
	refused(-EACCES, "not signed by our ca-cert.pem", -EACCES, "the CA that the peer trusts");
	certs_make(near_dir, &stranger, &ca, &usual);
	refused(-EACCES, "the CA that the peer trusts", -EACCES, "not signed by our ca-cert.pem");
	certs_make(near_dir, &ca, &stranger, &usual);
	refused(-EACCES, "not signed by our ca-cert.pem", -EACCES, "the CA that the peer trusts");
	end();
}
END_TEST

START_TEST(test_a_listener_for_another_host_is_refused)
{
	static const struct cert_options other = { .host = "other.example" };

	begin();
	certs_make(far_dir, &ca, &ca, &other);
	refused(-EACCES, "is not for the host 127.0.0.1", -EACCES, "not valid for this host");
	/* Who connects has no host to be for. */
	certs_make(near_dir, &ca, &ca, &other);
	end();
}
END_TEST

START_TEST(test_a_certificate_is_for_its_purpose)
{
	static const struct cert_options server = { .purpose = GNUTLS_KP_TLS_WWW_SERVER };
	static const struct cert_options client = { .purpose = GNUTLS_KP_TLS_WWW_CLIENT };
	struct pair pair;

	begin();
	certs_make(near_dir, &ca, &ca, &server);
	refused(-EACCES, "not for this purpose", -EACCES, "not for this purpose");
	certs_make(far_dir, &ca, &ca, &client);
	refused(-EACCES, "not for this purpose", -EACCES, "not for this purpose");
	certs_make(near_dir, &ca, &ca, &client);
	certs_make(far_dir, &ca, &ca, &server);
	ck_assert_int_eq(pair_try(&pair, TCP, &far_options, &near_options), 0);
	pair_close(&pair);
	end();
}
END_TEST

static void refused_files(int expected, const char *text)
{
	struct channel_listener *listener = NULL;
	int r = channel_listen(TCP, &far_options, &listener);

	ck_assert_ptr_null(listener);
	says(r, error_text(r), expected, text);
}

START_TEST(test_files_that_cannot_serve_are_refused)
{
	static const struct cert_options open_key = { .key_mode = 0644 };
	static const struct cert_options group_key = { .key_mode = 0640 };
	struct channel_listener *listener;
	char path[80], other[80];

	begin();
	certs_make(far_dir, &ca, &ca, &open_key);
	refused_files(-EACCES, "chmod 600");
	certs_make(far_dir, &ca, &ca, &group_key);
	ck_assert_int_eq(channel_listen(TCP, &far_options, &listener), 0);
	channel_listener_destroy(listener);
	snprintf(path, sizeof(path), "%s/key.pem", far_dir);
	snprintf(other, sizeof(other), "%s/key.pem", near_dir);
	ck_assert_int_eq(rename(other, path), 0);
	refused_files(-EINVAL, "key.pem: ");
	ck_assert_int_eq(unlink(path), 0);
	refused_files(-ENOENT, "key.pem: No such file");
	certs_make(far_dir, &ca, &ca, &usual);
	snprintf(path, sizeof(path), "%s/ca-cert.pem", far_dir);
	ck_assert_int_eq(truncate(path, 0), 0);
	refused_files(-EINVAL, "no certificate in");
	certs_make(far_dir, &ca, &ca, &usual);
	ck_assert_int_eq(truncate(path, 100), 0);
	refused_files(-EINVAL, "ca-cert.pem");
	end();
}
END_TEST

START_TEST(test_tls_is_for_tcp)
{
	struct channel *channel;
	int fds[2], r;
	char uri[32];

	begin();
	r = channel_connect("exec:cat", &near_options, &channel);
	says(r, error_text(r), -EINVAL, "TLS is for TCP");
	r = channel_connect("unix:/tmp/x", &near_options, &channel);
	says(r, error_text(r), -EINVAL, "TLS is for TCP");
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	snprintf(uri, sizeof(uri), "fd:%d", fds[0]);
	r = channel_connect(uri, &near_options, &channel);
	says(r, error_text(r), -EINVAL, "TLS is for one TCP socket");
	end();
}
END_TEST

/* A TCP socket to the listener, without a channel. */
static int connect_raw(const struct pair *pair)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	address.sin_port =
		htons((uint16_t)atoi(strrchr(channel_listener_uri(pair->listener), ':') + 1));
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

START_TEST(test_an_inherited_tcp_socket_has_tls_by_the_peers_address)
{
	struct pair pair;
	char uri[32];
	int r;

	begin();
	pair_listen(&pair, TCP, &far_options);
	snprintf(uri, sizeof(uri), "fd:%d", connect_raw(&pair));
	r = channel_connect(uri, &near_options, &pair.near);
	ck_assert_msg(r == 0, "%s", error_text(r));
	pthread_join(pair.thread, NULL);
	flow_both_ways(pair.near, pair.far, CHUNK);
	pair_close(&pair);
	end();
}
END_TEST

START_TEST(test_a_plain_peer_is_told_from_a_tls_one)
{
	struct pair pair;
	char bytes[16];
	int r;

	begin();
	pair_listen(&pair, TCP, &far_options);
	ck_assert_int_eq(channel_connect(channel_listener_uri(pair.listener), &plain, &pair.near),
			 0);
	ck_assert_int_eq(write_bytes(pair.near, "ferry stream....", 16), 0);
	pthread_join(pair.thread, NULL);
	says(pair.accepted, pair.text, -EPROTO, "does not speak TLS");
	r = channel_read(pair.near, bytes, 16);
	says(r, error_text(r), -EPROTO, "the peer speaks TLS, and we do not");
	pair_close(&pair);
	end();
}
END_TEST

static void *read_one(void *arg)
{
	struct pair *pair = arg;
	char bytes[16];

	pair_accept(arg);
	if (pair->accepted == 0)
		pair->accepted = channel_read(pair->far, bytes, 16);
	snprintf(pair->text, sizeof(pair->text), "%s", error_text(pair->accepted));
	channel_destroy(pair->far);
	pair->far = NULL;
	return NULL;
}

START_TEST(test_a_tls_peer_is_told_from_a_plain_one)
{
	struct pair pair = { 0 };
	int r;

	begin();
	ck_assert_int_eq(channel_listen(TCP, &plain, &pair.listener), 0);
	pthread_create(&pair.thread, NULL, read_one, &pair);
	r = channel_connect(channel_listener_uri(pair.listener), &near_options, &pair.near);
	says(r, error_text(r), -EPIPE, "does it use TLS?");
	pthread_join(pair.thread, NULL);
	says(pair.accepted, pair.text, -EPROTO, "the peer speaks TLS, and we do not");
	pair_close(&pair);
	end();
}
END_TEST

START_TEST(test_a_silent_peer_holds_nobody_up)
{
	struct channel_options hasty = far_options;
	struct pair pair;
	int fd, r;

	begin();
	hasty.timeout_ms = SHORT_MS;
	pair_listen(&pair, TCP, &hasty);
	fd = connect_raw(&pair);
	pthread_join(pair.thread, NULL);
	says(pair.accepted, pair.text, -ETIMEDOUT, "no agreement on TLS within 300 ms");
	close(fd);
	/* Nor one that goes on promising more. */
	pthread_create(&pair.thread, NULL, pair_accept, &pair);
	fd = connect_raw(&pair);
	ck_assert_int_eq(write(fd, "\x16\x03\x01\x20\x00\x01\x00\x1f\xfc", 9), 9);
	while (send(fd, "x", 1, MSG_NOSIGNAL) == 1)
		usleep(SHORT_MS * 1000 / 20);
	pthread_join(pair.thread, NULL);
	says(pair.accepted, pair.text, -ETIMEDOUT, "no agreement on TLS within 300 ms");
	close(fd);
	/* Nor does a listener that never answers. */
	hasty.tls = near_dir;
	r = channel_connect(channel_listener_uri(pair.listener), &hasty, &pair.near);
	says(r, error_text(r), -ETIMEDOUT, "no agreement on TLS");
	/* Nor when the listener is to end. */
	pair_close(&pair);
	pair_listen(&pair, TCP, &far_options);
	fd = connect_raw(&pair);
	usleep(20000);
	channel_listener_stop(pair.listener);
	pthread_join(pair.thread, NULL);
	ck_assert_int_eq(pair.accepted, -ECANCELED);
	close(fd);
	pair_close(&pair);
	end();
}
END_TEST

/* A client by GnuTLS itself, with the near directory's certificate or none. */
struct raw_client {
	gnutls_certificate_credentials_t credentials;
	gnutls_session_t session;
	int fd;
};

static int raw_connect(struct raw_client *client, const struct pair *pair, const char *priorities,
		       bool has_certificate)
{
	char ca_path[80], cert[80], key[80];
	int r;

	snprintf(ca_path, sizeof(ca_path), "%s/ca-cert.pem", near_dir);
	snprintf(cert, sizeof(cert), "%s/cert.pem", near_dir);
	snprintf(key, sizeof(key), "%s/key.pem", near_dir);
	gnutls_certificate_allocate_credentials(&client->credentials);
	gnutls_certificate_set_x509_trust_file(client->credentials, ca_path, GNUTLS_X509_FMT_PEM);
	if (has_certificate)
		gnutls_certificate_set_x509_key_file(client->credentials, cert, key,
						     GNUTLS_X509_FMT_PEM);
	gnutls_init(&client->session, GNUTLS_CLIENT | GNUTLS_NO_SIGNAL);
	ck_assert_int_eq(gnutls_priority_set_direct(client->session, priorities, NULL), 0);
	gnutls_credentials_set(client->session, GNUTLS_CRD_CERTIFICATE, client->credentials);
	client->fd = connect_raw(pair);
	gnutls_transport_set_int(client->session, client->fd);
	do
		r = gnutls_handshake(client->session);
	while (r == GNUTLS_E_AGAIN || r == GNUTLS_E_INTERRUPTED);
	return r;
}

static void raw_close(struct raw_client *client)
{
	close(client->fd);
	gnutls_deinit(client->session);
	gnutls_certificate_free_credentials(client->credentials);
}

START_TEST(test_a_peer_without_a_certificate_is_refused)
{
	struct raw_client client;
	struct pair pair;
	char byte;

	begin();
	pair_listen(&pair, TCP, &far_options);
	raw_connect(&client, &pair, "NORMAL", false);
	/* In 1.3 a client learns of it only when it reads. */
	ck_assert_int_lt(gnutls_record_recv(client.session, &byte, 1), 0);
	ck_assert_int_eq(gnutls_alert_get(client.session), GNUTLS_A_CERTIFICATE_REQUIRED);
	pthread_join(pair.thread, NULL);
	says(pair.accepted, pair.text, -EACCES, "gave no certificate");
	raw_close(&client);
	pair_close(&pair);
	end();
}
END_TEST

START_TEST(test_older_tls_is_refused)
{
	struct raw_client client;
	struct pair pair;

	begin();
	pair_listen(&pair, TCP, &far_options);
	ck_assert_int_lt(raw_connect(&client, &pair, "NORMAL:-VERS-ALL:+VERS-TLS1.2", true), 0);
	pthread_join(pair.thread, NULL);
	says(pair.accepted, pair.text, -EPROTO, "TLS 1.3: ");
	raw_close(&client);
	pair_close(&pair);
	end();
}
END_TEST

/* GnuTLS refuses more than 8 changes of keys in a second. */
#define KEY_CHANGES 6
#define ECHO	    ((size_t)64 << 10)

static void *echo_and_change_keys(void *arg)
{
	struct raw_client *client = arg;
	static char data[ECHO];

	for (int i = 0; i < KEY_CHANGES; i++) {
		for (size_t at = 0; at < ECHO;) {
			ssize_t n = gnutls_record_recv(client->session, data + at, ECHO - at);

			/* That is what a change of keys looks like. */
			ck_assert_msg(n > 0 || n == GNUTLS_E_AGAIN, "%zd", n);
			at += n > 0 ? (size_t)n : 0;
		}
		ck_assert_int_eq(gnutls_session_key_update(client->session, GNUTLS_KU_PEER), 0);
		for (size_t at = 0; at < ECHO;) {
			ssize_t n = gnutls_record_send(client->session, data + at, ECHO - at);

			ck_assert_int_gt(n, 0);
			at += (size_t)n;
		}
	}
	return NULL;
}

static void *write_turns(void *arg)
{
	static unsigned char data[ECHO];

	for (unsigned i = 0; i < KEY_CHANGES; i++) {
		memset(data, (int)i, sizeof(data));
		ck_assert_int_eq(write_bytes(arg, data, sizeof(data)), 0);
	}
	return NULL;
}

/* The peer asks for new keys while one thread of ours reads and another writes. */
START_TEST(test_keys_change_under_way)
{
	static unsigned char data[ECHO];
	struct raw_client client;
	pthread_t echo, writer;
	struct pair pair;
	char verdict;

	begin();
	pair_listen(&pair, TCP, &far_options);
	ck_assert_int_eq(raw_connect(&client, &pair, "NORMAL:-VERS-ALL:+VERS-TLS1.3", true), 0);
	pthread_join(pair.thread, NULL);
	ck_assert_msg(pair.accepted == 0, "%s", pair.text);
	ck_assert_int_eq(gnutls_record_recv(client.session, &verdict, 1), 1);
	ck_assert_int_eq(verdict, 6);
	pthread_create(&echo, NULL, echo_and_change_keys, &client);
	pthread_create(&writer, NULL, write_turns, pair.far);
	for (unsigned i = 0; i < KEY_CHANGES; i++) {
		int r = channel_read(pair.far, data, sizeof(data));

		ck_assert_msg(r == 0, "turn %u: %s", i, error_text(r));
		for (size_t at = 0; at < ECHO; at++)
			ck_assert_uint_eq(data[at], i);
	}
	pthread_join(echo, NULL);
	pthread_join(writer, NULL);
	raw_close(&client);
	pair_close(&pair);
	end();
}
END_TEST

START_TEST(test_wait_readable_knows_what_tls_holds)
{
	struct pair pair;
	char bytes[4];
	int r;

	begin();
	ck_assert_int_eq(pair_try(&pair, TCP, &far_options, &near_options), 0);
	ck_assert_int_eq(channel_wait_readable(pair.far, 0), 0);
	ck_assert_int_eq(channel_wait_readable(pair.far, 10), 0);
	ck_assert_int_eq(write_bytes(pair.near, "0123", 4), 0);
	ck_assert_int_eq(channel_wait_readable(pair.far, -1), 1);
	ck_assert_int_eq(channel_read(pair.far, bytes, 2), 0);
	/* The socket is empty now; the record is not. */
	ck_assert_int_eq(channel_wait_readable(pair.far, 0), 1);
	ck_assert_int_eq(channel_read(pair.far, bytes, 2), 0);
	ck_assert_int_eq(channel_wait_readable(pair.far, 0), 0);
	channel_destroy(pair.near);
	pair.near = NULL;
	ck_assert_int_eq(channel_wait_readable(pair.far, -1), 1);
	r = channel_read(pair.far, bytes, 2);
	says(r, error_text(r), -EPIPE, "closed");
	pair_close(&pair);
	end();
}
END_TEST

START_TEST(test_deadlines_and_shutdown_hold_under_tls)
{
	static char much[16 << 20];
	struct pair pair;
	char byte;
	int r;

	begin();
	near_options.timeout_ms = SHORT_MS;
	ck_assert_int_eq(pair_try(&pair, TCP, &far_options, &near_options), 0);
	r = channel_read(pair.near, &byte, 1);
	says(r, error_text(r), -ETIMEDOUT, "cannot read: nothing moved");
	r = write_bytes(pair.near, much, sizeof(much));
	says(r, error_text(r), -ETIMEDOUT, "cannot write: nothing moved");
	channel_shutdown(pair.far);
	ck_assert_int_eq(channel_wait_readable(pair.near, 0), 0);
	r = write_bytes(pair.far, "x", 1);
	says(r, error_text(r), -ECANCELED, "canceled");
	pair_close(&pair);
	end();
}
END_TEST

/* Between the two: passes everything on, and turns one byte of what comes later. */
struct middle {
	int listen_fd;
	int to;
	size_t flip_at; /* of what the connecting side sends */
	pthread_t thread;
};

static void *run_middle(void *arg)
{
	struct middle *middle = arg;
	struct pollfd fds[2] = {
		{ .fd = accept(middle->listen_fd, NULL, NULL), .events = POLLIN },
		{ .fd = middle->to, .events = POLLIN },
	};
	size_t passed = 0;

	for (;;) {
		unsigned char bytes[4096];

		poll(fds, 2, -1);
		for (int i = 0; i < 2; i++) {
			ssize_t n = fds[i].revents ? read(fds[i].fd, bytes, sizeof(bytes)) : -1;

			if (n == 0 || (fds[i].revents && n < 0)) {
				close(fds[0].fd);
				close(fds[1].fd);
				return NULL;
			}
			if (n < 0)
				continue;
			if (i == 0 && middle->flip_at - passed < (size_t)n)
				bytes[middle->flip_at - passed] ^= 1;
			passed += i == 0 ? (size_t)n : 0;
			send(fds[1 - i].fd, bytes, (size_t)n, MSG_NOSIGNAL);
		}
	}
}

START_TEST(test_a_damaged_stream_is_found)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t len = sizeof(address);
	static char data[100000];
	struct middle middle;
	struct pair pair;
	char uri[64];
	int r;

	begin();
	pair_listen(&pair, TCP, &far_options);
	middle.listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	bind(middle.listen_fd, (struct sockaddr *)&address, sizeof(address));
	listen(middle.listen_fd, 1);
	getsockname(middle.listen_fd, (struct sockaddr *)&address, &len);
	middle.to = connect_raw(&pair);
	middle.flip_at = 50000;
	pthread_create(&middle.thread, NULL, run_middle, &middle);
	snprintf(uri, sizeof(uri), "tcp:127.0.0.1:%u", ntohs(address.sin_port));
	r = channel_connect(uri, &near_options, &pair.near);
	ck_assert_msg(r == 0, "%s", error_text(r));
	pthread_join(pair.thread, NULL);
	ck_assert_int_eq(write_bytes(pair.near, data, sizeof(data)), 0);
	r = channel_read(pair.far, data, sizeof(data));
	says(r, error_text(r), -EBADMSG, "damaged on its way");
	pair_close(&pair);
	pthread_join(middle.thread, NULL);
	close(middle.listen_fd);
	end();
}
END_TEST

CHECK_MAIN("channel_tls", test_a_stream_flows_both_ways_at_once, test_the_host_may_be_a_name,
	   test_tls_may_leave_this_host, test_an_expired_certificate_is_refused,
	   test_a_certificate_of_another_ca_is_refused, test_a_listener_for_another_host_is_refused,
	   test_a_certificate_is_for_its_purpose, test_files_that_cannot_serve_are_refused,
	   test_tls_is_for_tcp, test_an_inherited_tcp_socket_has_tls_by_the_peers_address,
	   test_a_plain_peer_is_told_from_a_tls_one, test_a_tls_peer_is_told_from_a_plain_one,
	   test_a_silent_peer_holds_nobody_up, test_a_peer_without_a_certificate_is_refused,
	   test_older_tls_is_refused, test_keys_change_under_way,
	   test_wait_readable_knows_what_tls_holds, test_deadlines_and_shutdown_hold_under_tls,
	   test_a_damaged_stream_is_found)
