/* SPDX-License-Identifier: Apache-2.0 */
/* `ferry run`: makes a machine as told, runs it, and says how it ended. */
#include "cli/run.h"

#include <ferry/error.h>
#include <ferry/machine.h>
#include <ferry/vm.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "cli/describe.h"
#include "cli/terminal.h"
#include "control/control.h"
#include "sandbox/sandbox.h"

static void print_log(void *self, enum log_level level, const char *line)
{
	static const char *const names[] = { "error", "warning", "info", "debug" };
	const struct run *run = self;

	if (level <= run->options.log_level)
		terminal_line("%s: %s", names[level], line);
}

static void print_trace(void *self, const char *name, long arg, int result)
{
	const struct run *run = self;

	if (run->trace)
		fprintf(run->trace, "%s %#lx = %d\n", name, arg, result);
	else
		terminal_line("kvm: %s %#lx = %d", name, arg, result);
}

static int open_trace(struct run *run)
{
	struct vm_options *vm = &run->options.machine.vm;

	if (!run->options.trace_kvm)
		return 0;
	vm->trace_kvm = print_trace;
	vm->trace_self = run;
	if (!run->options.trace_file)
		return 0;
	run->trace = fopen(run->options.trace_file, "we");
	return run->trace ? 0
			  : because(-errno, "--trace-kvm: cannot write %s: %s",
				    run->options.trace_file, strerror(errno));
}

static int make_console(struct run *run)
{
	const struct run_options *options = &run->options;
	struct console_options console = {
		.kind = options->machine.console,
		.is_shown = options->console != RUN_CONSOLE_NONE,
		.copy_path = options->console_output,
		.copy_must_exist = options->dry_run,
	};

	return console_init(&run->console, &console);
}

/* The copy of the console would be written over the guest's data. */
static int check_copy_is_no_disk(const struct run *run)
{
	const struct machine_options *machine = &run->options.machine;
	struct stat copy, disk;

	if (run->console.copy_fd < 0 || fstat(run->console.copy_fd, &copy) < 0)
		return 0;
	for (size_t i = 0; i < machine->disk_count; i++)
		if (stat(machine->disks[i].path, &disk) == 0 && disk.st_dev == copy.st_dev &&
		    disk.st_ino == copy.st_ino)
			return because(-EINVAL, "--console-output: %s is a disk of the VM",
				       run->options.console_output);
	return 0;
}

static int make_machine(struct run *run)
{
	struct machine_options *machine = &run->options.machine;

	machine->vm.begin_thread = run_begin_thread;
	machine->vm.thread_self = run;
	machine->vm.log = (struct log){ .emit = print_log, .self = run };
	machine->output = console_output;
	machine->input_ready = console_input_ready;
	machine->self = &run->console;
	return machine_create(machine, &run->machine);
}

static int make_control(struct run *run)
{
	AUTO_FREE char *description = NULL;
	struct control_options options = {
		.machine = run->machine,
		.name = run->options.machine.vm.name,
		.memory = run->options.machine.memory,
		.is_blank = run->options.machine.blank,
		.inherits = run->options.incoming && run_options_has_described_name(&run->options),
	};
	int err = describe_machine(&run->options, &description);

	options.description = description;
	return err ? err : control_create(&options, &run->control);
}

/* Everything that can be wrong is found before the terminal changes and before anything runs. */
int run_make(struct run *run)
{
	int err = open_trace(run);

	if (!err)
		err = make_console(run);
	if (!err)
		err = check_copy_is_no_disk(run);
	if (!err)
		err = make_machine(run);
	if (err || run->options.dry_run)
		return err;
	if (run->signals.fd < 0)
		err = signals_init(&run->signals);
	if (!err)
		err = make_control(run);
	if (!err)
		err = signals_attach(&run->signals, machine_vm(run->machine), &run->console);
	if (!err)
		err = console_attach(&run->console, run->machine, run->options.machine.vm.name);
	return err;
}

void run_finish(struct run *run)
{
	control_destroy(run->control);
	console_finish(&run->console);
	signals_finish(&run->signals);
	machine_destroy(run->machine);
	sandbox_destroy(run->sandbox);
	if (run->trace)
		fclose(run->trace);
	run_options_finish(&run->options);
}

static const struct {
	enum exit_status status;
	const char *text;
} ends[] = {
	[VM_END_NONE] = { STATUS_FAILED, "the loop ended before the VM did" },
	[VM_END_POWEROFF] = { STATUS_OK, NULL },
	[VM_END_RESET] = { STATUS_RESET, "the guest asked for a reset" },
	[VM_END_PANIC] = { STATUS_PANIC, "the guest panicked" },
	[VM_END_CRASH] = { STATUS_CRASH, "the guest crashed" },
	[VM_END_STOPPED] = { STATUS_STOPPED, "stopped" },
	[VM_END_FAILED] = { STATUS_FAILED, "the VM failed" },
	[VM_END_MIGRATED] = { STATUS_MIGRATED, "the guest runs on another host now" },
	[VM_END_TEST_FAILED] = { STATUS_TEST_FAILED, "the test in the guest failed" },
};

enum exit_status run_report(enum vm_end why, const char *text)
{
	if (!ends[why].text)
		return ends[why].status;
	if (text[0] && strcmp(text, ends[why].text) != 0)
		terminal_line("%s: %s", ends[why].text, text);
	else
		terminal_line("%s", ends[why].text);
	return ends[why].status;
}

enum vm_end run_loop(struct run *run, char text[ERROR_TEXT_MAX])
{
	struct vm *vm = machine_vm(run->machine);
	int err = run->options.machine.blank ? 0 : vm_start(vm);

	if (!err)
		err = vm_wait(vm);
	if (err)
		vm_end(vm, VM_END_FAILED, error_text(err));
	snprintf(text, ERROR_TEXT_MAX, "%s", vm_end_text(vm));
	return vm_ended(vm);
}

enum exit_status run_failed(struct run *run, enum exit_status status, int err)
{
	char text[ERROR_TEXT_MAX];

	/* Kept aside: what undoes the rest may have errors of its own. */
	snprintf(text, sizeof(text), "%s", error_text(err));
	run_finish(run);
	because(err, "%s", text);
	return command_failed(status, err);
}

int run_read_again(struct run *run, const char *description)
{
	int err;

	run_options_finish(&run->options);
	run_options_init(&run->options);
	err = describe_read(description, &run->options);
	if (!err)
		err = command_parse(&command_run, run->argc, run->argv, &run->options);
	return err ? err : run_options_complete(&run->options);
}

static enum exit_status boot(struct run *run)
{
	char text[ERROR_TEXT_MAX];
	enum vm_end why;
	int err = run_make(run);

	if (!err && run->options.like)
		err = run_like(run);
	if (!err && !run->options.dry_run)
		err = run_confine(run, NULL, 0);
	if (err)
		return run_failed(run, STATUS_FAILED, err);
	if (run->options.dry_run) {
		run_finish(run);
		return STATUS_OK;
	}
	why = run_loop(run, text);
	run_finish(run);
	return run_report(why, text);
}

int run_main(const struct command *self, int argc, char **argv)
{
	struct run run = {
		.argc = argc, .argv = argv, .signals.fd = -1, .console.copy_fd = -1,
		.console.back_fd = -1
	};
	int err;

	run_options_init(&run.options);
	err = command_parse(self, argc, argv, &run.options);
	if (err == COMMAND_DONE) {
		run_finish(&run);
		return STATUS_OK;
	}
	if (!err)
		err = run_options_check(&run.options);
	if (!err && !run_options_arrives(&run.options))
		err = run_options_complete(&run.options);
	if (err < 0)
		return run_failed(&run, STATUS_USAGE, err);
	error_clear();
	if (run.options.dies_with_parent)
		prctl(PR_SET_PDEATHSIG, SIGTERM);
	err = run.options.cgroup ? run_join_cgroup(run.options.cgroup) : 0;
	if (err)
		return run_failed(&run, STATUS_FAILED, err);
	run_confine_later();
	if (run.options.incoming)
		return run_incoming(&run);
	if (run.options.restore)
		return run_restore(&run);
	return boot(&run);
}
