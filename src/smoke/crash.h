/* SPDX-License-Identifier: Apache-2.0 */
/* How a Linux guest says that its kernel is in trouble, and where. */
#ifndef SMOKE_CRASH_H
#define SMOKE_CRASH_H

#include <stdbool.h>

#include "smoke/rules.h"
#include "smoke/verdict.h"

#define SMOKE_FRAMES	  5
#define SMOKE_FRAME_MAX	  64

/* The patterns, compiled once for all guests. */
struct smoke_signs {
	struct smoke_patterns panics, oopses, ignores;
};

/* -ENOMEM. */
int smoke_signs_init(struct smoke_signs *signs);
void smoke_signs_finish(struct smoke_signs *signs);

/*
 * SMOKE_PANIC, SMOKE_OOPS or SMOKE_NONE. The line is a whole one, so that "ODEBUG:" is not taken
 * for "BUG:"; what own (the test's ignores) match is none.
 */
enum smoke_verdict smoke_signs_read(const struct smoke_signs *signs,
				    const struct smoke_patterns *own, const char *line);

/* The first functions of a crash, outermost last: the same for the same bug. Zeroed: none yet. */
struct smoke_frames {
	char names[SMOKE_FRAMES][SMOKE_FRAME_MAX];
	unsigned count;
};

/* Takes the function that a line of a crash's report names, if any. */
void smoke_frames_read(struct smoke_frames *frames, const char *line);
/* Whether the line ends the report of a crash. */
bool smoke_crash_ends(enum smoke_verdict verdict, const char *line);

#endif
