/* SPDX-License-Identifier: Apache-2.0 */
/* A process between a VM and the network: what it is given it encrypts, and the other way round. */
#include "cli/dial.h"

#include <ferry/error.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/cleanup.h"

#define PIECE	262144
#define FD_FIRST 3

/* The other side takes connections in the VM's order: each waits until the one before it has been made. */
struct order {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned made; /* lock */
};

/* One connection: a thread each way, of which the first ends the other. */
struct line {
	const char *uri;
	const struct channel_options *options;
	struct order *order;
	unsigned number;
	int fd; /* the VM's */
	struct channel *channel;
	pthread_t up, down;
	bool has_up;
};

/* How the first connection was made: the others are only when they are used. */
struct report {
	int err;
	char text[ERROR_TEXT_MAX];
};

static int write_all(int fd, const char *from, size_t len)
{
	while (len) {
		ssize_t n = send(fd, from, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		from += n;
		len -= (size_t)n;
	}
	return 0;
}

static void *down_main(void *arg)
{
	struct line *line = arg;
	AUTO_FREE char *piece = malloc(PIECE);
	ssize_t n = 1;

	while (piece && n > 0 && channel_wait_readable(line->channel, -1) > 0) {
		n = channel_read_some(line->channel, piece, PIECE);
		if (n > 0 && write_all(line->fd, piece, (size_t)n) < 0)
			break;
	}
	shutdown(line->fd, SHUT_RDWR);
	return NULL;
}

static void pass_up(const struct line *line)
{
	AUTO_FREE char *piece = malloc(PIECE);
	struct iovec iov = { .iov_base = piece };
	ssize_t n = 1;

	while (piece && n > 0) {
		n = recv(line->fd, piece, PIECE, 0);
		if (n < 0 && errno == EINTR) {
			n = 1;
			continue;
		}
		iov.iov_len = n > 0 ? (size_t)n : 0;
		if (n > 0 && channel_write(line->channel, &iov, 1) < 0)
			n = 0;
	}
}

static bool has_something_to_say(const struct line *line)
{
	char first;
	ssize_t n;

	do
		n = recv(line->fd, &first, 1, MSG_PEEK);
	while (n < 0 && errno == EINTR);
	return n > 0;
}

/* Until the VM has something to say the other side need not know. */
static void connect_in_order(struct line *line)
{
	struct order *order = line->order;
	bool is_used = line->channel || has_something_to_say(line);

	pthread_mutex_lock(&order->lock);
	while (order->made < line->number)
		pthread_cond_wait(&order->changed, &order->lock);
	pthread_mutex_unlock(&order->lock);
	if (is_used && !line->channel &&
	    channel_connect(line->uri, line->options, &line->channel) < 0)
		line->channel = NULL;
	pthread_mutex_lock(&order->lock);
	order->made++;
	pthread_cond_broadcast(&order->changed);
	pthread_mutex_unlock(&order->lock);
}

static void *up_main(void *arg)
{
	struct line *line = arg;

	connect_in_order(line);
	if (line->channel && pthread_create(&line->down, NULL, down_main, line) == 0) {
		pass_up(line);
		channel_shutdown(line->channel);
		shutdown(line->fd, SHUT_RDWR);
		pthread_join(line->down, NULL);
	}
	close(line->fd);
	channel_destroy(line->channel);
	return NULL;
}

static bool is_kept(int fd, const int *fds, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (fds[i] == fd)
			return true;
	return false;
}

/* It outlives who started it, and holds nothing that somebody waits for the end of. */
static void leave(const int *fds, unsigned count, int report)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	setsid();
	signal(SIGPIPE, SIG_IGN);
	for (int fd = 0; fd < FD_FIRST; fd++)
		dup2(null, fd);
	for (int fd = FD_FIRST; fd < (int)sysconf(_SC_OPEN_MAX) && fd < 4096; fd++)
		if (fd != report && !is_kept(fd, fds, count))
			close(fd);
}

static void relay(const char *uri, const struct channel_options *options, const int *fds,
		  unsigned count, int to_report)
{
	struct order order = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };
	struct report report = { 0 };
	struct line *lines = calloc(count, sizeof(*lines));

	leave(fds, count, to_report);
	for (unsigned i = 0; lines && i < count; i++)
		lines[i] = (struct line){ .uri = uri, .options = options, .order = &order,
					  .number = i, .fd = fds[i] };
	report.err = lines ? channel_connect(uri, options, &lines[0].channel) : -ENOMEM;
	snprintf(report.text, sizeof(report.text), "%s", error_text(report.err));
	if (write(to_report, &report, sizeof(report)) != sizeof(report) || report.err)
		return;
	close(to_report);
	for (unsigned i = 0; lines && i < count; i++)
		lines[i].has_up = pthread_create(&lines[i].up, NULL, up_main, &lines[i]) == 0;
	for (unsigned i = 0; lines && i < count; i++)
		if (lines[i].has_up)
			pthread_join(lines[i].up, NULL);
}

static int make_pairs(int *ours, int *theirs, unsigned count, unsigned *ret_made)
{
	for (*ret_made = 0; *ret_made < count; ++*ret_made) {
		int pair[2];

		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
			return because(-errno, "socketpair: %s", strerror(errno));
		ours[*ret_made] = pair[0];
		theirs[*ret_made] = pair[1];
	}
	return 0;
}

static int start(const char *uri, const struct channel_options *options, const int *theirs,
		 unsigned count)
{
	AUTO_CLOSE int reader = -1, writer = -1;
	struct report report;
	int ends[2];
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return because(-errno, "pipe: %s", strerror(errno));
	reader = ends[0];
	writer = ends[1];
	pid = fork();
	if (pid < 0)
		return because(-errno, "fork: %s", strerror(errno));
	if (pid == 0) {
		relay(uri, options, theirs, count, writer);
		_exit(0);
	}
	close(fd_take(&writer));
	if (read(reader, &report, sizeof(report)) != sizeof(report))
		return because(-EPIPE, "%s: who was to encrypt has ended", uri);
	report.text[sizeof(report.text) - 1] = '\0';
	return report.err ? because(report.err, "%s", report.text) : 0;
}

int relay_open(const char *uri, const struct channel_options *options, int *fds, unsigned count)
{
	int theirs[MIGRATE_CONNECTIONS_MAX + 1] = { 0 };
	unsigned made;
	int err = make_pairs(fds, theirs, count, &made);

	if (!err)
		err = start(uri, options, theirs, count);
	for (unsigned i = 0; i < made; i++) {
		close(theirs[i]);
		if (err)
			close(fds[i]);
	}
	return err;
}
