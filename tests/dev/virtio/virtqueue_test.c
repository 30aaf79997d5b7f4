/* SPDX-License-Identifier: Apache-2.0 */
/* Split queues: what a driver may do, and everything that a hostile one can. */
#include <errno.h>
#include <sys/mman.h>

#include "dev/virtio/echo.h"
#include "mem/dirty.h"

static struct echo e;
static struct iovec iov[VIRTQ_IOV_MAX];
static struct virtq_chain chain;

/* The test takes the chains itself. */
static void setup(uint64_t features)
{
	echo_init(&e);
	e.lazy = true;
	echo_run(&e, V1 | features);
}

static void desc(unsigned i, uint64_t addr, uint32_t len, uint16_t flags, uint16_t next)
{
	put_desc(e.pci.vm, DESC_AT(0), i, (struct virtq_desc){ addr, len, flags, next });
}

static void indirect(unsigned i, uint64_t addr, uint32_t len, uint16_t flags, uint16_t next)
{
	put_desc(e.pci.vm, INDIRECT_AT, i, (struct virtq_desc){ addr, len, flags, next });
}

static void expect_broken(const char *why)
{
	ck_assert_int_eq(virtq_pop(e.queue, iov, &chain), -EPROTO);
	ck_assert_msg(strstr(e.log, why), "\"%s\" does not say \"%s\"", e.log, why);
	ck_assert_uint_eq(status(&e.driver), ALL_OK | VIRTIO_STATUS_NEEDS_RESET);
	ck_assert_uint_eq(mmio_read(e.pci.vm, e.driver.isr, 1), VIRTIO_ISR_CONFIG);
	ck_assert_int_eq(virtq_pop(e.queue, iov, &chain), 0);
	ck_assert(!virtq_has_work(e.queue));
	virtq_push(e.queue, 0, 0);
	ck_assert_uint_eq(used_index(&e.driver, 0), 0);
	ck_assert_uint_eq(e.logged, 1);
	echo_finish(&e);
}

START_TEST(test_chain_is_split_into_readable_and_writable)
{
	setup(0);
	desc(3, BUFFER_AT, 16, VIRTQ_DESC_F_NEXT, 5);
	desc(5, BUFFER_AT + 0x100, 32, VIRTQ_DESC_F_NEXT, 1);
	desc(1, BUFFER_AT + 0x200, 64, VIRTQ_DESC_F_WRITE, 0);
	offer(&e.driver, 0, 3);
	ck_assert_int_eq(virtq_pop(e.queue, iov, &chain), 1);
	ck_assert_uint_eq(chain.head, 3);
	ck_assert_uint_eq(chain.out_count, 2);
	ck_assert_uint_eq(chain.out_len, 48);
	ck_assert_uint_eq(chain.in_count, 1);
	ck_assert_uint_eq(chain.in_len, 64);
	ck_assert_ptr_eq(chain.in[0].iov_base, mem_ptr(vm_mem(e.pci.vm), BUFFER_AT + 0x200, 64));
	ck_assert_int_eq(virtq_pop(e.queue, iov, &chain), 0);
	virtq_push(e.queue, 3, 64);
	ck_assert_uint_eq(used_index(&e.driver, 0), 1);
	ck_assert_uint_eq(used_element(&e.driver, 0, 0).id, 3);
	ck_assert_uint_eq(used_element(&e.driver, 0, 0).len, 64);
	echo_finish(&e);
}
END_TEST

START_TEST(test_ring_wraps)
{
	int taken = 0;

	setup(0);
	desc(0, BUFFER_AT, 8, 0, 0);
	/* Check writes to a pipe for each of its assertions: one for all rounds. */
	for (unsigned i = 0; i < 70000; i++) {
		mem_write(vm_mem(e.pci.vm), AVAIL_AT(0) + 2, &(uint16_t){ ++e.driver.avail[0] }, 2);
		taken += virtq_pop(e.queue, iov, &chain);
		virtq_push(e.queue, 0, 0);
	}
	ck_assert_int_eq(taken, 70000);
	ck_assert_uint_eq(used_index(&e.driver, 0), 70000 & 0xffff);
	echo_finish(&e);
}
END_TEST

START_TEST(test_unpop_gives_the_chain_again)
{
	setup(0);
	desc(2, BUFFER_AT, 8, 0, 0);
	offer(&e.driver, 0, 2);
	ck_assert_int_eq(virtq_pop(e.queue, iov, &chain), 1);
	ck_assert(!virtq_has_work(e.queue));
	virtq_unpop(e.queue);
	ck_assert(virtq_has_work(e.queue));
	ck_assert_int_eq(virtq_pop(e.queue, iov, &chain), 1);
	ck_assert_uint_eq(chain.head, 2);
	echo_finish(&e);
}
END_TEST

START_TEST(test_zero_length_buffer_is_no_buffer)
{
	setup(0);
	desc(0, ~0ULL, 0, VIRTQ_DESC_F_NEXT | VIRTQ_DESC_F_WRITE, 1);
	desc(1, BUFFER_AT, 8, 0, 0);
	offer(&e.driver, 0, 0);
	ck_assert_int_eq(virtq_pop(e.queue, iov, &chain), 1);
	ck_assert_uint_eq(chain.out_count, 1);
	ck_assert_uint_eq(chain.in_count, 0);
	echo_finish(&e);
}
END_TEST

START_TEST(test_zero_length_readable_after_writable_changes_nothing)
{
	setup(0);
	desc(0, BUFFER_AT, 8, VIRTQ_DESC_F_NEXT | VIRTQ_DESC_F_WRITE, 1);
	desc(1, BUFFER_AT, 0, 0, 0);
	offer(&e.driver, 0, 0);
	ck_assert_int_eq(virtq_pop(e.queue, iov, &chain), 1);
	ck_assert_uint_eq(chain.out_count, 0);
	ck_assert_uint_eq(chain.in_count, 1);
	echo_finish(&e);
}
END_TEST

START_TEST(test_indirect_table_may_end_a_chain)
{
	setup(INDIRECT);
	desc(0, BUFFER_AT, 8, VIRTQ_DESC_F_NEXT, 1);
	/* the write flag of the reference means nothing, 2.7.5.3.2 */
	desc(1, INDIRECT_AT, 32, VIRTQ_DESC_F_INDIRECT | VIRTQ_DESC_F_WRITE, 0);
	indirect(0, BUFFER_AT + 8, 8, VIRTQ_DESC_F_NEXT, 1);
	indirect(1, BUFFER_AT + 16, 8, VIRTQ_DESC_F_WRITE, 0);
	offer(&e.driver, 0, 0);
	ck_assert_int_eq(virtq_pop(e.queue, iov, &chain), 1);
	ck_assert_uint_eq(chain.out_len, 16);
	ck_assert_uint_eq(chain.in_len, 8);
	echo_finish(&e);
}
END_TEST

START_TEST(test_indirect_chain_may_be_longer_than_the_ring)
{
	setup(INDIRECT);
	desc(0, INDIRECT_AT, 16 * 2 * RING_SIZE, VIRTQ_DESC_F_INDIRECT, 0);
	for (uint16_t i = 0; i < 2 * RING_SIZE; i++)
		indirect(i, BUFFER_AT, 8, i < 2 * RING_SIZE - 1 ? VIRTQ_DESC_F_NEXT : 0, i + 1);
	offer(&e.driver, 0, 0);
	ck_assert_int_eq(virtq_pop(e.queue, iov, &chain), 1);
	ck_assert_uint_eq(chain.out_count, 2 * RING_SIZE);
	echo_finish(&e);
}
END_TEST

START_TEST(test_buffer_across_regions_becomes_two)
{
	setup(0);
	ck_assert_int_eq(mem_map_ram(vm_mem(e.pci.vm), "more", RAM, MIB, 0), 0);
	desc(0, RAM - 16, 48, 0, 0);
	offer(&e.driver, 0, 0);
	ck_assert_int_eq(virtq_pop(e.queue, iov, &chain), 1);
	ck_assert_uint_eq(chain.out_count, 2);
	ck_assert_uint_eq(chain.out[0].iov_len, 16);
	ck_assert_uint_eq(chain.out[1].iov_len, 32);
	echo_finish(&e);
}
END_TEST

START_TEST(test_loop_of_descriptors_breaks)
{
	setup(0);
	desc(0, BUFFER_AT, 8, VIRTQ_DESC_F_NEXT, 1);
	desc(1, BUFFER_AT, 8, VIRTQ_DESC_F_NEXT, 0);
	offer(&e.driver, 0, 0);
	expect_broken("does not end");
}
END_TEST

START_TEST(test_loop_of_empty_indirect_descriptors_breaks)
{
	setup(INDIRECT);
	desc(0, INDIRECT_AT, 0xfffffff0, VIRTQ_DESC_F_INDIRECT, 0);
	indirect(0, BUFFER_AT, 0, VIRTQ_DESC_F_NEXT, 0);
	offer(&e.driver, 0, 0);
	expect_broken("does not end");
}
END_TEST

START_TEST(test_too_many_buffers_break)
{
	setup(INDIRECT);
	desc(0, INDIRECT_AT, 16 * (VIRTQ_IOV_MAX + 1), VIRTQ_DESC_F_INDIRECT, 0);
	for (uint16_t i = 0; i <= VIRTQ_IOV_MAX; i++)
		indirect(i, BUFFER_AT, 8, i < VIRTQ_IOV_MAX ? VIRTQ_DESC_F_NEXT : 0, i + 1);
	offer(&e.driver, 0, 0);
	expect_broken("more than 1024 buffers");
}
END_TEST

START_TEST(test_chain_of_more_than_4_gib_breaks)
{
	setup(INDIRECT);
	mem_map_ram(vm_mem(e.pci.vm), "big", GIB, GIB, 0);
	desc(0, INDIRECT_AT, 16 * 5, VIRTQ_DESC_F_INDIRECT, 0);
	for (uint16_t i = 0; i < 5; i++)
		indirect(i, GIB, GIB, i < 4 ? VIRTQ_DESC_F_NEXT : 0, i + 1);
	offer(&e.driver, 0, 0);
	expect_broken("more than 4 GiB");
}
END_TEST

START_TEST(test_indirect_inside_indirect_breaks)
{
	setup(INDIRECT);
	desc(0, INDIRECT_AT, 16, VIRTQ_DESC_F_INDIRECT, 0);
	indirect(0, INDIRECT_AT, 16, VIRTQ_DESC_F_INDIRECT, 0);
	offer(&e.driver, 0, 0);
	expect_broken("inside an indirect");
}
END_TEST

START_TEST(test_indirect_without_the_feature_breaks)
{
	setup(0);
	desc(0, INDIRECT_AT, 16, VIRTQ_DESC_F_INDIRECT, 0);
	offer(&e.driver, 0, 0);
	expect_broken("without the feature");
}
END_TEST

START_TEST(test_indirect_and_chained_breaks)
{
	setup(INDIRECT);
	desc(0, INDIRECT_AT, 16, VIRTQ_DESC_F_INDIRECT | VIRTQ_DESC_F_NEXT, 1);
	offer(&e.driver, 0, 0);
	expect_broken("both indirect and chained");
}
END_TEST

START_TEST(test_indirect_table_of_an_odd_length_breaks)
{
	setup(INDIRECT);
	desc(0, INDIRECT_AT, 24, VIRTQ_DESC_F_INDIRECT, 0);
	offer(&e.driver, 0, 0);
	expect_broken("table of 24 bytes");
}
END_TEST

START_TEST(test_empty_indirect_table_breaks)
{
	setup(INDIRECT);
	desc(0, INDIRECT_AT, 0, VIRTQ_DESC_F_INDIRECT, 0);
	offer(&e.driver, 0, 0);
	expect_broken("table of 0 bytes");
}
END_TEST

START_TEST(test_indirect_table_outside_memory_breaks)
{
	setup(INDIRECT);
	desc(0, ~0ULL - 15, 32, VIRTQ_DESC_F_INDIRECT, 0);
	offer(&e.driver, 0, 0);
	expect_broken("is not in memory");
}
END_TEST

START_TEST(test_indirect_next_outside_its_table_breaks)
{
	setup(INDIRECT);
	desc(0, INDIRECT_AT, 16, VIRTQ_DESC_F_INDIRECT, 0);
	indirect(0, BUFFER_AT, 8, VIRTQ_DESC_F_NEXT, 1);
	offer(&e.driver, 0, 0);
	expect_broken("does not end");
}
END_TEST

START_TEST(test_next_outside_the_table_breaks)
{
	setup(0);
	desc(0, BUFFER_AT, 8, VIRTQ_DESC_F_NEXT, RING_SIZE);
	offer(&e.driver, 0, 0);
	expect_broken("descriptor 16 of 16");
}
END_TEST

START_TEST(test_buffer_outside_memory_breaks)
{
	setup(0);
	desc(0, RAM - 4, 8, 0, 0);
	offer(&e.driver, 0, 0);
	expect_broken("is not in memory");
}
END_TEST

START_TEST(test_buffer_that_wraps_breaks)
{
	setup(0);
	desc(0, ~0ULL - 3, 0xffffffff, VIRTQ_DESC_F_WRITE, 0);
	offer(&e.driver, 0, 0);
	expect_broken("is not in memory");
}
END_TEST

START_TEST(test_writable_buffer_in_read_only_memory_breaks)
{
	setup(0);
	mem_map_ram(vm_mem(e.pci.vm), "rom", GIB, MIB, MEM_READONLY);
	desc(0, GIB, 8, VIRTQ_DESC_F_WRITE, 0);
	offer(&e.driver, 0, 0);
	expect_broken("is not in memory");
}
END_TEST

START_TEST(test_readable_after_writable_breaks)
{
	setup(0);
	desc(0, BUFFER_AT, 8, VIRTQ_DESC_F_WRITE | VIRTQ_DESC_F_NEXT, 1);
	desc(1, BUFFER_AT, 8, 0, 0);
	offer(&e.driver, 0, 0);
	expect_broken("follows a writable one");
}
END_TEST

START_TEST(test_head_outside_the_table_breaks)
{
	setup(0);
	offer(&e.driver, 0, RING_SIZE);
	expect_broken("head 16 of 16");
}
END_TEST

START_TEST(test_index_that_jumps_breaks)
{
	setup(0);
	put16(e.pci.vm, AVAIL_AT(0) + 2, RING_SIZE + 1);
	expect_broken("17 chains in a ring of 16");
}
END_TEST

START_TEST(test_index_that_goes_back_breaks)
{
	setup(0);
	put16(e.pci.vm, AVAIL_AT(0) + 2, 0xffff);
	expect_broken("65535 chains");
}
END_TEST

START_TEST(test_rings_that_lost_their_memory_break)
{
	setup(0);
	offer(&e.driver, 0, 0);
	ck_assert_int_eq(mem_unmap(vm_mem(e.pci.vm), 0), 0);
	ck_assert_int_eq(virtq_pop(e.queue, iov, &chain), 0);
	virtq_push(e.queue, 0, 0);
	ck_assert_uint_eq(status(&e.driver), ALL_OK | VIRTIO_STATUS_NEEDS_RESET);
	ck_assert_ptr_nonnull(strstr(e.log, "not in memory any more"));
	echo_finish(&e);
}
END_TEST

START_TEST(test_endless_work_is_done_in_bursts)
{
	echo_init(&e);
	echo_run(&e, V1);
	e.notifies = 0;
	e.endless = true;
	desc(0, BUFFER_AT, 8, 0, 0);
	offer(&e.driver, 0, 0);
	notify(&e.driver, 0);
	TURN_UNTIL(e.pci.vm, e.notifies >= 3);
	ck_assert_uint_eq(e.taken, RING_SIZE * e.notifies);
	e.endless = false;
	TURN_UNTIL(e.pci.vm, used_index(&e.driver, 0) == e.driver.avail[0]);
	echo_finish(&e);
}
END_TEST

/* The vector is raised: MSI-X on and the vector masked, it shows as pending. */
static void mask_vectors(void)
{
	struct fake_driver *d = &e.driver;
	unsigned cap = find_capability(d->vm, d->slot, PCI_CAP_ID_MSIX, 0);

	config_write(d->vm, d->slot, cap + PCI_MSIX_CONTROL,
		     PCI_MSIX_CONTROL_ENABLE | PCI_MSIX_CONTROL_MASK, 2);
}

static bool interrupted(void)
{
	struct reg_key key = register_named(e.pci.vm, "msix.00:01.0.pending0");
	uint64_t bits, none = 0;

	ck_assert_int_eq(reg_file_get(vm_regs(e.pci.vm), key, &bits), 0);
	ck_assert_int_eq(reg_file_set(vm_regs(e.pci.vm), key, &none), 0);
	ck_assert_uint_eq(bits & ~2ULL, 0);
	return bits;
}

START_TEST(test_interrupt_follows_the_flag)
{
	setup(0);
	mask_vectors();
	virtq_interrupt(e.queue);
	ck_assert(!interrupted()); /* nothing was pushed */
	virtq_push(e.queue, 0, 0);
	virtq_interrupt(e.queue);
	ck_assert(interrupted());
	put16(e.pci.vm, AVAIL_AT(0), VIRTQ_AVAIL_F_NO_INTERRUPT);
	virtq_push(e.queue, 0, 0);
	virtq_interrupt(e.queue);
	ck_assert(!interrupted());
	echo_finish(&e);
}
END_TEST

START_TEST(test_interrupt_follows_the_event)
{
	setup(EVENT_IDX);
	mask_vectors();
	put16(e.pci.vm, AVAIL_AT(0), VIRTQ_AVAIL_F_NO_INTERRUPT); /* means nothing now */
	set_used_event(&e.driver, 0, 2);
	for (unsigned i = 0; i < 2; i++) {
		virtq_push(e.queue, 0, 0);
		virtq_interrupt(e.queue);
		ck_assert(!interrupted());
	}
	virtq_push(e.queue, 0, 0);
	virtq_interrupt(e.queue);
	ck_assert(interrupted()); /* the third passes index 2 */
	virtq_push(e.queue, 0, 0);
	virtq_interrupt(e.queue);
	ck_assert(!interrupted());
	set_used_event(&e.driver, 0, 5);
	virtq_push(e.queue, 0, 0);
	virtq_push(e.queue, 0, 0);
	virtq_push(e.queue, 0, 0);
	virtq_interrupt(e.queue);
	ck_assert(interrupted()); /* somewhere in a batch */
	echo_finish(&e);
}
END_TEST

START_TEST(test_queue_without_a_vector_sets_isr)
{
	setup(0);
	common_write(&e.driver, COMMON(queue_msix_vector), VIRTIO_MSI_NO_VECTOR, 2);
	virtq_push(e.queue, 0, 0);
	virtq_interrupt(e.queue);
	ck_assert_uint_eq(mmio_read(e.pci.vm, e.driver.isr, 1), VIRTIO_ISR_QUEUE);
	ck_assert_uint_eq(mmio_read(e.pci.vm, e.driver.isr, 1), 0);
	echo_finish(&e);
}
END_TEST

START_TEST(test_notifications_are_switched_by_the_flag)
{
	setup(0);
	virtq_set_notify(e.queue, false);
	ck_assert_uint_eq(get16(e.pci.vm, USED_AT(0)), VIRTQ_USED_F_NO_NOTIFY);
	virtq_set_notify(e.queue, true);
	ck_assert_uint_eq(get16(e.pci.vm, USED_AT(0)), 0);
	echo_finish(&e);
}
END_TEST

START_TEST(test_event_asks_for_the_next_chain_when_empty)
{
	setup(EVENT_IDX);
	for (uint16_t i = 0; i < 4; i++)
		desc(i, BUFFER_AT, 8, 0, 0);
	for (uint16_t i = 0; i < 3; i++)
		offer(&e.driver, 0, i);
	ck_assert_int_eq(virtq_pop(e.queue, iov, &chain), 1);
	ck_assert_int_eq(virtq_pop(e.queue, iov, &chain), 1);
	ck_assert_int_eq(virtq_pop(e.queue, iov, &chain), 1);
	ck_assert_uint_eq(avail_event_of(&e.driver, 0), 0); /* busy: not asked */
	ck_assert_int_eq(virtq_pop(e.queue, iov, &chain), 0);
	ck_assert_uint_eq(avail_event_of(&e.driver, 0), 3);
	virtq_set_notify(e.queue, false);
	offer(&e.driver, 0, 3);
	ck_assert_int_eq(virtq_pop(e.queue, iov, &chain), 1);
	ck_assert_int_eq(virtq_pop(e.queue, iov, &chain), 0);
	ck_assert_uint_eq(avail_event_of(&e.driver, 0), 3); /* still not to notify */
	virtq_set_notify(e.queue, true);
	ck_assert_uint_eq(avail_event_of(&e.driver, 0), 4);
	ck_assert_uint_eq(get16(e.pci.vm, USED_AT(0)), 0);
	echo_finish(&e);
}
END_TEST

START_TEST(test_head_that_the_device_has_breaks_the_device)
{
	setup(0);
	desc(2, BUFFER_AT, 8, 0, 0);
	offer(&e.driver, 0, 2);
	offer(&e.driver, 0, 2);
	ck_assert_int_eq(virtq_pop(e.queue, iov, &chain), 1);
	expect_broken("head 2 while the device has it");
}
END_TEST

static bool is_mapped(const void *hva)
{
	unsigned char present;

	return mincore((void *)(uintptr_t)hva, GUEST_PAGE_SIZE, &present) == 0;
}

/* A request may be the kernel's by then: its addresses must not become somebody else's. */
START_TEST(test_chain_keeps_its_addresses_though_the_memory_goes)
{
	const gpa_t gone = 64 * GIB;
	struct mem *mem;
	void *hva;

	setup(0);
	mem = vm_mem(e.pci.vm);
	for (int give_back = 0; give_back < 2; give_back++) {
		ck_assert_int_eq(mem_map_ram(mem, "gone", gone, GUEST_PAGE_SIZE, 0), 0);
		desc(1, gone, 8, VIRTQ_DESC_F_WRITE, 0);
		offer(&e.driver, 0, 1);
		ck_assert_int_eq(virtq_pop(e.queue, iov, &chain), 1);
		hva = chain.in[0].iov_base;
		ck_assert_int_eq(mem_unmap(mem, gone), 0);
		ck_assert(virtq_has_work(e.queue) == false);
		ck_assert(is_mapped(hva));
		memset(hva, 1, 8);
		if (give_back)
			virtq_unpop(e.queue);
		else
			virtq_push(e.queue, 1, 8);
		ck_assert(!is_mapped(hva));
	}
	echo_finish(&e);
}
END_TEST

START_TEST(test_iov_copies_at_an_offset)
{
	char a[4] = "abc", b[4] = "def", out[8] = "";
	struct iovec v[] = { { a, 3 }, { NULL, 0 }, { b, 3 } };

	ck_assert_uint_eq(iov_to_buf(v, 3, 2, out, 3), 3);
	ck_assert_str_eq(out, "cde");
	ck_assert_uint_eq(iov_to_buf(v, 3, 5, out, 8), 1);
	ck_assert_uint_eq(iov_to_buf(v, 3, 6, out, 8), 0);
	ck_assert_uint_eq(iov_from_buf(v, 3, 1, "12345678", 8), 5);
	ck_assert_str_eq(a, "a12");
	ck_assert_str_eq(b, "345");
}
END_TEST

/* Whether the page is dirty; it is clean afterwards. */
static bool was_written(gpa_t gpa)
{
	const struct mem_region *region = mem_map_at(mem_map(vm_mem(e.pci.vm)), 0);
	uint64_t bitmap[1024] = { 0 }, page = gpa / GUEST_PAGE_SIZE;

	ck_assert_uint_le(mem_dirty_words(region), ARRAY_SIZE(bitmap));
	ck_assert_int_eq(mem_dirty_collect(vm_mem(e.pci.vm), region, bitmap), 0);
	bitmap[page / 64] &= 1ULL << page % 64;
	ck_assert_int_eq(mem_dirty_clear(vm_mem(e.pci.vm), region, align_down(page, 64), 64,
					 bitmap),
			 0);
	return bitmap[page / 64];
}

static void track(void)
{
	const struct mem_region *region = mem_map_at(mem_map(vm_mem(e.pci.vm)), 0);
	uint64_t all[1024];

	memset(all, 0xff, sizeof(all));
	ck_assert_int_eq(mem_dirty_start(vm_mem(e.pci.vm)), 0);
	ck_assert_int_eq(mem_dirty_clear(vm_mem(e.pci.vm), region, 0,
					 region->size / GUEST_PAGE_SIZE, all),
			 0);
}

START_TEST(test_writable_buffers_are_dirty_when_the_chain_is_returned)
{
	setup(INDIRECT);
	desc(0, BUFFER_AT, 16, VIRTQ_DESC_F_NEXT, 1);
	desc(1, BUFFER_AT + 0x1000, 16, VIRTQ_DESC_F_NEXT | VIRTQ_DESC_F_WRITE, 2);
	desc(2, BUFFER_AT + 0x3ff0, 0x20, VIRTQ_DESC_F_WRITE, 0);
	indirect(0, BUFFER_AT + 0x6000, 1, VIRTQ_DESC_F_WRITE, 0);
	desc(3, INDIRECT_AT, 16, VIRTQ_DESC_F_INDIRECT, 0);
	offer(&e.driver, 0, 0);
	offer(&e.driver, 0, 3);
	ck_assert_int_eq(virtq_pop(e.queue, iov, &chain), 1);
	ck_assert_int_eq(virtq_pop(e.queue, iov, &chain), 1);
	track();
	ck_assert(!was_written(BUFFER_AT + 0x1000));
	virtq_push(e.queue, 0, 0x30);
	ck_assert(!was_written(BUFFER_AT));
	ck_assert(was_written(BUFFER_AT + 0x1000));
	ck_assert(!was_written(BUFFER_AT + 0x2000));
	ck_assert(was_written(BUFFER_AT + 0x3000));
	ck_assert(was_written(BUFFER_AT + 0x4000));
	ck_assert(!was_written(BUFFER_AT + 0x6000));
	virtq_push(e.queue, 3, 1);
	ck_assert(was_written(BUFFER_AT + 0x6000));
	ck_assert(!was_written(BUFFER_AT + 0x1000));
	echo_finish(&e);
}
END_TEST

/* A ring that begins 8 bytes before a page does: the index lies in one page, the second element in the next. */
START_TEST(test_used_ring_is_dirty_where_it_was_written)
{
	const gpa_t used = USED_AT(0) + 0x1000 - 8;

	echo_init(&e);
	e.lazy = true;
	accept_features(&e.driver, V1);
	common_write(&e.driver, COMMON(queue_size), RING_SIZE, 2);
	common_write(&e.driver, COMMON(queue_desc), DESC_AT(0), 8);
	common_write(&e.driver, COMMON(queue_driver), AVAIL_AT(0), 8);
	common_write(&e.driver, COMMON(queue_device), used, 8);
	common_write(&e.driver, COMMON(queue_enable), 1, 2);
	set_status(&e.driver, ALL_OK);
	TURN_UNTIL(e.pci.vm, e.starts > 0);
	for (uint16_t i = 0; i < 2; i++) {
		desc(i, BUFFER_AT, 16, 0, 0);
		offer(&e.driver, 0, i);
		ck_assert_int_eq(virtq_pop(e.queue, iov, &chain), 1);
	}
	virtq_push(e.queue, 0, 0);
	track();
	virtq_push(e.queue, 1, 0); /* the second element lies in the second page */
	ck_assert(was_written(used));
	ck_assert(was_written(used + 8));
	virtq_set_notify(e.queue, false);
	ck_assert(was_written(used));
	virtq_set_notify(e.queue, true);
	ck_assert(was_written(used));
	ck_assert(!was_written(used + 8));
	echo_finish(&e);
}
END_TEST

START_TEST(test_event_of_an_empty_queue_is_dirty)
{
	setup(EVENT_IDX);
	desc(0, BUFFER_AT, 16, 0, 0);
	offer(&e.driver, 0, 0);
	ck_assert_int_eq(virtq_pop(e.queue, iov, &chain), 1);
	track();
	ck_assert_int_eq(virtq_pop(e.queue, iov, &chain), 0);
	ck_assert(was_written(USED_AT(0)));
	virtq_set_notify(e.queue, true);
	ck_assert(was_written(USED_AT(0)));
	echo_finish(&e);
}
END_TEST

CHECK_MAIN("virtqueue", test_writable_buffers_are_dirty_when_the_chain_is_returned,
	   test_used_ring_is_dirty_where_it_was_written, test_event_of_an_empty_queue_is_dirty,
	   test_chain_is_split_into_readable_and_writable, test_ring_wraps,
	   test_unpop_gives_the_chain_again, test_zero_length_buffer_is_no_buffer,
	   test_zero_length_readable_after_writable_changes_nothing,
	   test_indirect_table_may_end_a_chain, test_indirect_chain_may_be_longer_than_the_ring,
	   test_buffer_across_regions_becomes_two, test_loop_of_descriptors_breaks,
	   test_loop_of_empty_indirect_descriptors_breaks, test_too_many_buffers_break,
	   test_chain_of_more_than_4_gib_breaks, test_indirect_inside_indirect_breaks,
	   test_indirect_without_the_feature_breaks, test_indirect_and_chained_breaks,
	   test_indirect_table_of_an_odd_length_breaks, test_empty_indirect_table_breaks,
	   test_indirect_table_outside_memory_breaks, test_indirect_next_outside_its_table_breaks,
	   test_next_outside_the_table_breaks, test_buffer_outside_memory_breaks,
	   test_buffer_that_wraps_breaks, test_writable_buffer_in_read_only_memory_breaks,
	   test_readable_after_writable_breaks, test_head_outside_the_table_breaks,
	   test_index_that_jumps_breaks, test_index_that_goes_back_breaks,
	   test_rings_that_lost_their_memory_break, test_endless_work_is_done_in_bursts,
	   test_interrupt_follows_the_flag, test_interrupt_follows_the_event,
	   test_queue_without_a_vector_sets_isr, test_notifications_are_switched_by_the_flag,
	   test_event_asks_for_the_next_chain_when_empty, test_head_that_the_device_has_breaks_the_device,
	   test_chain_keeps_its_addresses_though_the_memory_goes, test_iov_copies_at_an_offset)
