/* SPDX-License-Identifier: Apache-2.0 */
/* Tells the guest's keys from ferry's. */
#include "cli/escape.h"

static enum escape_action action_of(char key)
{
	switch (key) {
	case 'q':
	case 'Q':
		return ESCAPE_QUIT;
	case 'p':
	case 'P':
		return ESCAPE_POWER;
	case '?':
	case 'h':
		return ESCAPE_HELP;
	default:
		return ESCAPE_NONE;
	}
}

enum escape_action escape_filter(struct escape *escape, const char *in, size_t len, size_t *at,
				 char *out, size_t *ret_len)
{
	enum escape_action action = ESCAPE_NONE;
	size_t kept = 0;

	while (*at < len && action == ESCAPE_NONE) {
		char key = in[(*at)++];

		if (!escape->pending && key == ESCAPE_KEY) {
			escape->pending = true;
			continue;
		}
		if (!escape->pending || key == ESCAPE_KEY)
			out[kept++] = key;
		else
			action = action_of(key);
		escape->pending = false;
	}
	*ret_len = kept;
	return action;
}
