/* SPDX-License-Identifier: Apache-2.0 */
/* How far a migration or a snapshot is, for the eyes or for a program. */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_object;

enum progress_kind {
	PROGRESS_BAR,	/* one line on a terminal, written again and again */
	PROGRESS_LINES, /* on standard error, a line now and then */
	PROGRESS_JSON,	/* on standard output, each as it came */
};

struct progress {
	enum progress_kind kind;
	bool is_open;	 /* the terminal's line has no end yet */
	double told_ms;	 /* when the last line was written */
	char phase[32];	 /* of it */
};

void progress_init(struct progress *progress, bool json);

/* The params of a notification "progress"; self is the struct progress. */
void progress_show(void *self, struct json_object *params);

/* What is printed next begins a line. */
void progress_finish(struct progress *progress);

/* One line of at most columns columns; with a bar, where there is room, for those that are written again. */
void progress_text(struct json_object *params, unsigned columns, bool bar, char *text, size_t size);

/* The same of a guest that arrives: its object has no rounds. */
void progress_arrival_text(struct json_object *arrival, char *text, size_t size);

/* "520 MiB", "1.2 GiB"; and "12 ms", "1.2 s". size is at least 32. */
void progress_bytes(uint64_t bytes, char *text, size_t size);
void progress_time(double ms, char *text, size_t size);

#endif
