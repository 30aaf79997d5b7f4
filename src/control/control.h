/* SPDX-License-Identifier: Apache-2.0 */
/* The control socket of one VM: JSON-RPC 2.0, one object a line, on the VM's loop. */
#ifndef CONTROL_CONTROL_H
#define CONTROL_CONTROL_H

#include <stdbool.h>
#include <stdint.h>

#include <ferry/machine.h>

struct control;
struct migrate_guest;

struct control_options {
	struct machine *machine; /* outlives the control */
	const char *name;	 /* of the VM; copied */
	uint64_t memory;	 /* bytes, for status */
	/* What another ferry makes the same machine from; copied. NULL: the VM cannot be migrated. */
	const char *description;
	bool is_blank; /* the machine is, and its guest comes by control_guest() */
	/* Where a VM of that name runs, it is to have ended soon: until then this one has another name. */
	bool inherits;
};

/*
 * Listens at the VM's path (control/path.h). What a VM that died left there is replaced.
 *   -EEXIST  a VM of that name runs
 * and what the directory or the socket does not allow; the text says what to do.
 */
int control_create(const struct control_options *options, struct control **ret_control);

/* The machine for the migration engine; while the control lives. */
const struct migrate_guest *control_guest(struct control *control);

/* The directory that its socket is in, out of which control_destroy() removes it; the control's. */
int control_directory_of(const struct control *control);

/* What it answers to for now; and the name that it will have, NULL: that one. The control's. */
const char *control_name(const struct control *control);
const char *control_future_name(const struct control *control);

struct migrate_progress;

/*
 * What status says of a guest that is on its way here: false when none is, any more. Called on the loop's
 * thread as long as the control lives.
 */
void control_arrival(struct control *control,
		     bool (*progress)(void *self, struct migrate_progress *ret_progress), void *self);

/*
 * The guest is here and held, and nobody knows whether it runs elsewhere too: until the method resume
 * with force makes release of it. text says why. Loop's thread. -ENOMEM.
 */
int control_doubt(struct control *control, enum machine_release release, const char *text);

/* What a person is to do then. The control's. */
const char *control_doubt_advice(const struct control *control);

/*
 * The loop's thread, outside of callbacks, and the loop does not run. Cancels a migration under way and
 * waits for its end, for which the loop goes on meanwhile. Sends what can be sent at once, closes every connection and removes the socket. NULL is fine. */
void control_destroy(struct control *control);

#endif
