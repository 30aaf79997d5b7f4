/* SPDX-License-Identifier: Apache-2.0 */
/* Decides what became of a guest by what it prints, how it ends, and the time. */
#ifndef SMOKE_JUDGE_H
#define SMOKE_JUDGE_H

#include <stdbool.h>
#include <stdint.h>

#include "smoke/crash.h"
#include "smoke/ktap.h"
#include "smoke/rules.h"
#include "smoke/verdict.h"

#define SMOKE_REASON_MAX 512

enum smoke_phase {
	SMOKE_BEFORE,	  /* not started */
	SMOKE_RUNNING,	  /* no verdict yet */
	SMOKE_REBOOTING,  /* all that was expected of this boot has been seen: it must reset itself */
	SMOKE_AFTERMATH,  /* a verdict, and more of the crash's report to come */
	SMOKE_DECIDED,
};

/*
 * It is told of one event after the other, and knows no clock and no process: all times are
 * nanoseconds of the same clock. The first verdict counts. rules and signs outlive it.
 */
struct smoke_judge {
	const struct smoke_rules *rules;
	const struct smoke_signs *signs;
	void (*send)(void *self, const char *text, size_t len); /* types into the guest */
	void *self;
	enum smoke_phase phase;
	enum smoke_verdict verdict;
	char reason[SMOKE_REASON_MAX];
	bool *met;    /* of each of rules->expects */
	size_t met_count;
	size_t scanned; /* how much of the line under way earlier matches have used up */
	unsigned boots;	/* that began */
	struct smoke_ktap ktap;
	struct smoke_frames frames;
	uint64_t started, last_output, aftermath_began;
	int guest_status; /* of the guest's own test; -1: none was told */
};

/* -ENOMEM. */
int smoke_judge_init(struct smoke_judge *judge, const struct smoke_rules *rules,
		     const struct smoke_signs *signs);
void smoke_judge_finish(struct smoke_judge *judge);

/* A boot begins, the first or one after a reset. */
void smoke_judge_boot(struct smoke_judge *judge, uint64_t now);
/* A line has ended. */
void smoke_judge_line(struct smoke_judge *judge, uint64_t now, const char *line);
/* Some output came, of whatever length. */
void smoke_judge_alive(struct smoke_judge *judge, uint64_t now);
/* No output came for a moment: a prompt may be what there is of a line. */
void smoke_judge_prompt(struct smoke_judge *judge, uint64_t now, const char *rest);
/* The time: silence, timeout, the end of an aftermath. */
void smoke_judge_time(struct smoke_judge *judge, uint64_t now);
/* When smoke_judge_time() has something to say at the earliest; UINT64_MAX: never. */
uint64_t smoke_judge_deadline(const struct smoke_judge *judge);

/* How the guest's `ferry run` ended: as waitpid(2) has it, and what it last said. */
void smoke_judge_ended(struct smoke_judge *judge, int wait_status, const char *said);
/* The phase is then SMOKE_RUNNING still: smoke_judge_boot() is next. */
static inline bool smoke_judge_wants_boot(const struct smoke_judge *judge)
{
	return judge->phase == SMOKE_BEFORE;
}

/* Whether the guest's `ferry run` ended because another one has it now: nothing is judged then. */
bool smoke_judge_has_moved(int wait_status);

/* ferry or the host failed. */
void smoke_judge_error(struct smoke_judge *judge, const char *why);
/* The same, after what was a pass until now. */
void smoke_judge_overrule(struct smoke_judge *judge, const char *why);

#endif
