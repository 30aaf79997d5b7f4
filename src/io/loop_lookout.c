/* SPDX-License-Identifier: Apache-2.0 */
/* What the loop does between having no completions and sleeping: it looks whether work comes. */
#include <sched.h>
#include <time.h>

#include "base/util.h"
#include "io/loop_impl.h"

/*
 * Looking costs the host CPU time, sleeping costs the guest an exit and a wake-up: the loop looks
 * for as long as work was lately soon to come. The bound is that of KVM's own polling for halted
 * vCPUs (halt_poll_ns).
 */
#define LOOK_MAX_NS   200000
#define LOOK_FIRST_NS 10000

uint64_t loop_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* Who looks on the only CPU keeps the work from coming. More CPUs than a set holds are several. */
void loop_look_init(struct loop *loop)
{
	cpu_set_t cpus;

	loop->may_look = sched_getaffinity(0, sizeof(cpus), &cpus) != 0 || CPU_COUNT(&cpus) > 1;
}

void loop_let_others_run(struct loop *loop)
{
	if (!loop->may_look)
		sched_yield();
}

void loop_lookout_add(struct loop *loop, struct loop_lookout *lookout)
{
	if (lookout->queued)
		return;
	lookout->queued = true;
	lookout->next = loop->lookouts;
	loop->lookouts = lookout;
}

void loop_lookout_remove(struct loop *loop, struct loop_lookout *lookout)
{
	struct loop_lookout **link = &loop->lookouts;

	while (*link && *link != lookout)
		link = &(*link)->next;
	if (!*link)
		return;
	*link = lookout->next;
	lookout->queued = false;
}

/* A look may take its own lookout off the list, and no other's. */
static bool look_once(struct loop *loop)
{
	struct loop_lookout *next;
	bool found = false;

	for (struct loop_lookout *l = loop->lookouts; l; l = next) {
		next = l->next;
		found |= l->look(l, false);
	}
	return found;
}

static bool look_last(struct loop *loop)
{
	struct loop_lookout *next, *l = loop->lookouts;
	bool found = false;

	loop->lookouts = NULL;
	for (; l; l = next) {
		next = l->next;
		l->queued = false;
		found |= l->look(l, true);
	}
	return found;
}

/* Peeking lets completions in that the kernel holds back until it is entered. */
static bool is_completion_there(struct loop *loop)
{
	struct io_uring_cqe *cqe;

	return io_uring_peek_cqe(&loop->ring, &cqe) == 0;
}

/* When a look comes late, somebody else needs the CPU: it is left to him. */
bool loop_look(struct loop *loop)
{
	uint64_t begin = loop_now(), last = begin, now = begin;

	if (is_completion_there(loop))
		return true;
	while (now - begin < loop->look_ns && now - last < LOOK_MAX_NS) {
		if (look_once(loop) || is_completion_there(loop))
			return true;
		last = now;
		now = loop_now();
	}
	if (now - last >= LOOK_MAX_NS)
		loop->look_ns = 0;
	return look_last(loop);
}

/* The lookouts that are there now were brought by what ended the sleep. */
void loop_look_learn(struct loop *loop, uint64_t idle_ns)
{
	if (!loop->may_look || !loop->lookouts || idle_ns >= LOOK_MAX_NS)
		loop->look_ns = loop->look_ns / 2 < LOOK_FIRST_NS ? 0 : loop->look_ns / 2;
	else if (idle_ns >= loop->look_ns)
		loop->look_ns = max_u64(LOOK_FIRST_NS, min_u64(2 * loop->look_ns, LOOK_MAX_NS));
}
