/* SPDX-License-Identifier: Apache-2.0 */
/* `ferry snapshot`: writes a running VM into a directory. */
#include <ferry/error.h>

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/util.h"
#include "cli/command.h"
#include "cli/transfer.h"
#include "cli/value.h"

struct snapshot_command {
	struct transfer transfer;
	const char *dir;
};

static int set_json(void *target, const char *value, bool on)
{
	(void)value;
	((struct snapshot_command *)target)->transfer.json = on;
	return 0;
}

static int set_operand(void *target, unsigned index, const char *value)
{
	struct snapshot_command *snapshot = target;

	if (index == 0) {
		snapshot->transfer.name = value;
		return value_vm_name(value);
	}
	snapshot->dir = value;
	return *value ? 0 : because(-EINVAL, "the directory's name is empty");
}

static void say_written(const struct transfer *transfer, struct json_object *result)
{
	char total[32], downtime[32], written[32];

	transfer_figures(result, total, downtime, written);
	printf("%s written to %s: %s, guest stood still %s, %s written\n", transfer->name,
	       json_object_get_string(json_object_object_get(result, "dir")), total, downtime,
	       written);
}

static int run_snapshot(const struct command *self, int argc, char **argv)
{
	struct snapshot_command snapshot = { .transfer.say = say_written };
	struct json_object *params;
	char *dir;
	int err = command_parse(self, argc, argv, &snapshot);

	if (err < 0)
		return command_failed(STATUS_USAGE, err);
	if (err == COMMAND_DONE)
		return STATUS_OK;
	/* The VM has another working directory. */
	dir = value_absolute_path(snapshot.dir);
	if (!dir)
		return command_failed(STATUS_FAILED, because(-ENOMEM, "out of memory"));
	params = json_object_new_object();
	json_object_object_add(params, "dir", json_object_new_string(dir));
	free(dir);
	return transfer_run(&snapshot.transfer, "snapshot", params);
}

static const struct command_option options[] = {
	{ "json", NULL, "print progress and result as JSON, one object a line", NULL, 0, set_json },
};

static const char *const notes[] = {
	"The VM goes on; it stands still for the last of what it wrote. 'ferry run",
	"--restore DIR' goes on from there, 'ferry inspect DIR' shows the registers. What",
	"is in DIR already is replaced when the new snapshot is whole. Disks are not in",
	"it: keep a copy of theirs with it. 'ferry migrate NAME --cancel' gives it up.",
	NULL,
};

const struct command command_snapshot = {
	.name = "snapshot",
	.summary = "write a running VM into a directory",
	.operands = { "NAME", "DIR" },
	.required = 2,
	.operand = set_operand,
	.options = options,
	.option_count = ARRAY_SIZE(options),
	.notes = notes,
	.run = run_snapshot,
};
