/* SPDX-License-Identifier: Apache-2.0 */
/* What became of a test, each with an exit status of its own. */
#ifndef SMOKE_VERDICT_H
#define SMOKE_VERDICT_H

enum smoke_verdict {
	SMOKE_NONE, /* not known yet */
	SMOKE_PASS,
	SMOKE_FAIL,    /* the test says so: --fail, a subtest, the command's status */
	SMOKE_PANIC,   /* the guest's kernel panicked, by pvpanic or by what it printed */
	SMOKE_OOPS,    /* it printed an oops, a BUG or a warning */
	SMOKE_SILENCE, /* nothing was printed for as long as --silence says */
	SMOKE_TIMEOUT, /* not done after as long as --timeout says */
	SMOKE_RESET,   /* the guest reset itself where it should not */
	SMOKE_EXIT,    /* the guest switched itself off before it was done */
	SMOKE_CRASH,   /* KVM could not go on running it */
	SMOKE_ERROR,   /* ferry or the host failed: nothing is known of the guest */
	SMOKE_VERDICTS,
};

const char *smoke_verdict_name(enum smoke_verdict verdict);
/* SMOKE_NONE: no such name. */
enum smoke_verdict smoke_verdict_find(const char *name);
/* The exit status of `ferry smoke`. */
int smoke_verdict_status(enum smoke_verdict verdict);

#endif
