/* SPDX-License-Identifier: Apache-2.0 */
/* A network for the machine that is fuzzed: io/passt.h without a process, and what is on its other end. */
#ifndef TESTS_FUZZ_PASST_H
#define TESTS_FUZZ_PASST_H

#include <stdbool.h>
#include <stddef.h>

/* Bytes for the guest's network, as they are; what does not fit is lost. */
void fuzz_wire_send(const void *data, size_t len);
/* Takes some of what the guest has sent: false: none. */
bool fuzz_wire_drain(void);
/* From here on the stream has ended. */
void fuzz_wire_cut(void);

#endif
