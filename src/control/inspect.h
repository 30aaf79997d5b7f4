/* SPDX-License-Identifier: Apache-2.0 */
/* Every register of a VM, read at one moment and told line by line. */
#ifndef CONTROL_INSPECT_H
#define CONTROL_INSPECT_H

#include <stddef.h>
#include <stdint.h>

#include <ferry/reg.h>

struct vm;

/* What was read; it needs the VM no more, but for the registers' names. */
struct inspect {
	struct reg_file *file;
	struct reg_list list;
	struct inspect_value *values; /* one an entry */
	uint8_t *bytes;
	size_t bytes_used, bytes_room;
	size_t next;
};

/*
 * Pauses the VM, reads every register whose name matches pattern (fnmatch(3); NULL: all), and
 * resumes it. On the loop's thread. -ENOMEM, or a bank's failure to list.
 */
int inspect_create(struct vm *vm, const char *pattern, struct inspect **ret_inspect);
void inspect_destroy(struct inspect *inspect);

/*
 * The next register as a notification "register", with its newline, from malloc; *ret_line is NULL
 * after the last. -ENOMEM.
 */
int inspect_next(struct inspect *inspect, char **ret_line);

#endif
