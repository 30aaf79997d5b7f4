/* SPDX-License-Identifier: Apache-2.0 */
/* `ferry run --restore`: goes on with a guest that was written to a directory. */
#include <errno.h>
#include <stdbool.h>

#include "cli/print.h"
#include "cli/run.h"
#include "control/control.h"
#include "migrate/snapshot.h"

struct restore {
	struct snapshot snapshot;
	struct verdict verdict;
	bool is_dry; /* memory is all that is looked at */
};

static int fill_memory(void *self, struct mem *mem)
{
	struct restore *restore = self;
	int err = snapshot_load_memory(&restore->snapshot, mem, &restore->verdict);

	/* Registers are not there yet: fill() tells what they have against it, and this once more. */
	if (err != -EREMOTE || restore->is_dry)
		return err;
	verdict_finish(&restore->verdict);
	return 0;
}

/* The guest's own time begins with the last line. */
static int fill(struct run *run, struct restore *restore)
{
	const struct migrate_guest *guest = control_guest(run->control);
	int err = snapshot_load(&restore->snapshot, guest, &restore->verdict);

	if (!err)
		err = run_confine(run, NULL, 0);
	return err ? err : guest->arrive(guest->self);
}

static int make(struct run *run, struct restore *restore)
{
	int err = snapshot_open(run->options.restore, &restore->snapshot);

	if (!err)
		err = run_read_again(run, (const char *)restore->snapshot.machine.data);
	/* Plugged memory, and Xen's pages, are there only when registers have said so. */
	if (!run->options.machine.memory_max && !run->options.machine.xen_version)
		run->options.machine.fill_memory = fill_memory;
	run->options.machine.fill_self = restore;
	restore->is_dry = run->options.dry_run;
	return err ? err : run_make(run);
}

static int restore_all(struct run *run, struct restore *restore)
{
	unsigned refusals;
	int err = make(run, restore);

	if (!err && !run->options.dry_run)
		err = fill(run, restore);
	refusals = restore->verdict.refusals;
	if (err == -EREMOTE)
		err = because(err, "%s: the guest cannot live here: %u thing%s in the way",
			      run->options.restore, refusals, refusals == 1 ? " is" : "s are");
	return err;
}

enum exit_status run_restore(struct run *run)
{
	struct restore restore = { 0 };
	char text[ERROR_TEXT_MAX];
	enum exit_status status;
	enum vm_end why;
	int err = restore_all(run, &restore);

	snapshot_finish(&restore.snapshot);
	if (err) {
		status = run_failed(run, STATUS_FAILED, err);
		print_refusals(verdict_text(&restore.verdict));
	} else if (run->options.dry_run) {
		run_finish(run);
		status = STATUS_OK;
	} else {
		why = run_loop(run, text);
		run_finish(run);
		status = run_report(why, text);
	}
	verdict_finish(&restore.verdict);
	return status;
}
