/* SPDX-License-Identifier: Apache-2.0 */
/* A `ferry run` in a process of its own: a ferry that dies takes nobody with it. */
#ifndef SMOKE_CHILD_H
#define SMOKE_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "smoke/text.h"

/* Every descriptor is -1 until it is there. */
struct smoke_child {
	pid_t pid; /* 0: none, or reaped */
	int pidfd;
	int in, out, err; /* the guest's keyboard, its console, ferry's own words */
	int unread;	  /* the keyboard's other end: what nobody has taken is read back from it */
	struct text typed; /* for the guest, and not taken yet */
	bool is_held;	   /* typed stays here for now */
	char said[512];	  /* the end of what ferry said */
	size_t said_len;
	char name[64]; /* of the VM, for `ferry ctl` */
};

#define SMOKE_CHILD_NONE { .pidfd = -1, .in = -1, .out = -1, .err = -1, .unread = -1 }

/*
 * Starts program ("/proc/self/exe": this one) with args, which end with NULL. -errno, with a text.
 */
int smoke_child_start(struct smoke_child *child, const char *program, char *const *args);
/* Has what it started ended, by force if there is no other way. */
void smoke_child_finish(struct smoke_child *child);
/* Asks it to end (SIGTERM), or ends it (SIGKILL). Harmless when it has ended. */
void smoke_child_signal(struct smoke_child *child, int signal);

/* Types text into the guest, as it takes it. */
void smoke_child_type(struct smoke_child *child, const char *text, size_t len);
/* The guest's keyboard takes more. */
void smoke_child_type_more(struct smoke_child *child);
/* Reads what ferry says. */
void smoke_child_listen(struct smoke_child *child);
/* The last line that it said, without "ferry: "; "" for nothing. */
const char *smoke_child_said(struct smoke_child *child);
/* After pidfd became readable: how it ended, as waitpid(2) has it. */
int smoke_child_reap(struct smoke_child *child);
/* Whether pidfd is readable. */
bool smoke_child_has_exited(const struct smoke_child *child);
/*
 * What was typed for a guest that lives on in heir, and not taken, is typed there; heir's name and
 * processes become child's.
 */
void smoke_child_inherit(struct smoke_child *child, struct smoke_child *heir);

#endif
