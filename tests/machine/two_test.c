/* SPDX-License-Identifier: Apache-2.0 */
/* Two VMs in one process at the same time: each has its own threads, disk and console, and its own end. */
#include "machine_for_test.h"

#include "carried.h"

#include <fcntl.h>
#include <stdio.h>

#define DISK_SIZE MIB
#define HOLDS	  5

struct side {
	struct carried carried;
	char disk[64], cmdline[64];
	struct machine_disk options;
};

static void make_disk(struct side *side, const char *name)
{
	int fd;

	snprintf(side->disk, sizeof(side->disk), "/tmp/ferry-two-%s-XXXXXX", name);
	fd = mkstemp(side->disk);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, DISK_SIZE), 0);
	close(fd);
}

static void start(struct side *side, const char *name, unsigned round)
{
	make_disk(side, name);
	side->options = (struct machine_disk){ .path = side->disk, .queues = 1 };
	snprintf(side->cmdline, sizeof(side->cmdline), "round=%u", round);
	carried_start(&side->carried, (struct machine_options){
					      .kernel = GUEST_DIR "/blk/crash",
					      .cmdline = side->cmdline,
					      .memory = 16 * MIB,
					      .disks = &side->options,
					      .disk_count = 1,
				      });
}

static void finish(struct side *side)
{
	carried_finish(&side->carried);
	unlink(side->disk);
}

/* What the guest says when its disk has not what it wrote. */
static void expect_nothing_wrong(struct side *side)
{
	pthread_mutex_lock(&side->carried.lock);
	ck_assert_ptr_null(strstr(side->carried.console, "failed"));
	ck_assert_ptr_null(strstr(side->carried.console, "LOST"));
	pthread_mutex_unlock(&side->carried.lock);
}

START_TEST(test_one_goes_on_while_the_other_is_held_carried_and_destroyed)
{
	static struct side one, other;

	start(&one, "one", 1);
	start(&other, "other", 2);
	for (unsigned i = 0; i < HOLDS; i++) {
		carried_wait(&one.carried, 1);
		ck_assert_int_eq(machine_hold(one.carried.machine), 0);
		carried_wait(&other.carried, 40);
		ck_assert_int_eq(machine_release(one.carried.machine, MACHINE_GO_ON), 0);
	}
	carried_move_often(&other.carried, 3);
	expect_nothing_wrong(&other);
	finish(&other);
	carried_wait(&one.carried, 100);
	expect_nothing_wrong(&one);
	finish(&one);
}
END_TEST

START_TEST(test_one_is_made_again_and_again_beside_another)
{
	static struct side one, other;

	start(&one, "one", 1);
	for (unsigned i = 0; i < 3; i++) {
		start(&other, "other", 2 + i);
		carried_wait(&other.carried, 40);
		carried_wait(&one.carried, 40);
		expect_nothing_wrong(&other);
		finish(&other);
	}
	expect_nothing_wrong(&one);
	finish(&one);
}
END_TEST

CHECK_MAIN_KVM("two", test_one_goes_on_while_the_other_is_held_carried_and_destroyed,
	       test_one_is_made_again_and_again_beside_another)
