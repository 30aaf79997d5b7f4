/* SPDX-License-Identifier: Apache-2.0 */
/* Requests that come alone, or in company. */
#include "io/company.h"

#include "base/util.h"

/* After so many notifications of one request each it is tried again whether more would come. */
#define ALONE_MAX 15

bool company_wait(struct company *company, struct loop *loop)
{
	if (company->alone) {
		company->alone--;
		return false;
	}
	loop_let_others_run(loop);
	return true;
}

void company_came(struct company *company, unsigned count)
{
	if (count > 1)
		company->alone_for = 0;
	else
		company->alone_for = (unsigned)min_u64(2 * company->alone_for + 1, ALONE_MAX);
	company->alone = company->alone_for;
}
