/* SPDX-License-Identifier: Apache-2.0 */
/* A guest under test: its processes one after the other, its console, its judge. */
#ifndef SMOKE_GUEST_H
#define SMOKE_GUEST_H

#include <poll.h>
#include <stdbool.h>

#include "smoke/child.h"
#include "smoke/console.h"
#include "smoke/judge.h"
#include "smoke/lines.h"
#include "smoke/move.h"
#include "smoke/result.h"
#include "smoke/test.h"

#define SMOKE_GUEST_FDS 10

/* What all guests of a run have in common; the strings outlive them. */
struct smoke_place {
	const char *program;  /* "/proc/self/exe" */
	const char *consoles; /* a directory for their files; NULL: none */
	const char *scratch;  /* a directory for sockets and snapshots; NULL: no test needs one */
};

/* Where a test begins that does not boot. */
struct smoke_origin {
	const char *snapshot;
	const struct smoke_overlays *overlays; /* of its disks then */
};

struct smoke_guest {
	const struct smoke_test *test;
	const struct smoke_place *place;
	const char *snapshot; /* the test begins from this one; NULL: by booting */
	struct smoke_overlays overlays;
	size_t number; /* of the test */
	struct smoke_child child;
	struct smoke_child saver; /* `ferry snapshot`, when the test is to leave one */
	struct smoke_move move;
	unsigned generation; /* of VMs that had the guest */
	struct smoke_lines lines;
	struct smoke_console console;
	struct smoke_judge judge;
	char *console_path;
	uint64_t now; /* of the event under way */
	uint64_t first_byte, decided, quiet_at, kill_at, move_at;
	bool prompted; /* the line under way was looked at already */
	bool ended;    /* the result can be taken, and it be finished */
};

/*
 * Starts the test, where origin is or by booting (NULL). What goes wrong is a verdict; -ENOMEM if not
 * even that can be had.
 */
int smoke_guest_start(struct smoke_guest *guest, const struct smoke_test *test, size_t number,
		      const struct smoke_signs *signs, const struct smoke_place *place,
		      const struct smoke_origin *origin);
void smoke_guest_finish(struct smoke_guest *guest);

/* Fills in what poll(2) shall wait for; returns how many. */
unsigned smoke_guest_poll(const struct smoke_guest *guest, struct pollfd *fds);
/* When it wants to be called at the latest. */
uint64_t smoke_guest_deadline(const struct smoke_guest *guest);
/* Whatever there is to do. Any of fds may have become ready, or none. */
void smoke_guest_step(struct smoke_guest *guest, uint64_t now);
/* Ends the test without a verdict of the guest's. */
void smoke_guest_cancel(struct smoke_guest *guest, const char *why);

/* After ended. -ENOMEM. */
int smoke_guest_result(struct smoke_guest *guest, struct smoke_result *ret_result);

#endif
