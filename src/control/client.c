/* SPDX-License-Identifier: Apache-2.0 */
/* Asks running VMs. */
#include "control/client.h"

#include <ferry/error.h>

#include <dirent.h>
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "control/path.h"

struct control_session {
	FILE *stream; /* for reading; writes go to its descriptor */
	char *name;
	char *line;
	size_t line_size;
	struct json_object *error_data;
};

static int session_init(struct control_session *session, const char *name, int *fd)
{
	struct timeval patience = { .tv_sec = CONTROL_ANSWER_SECONDS };

	setsockopt(*fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(*fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	session->name = strdup(name);
	session->stream = session->name ? fdopen(*fd, "r") : NULL;
	if (!session->stream)
		return because(-ENOMEM, "out of memory");
	*fd = -1;
	return 0;
}

int control_open(const char *name, struct control_session **ret_session)
{
	AUTO_CLOSE int fd = -1;
	struct control_session *session;
	int err = control_connect(name, &fd);

	if (err == -ECONNREFUSED)
		control_remove_stale(name);
	if (err == -ENOENT || err == -ECONNREFUSED)
		return because(-ENOENT, "no VM named %s runs; 'ferry list' shows those that do",
			       name);
	if (err)
		return err;
	session = calloc(1, sizeof(*session));
	if (!session)
		return because(-ENOMEM, "out of memory");
	err = session_init(session, name, &fd);
	if (err) {
		control_close(session);
		return err;
	}
	*ret_session = session;
	return 0;
}

void control_close(struct control_session *session)
{
	if (!session)
		return;
	if (session->stream)
		fclose(session->stream);
	free(session->name);
	free(session->line);
	json_object_put(session->error_data);
	free(session);
}

static int send_request(struct control_session *session, const char *method,
			struct json_object *params)
{
	struct json_object *request = json_object_new_object();
	AUTO_FREE char *line = NULL;
	size_t sent = 0, len;
	ssize_t n;

	json_object_object_add(request, "jsonrpc", json_object_new_string("2.0"));
	json_object_object_add(request, "id", json_object_new_int(1));
	json_object_object_add(request, "method", json_object_new_string(method));
	if (params)
		json_object_object_add(request, "params", params);
	if (asprintf(&line, "%s\n",
		     json_object_to_json_string_ext(request, JSON_C_TO_STRING_PLAIN)) < 0)
		line = NULL;
	json_object_put(request);
	if (!line)
		return because(-ENOMEM, "out of memory");
	for (len = strlen(line); sent < len; sent += (size_t)n) {
		n = send(fileno(session->stream), line + sent, len - sent, MSG_NOSIGNAL);
		if (n < 0)
			return because(-EPIPE, "cannot ask %s: %s", session->name,
				       errno == EAGAIN ? "it does not listen" : strerror(errno));
	}
	return 0;
}

/* One line of the VM as an object, which the caller puts. */
static int read_object(struct control_session *session, struct json_object **ret_object)
{
	struct json_object *object;
	ssize_t len;

	errno = 0;
	len = getline(&session->line, &session->line_size, session->stream);
	if (len < 0 && errno == EAGAIN)
		return because(-ETIMEDOUT, "%s does not answer", session->name);
	if (len < 0)
		return because(-EPIPE, "%s ended before it answered", session->name);
	object = json_tokener_parse(session->line);
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
	ssize_t len;

	do {
		errno = 0;
		len = getline(&session->line, &session->line_size, session->stream);
	} while (len >= 0);
	return errno == EAGAIN ? because(-ETIMEDOUT, "%s does not end", session->name) : 0;
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
