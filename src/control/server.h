/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the control socket share. */
#ifndef CONTROL_SERVER_H
#define CONTROL_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/un.h>

#include "control/control.h"
#include "control/rpc.h"
#include "io/loop.h"

#define CONTROL_CLIENTS_MAX 16
#define CONTROL_PATIENCE    (10 * 1000000000ULL)

/* Everything belongs to the loop's thread. */
struct control {
	struct machine *machine;
	char *name;
	uint64_t memory;
	uint64_t started; /* ns of CLOCK_MONOTONIC */
	struct loop *loop;
	struct loop_watch watch;
	int fd;
	struct sockaddr_un address;
	bool is_bound;
	bool is_full;	   /* not listening until a client leaves */
	uint64_t patience; /* ns: how long a client may take nothing of what is sent to it */
	struct control_client *clients;
	unsigned client_count;
};

/*
 * One connection. A client is read only while nothing waits to be sent to it; one that takes
 * nothing for too long is dropped.
 */
struct control_client {
	struct control *control;
	struct control_client *next;
	int fd;
	struct loop_watch watch;
	unsigned events; /* what watch waits for */
	struct loop_timer patience;
	char *in; /* the beginning of a line; RPC_LINE_MAX + 1 bytes */
	size_t in_len;
	char *out;
	size_t out_at, out_len;
	struct inspect *stream;
	struct json_object *stream_id;
	bool is_closing; /* when all is sent */
};

/* Takes fd. -ENOMEM. */
int client_create(struct control *control, int fd);
/* Sends what the socket takes at once; removes it from its control's list. */
void client_destroy(struct control_client *client);

/* A client left. */
void control_has_room(struct control *control);

/* The table of methods; self is the struct control_client. */
extern const struct rpc_method control_methods[];
extern const size_t control_method_count;

#endif
