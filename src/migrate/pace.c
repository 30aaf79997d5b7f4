/* SPDX-License-Identifier: Apache-2.0 */
/* Who wants to send waits until what was sent before is due. */
#include "migrate/pace.h"

#include <time.h>

#include "base/clock.h"
#include "base/util.h"

void pace_init(struct pace *pace, uint64_t bandwidth)
{
	*pace = (struct pace){ .bandwidth = bandwidth };
	pthread_mutex_init(&pace->lock, NULL);
	pthread_cond_init(&pace->changed, NULL);
}

void pace_finish(struct pace *pace)
{
	pthread_cond_destroy(&pace->changed);
	pthread_mutex_destroy(&pace->lock);
}

/* lock held. */
static void wait_turn(struct pace *pace, uint64_t bytes)
{
	uint64_t now = clock_now(), until = max_u64(pace->next_ns, now);
	uint64_t bandwidth = pace->bandwidth;
	struct timespec at;

	pace->next_ns = until + bytes * 1000000000 / bandwidth;
	at.tv_sec = (time_t)(until / 1000000000);
	at.tv_nsec = (long)(until % 1000000000);
	while (!pace->stopped && pace->bandwidth == bandwidth && clock_now() < until)
		pthread_cond_clockwait(&pace->changed, &pace->lock, CLOCK_MONOTONIC, &at);
}

bool pace_wait(struct pace *pace, uint64_t bytes)
{
	bool ok;

	pthread_mutex_lock(&pace->lock);
	if (pace->bandwidth && bytes)
		wait_turn(pace, bytes);
	ok = !pace->stopped;
	pthread_mutex_unlock(&pace->lock);
	return ok;
}

void pace_set_bandwidth(struct pace *pace, uint64_t bandwidth)
{
	pthread_mutex_lock(&pace->lock);
	pace->bandwidth = bandwidth;
	pace->next_ns = 0;
	pthread_cond_broadcast(&pace->changed);
	pthread_mutex_unlock(&pace->lock);
}

void pace_stop(struct pace *pace)
{
	pthread_mutex_lock(&pace->lock);
	pace->stopped = true;
	pthread_cond_broadcast(&pace->changed);
	pthread_mutex_unlock(&pace->lock);
}

void pace_resume(struct pace *pace)
{
	pthread_mutex_lock(&pace->lock);
	pace->stopped = false;
	pace->next_ns = 0;
	pthread_mutex_unlock(&pace->lock);
}
