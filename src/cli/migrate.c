/* SPDX-License-Identifier: Apache-2.0 */
/* `ferry migrate`: moves a running VM to another ferry. */
#include <ferry/error.h>

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "cli/command.h"
#include "cli/dial.h"
#include "cli/transfer.h"
#include "cli/value.h"
#include "control/client.h"
#include "io/channel.h"
#include "migrate/source.h"

#define COMPRESS_DEFAULT 1
#define COMPRESS_MAX	 19

struct migrate {
	struct transfer transfer;
	struct dial dial;
	const char *uri;
	struct json_object *params;
	bool postcopy, cancel, recover;
};

static void put(struct migrate *migrate, const char *key, struct json_object *value)
{
	json_object_object_add(migrate->params, key, value);
}

static int set_count(struct migrate *migrate, const char *key, const char *value, uint64_t min,
		     uint64_t max)
{
	uint64_t count;
	int err = value_count(value, min, max, &count);

	if (!err)
		put(migrate, key, json_object_new_uint64(count));
	return err;
}

static int set_connections(void *target, const char *value, bool on)
{
	(void)on;
	return set_count(target, "connections", value, 1, MIGRATE_CONNECTIONS_MAX);
}

static int set_compress(void *target, const char *value, bool on)
{
	if (value)
		return set_count(target, "compress", value, 1, COMPRESS_MAX);
	put(target, "compress", json_object_new_int(on ? COMPRESS_DEFAULT : 0));
	return 0;
}

static int set_bandwidth(void *target, const char *value, bool on)
{
	uint64_t bytes;
	int err = value_size(value, &bytes);

	(void)on;
	if (!err && (!bytes || bytes > INT64_MAX))
		err = because(-EINVAL, "%s a second is no bandwidth", value);
	if (!err)
		put(target, "bandwidth", json_object_new_uint64(bytes));
	return err;
}

static int set_downtime(void *target, const char *value, bool on)
{
	(void)on;
	return set_count(target, "downtime_ms", value, 1, 3600000);
}

static int set_throttle(void *target, const char *value, bool on)
{
	(void)value;
	put(target, "throttle", json_object_new_boolean(on));
	return 0;
}

static int set_postcopy(void *target, const char *value, bool on)
{
	(void)value;
	((struct migrate *)target)->postcopy = on;
	return 0;
}

static int set_copy_memory(void *target, const char *value, bool on)
{
	(void)value;
	put(target, "copy_memory", json_object_new_boolean(on));
	return 0;
}

static int set_copy_disks(void *target, const char *value, bool on)
{
	(void)value;
	put(target, "copy_disks", json_object_new_boolean(on));
	return 0;
}

static int set_tls(void *target, const char *value, bool on)
{
	char *path = *value ? value_absolute_path(value) : NULL;

	(void)on;
	if (!path)
		return because(-EINVAL, "the directory's name is empty");
	put(target, "tls", json_object_new_string(path));
	free(path);
	return 0;
}

static int set_insecure_plaintext(void *target, const char *value, bool on)
{
	(void)value;
	put(target, "insecure_plaintext", json_object_new_boolean(on));
	return 0;
}

static int set_cancel(void *target, const char *value, bool on)
{
	(void)value;
	((struct migrate *)target)->cancel = on;
	return 0;
}

static int set_recover(void *target, const char *value, bool on)
{
	(void)value;
	((struct migrate *)target)->recover = on;
	return 0;
}

static int set_json(void *target, const char *value, bool on)
{
	(void)value;
	((struct migrate *)target)->transfer.json = on;
	return 0;
}

/* The VM has another working directory than who asks it. */
static int set_uri(struct migrate *migrate, const char *value)
{
	char *uri;
	int err = channel_uri_check(value);

	if (!err && strncmp(value, "fd:", 3) == 0)
		err = because(-EINVAL, "%s: the VM does not have the descriptors of 'ferry migrate'; "
				       "use unix: or exec:", value);
	if (err)
		return err;
	uri = value_absolute_uri(value);
	if (!uri)
		return because(-ENOMEM, "out of memory");
	put(migrate, "uri", json_object_new_string(uri));
	free(uri);
	migrate->uri = value;
	return 0;
}

static int set_operand(void *target, unsigned index, const char *value)
{
	struct migrate *migrate = target;

	if (index == 1)
		return set_uri(migrate, value);
	migrate->transfer.name = value;
	return value_vm_name(value);
}

/* Without a URI: what is under way is told something. */
static const char *simple_method(const struct migrate *migrate)
{
	if (migrate->cancel)
		return "migrate-cancel";
	return migrate->postcopy && !migrate->uri ? "migrate-postcopy" : NULL;
}

static int check(struct migrate *migrate)
{
	int given = json_object_object_length(migrate->params) - (migrate->uri != NULL);

	if (migrate->cancel + migrate->recover + migrate->postcopy > 1)
		return because(-EINVAL, "--cancel, --recover and --postcopy exclude each other");
	if (migrate->cancel && migrate->uri)
		return because(-EINVAL, "--cancel takes no URI");
	if (!migrate->uri && !migrate->cancel && !migrate->recover && !migrate->postcopy)
		return because(-EINVAL, "where to? 'ferry migrate %s unix:PATH', or tcp:HOST:PORT",
			       migrate->transfer.name);
	if (given && (migrate->cancel || migrate->recover || !migrate->uri))
		return because(-EINVAL, "the other options are for the start of a migration");
	if (migrate->postcopy && migrate->uri)
		put(migrate, "postcopy", json_object_new_boolean(true));
	return 0;
}

/* What is there of a migration that is broken: where it went, and how. The caller puts it. */
static int ask_broken(const struct migrate *migrate, struct control_session *session,
		      struct json_object **ret_migration)
{
	struct json_object *status, *broken;
	int err = control_ask(session, "status", NULL, NULL, NULL, &status);

	if (err)
		return err;
	if (!json_object_object_get_ex(status, "migration", &broken))
		err = because(-EINVAL, "%s has no migration that is broken", migrate->transfer.name);
	else
		*ret_migration = json_object_get(broken);
	json_object_put(status);
	return err;
}

static int ask_ready(struct control_session *session)
{
	struct json_object *nothing = NULL;
	int err = control_ask(session, "migrate-ready", NULL, NULL, NULL, &nothing);

	json_object_put(nothing);
	return err;
}

/* As params of a migration or as what the VM says of it: both have the same names. */
static int dial_as(struct migrate *migrate, struct json_object *how, const char *uri)
{
	const struct channel_options way = {
		.tls = json_object_get_string(json_object_object_get(how, "tls")),
		.insecure_plaintext = json_object_get_boolean(
			json_object_object_get(how, "insecure_plaintext")),
	};
	struct json_object *connections = json_object_object_get(how, "connections");
	uint64_t count = connections ? json_object_get_uint64(connections) : 1;

	return dial_open(&migrate->dial, uri,
			 (unsigned)min_u64(count, MIGRATE_CONNECTIONS_MAX), &way);
}

static int begin(void *self, struct control_session *session, struct json_object *params)
{
	struct migrate *migrate = self;
	struct json_object *uri = json_object_object_get(params, "uri");
	struct json_object *how = NULL;
	int err;

	if (migrate->recover)
		err = ask_broken(migrate, session, &how);
	else
		err = ask_ready(session);
	if (!migrate->recover)
		how = json_object_get(params);
	if (!err && !uri)
		uri = json_object_object_get(how, "uri");
	if (!err)
		err = dial_as(migrate, how, json_object_get_string(uri));
	if (!err)
		control_attach(session, migrate->dial.fds, migrate->dial.count);
	json_object_put(how);
	return err;
}

static int end(void *self, int err)
{
	struct migrate *migrate = self;
	char text[ERROR_TEXT_MAX], why[128];

	dial_tell(&migrate->dial, why, sizeof(why));
	if (err && why[0]) {
		snprintf(text, sizeof(text), "%s", error_text(err));
		because(err, "%s%s", text, why);
	}
	dial_finish(&migrate->dial);
	return err;
}

static void say_moved(const struct transfer *transfer, struct json_object *result)
{
	char total[32], downtime[32], sent[32];

	transfer_figures(result, total, downtime, sent);
	printf("%s moved to %s: %s, guest stood still %s, %s sent\n", transfer->name,
	       json_object_get_string(json_object_object_get(result, "uri")), total, downtime, sent);
}

static enum exit_status run(struct migrate *migrate)
{
	struct transfer *transfer = &migrate->transfer;
	struct json_object *params = migrate->params;
	const char *method = simple_method(migrate);

	migrate->params = NULL;
	if (method) {
		json_object_put(params);
		return transfer_tell(transfer, method);
	}
	transfer->say = say_moved;
	transfer->ends = true;
	transfer->self = migrate;
	transfer->begin = begin;
	transfer->end = end;
	return transfer_run(transfer, migrate->recover ? "migrate-recover" : "migrate", params);
}

static int run_migrate(const struct command *self, int argc, char **argv)
{
	struct migrate migrate = { .params = json_object_new_object() };
	enum exit_status status = STATUS_OK;
	int err = command_parse(self, argc, argv, &migrate);

	if (err == COMMAND_GO_ON)
		err = check(&migrate);
	if (err < 0)
		status = command_failed(STATUS_USAGE, err);
	else if (err == COMMAND_GO_ON)
		status = run(&migrate);
	json_object_put(migrate.params);
	return status;
}

static const struct command_option options[] = {
	{ "connections", "N", "send over N connections (1)", "4", 0, set_connections },
	{ "compress", "LEVEL", "compress with zstd, level 1 to 19 (off; 1)", "3", OPTION_OPTIONAL,
	  set_compress },
	{ "bandwidth", "SIZE", "send at most SIZE a second", "100M", 0, set_bandwidth },
	{ "downtime", "MS", "stop the guest when so many ms will do (300)", "50", 0, set_downtime },
	{ "throttle", NULL, "leave a guest that is too fast its speed", NULL, OPTION_NEGATED,
	  set_throttle },
	{ "postcopy", NULL, "run there soon; what is missing follows as needed", NULL, 0,
	  set_postcopy },
	{ "copy-memory", NULL, "over unix: too, where it could be handed over", NULL, 0,
	  set_copy_memory },
	{ "copy-disks", NULL, "copy the writable disks to those there", NULL, 0,
	  set_copy_disks },
	{ "tls", "DIR", "for tcp: ca-cert.pem, cert.pem and key.pem", "/etc/ferry/tls", 0, set_tls },
	{ "insecure-plaintext", NULL, "tcp: beyond this host without --tls", NULL, 0,
	  set_insecure_plaintext },
	{ "cancel", NULL, "give up the one under way; the guest goes on here", NULL, 0, set_cancel },
	{ "recover", NULL, "connect anew when --postcopy lost its connection", NULL, 0,
	  set_recover },
	{ "json", NULL, "print progress and result as JSON, one object a line", NULL, 0, set_json },
};

static const char *const notes[] = {
	"The other side is 'ferry run --incoming URI'. URI: tcp:HOST:PORT, unix:PATH,",
	"exec:COMMAND. Exit status: 0 the guest runs there, 1 it does not. Ending this",
	"command ends no migration: --cancel does. --postcopy without URI: from now on.",
	NULL,
};

static const char *const more[] = {
	"The other side first says everything that it has against the guest; nothing has moved",
	"then. After that memory is copied while the guest runs, in rounds, each of what it wrote",
	"during the last; when what is left takes no longer than --downtime, the guest is stopped",
	"and the rest goes with its registers. A guest that writes faster than it can be sent is",
	"slowed down, step by step. Whatever fails before the other side has everything, the guest",
	"goes on here as if nothing had happened.",
	"",
	"Over unix: memory is handed over, not copied: both processes have it for a moment. So a",
	"guest changes to a new ferry on the same host.",
	"",
	"The two sides share the guest's disks. With --copy-disks each has its own: the other side's",
	"must be as large, or are made where their files do not exist yet, and what is on them is",
	"lost. They are copied before memory, while the guest runs, and what it writes meanwhile goes",
	"with each round. What is left here afterwards is as it was when the guest was stopped.",
	"",
	"With --postcopy the guest runs there after the first round, and gets what it lacks when it",
	"touches it. Until it has everything it depends on both sides: a connection that is lost is",
	"made anew by --recover.",
	"",
	"This command connects, and passes its connections on: the VM itself may open nothing. What",
	"exec: runs is its child, and with --tls a process of its own encrypts, which stays as long as",
	"the VM sends. In tcp:HOST the certificate of the other side is for HOST.",
	NULL,
};

const struct command command_migrate = {
	.name = "migrate",
	.summary = "move a running VM to another ferry",
	.operands = { "NAME", "URI" },
	.required = 1,
	.operand = set_operand,
	.options = options,
	.option_count = ARRAY_SIZE(options),
	.notes = notes,
	.more = more,
	.run = run_migrate,
};
