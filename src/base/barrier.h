/* SPDX-License-Identifier: Apache-2.0 */
/* A memory barrier in every thread of the process, so that those on a hot path need none. */
#ifndef BASE_BARRIER_H
#define BASE_BARRIER_H

/*
 * After this every other thread sees what the caller has stored, and the caller what they have:
 * membarrier(2). What it says when the kernel has none, with a text.
 */
int barrier_everywhere(void);

#endif
