/* SPDX-License-Identifier: Apache-2.0 */
/* The verdicts' names and exit statuses. */
#include "smoke/verdict.h"

#include <string.h>

/* What `ferry run` has a status for keeps it; 124 is what timeout(1) says. */
static const struct {
	const char *name;
	int status;
} verdicts[SMOKE_VERDICTS] = {
	[SMOKE_NONE] = { "none", 1 },	    [SMOKE_PASS] = { "pass", 0 },
	[SMOKE_FAIL] = { "fail", 40 },	    [SMOKE_PANIC] = { "panic", 34 },
	[SMOKE_OOPS] = { "oops", 41 },	    [SMOKE_SILENCE] = { "silence", 42 },
	[SMOKE_TIMEOUT] = { "timeout", 124 }, [SMOKE_RESET] = { "reset", 32 },
	[SMOKE_EXIT] = { "exit", 43 },	    [SMOKE_CRASH] = { "crash", 33 },
	[SMOKE_ERROR] = { "error", 1 },
};

const char *smoke_verdict_name(enum smoke_verdict verdict)
{
	return verdicts[verdict].name;
}

enum smoke_verdict smoke_verdict_find(const char *name)
{
	for (unsigned i = SMOKE_PASS; i < SMOKE_VERDICTS; i++) {
		if (strcmp(verdicts[i].name, name) == 0)
			return (enum smoke_verdict)i;
	}
	return SMOKE_NONE;
}

int smoke_verdict_status(enum smoke_verdict verdict)
{
	return verdicts[verdict].status;
}
