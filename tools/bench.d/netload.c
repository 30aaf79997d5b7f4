/* SPDX-License-Identifier: Apache-2.0 */
/* Loads a network from inside a guest and prints what it carries, and its other end: tools/bench's xen-net. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PORT 7008
#define BLOCK (64UL << 10)

static char block[BLOCK];

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static struct sockaddr_in address_of(const char *text)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(PORT) };

	if (inet_pton(AF_INET, text, &address.sin_addr) != 1)
		errx(1, "%s: no address", text);
	return address;
}

/* All of it, or the end. */
static int take(int fd, size_t size)
{
	return recv(fd, block, size, MSG_WAITALL) == (ssize_t)size;
}

static int give(int fd, size_t size)
{
	for (size_t done = 0; done < size;) {
		ssize_t n = send(fd, block, size - done, MSG_NOSIGNAL);

		if (n <= 0)
			return 0;
		done += (size_t)n;
	}
	return 1;
}

/* The other end of each load, by the letter that it begins with. */
static void serve(int fd)
{
	char kind = 0;

	if (recv(fd, &kind, 1, MSG_WAITALL) != 1)
		return;
	if (kind == 's') {
		while (take(fd, BLOCK))
			;
	} else if (kind == 'r') {
		while (give(fd, BLOCK))
			;
	} else {
		while (take(fd, 1) && give(fd, 1))
			;
	}
}

static void serve_all(const char *host)
{
	struct sockaddr_in address = address_of(host);
	int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, 8))
		err(1, "%s", host);
	puts("ferry-bench: serving");
	fflush(stdout);
	for (;;) {
		int client = accept(fd, NULL, NULL);

		if (client < 0)
			err(1, "accept");
		setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		serve(client);
		close(client);
	}
}

/* The network may take a while to be there. */
static int reach(const char *host)
{
	struct sockaddr_in address = address_of(host);
	double begin = now();
	int one = 1;

	for (;;) {
		int fd = socket(AF_INET, SOCK_STREAM, 0);

		if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0) {
			setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
			return fd;
		}
		if (now() - begin > 60)
			err(1, "%s", host);
		close(fd);
		usleep(100000);
	}
}

struct load {
	const char *name;
	char kind;
};

static const struct load loads[] = {
	{ "send-64k", 's' },
	{ "receive-64k", 'r' },
	{ "pingpong", 'p' },
};

/* Blocks, or round trips, a second. */
static double run(const char *host, const struct load *load, double seconds)
{
	int fd = reach(host), ok = 1;
	uint64_t done = 0;
	double begin, end;

	ok = send(fd, &load->kind, 1, MSG_NOSIGNAL) == 1;
	begin = end = now();
	while (ok && end - begin < seconds) {
		if (load->kind == 's')
			ok = give(fd, BLOCK);
		else if (load->kind == 'r')
			ok = take(fd, BLOCK);
		else
			ok = give(fd, 1) && take(fd, 1);
		done++;
		end = now();
	}
	close(fd);
	if (!ok)
		errx(1, "%s: the connection is gone", load->name);
	return (double)done / (end - begin);
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "serve") == 0)
		serve_all(argv[2]);
	if (argc != 3)
		errx(1, "usage: netload serve ADDRESS | netload ADDRESS SECONDS");
	for (size_t i = 0; i < sizeof(loads) / sizeof(loads[0]); i++) {
		/* Once in vain, for everything that only the first time takes. */
		run(argv[1], &loads[i], 0.1);
		printf("ferry-bench: %s %.3f\n", loads[i].name, run(argv[1], &loads[i], atof(argv[2])));
	}
	puts("ferry-bench: done");
}
