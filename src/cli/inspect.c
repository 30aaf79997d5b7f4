/* SPDX-License-Identifier: Apache-2.0 */
/* `ferry inspect`: every register of a running VM, by name and value. */
#include <ferry/error.h>

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/util.h"
#include "cli/command.h"
#include "cli/print.h"
#include "cli/value.h"
#include "control/client.h"
#include "control/inspect.h"
#include "migrate/snapshot.h"

#define SHOWN_BYTES 16 /* of a wide register, without --full */

struct show {
	const char *name;
	const char *pattern;
	bool is_file; /* name is a snapshot's */
	bool json, full;
	size_t shown;
};

static int set_json(void *target, const char *value, bool on)
{
	(void)value;
	((struct show *)target)->json = on;
	return 0;
}

static int set_full(void *target, const char *value, bool on)
{
	(void)value;
	((struct show *)target)->full = on;
	return 0;
}

static int set_operand(void *target, unsigned index, const char *value)
{
	struct show *show = target;

	if (index == 1) {
		show->pattern = value;
		return 0;
	}
	show->name = value;
	show->is_file = strchr(value, '/') || access(value, F_OK) == 0;
	return show->is_file ? 0 : value_vm_name(value);
}

/* Hexadecimal text in groups of four bytes; the first bytes bytes of it. */
static void print_bytes(const char *hex, size_t bytes)
{
	for (size_t i = 0; i < bytes && hex[2 * i]; i++)
		printf("%s%.2s", i && i % 4 == 0 ? " " : "", hex + 2 * i);
}

static void print_wide(const struct show *show, const char *hex)
{
	size_t size = strlen(hex) / 2;

	if (!show->full) {
		print_bytes(hex, SHOWN_BYTES);
		printf(size > SHOWN_BYTES ? " … (%zu bytes)\n" : "\n", size);
		return;
	}
	printf("(%zu bytes)\n", size);
	for (size_t at = 0; at < size; at += SHOWN_BYTES) {
		printf("    %04zx  ", at);
		print_bytes(hex + 2 * at, SHOWN_BYTES);
		putchar('\n');
	}
}

static void print_register(void *self, struct json_object *params)
{
	struct show *show = self;
	const char *vcpu = member_text(params, "vcpu");
	const char *value = member_text(params, "value");
	char owner[16] = "vm";

	show->shown++;
	if (show->json) {
		print_json(params);
		return;
	}
	if (strcmp(vcpu, "-") != 0)
		snprintf(owner, sizeof(owner), "cpu%s", vcpu);
	printf("%-6s %-36s ", owner, member_text(params, "name"));
	if (json_object_object_get_ex(params, "error", NULL))
		printf("(%s)\n", member_text(params, "error"));
	else if (strncmp(value, "0x", 2) == 0)
		printf("%s\n", value);
	else
		print_wide(show, value);
}

static int ask(struct show *show)
{
	struct control_session *session;
	struct json_object *params = NULL, *result;
	int err = control_open(show->name, &session);

	if (err)
		return err;
	if (show->pattern) {
		params = json_object_new_object();
		json_object_object_add(params, "pattern", json_object_new_string(show->pattern));
	}
	err = control_ask(session, "inspect", params, print_register, show, &result);
	if (!err)
		json_object_put(result);
	control_close(session);
	return err;
}

/* The registers of a snapshot: its state is enough, there need be no KVM. */
static int look(struct show *show)
{
	struct inspect *inspect = NULL;
	struct snapshot snapshot;
	struct json_object *params;
	int err = snapshot_open_state(show->name, &snapshot);

	if (!err)
		err = inspect_create_snapshot(&snapshot, show->pattern, &inspect);
	snapshot_finish(&snapshot);
	while (!err) {
		err = inspect_next(inspect, &params);
		if (err <= 0)
			break;
		print_register(show, params);
		json_object_put(params);
		err = 0;
	}
	inspect_destroy(inspect);
	return err;
}

static int run_inspect(const struct command *self, int argc, char **argv)
{
	struct show show = { 0 };
	int err = command_parse(self, argc, argv, &show);

	if (err < 0)
		return command_failed(STATUS_USAGE, err);
	if (err == COMMAND_DONE)
		return STATUS_OK;
	err = show.is_file ? look(&show) : ask(&show);
	if (!err && show.pattern && !show.shown)
		err = because(-ENOENT,
			      "no register of %s matches \"%s\"; 'ferry inspect %s' lists "
			      "them all",
			      show.name, show.pattern, show.name);
	return err ? command_failed(STATUS_FAILED, err) : STATUS_OK;
}

static const struct command_option options[] = {
	{ "json", NULL, "print one object a line", NULL, 0, set_json },
	{ "full", NULL, "print wide registers whole", NULL, 0, set_full },
};

static const char *const notes[] = {
	"NAME is a VM's; or a snapshot: its directory, or its file state.",
	"PATTERN is one of the shell's, such as 'msr.*'. A VM is paused for a moment.",
	"Registers of up to 8 bytes are numbers; wider ones are bytes in memory's order.",
	NULL,
};

const struct command command_inspect = {
	.name = "inspect",
	.summary = "show the registers of a VM or snapshot",
	.operands = { "NAME", "PATTERN" },
	.required = 1,
	.operand = set_operand,
	.options = options,
	.option_count = ARRAY_SIZE(options),
	.notes = notes,
	.run = run_inspect,
};
