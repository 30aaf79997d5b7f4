/* SPDX-License-Identifier: Apache-2.0 */
/* Raw mode and its end. */
#include "cli/terminal.h"

#include <ferry/error.h>

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "base/util.h"

/*
 * Signals that end a process, and so are the terminal's affair, are all but these: what does nothing
 * or stops by default, what cannot be caught, what signals.c, the run loop and the sandbox take, and
 * SIGPIPE, which is ignored.
 */
static const int left_alone[] = { SIGCHLD, SIGCONT, SIGURG,  SIGWINCH, SIGSTOP, SIGTSTP,
				  SIGTTIN, SIGTTOU, SIGKILL, SIGPIPE,  SIGTERM, SIGINT,
				  SIGHUP,  SIGQUIT, SIGSYS };

/*
 * File-scope because a signal handler gets no argument. saved is written before is_raw is set, and
 * read by the handler only while it is set.
 */
static struct termios saved;
static atomic_bool is_raw;
static struct sigaction before[_NSIG];
static bool caught;

bool terminal_is_input(void)
{
	return isatty(STDIN_FILENO) == 1;
}

bool terminal_is_foreground(void)
{
	return tcgetpgrp(STDIN_FILENO) == getpgrp();
}

static bool is_fault(int sig)
{
	return sig == SIGSEGV || sig == SIGBUS || sig == SIGILL || sig == SIGFPE;
}

/* Restores, and lets whoever had the signal before (the system, a sanitizer) have it. */
static void on_end(int sig, siginfo_t *info, void *context)
{
	(void)context;
	terminal_restore();
	/* The system's own is back by itself. */
	if (before[sig].sa_handler != SIG_DFL)
		sigaction(sig, &before[sig], NULL);
	/* A fault comes again by itself when the handler returns; anything else does not. */
	if (!is_fault(sig) || info->si_code <= 0)
		raise(sig);
}

static bool is_left_alone(int sig)
{
	for (size_t i = 0; i < ARRAY_SIZE(left_alone); i++)
		if (left_alone[i] == sig)
			return true;
	return sig == SIGRTMIN; /* the kick of a vCPU */
}

/* Numbers that the C library keeps to itself are refused, and stay as they are. */
static void catch_ends(void)
{
	struct sigaction action = { .sa_sigaction = on_end };

	if (caught)
		return;
	caught = true;
	for (int sig = 1; sig < _NSIG; sig++) {
		if (is_left_alone(sig) || sigaction(sig, NULL, &before[sig]) != 0)
			continue;
		action.sa_flags = SA_SIGINFO;
		if (before[sig].sa_handler == SIG_DFL)
			action.sa_flags |= (int)SA_RESETHAND;
		sigaction(sig, &action, NULL);
	}
}

void terminal_prepare(void)
{
	if (terminal_is_input())
		catch_ends();
}

int terminal_raw(void)
{
	struct termios raw;

	if (atomic_load(&is_raw))
		return 0;
	catch_ends();
	if (tcgetattr(STDIN_FILENO, &saved) != 0)
		return because(-errno, "standard input: cannot read the terminal's settings: %s",
			       strerror(errno));
	raw = saved;
	cfmakeraw(&raw);
	atomic_store(&is_raw, true);
	if (tcsetattr(STDIN_FILENO, TCSANOW, &raw) != 0) {
		atomic_store(&is_raw, false);
		return because(-errno, "standard input: cannot make the terminal raw: %s",
			       strerror(errno));
	}
	return 0;
}

void terminal_restore(void)
{
	if (atomic_exchange(&is_raw, false))
		tcsetattr(STDIN_FILENO, TCSANOW, &saved);
}

bool terminal_size(uint16_t *ret_columns, uint16_t *ret_rows)
{
	struct winsize size;

	if (ioctl(STDIN_FILENO, TIOCGWINSZ, &size) != 0 || !size.ws_col || !size.ws_row)
		return false;
	*ret_columns = size.ws_col;
	*ret_rows = size.ws_row;
	return true;
}

void terminal_line(const char *fmt, ...)
{
	static const char prefix[] = "ferry: ";
	char line[ERROR_TEXT_MAX + 64];
	size_t len = sizeof(prefix) - 1;
	va_list args;

	memcpy(line, prefix, sizeof(prefix));
	va_start(args, fmt);
	vsnprintf(line + len, sizeof(line) - len - 2, fmt, args);
	va_end(args);
	for (; line[len]; len++) {
		if ((unsigned char)line[len] < ' ' || line[len] == 0x7f)
			line[len] = '?';
	}
	/* A raw terminal does not go back to the first column by itself. */
	if (atomic_load(&is_raw))
		line[len++] = '\r';
	line[len++] = '\n';
	(void)!write(STDERR_FILENO, line, len);
}
