/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Somebody has got into ferry: for each client of its control socket it makes a socket of its own; with
 * PRELOAD_VCPU a vCPU makes a call that only the loop may.
 */
#define _GNU_SOURCE
#include <linux/kvm.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

int accept4(int fd, struct sockaddr *address, socklen_t *len, int flags)
{
	syscall(SYS_socket, AF_INET, SOCK_STREAM, 0);
	return (int)syscall(SYS_accept4, fd, address, len, flags);
}

int ioctl(int fd, unsigned long command, ...)
{
	va_list list;
	long arg;

	va_start(list, command);
	arg = va_arg(list, long);
	va_end(list);
	if (command == KVM_RUN && getenv("PRELOAD_VCPU"))
		syscall(SYS_flock, -1, 0);
	return (int)syscall(SYS_ioctl, fd, command, arg);
}
