/* SPDX-License-Identifier: Apache-2.0 */
/* Machines at rest: carried elsewhere from the middle of everything, gone on, refused. */
#include "machine_for_test.h"

#include "carried.h"
#include "dev/pci/function.h"
#include "machine/machine.h"

/* Fewer where a CPU is emulated. */
static unsigned moves(void)
{
	const char *text = getenv("FERRY_TEST_MOVES");

	return text ? (unsigned)atoi(text) : 50;
}

static struct carried c;

static void start(const char *what, uint32_t vcpus)
{
	carried_start(&c, (struct machine_options){ .kernel = GUEST_DIR "/basic/carried",
						    .cmdline = what,
						    .vm.vcpus = vcpus });
}

static void move_often(const char *what, uint32_t vcpus)
{
	start(what, vcpus);
	carried_move_often(&c, moves());
	carried_finish(&c);
}

/* String instructions and the PIT are x86's. */
#ifdef __aarch64__
#define BUSY  "mmio"
#define BEATS "timer"
#else
#define BUSY  "string"
#define BEATS "pit"

START_TEST(test_guest_in_string_instructions_is_carried_at_any_moment)
{
	move_often("string", 1);
}
END_TEST

START_TEST(test_guest_that_lives_by_the_pit_is_carried_at_any_moment)
{
	move_often("pit", 1);
}
END_TEST
#endif

START_TEST(test_guest_in_mmio_instructions_is_carried_at_any_moment)
{
	move_often("mmio", 1);
}
END_TEST

START_TEST(test_guest_that_sleeps_for_a_timer_is_carried_at_any_moment)
{
	move_often("timer", 1);
}
END_TEST

START_TEST(test_guest_that_starts_its_cpus_is_carried_at_any_moment)
{
	move_often("cpus", 4);
}
END_TEST

/* Text on the guest's console, from the beginning. */
static bool has_said(const char *text)
{
	bool said;

	pthread_mutex_lock(&c.lock);
	said = strstr(c.console, text) != NULL;
	pthread_mutex_unlock(&c.lock);
	return said;
}

/* Two seconds nowhere, and one more before it runs. */
static void move_slowly(enum machine_clock clock)
{
	carried_start(&c, (struct machine_options){ .kernel = GUEST_DIR "/basic/carried",
						    .cmdline = "clock",
						    .vm.vcpus = 2,
						    .clock = clock });
	carried_wait(&c, 10);
	c.transit = 2000000;
	c.delay = 1000000;
	carried_move(&c);
	carried_wait(&c, 10);
}

#ifdef __aarch64__
#define RATE "clock.moment"

static uint64_t khz_of(const void *value)
{
	struct arm64_moment moment;

	memcpy(&moment, value, sizeof(moment));
	return moment.hz / 1000;
}
#else
#define RATE "cpu.tsc_khz"

static uint64_t khz_of(const void *value)
{
	uint32_t khz;

	memcpy(&khz, value, sizeof(khz));
	return khz;
}
#endif

/* Of the counter that the guest reads. */
static uint64_t counter_khz(void)
{
	struct reg_key key = { 0 };
	struct image image;
	uint64_t khz;

	vm_pause(machine_vm(c.machine));
	image_save(vm_regs(machine_vm(c.machine)), &image);
	khz = khz_of(image_find(vm_regs(machine_vm(c.machine)), &image, RATE, &key));
	image_finish(&image);
	vm_resume(machine_vm(c.machine));
	return khz;
}

START_TEST(test_clocks_have_gone_on_by_the_time_in_transit)
{
	unsigned long long ns = 0, tsc = 0;

	move_slowly(MACHINE_CLOCK_ADVANCE);
	ck_assert(has_said("gap "));
	ck_assert_int_eq(sscanf(strstr(c.console, "gap "), "gap %llu %llu", &ns, &tsc), 2);
	ck_assert_uint_ge(ns, 3000);
	ck_assert_uint_lt(ns, 20000);
	/* ms and 10^6 cycles: one second and its cycles agree; the guest reads them one after the other */
	ck_assert_int_lt(llabs((long long)(tsc * 1000000 / counter_khz()) - (long long)ns), 100);
	carried_finish(&c);
}
END_TEST

START_TEST(test_frozen_clocks_have_not)
{
	move_slowly(MACHINE_CLOCK_FREEZE);
	ck_assert_msg(!has_said("gap "), "%s", strstr(c.console, "gap "));
	carried_finish(&c);
}
END_TEST

START_TEST(test_guest_that_starts_its_cpus_goes_on_after_a_snapshot)
{
	struct image image;

	start("cpus", 4);
	for (unsigned i = 0; i < moves(); i++) {
		carried_wait(&c, 1);
		ck_assert_int_eq(machine_hold(c.machine), 0);
		image_save(vm_regs(machine_vm(c.machine)), &image);
		image_finish(&image);
		ck_assert_int_eq(machine_release(c.machine, MACHINE_GO_ON), 0);
	}
	carried_wait(&c, 10);
	carried_finish(&c);
}
END_TEST

START_TEST(test_machine_is_held_once_and_released_once)
{
	start("timer", 1);
	ck_assert_int_eq(machine_release(c.machine, MACHINE_GO_ON), -EINVAL);
	ck_assert_int_eq(machine_release(c.machine, MACHINE_ARRIVED), -EINVAL);
	ck_assert(!machine_is_held(c.machine));
	ck_assert_int_eq(machine_hold(c.machine), 0);
	ck_assert(machine_is_held(c.machine));
	ck_assert_int_eq(machine_hold(c.machine), -EBUSY);
	ck_assert_int_eq(machine_release(c.machine, MACHINE_ARRIVED), -EINVAL);
	ck_assert_int_eq(machine_release(c.machine, MACHINE_GO_ON), 0);
	carried_wait(&c, 10);
	vm_end(machine_vm(c.machine), VM_END_STOPPED, NULL);
	ck_assert_int_eq(machine_hold(c.machine), -ECANCELED);
	carried_finish(&c);
}
END_TEST

static void check_at_rest(void)
{
	struct reg_file *regs = vm_regs(machine_vm(c.machine));
	struct image first, second;

	ck_assert_int_eq(machine_hold(c.machine), 0);
	image_save(regs, &first);
	usleep(5000);
	image_save(regs, &second);
	image_compare(regs, &first, &second);
	image_finish(&first);
	image_finish(&second);
	ck_assert_int_eq(machine_release(c.machine, MACHINE_GO_ON), 0);
}

START_TEST(test_what_a_held_machine_consists_of_does_not_change)
{
	start(BEATS, 1);
	for (unsigned i = 0; i < moves() && i < 20; i++) {
		carried_wait(&c, 1);
		check_at_rest();
	}
	carried_finish(&c);
}
END_TEST

START_TEST(test_suspended_guest_arrives_suspended)
{
	size_t said;

	start(BUSY, 1);
	carried_wait(&c, 10);
	vm_set_suspended(machine_vm(c.machine), true);
	vm_set_suspended(machine_vm(c.machine), true);
	carried_move(&c);
	pthread_mutex_lock(&c.lock);
	said = c.said;
	pthread_mutex_unlock(&c.lock);
	usleep(100000);
	ck_assert_uint_eq(c.said, said);
	ck_assert(vm_is_paused(machine_vm(c.machine)));
	vm_set_suspended(machine_vm(c.machine), false);
	carried_wait(&c, 10);
	carried_finish(&c);
}
END_TEST

static void never_quiet(void *self)
{
	(void)self;
}

START_TEST(test_device_that_does_not_come_to_rest_is_named_and_all_goes_on)
{
	struct pci_device *device;
	int r;

	start("timer", 1);
	device = c.machine->pci->bridge;
	device->options.quiesce = never_quiet;
	c.machine->hold.limit_ns = 2000000000;
	r = machine_hold(c.machine);
	ck_assert_int_eq(r, -ETIMEDOUT);
	ck_assert_ptr_nonnull(strstr(error_text(r), device->name));
	ck_assert(!machine_is_held(c.machine));
	carried_wait(&c, 10);
	pci_device_quiesced(device); /* too late */
	device->options.quiesce = NULL;
	c.machine->hold.limit_ns = 20000000000;
	ck_assert_int_eq(machine_hold(c.machine), 0);
	ck_assert_int_eq(machine_release(c.machine, MACHINE_GO_ON), 0);
	carried_wait(&c, 10);
	carried_finish(&c);
}
END_TEST

static char disk_path[] = "/tmp/ferry-hold-XXXXXX";

static void start_with_disk(void)
{
	static const struct machine_disk disk = { .path = disk_path };
	int fd;

	strcpy(disk_path + strlen(disk_path) - 6, "XXXXXX");
	fd = mkstemp(disk_path);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, MIB), 0);
	close(fd);
	carried_start(&c, (struct machine_options){ .kernel = GUEST_DIR "/basic/carried",
						    .cmdline = "timer",
						    .disks = &disk,
						    .disk_count = 1 });
	carried_wait(&c, 1);
}

/* Carries the guest as far as it goes without the disks' locks. */
static struct machine *prepare_target(void)
{
	struct machine *target = carried_make(&c, true);
	struct image image;

	ck_assert_int_eq(machine_hold(c.machine), 0);
	image_save(vm_regs(machine_vm(c.machine)), &image);
	carried_copy_memory(target, c.machine);
	image_restore(vm_regs(machine_vm(target)), &image);
	image_finish(&image);
	return target;
}

START_TEST(test_target_does_not_run_while_the_source_has_the_disks)
{
	struct machine *target;
	int r;

	start_with_disk();
	target = prepare_target();
	r = machine_release(target, MACHINE_ARRIVED);
	ck_assert_int_eq(r, -EBUSY);
	ck_assert_ptr_nonnull(strstr(error_text(r), disk_path));
	ck_assert(machine_is_held(target));
	ck_assert(!machine_vm(target)->has_run);
	machine_surrender_disks(c.machine);
	ck_assert_int_eq(machine_take_disks(c.machine), 0); /* it has not run: back to where it was */
	ck_assert_int_eq(machine_release(c.machine, MACHINE_GO_ON), 0);
	machine_destroy(target);
	carried_wait(&c, 10);
	carried_finish(&c);
	unlink(disk_path);
}
END_TEST

START_TEST(test_source_does_not_run_once_the_target_has_the_disks)
{
	struct machine *source, *target;
	pthread_t loop;

	start_with_disk();
	source = c.machine;
	loop = c.loop;
	target = prepare_target();
	machine_surrender_disks(source);
	ck_assert_int_eq(machine_release(target, MACHINE_ARRIVED), 0);
	ck_assert_int_eq(machine_take_disks(source), -EBUSY);
	ck_assert_int_eq(machine_release(source, MACHINE_GO_ON), -EBUSY);
	ck_assert(machine_is_held(source));
	c.machine = target;
	carried_begin_loop(&c);
	carried_end(&c, source, loop);
	carried_wait(&c, 10);
	carried_finish(&c);
	unlink(disk_path);
}
END_TEST

struct typing {
	size_t taken;
	atomic_uint rooms;
	atomic_bool done;
};

static void type(void *arg)
{
	struct typing *typing = arg;

	typing->taken = machine_input(c.machine, MACHINE_CONSOLE_SERIAL, "x", 1);
	typing->done = true;
}

static struct typing typing;

static void count_rooms(void *self, enum machine_console console)
{
	(void)self;
	if (console == MACHINE_CONSOLE_SERIAL)
		typing.rooms++;
}

START_TEST(test_what_is_typed_into_a_held_machine_waits)
{
	typing = (struct typing){ .taken = 9 };
	carried_start(&c, (struct machine_options){ .kernel = GUEST_DIR "/basic/carried",
						    .cmdline = "timer",
						    .input_ready = count_rooms });
	ck_assert_int_eq(machine_hold(c.machine), 0);
	ck_assert_int_eq(loop_call(vm_loop(machine_vm(c.machine)), type, &typing), 0);
	while (!typing.done)
		usleep(1000);
	ck_assert_uint_eq(typing.taken, 0);
	ck_assert_uint_eq(typing.rooms, 0);
	ck_assert_int_eq(machine_release(c.machine, MACHINE_GO_ON), 0);
	while (!typing.rooms)
		usleep(1000);
	carried_finish(&c);
}
END_TEST

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static uint64_t cpu_time_ns(const struct vcpu *vcpu)
{
	struct timespec used;
	clockid_t clock;

	ck_assert_int_eq(pthread_getcpuclockid(vcpu->thread, &clock), 0);
	ck_assert_int_eq(clock_gettime(clock, &used), 0);
	return (uint64_t)used.tv_sec * 1000000000 + (uint64_t)used.tv_nsec;
}

/* A tenth, if the loop is in time. */
static bool sleeps(const struct vcpu *vcpu)
{
	uint64_t from = now_ns(), used = cpu_time_ns(vcpu);

	usleep(500000);
	used = cpu_time_ns(vcpu) - used;
	return used < (now_ns() - from) / 4 * 3;
}

START_TEST(test_throttled_guest_sleeps_and_is_paused_at_once)
{
	const struct vcpu *vcpu;
	unsigned tries = 0;

	start(BUSY, 1);
	vcpu = &machine_vm(c.machine)->vcpus[0];
	carried_wait(&c, 10);
	machine_throttle(c.machine, 90);
	carried_wait(&c, 1);
	/* On a busy host the loop may be late for a while. */
	while (!sleeps(vcpu))
		ck_assert_uint_lt(tries++, 20);
	for (int i = 0; i < 20; i++) {
		carried_wait(&c, 1);
		ck_assert_int_eq(machine_hold(c.machine), 0);
		ck_assert_int_eq(machine_release(c.machine, MACHINE_GO_ON), 0);
	}
	machine_throttle(c.machine, 0);
	carried_wait(&c, 10);
	machine_throttle(c.machine, 99);
	carried_wait(&c, 1);
	carried_finish(&c);
}
END_TEST

CHECK_MAIN_KVM("hold",
#ifndef __aarch64__
	       test_guest_in_string_instructions_is_carried_at_any_moment,
	       test_guest_that_lives_by_the_pit_is_carried_at_any_moment,
#endif
	       test_guest_in_mmio_instructions_is_carried_at_any_moment,
	       test_guest_that_sleeps_for_a_timer_is_carried_at_any_moment,
	       test_guest_that_starts_its_cpus_is_carried_at_any_moment,
	       test_guest_that_starts_its_cpus_goes_on_after_a_snapshot,
	       test_clocks_have_gone_on_by_the_time_in_transit, test_frozen_clocks_have_not,
	       test_machine_is_held_once_and_released_once,
	       test_what_a_held_machine_consists_of_does_not_change,
	       test_suspended_guest_arrives_suspended,
	       test_device_that_does_not_come_to_rest_is_named_and_all_goes_on,
	       test_target_does_not_run_while_the_source_has_the_disks,
	       test_source_does_not_run_once_the_target_has_the_disks,
	       test_what_is_typed_into_a_held_machine_waits,
	       test_throttled_guest_sleeps_and_is_paused_at_once)
