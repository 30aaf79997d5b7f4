/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A host that fails: LD_PRELOAD, and FERRY_FAULT is the descriptor of a file with a struct control, which the test
 * writes to meanwhile. While it is armed, the call of that number (from 1 on) of its kind fails so: 'f' (files,
 * descriptors, sockets, threads, memory maps), 'm' (allocations), 's' (files that have a name: made, written, put in
 * their place); with error 0 a read or write is short. Number 0: nothing fails. Calls are counted while it is armed.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* tests/faults.d/host writes it. */
struct control {
	int32_t armed, kind, number, error;
	int64_t calls;
};

static struct control none, *control = &none;

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *p, size_t size);

__attribute__((constructor)) static void find_control(void)
{
	const char *text = getenv("FERRY_FAULT");
	long at = text ? syscall(SYS_mmap, NULL, sizeof(*control), PROT_READ | PROT_WRITE, MAP_SHARED,
				 atoi(text), 0L) : -1;

	if (at != -1)
		control = (struct control *)at;
}

/* Whether this is the one. */
static int fails(char of)
{
	if (!__atomic_load_n(&control->armed, __ATOMIC_ACQUIRE) || control->kind != of)
		return 0;
	if (__atomic_add_fetch(&control->calls, 1, __ATOMIC_RELAXED) != control->number)
		return 0;
	errno = control->error;
	return 1;
}

/* A file of memory has no name. */
static int fails_stored(int fd)
{
	struct stat st;

	return control->kind == 's' && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink && fails('s');
}

/* An eventfd's read or write waits for nothing and needs nothing: it does not fail. */
static uint64_t eventfds[16];

static void note_eventfd(int fd)
{
	if (fd >= 0 && fd < 1024)
		__atomic_fetch_or(&eventfds[fd / 64], 1ULL << fd % 64, __ATOMIC_RELAXED);
}

static int can_fail(int fd)
{
	return fd < 0 || fd >= 1024 ||
	       !(__atomic_load_n(&eventfds[fd / 64], __ATOMIC_RELAXED) >> fd % 64 & 1);
}

#define NEXT(name) ((__typeof__(&(name)))dlsym(RTLD_NEXT, #name))

#define WRAP(type, name, failure, parameters, arguments)                                          \
	type name parameters                                                                       \
	{                                                                                          \
		if (control->error && fails('f'))                                                           \
			return failure;                                                            \
		return NEXT(name) arguments;                                                       \
	}

#define WRAP_STORED(type, name, parameters, arguments)                                            \
	type name parameters                                                                       \
	{                                                                                          \
		if (control->error && (fails('f') || fails_stored(fd)))                            \
			return -1;                                                                 \
		return NEXT(name) arguments;                                                       \
	}

#define WRAP_NAMED(type, name, parameters, arguments)                                             \
	type name parameters                                                                       \
	{                                                                                          \
		if (control->error && fails('s'))                                                  \
			return -1;                                                                 \
		return NEXT(name) arguments;                                                       \
	}

/* A byte less, but never none. */
#define WRAP_LONG(name, parameters, arguments, len)                                                \
	ssize_t name parameters                                                                    \
	{                                                                                          \
		if ((can_fail(fd) && fails('f')) || fails_stored(fd)) {                            \
			if (control->error)                                                        \
				return -1;                                                         \
			len = len > 1 ? len / 2 : len;                                             \
		}                                                                                  \
		return NEXT(name) arguments;                                                       \
	}

WRAP_LONG(read, (int fd, void *buf, size_t len), (fd, buf, len), len)
WRAP_LONG(write, (int fd, const void *buf, size_t len), (fd, buf, len), len)
WRAP_LONG(pread, (int fd, void *buf, size_t len, off_t at), (fd, buf, len, at), len)
WRAP_LONG(pwrite, (int fd, const void *buf, size_t len, off_t at), (fd, buf, len, at), len)
WRAP_LONG(send, (int fd, const void *buf, size_t len, int flags), (fd, buf, len, flags), len)
WRAP_LONG(recv, (int fd, void *buf, size_t len, int flags), (fd, buf, len, flags), len)
WRAP(ssize_t, writev, -1, (int fd, const struct iovec *iov, int count), (fd, iov, count))
WRAP(ssize_t, sendmsg, -1, (int fd, const struct msghdr *message, int flags), (fd, message, flags))
WRAP(ssize_t, recvmsg, -1, (int fd, struct msghdr *message, int flags), (fd, message, flags))
WRAP(int, accept4, -1, (int fd, struct sockaddr *address, socklen_t *len, int flags),
     (fd, address, len, flags))
WRAP_STORED(int, fsync, (int fd), (fd))
WRAP(int, fdatasync, -1, (int fd), (fd))
WRAP(int, madvise, -1, (void *at, size_t len, int advice), (at, len, advice))
WRAP(void *, mmap, MAP_FAILED, (void *at, size_t len, int prot, int flags, int fd, off_t offset),
     (at, len, prot, flags, fd, offset))
WRAP_STORED(int, ftruncate, (int fd, off_t len), (fd, len))
WRAP_STORED(int, fallocate, (int fd, int mode, off_t at, off_t len), (fd, mode, at, len))
WRAP_NAMED(int, rename, (const char *from, const char *to), (from, to))
WRAP_NAMED(int, renameat2, (int from_fd, const char *from, int to_fd, const char *to, unsigned flags),
	   (from_fd, from, to_fd, to, flags))
WRAP(int, memfd_create, -1, (const char *name, unsigned flags), (name, flags))
WRAP(int, socket, -1, (int domain, int type, int protocol), (domain, type, protocol))
WRAP(int, bind, -1, (int fd, const struct sockaddr *address, socklen_t len), (fd, address, len))
WRAP(int, listen, -1, (int fd, int queue), (fd, queue))

int open(const char *path, int flags, ...)
{
	va_list args;
	mode_t mode;

	va_start(args, flags);
	mode = va_arg(args, mode_t);
	va_end(args);
	return control->error && fails('f') ? -1 : NEXT(open)(path, flags, mode);
}

int close(int fd)
{
	if (fd >= 0 && fd < 1024)
		__atomic_fetch_and(&eventfds[fd / 64], ~(1ULL << fd % 64), __ATOMIC_RELAXED);
	return NEXT(close)(fd);
}

int eventfd(unsigned count, int flags)
{
	int fd = control->error && fails('f') ? -1 : NEXT(eventfd)(count, flags);

	note_eventfd(fd);
	return fd;
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *arg)
{
	if (control->error && fails('f'))
		return control->error;
	return NEXT(pthread_create)(thread, attributes, run, arg);
}

int openat(int dir, const char *path, int flags, ...)
{
	va_list args;
	mode_t mode;

	va_start(args, flags);
	mode = va_arg(args, mode_t);
	va_end(args);
	return control->error && flags & O_CREAT && fails('s') ? -1 : NEXT(openat)(dir, path, flags, mode);
}

void *malloc(size_t size)
{
	return fails('m') ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
	return fails('m') ? NULL : __libc_calloc(count, size);
}

void *realloc(void *p, size_t size)
{
	return fails('m') ? NULL : __libc_realloc(p, size);
}
