/* SPDX-License-Identifier: Apache-2.0 */
/* `ferry snapshot`: writes a running VM into a directory. */
#include <ferry/error.h>

#include <errno.h>
#include <json-c/json.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/util.h"
#include "cli/command.h"
#include "cli/transfer.h"
#include "cli/value.h"
#include "control/client.h"
#include "migrate/snapshot_dir.h"

struct snapshot_command {
	struct transfer transfer;
	const char *name; /* as it was typed */
	char *path;	  /* from everywhere */
	struct snapshot_dir dir;
	int fds[2];
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
	snapshot->name = value;
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

/* File-scope because a signal handler gets no argument. What it ends takes its files along. */
static volatile sig_atomic_t is_interrupted;

static void note_end(int sig)
{
	(void)sig;
	is_interrupted = 1;
}

static void catch_ends(void)
{
	static const int ends[] = { SIGINT, SIGTERM, SIGHUP };
	const struct sigaction action = { .sa_handler = note_end, .sa_flags = SA_RESETHAND };

	for (size_t i = 0; i < ARRAY_SIZE(ends); i++)
		sigaction(ends[i], &action, NULL);
}

/* The files are made here: where the VM runs there may be no way to the directory. */
static int begin(void *self, struct control_session *session, struct json_object *params)
{
	struct snapshot_command *snapshot = self;
	int err;

	(void)params;
	catch_ends();
	err = snapshot_dir_make(&snapshot->dir, snapshot->path);
	control_stop_by(session, &is_interrupted);
	snapshot->fds[0] = snapshot->dir.memory_fd;
	snapshot->fds[1] = snapshot->dir.state_fd;
	if (!err)
		control_attach(session, snapshot->fds, ARRAY_SIZE(snapshot->fds));
	return err;
}

static int end(void *self, int err)
{
	struct snapshot_command *snapshot = self;

	if (!err)
		err = snapshot_dir_commit(&snapshot->dir);
	snapshot_dir_finish(&snapshot->dir);
	return err;
}


static int run_snapshot(const struct command *self, int argc, char **argv)
{
	struct snapshot_command snapshot = { .transfer = { .say = say_written, .self = &snapshot,
							   .begin = begin, .end = end } };
	struct json_object *params;
	enum exit_status status;
	int err = command_parse(self, argc, argv, &snapshot);

	if (err < 0)
		return command_failed(STATUS_USAGE, err);
	if (err == COMMAND_DONE)
		return STATUS_OK;
	snapshot.path = value_absolute_path(snapshot.name);
	if (!snapshot.path)
		return command_failed(STATUS_FAILED, because(-ENOMEM, "out of memory"));
	params = json_object_new_object();
	json_object_object_add(params, "dir", json_object_new_string(snapshot.path));
	status = transfer_run(&snapshot.transfer, "snapshot", params);
	free(snapshot.path);
	return status;
}

static const struct command_option options[] = {
	{ "json", NULL, "print progress and result as JSON, one object a line", NULL, 0, set_json },
};

static const char *const notes[] = {
	"The VM goes on; it stands still for the last of what it wrote. 'ferry run",
	"--restore DIR' goes on from there, 'ferry inspect DIR' shows the registers. What",
	"is in DIR already is replaced when the new snapshot is whole. Disks are not in",
	"it: keep a copy of theirs beside it. Ending this command gives it up.",
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
