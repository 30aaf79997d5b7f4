/* SPDX-License-Identifier: Apache-2.0 */
/* The guest's console on ferry's standard input and output. */
#ifndef CLI_CONSOLE_H
#define CLI_CONSOLE_H

#include <ferry/machine.h>

#include <stdbool.h>

#include "cli/escape.h"
#include "cli/sink.h"

#define CONSOLE_INPUT 4096

/*
 * Everything belongs to the loop's thread. Output goes to standard output and to a copy; neither
 * reader can make the loop wait. A reader that is slow makes the guest's console slow, and a guest
 * that waits for its UART loses nothing. One that is gone makes no difference. Input is read
 * when the guest takes it; its end is not the end of the VM.
 */
struct console {
	struct machine *machine; /* NULL: not attached; what is said then is dropped */
	struct loop *loop;
	enum machine_console kind;
	bool is_shown; /* --console none: only the copy is written */
	bool is_terminal;
	struct sink shown, copy;
	int copy_fd;
	int back_fd; /* to standard input, where that is a pipe: what was not taken goes back; else -1 */
	bool is_choked; /* output was not taken; machine_output_ready() is owed */
	struct loop_watch watch;
	struct loop_timer retry; /* in the background: when to look again */
	struct escape escape;
	char input[CONSOLE_INPUT];
	size_t input_at, input_len;
	bool input_ended;
};

struct console_options {
	enum machine_console kind;
	bool is_shown;
	const char *copy_path;	/* NULL: none */
	bool copy_must_exist; /* look, but make no file */
};

/*
 * The copy's file is opened here, before there is a machine, and emptied by console_attach().
 * console_finish() undoes both.
 */
int console_init(struct console *console, const struct console_options *options);

/* Begins to read input and to write. A terminal becomes raw. */
int console_attach(struct console *console, struct machine *machine, const char *name);

/* struct machine_options' output and input_ready; self is the console. */
size_t console_output(void *self, enum machine_console kind, const void *buf, size_t len);
void console_input_ready(void *self, enum machine_console kind);

/* SIGWINCH, and SIGTSTP and SIGCONT. */
void console_resized(struct console *console);
void console_suspend(struct console *console);
void console_continued(struct console *console);

/* Writes what is left (bounded: a few seconds), restores the terminal. The VM runs no more. */
void console_finish(struct console *console);

#endif
