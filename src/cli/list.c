/* SPDX-License-Identifier: Apache-2.0 */
/* `ferry list`: the VMs of this user that run. */
#include <ferry/error.h>

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/util.h"
#include "cli/command.h"
#include "cli/print.h"
#include "cli/value.h"
#include "control/client.h"

static int set_json(void *target, const char *value, bool on)
{
	(void)value;
	*(bool *)target = on;
	return 0;
}

static void print_row(const char *name, struct json_object *status)
{
	char memory[32], uptime[64];
	struct json_object *value;

	value_size_text(json_object_object_get_ex(status, "memory", &value)
				? json_object_get_uint64(value)
				: 0,
			memory, sizeof(memory));
	print_duration(json_object_object_get_ex(status, "uptime", &value)
			       ? json_object_get_int64(value)
			       : 0,
		       uptime, sizeof(uptime));
	printf("%-20s %8s %-8s %5s %8s %12s\n", name, member_text(status, "pid"),
	       member_text(status, "state"), member_text(status, "cpus"), memory, uptime);
}

/* NULL where the VM ended between the listing and now, or does not answer: *ret_error then. */
static struct json_object *ask_status(const char *name, int *ret_error)
{
	struct control_session *session;
	struct json_object *status = NULL;
	int err = control_open(name, &session);

	if (!err) {
		err = control_ask(session, "status", NULL, NULL, NULL, &status);
		control_close(session);
	}
	*ret_error = err;
	return err ? NULL : status;
}

static enum exit_status list_all(char **names, size_t count, bool json)
{
	struct json_object *all = json_object_new_array(), *status;
	enum exit_status exit_status = STATUS_OK;
	int err;

	if (!json && count)
		printf("%-20s %8s %-8s %5s %8s %12s\n", "NAME", "PID", "STATE", "CPUS", "MEMORY",
		       "UPTIME");
	for (size_t i = 0; i < count; i++) {
		error_clear();
		status = ask_status(names[i], &err);
		if (status && json)
			json_object_array_add(all, status);
		else if (status)
			print_row(names[i], status);
		if (status && !json)
			json_object_put(status);
		if (err && err != -ENOENT && err != -EPIPE)
			exit_status = command_failed(STATUS_FAILED, err);
	}
	if (json)
		print_json(all);
	json_object_put(all);
	return exit_status;
}

static int run_list(const struct command *self, int argc, char **argv)
{
	enum exit_status status;
	bool json = false;
	char **names;
	size_t count;
	int err = command_parse(self, argc, argv, &json);

	if (err < 0)
		return command_failed(STATUS_USAGE, err);
	if (err == COMMAND_DONE)
		return STATUS_OK;
	err = control_names(&names, &count);
	if (err)
		return command_failed(STATUS_FAILED, err);
	status = list_all(names, count, json);
	for (size_t i = 0; i < count; i++)
		free(names[i]);
	free(names);
	return status;
}

static const struct command_option options[] = {
	{ "json", NULL, "print an array of objects", NULL, 0, set_json },
};

const struct command command_list = {
	.name = "list",
	.summary = "show the VMs that run",
	.options = options,
	.option_count = ARRAY_SIZE(options),
	.run = run_list,
};
