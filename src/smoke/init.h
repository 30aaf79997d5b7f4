/* SPDX-License-Identifier: Apache-2.0 */
/* guest/init as a file: the build makes it a part of ferry. */
#ifndef SMOKE_INIT_H
#define SMOKE_INIT_H

#include <stddef.h>

extern const unsigned char smoke_init[];
extern const size_t smoke_init_size;

/* What it says of the command: the status follows, three digits and a full stop. */
#define SMOKE_INIT_SAYS "ferry-init: status "

#endif
