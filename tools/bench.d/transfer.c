/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The least that moves memory: how long it takes to get it through N loopback connections from one
 * file in memory into another, new one, when nobody looks at what it is. Meanwhile a thread keeps a CPU
 * busy, as the guest does that is moved: it polls.
 */
#include <arpa/inet.h>
#include <err.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MOST_CONNECTIONS 64
#define AT_ONCE		 (1UL << 20)

struct lane {
	pthread_t thread;
	int fd;
	uint8_t *memory;
	size_t size;
};

static long must(long result, const char *what)
{
	if (result < 0)
		err(1, "%s", what);
	return result;
}

static uint8_t *make_memory(size_t size)
{
	int fd = (int)must(memfd_create("memory", MFD_CLOEXEC), "memfd_create");
	uint8_t *memory;

	must(ftruncate(fd, (off_t)size), "ftruncate");
	memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED)
		err(1, "mmap");
	close(fd);
	return memory;
}

static void fill(uint8_t *memory, size_t size)
{
	uint64_t v = 1;

	for (size_t i = 0; i < size; i += sizeof(v)) {
		v = v * 6364136223846793005 + 1442695040888963407;
		memcpy(memory + i, &v, sizeof(v));
	}
}

static size_t part(size_t left)
{
	return left < AT_ONCE ? left : AT_ONCE;
}

static void *send_all(void *self)
{
	const struct lane *lane = self;
	char done;

	for (size_t sent = 0; sent < lane->size;)
		sent += (size_t)must(write(lane->fd, lane->memory + sent, part(lane->size - sent)),
				     "write");
	if (must(read(lane->fd, &done, 1), "read") != 1)
		errx(1, "the receiver is gone");
	return NULL;
}

static void *receive_all(void *self)
{
	const struct lane *lane = self;

	for (size_t got = 0; got < lane->size;) {
		long n = must(read(lane->fd, lane->memory + got, part(lane->size - got)), "read");

		if (n == 0)
			errx(1, "the sender is gone");
		got += (size_t)n;
	}
	must(write(lane->fd, "", 1), "write");
	return NULL;
}

static void *poll_as_the_guest(void *self)
{
	const atomic_bool *over = self;

	while (!atomic_load(over))
		;
	return NULL;
}

/* Every lane has its own part of the memory. */
static void transfer(struct lane *lanes, unsigned count, uint8_t *memory, size_t size,
		     void *(*work)(void *))
{
	for (unsigned i = 0; i < count; i++) {
		lanes[i].memory = memory + size / count * i;
		lanes[i].size = size / count;
		if (pthread_create(&lanes[i].thread, NULL, work, &lanes[i]))
			errx(1, "pthread_create");
	}
	for (unsigned i = 0; i < count; i++)
		pthread_join(lanes[i].thread, NULL);
}

static void send_timed(struct lane *lanes, unsigned count, size_t size)
{
	uint8_t *memory = make_memory(size);
	struct timespec begin, end;
	atomic_bool over = false;
	pthread_t guest;

	fill(memory, size);
	if (pthread_create(&guest, NULL, poll_as_the_guest, &over))
		errx(1, "pthread_create");
	clock_gettime(CLOCK_MONOTONIC, &begin);
	transfer(lanes, count, memory, size, send_all);
	clock_gettime(CLOCK_MONOTONIC, &end);
	atomic_store(&over, true);
	pthread_join(guest, NULL);
	printf("%.3f\n", (double)(end.tv_sec - begin.tv_sec) * 1e3 +
				 (double)(end.tv_nsec - begin.tv_nsec) / 1e6);
}

/* The child receives, the parent sends. */
int main(int argc, char **argv)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(address);
	int listener = (int)must(socket(AF_INET, SOCK_STREAM, 0), "socket");
	struct lane lanes[MOST_CONNECTIONS];
	unsigned count = argc == 3 ? (unsigned)strtoul(argv[1], NULL, 10) : 0;
	size_t size = argc == 3 ? strtoul(argv[2], NULL, 10) << 20 : 0;
	pid_t child;
	int status;

	if (count < 1 || count > MOST_CONNECTIONS || size == 0)
		errx(1, "usage: transfer CONNECTIONS MEBIBYTES");
	must(bind(listener, (struct sockaddr *)&address, length), "bind");
	must(listen(listener, MOST_CONNECTIONS), "listen");
	must(getsockname(listener, (struct sockaddr *)&address, &length), "getsockname");
	child = (pid_t)must(fork(), "fork");
	for (unsigned i = 0; i < count; i++) {
		if (child) {
			lanes[i].fd = (int)must(accept(listener, NULL, NULL), "accept");
		} else {
			lanes[i].fd = (int)must(socket(AF_INET, SOCK_STREAM, 0), "socket");
			must(connect(lanes[i].fd, (struct sockaddr *)&address, length), "connect");
		}
	}
	if (child)
		send_timed(lanes, count, size);
	else
		transfer(lanes, count, make_memory(size), size, receive_all);
	if (child && (waitpid(child, &status, 0) != child || status != 0))
		errx(1, "the receiver failed");
	return 0;
}
