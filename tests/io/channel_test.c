/* SPDX-License-Identifier: Apache-2.0 */
/* Channels: each kind of URI in both directions, what is refused, deadlines, cancellation. */
#include "io/channel_pair.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>

#define STREAM ((uint64_t)64 << 20)

static const struct channel_options patient = { .timeout_ms = LONG_MS };
static const struct channel_options hasty = { .timeout_ms = SHORT_MS };

static char dir[] = "/tmp/ferry-channel-XXXXXX";
static char unix_uri[64];
#define SOCKET_PATH (unix_uri + 5)

static void make_dir(void)
{
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(unix_uri, sizeof(unix_uri), "unix:%s/socket", dir);
}

static void remove_dir(void)
{
	ck_assert_msg(rmdir(dir) == 0, "%s: %s", dir, strerror(errno));
}

static void says(int r, int expected, const char *text)
{
	ck_assert_msg(r == expected && strstr(error_text(r), text), "%d: %s", r, error_text(r));
}

static void refused(const char *uri, const struct channel_options *options, int expected,
		    const char *text)
{
	struct channel *channel = NULL;
	int r = channel_connect(uri, options, &channel);

	ck_assert_ptr_null(channel);
	says(r, expected, text);
}

static void not_listening(const char *uri, const struct channel_options *options, int expected,
			  const char *text)
{
	struct channel_listener *listener = NULL;
	int r = channel_listen(uri, options, &listener);

	ck_assert_ptr_null(listener);
	says(r, expected, text);
}

START_TEST(test_a_uri_has_one_of_four_forms)
{
	static const char *const good[] = { "tcp:host:1",   "tcp:127.0.0.1:65535",
					    "tcp:[::1]:80", "tcp:0.0.0.0:0",
					    "unix:/a b",    "unix:x",
					    "fd:0",	    "fd:12,13",
					    "exec:cat",	    "exec:ssh a b:c" };
	static const char *const bad[] = { "",
					   "tcp",
					   "tcp:",
					   "tcp:host",
					   "tcp::1",
					   "tcp:host:",
					   "tcp:host:x",
					   "tcp:a:-1",
					   "tcp:a:65536",
					   "tcp:a:1 ",
					   "tcp:::1:80",
					   "tcp:[::1]80",
					   "tcp:[::1",
					   "tcp:[]:1",
					   "unix:",
					   "fd:",
					   "fd:-1",
					   "fd:1,",
					   "fd:1,2,3",
					   "fd:x",
					   "fd:99999999999",
					   "fd:4294967296",
					   "exec:",
					   "rdma:a:1",
					   "/path",
					   "TCP:a:1",
					   "tcp:a:000001" };
	char path[256] = "unix:";

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		ck_assert_msg(channel_uri_check(good[i]) == 0, "%s", good[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(channel_uri_check(bad[i]) == -EINVAL, "%s", bad[i]);
	memset(path + 5, 'x', 108);
	says(channel_uri_check(path), -EINVAL, "longer than 107");
	path[5 + 107] = '\0';
	ck_assert_int_eq(channel_uri_check(path), 0);
	ck_assert_ptr_nonnull(strstr(channel_uri_help(), "exec:COMMAND"));
	refused("tcp:127.0.0.1:0", &patient, -EINVAL, "for listening only");
	refused("tcp:fe80::1:80", &patient, -EINVAL, "stands in brackets");
}
END_TEST

static void stream_over(const char *uri)
{
	struct pair pair;

	pair_open(&pair, uri, &patient);
	flow_both_ways(pair.near, pair.far, STREAM);
	ck_assert_uint_eq(channel_bytes_written(pair.near), STREAM);
	ck_assert_uint_eq(channel_bytes_read(pair.near), STREAM);
	ck_assert(channel_can_repeat(pair.near) && channel_can_repeat(pair.far));
	pair_close(&pair);
}

START_TEST(test_tcp_carries_a_stream_both_ways)
{
	stream_over("tcp:127.0.0.1:0");
}
END_TEST

START_TEST(test_tcp_over_ipv6_and_by_name)
{
	struct pair pair;

	pair_open(&pair, "tcp:[::1]:0", &patient);
	ck_assert_int_eq(strncmp(channel_listener_uri(pair.listener), "tcp:[::1]:", 10), 0);
	ck_assert_int_eq(strncmp(channel_name(pair.far), "tcp:[::1]:", 10), 0);
	flow_both_ways(pair.near, pair.far, CHUNK);
	pair_close(&pair);
	pair_open(&pair, "tcp:[::ffff:127.0.0.1]:0", &patient);
	flow_both_ways(pair.near, pair.far, CHUNK);
	pair_close(&pair);
	pair_open(&pair, "tcp:localhost:0", &patient);
	ck_assert_int_eq(strncmp(channel_listener_uri(pair.listener), "tcp:localhost:", 14), 0);
	flow_both_ways(pair.near, pair.far, CHUNK);
	pair_close(&pair);
	refused("tcp:no-such-host.invalid:1", &patient, -ENOENT, "cannot resolve");
}
END_TEST

START_TEST(test_unix_carries_a_stream_both_ways)
{
	make_dir();
	stream_over(unix_uri);
	remove_dir();
}
END_TEST

/* One side connects by fd:, the other listens by fd:. */
static void stream_over_fds(const char *near_uri, const char *far_uri, uint64_t bytes)
{
	struct channel_listener *listener;
	struct channel *near, *far, *none = NULL;
	int r = channel_connect(near_uri, &patient, &near);

	ck_assert_msg(r == 0, "%s", error_text(r));
	r = channel_listen(far_uri, &patient, &listener);
	ck_assert_msg(r == 0, "%s", error_text(r));
	ck_assert_int_eq(channel_accept(listener, -1, &far), 0);
	says(channel_accept(listener, -1, &none), -EOPNOTSUPP, "has been taken");
	flow_both_ways(near, far, bytes);
	ck_assert(!channel_can_repeat(near) && !channel_can_repeat(far));
	channel_listener_destroy(listener);
	channel_destroy(near);
	channel_destroy(far);
}

START_TEST(test_fd_takes_a_connected_socket)
{
	char near[32], far[32];
	int fds[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	snprintf(near, sizeof(near), "fd:%d", fds[0]);
	snprintf(far, sizeof(far), "fd:%d", fds[1]);
	stream_over_fds(near, far, STREAM);
	ck_assert_int_eq(fcntl(fds[0], F_GETFD), -1);
	ck_assert_int_eq(fcntl(fds[1], F_GETFD), -1);
}
END_TEST

START_TEST(test_fd_takes_two_pipes)
{
	char near[32], far[32];
	int there[2], back[2];

	ck_assert_int_eq(pipe(there), 0);
	ck_assert_int_eq(pipe(back), 0);
	snprintf(near, sizeof(near), "fd:%d,%d", back[0], there[1]);
	snprintf(far, sizeof(far), "fd:%d,%d", there[0], back[1]);
	stream_over_fds(near, far, STREAM);
}
END_TEST

START_TEST(test_fd_refuses_what_is_no_stream)
{
	int fds[2], file = memfd_create("file", 0), fd;
	struct sockaddr_in any = { .sin_family = AF_INET };
	char uri[32];

	refused("fd:999", &patient, -EBADF, "descriptor 999");
	snprintf(uri, sizeof(uri), "fd:%d", file);
	refused(uri, &patient, -EINVAL, "neither a socket nor a pipe");
	ck_assert_int_eq(pipe(fds), 0);
	snprintf(uri, sizeof(uri), "fd:%d", fds[0]);
	refused(uri, &patient, -EINVAL, "fd:R,W");
	snprintf(uri, sizeof(uri), "fd:%d,%d", fds[1], fds[0]);
	refused(uri, &patient, -EINVAL, "wrong end");
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_DGRAM, 0, fds), 0);
	snprintf(uri, sizeof(uri), "fd:%d", fds[0]);
	refused(uri, &patient, -EINVAL, "not a connected stream socket");
	fd = socket(AF_INET, SOCK_STREAM, 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&any, sizeof(any)), 0);
	ck_assert_int_eq(listen(fd, 1), 0);
	snprintf(uri, sizeof(uri), "fd:%d", fd);
	refused(uri, &patient, -EINVAL, "not a connected stream socket");
	/* They are still ours. */
	ck_assert_int_eq(close(fd), 0);
	ck_assert_int_eq(close(file), 0);
}
END_TEST

START_TEST(test_exec_carries_a_stream_through_a_command)
{
	struct flow there, back;
	struct channel *channel;

	ck_assert_int_eq(channel_connect("exec:cat", &patient, &channel), 0);
	flow_start(&there, channel, STREAM, 1, flow_write);
	flow_start(&back, channel, STREAM, 1, flow_read);
	flow_end(&there);
	flow_end(&back);
	ck_assert(!channel_can_repeat(channel) && !channel_can_send_fd(channel));
	channel_destroy(channel);
}
END_TEST

START_TEST(test_exec_listens_to_one_command)
{
	struct channel_listener *listener;
	struct channel *channel, *none;
	char word[6];

	ck_assert_int_eq(channel_listen("exec:printf hello; cat >&2", &patient, &listener), 0);
	ck_assert_int_eq(channel_accept(listener, -1, &channel), 0);
	says(channel_accept(listener, -1, &none), -EOPNOTSUPP, "has been taken");
	channel_listener_destroy(listener);
	ck_assert_int_eq(channel_read(channel, word, 5), 0);
	ck_assert_int_eq(memcmp(word, "hello", 5), 0);
	channel_destroy(channel);
	/* Nobody accepts: the command ends with its listener. */
	ck_assert_int_eq(channel_listen("exec:cat", &patient, &listener), 0);
	channel_listener_destroy(listener);
	ck_assert_int_eq(waitpid(-1, NULL, 0), -1);
}
END_TEST

START_TEST(test_exec_tells_how_the_command_ended)
{
	struct channel *channel;
	char byte;

	ck_assert_int_eq(channel_connect("exec:exit 3", &patient, &channel), 0);
	says(channel_read(channel, &byte, 1), -EPIPE, "ended with status 3");
	channel_destroy(channel);
	ck_assert_int_eq(channel_connect("exec:kill -9 $$", &patient, &channel), 0);
	says(channel_read(channel, &byte, 1), -EPIPE, "ended by signal 9");
	ck_assert_int_lt(write_bytes(channel, "x", 1), 0);
	says(write_bytes(channel, "x", 1), -EPIPE, "ended by signal 9");
	channel_destroy(channel);
	ck_assert_int_eq(channel_connect("exec:no-such-command 2>&-", &patient, &channel), 0);
	says(channel_read(channel, &byte, 1), -EPIPE, "status 127 (not found)");
	channel_destroy(channel);
}
END_TEST

/* The group, with what the command left behind, is gone, and so is the zombie. */
START_TEST(test_exec_ends_with_its_channel)
{
	struct channel *channel;
	char line[32] = "";
	pid_t pid;

	ck_assert_int_eq(channel_connect("exec:sleep 600 <&- >&- & echo $!; exec sleep 600",
					 &patient, &channel),
			 0);
	for (int i = 0; !strchr(line, '\n'); i++)
		ck_assert_int_eq(channel_read(channel, line + i, 1), 0);
	pid = (pid_t)strtol(line, NULL, 10);
	ck_assert_int_ne(getpgid(pid), getpgid(0));
	channel_shutdown(channel);
	channel_destroy(channel);
	ck_assert_int_eq(waitpid(-1, NULL, 0), -1);
	/* The orphan is init's to reap. */
	for (int i = 0; i < 1000 && kill(pid, 0) == 0; i++) {
		char path[64], state[256] = "";
		FILE *file;

		snprintf(path, sizeof(path), "/proc/%d/stat", pid);
		file = fopen(path, "r");
		if (!file || !fgets(state, sizeof(state), file) || strstr(state, ") Z")) {
			if (file)
				fclose(file);
			return;
		}
		fclose(file);
		usleep(10000);
	}
	ck_assert_int_eq(kill(pid, 0), -1);
}
END_TEST

START_TEST(test_exec_may_finish_what_it_was_given)
{
	char uri[128], path[64], text[16] = "";
	struct channel *channel;
	int fd;

	make_dir();
	snprintf(path, sizeof(path), "%s/file", dir);
	snprintf(uri, sizeof(uri), "exec:cat >%s", path);
	ck_assert_int_eq(channel_connect(uri, &patient, &channel), 0);
	ck_assert_int_eq(write_bytes(channel, "the last word", 13), 0);
	channel_destroy(channel);
	fd = open(path, O_RDONLY);
	ck_assert_int_eq(read(fd, text, sizeof(text)), 13);
	close(fd);
	unlink(path);
	remove_dir();
}
END_TEST

START_TEST(test_plain_tcp_stays_on_this_host)
{
	struct channel_options open = { .insecure_plaintext = true, .timeout_ms = SHORT_MS };
	struct channel_listener *listener;
	struct channel *channel;
	char uri[64];

	not_listening("tcp:0.0.0.0:0", &patient, -EPERM, "--tls DIR (or --insecure-plaintext");
	not_listening("tcp:[::]:0", &patient, -EPERM, "--tls DIR");
	refused("tcp:192.0.2.1:9", &patient, -EPERM, "--insecure-plaintext");
	refused("tcp:[2001:db8::1]:9", &patient, -EPERM, "--insecure-plaintext");
	refused("tcp:[::ffff:192.0.2.1]:9", &patient, -EPERM, "--insecure-plaintext");
	ck_assert_int_eq(channel_listen("tcp:0.0.0.0:0", &open, &listener), 0);
	snprintf(uri, sizeof(uri), "tcp:127.8.8.8:%s",
		 strrchr(channel_listener_uri(listener), ':') + 1);
	ck_assert_int_eq(channel_connect(uri, &patient, &channel), 0);
	channel_destroy(channel);
	channel_listener_destroy(listener);
	refused(uri, &patient, -ECONNREFUSED, "cannot connect");
}
END_TEST

START_TEST(test_a_port_in_use_is_refused)
{
	struct channel_listener *listener;

	ck_assert_int_eq(channel_listen("tcp:127.0.0.1:0", &patient, &listener), 0);
	not_listening(channel_listener_uri(listener), &patient, -EADDRINUSE, "cannot listen");
	channel_listener_destroy(listener);
}
END_TEST

START_TEST(test_a_socket_file_is_private_and_removed)
{
	struct channel_listener *listener;
	struct stat info;
	mode_t mask = umask(0);

	make_dir();
	ck_assert_int_eq(channel_listen(unix_uri, &patient, &listener), 0);
	ck_assert_int_eq(lstat(SOCKET_PATH, &info), 0);
	ck_assert_uint_eq(info.st_mode, S_IFSOCK | 0600);
	not_listening(unix_uri, &patient, -EADDRINUSE, "somebody listens");
	channel_listener_destroy(listener);
	ck_assert_int_eq(lstat(SOCKET_PATH, &info), -1);
	umask(mask);
	remove_dir();
}
END_TEST

START_TEST(test_a_dead_socket_file_is_replaced_and_no_other_file)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct channel_listener *listener;
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	make_dir();
	strcpy(address.sun_path, SOCKET_PATH);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	close(fd);
	refused(unix_uri, &patient, -ECONNREFUSED, "cannot connect");
	ck_assert_int_eq(channel_listen(unix_uri, &patient, &listener), 0);
	/* Somebody else's file in the meantime is not ours to remove. */
	ck_assert_int_eq(unlink(SOCKET_PATH), 0);
	fd = open(SOCKET_PATH, O_CREAT | O_RDWR, 0600);
	channel_listener_destroy(listener);
	not_listening(unix_uri, &patient, -EEXIST, "not a socket");
	close(fd);
	ck_assert_int_eq(unlink(SOCKET_PATH), 0);
	refused(unix_uri, &patient, -ENOENT, "No such file");
	remove_dir();
}
END_TEST

START_TEST(test_an_end_of_stream_is_at_a_boundary_or_in_the_middle)
{
	char bytes[16];
	struct pair pair;

	pair_open(&pair, "tcp:127.0.0.1:0", &patient);
	ck_assert_int_eq(write_bytes(pair.near, "0123456789", 10), 0);
	channel_destroy(pair.near);
	pair.near = NULL;
	ck_assert_int_eq(channel_read(pair.far, bytes, 4), 0);
	says(channel_read(pair.far, bytes, 16), -EPIPE, "in the middle (6 of 16 bytes");
	says(channel_read(pair.far, bytes, 16), -EPIPE, "the peer closed the connection");
	ck_assert_ptr_null(strstr(error_text(-EPIPE), "middle"));
	pair_close(&pair);
}
END_TEST

START_TEST(test_nothing_moving_ends_at_the_deadline)
{
	static char much[8 << 20];
	int there[2], back[2];
	struct channel *none;
	struct pair pair;
	char byte, uri[32];

	pair_open(&pair, "tcp:127.0.0.1:0", &hasty);
	says(channel_read(pair.near, &byte, 1), -ETIMEDOUT, "cannot read: nothing moved for 300");
	says(write_bytes(pair.near, much, sizeof(much)), -ETIMEDOUT, "cannot write: nothing moved");
	says(channel_accept(pair.listener, 1, &none), -ETIMEDOUT, "nobody has connected");
	pair_close(&pair);
	make_dir();
	pair_open(&pair, unix_uri, &hasty);
	says(channel_read(pair.near, &byte, 1), -ETIMEDOUT, "nothing moved");
	says(write_bytes(pair.near, much, sizeof(much)), -ETIMEDOUT, "nothing moved");
	says(channel_receive_fd(pair.near, &(int){ 0 }), -ETIMEDOUT, "nothing moved");
	pair_close(&pair);
	remove_dir();
	ck_assert_int_eq(pipe(there), 0);
	ck_assert_int_eq(pipe(back), 0);
	snprintf(uri, sizeof(uri), "fd:%d,%d", back[0], there[1]);
	ck_assert_int_eq(channel_connect(uri, &hasty, &none), 0);
	says(channel_read(none, &byte, 1), -ETIMEDOUT, "nothing moved");
	says(write_bytes(none, much, sizeof(much)), -ETIMEDOUT, "nothing moved");
	channel_destroy(none);
	close(there[0]);
	close(back[1]);
}
END_TEST

/* Eight drops take longer than this, and one does not, on a busy machine too. */
#define SLOW_MS 1000

static void *drip(void *arg)
{
	for (int i = 0; i < 8; i++) {
		usleep(SLOW_MS * 1000 / 5);
		ck_assert_int_eq(write_bytes(arg, "x", 1), 0);
	}
	return NULL;
}

/* The deadline is for standing still, not for being slow. */
START_TEST(test_slow_is_not_stuck)
{
	struct pair pair;
	pthread_t thread;
	char bytes[8];

	pair_open(&pair, "tcp:127.0.0.1:0", &(struct channel_options){ .timeout_ms = SLOW_MS });
	pthread_create(&thread, NULL, drip, pair.near);
	ck_assert_int_eq(channel_read(pair.far, bytes, 8), 0);
	pthread_join(thread, NULL);
	pair_close(&pair);
}
END_TEST

#define SLOW_PART ((size_t)128 << 10)

static void *write_much(void *arg)
{
	static char much[16 << 20];

	ck_assert_int_eq(write_bytes(arg, much, sizeof(much)), 0);
	return NULL;
}

/* What it takes before the deadline is less than the kernel waits for until it is written to again. */
START_TEST(test_who_takes_little_is_not_stuck)
{
	static char part[16 << 20];
	struct pair pair;
	pthread_t thread;
	size_t taken = 0;

	pair_open(&pair, "tcp:127.0.0.1:0", &(struct channel_options){ .timeout_ms = SLOW_MS });
	pthread_create(&thread, NULL, write_much, pair.near);
	for (int i = 0; i < 20; i++, taken += SLOW_PART) {
		usleep(SLOW_MS * 1000 / 5);
		ck_assert_int_eq(channel_read(pair.far, part, SLOW_PART), 0);
	}
	ck_assert_int_eq(channel_read(pair.far, part, sizeof(part) - taken), 0);
	pthread_join(thread, NULL);
	pair_close(&pair);
}
END_TEST

struct blocked {
	struct channel *channel;
	struct channel_listener *listener;
	int result;
	pthread_t thread;
};

static void *block_in_read(void *arg)
{
	struct blocked *blocked = arg;
	char byte;

	blocked->result = channel_read(blocked->channel, &byte, 1);
	return NULL;
}

static void *block_in_write(void *arg)
{
	static char much[16 << 20];
	struct blocked *blocked = arg;

	blocked->result = write_bytes(blocked->channel, much, sizeof(much));
	return NULL;
}

static void *block_in_wait(void *arg)
{
	struct blocked *blocked = arg;

	blocked->result = channel_wait_readable(blocked->channel, -1);
	return NULL;
}

static void *block_in_accept(void *arg)
{
	struct blocked *blocked = arg;

	blocked->result = channel_accept(blocked->listener, -1, &blocked->channel);
	return NULL;
}

/* One in each direction at once; whether they block already makes no difference. */
START_TEST(test_shutdown_ends_whoever_blocks)
{
	void *(*const blocking[])(void *) = { block_in_read, block_in_write, block_in_wait,
					      block_in_write };
	struct pair pair;
	char byte;

	for (int round = 0; round < 4; round += 2) {
		struct blocked both[2];

		pair_open(&pair, "tcp:127.0.0.1:0", &patient);
		for (int i = 0; i < 2; i++) {
			both[i] = (struct blocked){ .channel = pair.near };
			pthread_create(&both[i].thread, NULL, blocking[round + i], &both[i]);
		}
		usleep(20000);
		channel_shutdown(pair.near);
		for (int i = 0; i < 2; i++) {
			pthread_join(both[i].thread, NULL);
			ck_assert_int_eq(both[i].result, -ECANCELED);
		}
		says(channel_read(pair.near, &byte, 1), -ECANCELED, "canceled");
		says(write_bytes(pair.near, "x", 1), -ECANCELED, "canceled");
		ck_assert_int_eq(channel_wait_readable(pair.near, 0), -ECANCELED);
		pair_close(&pair);
	}
}
END_TEST

START_TEST(test_stop_ends_accept)
{
	struct blocked blocked = { 0 };

	ck_assert_int_eq(channel_listen("tcp:127.0.0.1:0", &patient, &blocked.listener), 0);
	pthread_create(&blocked.thread, NULL, block_in_accept, &blocked);
	usleep(20000);
	channel_listener_stop(blocked.listener);
	pthread_join(blocked.thread, NULL);
	ck_assert_int_eq(blocked.result, -ECANCELED);
	ck_assert_int_eq(channel_accept(blocked.listener, -1, &blocked.channel), -ECANCELED);
	channel_listener_destroy(blocked.listener);
}
END_TEST

START_TEST(test_wait_readable_sees_bytes_and_the_end)
{
	struct pair pair;
	char byte;

	pair_open(&pair, "tcp:127.0.0.1:0", &patient);
	ck_assert_int_eq(channel_wait_readable(pair.far, 0), 0);
	ck_assert_int_eq(channel_wait_readable(pair.far, 10), 0);
	ck_assert_int_eq(write_bytes(pair.near, "x", 1), 0);
	ck_assert_int_eq(channel_wait_readable(pair.far, -1), 1);
	ck_assert_int_eq(channel_read(pair.far, &byte, 1), 0);
	channel_destroy(pair.near);
	pair.near = NULL;
	ck_assert_int_eq(channel_wait_readable(pair.far, -1), 1);
	says(channel_read(pair.far, &byte, 1), -EPIPE, "closed");
	pair_close(&pair);
}
END_TEST

/* With SIGPIPE as it is by default, this process would be gone. */
START_TEST(test_a_gone_peer_is_no_signal)
{
	int there[2], back[2];
	struct channel *channel;
	struct pair pair;
	sigset_t pending;
	char uri[32];
	int r;

	signal(SIGPIPE, SIG_DFL);
	ck_assert_int_eq(pipe(there), 0);
	ck_assert_int_eq(pipe(back), 0);
	snprintf(uri, sizeof(uri), "fd:%d,%d", back[0], there[1]);
	ck_assert_int_eq(channel_connect(uri, &patient, &channel), 0);
	close(there[0]);
	says(write_bytes(channel, "x", 1), -EPIPE, "the peer closed");
	sigpending(&pending);
	ck_assert(!sigismember(&pending, SIGPIPE));
	channel_destroy(channel);
	pair_open(&pair, "tcp:127.0.0.1:0", &patient);
	channel_destroy(pair.far);
	pair.far = NULL;
	do
		r = write_bytes(pair.near, "x", 1);
	while (r == 0);
	ck_assert_msg(r == -EPIPE || r == -ECONNRESET, "%s", error_text(r));
	pair_close(&pair);
}
END_TEST

/* A last word reaches a peer that is still sending, and whom nobody hears any more. */
START_TEST(test_what_was_said_before_closing_arrives)
{
	char text[16] = "";
	struct pair pair;
	int r = 0;

	pair_open(&pair, "tcp:127.0.0.1:0", &patient);
	ck_assert_int_eq(write_bytes(pair.near, "unread", 6), 0);
	ck_assert_int_eq(write_bytes(pair.far, "not for us", 10), 0);
	channel_destroy(pair.far);
	pair.far = NULL;
	while (r == 0)
		r = write_bytes(pair.near, "unread", 6);
	ck_assert_int_eq(channel_read(pair.near, text, 10), 0);
	ck_assert_str_eq(text, "not for us");
	pair_close(&pair);
}
END_TEST

START_TEST(test_a_descriptor_travels_at_its_place)
{
	int fd = memfd_create("memory", MFD_CLOEXEC), got = -1;
	struct stat sent, received;
	struct pair pair;
	char word[8];

	make_dir();
	pair_open(&pair, unix_uri, &patient);
	ck_assert(channel_can_send_fd(pair.near) && channel_can_send_fd(pair.far));
	ck_assert_int_eq(write_bytes(pair.near, "before", 6), 0);
	ck_assert_int_eq(channel_send_fd(pair.near, fd), 0);
	ck_assert_int_eq(write_bytes(pair.near, "after", 5), 0);
	ck_assert_int_eq(channel_read(pair.far, word, 6), 0);
	ck_assert_int_eq(channel_receive_fd(pair.far, &got), 0);
	ck_assert_int_eq(channel_read(pair.far, word, 5), 0);
	ck_assert_int_eq(memcmp(word, "after", 5), 0);
	ck_assert_int_eq(fstat(fd, &sent), 0);
	ck_assert_int_eq(fstat(got, &received), 0);
	ck_assert_uint_eq(sent.st_ino, received.st_ino);
	ck_assert_int_eq(fcntl(got, F_GETFD), FD_CLOEXEC);
	close(got);
	close(fd);
	pair_close(&pair);
	remove_dir();
}
END_TEST

static void send_raw(int fd, const void *byte, int count)
{
	int fds[2] = { STDERR_FILENO, STDERR_FILENO };
	struct iovec iov = { (void *)byte, 1 };
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(fds))];
	} control = { .header = { .cmsg_len = CMSG_LEN((size_t)count * sizeof(int)),
				  .cmsg_level = SOL_SOCKET,
				  .cmsg_type = SCM_RIGHTS } };
	struct msghdr message = { .msg_iov = &iov,
				  .msg_iovlen = 1,
				  .msg_control = count ? &control : NULL,
				  .msg_controllen = count ? control.header.cmsg_len : 0 };

	memcpy(CMSG_DATA(&control.header), fds, (size_t)count * sizeof(int));
	ck_assert_int_eq(sendmsg(fd, &message, 0), 1);
}

/* The lowest free descriptor tells whether one was left open. */
static int lowest_free(void)
{
	int fd = dup(STDERR_FILENO);

	close(fd);
	return fd;
}

START_TEST(test_a_wrong_descriptor_message_is_refused_and_leaks_none)
{
	struct channel *channel;
	int fds[2], got = -1, low;
	struct pair pair;
	char uri[32], byte;

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	snprintf(uri, sizeof(uri), "fd:%d", fds[0]);
	ck_assert_int_eq(channel_connect(uri, &patient, &channel), 0);
	low = lowest_free();
	send_raw(fds[1], "\xfd", 0);
	says(channel_receive_fd(channel, &got), -EPROTO, "no single descriptor");
	send_raw(fds[1], "x", 1);
	says(channel_receive_fd(channel, &got), -EPROTO, "no single descriptor");
	send_raw(fds[1], "\xfd", 2);
	says(channel_receive_fd(channel, &got), -EPROTO, "no single descriptor");
	/* Nor among plain bytes. */
	send_raw(fds[1], "x", 1);
	ck_assert_int_eq(channel_read(channel, &byte, 1), 0);
	ck_assert_int_eq(got, -1);
	ck_assert_int_eq(lowest_free(), low);
	close(fds[1]);
	says(channel_receive_fd(channel, &got), -EPIPE, "closed");
	channel_destroy(channel);
	pair_open(&pair, "tcp:127.0.0.1:0", &patient);
	ck_assert(!channel_can_send_fd(pair.near));
	says(channel_send_fd(pair.near, 2), -EOPNOTSUPP, "unix socket");
	says(channel_receive_fd(pair.far, &got), -EOPNOTSUPP, "unix socket");
	pair_close(&pair);
}
END_TEST

START_TEST(test_the_peer_may_be_another_process)
{
	struct channel_listener *listener;
	struct channel *channel;
	char text[8] = "";
	pid_t child;
	int status;

	ck_assert_int_eq(channel_listen("tcp:127.0.0.1:0", &patient, &listener), 0);
	child = fork();
	if (child == 0) {
		if (channel_connect(channel_listener_uri(listener), &patient, &channel) == 0)
			write_bytes(channel, "hello", 5);
		kill(getpid(), SIGKILL);
	}
	ck_assert_int_eq(channel_accept(listener, LONG_MS, &channel), 0);
	ck_assert_int_eq(channel_read(channel, text, 5), 0);
	ck_assert_str_eq(text, "hello");
	ck_assert_int_lt(channel_read(channel, text, 1), 0);
	waitpid(child, &status, 0);
	ck_assert(WIFSIGNALED(status));
	channel_destroy(channel);
	channel_listener_destroy(listener);
}
END_TEST

START_TEST(test_nothing_may_be_destroyed)
{
	channel_destroy(NULL);
	channel_listener_destroy(NULL);
}
END_TEST

CHECK_MAIN("channel", test_a_uri_has_one_of_four_forms, test_tcp_carries_a_stream_both_ways,
	   test_tcp_over_ipv6_and_by_name, test_unix_carries_a_stream_both_ways,
	   test_fd_takes_a_connected_socket, test_fd_takes_two_pipes,
	   test_fd_refuses_what_is_no_stream, test_exec_carries_a_stream_through_a_command,
	   test_exec_listens_to_one_command, test_exec_tells_how_the_command_ended,
	   test_exec_ends_with_its_channel, test_exec_may_finish_what_it_was_given,
	   test_plain_tcp_stays_on_this_host, test_a_port_in_use_is_refused,
	   test_a_socket_file_is_private_and_removed,
	   test_a_dead_socket_file_is_replaced_and_no_other_file,
	   test_an_end_of_stream_is_at_a_boundary_or_in_the_middle,
	   test_nothing_moving_ends_at_the_deadline, test_slow_is_not_stuck,
	   test_who_takes_little_is_not_stuck,
	   test_shutdown_ends_whoever_blocks, test_stop_ends_accept,
	   test_wait_readable_sees_bytes_and_the_end, test_a_gone_peer_is_no_signal,
	   test_what_was_said_before_closing_arrives, test_a_descriptor_travels_at_its_place,
	   test_a_wrong_descriptor_message_is_refused_and_leaks_none,
	   test_the_peer_may_be_another_process, test_nothing_may_be_destroyed)
