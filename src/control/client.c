/* SPDX-License-Identifier: Apache-2.0 */
/* Asks running VMs. */
#include "control/client.h"

#include <ferry/error.h>

#include <dirent.h>
#include <errno.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "control/json.h"
#include "control/path.h"

/* Two messages and one lock are between the end of a VM and its heir's name. */
#define HEIR_WAIT_MS 5000
#define HEIR_LOOK_MS 5L

struct control_session {
	int fd;
	char *name;
	char *in; /* what came: first the line that was taken last, line_len bytes, then what follows */
	size_t line_len, in_len, in_size;
	struct json_object *error_data;
	const volatile sig_atomic_t *stop; /* may be NULL */
	const int *fds; /* for the next request */
	unsigned fd_count;
};

static int session_create(const char *name, int fd, struct control_session **ret_session)
{
	struct timeval patience = { .tv_sec = CONTROL_ANSWER_SECONDS };
	struct control_session *session = calloc(1, sizeof(*session));

	if (!session)
		return because(-ENOMEM, "out of memory");
	session->name = strdup(name);
	if (!session->name) {
		free(session);
		return because(-ENOMEM, "out of memory");
	}
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	session->fd = fd;
	*ret_session = session;
	return 0;
}

int control_open(const char *name, struct control_session **ret_session)
{
	AUTO_CLOSE int fd = -1;
	int err = control_connect(name, &fd);

	if (err == -ECONNREFUSED)
		control_remove_stale(name);
	if (err == -ENOENT || err == -ECONNREFUSED)
		return because(-ENOENT, "no VM named %s runs; 'ferry list' shows those that do",
			       name);
	if (err)
		return err;
	err = session_create(name, fd, ret_session);
	if (!err)
		fd_take(&fd);
	return err;
}

void control_close(struct control_session *session)
{
	if (!session)
		return;
	close(session->fd);
	free(session->name);
	free(session->in);
	json_object_put(session->error_data);
	free(session);
}

void control_stop_by(struct control_session *session, const volatile sig_atomic_t *stop)
{
	session->stop = stop;
}

void control_attach(struct control_session *session, const int *fds, unsigned count)
{
	session->fds = fds;
	session->fd_count = count;
}

/* As send(2), with the session's descriptors, which go with the first byte. */
static ssize_t send_part(struct control_session *session, const char *from, size_t len)
{
	AUTO_FREE struct cmsghdr *control = NULL;
	struct iovec part = { .iov_base = (char *)from, .iov_len = len };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
	size_t size = session->fd_count * sizeof(int);
	ssize_t n;

	if (size) {
		control = calloc(1, CMSG_SPACE(size));
		if (!control) {
			errno = ENOMEM;
			return -1;
		}
		control->cmsg_level = SOL_SOCKET;
		control->cmsg_type = SCM_RIGHTS;
		control->cmsg_len = CMSG_LEN(size);
		memcpy(CMSG_DATA(control), session->fds, size);
		message.msg_control = control;
		message.msg_controllen = CMSG_SPACE(size);
	}
	n = sendmsg(session->fd, &message, MSG_NOSIGNAL);
	if (n > 0)
		session->fd_count = 0;
	return n;
}

static int send_request(struct control_session *session, const char *method,
			struct json_object *params)
{
	struct json_object *request = json_object_new_object();
	AUTO_FREE char *line = NULL;
	size_t sent = 0, len;
	ssize_t n;

	json_add(request, "jsonrpc", json_object_new_string("2.0"));
	json_add(request, "id", json_object_new_int(1));
	json_add(request, "method", json_object_new_string(method));
	if (params)
		json_add(request, "params", params);
	if (asprintf(&line, "%s\n",
		     json_object_to_json_string_ext(request, JSON_C_TO_STRING_PLAIN)) < 0)
		line = NULL;
	json_object_put(request);
	if (!line)
		return because(-ENOMEM, "out of memory");
	for (len = strlen(line); sent < len; sent += (size_t)n) {
		do {
			n = send_part(session, line + sent, len - sent);
		} while (n < 0 && errno == EINTR);
		if (n < 0)
			return because(-EPIPE, "cannot ask %s: %s", session->name,
				       errno == EAGAIN ? "it does not listen" : strerror(errno));
	}
	return 0;
}

/*
 * More of what the VM says. 1; 0: it has closed its side; -ETIMEDOUT. A socket that has timeouts is never
 * restarted by the kernel (signal(7)), and its work for a ring of io_uring interrupts a thread like a signal.
 */
static int receive(struct control_session *session)
{
	size_t size = session->in_size ? 2 * session->in_size : 4096;
	char *grown;
	ssize_t n;

	if (session->in_len == session->in_size) {
		grown = realloc(session->in, size);
		if (!grown)
			return because(-ENOMEM, "out of memory");
		session->in = grown;
		session->in_size = size;
	}
	do {
		if (session->stop && *session->stop)
			return because(-EINTR, "interrupted");
		n = recv(session->fd, session->in + session->in_len,
			 session->in_size - session->in_len, 0);
	} while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return because(-ETIMEDOUT, "%s does not answer", session->name);
	if (n <= 0)
		return 0;
	session->in_len += (size_t)n;
	return 1;
}

/* The next line is at "in". As receive(). */
static int next_line(struct control_session *session)
{
	size_t seen = 0;
	char *end = NULL;
	int r;

	session->in_len -= session->line_len;
	if (session->in_len)
		memmove(session->in, session->in + session->line_len, session->in_len);
	session->line_len = 0;
	for (;;) {
		if (session->in_len > seen)
			end = memchr(session->in + seen, '\n', session->in_len - seen);
		if (end)
			break;
		seen = session->in_len;
		r = receive(session);
		if (r <= 0)
			return r;
	}
	*end = '\0';
	session->line_len = (size_t)(end - session->in) + 1;
	return 1;
}

/* One line of the VM as an object, which the caller puts. */
static int read_object(struct control_session *session, struct json_object **ret_object)
{
	struct json_object *object;
	int r = next_line(session);

	if (r < 0)
		return r;
	if (r == 0)
		return because(-EPIPE, "%s ended before it answered", session->name);
	object = json_tokener_parse(session->in);
	if (!json_object_is_type(object, json_type_object)) {
		json_object_put(object);
		return because(-EPROTO, "%s gave an answer that is not JSON-RPC", session->name);
	}
	*ret_object = object;
	return 0;
}

/* What an answer (not a notification) holds. */
static int take_answer(struct control_session *session, struct json_object *answer,
		       struct json_object **ret_result)
{
	struct json_object *result, *error, *message, *data;

	if (json_object_object_get_ex(answer, "error", &error) &&
	    json_object_object_get_ex(error, "message", &message)) {
		data = json_object_object_get(error, "data");
		if (json_object_is_type(data, json_type_object))
			session->error_data = json_object_get(data);
		return because(-EREMOTEIO, "%s", json_object_get_string(message));
	}
	if (!json_object_object_get_ex(answer, "result", &result))
		return because(-EPROTO, "%s gave an answer that is not JSON-RPC", session->name);
	*ret_result = json_object_get(result);
	return 0;
}

int control_ask(struct control_session *session, const char *method, struct json_object *params,
		void (*each)(void *self, struct json_object *params), void *self,
		struct json_object **ret_result)
{
	struct json_object *object = NULL, *notified;
	int err = send_request(session, method, params);
	bool is_answer = false;

	json_object_put(session->error_data);
	session->error_data = NULL;
	while (!err && !is_answer) {
		err = read_object(session, &object);
		if (err)
			break;
		is_answer = !json_object_object_get_ex(object, "method", NULL);
		if (is_answer)
			err = take_answer(session, object, ret_result);
		else if (each && json_object_object_get_ex(object, "params", &notified))
			each(self, notified);
		json_object_put(object);
	}
	return err;
}

struct json_object *control_error_data(const struct control_session *session)
{
	return session->error_data;
}

int control_wait_end(struct control_session *session)
{
	int r;

	do {
		r = next_line(session);
	} while (r > 0);
	return r == -ETIMEDOUT ? because(-ETIMEDOUT, "%s does not end", session->name) : r;
}

/* NAME.PID is what an heir of NAME is called until then: heir.c. */
static bool is_heir(const char *candidate, const char *name)
{
	struct control_session *session = NULL;
	struct json_object *status = NULL;
	size_t len = strlen(name);
	const char *becomes;
	bool is = false;

	if (strncmp(candidate, name, len) != 0 || candidate[len] != '.' ||
	    control_open(candidate, &session) < 0 || !session)
		return false;
	if (control_ask(session, "status", NULL, NULL, NULL, &status) == 0) {
		becomes = json_object_get_string(json_object_object_get(status, "becomes"));
		is = becomes && strcmp(becomes, name) == 0;
		json_object_put(status);
	}
	control_close(session);
	return is;
}

static bool has_heir(const char *name)
{
	bool has = false;
	size_t count = 0;
	char **names = NULL;

	if (control_names(&names, &count) < 0 || !names)
		return false;
	for (size_t i = 0; i < count; i++) {
		has = has || is_heir(names[i], name);
		free(names[i]);
	}
	free(names);
	return has;
}

void control_wait_heir(const char *name)
{
	const struct timespec moment = { .tv_nsec = HEIR_LOOK_MS * 1000000 };

	for (unsigned i = 0; i < HEIR_WAIT_MS / HEIR_LOOK_MS && has_heir(name); i++)
		nanosleep(&moment, NULL);
	error_clear();
}

static int is_socket_name(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name);

	return len > 5 && strcmp(entry->d_name + len - 5, ".sock") == 0;
}

int control_names(char ***ret_names, size_t *ret_count)
{
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	struct dirent **entries = NULL;
	size_t kept = 0;
	char **names;
	int count, err = control_directory(path, sizeof(path));

	if (err)
		return err;
	count = scandir(path, &entries, is_socket_name, alphasort);
	if (count < 0 && errno != ENOENT)
		return because(-errno, "cannot read the directory %s: %s", path, strerror(errno));
	names = calloc(count > 0 ? (size_t)count : 1, sizeof(*names));
	for (int i = 0; i < count; i++) {
		char *name = entries[i]->d_name;

		name[strlen(name) - 5] = '\0';
		if (!control_is_alive(name))
			control_remove_stale(name);
		else if (names && (names[kept] = strdup(name)))
			kept++;
		free(entries[i]);
	}
	free(entries);
	if (!names)
		return because(-ENOMEM, "out of memory");
	*ret_names = names;
	*ret_count = kept;
	return 0;
}
