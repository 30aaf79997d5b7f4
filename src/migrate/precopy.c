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

/* Pages in a round from which on its throughput is one. */
#define ROUND_TELLING 256

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

static int copy_round(struct migrate_source *source)
{
	int err;

	pthread_mutex_lock(&source->lock);
	source->progress.round++;
	pthread_mutex_unlock(&source->lock);
	source->round_loaded = copier_loaded(source->copier);
	source->round_begun = clock_now();
	err = copier_round(source->copier);
	return err ? err : look_for_abort(source);
}

/* What the round that has ended and the pages dirtied meanwhile say about the next. */
static void estimate(struct migrate_source *source)
{
	double seconds = (double)max_u64(clock_now() - source->round_begun, 1000) / 1e9;
	uint64_t pending = copier_pending(source->copier) * GUEST_PAGE_SIZE;
	uint64_t loaded = copier_loaded(source->copier) - source->round_loaded;
	struct migrate_progress *progress = &source->progress;

	pthread_mutex_lock(&source->lock);
	/* A round of a few pages says nothing about how many a long one would move. */
	if (loaded >= ROUND_TELLING || !progress->throughput)
		progress->throughput = (uint64_t)((double)(loaded * GUEST_PAGE_SIZE) / seconds);
	progress->dirty_rate = (uint64_t)((double)pending / seconds);
	progress->expected_downtime_ns =
		(uint64_t)((double)pending / (double)max_u64(progress->throughput, 1) * 1e9);
	pthread_mutex_unlock(&source->lock);
}

static bool is_little_left(const struct migrate_source *source)
{
	return source->progress.expected_downtime_ns <=
	       (uint64_t)source->options.downtime_ms * 1000000;
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

static int copy_live(struct migrate_source *source)
{
	int err;

	source_set_phase(source, MIGRATE_COPYING);
	for (;;) {
		err = copy_round(source);
		if (!err)
			err = copier_collect(source->copier);
		if (err)
			return err;
		estimate(source);
		if (wants_postcopy(source) || is_little_left(source))
			return 0;
		throttle(source);
	}
}

int precopy_start_copier(struct migrate_source *source)
{
	struct page_sink sinks[MIGRATE_CONNECTIONS_MAX];
	const struct copier_options options = {
		.mem = source->guest->mem,
		.sinks = sinks,
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

int precopy_run(struct migrate_source *source)
{
	int err = mem_dirty_start(source->guest->mem);

	source->is_tracking = !err;
	if (!err)
		err = precopy_start_copier(source);
	if (!err)
		err = copy_live(source);
	if (!err)
		err = source_hold(source);
	if (!err)
		err = copier_collect(source->copier);
	/* Nobody can ask for it any more. Who did has interrupted the copier: there is no last round. */
	if (!err && !wants_postcopy(source))
		err = copy_round(source);
	for (unsigned i = 1; i < source->channel_count && !err; i++)
		err = stream_send(&source->streams[i], RECORD_DONE, 0, 0, NULL, 0);
	return err || !source->postcopy ? err : postcopy_announce(source);
}
