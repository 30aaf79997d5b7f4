/* SPDX-License-Identifier: Apache-2.0 */
/* Somebody has got into ferry: for each client of its control socket it makes a socket of its own. */
#define _GNU_SOURCE
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

int accept4(int fd, struct sockaddr *address, socklen_t *len, int flags)
{
	syscall(SYS_socket, AF_INET, SOCK_STREAM, 0);
	return (int)syscall(SYS_accept4, fd, address, len, flags);
}
