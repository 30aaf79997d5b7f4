/* SPDX-License-Identifier: Apache-2.0 */
/* The terminal that ferry was started on: raw while the guest has it, restored on every way out. */
#ifndef CLI_TERMINAL_H
#define CLI_TERMINAL_H

#include <stdbool.h>
#include <stdint.h>

/*
 * There is one terminal a process, and a signal handler must find it: the state is the process's.
 * All but terminal_line() belong to the main thread.
 */

/* Whether standard input is a terminal, and this process group is in its foreground. */
bool terminal_is_input(void);
bool terminal_is_foreground(void);

/*
 * Makes the terminal raw; from the first call on a crash (SIGSEGV, SIGABRT …) restores it before
 * the process dies. -errno of tcsetattr(3). Does nothing when it is raw already.
 */
int terminal_raw(void);

/* What terminal_raw() would do the first time and need more rights for than it has later. */
void terminal_prepare(void);

/* What it was before terminal_raw(). Does nothing when it is not raw. */
void terminal_restore(void);

/* Columns and rows of standard input's terminal; false when it has no size. */
bool terminal_size(uint16_t *ret_columns, uint16_t *ret_rows);

/* One line on standard error, "ferry: " before it; ends as the terminal needs it. Any thread. */
void terminal_line(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
