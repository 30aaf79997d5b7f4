/* SPDX-License-Identifier: Apache-2.0 */
/* guest/init as a file: the build makes it a part of ferry. */
#ifndef SMOKE_INIT_H
#define SMOKE_INIT_H

#include <stddef.h>

extern const unsigned char smoke_init[];
extern const size_t smoke_init_size;

#define SMOKE_COMMAND_MAX 65535 /* bytes: guest/init/init.c */

/* What it says of the command: the status follows, three digits and a full stop. */
#define SMOKE_INIT_SAYS "ferry-init: status "

/*
 * Without a command in the initial RAM disk it asks for one with this line, and reads from the console:
 * its length in decimal digits, a newline, and its bytes.
 */
#define SMOKE_INIT_ASKS "ferry-init: waiting for a command"

#endif
