/* SPDX-License-Identifier: Apache-2.0 */
/* What is said first on a connection: STREAM.md, section 7. */
#ifndef MIGRATE_HELLO_H
#define MIGRATE_HELLO_H

/* A HELLO's payload: by it the connections of one migration know each other. */
#define SESSION_SIZE 16

/* The control connection and those for memory. */
#define MIGRATE_CONNECTIONS_MAX 64

/* What its number b says, and that of a verdict and of connections. */
enum hello_flags {
	HELLO_POSTCOPY = 1 << 0, /* pages may come after the guest runs */
	HELLO_RECOVER = 1 << 1,	 /* it runs: the connections before these are lost */
	HELLO_DISKS = 1 << 2,	 /* disks are copied too: a table of them follows the machine */
	HELLO_ALL = (1 << 3) - 1,
};

#endif
