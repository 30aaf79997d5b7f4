/* SPDX-License-Identifier: Apache-2.0 */
/* Every register of a VM, or of a snapshot, read at one moment and told one by one. */
#ifndef CONTROL_INSPECT_H
#define CONTROL_INSPECT_H

#include <stddef.h>

struct inspect;
struct json_object;
struct snapshot;
struct vm;

/*
 * Pauses the VM, reads every register whose name matches pattern (fnmatch(3); NULL: all), and
 * resumes it. On the loop's thread. What was read needs the VM no more. -ENOMEM, -EINVAL (the pattern
 * is too long), or a bank's failure to list.
 */
int inspect_create(struct vm *vm, const char *pattern, struct inspect **ret_inspect);
/* The same of a snapshot, which is copied. */
int inspect_create_snapshot(const struct snapshot *snapshot, const char *pattern,
			    struct inspect **ret_inspect);
void inspect_destroy(struct inspect *inspect);

size_t inspect_count(const struct inspect *inspect);

/*
 * 1: *ret_params is the next register, the params of a notification "register", and the caller's.
 * 0: there are no more. -ENOMEM.
 */
int inspect_next(struct inspect *inspect, struct json_object **ret_params);

#endif
