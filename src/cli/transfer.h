/* SPDX-License-Identifier: Apache-2.0 */
/* A method of a VM that takes its time and tells how far it is: migrate, snapshot. */
#ifndef CLI_TRANSFER_H
#define CLI_TRANSFER_H

#include <stdbool.h>

#include "cli/command.h"

struct control_session;
struct json_object;

struct transfer {
	const char *name; /* of the VM */
	bool json;
	bool ends; /* the VM does, with it */
	void *self;
	/* Makes what the VM may not, and attaches it to the request, or asks for what that is (NULL: nothing). */
	int (*begin)(void *self, struct control_session *session, struct json_object *params);
	/* Of what the VM made of it makes what was asked for; err is the VM's, or begin's. May be NULL. */
	int (*end)(void *self, int err);
	/* Says what came of it. */
	void (*say)(const struct transfer *transfer, struct json_object *result);
};

/* Shows progress, result, or what went wrong. Takes params. */
enum exit_status transfer_run(const struct transfer *transfer, const char *method,
			      struct json_object *params);

/* Calls a method that answers at once and says nothing when it went well. */
enum exit_status transfer_tell(const struct transfer *transfer, const char *method);

/* The figures of a result for people; each text has 32 bytes. */
void transfer_figures(struct json_object *result, char *total, char *downtime, char *bytes);

#endif
