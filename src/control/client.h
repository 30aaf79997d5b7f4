/* SPDX-License-Identifier: Apache-2.0 */
/* The asking side of a control socket; blocks, but for a bounded time. */
#ifndef CONTROL_CLIENT_H
#define CONTROL_CLIENT_H

#include <signal.h>
#include <stddef.h>

struct json_object;
struct control_session;

/* How long one step of the VM's answer may take. */
#define CONTROL_ANSWER_SECONDS 30

/* -ENOENT: no VM of that name runs (a dead one's socket is removed); the text says so. */
int control_open(const char *name, struct control_session **ret_session);
void control_close(struct control_session *session);

/*
 * Calls a method and waits for its answer. params may be NULL; it is taken. each (may be NULL) is
 * given the params of every notification that comes before the answer. *ret_result is the caller's.
 *   -EREMOTEIO  the VM said no; the text is its message
 *   -ETIMEDOUT, -EPIPE (it ended), -EPROTO (it does not speak JSON-RPC)
 */
int control_ask(struct control_session *session, const char *method, struct json_object *params,
		void (*each)(void *self, struct json_object *params), void *self,
		struct json_object **ret_result);

/*
 * The next control_ask() passes these descriptors with its request; they stay the caller's, and are
 * looked at then.
 */
void control_attach(struct control_session *session, const int *fds, unsigned count);

/* control_ask() gives up when *stop is not 0 (-EINTR): a signal's handler may set it. NULL: never. */
void control_stop_by(struct control_session *session, const volatile sig_atomic_t *stop);

/*
 * After -EREMOTEIO: the data of the VM's error, an object; NULL: there was none. The session's, until the
 * next control_ask().
 */
struct json_object *control_error_data(const struct control_session *session);

/* Waits until the VM has closed its side: it has ended. -ETIMEDOUT. */
int control_wait_end(struct control_session *session);

/*
 * The VM of that name has ended. Where its guest goes on here, it gets the name about now: waits until it
 * has it, for seconds at the most.
 */
void control_wait_heir(const char *name);

/*
 * The names of the VMs that run, sorted; what dead ones left is removed. The caller frees each and
 * the array. No VM is no error.
 */
int control_names(char ***ret_names, size_t *ret_count);

#endif
