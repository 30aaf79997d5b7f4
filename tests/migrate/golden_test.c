/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What older versions have written is still understood: a snapshot, and what a source said to a
 * destination, kept in migrate/golden/VERSION. For a new version of the stream
 * "FERRY_GOLDEN=DIRECTORY migrate-golden_test" writes them there instead.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <zstd.h>

#include "fuzz/reseal.h"
#include "migrate/bytes.h"
#include "migrate/move.h"
#include "migrate/save.h"

#define LEVEL	 19
#define FILE_MAX (8 * MIB)

static struct world world;
static struct fake_guest source, dest;

/* A guest that is the same each time: pages of one word, pages that do not compress, and zeros. */
static void make_guest(struct fake_guest *guest)
{
	memset(&world, 0, sizeof(world));
	fake_guest_init(guest, &world);
	fake_regs_fill(&guest->regs, 3);
	for (uint64_t page = 0; page < 32; page += 2)
		fake_guest_write(guest, page, ++world.number);
	for (uint64_t page = WORLD_PAGES - 4; page < WORLD_PAGES; page++)
		fake_guest_write(guest, page, ++world.number);
	fake_guest_set_number(guest);
}

static void check_guest(struct fake_guest *guest)
{
	struct fake_guest expected;

	make_guest(&expected);
	fake_guest_check(guest, world.pages);
	ck_assert(fake_regs_are_same(&expected.regs, &guest->regs));
	fake_guest_finish(&expected);
}

/* Files. */

static void read_file(const char *path, struct buffer *ret_bytes)
{
	static uint8_t packed[FILE_MAX], bytes[FILE_MAX];
	FILE *file = fopen(path, "r");
	size_t size;

	ck_assert_msg(file, "%s: %s", path, strerror(errno));
	size = fread(packed, 1, sizeof(packed), file);
	fclose(file);
	size = ZSTD_decompress(bytes, sizeof(bytes), packed, size);
	ck_assert_msg(!ZSTD_isError(size), "%s: %s", path, ZSTD_getErrorName(size));
	*ret_bytes = (struct buffer){ 0 };
	ck_assert_int_eq(buffer_add(ret_bytes, bytes, size), 0);
}

static void write_file(const char *path, const void *bytes, size_t size)
{
	FILE *file = fopen(path, "w");

	ck_assert_msg(file && fwrite(bytes, 1, size, file) == size && fclose(file) == 0, "%s: %s",
		      path, strerror(errno));
}

static void pack_file(const char *path, const void *bytes, size_t size)
{
	static uint8_t packed[FILE_MAX];

	write_file(path, packed, ZSTD_compress(packed, sizeof(packed), bytes, size, LEVEL));
}

/* The other architecture's streams differ in one number. */
static void make_ours(uint8_t *header)
{
	struct bytes bytes = { 0 };
	const struct stream stream = bytes_stream(&bytes);

	ck_assert_int_eq(stream_send_header(&stream, STREAM_CONTROL), 0);
	memcpy(header + 10, bytes.buffer.data + 10, 2);
	reseal_header(header);
	bytes_finish(&bytes);
}

static void unpack(const char *name, const char *to)
{
	struct buffer bytes;
	char path[512];

	snprintf(path, sizeof(path), "%s/%s.zst", GOLDEN_DIR, name);
	read_file(path, &bytes);
	if (strcmp(name, "memory") != 0)
		make_ours(bytes.data);
	write_file(to, bytes.data, bytes.size);
	buffer_finish(&bytes);
}

/* A destination that is told what a source once said. */

struct replay {
	int fd;
	struct buffer said;
};

static void *drain(void *arg)
{
	const struct replay *replay = arg;
	uint8_t answer[4096];

	while (read(replay->fd, answer, sizeof(answer)) > 0)
		;
	return NULL;
}

static void *say(void *arg)
{
	const struct replay *replay = arg;

	for (size_t at = 0; at < replay->said.size;) {
		ssize_t n = write(replay->fd, replay->said.data + at, replay->said.size - at);

		if (n <= 0)
			break;
		at += (size_t)n;
	}
	return NULL;
}

static void receive(int fd)
{
	const struct channel_options options = { .timeout_ms = 10000 };
	enum migrate_arrival arrival;
	struct channel_listener *listener;
	struct migrate_dest *arriving;
	char uri[32];
	int err;

	snprintf(uri, sizeof(uri), "fd:%d", fd);
	ck_assert_int_eq(channel_listen(uri, &options, &listener), 0);
	err = migrate_dest_open(listener, &arriving);
	ck_assert_msg(err == 0, "%s", error_text(err));
	arrival = migrate_dest_run(arriving, &dest.guest, &err);
	ck_assert_msg(arrival == MIGRATE_ARRIVED, "%s", error_text(err));
	migrate_dest_destroy(arriving);
	channel_listener_destroy(listener);
}

/* It runs when it has arrived, and is looked at before. */
static void check_arrived(void)
{
	check_guest(&dest);
}

START_TEST(test_what_a_source_of_version_1_said_is_understood)
{
	struct replay replay = { 0 };
	pthread_t sayer, drainer;
	int fds[2];

	make_guest(&source); /* for the world's sake */
	fake_guest_finish(&source);
	fake_guest_init(&dest, &world);
	dest.in_arrive = check_arrived;
	read_file(GOLDEN_DIR "/moved.zst", &replay.said);
	make_ours(replay.said.data);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	replay.fd = fds[1];
	ck_assert_int_eq(pthread_create(&sayer, NULL, say, &replay), 0);
	ck_assert_int_eq(pthread_create(&drainer, NULL, drain, &replay), 0);
	receive(fds[0]);
	pthread_join(sayer, NULL);
	shutdown(fds[1], SHUT_RDWR);
	pthread_join(drainer, NULL);
	close(fds[1]);
	ck_assert_uint_eq(dest.arrivals, 1);
	fake_guest_finish(&dest);
	buffer_finish(&replay.said);
}
END_TEST

START_TEST(test_a_snapshot_of_version_1_is_restored)
{
	char dir[] = "/tmp/ferry-golden-XXXXXX", state[64], memory[64];
	struct verdict verdict = { 0 };
	struct snapshot snapshot;
	int err;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(state, sizeof(state), "%s/state", dir);
	snprintf(memory, sizeof(memory), "%s/memory", dir);
	unpack("state", state);
	unpack("memory", memory);
	fake_guest_init(&dest, &world);
	err = snapshot_open(dir, &snapshot);
	if (!err)
		err = snapshot_load(&snapshot, &dest.guest, &verdict);
	ck_assert_msg(err == 0, "%s", error_text(err));
	snapshot_finish(&snapshot);
	verdict_finish(&verdict);
	unlink(state);
	unlink(memory);
	ck_assert_int_eq(rmdir(dir), 0);
	check_guest(&dest);
	fake_guest_finish(&dest);
}
END_TEST

/* Writing them. */

/* What stands between a source and a destination, and keeps what one says. */
struct relay {
	int from, to;
	struct buffer *kept;
};

static void *pass_on(void *arg)
{
	const struct relay *relay = arg;
	uint8_t bytes[4096];
	ssize_t n;

	while ((n = read(relay->from, bytes, sizeof(bytes))) > 0) {
		if (relay->kept)
			ck_assert_int_eq(buffer_add(relay->kept, bytes, (size_t)n), 0);
		ck_assert_int_eq(write(relay->to, bytes, (size_t)n), n);
	}
	shutdown(relay->to, SHUT_WR);
	return NULL;
}

static void *send_guest(void *arg)
{
	const int *fd = arg;
	struct migrate_source_options options = {
		.machine = "{}",
		.connections = 1,
		.downtime_ms = 300,
		.compress = 1,
		.copy_memory = true,
		.channel.timeout_ms = 10000,
	};
	struct migrate_source *migration;
	char uri[32];
	int err;

	snprintf(uri, sizeof(uri), "fd:%d", *fd);
	options.uri = uri;
	ck_assert_int_eq(migrate_source_create(&source.guest, &options, &migration), 0);
	ck_assert_int_eq(migrate_source_run(migration, &err), MIGRATE_MOVED);
	migrate_source_destroy(migration);
	return NULL;
}

static void write_moved(const char *dir)
{
	struct buffer said = { 0 };
	pthread_t threads[3];
	struct relay there, back;
	int near[2], far[2];
	char path[512];

	make_guest(&source);
	fake_guest_init(&dest, &world);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, near), 0);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, far), 0);
	there = (struct relay){ near[1], far[1], &said };
	back = (struct relay){ far[1], near[1], NULL };
	ck_assert_int_eq(pthread_create(&threads[0], NULL, pass_on, &there), 0);
	ck_assert_int_eq(pthread_create(&threads[1], NULL, pass_on, &back), 0);
	ck_assert_int_eq(pthread_create(&threads[2], NULL, send_guest, &near[0]), 0);
	receive(far[0]);
	for (unsigned i = 0; i < ARRAY_SIZE(threads); i++)
		pthread_join(threads[ARRAY_SIZE(threads) - 1 - i], NULL);
	close(near[1]);
	close(far[1]);
	fake_guest_finish(&source);
	fake_guest_finish(&dest);
	snprintf(path, sizeof(path), "%s/moved.zst", dir);
	pack_file(path, said.data, said.size);
	buffer_finish(&said);
}

static void pack(const char *dir, const char *name)
{
	static uint8_t bytes[FILE_MAX];
	char from[512], to[512];
	FILE *file;
	size_t size;

	snprintf(from, sizeof(from), "%s/snapshot/%s", dir, name);
	snprintf(to, sizeof(to), "%s/%s.zst", dir, name);
	file = fopen(from, "r");
	ck_assert_ptr_nonnull(file);
	size = fread(bytes, 1, sizeof(bytes), file);
	fclose(file);
	pack_file(to, bytes, size);
	unlink(from);
}

static void write_snapshot(const char *dir)
{
	char path[512];

	make_guest(&source);
	snprintf(path, sizeof(path), "%s/snapshot", dir);
	ck_assert_int_eq(save_guest(&source.guest, path, "{}"), 0);
	fake_guest_finish(&source);
	pack(dir, "state");
	pack(dir, "memory");
	rmdir(path);
}

static void remove_written(const char *dir)
{
	static const char *const names[] = { "moved", "state", "memory" };
	char path[512];

	for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(path, sizeof(path), "%s/%s.zst", dir, names[i]);
		ck_assert_int_eq(unlink(path), 0);
	}
	ck_assert_int_eq(rmdir(dir), 0);
}

START_TEST(test_those_of_this_version_can_be_written)
{
	char scratch[] = "/tmp/ferry-golden-XXXXXX";
	const char *asked = getenv("FERRY_GOLDEN"), *dir = asked ? asked : mkdtemp(scratch);

	ck_assert_ptr_nonnull(dir);
	write_moved(dir);
	write_snapshot(dir);
	if (!asked)
		remove_written(dir);
}
END_TEST

CHECK_MAIN("golden", test_those_of_this_version_can_be_written,
	   test_what_a_source_of_version_1_said_is_understood,
	   test_a_snapshot_of_version_1_is_restored)
