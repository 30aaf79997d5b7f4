/* SPDX-License-Identifier: Apache-2.0 */
/* Where control sockets are, and which of them belong to a VM that lives. */
#ifndef CONTROL_PATH_H
#define CONTROL_PATH_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/un.h>

/*
 * The directory: $XDG_RUNTIME_DIR/ferry; without that variable /run/ferry for root, /tmp/ferry-UID
 * for others. -ENAMETOOLONG, -EINVAL (not an absolute path).
 */
int control_directory(char *path, size_t size);

/*
 * Opens the directory, which must be the caller's own and closed to everybody else; makes it when
 * create is set. The descriptor is locked (flock) against others who open it until it is closed:
 * whoever replaces or removes a socket does it under this lock. -ENOENT, -EPERM.
 */
int control_directory_open(bool create, int *ret_fd);

/* The address of a VM's socket. -ENAMETOOLONG. */
int control_address(const char *name, struct sockaddr_un *ret_address);

/*
 * Connects to the VM of that name; the socket blocks.
 *   -ENOENT        there is none
 *   -ECONNREFUSED  it died and left its socket
 *   -EAGAIN        it lives, and for five seconds had no place for one more client
 */
int control_connect(const char *name, int *ret_fd);

/* Whether somebody listens there; when that cannot be found out, yes. */
bool control_is_alive(const char *name);

/* -EEXIST: a VM of that name runs; the text says what to do. */
int control_check_free(const char *name);

/* Removes the socket of a VM that died; leaves that of one that lives. */
int control_remove_stale(const char *name);

#endif
