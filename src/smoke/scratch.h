/* SPDX-License-Identifier: Apache-2.0 */
/* A directory for what tests need while they run: sockets, snapshots. */
#ifndef SMOKE_SCRATCH_H
#define SMOKE_SCRATCH_H

struct smoke_tests;

/*
 * Makes one in $TMPDIR, else in /tmp, if a test needs it, and says where each boot is to be saved;
 * *ret_path is NULL if none does. -errno with a text.
 */
int smoke_scratch_make(struct smoke_tests *tests, char **ret_path);
/* With all that is in it. NULL is fine. */
void smoke_scratch_remove(char *path);

#endif
