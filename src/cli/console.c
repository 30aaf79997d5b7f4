/* SPDX-License-Identifier: Apache-2.0 */
/* Connects the guest's console with the terminal, or with whatever the shell put there. */
#include "cli/console.h"

#include <ferry/error.h>
#include <ferry/vm.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/util.h"
#include "cli/terminal.h"

#define NS_PER_SECOND 1000000000ULL
/* How long console_finish() waits for a reader. */
#define LAST_WRITE (3 * NS_PER_SECOND)
/* What a pipe holds unless somebody made it larger: pipe(7). */
#define PIPE_MAX 65536

int console_init(struct console *console, const struct console_options *options)
{
	*console = (struct console){ .kind = options->kind,
				     .is_shown = options->is_shown,
				     .copy_fd = -1,
				     .back_fd = -1 };
	console->is_terminal = options->is_shown && terminal_is_input();
	if (!options->copy_path)
		return 0;
	console->copy_fd = open(options->copy_path,
				O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY |
					(options->copy_must_exist ? 0 : O_CREAT),
				0666);
	if (console->copy_fd < 0 && options->copy_must_exist && errno == ENOENT)
		return 0;
	if (console->copy_fd < 0)
		return because(-errno, "--console-output: cannot write %s: %s", options->copy_path,
			       strerror(errno));
	return 0;
}

static void explain_keys(void)
{
	terminal_line("ctrl-] then q: quit, p: press the power button, ctrl-]: send ctrl-]");
}

static void act(struct console *console, enum escape_action action)
{
	switch (action) {
	case ESCAPE_QUIT:
		vm_end(machine_vm(console->machine), VM_END_STOPPED, "by the escape key");
		break;
	case ESCAPE_POWER:
		machine_power_button(console->machine);
		break;
	case ESCAPE_HELP:
		explain_keys();
		break;
	case ESCAPE_NONE:
		break;
	}
}

static void watch_input(struct console *console);

/* Gives the machine what was read; true when all of it was taken. */
static bool push_input(struct console *console)
{
	size_t left = console->input_len - console->input_at;

	if (left)
		console->input_at += machine_input(console->machine, console->kind,
						   console->input + console->input_at, left);
	return console->input_at == console->input_len;
}

/* Behind what the guest has not taken yet; what has no room there is lost, as in a full tty. */
static void keep_input(struct console *console, const char *keys, size_t len)
{
	size_t waiting = console->input_len - console->input_at;

	memmove(console->input, console->input + console->input_at, waiting);
	len = min_u64(len, sizeof(console->input) - waiting);
	memcpy(console->input + waiting, keys, len);
	console->input_at = 0;
	console->input_len = waiting + len;
}

/* Takes ferry's own keys out of what was typed; what is left is the guest's. */
static void filter_input(struct console *console, const char *raw, size_t len)
{
	char keys[CONSOLE_INPUT];
	size_t at = 0, kept;

	while (at < len) {
		enum escape_action action =
			escape_filter(&console->escape, raw, len, &at, keys, &kept);

		keep_input(console, keys, kept);
		act(console, action);
	}
}

static void stop_input(struct console *console)
{
	loop_watch_remove(console->loop, &console->watch);
}

static void input_readable(struct loop_watch *watch, unsigned events)
{
	struct console *console = container_of(watch, struct console, watch);
	char raw[CONSOLE_INPUT];
	ssize_t n;

	(void)events;
	/* What a shell in front of us reads is not ours: reading it would stop this process. */
	if (console->is_terminal && !terminal_is_foreground()) {
		stop_input(console);
		watch_input(console);
		return;
	}
	n = read(STDIN_FILENO, raw, sizeof(raw));
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0) {
		console->input_ended = true;
		stop_input(console);
		return;
	}
	if (console->is_terminal)
		filter_input(console, raw, (size_t)n);
	else
		keep_input(console, raw, (size_t)n);
	/* A terminal is read on: ferry's own keys work although the guest takes none. */
	if (!push_input(console) && !console->is_terminal)
		stop_input(console);
}

static void retry_input(struct loop_timer *timer)
{
	watch_input(container_of(timer, struct console, retry));
}

/* Takes the terminal where that is allowed, and waits for input; else looks again in a second. */
static void watch_input(struct console *console)
{
	if (console->input_ended || console->watch.poll)
		return;
	if (console->is_terminal) {
		if (!terminal_is_foreground()) {
			loop_timer_arm(console->loop, &console->retry, NS_PER_SECOND, retry_input);
			return;
		}
		if (terminal_raw() != 0)
			return;
	}
	loop_watch_add(console->loop, &console->watch, STDIN_FILENO, POLLIN, input_readable);
}

void console_input_ready(void *self, enum machine_console kind)
{
	struct console *console = self;

	if (console->machine && kind == console->kind && console->is_shown && push_input(console))
		watch_input(console);
}

/* There is room in a sink; where the machine was told to wait, it goes on. */
static void sink_drained(void *self)
{
	struct console *console = self;

	if (!console->is_choked || !sink_room(&console->shown) || !sink_room(&console->copy))
		return;
	console->is_choked = false;
	machine_output_ready(console->machine, console->kind);
}

size_t console_output(void *self, enum machine_console kind, const void *buf, size_t len)
{
	struct console *console = self;
	size_t take;

	if (!console->machine || kind != console->kind)
		return len;
	take = min_u64(len, min_u64(sink_room(&console->shown), sink_room(&console->copy)));
	sink_put(&console->shown, buf, take);
	sink_put(&console->copy, buf, take);
	if (take < len)
		console->is_choked = true;
	return take;
}

/*
 * An old copy is emptied only now, when everything else is right: not by a command that fails, and
 * not by one that names a VM whose copy it is.
 */
static int begin_copy(const struct console *console)
{
	struct stat status;

	if (console->copy_fd < 0 || fstat(console->copy_fd, &status) < 0 || !S_ISREG(status.st_mode))
		return 0;
	if (ftruncate(console->copy_fd, 0) == 0)
		return 0;
	return because(-errno, "--console-output: cannot empty the file: %s", strerror(errno));
}

/* Now: when there is something to return, nothing may be opened any more. */
static void prepare_return(struct console *console)
{
	struct stat status;

	if (fstat(STDIN_FILENO, &status) == 0 && S_ISFIFO(status.st_mode))
		console->back_fd = open("/proc/self/fd/0", O_RDWR | O_NONBLOCK | O_CLOEXEC);
}

int console_attach(struct console *console, struct machine *machine, const char *name)
{
	struct loop *loop = vm_loop(machine_vm(machine));
	int err;

	console->loop = loop;
	console->machine = machine;
	err = begin_copy(console);
	if (err)
		return err;
	err = sink_init(&console->shown, loop, console->is_shown ? STDOUT_FILENO : -1, sink_drained,
			console);
	if (!err)
		err = sink_init(&console->copy, loop, console->copy_fd, sink_drained, console);
	if (err)
		return because(err, "out of memory");
	if (!console->is_shown)
		return 0;
	if (console->is_terminal && isatty(STDERR_FILENO) == 1)
		terminal_line("console of %s; ctrl-] then q quits, ctrl-] then ? helps", name);
	prepare_return(console);
	watch_input(console);
	console_resized(console);
	return 0;
}

void console_resized(struct console *console)
{
	uint16_t columns, rows;

	if (console->is_terminal && console->machine && terminal_size(&columns, &rows))
		machine_console_size(console->machine, columns, rows);
}

void console_suspend(struct console *console)
{
	if (!console->machine)
		return;
	stop_input(console);
	terminal_restore();
	/* Comes back here, with the terminal as it is then, after SIGCONT. */
	kill(getpid(), SIGSTOP);
	watch_input(console);
}

void console_continued(struct console *console)
{
	if (console->machine && console->is_shown) {
		watch_input(console);
		console_resized(console);
	}
}

/*
 * What the guest has not taken goes back into the pipe, in front of what is in it, for whoever has the
 * guest now. Nothing is written to a full one: it was emptied first.
 */
static void return_input(struct console *console)
{
	size_t len = console->input_len - console->input_at;
	AUTO_FREE char *rest = malloc(PIPE_MAX);
	ssize_t n;

	if (!len || console->back_fd < 0 || !rest)
		return;
	n = read(console->back_fd, rest, PIPE_MAX - len);
	if (write(console->back_fd, console->input + console->input_at, len) == (ssize_t)len && n > 0)
		(void)!write(console->back_fd, rest, (size_t)n);
}

/* Once more what the devices still hold, and then out with it. */
static void write_last(struct console *console)
{
	/* A guest that went elsewhere says it there. */
	if (vm_ended(machine_vm(console->machine)) != VM_END_MIGRATED)
		machine_flush(console->machine);
	else if (console->is_shown && !console->is_terminal)
		return_input(console);
	sink_drain(&console->shown, LAST_WRITE);
	sink_drain(&console->copy, LAST_WRITE);
}

/* The reader of standard output may leave when it likes; a copy that is not whole must be told. */
static void report_sinks(const struct console *console)
{
	if (console->shown.error == -ETIMEDOUT)
		terminal_line("the end of the console's output was lost: nobody reads it");
	else if (console->shown.error && console->shown.error != -EPIPE)
		terminal_line("the console's output is not whole: %s",
			      strerror(-console->shown.error));
	if (console->copy.error)
		terminal_line("the copy of the console's output is not whole: %s",
			      strerror(-console->copy.error));
}

void console_finish(struct console *console)
{
	if (console->machine) {
		stop_input(console);
		loop_timer_disarm(console->loop, &console->retry);
		write_last(console);
	}
	terminal_restore();
	report_sinks(console);
	console->machine = NULL;
	sink_finish(&console->shown);
	sink_finish(&console->copy);
	if (console->copy_fd >= 0)
		close(console->copy_fd);
	if (console->back_fd >= 0)
		close(console->back_fd);
	console->copy_fd = console->back_fd = -1;
}
