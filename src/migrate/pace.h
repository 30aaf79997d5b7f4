/* SPDX-License-Identifier: Apache-2.0 */
/* A limit of bytes a second, for one thread or for several together. */
#ifndef MIGRATE_PACE_H
#define MIGRATE_PACE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct pace {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	/* Under lock. */
	uint64_t bandwidth; /* bytes a second; 0: no limit */
	uint64_t next_ns;   /* when the next byte may be sent */
	bool stopped;
};

void pace_init(struct pace *pace, uint64_t bandwidth);
void pace_finish(struct pace *pace);

/* Returns when bytes more may be sent; false: pace_stop() was called. */
bool pace_wait(struct pace *pace, uint64_t bytes);

/* For who waits too. Any thread. */
void pace_set_bandwidth(struct pace *pace, uint64_t bandwidth);
/* Nobody waits any more. Any thread. */
void pace_stop(struct pace *pace);
/* They do again, not for what was sent before. */
void pace_resume(struct pace *pace);

#endif
