/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A host that fails: LD_PRELOAD, FERRY_FAULT=KIND:NUMBER:ERRNO. The call of that number (from 1 on) of KIND fails
 * so: "file" (files, descriptors, memory maps), "memory" (allocations), "stored" (files that have a name: made,
 * written, put in their place); with ERRNO 0 a read or write is short.
 * Number 0: nothing fails, and the count goes to the descriptor FERRY_FAULT_COUNT at the end.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static char kind;
static long number = -1;
static int fault;
static long calls;

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *p, size_t size);

__attribute__((constructor)) static void read_fault(void)
{
	const char *text = getenv("FERRY_FAULT");
	char word[16];

	if (!text || sscanf(text, "%15[a-z]:%ld:%d", word, &number, &fault) != 3)
		number = -1;
	else
		kind = word[0];
}

/* The sandbox lets nobody open a file at the end. */
__attribute__((destructor)) static void tell_count(void)
{
	const char *to = getenv("FERRY_FAULT_COUNT");

	if (number == 0 && to)
		dprintf(atoi(to), "%ld\n", calls);
}

/* Whether this is the one. */
static int fails(char of)
{
	if (kind != of || number < 0)
		return 0;
	if (__atomic_add_fetch(&calls, 1, __ATOMIC_RELAXED) != number)
		return 0;
	errno = fault;
	return 1;
}

/* A file of memory has no name. */
static int fails_stored(int fd)
{
	struct stat st;

	return kind == 's' && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink && fails('s');
}

#define NEXT(name) ((__typeof__(&(name)))dlsym(RTLD_NEXT, #name))

#define WRAP(type, name, failure, parameters, arguments)                                          \
	type name parameters                                                                       \
	{                                                                                          \
		if (fault && fails('f'))                                                           \
			return failure;                                                            \
		return NEXT(name) arguments;                                                       \
	}

/* A byte less, but never none. */
#define WRAP_LONG(name, parameters, arguments, len)                                                \
	ssize_t name parameters                                                                    \
	{                                                                                          \
		if (fails('f') || fails_stored(fd)) {                                              \
			if (fault)                                                                 \
				return -1;                                                         \
			len = len > 1 ? len / 2 : len;                                             \
		}                                                                                  \
		return NEXT(name) arguments;                                                       \
	}

#define WRAP_STORED(type, name, parameters, arguments)                                            \
	type name parameters                                                                       \
	{                                                                                          \
		if (fault && (fails('f') || fails_stored(fd)))                                     \
			return -1;                                                                 \
		return NEXT(name) arguments;                                                       \
	}

#define WRAP_NAMED(type, name, parameters, arguments)                                             \
	type name parameters                                                                       \
	{                                                                                          \
		if (fault && fails('s'))                                                           \
			return -1;                                                                 \
		return NEXT(name) arguments;                                                       \
	}

WRAP_LONG(read, (int fd, void *buf, size_t len), (fd, buf, len), len)
WRAP_LONG(write, (int fd, const void *buf, size_t len), (fd, buf, len), len)
WRAP_LONG(pread, (int fd, void *buf, size_t len, off_t at), (fd, buf, len, at), len)
WRAP_LONG(pwrite, (int fd, const void *buf, size_t len, off_t at), (fd, buf, len, at), len)
WRAP(void *, mmap, MAP_FAILED, (void *at, size_t len, int prot, int flags, int fd, off_t offset),
     (at, len, prot, flags, fd, offset))
WRAP_STORED(int, ftruncate, (int fd, off_t len), (fd, len))
WRAP_STORED(int, fallocate, (int fd, int mode, off_t at, off_t len), (fd, mode, at, len))
WRAP_NAMED(int, fsync, (int fd), (fd))
WRAP_NAMED(int, rename, (const char *from, const char *to), (from, to))
WRAP_NAMED(int, renameat2, (int from_fd, const char *from, int to_fd, const char *to, unsigned flags),
	   (from_fd, from, to_fd, to, flags))
WRAP(int, eventfd, -1, (unsigned count, int flags), (count, flags))
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
	return fault && fails('f') ? -1 : NEXT(open)(path, flags, mode);
}

int openat(int dir, const char *path, int flags, ...)
{
	va_list args;
	mode_t mode;

	va_start(args, flags);
	mode = va_arg(args, mode_t);
	va_end(args);
	return fault && flags & O_CREAT && fails('s') ? -1 : NEXT(openat)(dir, path, flags, mode);
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
