/* SPDX-License-Identifier: Apache-2.0 */
/* `ferry run --restore`: goes on with a guest that was written to a directory. */
#include <errno.h>

#include "cli/print.h"
#include "cli/run.h"
#include "control/control.h"
#include "migrate/snapshot.h"

/* The guest's own time begins with the last line. */
static int fill(struct run *run, struct snapshot *snapshot, struct verdict *verdict)
{
	const struct migrate_guest *guest = control_guest(run->control);
	int err = snapshot_load(snapshot, guest, verdict);

	if (err == -EREMOTE)
		err = because(err, "%s: the guest cannot live here: %u thing%s in the way",
			      run->options.restore, verdict->refusals,
			      verdict->refusals == 1 ? " is" : "s are");
	return err ? err : guest->arrive(guest->self);
}

static int make(struct run *run, struct snapshot *snapshot)
{
	int err = snapshot_open(run->options.restore, snapshot);

	if (!err)
		err = run_read_again(run, (const char *)snapshot->machine.data);
	return err ? err : run_make(run);
}

enum exit_status run_restore(struct run *run)
{
	struct snapshot snapshot;
	struct verdict verdict = { 0 };
	char text[ERROR_TEXT_MAX];
	enum exit_status status;
	enum vm_end why;
	int err = make(run, &snapshot);

	if (!err && !run->options.dry_run)
		err = fill(run, &snapshot, &verdict);
	snapshot_finish(&snapshot);
	if (err) {
		status = run_failed(run, STATUS_FAILED, err);
		print_refusals(verdict_text(&verdict));
	} else if (run->options.dry_run) {
		run_finish(run);
		status = STATUS_OK;
	} else {
		why = run_loop(run, text);
		run_finish(run);
		status = run_report(why, text);
	}
	verdict_finish(&verdict);
	return status;
}
