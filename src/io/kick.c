/* SPDX-License-Identifier: Apache-2.0 */
/* Coalesces loop_call()s of one kind into one message. */
#include "io/kick.h"

#include "io/loop.h"

/* Cleared before fn looks at the work: what is kicked from then on was perhaps not seen by it. */
static void run(void *arg)
{
	struct kick *kick = arg;

	__atomic_store_n(&kick->pending, 0, __ATOMIC_SEQ_CST);
	kick->fn(kick);
}

int kick_give(struct kick *kick)
{
	int r;

	if (__atomic_exchange_n(&kick->pending, 1, __ATOMIC_SEQ_CST))
		return 0;
	r = loop_call(kick->loop, run, kick);
	if (r < 0)
		__atomic_store_n(&kick->pending, 0, __ATOMIC_SEQ_CST);
	return r;
}

void kick_finish(struct kick *kick)
{
	if (kick->loop)
		loop_drain(kick->loop, &kick->pending);
}
