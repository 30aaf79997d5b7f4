/* SPDX-License-Identifier: Apache-2.0 */
/* Whether the requests of a queue come alone or in company: who is notified of one learns whether to wait. */
#ifndef IO_COMPANY_H
#define IO_COMPANY_H

#include "io/loop.h"

/*
 * Where there is one CPU, whoever serves the first of many requests at once keeps the driver from adding the
 * others, and interrupts it for each; where there is one request only, letting the driver go on costs time.
 * Zero it before its first use. Loop thread.
 */
struct company {
	/* So many notifications the driver is not let go on, and so many it was last time. */
	unsigned alone, alone_for;
};

/* Before the queue is served: true where the driver was let go on, and then company_came() tells of it. */
bool company_wait(struct company *company, struct loop *loop);
/* So many requests there were. */
void company_came(struct company *company, unsigned count);

#endif
