/* SPDX-License-Identifier: Apache-2.0 */
/* The control socket of one VM: JSON-RPC 2.0, one object a line, on the VM's loop. */
#ifndef CONTROL_CONTROL_H
#define CONTROL_CONTROL_H

#include <stdint.h>

struct machine;
struct control;

struct control_options {
	struct machine *machine; /* outlives the control */
	const char *name;	 /* of the VM; copied */
	uint64_t memory;	 /* bytes, for status */
};

/*
 * Listens at the VM's path (control/path.h). What a VM that died left there is replaced.
 *   -EEXIST  a VM of that name runs
 * and what the directory or the socket does not allow; the text says what to do.
 */
int control_create(const struct control_options *options, struct control **ret_control);

/* Sends what can be sent at once, closes every connection and removes the socket. NULL is fine. */
void control_destroy(struct control *control);

#endif
