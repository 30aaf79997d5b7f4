/* SPDX-License-Identifier: Apache-2.0 */
/* `ferry run --like`: a guest that may go where the guest in a snapshot came from. */
#include <ferry/error.h>
#include <ferry/machine.h>

#include <errno.h>

#include "cli/print.h"
#include "cli/run.h"
#include "migrate/snapshot.h"

int run_like(struct run *run)
{
	struct vm *vm = machine_vm(run->machine);
	const char *path = run->options.like;
	struct verdict verdict = { 0 };
	struct snapshot snapshot;
	int err = snapshot_open_state(path, &snapshot);

	if (!err)
		err = snapshot_promise(&snapshot, vm_regs(vm), &verdict);
	if (err == -EREMOTE) {
		print_refusals(verdict_text(&verdict));
		err = because(err, "--like %s: this host cannot: %u thing%s in the way", path,
			      verdict.refusals, verdict.refusals == 1 ? " is" : "s are");
	} else if (err) {
		err = because_of(err, "--like");
	}
	snapshot_finish(&snapshot);
	verdict_finish(&verdict);
	return err;
}
