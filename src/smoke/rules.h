/* SPDX-License-Identifier: Apache-2.0 */
/* What a test expects of its guest. */
#ifndef SMOKE_RULES_H
#define SMOKE_RULES_H

#include <regex.h>
#include <stdbool.h>
#include <stddef.h>

/* POSIX extended regular expressions, on one line without its end. */
struct smoke_pattern {
	char *source;
	regex_t regex;
};

struct smoke_patterns {
	struct smoke_pattern *all;
	size_t count;
};

/* -EINVAL with what is wrong with it, -ENOMEM. */
int smoke_patterns_add(struct smoke_patterns *patterns, const char *source);
void smoke_patterns_finish(struct smoke_patterns *patterns);
/* The first that matches; NULL: none. */
const struct smoke_pattern *smoke_patterns_match(const struct smoke_patterns *patterns,
						 const char *line);

/* What is typed when expects.all[after - 1] has matched; after 0: at once. */
struct smoke_send {
	size_t after;
	char *text;
	size_t len;
};

/* Times in seconds; 0: none. */
struct smoke_rules {
	struct smoke_patterns expects, fails, ignores;
	bool any_order;
	struct smoke_send *sends;
	size_t send_count;
	double timeout, silence;
	unsigned boots; /* 0 counts as 1 */
	bool runs;	/* a command, by guest/init, whose status decides */
};

/* text with the escapes of C (\n, \r, \t, \\, \xHH); it follows the last --expect so far. */
int smoke_rules_send(struct smoke_rules *rules, const char *text);
/* These bytes, at once. -ENOMEM. */
int smoke_rules_type(struct smoke_rules *rules, const char *bytes, size_t len);
void smoke_rules_finish(struct smoke_rules *rules);

#endif
