/* SPDX-License-Identifier: Apache-2.0 */
/* Rounds of copying while the guest runs, and when they have done enough. */
#include <errno.h>

#include <ferry/error.h>

#include "base/clock.h"
#include "base/util.h"
#include "mem/dirty.h"
#include "migrate/source_impl.h"

/* Slowing the guest down: how much at first, how much more each time, and how much at most. */
#define THROTTLE_FIRST 20
#define THROTTLE_STEP  10
#define THROTTLE_MAX   99
/* Rounds that did not get ahead before it begins. */
#define THROTTLE_PATIENCE 2

/* A guest that stands still for no longer than this is not worth another round. */
#define DOWNTIME_GOOD_NS (5 * 1000000ULL)

/* Bytes in a round from which on its throughput is one. */
#define ROUND_TELLING MIB

/* Post-copy waits for memory, not for disks: they are copied so often before the guest is held. */
#define DISK_ROUNDS_MAX 8

/* The other side has something to say: that it gives up. */
static int look_for_abort(struct migrate_source *source)
{
	struct record record;
	int r = channel_wait_readable(source->channels[0], 0);

	if (r <= 0)
		return r;
	r = stream_receive(&source->streams[0], &record);
	return r ? r : because(-EBADMSG, "a record of %s out of turn", record_name(record.type));
}

/* Disks first: in memory more is written meanwhile. */
static int copy_round(struct migrate_source *source)
{
	int err = 0;

	pthread_mutex_lock(&source->lock);
	source->progress.round++;
	pthread_mutex_unlock(&source->lock);
	source->round_begun = clock_now();
	source->disks_loaded = source->disks ? store_copier_loaded(source->disks) : 0;
	if (source->disks)
		err = store_copier_round(source->disks);
	source->memory_begun = clock_now();
	source->memory_loaded = source->copier ? copier_loaded(source->copier) : 0;
	if (!err && source->copier)
		err = copier_round(source->copier);
	return err ? err : look_for_abort(source);
}

static int collect(struct migrate_source *source)
{
	if (source->disks)
		store_copier_collect(source->disks);
	return source->copier ? copier_collect(source->copier) : 0;
}

static double seconds_since(uint64_t begun)
{
	return (double)max_u64(clock_now() - begun, 1000) / 1e9;
}

/* What the last round moved: bytes. A round of a few pages says nothing about how many a long one would. */
static uint64_t measure_round(struct migrate_source *source)
{
	uint64_t memory = 0, disks = 0;

	if (source->disks)
		disks = store_copier_loaded(source->disks) - source->disks_loaded;
	if (source->copier)
		memory = copier_loaded(source->copier) - source->memory_loaded;
	memory *= GUEST_PAGE_SIZE;
	if (memory >= ROUND_TELLING || !source->memory_rate)
		source->memory_rate =
			(uint64_t)((double)memory / seconds_since(source->memory_begun));
	return memory + disks;
}

/* What the round that has ended and what was dirtied meanwhile say about the next. */
static void estimate(struct migrate_source *source)
{
	double seconds = seconds_since(source->round_begun);
	uint64_t memory = source->copier ? copier_pending(source->copier) * GUEST_PAGE_SIZE : 0;
	uint64_t disks = source->disks ? store_copier_pending(source->disks) : 0;
	uint64_t disks_ns = source->disks ? store_copier_expected_ns(source->disks) : 0;
	uint64_t loaded = measure_round(source);
	struct migrate_progress *progress = &source->progress;

	pthread_mutex_lock(&source->lock);
	if (loaded >= ROUND_TELLING || !progress->throughput)
		progress->throughput = (uint64_t)((double)loaded / seconds);
	progress->dirty_rate = (uint64_t)((double)(memory + disks) / seconds);
	progress->expected_downtime_ns =
		disks_ns +
		(uint64_t)((double)memory / (double)max_u64(source->memory_rate, 1) * 1e9);
	pthread_mutex_unlock(&source->lock);
}

static bool is_short(const struct migrate_source *source, uint64_t downtime_ns)
{
	return downtime_ns <= (uint64_t)source->options.downtime_ms * 1000000;
}

/* A guest that dirties more than half of what goes in the same time is slowed down step by step. */
static void throttle(struct migrate_source *source)
{
	unsigned percent = source->progress.throttle;

	if (!source->options.throttle)
		return;
	if (source->progress.dirty_rate <= source->progress.throughput / 2) {
		source->stuck = 0;
		return;
	}
	if (++source->stuck < THROTTLE_PATIENCE)
		return;
	percent = percent ? percent + THROTTLE_STEP : THROTTLE_FIRST;
	percent = percent > THROTTLE_MAX ? THROTTLE_MAX : percent;
	pthread_mutex_lock(&source->lock);
	source->progress.throttle = percent;
	pthread_mutex_unlock(&source->lock);
	source->guest->throttle(source->guest->self, percent);
}

static bool wants_postcopy(struct migrate_source *source)
{
	pthread_mutex_lock(&source->lock);
	source->postcopy = source->wants_postcopy;
	pthread_mutex_unlock(&source->lock);
	return source->postcopy;
}

/*
 * The downtime that was asked for is what the guest may suffer, not what it should: as long as every
 * round at least halves it, which is soon over, one more is better than to hold the guest now.
 */
static bool gets_shorter(const struct migrate_source *source, uint64_t before_ns)
{
	uint64_t expected = source->progress.expected_downtime_ns;

	return expected > DOWNTIME_GOOD_NS && expected <= before_ns / 2;
}

/* The guest may be held: what is left goes then, or is fetched by who runs it. */
static bool is_enough(struct migrate_source *source, uint64_t before_ns)
{
	bool postcopy = source->copier && wants_postcopy(source);

	/* Who asks for it on the way has waited long enough. */
	if (postcopy && !source->options.postcopy)
		return true;
	if (!postcopy && !is_short(source, source->progress.expected_downtime_ns))
		return false;
	return !gets_shorter(source, before_ns);
}

static int copy_live(struct migrate_source *source)
{
	uint64_t before = UINT64_MAX;
	int err;

	source_set_phase(source, MIGRATE_COPYING);
	for (;;) {
		err = copy_round(source);
		if (!err)
			err = collect(source);
		if (err)
			return err;
		estimate(source);
		if (is_enough(source, before))
			return 0;
		before = source->progress.expected_downtime_ns;
		if (!source->postcopy && !is_short(source, before))
			throttle(source);
	}
}

int precopy_start_copier(struct migrate_source *source)
{
	struct page_sink sinks[MIGRATE_CONNECTIONS_MAX] = { 0 };
	struct copier_options options = {
		.mem = source->guest->mem,
		.count = source->channel_count,
		.bandwidth = source->options.bandwidth,
	};
	struct copier *copier;
	int err = 0;

	for (unsigned i = 0; i < source->channel_count && !err; i++) {
		err = page_packer_init(&source->packers[i], source->streams[i],
				       source->options.compress);
		sinks[i] = page_packer_sink(&source->packers[i]);
	}
	options.sinks = sinks;
	if (!err)
		err = copier_create(&options, &copier);
	if (err)
		return err;
	pthread_mutex_lock(&source->lock);
	source->copier = copier;
	if (source->cancelled)
		err = source_was_cancelled();
	pthread_mutex_unlock(&source->lock);
	return err;
}

static int start_disks(struct migrate_source *source)
{
	struct store_copier *disks;
	int err = store_copier_create(source->guest, source->channels[0], source->options.bandwidth,
				      &disks);

	if (err)
		return err;
	pthread_mutex_lock(&source->lock);
	source->disks = disks;
	if (source->cancelled)
		err = source_was_cancelled();
	pthread_mutex_unlock(&source->lock);
	return err;
}

/* The guest runs there only when its disks are. */
static int settle_disks(struct migrate_source *source)
{
	int err = 0;

	for (unsigned round = 0; source->disks && round < DISK_ROUNDS_MAX && !err; round++) {
		if (is_short(source, store_copier_expected_ns(source->disks)))
			break;
		err = store_copier_round(source->disks);
		store_copier_collect(source->disks);
	}
	return err;
}

/* The guest is held. Nobody can ask for post-copy any more; who did has interrupted the copier. */
static int copy_rest(struct migrate_source *source)
{
	int err = collect(source);

	if (err)
		return err;
	if (source->copier && wants_postcopy(source))
		return source->disks ? store_copier_round(source->disks) : 0;
	return copy_round(source);
}

/* All of the disks once, before memory is: that is long, and the guest goes on writing to memory. */
static int copy_disks(struct migrate_source *source)
{
	int err = start_disks(source);

	pthread_mutex_lock(&source->lock);
	source->progress.remaining = mem_total(source->guest->mem);
	pthread_mutex_unlock(&source->lock);
	source_set_phase(source, MIGRATE_COPYING);
	return err ? err : copy_round(source);
}

static int start_memory(struct migrate_source *source)
{
	int err = mem_dirty_start(source->guest->mem);

	source->is_tracking = !err;
	return err ? err : precopy_start_copier(source);
}

int precopy_run(struct migrate_source *source)
{
	int err = source->options.copy_disks ? copy_disks(source) : 0;

	if (!err)
		err = start_memory(source);
	if (!err)
		err = copy_live(source);
	if (!err && source->postcopy)
		err = settle_disks(source);
	if (!err)
		err = source_hold(source);
	if (!err)
		err = copy_rest(source);
	for (unsigned i = 1; i < source->channel_count && !err; i++)
		err = stream_send(&source->streams[i], RECORD_DONE, 0, 0, NULL, 0);
	return err || !source->postcopy ? err : postcopy_announce(source);
}

int precopy_run_disks(struct migrate_source *source)
{
	int err = start_disks(source);

	if (!err)
		err = copy_live(source);
	if (!err)
		err = source_hold(source);
	return err ? err : copy_rest(source);
}
