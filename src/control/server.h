/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the control socket share. */
#ifndef CONTROL_SERVER_H
#define CONTROL_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/un.h>

#include <ferry/machine.h>

#include "control/control.h"
#include "control/guest.h"
#include "control/rpc.h"
#include "io/loop.h"
#include "migrate/hello.h"

#define CONTROL_CLIENTS_MAX 16
/* Descriptors that come with a request: the connections of a migration, or the files of a snapshot. */
#define CONTROL_FDS_MAX (MIGRATE_CONNECTIONS_MAX + 1)
#define CONTROL_PATIENCE    (10 * 1000000000ULL)

/* Everything belongs to the loop's thread. */
struct control {
	struct machine *machine;
	struct control_guest guest;
	char *name;
	char *description; /* NULL: none was given */
	uint64_t memory;
	uint64_t started; /* ns of CLOCK_MONOTONIC */
	struct loop *loop;
	struct loop_watch watch;
	int fd;
	int directory; /* where its socket is */
	struct sockaddr_un address;
	bool is_bound;
	bool is_full;	   /* not listening until a client leaves */
	bool is_ending;	   /* nothing new is begun */
	uint64_t patience; /* ns: how long a client may take nothing of what is sent to it */
	struct control_client *clients;
	unsigned client_count;
	struct migration *migration; /* under way, or broken; NULL: none */
	unsigned migrating;	     /* 1 while it is under way */
	struct watcher *watcher;     /* whom its progress is told to; NULL: nobody */
	char *doubt;		     /* why nobody knows whether the guest runs elsewhere; NULL: it does not */
	char *advice; /* what is to be done about it */
	enum machine_release doubt_release; /* what resume makes of it */
	char *gone_to; /* the guest's new place, when it has moved */
	bool (*arrival)(void *self, struct migrate_progress *ret_progress); /* NULL: none */
	void *arrival_self;
	char *future_name; /* it is another VM's still; NULL: name is the right one */
	int holder;	   /* a connection to that VM; -1: it has ended */
	struct loop_watch holder_watch;
};

/* What a method that streams sends before its answer, as fast as the client takes it. */
struct control_stream {
	/*
	 * 1: *ret_line is the next line, from malloc. 0: there are no more, and the answer is due.
	 * -EAGAIN: not yet; client_continue() when there is. Another -errno: the client is dropped.
	 */
	int (*next)(struct control_stream *stream, char **ret_line);
	/* The answer's line, from malloc; takes id. NULL: no memory. */
	char *(*answer)(struct control_stream *stream, struct json_object *id);
	/* After the answer, or when the client is gone. */
	void (*destroy)(struct control_stream *stream);
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
	/* What came with the line; those that its method does not take (-1) are closed after it. */
	int fds[CONTROL_FDS_MAX];
	unsigned fd_count;
	char *out;
	size_t out_at, out_len;
	struct control_stream *stream; /* the client's own */
	struct json_object *stream_id;
	bool is_idle;	 /* the stream has nothing to say for now */
	bool is_closing; /* when all is sent */
};

/* Takes fd. -ENOMEM. */
int client_create(struct control *control, int fd);
/* Sends what the socket takes at once; removes it from its control's list. */
void client_destroy(struct control_client *client);

/* A stream that had nothing to say has something; the client may be gone afterwards. */
void client_continue(struct control_client *client);

/* A client left. */
void control_has_room(struct control *control);

/* A stream of every register whose name matches; pattern may be NULL. */
int inspect_stream_create(struct vm *vm, const char *pattern, struct control_stream **ret_stream);

/* The method of stat.c. */
int do_stat(void *self, struct json_object *params, struct json_object **ret_result);

/* The method of hyperv.c. */
int do_hyperv_inhibit(void *self, struct json_object *params, struct json_object **ret_result);

/* The method of translate.c. */
int do_translate(void *self, struct json_object *params, struct json_object **ret_result);

/* The methods of migrate.c. */
int do_migrate(void *self, struct json_object *params, struct json_object **ret_result);
int do_migrate_ready(void *self, struct json_object *params, struct json_object **ret_result);
int do_migrate_recover(void *self, struct json_object *params, struct json_object **ret_result);
int do_migrate_postcopy(void *self, struct json_object *params, struct json_object **ret_result);
int do_migrate_cancel(void *self, struct json_object *params, struct json_object **ret_result);
int do_snapshot(void *self, struct json_object *params, struct json_object **ret_result);

/* Ends what is under way, and waits for its end; the VM has ended. */
void control_end_migration(struct control *control);
/*
 * In post-copy the guest has gone and its memory has not, and the connection is lost: -EBUSY then, with
 * what is to be done.
 */
int control_check_broken(const struct control *control);
/* An operator answers for it that the guest runs nowhere else: it goes on here. -errno: it cannot. */
int control_settle_broken(struct control *control);
/* The other end of that: -EBUSY, and what is to be done, while memory of the guest is still to come. */
int control_check_whole(const struct control *control);
/* heir.c. holder is a connection to who has the name still, and the control's. -ENOMEM. */
int heir_begin(struct control *control, int holder);
/* Waits for that VM's end, on the loop. -ENOMEM. */
int heir_watch(struct control *control);
/* Takes the name, when it can be taken, and not while somebody is told to use the other one. */
void heir_take_name(struct control *control);
void heir_finish(struct control *control);

/* Nobody watches any more. */
void control_watcher_gone(struct control *control);

/* The table of methods; self is the struct control_client. */
extern const struct rpc_method control_methods[];
extern const size_t control_method_count;

#endif
