/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What ferry asks its ring for: LD_PRELOAD, and FERRY_FLUSH=DESCRIPTOR:fail or DESCRIPTOR:count. At the
 * end the descriptor is told how many fdatasyncs were asked for; "fail": none of them can be done.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <liburing.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int to = -1;
static bool fails;
static unsigned long flushes;

__attribute__((constructor)) static void read_wish(void)
{
	const char *text = getenv("FERRY_FLUSH");
	char what[8];

	if (text && sscanf(text, "%d:%7s", &to, what) == 2)
		fails = strcmp(what, "fail") == 0;
}

__attribute__((destructor)) static void tell(void)
{
	if (to >= 0)
		dprintf(to, "%lu\n", flushes);
}

/* Entries that were prepared, and that the kernel has not been given. */
static void look(struct io_uring *ring)
{
	for (unsigned at = ring->sq.sqe_head; at != ring->sq.sqe_tail; at++) {
		struct io_uring_sqe *sqe = &ring->sq.sqes[at & *ring->sq.kring_mask];

		if (sqe->opcode != IORING_OP_FSYNC || !(sqe->fsync_flags & IORING_FSYNC_DATASYNC))
			continue;
		flushes++;
		if (fails)
			sqe->fd = -1;
	}
}

int io_uring_submit(struct io_uring *ring)
{
	look(ring);
	return ((int (*)(struct io_uring *))dlsym(RTLD_NEXT, "io_uring_submit"))(ring);
}

int io_uring_submit_and_wait(struct io_uring *ring, unsigned count)
{
	look(ring);
	return ((int (*)(struct io_uring *, unsigned))dlsym(RTLD_NEXT, "io_uring_submit_and_wait"))(ring, count);
}
