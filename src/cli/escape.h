/* SPDX-License-Identifier: Apache-2.0 */
/* The escape key: how a person speaks to ferry instead of to the guest. */
#ifndef CLI_ESCAPE_H
#define CLI_ESCAPE_H

#include <stdbool.h>
#include <stddef.h>

#define ESCAPE_KEY 0x1d /* ctrl-] */

enum escape_action {
	ESCAPE_NONE,
	ESCAPE_QUIT,
	ESCAPE_POWER,
	ESCAPE_HELP,
};

/* Zeroed: no escape key was seen. */
struct escape {
	bool pending; /* the key was the last byte */
};

/*
 * Moves what the guest should get from in[*at …] to out, until the end or an action; *at is then
 * behind what was used. The key twice is the key itself; before any other key it means nothing.
 * out has room for len bytes. Returns the action.
 */
enum escape_action escape_filter(struct escape *escape, const char *in, size_t len, size_t *at,
				 char *out, size_t *ret_len);

#endif
