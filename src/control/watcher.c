/* SPDX-License-Identifier: Apache-2.0 */
/* Progress of a migration, five times a second, and then its result. */
#include "control/watcher.h"

#include <ferry/error.h>

#include <errno.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "control/json.h"
#include "control/migration.h"
#include "control/server.h"

#define PERIOD_NS (200 * 1000000ULL)

struct watcher {
	struct control_stream stream;
	struct control_client *client;
	struct loop_timer timer;
	struct migration *migration; /* NULL: it has ended */
	bool is_due;		     /* progress is */
	int err;		     /* 0: answer is the result, else the error's data */
	char *message;
	struct json_object *answer;
};

static struct watcher *of_stream(struct control_stream *stream)
{
	return container_of(stream, struct watcher, stream);
}

static void period_ended(struct loop_timer *timer)
{
	struct watcher *watcher = container_of(timer, struct watcher, timer);

	watcher->is_due = true;
	client_continue(watcher->client);
}

static int next_progress(struct control_stream *stream, char **ret_line)
{
	struct watcher *watcher = of_stream(stream);

	if (!watcher->migration)
		return 0;
	if (!watcher->is_due)
		return -EAGAIN;
	watcher->is_due = false;
	*ret_line = rpc_notification("progress", migration_describe(watcher->migration));
	if (!*ret_line)
		return -ENOMEM;
	return loop_timer_arm(watcher->client->control->loop, &watcher->timer, PERIOD_NS,
			      period_ended) ?
		       -ENOMEM :
		       1;
}

static char *tell_end(struct control_stream *stream, struct json_object *id)
{
	struct watcher *watcher = of_stream(stream);
	struct json_object *answer = watcher->answer;

	watcher->answer = NULL;
	return watcher->err ? rpc_failure(id, watcher->err, watcher->message, answer) :
			      rpc_answer(id, answer);
}

static void destroy(struct control_stream *stream)
{
	struct watcher *watcher = of_stream(stream);
	struct control *control = watcher->client->control;

	loop_timer_disarm(control->loop, &watcher->timer);
	json_object_put(watcher->answer);
	free(watcher->message);
	free(watcher);
	control_watcher_gone(control);
}

int watcher_create(struct control_client *client, struct migration *migration,
		   struct watcher **ret_watcher)
{
	struct watcher *watcher = calloc(1, sizeof(*watcher));

	if (!watcher)
		return because(-ENOMEM, "out of memory");
	*watcher = (struct watcher){
		.stream = { .next = next_progress, .answer = tell_end, .destroy = destroy },
		.client = client,
		.migration = migration,
		.is_due = true,
	};
	*ret_watcher = watcher;
	return 0;
}

struct control_stream *watcher_stream(struct watcher *watcher)
{
	return &watcher->stream;
}

static void add_text(struct json_object *object, const char *key, const char *text)
{
	json_add(object, key, json_object_new_string(text));
}

static const char *outcome_name(enum migration_kind kind, const struct migration_end *end)
{
	switch (end->outcome) {
	case MIGRATE_MOVED:
		return "moved";
	case MIGRATE_IN_DOUBT:
		return "in-doubt";
	case MIGRATE_BROKEN:
		return "broken";
	case MIGRATE_WENT_ON:
		break;
	}
	return kind == MIGRATION_SNAPSHOT && !end->err ? "written" : "went-on";
}

static struct json_object *split_lines(const char *text)
{
	struct json_object *lines = json_object_new_array();

	while (*text) {
		size_t len = strcspn(text, "\n");

		json_append(lines, json_object_new_string_len(text, (int)len));
		text += len + (text[len] == '\n');
	}
	return lines;
}

static void add_figures(struct json_object *answer, const struct migrate_progress *progress)
{
	json_add(answer, "downtime_ms", migration_ms(progress->downtime_ns));
	json_add(answer, "total_ms", migration_ms(progress->elapsed_ns));
	json_add(answer, "bytes", json_object_new_uint64(progress->sent));
}

void watcher_end(struct watcher *watcher)
{
	struct migration *migration = watcher->migration;
	const struct migration_end *end = migration_end(migration);
	enum migration_kind kind = migration_kind(migration);

	watcher->answer = json_object_new_object();
	add_text(watcher->answer, "outcome", outcome_name(kind, end));
	if (end->err) {
		watcher->err = end->err;
		watcher->message = strdup(end->text);
		json_add(watcher->answer, "refusals", split_lines(end->refusals));
	} else {
		add_text(watcher->answer, kind == MIGRATION_MOVE ? "uri" : "dir",
			 migration_target(migration));
		add_figures(watcher->answer, &end->progress);
	}
	watcher->migration = NULL;
	client_continue(watcher->client);
}
