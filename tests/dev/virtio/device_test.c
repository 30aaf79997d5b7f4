/* SPDX-License-Identifier: Apache-2.0 */
/* The transport and the life of a virtio device, as a driver and as the register file see them. */
#include <errno.h>

#include "dev/virtio/echo.h"
#include "kvm/ioctl.h"

static struct echo e;

START_TEST(test_capabilities_lead_to_the_structures)
{
	struct fake_driver *d = &e.driver;

	echo_init(&e);
	ck_assert_uint_eq(config_read(d->vm, 1, PCI_VENDOR_ID, 4), (0x1040U + 42) << 16 | 0x1af4);
	ck_assert_uint_eq(config_read(d->vm, 1, PCI_REVISION_ID, 1), 1);
	ck_assert_uint_ne(d->common, 0);
	ck_assert_uint_ne(d->notify, 0);
	ck_assert_uint_ne(d->isr, 0);
	ck_assert_uint_ne(d->device, 0);
	ck_assert_uint_eq(d->multiplier, 4);
	ck_assert_uint_eq(common_read(d, COMMON(num_queues), 2), 2);
	ck_assert_uint_eq(common_read(d, COMMON(queue_size), 2), 2 * RING_SIZE);
	common_write(d, COMMON(queue_select), 2, 2);
	ck_assert_uint_eq(common_read(d, COMMON(queue_size), 2), 0);
	common_write(d, COMMON(queue_select), 1, 2);
	ck_assert_uint_eq(common_read(d, COMMON(queue_notify_off), 2), 1);
	ck_assert_uint_eq(offered(d), V1 | INDIRECT | EVENT_IDX | 1 << ECHO_FEATURE);
	common_write(d, COMMON(device_feature_select), 2, 4);
	ck_assert_uint_eq(common_read(d, COMMON(device_feature), 4), 0);
	echo_finish(&e);
}
END_TEST

START_TEST(test_status_climbs_step_by_step)
{
	struct fake_driver *d = &e.driver;

	echo_init(&e);
	set_status(d, VIRTIO_STATUS_DRIVER);
	ck_assert_uint_eq(status(d), 0);
	set_status(d, VIRTIO_STATUS_DRIVER_OK);
	ck_assert_uint_eq(status(d), 0);
	set_status(d, VIRTIO_STATUS_ACKNOWLEDGE);
	set_status(d, VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER_OK);
	ck_assert_uint_eq(status(d), VIRTIO_STATUS_ACKNOWLEDGE);
	set_status(d, VIRTIO_STATUS_DRIVER); /* bits are not taken away */
	ck_assert_uint_eq(status(d), VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER);
	set_status(d, VIRTIO_STATUS_FAILED | VIRTIO_STATUS_NEEDS_RESET);
	ck_assert_uint_eq(status(d),
			  VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER | VIRTIO_STATUS_FAILED);
	set_status(d, 0);
	ck_assert_uint_eq(status(d), 0);
	echo_finish(&e);
}
END_TEST

START_TEST(test_features_that_are_not_offered_are_refused)
{
	struct fake_driver *d = &e.driver;

	echo_init(&e);
	accept_features(d, V1 | 1 << (ECHO_FEATURE + 1));
	ck_assert_uint_eq(status(d) & VIRTIO_STATUS_FEATURES_OK, 0);
	set_status(d, 0);
	accept_features(d, 1 << ECHO_FEATURE); /* a driver from before virtio 1 */
	ck_assert_uint_eq(status(d) & VIRTIO_STATUS_FEATURES_OK, 0);
	set_status(d, ALL_OK);
	ck_assert_uint_eq(status(d) & VIRTIO_STATUS_DRIVER_OK, 0);
	ck_assert_uint_eq(virtio_device_features(e.device), 0);
	set_status(d, 0);
	accept_features(d, V1 | 1 << ECHO_FEATURE);
	ck_assert_uint_eq(status(d) & VIRTIO_STATUS_FEATURES_OK, VIRTIO_STATUS_FEATURES_OK);
	ck_assert_uint_eq(virtio_device_features(e.device), V1 | 1 << ECHO_FEATURE);
	common_write(d, COMMON(driver_feature), 0, 4); /* too late */
	ck_assert_uint_eq(common_read(d, COMMON(driver_feature), 4), 1);
	echo_finish(&e);
}
END_TEST

START_TEST(test_chain_comes_back_with_its_answer)
{
	struct fake_driver *d = &e.driver;
	char back[4] = "";

	echo_init(&e);
	echo_run(&e, V1 | EVENT_IDX);
	put(d->vm, BUFFER_AT, "abc", 4);
	put_desc(d->vm, DESC_AT(0), 0, (struct virtq_desc){ BUFFER_AT, 4, VIRTQ_DESC_F_NEXT, 1 });
	put_desc(d->vm, DESC_AT(0), 1,
		 (struct virtq_desc){ BUFFER_AT + 64, 64, VIRTQ_DESC_F_WRITE, 0 });
	offer(d, 0, 0);
	notify(d, 0);
	TURN_UNTIL(d->vm, used_index(d, 0) == 1);
	mem_read(vm_mem(d->vm), BUFFER_AT + 64, back, 4);
	ck_assert_str_eq(back, "abc");
	ck_assert_uint_eq(used_element(d, 0, 0).len, 4);
	echo_finish(&e);
}
END_TEST

START_TEST(test_notification_before_the_start_is_not_lost)
{
	struct fake_driver *d = &e.driver;

	echo_init(&e);
	accept_features(d, V1);
	setup_queue(d, 0, RING_SIZE);
	set_status(d, ALL_OK);
	offer(d, 0, 0);
	notify(d, 0);
	TURN_UNTIL(d->vm, used_index(d, 0) == 1);
	echo_finish(&e);
}
END_TEST

START_TEST(test_notification_of_no_queue_is_nothing)
{
	struct fake_driver *d = &e.driver;

	echo_init(&e);
	notify(d, 0); /* not started */
	echo_run(&e, V1);
	e.notifies = 0;
	notify(d, 1); /* not enabled */
	notify(d, 700);
	mmio_write(d->vm, d->notify + 0xffc, 0, 4);
	turn(d->vm);
	ck_assert_uint_eq(e.notifies, 0);
	echo_finish(&e);
}
END_TEST

static void bad_queue(unsigned offset, uint64_t value, unsigned len, const char *why)
{
	struct fake_driver *d = &e.driver;

	echo_init(&e);
	accept_features(d, V1);
	common_write(d, COMMON(queue_size), RING_SIZE, 2);
	common_write(d, COMMON(queue_desc), DESC_AT(0), 8);
	common_write(d, COMMON(queue_driver), AVAIL_AT(0), 8);
	common_write(d, COMMON(queue_device), USED_AT(0), 8);
	common_write(d, offset, value, len);
	common_write(d, COMMON(queue_enable), 1, 2);
	ck_assert_uint_eq(common_read(d, COMMON(queue_enable), 2), 0);
	ck_assert_uint_eq(status(d) & VIRTIO_STATUS_NEEDS_RESET, VIRTIO_STATUS_NEEDS_RESET);
	ck_assert_msg(strstr(e.log, why), "\"%s\" does not say \"%s\"", e.log, why);
	set_status(d, ALL_OK);
	ck_assert_uint_eq(status(d) & VIRTIO_STATUS_DRIVER_OK, 0);
	set_status(d, 0);
	ck_assert_uint_eq(status(d), 0);
	echo_finish(&e);
}

START_TEST(test_bad_queue_needs_a_reset)
{
	bad_queue(COMMON(queue_size), 0, 2, "0 entries");
	bad_queue(COMMON(queue_size), 12, 2, "12 entries");
	bad_queue(COMMON(queue_size), 4 * RING_SIZE, 2, "64 entries");
	bad_queue(COMMON(queue_desc), DESC_AT(0) + 8, 8, "not aligned");
	bad_queue(COMMON(queue_driver), AVAIL_AT(0) + 1, 8, "not aligned");
	bad_queue(COMMON(queue_device), USED_AT(0) + 2, 8, "not aligned");
	bad_queue(COMMON(queue_desc), RAM - 16, 8, "not in memory");
	bad_queue(COMMON(queue_driver), RAM, 8, "not in memory");
	bad_queue(COMMON(queue_device), ~0xfULL, 8, "not in memory");
	bad_queue(COMMON(queue_device) + 4, 0xffffffff, 4, "not in memory");
}
END_TEST

START_TEST(test_complaints_about_a_guest_end)
{
	struct fake_driver *d = &e.driver;

	echo_init(&e);
	for (unsigned i = 0; i < 100; i++) {
		accept_features(d, V1);
		common_write(d, COMMON(queue_size), 3, 2);
		common_write(d, COMMON(queue_enable), 1, 2);
		set_status(d, 0);
	}
	ck_assert_uint_eq(e.logged, 16);
	echo_finish(&e);
}
END_TEST

START_TEST(test_queue_is_fixed_once_it_is_enabled)
{
	struct fake_driver *d = &e.driver;

	echo_init(&e);
	accept_features(d, V1);
	setup_queue(d, 0, RING_SIZE);
	common_write(d, COMMON(queue_size), 2, 2);
	common_write(d, COMMON(queue_desc), 0x300000, 8);
	common_write(d, COMMON(queue_enable), 0, 2);
	ck_assert_uint_eq(common_read(d, COMMON(queue_size), 2), RING_SIZE);
	ck_assert_uint_eq(common_read(d, COMMON(queue_desc), 8), DESC_AT(0));
	ck_assert_uint_eq(common_read(d, COMMON(queue_enable), 2), 1);
	echo_finish(&e);
}
END_TEST

START_TEST(test_vector_that_is_not_there_is_answered_with_none)
{
	struct fake_driver *d = &e.driver;

	echo_init(&e);
	common_write(d, COMMON(config_msix_vector), 2, 2);
	ck_assert_uint_eq(common_read(d, COMMON(config_msix_vector), 2), 2);
	common_write(d, COMMON(config_msix_vector), 3, 2);
	ck_assert_uint_eq(common_read(d, COMMON(config_msix_vector), 2), VIRTIO_MSI_NO_VECTOR);
	common_write(d, COMMON(queue_msix_vector), 0x1000, 2);
	ck_assert_uint_eq(common_read(d, COMMON(queue_msix_vector), 2), VIRTIO_MSI_NO_VECTOR);
	echo_finish(&e);
}
END_TEST

START_TEST(test_status_is_not_zero_until_the_reset_is_done)
{
	struct fake_driver *d = &e.driver;

	echo_init(&e);
	e.slow_reset = true;
	echo_run(&e, V1);
	set_status(d, 0);
	ck_assert_uint_eq(status(d), ALL_OK);
	TURN_UNTIL(d->vm, e.resets == 1);
	ck_assert_uint_eq(status(d), ALL_OK);
	common_write(d, COMMON(queue_select), 1, 2); /* nothing is taken now */
	ck_assert_uint_eq(common_read(d, COMMON(queue_select), 2), 0);
	set_status(d, VIRTIO_STATUS_ACKNOWLEDGE);
	virtio_device_reset_done(e.device);
	ck_assert_uint_eq(status(d), 0);
	ck_assert_uint_eq(common_read(d, COMMON(queue_select), 2), 0);
	ck_assert_uint_eq(common_read(d, COMMON(queue_enable), 2), 0);
	echo_finish(&e);
}
END_TEST

START_TEST(test_device_runs_again_after_reset)
{
	struct fake_driver *d = &e.driver;

	echo_init(&e);
	for (unsigned i = 1; i <= 3; i++) {
		d->avail[0] = 0;
		put16(d->vm, AVAIL_AT(0) + 2, 0);
		put16(d->vm, USED_AT(0) + 2, 0);
		echo_run(&e, V1);
		offer(d, 0, 0);
		notify(d, 0);
		TURN_UNTIL(d->vm, used_index(d, 0) == 1);
		set_status(d, 0);
		TURN_UNTIL(d->vm, status(d) == 0);
		ck_assert_uint_eq(e.resets, i);
		ck_assert_uint_eq(e.taken, i);
	}
	echo_finish(&e);
}
END_TEST

START_TEST(test_reset_right_after_the_start_is_in_order)
{
	struct fake_driver *d = &e.driver;

	echo_init(&e);
	accept_features(d, V1);
	setup_queue(d, 0, RING_SIZE);
	set_status(d, ALL_OK);
	set_status(d, 0);
	set_status(d, ALL_OK); /* not before the reset is done */
	TURN_UNTIL(d->vm, status(d) == 0);
	ck_assert_uint_eq(e.starts, 1);
	ck_assert_uint_eq(e.resets, 1);
	echo_finish(&e);
}
END_TEST

START_TEST(test_destroy_with_a_start_under_way)
{
	struct fake_driver *d = &e.driver;

	echo_init(&e);
	accept_features(d, V1);
	setup_queue(d, 0, RING_SIZE);
	set_status(d, ALL_OK);
	echo_finish(&e);
	ck_assert_uint_eq(e.starts, 0);
}
END_TEST

START_TEST(test_broken_device_serves_again_after_reset)
{
	struct fake_driver *d = &e.driver;

	echo_init(&e);
	echo_run(&e, V1);
	put16(d->vm, AVAIL_AT(0) + 2, 500);
	notify(d, 0);
	TURN_UNTIL(d->vm, status(d) & VIRTIO_STATUS_NEEDS_RESET);
	set_status(d, 0);
	TURN_UNTIL(d->vm, status(d) == 0);
	put16(d->vm, AVAIL_AT(0) + 2, 0);
	echo_run(&e, V1);
	offer(d, 0, 0);
	notify(d, 0);
	TURN_UNTIL(d->vm, used_index(d, 0) == 1);
	echo_finish(&e);
}
END_TEST

START_TEST(test_configuration_stays_inside_its_size)
{
	struct fake_driver *d = &e.driver;

	echo_init(&e);
	ck_assert_uint_eq(mmio_read(d->vm, d->device, 4), 0x55667788);
	ck_assert_uint_eq(mmio_read(d->vm, d->device + 6, 2), 0x1122);
	ck_assert_uint_eq(mmio_read(d->vm, d->device + 6, 4), 0xffffffff);
	ck_assert_uint_eq(mmio_read(d->vm, d->device + 8, 1), 0xff);
	mmio_write(d->vm, d->device + 4, 0xaabbccdd, 4);
	mmio_write(d->vm, d->device + 7, 0, 2);
	mmio_write(d->vm, d->device + 0xff8, 0, 8);
	ck_assert_uint_eq(e.config, 0xaabbccdd55667788);
	echo_finish(&e);
}
END_TEST

START_TEST(test_odd_accesses_do_nothing)
{
	struct fake_driver *d = &e.driver;

	echo_init(&e);
	for (unsigned offset = 0; offset < 0x4000; offset += 1 + offset / 64)
		for (unsigned len = 1; len <= 8; len *= 2)
			if (offset != COMMON(device_status) || len != 1)
				mmio_write(d->vm, d->common + offset, ~0ULL, len);
	ck_assert_uint_eq(status(d), 0);
	set_status(d, 0);
	for (unsigned offset = 0; offset < 0x4000; offset++)
		mmio_read(d->vm, d->common + offset, 8);
	echo_run(&e, V1);
	echo_finish(&e);
}
END_TEST

START_TEST(test_changed_configuration_is_told)
{
	struct fake_driver *d = &e.driver;
	uint64_t before;

	echo_init(&e);
	before = common_read(d, COMMON(config_generation), 1);
	virtio_device_config_changed(e.device);
	ck_assert_uint_eq(common_read(d, COMMON(config_generation), 1), before + 1);
	ck_assert_uint_eq(mmio_read(d->vm, d->isr, 1), 0); /* there is no driver */
	echo_run(&e, V1);
	virtio_device_config_changed(e.device);
	ck_assert_uint_eq(mmio_read(d->vm, d->isr, 1), VIRTIO_ISR_CONFIG);
	echo_finish(&e);
}
END_TEST

START_TEST(test_window_in_configuration_space_leads_to_the_bar)
{
	struct fake_driver *d = &e.driver;
	unsigned cap;

	echo_init(&e);
	structure(d, VIRTIO_PCI_CAP_PCI_CFG, &cap);
	config_write(d->vm, 1, cap + 4, VIRTIO_BAR, 1);
	config_write(d->vm, 1, cap + 8, COMMON(device_status), 4);
	config_write(d->vm, 1, cap + 12, 1, 4);
	config_write(d->vm, 1, cap + 16, VIRTIO_STATUS_ACKNOWLEDGE, 1);
	ck_assert_uint_eq(status(d), VIRTIO_STATUS_ACKNOWLEDGE);
	ck_assert_uint_eq(config_read(d->vm, 1, cap + 16, 1), VIRTIO_STATUS_ACKNOWLEDGE);
	config_write(d->vm, 1, cap + 8, 0xfffffffc, 4); /* outside the BAR */
	config_write(d->vm, 1, cap + 12, 4, 4);
	ck_assert_uint_eq(config_read(d->vm, 1, cap + 16, 4), 0);
	config_write(d->vm, 1, cap + 16, ~0U, 4);
	config_write(d->vm, 1, cap + 8, COMMON(device_status), 4);
	config_write(d->vm, 1, cap + 12, 3, 4); /* no such width */
	config_write(d->vm, 1, cap + 16, 0, 4);
	config_write(d->vm, 1, cap + 12, 1, 4);
	config_write(d->vm, 1, cap + 4, 9, 1); /* no such BAR */
	config_write(d->vm, 1, cap + 16, 0, 4);
	ck_assert_uint_eq(config_read(d->vm, 1, cap + 16, 4), 0);
	ck_assert_uint_eq(status(d), VIRTIO_STATUS_ACKNOWLEDGE);
	echo_finish(&e);
}
END_TEST

static unsigned ioeventfds;

static void count_ioeventfds(void *self, const char *name, long arg, int result)
{
	(void)self;
	(void)arg;
	if (strcmp(name, "KVM_IOEVENTFD") == 0 && result == 0)
		ioeventfds++;
}

START_TEST(test_ioeventfd_follows_the_bar)
{
	static const struct kvm_hook hook = { .after = count_ioeventfds };
	struct fake_driver *d = &e.driver;
	uint32_t bar;

	echo_init(&e);
	bar = config_read(d->vm, 1, PCI_BAR0, 4);
	ioeventfds = 0;
	kvm_hook_set(&hook);
	config_write(d->vm, 1, PCI_BAR0, bar + 0x100000, 4);
	ck_assert_uint_eq(ioeventfds, 0); /* there is none before DRIVER_OK */
	d->common += 0x100000;
	d->notify += 0x100000;
	echo_run(&e, V1);
	ck_assert_uint_eq(ioeventfds, 1); /* queue 1 is not enabled */
	ck_assert_uint_eq(e.queue->kick_addr, bar + 0x100000 + VIRTIO_BAR_NOTIFY);
	config_write(d->vm, 1, PCI_BAR0, bar, 4);
	ck_assert_uint_eq(ioeventfds, 3); /* taken away and added */
	ck_assert_uint_eq(e.queue->kick_addr, bar + VIRTIO_BAR_NOTIFY);
	config_write(d->vm, 1, PCI_COMMAND, 0, 2);
	ck_assert_uint_eq(e.queue->kick_addr, VIRTIO_KICK_NOWHERE);
	config_write(d->vm, 1, PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
	ck_assert_uint_eq(e.queue->kick_addr, bar + VIRTIO_BAR_NOTIFY);
	d->common -= 0x100000;
	set_status(d, 0);
	TURN_UNTIL(d->vm, status(d) == 0);
	ck_assert_uint_eq(e.queue->kick_addr, VIRTIO_KICK_NOWHERE);
	kvm_hook_set(NULL);
	echo_finish(&e);
}
END_TEST

static void mark_done(void *arg)
{
	*(bool *)arg = true;
}

START_TEST(test_quiesced_device_waits_for_resume)
{
	struct fake_driver *d = &e.driver;
	bool done = false;

	echo_init(&e);
	echo_run(&e, V1);
	pci_host_quiesce(e.pci.host, mark_done, &done);
	ck_assert(done);
	ck_assert_uint_eq(e.quiesces, 1);
	offer(d, 0, 0);
	notify(d, 0);
	turn(d->vm);
	ck_assert_uint_eq(used_index(d, 0), 0);
	pci_host_resume(e.pci.host, false);
	ck_assert_uint_eq(used_index(d, 0), 1);
	echo_finish(&e);
}
END_TEST

START_TEST(test_start_under_way_is_not_done_twice)
{
	struct fake_driver *d = &e.driver;

	echo_init(&e);
	accept_features(d, V1);
	setup_queue(d, 0, RING_SIZE);
	set_status(d, ALL_OK);
	pci_host_quiesce(e.pci.host, NULL, NULL);
	pci_host_resume(e.pci.host, false);
	turn(d->vm);
	ck_assert_uint_eq(e.starts, 1);
	echo_finish(&e);
}
END_TEST

START_TEST(test_quiesce_waits_for_a_reset_under_way)
{
	struct fake_driver *d = &e.driver;
	bool done = false;

	echo_init(&e);
	e.slow_reset = true;
	echo_run(&e, V1);
	set_status(d, 0);
	pci_host_quiesce(e.pci.host, mark_done, &done);
	TURN_UNTIL(d->vm, e.resets == 1);
	ck_assert(!done);
	virtio_device_reset_done(e.device);
	ck_assert(done);
	echo_finish(&e);
}
END_TEST

START_TEST(test_quiesce_that_is_taken_back_is_not_answered)
{
	struct fake_driver *d = &e.driver;
	bool done = false;

	echo_init(&e);
	e.slow_reset = true;
	echo_run(&e, V1);
	set_status(d, 0);
	pci_host_quiesce(e.pci.host, mark_done, &done);
	TURN_UNTIL(d->vm, e.resets == 1);
	ck_assert_str_eq(pci_host_busy(e.pci.host), "echo0");
	pci_host_resume(e.pci.host, false);
	ck_assert_ptr_null(pci_host_busy(e.pci.host));
	virtio_device_reset_done(e.device);
	ck_assert(!done);
	pci_host_quiesce(e.pci.host, mark_done, &done);
	ck_assert(done);
	echo_finish(&e);
}
END_TEST

START_TEST(test_arrival_interrupts_once_for_each_queue_and_for_the_configuration)
{
	struct fake_driver *d = &e.driver;

	echo_init(&e);
	echo_run(&e, V1);
	common_write(d, COMMON(queue_msix_vector), VIRTIO_MSI_NO_VECTOR, 2);
	mmio_read(d->vm, d->isr, 1);
	pci_host_quiesce(e.pci.host, NULL, NULL);
	pci_host_resume(e.pci.host, false);
	ck_assert_uint_eq(mmio_read(d->vm, d->isr, 1), 0);
	pci_host_quiesce(e.pci.host, NULL, NULL);
	pci_host_resume(e.pci.host, true);
	ck_assert_uint_eq(mmio_read(d->vm, d->isr, 1), VIRTIO_ISR_QUEUE | VIRTIO_ISR_CONFIG);
	echo_finish(&e);
}
END_TEST

START_TEST(test_reset_that_began_while_held_is_done_after_it)
{
	struct fake_driver *d = &e.driver;
	bool done = false;

	echo_init(&e);
	echo_run(&e, V1);
	pci_host_quiesce(e.pci.host, mark_done, &done);
	ck_assert(done);
	pci_host_resume(e.pci.host, false);
	set_status(d, 0); /* before the loop came to anything */
	pci_host_quiesce(e.pci.host, mark_done, &done);
	TURN_UNTIL(d->vm, status(d) == 0);
	ck_assert_uint_eq(e.resets, 1);
	pci_host_resume(e.pci.host, true);
	echo_run(&e, V1);
	ck_assert_uint_eq(e.starts, 2);
	echo_finish(&e);
}
END_TEST

START_TEST(test_registers_in_a_wrong_order_break_the_device_and_nothing_else)
{
	struct fake_driver *d = &e.driver;

	echo_init(&e);
	accept_features(d, V1);
	setup_queue(d, 0, RING_SIZE);
	ck_assert_int_eq(reg_file_set(vm_regs(d->vm),
				      register_named(d->vm, "virtio.00:01.0.queue0.size"), "\0\0"),
			 0);
	ck_assert_int_eq(reg_file_set(vm_regs(d->vm),
				      register_named(d->vm, "virtio.00:01.0.status"), "\xf"),
			 0);
	pci_host_resume(e.pci.host, true);
	ck_assert_uint_eq(status(d) & VIRTIO_STATUS_NEEDS_RESET, VIRTIO_STATUS_NEEDS_RESET);
	echo_finish(&e);
}
END_TEST

START_TEST(test_registers_written_back_change_nothing)
{
	struct reg_list list = { 0 };
	size_t size;
	uint8_t *bytes;

	echo_init(&e);
	echo_run(&e, V1);
	bytes = save_registers(e.pci.vm, &list, &size);
	restore_registers(e.pci.vm, &list, bytes, size);
	ck_assert_uint_eq(e.starts, 1);
	offer(&e.driver, 0, 0);
	notify(&e.driver, 0);
	TURN_UNTIL(e.pci.vm, used_index(&e.driver, 0) == 1);
	reg_list_finish(&list);
	free(bytes);
	echo_finish(&e);
}
END_TEST

START_TEST(test_restored_device_goes_on_where_it_was)
{
	struct fake_driver *d = &e.driver;
	struct reg_list list = { 0 };
	uint8_t *bytes, *memory = malloc(RAM);
	size_t size;

	echo_init(&e);
	echo_run(&e, V1 | EVENT_IDX | 1 << ECHO_FEATURE);
	for (unsigned i = 0; i < 3; i++)
		offer(d, 0, 0);
	notify(d, 0);
	TURN_UNTIL(d->vm, used_index(d, 0) == 3);
	pci_host_quiesce(e.pci.host, NULL, NULL);
	offer(d, 0, 0); /* in flight while the VM moves */
	bytes = save_registers(d->vm, &list, &size);
	ck_assert_int_eq(mem_read(vm_mem(d->vm), 0, memory, RAM), 0);
	echo_finish(&e);

	echo_init(&e);
	ck_assert_int_eq(mem_write(vm_mem(d->vm), 0, memory, RAM), 0);
	restore_registers(d->vm, &list, bytes, size);
	turn(d->vm);
	ck_assert_uint_eq(e.starts, 0); /* not before the VM goes on */
	pci_host_resume(e.pci.host, false);
	ck_assert_uint_eq(e.starts, 1);
	ck_assert_uint_eq(used_index(d, 0), 4);
	ck_assert_uint_eq(virtio_device_features(e.device), V1 | EVENT_IDX | 1 << ECHO_FEATURE);
	reg_list_finish(&list);
	free(bytes);
	free(memory);
	echo_finish(&e);
}
END_TEST

static int set_named(const char *name, uint64_t value)
{
	return reg_file_set(vm_regs(e.pci.vm), register_named(e.pci.vm, name), &value);
}

START_TEST(test_registers_refuse_what_they_cannot_hold)
{
	echo_init(&e);
	ck_assert_int_eq(set_named("virtio.00:01.0.device_feature", V1 | 1 << 20), -EINVAL);
	ck_assert_int_eq(set_named("virtio.00:01.0.device_feature", V1), 0);
	ck_assert_uint_eq(offered(&e.driver), V1);
	ck_assert_int_eq(set_named("virtio.00:01.0.driver_feature", V1 | EVENT_IDX), 0);
	ck_assert_int_eq(set_named("virtio.00:01.0.status", ALL_OK), -EINVAL);
	ck_assert_int_eq(set_named("virtio.00:01.0.status", VIRTIO_STATUS_DRIVER), -EINVAL);
	ck_assert_int_eq(set_named("virtio.00:01.0.queue0.desc", RAM), 0);
	ck_assert_int_eq(set_named("virtio.00:01.0.queue0.enable", 1), -EINVAL);
	ck_assert_int_eq(set_named("virtio.00:01.0.queue0.enable", 2), -EINVAL);
	ck_assert_int_eq(set_named("virtio.00:01.0.queue1.msix_vector", 3), -EINVAL);
	ck_assert_int_eq(set_named("virtio.00:01.0.isr", 4), -EINVAL);
	echo_run(&e, V1);
	e.pci.vm->has_run = true;
	ck_assert_int_eq(set_named("virtio.00:01.0.queue0.desc", 0), -EBUSY);
	ck_assert_int_eq(set_named("virtio.00:01.0.status", 0), -EBUSY);
	ck_assert_int_eq(set_named("virtio.00:01.0.queue0.size", RING_SIZE), 0);
	echo_finish(&e);
}
END_TEST

CHECK_MAIN("virtio device", test_capabilities_lead_to_the_structures,
	   test_status_climbs_step_by_step, test_features_that_are_not_offered_are_refused,
	   test_chain_comes_back_with_its_answer, test_notification_before_the_start_is_not_lost,
	   test_notification_of_no_queue_is_nothing, test_bad_queue_needs_a_reset,
	   test_complaints_about_a_guest_end, test_queue_is_fixed_once_it_is_enabled,
	   test_vector_that_is_not_there_is_answered_with_none,
	   test_status_is_not_zero_until_the_reset_is_done, test_device_runs_again_after_reset,
	   test_reset_right_after_the_start_is_in_order, test_destroy_with_a_start_under_way,
	   test_broken_device_serves_again_after_reset, test_configuration_stays_inside_its_size,
	   test_odd_accesses_do_nothing, test_changed_configuration_is_told,
	   test_window_in_configuration_space_leads_to_the_bar, test_ioeventfd_follows_the_bar,
	   test_quiesced_device_waits_for_resume, test_start_under_way_is_not_done_twice,
	   test_quiesce_waits_for_a_reset_under_way,
	   test_quiesce_that_is_taken_back_is_not_answered,
	   test_arrival_interrupts_once_for_each_queue_and_for_the_configuration,
	   test_reset_that_began_while_held_is_done_after_it,
	   test_registers_in_a_wrong_order_break_the_device_and_nothing_else,
	   test_registers_written_back_change_nothing,
	   test_restored_device_goes_on_where_it_was, test_registers_refuse_what_they_cannot_hold)
