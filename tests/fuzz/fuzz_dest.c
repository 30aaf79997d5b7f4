/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A whole conversation with a destination, over the connections that the source says it opens. What
 * is fuzzed is everything behind each connection's header and hello, and those of a connection
 * alone.
 */
#include "fuzz/fuzz.h"
#include "fuzz/guest.h"
#include "migrate/bytes.h"
#include "fuzz/reseal.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "io/channel.h"
#include "migrate/dest.h"
#include "migrate/hello.h"
#include "migrate/stores.h"

#define EXTRAS 3 /* two for data, one urgent */

struct part {
	uint8_t *data;
	size_t size;
	size_t fd_at; /* behind a record that a descriptor follows; 0: none */
};

struct run {
	uint8_t flags;
	struct part control, extras[EXTRAS];
	unsigned data_count;
	bool urgent;
	struct channel_listener *listener;
	struct mem mem, other; /* other: whose descriptor is sent */
	struct fake_regs regs;
	struct migrate_store store;
	struct migrate_guest guest;
	bool arrived;
};

/* The guest. */

static int arrive(void *self)
{
	struct run *run = self;

	if (run->arrived)
		abort();
	run->arrived = true;
	/* The source of this guest does not come again. */
	channel_listener_stop(run->listener);
	return 0;
}

static int retake(void *self)
{
	(void)self;
	return 0;
}

static void check_blocks(uint64_t offset, uint64_t len)
{
	if (offset % MIGRATE_STORE_BLOCK || !len || !range_inside(offset, len, FUZZ_STORE_SIZE) ||
	    (len % MIGRATE_STORE_BLOCK && offset + len != FUZZ_STORE_SIZE))
		abort();
}

static int store_write(void *self, uint64_t offset, const void *buf, size_t len)
{
	static uint8_t disk[FUZZ_STORE_SIZE];

	(void)self;
	check_blocks(offset, len);
	memcpy(disk + offset, buf, len);
	return 0;
}

static int store_zero(void *self, uint64_t offset, uint64_t len)
{
	(void)self;
	check_blocks(offset, len);
	return 0;
}

static int store_sync(void *self)
{
	(void)self;
	return 0;
}

static void make_guest(struct run *run)
{
	fuzz_map(&run->mem);
	fuzz_map(&run->other);
	fuzz_regs(&run->regs);
	run->store = (struct migrate_store){
		.id = "disk0",
		.size = FUZZ_STORE_SIZE,
		.write = store_write,
		.zero = store_zero,
		.sync = store_sync,
	};
	run->guest = (struct migrate_guest){
		.mem = &run->mem,
		.regs = &run->regs.file,
		.self = run,
		.arrive = arrive,
		.retake = retake,
		.stores = &run->store,
		.store_count = 1,
	};
}

/* The input: flags; for each connection besides the first its length (two bytes) and its bytes; the
 * rest. */

static bool take(struct part *part, const uint8_t **data, size_t *size, size_t len)
{
	if (len > *size)
		return false;
	part->data = malloc(len + 1);
	memcpy(part->data, *data, len);
	part->size = len;
	*data += len;
	*size -= len;
	return true;
}

static bool cut(struct run *run, const uint8_t *data, size_t size)
{
	if (!size || size > FUZZ_SIZE_MAX)
		return false;
	run->flags = *data++;
	size--;
	for (unsigned i = 0; i < EXTRAS; i++) {
		size_t len;

		if (size < 2)
			return false;
		len = (size_t)data[0] | (size_t)data[1] << 8;
		data += 2;
		size -= 2;
		if (!take(&run->extras[i], &data, &size, len))
			return false;
	}
	return take(&run->control, &data, &size, size);
}

/* A source opens as many connections as it says, which are as many as we have. */
static void fit_connections(struct run *run, uint8_t *at)
{
	run->data_count = (unsigned)(get_u64(at + 8) % EXTRAS);
	run->urgent = get_u64(at + 16) & HELLO_POSTCOPY;
	put_u64(at + 8, run->data_count);
}

static void seal(struct run *run, struct part *part)
{
	bool is_raw = run->flags & FUZZ_RAW_RECORDS, has_fitted = part != &run->control;

	for (size_t at = 0; part->size - at >= RECORD_HEADER_SIZE;) {
		uint8_t *record = part->data + at;
		uint32_t type = get_u32(record);

		if (type == RECORD_CONNECTIONS && !has_fitted)
			fit_connections(run, record);
		if (!is_raw || (type == RECORD_CONNECTIONS && !has_fitted))
			at += reseal_record(record, part->size - at);
		else
			at += min_u64(RECORD_HEADER_SIZE + get_u32(record + 4), part->size - at);
		has_fitted = has_fitted || type == RECORD_CONNECTIONS;
		if (type == RECORD_MEMORY_FD && !part->fd_at)
			part->fd_at = at;
	}
}

/* Sockets. */

static int dial(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		abort();
	return fd;
}

/* All that the socket takes without anybody reading: as much as an input has. */
static void say(int fd, const void *data, size_t size)
{
	if (size)
		send(fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void say_fd(int fd, int sent)
{
	uint8_t mark = 0xfd;
	struct iovec iov = { &mark, 1 };
	char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct msghdr message = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &sent, sizeof(sent));
	sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void greet(int fd, enum stream_kind kind, uint64_t flags, const struct migrate_guest *guest)
{
	static const uint8_t session[SESSION_SIZE];
	struct bytes bytes = { 0 };
	const struct stream stream = bytes_stream(&bytes);

	if (stream_send_header(&stream, kind) ||
	    stream_send(&stream, RECORD_HELLO, 0, flags, session, sizeof(session)))
		abort();
	/* What comes before the machine is made: with less than that it would wait for another
	 * source. */
	if (kind == STREAM_CONTROL && (stream_send(&stream, RECORD_MACHINE, 0, 0, "{}", 2) ||
				       (flags & HELLO_DISKS && stores_send(&stream, guest))))
		abort();
	say(fd, bytes.buffer.data, bytes.buffer.size);
	bytes_finish(&bytes);
}

static void talk(const struct run *run, int fd, const struct part *part)
{
	if (part->fd_at) {
		say(fd, part->data, part->fd_at);
		say_fd(fd, run->other.memfd);
	}
	say(fd, part->data + part->fd_at, part->size - part->fd_at);
	shutdown(fd, SHUT_WR);
}

/* One connection, all of whose bytes are the input's. */
static void meet_alone(struct run *run)
{
	struct migrate_dest *dest;
	char uri[32];
	int fds[2], err;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		abort();
	snprintf(uri, sizeof(uri), "fd:%d", fds[0]);
	if (channel_listen(uri, &(struct channel_options){ 0 }, &run->listener))
		abort();
	if (run->control.size >= STREAM_HEADER_SIZE)
		reseal_header(run->control.data);
	talk(run, fds[1], &run->control);
	if (migrate_dest_open(run->listener, &dest) == 0) {
		migrate_dest_run(dest, &run->guest, &err);
		migrate_dest_destroy(dest);
	}
	close(fds[1]);
}

static void meet(struct run *run)
{
	struct migrate_dest *dest;
	char uri[64];
	int fds[1 + EXTRAS], err;
	unsigned count = 0;

	snprintf(uri, sizeof(uri), "unix:/dev/shm/ferry-fuzz-%d", getpid());
	if (channel_listen(uri, &(struct channel_options){ 0 }, &run->listener))
		abort();
	fds[count] = dial(uri + 5);
	greet(fds[count], STREAM_CONTROL, run->flags >> 4 & HELLO_ALL & ~(unsigned)HELLO_RECOVER,
	      &run->guest);
	talk(run, fds[count++], &run->control);
	for (unsigned i = 0; i < run->data_count; i++) {
		fds[count] = dial(uri + 5);
		greet(fds[count], STREAM_DATA, 0, NULL);
		talk(run, fds[count++], &run->extras[i]);
	}
	if (run->urgent) {
		fds[count] = dial(uri + 5);
		greet(fds[count], STREAM_URGENT, 0, NULL);
		talk(run, fds[count++], &run->extras[EXTRAS - 1]);
	}
	if (migrate_dest_open(run->listener, &dest) == 0) {
		migrate_dest_run(dest, &run->guest, &err);
		migrate_dest_destroy(dest);
	}
	while (count)
		close(fds[--count]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct run run = { 0 };

	if (cut(&run, data, size)) {
		seal(&run, &run.control);
		for (unsigned i = 0; i < EXTRAS; i++)
			seal(&run, &run.extras[i]);
		make_guest(&run);
		if (run.flags & FUZZ_RAW_HEADER)
			meet_alone(&run);
		else
			meet(&run);
		channel_listener_destroy(run.listener);
		fake_regs_finish(&run.regs);
		mem_finish(&run.mem);
		mem_finish(&run.other);
	}
	for (unsigned i = 0; i < EXTRAS; i++)
		free(run.extras[i].data);
	free(run.control.data);
	return 0;
}
