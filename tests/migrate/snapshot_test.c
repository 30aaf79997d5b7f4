/* SPDX-License-Identifier: Apache-2.0 */
/* A guest in a directory: what comes back, what takes its place and when, and what is refused. */
#include "migrate/snapshot.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check_main.h"
#include "mem/dirty.h"
#include "migrate/fake_guest.h"
#include "migrate/save.h"

#define MACHINE "{\"kernel\": \"/boot/vmlinuz\"}"

static struct world world;
static struct fake_guest source, dest;
static struct snapshot snapshot;
static struct verdict verdict;
static char root[64], dir[96];

static void make_root(void)
{
	strcpy(root, "/tmp/ferry-snapshot-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(root));
	snprintf(dir, sizeof(dir), "%s/snap", root);
}

static void setup(void)
{
	make_root();
	fake_guest_init_lived(&source, &world);
}

static void in_root(char *path, size_t size, const char *name)
{
	snprintf(path, size, "%s/%s", root, name);
}

/* The entries of root and of the snapshot go, and nothing else may be there. */
static void teardown(void)
{
	char path[256];

	fake_guest_finish(&source);
	snprintf(path, sizeof(path), "%s/state", dir);
	unlink(path);
	snprintf(path, sizeof(path), "%s/memory", dir);
	unlink(path);
	rmdir(dir);
	ck_assert_int_eq(rmdir(root), 0);
}

static int save_to(const char *to)
{
	error_clear();
	return save_guest(&source.guest, to, MACHINE);
}

static void save(void)
{
	int err = save_to(dir);

	ck_assert_msg(err == 0, "%s", error_text(err));
}

static int load(void)
{
	int err = snapshot_open(dir, &snapshot);

	if (!err)
		err = snapshot_load(&snapshot, &dest.guest, &verdict);
	snapshot_finish(&snapshot);
	return err;
}

/* A new guest from the directory is the one that was there when it was held. */
static void check_restored(const uint64_t *pages)
{
	int err;

	fake_guest_init(&dest, &world);
	err = load();
	ck_assert_msg(err == 0, "%s", error_text(err));
	fake_guest_check(&dest, pages);
	ck_assert(fake_regs_are_same(&source.regs, &dest.regs));
	fake_guest_finish(&dest);
}

static unsigned entries(const char *path)
{
	DIR *opened = opendir(path);
	unsigned count = 0;

	while (readdir(opened))
		count++;
	closedir(opened);
	return count - 2;
}

START_TEST(test_what_comes_back_is_what_was_held)
{
	setup();
	fake_guest_start(&source);
	save();
	ck_assert_uint_eq(source.holds, 1);
	ck_assert_uint_eq(source.go_ons, 1);
	fake_guest_stop(&source);
	check_restored(world.held);
	ck_assert_uint_eq(entries(root), 1);
	ck_assert_uint_eq(entries(dir), 2);
	teardown();
}
END_TEST

START_TEST(test_the_machine_comes_back_as_text)
{
	setup();
	save();
	ck_assert_int_eq(snapshot_open(dir, &snapshot), 0);
	ck_assert_str_eq((char *)snapshot.machine.data, MACHINE);
	snapshot_finish(&snapshot);
	teardown();
}
END_TEST

START_TEST(test_a_guest_that_came_from_a_snapshot_can_be_saved_again)
{
	struct fake_guest first;

	setup();
	save();
	fake_guest_init(&dest, &world);
	ck_assert_int_eq(load(), 0);
	/* It lives on a little, and is the source now. */
	for (unsigned i = 0; i < 50; i++)
		fake_guest_step(&dest);
	first = source;
	source = dest;
	source.guest.mem = &source.mem;
	source.guest.self = &source;
	source.guest.regs = &source.regs.file;
	for (unsigned i = 0; i < 2; i++)
		source.regs.file.slots[i].self = &source.regs;
	save();
	check_restored(world.held);
	fake_guest_finish(&source);
	source = first;
	for (unsigned i = 0; i < 2; i++)
		source.regs.file.slots[i].self = &source.regs;
	teardown();
}
END_TEST

START_TEST(test_what_is_zero_takes_no_room)
{
	struct stat st;
	char path[256];
	uint64_t used = 0;

	setup();
	for (uint64_t i = 0; i < WORLD_PAGES; i++) {
		fake_guest_write(&source, i, i % 32 ? 0 : 5);
		used += i % 32 == 0;
	}
	save();
	snprintf(path, sizeof(path), "%s/memory", dir);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_size, WORLD_PAGES * GUEST_PAGE_SIZE);
	ck_assert_uint_le((uint64_t)st.st_blocks * 512, used * GUEST_PAGE_SIZE * 2);
	check_restored(world.held);
	teardown();
}
END_TEST

START_TEST(test_an_open_snapshot_outlives_the_one_that_replaces_it)
{
	static uint64_t first[WORLD_PAGES];
	struct snapshot opened;

	setup();
	save();
	memcpy(first, world.held, sizeof(first));
	ck_assert_int_eq(snapshot_open(dir, &opened), 0);
	for (unsigned i = 0; i < 500; i++)
		fake_guest_step(&source);
	save();
	ck_assert_uint_eq(entries(root), 1);
	check_restored(world.held);
	fake_guest_init(&dest, &world);
	ck_assert_int_eq(snapshot_load(&opened, &dest.guest, &verdict), 0);
	fake_guest_check(&dest, first);
	snapshot_finish(&opened);
	fake_guest_finish(&dest);
	teardown();
}
END_TEST

/* Loads again and again: state and memory are of one snapshot, or there is an error. */
static atomic_bool readers_stop;
static _Atomic unsigned reads;

static void *reader_main(void *arg)
{
	struct snapshot read;
	(void)arg;

	while (!readers_stop) {
		uint64_t word = 0, number;
		size_t at = 0;
		struct state_entry entry;

		if (snapshot_open(dir, &read) == 0) {
			for (unsigned i = 0; i <= FAKE_NUMBER; i++)
				ck_assert_int_eq(state_next(&read.state, &at, &entry), 1);
			number = get_u64(entry.value);
			ck_assert_int_eq(pread(read.memory_fd, &word, 8, 0), 8);
			ck_assert_uint_eq(word, number);
			reads++;
		}
		snapshot_finish(&read);
	}
	return NULL;
}

START_TEST(test_state_and_memory_are_always_of_one_snapshot)
{
	pthread_t reader;

	setup();
	fake_guest_write(&source, 0, world.number = 4001);
	save();
	pthread_create(&reader, NULL, reader_main, NULL);
	for (unsigned i = 0; i < 15 || reads < 5; i++) {
		fake_guest_write(&source, 0, world.number += 4);
		save();
	}
	readers_stop = true;
	pthread_join(reader, NULL);
	teardown();
}
END_TEST

START_TEST(test_only_a_snapshot_or_nothing_is_replaced)
{
	char path[256];
	int fd;

	setup();
	in_root(path, sizeof(path), "file");
	fd = open(path, O_CREAT | O_WRONLY, 0600);
	close(fd);
	ck_assert_int_eq(save_to(path), -EEXIST);
	ck_assert_int_eq(save_to(root), -EEXIST);
	ck_assert_uint_eq(entries(root), 1);
	ck_assert_uint_eq(source.holds, 0);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(mkdir(dir, 0700), 0);
	save();
	check_restored(world.held);
	in_root(path, sizeof(path), "no/such");
	ck_assert_int_eq(save_to(path), -ENOENT);
	teardown();
}
END_TEST

/* A process that is killed closes what it has, and does nothing else. */
static void kill_writer(struct snapshot_dir *writer)
{
	close(writer->fd);
	close(writer->memory_fd);
	close(writer->state_fd);
	free(writer->temporary);
	free(writer->name);
}

START_TEST(test_what_a_killed_writer_left_goes_with_the_next_snapshot)
{
	struct snapshot_dir living, killed;
	char kept[256], path[256];

	setup();
	save();
	in_root(kept, sizeof(kept), "snap.backup");
	ck_assert_int_eq(rename(dir, kept), 0);
	ck_assert_int_eq(snapshot_dir_make(&living, dir), 0);
	ck_assert_int_eq(snapshot_dir_make(&killed, dir), 0);
	kill_writer(&killed);
	ck_assert_uint_eq(entries(root), 3);
	save();
	/* What somebody writes still stays, and what others have called nearly so. */
	ck_assert_uint_eq(entries(root), 3);
	ck_assert_int_eq(snapshot_dir_commit(&living), 0);
	snapshot_dir_finish(&living);
	ck_assert_uint_eq(entries(root), 2);
	ck_assert_uint_eq(entries(kept), 2);
	in_root(path, sizeof(path), "snap.backup/state");
	ck_assert_int_eq(unlink(path), 0);
	in_root(path, sizeof(path), "snap.backup/memory");
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(rmdir(kept), 0);
	teardown();
}
END_TEST

START_TEST(test_what_is_kept_beside_a_snapshot_is_not_taken_away)
{
	char path[256];
	int fd;

	setup();
	save();
	in_root(path, sizeof(path), "snap/disk.img");
	fd = open(path, O_CREAT | O_WRONLY, 0600);
	close(fd);
	ck_assert_int_eq(save_to(dir), -EEXIST);
	ck_assert_ptr_ne(strstr(error_text(-EEXIST), "disk.img"), NULL);
	ck_assert_uint_eq(entries(root), 1);
	ck_assert_int_eq(unlink(path), 0);
	save();
	teardown();
}
END_TEST

START_TEST(test_a_pipe_in_the_place_of_a_file_is_refused)
{
	char path[256];

	setup();
	save();
	in_root(path, sizeof(path), "snap/state");
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	ck_assert_int_eq(snapshot_open(dir, &snapshot), -EINVAL);
	teardown();
}
END_TEST

START_TEST(test_a_slash_at_the_end_means_the_same)
{
	char path[256];

	setup();
	snprintf(path, sizeof(path), "%s//", dir);
	for (unsigned i = 0; i < 2; i++) {
		int err = save_to(path);

		ck_assert_msg(err == 0, "%s", error_text(err));
		ck_assert_uint_eq(entries(root), 1);
		check_restored(world.held);
	}
	teardown();
}
END_TEST

/* By reading: a hole of a file that is mapped takes room where there is none. */
static void check_old_is_untouched(const uint64_t *pages)
{
	uint64_t words[GUEST_PAGE_SIZE / 8], expected[GUEST_PAGE_SIZE / 8];

	ck_assert_uint_eq(entries(root), 1);
	ck_assert_uint_eq(source.holds, source.go_ons);
	ck_assert_int_eq(snapshot_open(dir, &snapshot), 0);
	for (uint64_t i = 0; i < WORLD_PAGES; i++) {
		ck_assert_int_eq(pread(snapshot.memory_fd, words, sizeof(words),
				       (off_t)(i * GUEST_PAGE_SIZE)),
				 sizeof(words));
		for (unsigned at = 0; at < ARRAY_SIZE(words); at++)
			expected[at] = world_word(pages[i], at);
		ck_assert_mem_eq(words, expected, sizeof(words));
	}
	snapshot_finish(&snapshot);
}

START_TEST(test_a_file_that_may_not_grow_leaves_the_old_one)
{
	const struct rlimit small = { .rlim_cur = WORLD_LOW, .rlim_max = RLIM_INFINITY };
	const struct rlimit none = { .rlim_cur = RLIM_INFINITY, .rlim_max = RLIM_INFINITY };
	static uint64_t first[WORLD_PAGES];

	setup();
	signal(SIGXFSZ, SIG_IGN);
	save();
	memcpy(first, world.held, sizeof(first));
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
	ck_assert_int_eq(save_to(dir), -EFBIG);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &none), 0);
	check_old_is_untouched(first);
	teardown();
}
END_TEST

/* A file system of our own that is as small as we like; false where that is not allowed. */
static bool mount_small(const char *options)
{
	if (unshare(CLONE_NEWNS) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
		return false;
	return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	       mount("none", root, "tmpfs", 0, options) == 0;
}

/* The old one fits. With each page more of room the new one fails later: in memory, in the state.
 */
START_TEST(test_a_full_disk_leaves_the_old_one)
{
	static uint64_t first[WORLD_PAGES];
	unsigned full = 0;
	char options[64];
	int err = -ENOSPC;

	make_root();
	if (!mount_small("size=4m")) {
		fprintf(stderr, "a file system of its own is not allowed here: not tested\n");
		rmdir(root);
		return;
	}
	fake_guest_init_lived(&source, &world);
	for (uint64_t i = 0; i < WORLD_PAGES; i++)
		fake_guest_write(&source, i, i % 16 ? 0 : 1000 + i);
	save();
	memcpy(first, world.held, sizeof(first));
	for (unsigned kib = 300; err; kib += 4) {
		snprintf(options, sizeof(options), "size=%uk", kib);
		if (mount("none", root, "tmpfs", MS_REMOUNT, options) < 0)
			continue; /* less than is there already */
		error_clear();
		err = save_to(dir);
		ck_assert(err == 0 || err == -ENOSPC);
		full += err != 0;
		if (err)
			check_old_is_untouched(first);
	}
	ck_assert_uint_ge(full, 20);
	check_old_is_untouched(world.held);
	fake_guest_finish(&source);
	umount(root);
	rmdir(root);
}
END_TEST

START_TEST(test_a_guest_that_cannot_be_held_goes_on_without_a_snapshot)
{
	setup();
	fake_guest_start(&source);
	source.hold_err = -EIO;
	ck_assert_int_eq(save_to(dir), -EIO);
	ck_assert(source.is_running);
	ck_assert_uint_eq(entries(root), 0);
	ck_assert_int_eq(save_to(dir), 0);
	teardown();
}
END_TEST

START_TEST(test_a_snapshot_beside_a_migration_is_refused_and_harms_it_not)
{
	static uint64_t bitmap[WORLD_PAGES / 64 + 1];
	const struct mem_region *region;

	setup();
	ck_assert_int_eq(mem_dirty_start(&source.mem), 0);
	ck_assert_int_eq(save_to(dir), -EBUSY);
	region = mem_map_at(mem_map(&source.mem), 0);
	fake_guest_write(&source, 3, 1);
	ck_assert_int_eq(mem_dirty_collect(&source.mem, region, bitmap), 0);
	ck_assert_uint_eq(bitmap[0], 8);
	mem_dirty_stop(&source.mem);
	ck_assert_uint_eq(entries(root), 0);
	teardown();
}
END_TEST

static struct snapshot_writer *cancelled_writer;

static void *cancel_main(void *arg)
{
	struct migrate_progress progress;
	(void)arg;

	do
		snapshot_writer_progress(cancelled_writer, &progress);
	while (!progress.round);
	snapshot_writer_cancel(cancelled_writer);
	return NULL;
}

START_TEST(test_a_cancelled_snapshot_leaves_nothing)
{
	struct snapshot_dir made;
	unsigned cancelled = 0;
	pthread_t thread;
	int err;

	setup();
	fake_guest_start(&source);
	for (unsigned i = 0; i < 50; i++) {
		ck_assert_int_eq(snapshot_dir_make(&made, dir), 0);
		ck_assert_int_eq(save_begin(&made, &source.guest, MACHINE, &cancelled_writer), 0);
		pthread_create(&thread, NULL, cancel_main, NULL);
		err = snapshot_writer_run(cancelled_writer);
		pthread_join(thread, NULL);
		ck_assert(err == 0 || err == -ECANCELED);
		ck_assert(source.is_running);
		cancelled += err != 0;
		if (!err)
			ck_assert_int_eq(snapshot_dir_commit(&made), 0);
		snapshot_dir_finish(&made);
		ck_assert_uint_le(entries(root), cancelled < i + 1);
		snapshot_writer_destroy(cancelled_writer);
	}
	ck_assert_uint_gt(cancelled, 0);
	teardown();
}
END_TEST

static int open_changed(size_t at, uint8_t flip, off_t length)
{
	char path[256];
	uint8_t byte;
	int fd, err;

	snprintf(path, sizeof(path), "%s/state", dir);
	fd = open(path, O_RDWR);
	ck_assert_int_ge(fd, 0);
	if (flip) {
		ck_assert_int_eq(pread(fd, &byte, 1, (off_t)at), 1);
		byte ^= flip;
		ck_assert_int_eq(pwrite(fd, &byte, 1, (off_t)at), 1);
	}
	if (length >= 0)
		ck_assert_int_eq(ftruncate(fd, length), 0);
	err = snapshot_open(dir, &snapshot);
	snapshot_finish(&snapshot);
	if (flip) {
		byte ^= flip;
		ck_assert_int_eq(pwrite(fd, &byte, 1, (off_t)at), 1);
	}
	close(fd);
	return err;
}

START_TEST(test_a_damaged_state_is_refused)
{
	struct stat st;
	char path[256];

	setup();
	save();
	snprintf(path, sizeof(path), "%s/state", dir);
	ck_assert_int_eq(stat(path, &st), 0);
	for (off_t at = 0; at < st.st_size; at += at < 400 || at > st.st_size - 60 ? 1 : 401)
		ck_assert_int_lt(open_changed((size_t)at, (uint8_t)(1 << at % 8), -1), 0);
	ck_assert_int_eq(open_changed(0, 0, -1), 0);
	for (off_t length = st.st_size - 1; length >= 0;
	     length -= length < 400 || length > st.st_size - 60 ? 1 : 397)
		ck_assert_int_lt(open_changed(0, 0, length), 0);
	teardown();
}
END_TEST

START_TEST(test_a_memory_file_that_is_too_short_is_refused)
{
	char path[256];

	setup();
	save();
	snprintf(path, sizeof(path), "%s/memory", dir);
	ck_assert_int_eq(truncate(path, (WORLD_PAGES - 1) * GUEST_PAGE_SIZE), 0);
	fake_guest_init(&dest, &world);
	ck_assert_int_eq(load(), -EINVAL);
	fake_guest_finish(&dest);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(snapshot_open(dir, &snapshot), -ENOENT);
	snapshot_finish(&snapshot);
	teardown();
}
END_TEST

START_TEST(test_a_guest_that_cannot_live_here_is_refused_by_name)
{
	setup();
	save();
	fake_guest_init(&dest, &world);
	dest.regs.regs[2].is_gone = dest.regs.regs[5].is_gone = true;
	ck_assert_int_eq(load(), -EREMOTE);
	ck_assert_uint_eq(verdict.refusals, 2);
	ck_assert_ptr_nonnull(strstr(error_text(-EREMOTE), "fake.r2.2"));
	ck_assert_ptr_nonnull(strstr(error_text(-EREMOTE), "fake.r5.5"));
	verdict_finish(&verdict);
	fake_guest_finish(&dest);
	teardown();
}
END_TEST

START_TEST(test_memory_and_registers_that_do_not_fit_are_told_at_once)
{
	setup();
	save();
	fake_guest_init(&dest, &world);
	dest.regs.regs[2].is_gone = true;
	ck_assert_int_eq(snapshot_open(dir, &snapshot), 0);
	/* The size of the first region: regions.c. */
	snapshot.regions.data[8 + 3] ^= 1;
	ck_assert_int_eq(snapshot_load(&snapshot, &dest.guest, &verdict), -EREMOTE);
	ck_assert_uint_eq(verdict.refusals, 2);
	ck_assert_ptr_nonnull(strstr(error_text(-EREMOTE), "memory: "));
	ck_assert_ptr_nonnull(strstr(error_text(-EREMOTE), "fake.r2.2"));
	snapshot_finish(&snapshot);
	verdict_finish(&verdict);
	fake_guest_finish(&dest);
	teardown();
}
END_TEST

CHECK_MAIN("snapshot", test_what_comes_back_is_what_was_held, test_the_machine_comes_back_as_text,
	   test_a_guest_that_came_from_a_snapshot_can_be_saved_again,
	   test_what_is_zero_takes_no_room, test_an_open_snapshot_outlives_the_one_that_replaces_it,
	   test_state_and_memory_are_always_of_one_snapshot,
	   test_only_a_snapshot_or_nothing_is_replaced,
	   test_what_a_killed_writer_left_goes_with_the_next_snapshot,
	   test_what_is_kept_beside_a_snapshot_is_not_taken_away,
	   test_a_pipe_in_the_place_of_a_file_is_refused, test_a_slash_at_the_end_means_the_same,
	   test_a_file_that_may_not_grow_leaves_the_old_one, test_a_full_disk_leaves_the_old_one,
	   test_a_guest_that_cannot_be_held_goes_on_without_a_snapshot,
	   test_a_snapshot_beside_a_migration_is_refused_and_harms_it_not,
	   test_a_cancelled_snapshot_leaves_nothing, test_a_damaged_state_is_refused,
	   test_a_memory_file_that_is_too_short_is_refused,
	   test_a_guest_that_cannot_live_here_is_refused_by_name,
	   test_memory_and_registers_that_do_not_fit_are_told_at_once)
