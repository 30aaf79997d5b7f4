/* SPDX-License-Identifier: Apache-2.0 */
/* passt(1): user-mode networking in a child process, one stream of frames. */
#ifndef IO_PASST_H
#define IO_PASST_H

struct loop;
struct passt;

struct passt_options {
	/* passt is gone; text is what it said last, one line. Loop thread; at most once. */
	void (*ended)(void *self, const char *text);
	void *self;
};

/*
 * Starts passt on one end of a socket; the other is passt_fd(). It ends with that socket,
 * and so with this process, whatever ends that. -ENOENT: passt is not installed;
 * -errno of what a process takes.
 */
int passt_create(struct loop *loop, const struct passt_options *options, struct passt **ret_passt);
/* Ends and reaps the child. Loop thread. NULL is fine. */
void passt_destroy(struct passt *passt);

/*
 * A stream socket, owned by passt and in blocking mode: each frame with its length in front, 4 bytes, most
 * significant first (passt(1), "-s, --socket": as QEMU's stream netdev).
 */
int passt_fd(const struct passt *passt);

#endif
