/* SPDX-License-Identifier: Apache-2.0 */
/* Xen's paravirtual devices, driven by tiny front ends, on every engine that this host has. */
#include "machine/carried.h"
#include "machine/machine_for_test.h"

#include "kvm/kvm.h"
#include "vm/vm.h"

static char disk_path[] = "/tmp/ferry-xen-XXXXXX";
static struct carried c;

static bool has_kernel_engine(void)
{
	int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	int flags = kvm_check_extension(fd, KVM_CAP_XEN_HVM);

	close(fd);
	return flags > 0 && flags & KVM_XEN_HVM_CONFIG_EVTCHN_SEND;
}

/* Whether the guest is offered persistent grants, which it asks for by its command line. */
static const struct machine_disk *make_disk(bool persistent)
{
	static struct machine_disk disk = { .bus = MACHINE_BUS_XEN, .path = disk_path, .queues = 2 };
	int fd;

	strcpy(disk_path + strlen(disk_path) - 6, "XXXXXX");
	fd = mkstemp(disk_path);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, MIB), 0);
	close(fd);
	disk.persistent = persistent;
	return &disk;
}

static void run_blk(const char *cmdline, bool persistent, enum machine_xen_engine engine)
{
	struct test_machine t;

	test_machine_create_with(&t, (struct machine_options){ .kernel = GUEST_DIR "/xen/blk",
							      .cmdline = cmdline,
							      .disks = make_disk(persistent),
							      .disk_count = 1,
							      .vm.vcpus = 1,
							      .xen_version = MACHINE_XEN_VERSION,
							      .xen_engine = engine });
	test_machine_run(&t, NULL, true);
	vm_stop(t.vm);
	machine_flush(t.machine);
	ck_assert_msg(vm_ended(t.vm) == VM_END_POWEROFF && strcmp(t.console, "ok\n") == 0,
		      "%s, %s engine: %s (%d %s)", cmdline, machine_xen_engine_name(t.machine),
		      t.console, vm_ended(t.vm), vm_end_text(t.vm));
	test_machine_finish(&t);
	unlink(disk_path);
}

static void blk(const char *cmdline, bool persistent)
{
	run_blk(cmdline, persistent, MACHINE_XEN_PORTABLE);
	if (has_kernel_engine())
		run_blk(cmdline, persistent, MACHINE_XEN_KERNEL);
}

START_TEST(test_a_disk_is_read_and_written_by_grants)
{
	blk("", false);
}
END_TEST

START_TEST(test_grants_are_kept_for_who_uses_them_again)
{
	blk("persistent=1 kept=1", true);
}
END_TEST

/* Linux says that it would like to, whatever is offered, and then looks. */
START_TEST(test_grants_are_given_back_where_keeping_them_is_not_offered)
{
	blk("persistent=1", false);
}
END_TEST

START_TEST(test_disks_of_virtios_have_no_grants_to_keep)
{
	struct machine_disk disk = *make_disk(true);
	struct machine_options options = { .kernel = GUEST_DIR "/xen/blk",
					   .disks = &disk,
					   .disk_count = 1,
					   .memory = 16 * MIB,
					   .vm = { .name = "test", .vcpus = 1 } };
	struct machine *machine;

	disk.bus = MACHINE_BUS_VIRTIO;
	ck_assert_int_eq(machine_create(&options, &machine), -EINVAL);
	ck_assert_msg(strstr(error_text(0), "persistent"), "%s", error_text(0));
	unlink(disk_path);
}
END_TEST

START_TEST(test_a_32_bit_front_end_has_its_own_layout)
{
	blk("narrow=1 persistent=1 kept=1", true);
}
END_TEST

START_TEST(test_a_ring_may_have_several_pages_and_a_disk_several_queues)
{
	blk("order=2", false);
	blk("queues=2 persistent=1 kept=1", true);
}
END_TEST

static void carry(enum machine_xen_engine engine, const char *cmdline)
{
	carried_start(&c, (struct machine_options){ .kernel = GUEST_DIR "/xen/blk",
						    .cmdline = cmdline,
						    .disks = make_disk(strstr(cmdline, "persistent=1")),
						    .disk_count = 1,
						    .memory = 16 * MIB,
						    .xen_version = MACHINE_XEN_VERSION,
						    .xen_engine = engine });
	carried_move_often(&c, 3);
	ck_assert_msg(!strstr(c.console, "not ok"), "%s", c.console);
	for (int i = 0; i < 2; i++) { /* and on, where it is */
		ck_assert_int_eq(machine_hold(c.machine), 0);
		ck_assert_int_eq(machine_release(c.machine, MACHINE_GO_ON), 0);
		carried_wait(&c, 1);
	}
	ck_assert_msg(!strstr(c.console, "not ok"), "%s", c.console);
	carried_finish(&c);
	unlink(disk_path);
}

START_TEST(test_requests_under_way_are_neither_lost_nor_doubled_by_a_move)
{
	carry(MACHINE_XEN_PORTABLE, "spin=1 persistent=1");
	if (has_kernel_engine())
		carry(MACHINE_XEN_KERNEL, "spin=1");
}
END_TEST

static void run_net(const char *cmdline, enum machine_xen_engine engine)
{
	static const struct machine_net net = { .bus = MACHINE_BUS_XEN,
						.kind = MACHINE_NET_USER,
						.mac = { 0x52, 0x54, 0, 0, 0, 9 } };
	struct test_machine t;

	test_machine_create_with(&t, (struct machine_options){ .kernel = GUEST_DIR "/xen/net",
							      .cmdline = cmdline,
							      .nets = &net,
							      .net_count = 1,
							      .vm.vcpus = 1,
							      .xen_version = MACHINE_XEN_VERSION,
							      .xen_engine = engine });
	test_machine_run(&t, NULL, true);
	vm_stop(t.vm);
	machine_flush(t.machine);
	ck_assert_msg(vm_ended(t.vm) == VM_END_POWEROFF && strcmp(t.console, "ok\n") == 0,
		      "%s, %s engine: %s (%d %s)", cmdline, machine_xen_engine_name(t.machine),
		      t.console, vm_ended(t.vm), vm_end_text(t.vm));
	test_machine_finish(&t);
}

START_TEST(test_a_network_sends_and_receives_by_grants)
{
	if (access("/usr/bin/passt", X_OK) < 0)
		return;
	run_net("", MACHINE_XEN_PORTABLE);
	run_net("split=1", MACHINE_XEN_PORTABLE);
	if (has_kernel_engine())
		run_net("split=1", MACHINE_XEN_KERNEL);
}
END_TEST

CHECK_MAIN_KVM("xen devices", test_a_network_sends_and_receives_by_grants, test_a_disk_is_read_and_written_by_grants,
	       test_grants_are_kept_for_who_uses_them_again,
	       test_grants_are_given_back_where_keeping_them_is_not_offered,
	       test_disks_of_virtios_have_no_grants_to_keep,
	       test_a_32_bit_front_end_has_its_own_layout,
	       test_a_ring_may_have_several_pages_and_a_disk_several_queues,
	       test_requests_under_way_are_neither_lost_nor_doubled_by_a_move)
