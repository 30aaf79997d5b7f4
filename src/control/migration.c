/* SPDX-License-Identifier: Apache-2.0 */
/* Runs the migration engine on a thread of its own. */
#include "control/migration.h"

#include <ferry/vm.h>

#include <errno.h>
#include <json-c/json.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/util.h"
#include "control/json.h"
#include "io/channel.h"
#include "io/loop.h"
#include "migrate/snapshot.h"
#include "vm/vm.h"

struct migration {
	enum migration_kind kind;
	struct migration_options options;
	char *target;
	int fds[MIGRATE_CONNECTIONS_MAX + 1]; /* connections that were not needed yet */
	unsigned fd_count, fd_next;
	bool is_plain; /* they may lead beyond this host without TLS */
	/* As who asked has it: what a recovery needs. */
	unsigned connections;
	char *tls;
	bool recovers;			  /* the thread is one of migration_recover() */
	struct migrate_source *source;	  /* of a move */
	struct snapshot_writer *snapshot; /* of a snapshot */
	pthread_t thread;
	bool has_thread;
	struct migration_end end; /* the thread's, until ended() */
};

static int take_fds(struct migration *migration, struct migration_fds *fds, unsigned least)
{
	if (fds->count < least || fds->count > ARRAY_SIZE(migration->fds))
		return because(-EINVAL, "%u descriptors came with the request, and %u are needed: the VM "
					"opens nothing itself", fds->count, least);
	memcpy(migration->fds, fds->fds, fds->count * sizeof(*fds->fds));
	migration->fd_count = fds->count;
	migration->fd_next = 0;
	fds->count = 0;
	return 0;
}

static void close_fds(struct migration *migration)
{
	while (migration->fd_next < migration->fd_count)
		close(migration->fds[migration->fd_next++]);
}

static int connect_next(void *self, struct channel **ret_channel)
{
	struct migration *migration = self;
	const struct channel_options options = { .insecure_plaintext = migration->is_plain };

	if (migration->fd_next == migration->fd_count)
		return because(-EINVAL, "%s: no more than %u connections were handed over",
			       migration->target, migration->fd_count);
	return channel_adopt(migration->target, migration->fds[migration->fd_next++], &options,
			     ret_channel);
}

static void has_ended(void *arg)
{
	struct migration *migration = arg;

	migration->options.ended(migration->options.self, migration);
}

static void run(struct migration *migration)
{
	struct migration_end *end = &migration->end;

	end->refusals = "";
	if (end->err) {
		end->outcome = migration->recovers ? MIGRATE_BROKEN : MIGRATE_WENT_ON;
		snprintf(end->text, sizeof(end->text), "%s", error_text(end->err));
		return;
	}
	error_clear();
	if (migration->kind == MIGRATION_SNAPSHOT) {
		end->err = snapshot_writer_run(migration->snapshot);
	} else if (migration->recovers) {
		end->outcome = migrate_source_recover(migration->source, migration->target, &end->err);
	} else {
		end->outcome = migrate_source_run(migration->source, &end->err);
		end->refusals = migrate_source_refusals(migration->source);
	}
	snprintf(end->text, sizeof(end->text), "%s", error_text(end->err));
	migration_progress(migration, &end->progress);
}

static void *thread_main(void *arg)
{
	struct migration *migration = arg;

	migration->end.err = vm_begin_thread(migration->options.vm, VM_THREAD_MIGRATION);
	run(migration);
	close_fds(migration);
	/* For want of memory: somebody waits for this message, so it must come. */
	while (loop_call(vm_loop(migration->options.vm), has_ended, migration) != 0)
		sched_yield();
	return NULL;
}

static int start(struct migration *migration)
{
	int err = -pthread_create(&migration->thread, NULL, thread_main, migration);

	migration->has_thread = !err;
	return err ? because(err, "cannot start a thread: %s", strerror(-err)) : 0;
}

static struct migration *create(enum migration_kind kind, const struct migration_options *options,
				const char *target)
{
	struct migration *migration = calloc(1, sizeof(*migration));

	if (!migration)
		return NULL;
	migration->kind = kind;
	migration->options = *options;
	migration->target = strdup(target);
	if (migration->target)
		return migration;
	free(migration);
	return NULL;
}

static int create_move(struct migration *migration, const struct migrate_source_options *source,
		       struct migration_fds *fds)
{
	struct migrate_source_options whole = *source;
	int err = take_fds(migration, fds, 1);

	if (err)
		return err;
	migration->is_plain = source->channel.insecure_plaintext;
	migration->connections = source->connections;
	migration->tls = source->channel.tls ? strdup(source->channel.tls) : NULL;
	if (source->channel.tls && !migration->tls)
		return because(-ENOMEM, "out of memory");
	whole.machine = migration->options.machine;
	whole.connect = connect_next;
	whole.connect_self = migration;
	return migrate_source_create(migration->options.guest, &whole, &migration->source);
}

static int create_snapshot(struct migration *migration, struct migration_fds *fds)
{
	struct snapshot_options whole = { .machine = migration->options.machine };
	int err = take_fds(migration, fds, 2);

	if (err)
		return err;
	whole.memory_fd = migration->fds[0];
	whole.state_fd = migration->fds[1];
	migration->fd_next = 2;
	return snapshot_writer_create(migration->options.guest, &whole, &migration->snapshot);
}

static int finish_start(struct migration *migration, int err, struct migration **ret_migration)
{
	if (!err)
		err = start(migration);
	if (err)
		migration_destroy(migration);
	else
		*ret_migration = migration;
	return err;
}

int migration_move(const struct migration_options *options,
		   const struct migrate_source_options *source, struct migration_fds *fds,
		   struct migration **ret_migration)
{
	struct migration *migration = create(MIGRATION_MOVE, options, source->uri);

	if (!migration)
		return because(-ENOMEM, "out of memory");
	return finish_start(migration, create_move(migration, source, fds), ret_migration);
}

int migration_snapshot(const struct migration_options *options, const char *dir,
		       struct migration_fds *fds, struct migration **ret_migration)
{
	struct migration *migration = create(MIGRATION_SNAPSHOT, options, dir);

	if (!migration)
		return because(-ENOMEM, "out of memory");
	return finish_start(migration, create_snapshot(migration, fds), ret_migration);
}

static void join(struct migration *migration)
{
	if (migration->has_thread)
		pthread_join(migration->thread, NULL);
	migration->has_thread = false;
}

int migration_recover(struct migration *migration, const char *uri, struct migration_fds *fds)
{
	AUTO_FREE char *target = strdup(uri ? uri : migration->target);
	int err = uri ? channel_uri_check(uri) : 0;

	if (!target)
		return because(-ENOMEM, "out of memory");
	if (!err)
		err = take_fds(migration, fds, 1);
	if (err)
		return err;
	free(migration->target);
	migration->target = target;
	target = NULL;
	migration->recovers = true;
	join(migration);
	return start(migration);
}

void migration_destroy(struct migration *migration)
{
	if (!migration)
		return;
	join(migration);
	close_fds(migration);
	migrate_source_destroy(migration->source);
	snapshot_writer_destroy(migration->snapshot);
	free(migration->target);
	free(migration->tls);
	free(migration);
}

int migration_cancel(struct migration *migration)
{
	return migration->kind == MIGRATION_MOVE ? migrate_source_cancel(migration->source) :
						   snapshot_writer_cancel(migration->snapshot);
}

int migration_postcopy(struct migration *migration)
{
	if (migration->kind != MIGRATION_MOVE)
		return because(-EINVAL, "a snapshot is under way, no migration");
	return migrate_source_postcopy(migration->source);
}

enum migration_kind migration_kind(const struct migration *migration)
{
	return migration->kind;
}

const char *migration_target(const struct migration *migration)
{
	return migration->target;
}

void migration_progress(struct migration *migration, struct migrate_progress *ret_progress)
{
	if (migration->kind == MIGRATION_MOVE)
		migrate_source_progress(migration->source, ret_progress);
	else
		snapshot_writer_progress(migration->snapshot, ret_progress);
}

const struct migration_end *migration_end(const struct migration *migration)
{
	return &migration->end;
}

static void add_count(struct json_object *object, const char *key, uint64_t value)
{
	json_add(object, key, json_object_new_uint64(value));
}

struct json_object *migration_ms(uint64_t ns)
{
	char text[32];

	snprintf(text, sizeof(text), "%.3f", (double)ns / 1e6);
	return json_object_new_double_s((double)ns / 1e6, text);
}

struct json_object *migration_describe_arrival(const struct migrate_progress *progress)
{
	struct json_object *object = json_object_new_object();

	json_add(object, "phase", json_object_new_string(migrate_phase_name(progress->phase)));
	add_count(object, "total_bytes", progress->total);
	add_count(object, "arrived_bytes", progress->copied);
	if (progress->phase == MIGRATE_PULLING)
		add_count(object, "remaining_bytes", progress->remaining);
	add_count(object, "received_bytes", progress->sent);
	json_add(object, "elapsed_ms", migration_ms(progress->elapsed_ns));
	return object;
}

struct json_object *migration_describe(struct migration *migration)
{
	struct json_object *object = json_object_new_object();
	struct migrate_progress p;

	migration_progress(migration, &p);
	json_add(object, migration->kind == MIGRATION_MOVE ? "uri" : "dir",
		 json_object_new_string(migration->target));
	json_add(object, "phase", json_object_new_string(migrate_phase_name(p.phase)));
	add_count(object, "round", p.round);
	add_count(object, "total_bytes", p.total);
	add_count(object, "remaining_bytes", p.remaining);
	add_count(object, "copied_bytes", p.copied);
	add_count(object, "sent_bytes", p.sent);
	add_count(object, "throughput_bytes_per_s", p.throughput);
	add_count(object, "dirty_bytes_per_s", p.dirty_rate);
	json_add(object, "expected_downtime_ms", migration_ms(p.expected_downtime_ns));
	json_add(object, "downtime_ms", migration_ms(p.downtime_ns));
	json_add(object, "elapsed_ms", migration_ms(p.elapsed_ns));
	add_count(object, "throttle_percent", p.throttle);
	if (migration->kind == MIGRATION_MOVE)
		add_count(object, "connections", migration->connections);
	if (migration->tls)
		json_add(object, "tls", json_object_new_string(migration->tls));
	if (migration->is_plain)
		json_add(object, "insecure_plaintext", json_object_new_boolean(true));
	return object;
}
