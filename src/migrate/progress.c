/* SPDX-License-Identifier: Apache-2.0 */
/* The phases by name. */
#include "migrate/progress.h"

const char *migrate_phase_name(enum migrate_phase phase)
{
	static const char *const names[] = {
		[MIGRATE_CONNECTING] = "connecting", [MIGRATE_CHECKING] = "checking",
		[MIGRATE_COPYING] = "copying",	     [MIGRATE_HOLDING] = "holding",
		[MIGRATE_HANDING] = "handing over",  [MIGRATE_PULLING] = "pulling",
		[MIGRATE_ENDED] = "ended",
	};

	return names[phase];
}
