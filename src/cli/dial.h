/* SPDX-License-Identifier: Apache-2.0 */
/* The connections of a migration, made here and not by the VM, which may not. */
#ifndef CLI_DIAL_H
#define CLI_DIAL_H

#include "io/channel.h"
#include "migrate/hello.h"

struct dial {
	struct channel *command; /* exec:'s, while it lasts */
	int fds[MIGRATE_CONNECTIONS_MAX + 1];
	unsigned count;
};

/*
 * Connects to uri as often as a migration over so many connections needs; of exec: there is one. With TLS the
 * sockets lead to a process of its own that encrypts: the VM gets to see neither keys nor GnuTLS.
 * dial_finish() also after a failure. Errors of channel_connect().
 */
int dial_open(struct dial *dial, const char *uri, unsigned connections,
	      const struct channel_options *options);

/* What is to be added to a failure's text: how the command of exec: ended. */
void dial_tell(const struct dial *dial, char *text, size_t size);

void dial_finish(struct dial *dial);

/* relay.c: the same for TLS: count sockets to a process that passes on what they carry. */
int relay_open(const char *uri, const struct channel_options *options, int *fds, unsigned count);

#endif
