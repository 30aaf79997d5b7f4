/* SPDX-License-Identifier: Apache-2.0 */
/* A guest that writes to its disk all the time moves to a host with another disk. */
#include "machine/machine_for_test.h"

#include "control/guest.h"
#include "disk_driver.h"
#include "migrate/dest.h"
#include "migrate/source.h"

struct side {
	struct machine *machine;
	struct control_guest guest;
	struct migrate_guest ops; /* the guest's, with the driver in mind */
	pthread_t loop;
	char image[64];
	int fd;
};

static struct side source, dest;
static struct disk_driver driver;

static void *run_loop(void *arg)
{
	vm_wait(machine_vm(((struct side *)arg)->machine));
	return NULL;
}

/* The vCPUs stand still, and so does what the driver does in their place. */
static int glance(void *self, int (*fn)(void *arg), void *arg)
{
	struct side *side = self;
	int err;

	pthread_mutex_lock(&driver.lock);
	err = side->guest.ops.glance(&side->guest, fn, arg);
	pthread_mutex_unlock(&driver.lock);
	return err;
}

static int hold(void *self)
{
	struct side *side = self;
	int err;

	pthread_mutex_lock(&driver.lock);
	err = side->guest.ops.hold(&side->guest);
	if (err)
		pthread_mutex_unlock(&driver.lock);
	return err;
}

static int go_on(void *self)
{
	struct side *side = self;
	int err = side->guest.ops.go_on(&side->guest);

	pthread_mutex_unlock(&driver.lock);
	return err;
}

static int arrive(void *self)
{
	struct side *side = self;
	int err = side->guest.ops.arrive(&side->guest);

	if (!err)
		driver_follow(&driver, machine_vm(side->machine));
	return err;
}

static void surrender(void *self)
{
	struct side *side = self;

	side->guest.ops.surrender(&side->guest);
}

static int retake(void *self)
{
	struct side *side = self;

	return side->guest.ops.retake(&side->guest);
}

static void throttle(void *self, unsigned percent)
{
	struct side *side = self;

	side->guest.ops.throttle(&side->guest, percent);
}

static void make_image(struct side *side, uint64_t size)
{
	snprintf(side->image, sizeof(side->image), "/dev/shm/ferry-disks-XXXXXX");
	side->fd = mkstemp(side->image);
	ck_assert_int_ge(side->fd, 0);
	ck_assert_int_eq(ftruncate(side->fd, (off_t)size), 0);
}

static void make_side(struct side *side, const char *image, bool blank)
{
	const struct machine_disk disk = { .path = image };
	const struct machine_options options = {
		.vm = { .name = "disks", .vcpus = 1 },
		.memory = 32 * MIB,
		.kernel = GUEST_DIR "/migrate/oracle",
		.cmdline = "mem=4M fill=50% rate=500 scan=500",
		.disks = &disk,
		.disk_count = 1,
		.rng_source = "",
		.blank = blank,
	};
	int err = machine_create(&options, &side->machine);

	ck_assert_msg(err == 0, "%s", error_text(err));
	ck_assert_int_eq(control_guest_init(&side->guest, side->machine, blank), 0);
	side->ops = side->guest.ops;
	side->ops.self = side;
	side->ops.glance = glance;
	side->ops.hold = hold;
	side->ops.go_on = go_on;
	side->ops.arrive = arrive;
	side->ops.surrender = surrender;
	side->ops.retake = retake;
	side->ops.throttle = throttle;
	if (!blank)
		ck_assert_int_eq(vm_start(machine_vm(side->machine)), 0);
	ck_assert_int_eq(pthread_create(&side->loop, NULL, run_loop, side), 0);
}

static void end_side(struct side *side)
{
	vm_end(machine_vm(side->machine), VM_END_STOPPED, NULL);
	pthread_join(side->loop, NULL);
	control_guest_finish(&side->guest);
	machine_destroy(side->machine);
}

static void remove_image(struct side *side)
{
	close(side->fd);
	unlink(side->image);
}

static void start_source(void)
{
	make_image(&source, DISK_SIZE);
	driver_prepare(&driver, source.fd);
	make_side(&source, source.image, false);
	driver_start(&driver, machine_vm(source.machine));
	driver_wait(&driver, 100);
}

/* One migration: the source on this thread, the destination on another. */
struct move {
	struct migrate_source_options options;
	struct channel_listener *listener;
	enum migrate_outcome outcome;
	enum migrate_arrival arrival;
	int err, dest_err;
	char text[ERROR_TEXT_MAX], refusals[512];
	uint64_t disk_size; /* as the source said */
	struct migrate_progress progress;
};

static void *receive_guest(void *arg)
{
	struct move *move = arg;
	struct migrate_dest *receiver;
	const char *id;

	move->arrival = MIGRATE_NOT_ARRIVED;
	move->dest_err = migrate_dest_open(move->listener, &receiver);
	if (move->dest_err)
		return NULL;
	if (migrate_dest_disks(receiver))
		move->disk_size = migrate_dest_disk(receiver, 0, &id);
	move->arrival = migrate_dest_run(receiver, &dest.ops, &move->dest_err);
	migrate_dest_destroy(receiver);
	return NULL;
}

static void do_move(struct move *move, const char *uri)
{
	const struct channel_options channel = { .timeout_ms = 10000 };
	struct migrate_source *sender;
	pthread_t thread;
	int err = channel_listen(uri, &channel, &move->listener);

	ck_assert_msg(err == 0, "%s", error_text(err));
	ck_assert_int_eq(pthread_create(&thread, NULL, receive_guest, move), 0);
	move->options.uri = channel_listener_uri(move->listener);
	move->options.machine = "{}";
	if (!move->options.connections)
		move->options.connections = 1;
	if (!move->options.downtime_ms)
		move->options.downtime_ms = 100;
	err = migrate_source_create(&source.ops, &move->options, &sender);
	ck_assert_msg(err == 0, "%s", error_text(err));
	move->outcome = migrate_source_run(sender, &move->err);
	snprintf(move->text, sizeof(move->text), "%s", error_text(move->err));
	snprintf(move->refusals, sizeof(move->refusals), "%s", migrate_source_refusals(sender));
	migrate_source_progress(sender, &move->progress);
	migrate_source_destroy(sender);
	channel_listener_stop(move->listener);
	pthread_join(thread, NULL);
	channel_listener_destroy(move->listener);
}

/* The guest writes in its new place too, and everything is there. */
static void check_arrived(const struct move *move)
{
	ck_assert_msg(move->outcome == MIGRATE_MOVED, "%s %s", move->text, move->refusals);
	ck_assert_int_eq(move->arrival, MIGRATE_ARRIVED);
	ck_assert_uint_eq(move->disk_size, DISK_SIZE);
	ck_assert_uint_ge(move->progress.copied, DISK_SIZE);
	ck_assert_uint_eq(move->progress.total, DISK_SIZE + mem_total(source.ops.mem));
	pthread_mutex_unlock(&driver.lock); /* the source's hold */
	driver_wait(&driver, 200);
	driver_stop(&driver);
	ck_assert_uint_eq(driver_compare(&driver, dest.fd), 0);
}

static void move_with_disks(const char *uri, struct migrate_source_options options)
{
	struct move move = { .options = options };
	char *garbage = malloc(DISK_SIZE);

	start_source();
	make_image(&dest, DISK_SIZE);
	/* What was on the other disk is of no interest. */
	memset(garbage, 0xee, DISK_SIZE);
	ck_assert_int_eq(pwrite(dest.fd, garbage, DISK_SIZE, 0), DISK_SIZE);
	free(garbage);
	make_side(&dest, dest.image, true);
	move.options.copy_disks = true;
	do_move(&move, uri);
	check_arrived(&move);
	end_side(&source);
	end_side(&dest);
	remove_image(&source);
	remove_image(&dest);
}

/* Slow enough that the guest writes to many a block that has been copied. */
#define SLOWLY (32 * MIB)

START_TEST(test_disk_moves_with_precopy)
{
	move_with_disks("tcp:127.0.0.1:0",
			(struct migrate_source_options){ .connections = 2, .bandwidth = SLOWLY });
}
END_TEST

START_TEST(test_disk_moves_with_postcopy)
{
	move_with_disks("tcp:127.0.0.1:0", (struct migrate_source_options){ .connections = 2,
									    .bandwidth = SLOWLY,
									    .postcopy = true });
}
END_TEST

static const char *unix_uri(void)
{
	static char uri[64];

	snprintf(uri, sizeof(uri), "unix:/tmp/ferry-disks-%d", getpid());
	return uri;
}

START_TEST(test_disk_moves_while_memory_is_handed_over)
{
	move_with_disks(unix_uri(), (struct migrate_source_options){ .bandwidth = SLOWLY });
}
END_TEST

/* A destination that is not fit for it; then the guest goes on, and moves at the second attempt. */
static void refuse_then_move(const char *image, uint64_t size, const char *refusal)
{
	struct move move = { .options.copy_disks = true };
	struct move again = { .options.copy_disks = true };

	start_source();
	make_image(&dest, size);
	make_side(&dest, image ? image : dest.image, true);
	do_move(&move, unix_uri());
	ck_assert_int_eq(move.outcome, MIGRATE_WENT_ON);
	ck_assert_int_eq(move.arrival, MIGRATE_NOT_ARRIVED);
	ck_assert_msg(strstr(move.refusals, refusal), "%s", move.refusals);
	end_side(&dest);
	ck_assert_int_eq(ftruncate(dest.fd, DISK_SIZE), 0);
	make_side(&dest, dest.image, true);
	do_move(&again, unix_uri());
	check_arrived(&again);
	end_side(&source);
	end_side(&dest);
	remove_image(&source);
	remove_image(&dest);
}

START_TEST(test_disk_of_another_size_is_refused)
{
	refuse_then_move(NULL, DISK_SIZE / 2, "disk disk0 has 16777216 bytes there, 8388608 here");
}
END_TEST

START_TEST(test_disk_that_is_the_sources_own_is_refused)
{
	refuse_then_move(source.image, DISK_SIZE, "another process uses it");
}
END_TEST

/* The connection breaks at the write of this side's that is counted. */
struct breaker {
	pthread_mutex_t lock;
	unsigned writes, at;
};

static int break_it(void *self, enum channel_op op, const void *data, size_t len,
		    struct channel_fault_action *action)
{
	struct breaker *breaker = self;

	(void)data;
	(void)len;
	pthread_mutex_lock(&breaker->lock);
	if (op == CHANNEL_WRITE && ++breaker->writes == breaker->at)
		action->kind = CHANNEL_FAULT_CLOSE;
	pthread_mutex_unlock(&breaker->lock);
	return 0;
}

START_TEST(test_broken_connection_leaves_the_guest_with_its_disk)
{
	struct breaker breaker = { .lock = PTHREAD_MUTEX_INITIALIZER };
	const struct channel_fault fault = { .before = break_it, .self = &breaker };
	struct move again = { .options.copy_disks = true };

	start_source();
	make_image(&dest, DISK_SIZE);
	/* Among the first blocks, among the last, and later. */
	for (breaker.at = 12; breaker.at < 30; breaker.at += 8) {
		struct move move = { .options = { .copy_disks = true,
						  .channel.fault = &fault,
						  .bandwidth = SLOWLY } };

		breaker.writes = 0;
		make_side(&dest, dest.image, true);
		do_move(&move, unix_uri());
		ck_assert_int_eq(move.outcome, MIGRATE_WENT_ON);
		end_side(&dest);
		driver_wait(&driver, 50);
	}
	make_side(&dest, dest.image, true);
	do_move(&again, unix_uri());
	check_arrived(&again);
	end_side(&source);
	end_side(&dest);
	remove_image(&source);
	remove_image(&dest);
}
END_TEST

START_TEST(test_without_the_option_disks_stay_where_they_are)
{
	struct move move = { .options.copy_memory = true };

	start_source();
	make_side(&dest, source.image, true);
	dest.fd = source.fd;
	do_move(&move, unix_uri());
	ck_assert_msg(move.outcome == MIGRATE_MOVED, "%s %s", move.text, move.refusals);
	ck_assert_uint_eq(move.disk_size, 0);
	ck_assert_uint_eq(move.progress.total, mem_total(source.ops.mem));
	pthread_mutex_unlock(&driver.lock);
	driver_stop(&driver);
	ck_assert_uint_eq(driver_compare(&driver, source.fd), 0);
	end_side(&source);
	end_side(&dest);
	remove_image(&source);
}
END_TEST

CHECK_MAIN_KVM("disks", test_disk_moves_with_precopy, test_disk_moves_with_postcopy,
	       test_disk_moves_while_memory_is_handed_over, test_disk_of_another_size_is_refused,
	       test_disk_that_is_the_sources_own_is_refused,
	       test_broken_connection_leaves_the_guest_with_its_disk,
	       test_without_the_option_disks_stay_where_they_are)
