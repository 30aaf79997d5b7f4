/* SPDX-License-Identifier: Apache-2.0 */
/* virtio-balloon: pages go back to the host, statistics come, the target is told. */
#include "dev/virtio/balloon.h"

#include <errno.h>

#include <abi/virtio_balloon.h>

#include "dev/virtio/fake_driver.h"

enum {
	INFLATE,
	DEFLATE,
	STATS,
	REPORTING_LINUX,
	REPORTING
};

#define PAGES_AT 0x300000ULL

static struct pci_fixture f;
static struct fake_driver d;
static struct balloon *balloon;

static void setup(void)
{
	pci_fixture_init(&f);
	ck_assert_int_eq(balloon_create(f.vm, f.host, &balloon), 0);
	driver_init(&d, f.vm, 1);
	accept_features(&d, offered(&d));
	for (uint16_t q = INFLATE; q <= REPORTING; q++)
		setup_queue(&d, q, RING_SIZE);
	set_status(&d, ALL_OK);
	turn(f.vm);
	for (unsigned i = 0; i < 16; i++)
		put16(f.vm, PAGES_AT + i * 4096, 0x4242);
}

static void teardown(void)
{
	balloon_destroy(balloon);
	pci_fixture_finish(&f);
}

static bool is_given_back(unsigned page)
{
	return get16(f.vm, PAGES_AT + page * 4096) == 0;
}

static void send(uint16_t q, gpa_t gpa, uint32_t len, uint16_t flags)
{
	uint16_t used = used_index(&d, q);

	put_desc(f.vm, DESC_AT(q), 0, (struct virtq_desc){ gpa, len, flags, 0 });
	offer(&d, q, 0);
	notify(&d, q);
	if (q != STATS)
		TURN_UNTIL(f.vm, used_index(&d, q) == used + 1);
	else
		turn(f.vm);
}

START_TEST(test_inflated_pages_go_back_to_the_host)
{
	uint32_t base = PAGES_AT >> 12;
	const uint32_t pfns[] = { base + 1, base + 2, base + 3, base + 7, 0xffffffff, base + 9 };

	setup();
	put(f.vm, BUFFER_AT, pfns, sizeof(pfns));
	send(INFLATE, BUFFER_AT, sizeof(pfns), 0);
	for (unsigned i = 0; i < 16; i++)
		ck_assert_int_eq(is_given_back(i), (i >= 1 && i <= 3) || i == 7 || i == 9);
	send(DEFLATE, BUFFER_AT, sizeof(pfns), 0);
	ck_assert(!is_given_back(0));
	teardown();
}
END_TEST

START_TEST(test_list_of_pages_across_steps_is_read_whole)
{
	static uint32_t pfns[700];
	uint32_t base = PAGES_AT >> 12;

	setup();
	for (unsigned i = 0; i < ARRAY_SIZE(pfns); i++)
		pfns[i] = 0x80000000 + i;
	pfns[0] = base;
	pfns[256] = base + 2;
	pfns[699] = base + 4;
	put(f.vm, BUFFER_AT, pfns, sizeof(pfns));
	send(INFLATE, BUFFER_AT, sizeof(pfns) + 3, 0); /* the odd bytes are no page */
	ck_assert(is_given_back(0));
	ck_assert(is_given_back(2));
	ck_assert(is_given_back(4));
	ck_assert(!is_given_back(1));
	teardown();
}
END_TEST

START_TEST(test_reported_pages_go_back_to_the_host)
{
	setup();
	send(REPORTING, PAGES_AT, 2 * 4096, VIRTQ_DESC_F_WRITE);
	ck_assert(is_given_back(0));
	ck_assert(is_given_back(1));
	ck_assert(!is_given_back(2));
	send(REPORTING_LINUX, PAGES_AT + 4 * 4096 + 8, 2 * 4096, VIRTQ_DESC_F_WRITE);
	ck_assert(!is_given_back(4)); /* not wholly reported */
	ck_assert(is_given_back(5));
	ck_assert(!is_given_back(6));
	teardown();
}
END_TEST

START_TEST(test_target_is_told_and_actual_is_heard)
{
	struct balloon_state state;

	setup();
	mmio_read(f.vm, d.isr, 1);
	ck_assert_int_eq(balloon_set_target(balloon, 3 * MIB), 0);
	ck_assert_uint_eq(mmio_read(f.vm, d.device, 4), MIB / 4096);
	ck_assert_uint_eq(mmio_read(f.vm, d.isr, 1), VIRTIO_ISR_CONFIG);
	mmio_write(f.vm, d.device, 7, 4); /* the host's */
	mmio_write(f.vm, d.device + 4, 100, 4);
	balloon_get(balloon, &state);
	ck_assert_uint_eq(state.target, 3 * MIB);
	ck_assert_uint_eq(state.actual, RAM - 100 * 4096);
	mmio_write(f.vm, d.device + 4, 0xffffffff, 4); /* nonsense */
	balloon_get(balloon, &state);
	ck_assert_uint_eq(state.actual, 0);
	ck_assert_int_eq(balloon_set_target(balloon, RAM + 1), -ERANGE);
	teardown();
}
END_TEST

START_TEST(test_statistics_come_when_asked_for)
{
	const struct virtio_balloon_stat stats[] = { { VIRTIO_BALLOON_S_MEMFREE, 1234 },
						     { 999, 1 },
						     { VIRTIO_BALLOON_S_MEMTOT, 5678 } };
	struct balloon_state state;

	setup();
	balloon_refresh(balloon); /* there is no buffer yet */
	put(f.vm, BUFFER_AT, stats, sizeof(stats));
	send(STATS, BUFFER_AT, sizeof(stats), 0);
	ck_assert_uint_eq(used_index(&d, STATS), 0); /* kept */
	balloon_get(balloon, &state);
	ck_assert_uint_eq(state.known,
			  1 << VIRTIO_BALLOON_S_MEMFREE | 1 << VIRTIO_BALLOON_S_MEMTOT);
	ck_assert_uint_eq(state.stats[VIRTIO_BALLOON_S_MEMFREE], 1234);
	balloon_refresh(balloon);
	ck_assert_uint_eq(used_index(&d, STATS), 1);
	balloon_refresh(balloon);
	ck_assert_uint_eq(used_index(&d, STATS), 1);
	send(STATS, BUFFER_AT, sizeof(stats), 0);
	/* A driver that has two. */
	put_desc(f.vm, DESC_AT(STATS), 1,
		 (struct virtq_desc){ BUFFER_AT, sizeof(stats), 0, 0 });
	offer(&d, STATS, 1);
	notify(&d, STATS);
	turn(f.vm);
	ck_assert_uint_eq(used_index(&d, STATS), 2);
	teardown();
}
END_TEST

START_TEST(test_kept_buffer_of_statistics_is_taken_again_after_a_pause)
{
	const struct virtio_balloon_stat stats[] = { { VIRTIO_BALLOON_S_MEMFREE, 1234 } };
	struct reg_key taken;
	uint16_t last;

	setup();
	put(f.vm, BUFFER_AT, stats, sizeof(stats));
	send(STATS, BUFFER_AT, sizeof(stats), 0);
	taken = register_named(f.vm, "virtio.00:01.0.queue2.last_avail");
	ck_assert_int_eq(reg_file_get(vm_regs(f.vm), taken, &last), 0);
	ck_assert_uint_eq(last, 1);
	pci_host_quiesce(f.host, NULL, NULL);
	ck_assert_int_eq(reg_file_get(vm_regs(f.vm), taken, &last), 0);
	ck_assert_uint_eq(last, 0); /* whoever goes on finds it there */
	balloon_refresh(balloon);
	ck_assert_uint_eq(used_index(&d, STATS), 0);
	pci_host_resume(f.host, false);
	balloon_refresh(balloon);
	ck_assert_uint_eq(used_index(&d, STATS), 1);
	teardown();
}
END_TEST

START_TEST(test_registers_restore_into_a_fresh_vm)
{
	struct reg_list list = { 0 };
	uint8_t *bytes;
	size_t size;

	setup();
	balloon_set_target(balloon, 3 * MIB);
	mmio_write(f.vm, d.device + 4, 9, 4);
	bytes = save_registers(f.vm, &list, &size);
	register_named(f.vm, "balloon.00:01.0.num_pages");
	teardown();
	pci_fixture_init(&f);
	ck_assert_int_eq(balloon_create(f.vm, f.host, &balloon), 0);
	restore_registers(f.vm, &list, bytes, size);
	ck_assert_uint_eq(mmio_read(f.vm, d.device, 8), 9ULL << 32 | MIB / 4096);
	teardown();
	reg_list_finish(&list);
	free(bytes);
}
END_TEST

CHECK_MAIN("balloon", test_inflated_pages_go_back_to_the_host,
	   test_list_of_pages_across_steps_is_read_whole, test_reported_pages_go_back_to_the_host,
	   test_target_is_told_and_actual_is_heard, test_statistics_come_when_asked_for,
	   test_kept_buffer_of_statistics_is_taken_again_after_a_pause,
	   test_registers_restore_into_a_fresh_vm)
