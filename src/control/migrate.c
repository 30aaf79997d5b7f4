/* SPDX-License-Identifier: Apache-2.0 */
/* The methods that move or copy a VM: one at a time, and what becomes of the VM afterwards. */
#include <ferry/error.h>
#include <ferry/vm.h>

#include <errno.h>
#include <json-c/json.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/migration.h"
#include "control/server.h"
#include "control/watcher.h"
#include "mem/pager.h"

static struct control *control_of(void *self)
{
	return ((struct control_client *)self)->control;
}

int control_doubt(struct control *control, enum machine_release release, const char *text)
{
	const char *name = control->name;

	if (!control->advice &&
	    asprintf(&control->advice,
		     "find out whether the guest runs on the other side; if it does, 'ferry ctl %s "
		     "stop' here; if not, end it there, and then 'ferry ctl %s resume --force' here",
		     name, name) < 0)
		control->advice = NULL;
	control->doubt = strdup(text);
	control->doubt_release = release;
	return control->advice && control->doubt ? 0 : because(-ENOMEM, "out of memory");
}

const char *control_doubt_advice(const struct control *control)
{
	return control->advice;
}

/* Before it is known whether the guest runs elsewhere, it is enough that it might. */
static void doubt(struct control *control, const char *text)
{
	if (control_doubt(control, MACHINE_GO_ON, text) != 0)
		vm_end(machine_vm(control->machine), VM_END_FAILED, text);
}

static void leave(struct control *control, const char *target)
{
	if (asprintf(&control->gone_to, "to %s", target) < 0)
		control->gone_to = strdup("");
}

static void migration_ended(void *self, struct migration *migration)
{
	struct control *control = self;
	const struct migration_end *end = migration_end(migration);
	bool is_broken = end->outcome == MIGRATE_BROKEN;

	control->migrating = 0;
	if (end->outcome == MIGRATE_MOVED)
		leave(control, migration_target(migration));
	else if (end->outcome == MIGRATE_IN_DOUBT)
		doubt(control, end->text);
	if (!is_broken)
		control->migration = NULL;
	if (control->watcher)
		watcher_end(control->watcher);
	else
		control_watcher_gone(control);
	if (!is_broken)
		migration_destroy(migration);
}

void control_watcher_gone(struct control *control)
{
	control->watcher = NULL;
	/* Who asked for it was to put it in its place. */
	if (control->migrating && migration_kind(control->migration) == MIGRATION_SNAPSHOT)
		migration_cancel(control->migration);
	if (control->gone_to)
		vm_end(machine_vm(control->machine), VM_END_MIGRATED, control->gone_to);
}

void control_end_migration(struct control *control)
{
	control->is_ending = true;
	if (control->migrating)
		migration_cancel(control->migration);
	/* Its thread may wait for the loop. */
	loop_drain(control->loop, &control->migrating);
	/* A broken one. */
	migration_destroy(control->migration);
	control->migration = NULL;
}

int control_check_broken(const struct control *control)
{
	if (!control->migration || control->migrating)
		return 0;
	return because(-EBUSY, "the guest runs elsewhere, or may, and lacks memory that is only here: "
			       "'ferry migrate %s --recover' sends it; where it is sure to have ended "
			       "there, 'ferry ctl %s resume --force' goes on with it here",
		       control->name, control->name);
}

int control_settle_broken(struct control *control)
{
	const struct migrate_guest *guest = &control->guest.ops;
	int err = guest->retake(guest->self);

	if (!err)
		err = guest->go_on(guest->self);
	if (err)
		return err;
	guest->throttle(guest->self, 0);
	migration_destroy(control->migration);
	control->migration = NULL;
	return 0;
}

int control_check_whole(const struct control *control)
{
	if (!mem_lacks_pages(control->guest.ops.mem))
		return 0;
	return because(-EBUSY, "%s lacks memory that its source still has to send; where the "
			       "connection was lost, 'ferry migrate NAME --recover' at the source "
			       "sends it", control->name);
}

static int check_idle(const struct control *control)
{
	if (control->is_ending || vm_ended(machine_vm(control->machine)) != VM_END_NONE)
		return because(-ECANCELED, "%s has ended", control->name);
	if (control->doubt)
		return because(-EBUSY, "%s is in doubt: %s", control->name, control->advice);
	if (control_check_broken(control))
		return -EBUSY;
	if (control->migration)
		return because(-EBUSY, "%s of %s is under way already, to %s",
			       migration_kind(control->migration) == MIGRATION_MOVE ? "a migration" :
										      "a snapshot",
			       control->name, migration_target(control->migration));
	if (atomic_load(&control->guest.is_absent))
		return because(-EBUSY, "%s has not arrived yet", control->name);
	if (control_check_whole(control))
		return -EBUSY;
	if (!control->description)
		return because(-EOPNOTSUPP, "%s was made by a program that does not say from what",
			       control->name);
	return 0;
}

static struct migration_options options_of(struct control *control)
{
	return (struct migration_options){
		.vm = machine_vm(control->machine),
		.guest = &control->guest.ops,
		.machine = control->description,
		.ended = migration_ended,
		.self = control,
	};
}

/*
 * It is under way, whether somebody can watch it or not. The loop does not hear of its end before this
 * callback is over.
 */
static int watch(struct control_client *client, struct migration *migration)
{
	struct control *control = client->control;
	int err;

	control->migration = migration;
	control->migrating = 1;
	err = watcher_create(client, migration, &control->watcher);
	if (err)
		return err;
	client->stream = watcher_stream(control->watcher);
	return RPC_STREAM;
}

static const char *text_of(struct json_object *params, const char *key)
{
	struct json_object *value = json_object_object_get(params, key);

	return value ? json_object_get_string(value) : NULL;
}

static bool flag_of(struct json_object *params, const char *key, bool otherwise)
{
	struct json_object *value = json_object_object_get(params, key);

	return value ? json_object_get_boolean(value) : otherwise;
}

/* 0 … max. */
static int count_of(struct json_object *params, const char *key, uint64_t max, uint64_t *ret_count)
{
	struct json_object *value = json_object_object_get(params, key);
	int64_t count = json_object_get_int64(value);

	if (!value)
		return 0;
	if (count < 0 || (uint64_t)count > max)
		return because(-EINVAL, "%s is 0 to %llu", key, (unsigned long long)max);
	*ret_count = (uint64_t)count;
	return 0;
}

/* A descriptor of the client's is not one of the VM's. */
static int check_uri(const char *uri)
{
	if (strncmp(uri, "fd:", 3) == 0)
		return because(-EINVAL, "%s: the VM does not have the descriptors of who asks it; "
					"use unix: or exec:", uri);
	return 0;
}

static int read_options(struct json_object *params, struct migrate_source_options *options)
{
	uint64_t connections = 1, compress = 0, downtime = MIGRATE_DOWNTIME_MS, bandwidth = 0;
	int err = check_uri(text_of(params, "uri"));

	if (!err)
		err = count_of(params, "connections", MIGRATE_CONNECTIONS_MAX, &connections);
	if (!err)
		err = count_of(params, "compress", 22, &compress);
	if (!err)
		err = count_of(params, "bandwidth", INT64_MAX, &bandwidth);
	if (!err)
		err = count_of(params, "downtime_ms", UINT_MAX, &downtime);
	*options = (struct migrate_source_options){
		.uri = text_of(params, "uri"),
		.channel = {
			.tls = text_of(params, "tls"),
			.insecure_plaintext = flag_of(params, "insecure_plaintext", false),
		},
		.connections = (unsigned)connections,
		.compress = (int)compress,
		.bandwidth = bandwidth,
		.downtime_ms = (unsigned)downtime,
		.throttle = flag_of(params, "throttle", true),
		.postcopy = flag_of(params, "postcopy", false),
		.copy_memory = flag_of(params, "copy_memory", false),
		.copy_disks = flag_of(params, "copy_disks", false),
	};
	return err;
}

/* What came with the request; what nobody takes of it the client closes. */
static struct migration_fds fds_of(void *self)
{
	struct control_client *client = self;

	return (struct migration_fds){ .fds = client->fds, .count = client->fd_count };
}

static void fds_taken(void *self, const struct migration_fds *fds)
{
	if (!fds->count)
		((struct control_client *)self)->fd_count = 0;
}

int do_migrate(void *self, struct json_object *params, struct json_object **ret_result)
{
	struct control *control = control_of(self);
	const struct migration_options options = options_of(control);
	struct migration_fds fds = fds_of(self);
	struct migrate_source_options source;
	struct migration *migration;
	int err = check_idle(control);

	(void)ret_result;
	if (!err)
		err = read_options(params, &source);
	if (!err && source.copy_disks)
		err = machine_stores_check(control->machine);
	if (!err)
		err = migration_move(&options, &source, &fds, &migration);
	fds_taken(self, &fds);
	return err ? err : watch(self, migration);
}

/* So that nobody connects in vain. */
int do_migrate_ready(void *self, struct json_object *params, struct json_object **ret_result)
{
	int err = check_idle(control_of(self));

	(void)params;
	if (!err)
		*ret_result = json_object_new_object();
	return err;
}

int do_snapshot(void *self, struct json_object *params, struct json_object **ret_result)
{
	struct control *control = control_of(self);
	const struct migration_options options = options_of(control);
	struct migration_fds fds = fds_of(self);
	struct migration *migration;
	int err = check_idle(control);

	(void)ret_result;
	if (!err)
		err = migration_snapshot(&options, text_of(params, "dir"), &fds, &migration);
	fds_taken(self, &fds);
	return err ? err : watch(self, migration);
}

int do_migrate_recover(void *self, struct json_object *params, struct json_object **ret_result)
{
	struct control *control = control_of(self);
	const char *uri = text_of(params, "uri");
	struct migration_fds fds = fds_of(self);
	int err = uri ? check_uri(uri) : 0;

	(void)ret_result;
	if (err)
		return err;
	if (!control->migration || control->migrating)
		return because(-EINVAL, "%s has no migration that is broken", control->name);
	err = migration_recover(control->migration, uri, &fds);
	fds_taken(self, &fds);
	return err ? err : watch(self, control->migration);
}

/* What is under way; NULL and a text: nothing. */
static struct migration *under_way(const struct control *control)
{
	if (control->migrating)
		return control->migration;
	because(-ENOENT, "%s is not being migrated", control->name);
	return NULL;
}

static int tell_progress(struct migration *migration, int err, struct json_object **ret_result)
{
	if (!err)
		*ret_result = migration_describe(migration);
	return err;
}

int do_migrate_postcopy(void *self, struct json_object *params, struct json_object **ret_result)
{
	struct migration *migration = under_way(control_of(self));

	(void)params;
	return migration ? tell_progress(migration, migration_postcopy(migration), ret_result) :
			   -ENOENT;
}

int do_migrate_cancel(void *self, struct json_object *params, struct json_object **ret_result)
{
	struct migration *migration = under_way(control_of(self));

	(void)params;
	return migration ? tell_progress(migration, migration_cancel(migration), ret_result) :
			   -ENOENT;
}
