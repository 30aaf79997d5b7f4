/* SPDX-License-Identifier: Apache-2.0 */
/* Asks a VM to move or to copy itself, and watches. */
#include "cli/transfer.h"

#include <ferry/error.h>

#include <json-c/json.h>
#include <stdio.h>

#include "cli/print.h"
#include "cli/progress.h"
#include "cli/terminal.h"
#include "control/client.h"

void transfer_figures(struct json_object *result, char *total, char *downtime, char *bytes)
{
	progress_time(json_object_get_double(json_object_object_get(result, "total_ms")), total, 32);
	progress_time(json_object_get_double(json_object_object_get(result, "downtime_ms")),
		      downtime, 32);
	progress_bytes(json_object_get_uint64(json_object_object_get(result, "bytes")), bytes, 32);
}

/* The reasons stand in the error's data, one by one. */
static void print_reasons(struct json_object *data)
{
	struct json_object *refusals = json_object_object_get(data, "refusals");

	if (!json_object_is_type(refusals, json_type_array))
		return;
	for (size_t i = 0; i < json_object_array_length(refusals); i++)
		terminal_line("  %s",
			      json_object_get_string(json_object_array_get_idx(refusals, i)));
}

/* For a program: what a result has, and the text. */
static void print_failure(struct json_object *data, int err)
{
	struct json_object *object = data ? json_object_get(data) : json_object_new_object();

	json_object_object_add(object, "error", json_object_new_string(error_text(err)));
	print_json(object);
	json_object_put(object);
}

static enum exit_status fail(const struct transfer *transfer, struct json_object *data, int err)
{
	if (transfer->json)
		print_failure(data, err);
	command_failed(STATUS_FAILED, err);
	print_reasons(data);
	return STATUS_FAILED;
}

static enum exit_status ask(const struct transfer *transfer, struct control_session *session,
			    const char *method, struct json_object *params)
{
	struct progress progress;
	struct json_object *result = NULL;
	int err = transfer->begin ? transfer->begin(transfer->self, session, params) : 0;

	if (err) {
		json_object_put(params);
	} else {
		progress_init(&progress, transfer->json);
		err = control_ask(session, method, params, progress_show, &progress, &result);
		progress_finish(&progress);
	}
	if (transfer->end)
		err = transfer->end(transfer->self, err);
	if (err) {
		json_object_put(result);
		return fail(transfer, control_error_data(session), err);
	}
	if (transfer->json)
		print_json(result);
	else
		transfer->say(transfer, result);
	json_object_put(result);
	/* So that its name and its disks are free. */
	err = transfer->ends ? control_wait_end(session) : 0;
	if (!err && transfer->ends)
		control_wait_heir(transfer->name);
	return err ? command_failed(STATUS_FAILED, err) : STATUS_OK;
}

enum exit_status transfer_run(const struct transfer *transfer, const char *method,
			      struct json_object *params)
{
	struct control_session *session;
	enum exit_status status;
	int err = control_open(transfer->name, &session);

	if (err) {
		json_object_put(params);
		return fail(transfer, NULL, err);
	}
	status = ask(transfer, session, method, params);
	control_close(session);
	return status;
}

enum exit_status transfer_tell(const struct transfer *transfer, const char *method)
{
	struct control_session *session;
	struct json_object *result;
	int err = control_open(transfer->name, &session);

	if (err)
		return fail(transfer, NULL, err);
	err = control_ask(session, method, NULL, NULL, NULL, &result);
	if (!err && transfer->json)
		print_json(result);
	if (!err)
		json_object_put(result);
	control_close(session);
	return err ? fail(transfer, NULL, err) : STATUS_OK;
}
