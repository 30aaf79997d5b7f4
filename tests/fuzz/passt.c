/* SPDX-License-Identifier: Apache-2.0 */
/* Comes before io/passt.c: a pair of sockets, of which the fuzz target has the other one. One at a time. */
#include "fuzz/passt.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/passt.h"

/* So small that a guest's packets fill it. */
#define BUFFER 4096

struct passt {
	int ours;
};

static int wire = -1;

int passt_create(struct loop *loop, const struct passt_options *options, struct passt **ret_passt)
{
	struct passt *passt = calloc(1, sizeof(*passt));
	int sockets[2], size = BUFFER;

	(void)loop;
	(void)options;
	if (!passt || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) < 0)
		abort();
	setsockopt(sockets[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	passt->ours = sockets[0];
	wire = sockets[1];
	*ret_passt = passt;
	return 0;
}

void passt_destroy(struct passt *passt)
{
	if (!passt)
		return;
	close(passt->ours);
	fuzz_wire_cut();
	free(passt);
}

int passt_fd(const struct passt *passt)
{
	return passt->ours;
}

void fuzz_wire_send(const void *data, size_t len)
{
	if (wire >= 0)
		(void)!send(wire, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
}

bool fuzz_wire_drain(void)
{
	char sink[BUFFER];

	return wire >= 0 && recv(wire, sink, sizeof(sink), MSG_DONTWAIT) > 0;
}

void fuzz_wire_cut(void)
{
	if (wire >= 0)
		close(wire);
	wire = -1;
}
