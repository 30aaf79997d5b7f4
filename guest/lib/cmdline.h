/* SPDX-License-Identifier: Apache-2.0 */
/* Words NAME=VALUE on a guest program's command line. */
#ifndef GUEST_LIB_CMDLINE_H
#define GUEST_LIB_CMDLINE_H

#include <stdint.h>

/* What follows NAME= and goes on to the end of the line; NULL: it is not there. */
const char *cmdline_value(const char *cmdline, const char *name);
/* The number that follows NAME=, with K, M or G; OTHERWISE where there is none. */
uint64_t cmdline_number(const char *cmdline, const char *name, uint64_t otherwise);

#endif
