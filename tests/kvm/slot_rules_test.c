/* SPDX-License-Identifier: Apache-2.0 */
/* What KVM refuses of a memory slot, and what it takes: the rules that src/mem is built upon. */
#include "kvm/kvm.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/util.h"
#include "check_main.h"
#include "need_kvm.h"

#define PAGE 4096UL

static int kvm_fd, vm_fd;
static uintptr_t pages; /* sixteen */

static void setup(void)
{
	void *at = mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ck_assert_ptr_ne(at, MAP_FAILED);
	pages = (uintptr_t)at;
	kvm_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	vm_fd = kvm_create_vm(kvm_fd, 0);
	ck_assert_int_ge(vm_fd, 0);
}

static void teardown(void)
{
	close(vm_fd);
	close(kvm_fd);
	munmap((void *)pages, 16 * PAGE);
}

static int set(uint32_t slot, uint32_t flags, uint64_t gpa, uint64_t size, uint64_t hva)
{
	struct kvm_userspace_memory_region region = {
		.slot = slot,
		.flags = flags,
		.guest_phys_addr = gpa,
		.memory_size = size,
		.userspace_addr = hva,
	};

	return kvm_set_user_memory_region(vm_fd, &region);
}

START_TEST(test_a_slot_moves_is_logged_and_goes)
{
	setup();
	ck_assert_int_eq(set(1, 0, 0, 4 * PAGE, pages), 0);
	ck_assert_int_eq(set(1, 0, 0, 4 * PAGE, pages), 0);
	ck_assert_int_eq(set(1, 0, 8 * PAGE, 4 * PAGE, pages), 0);
	ck_assert_int_eq(set(1, KVM_MEM_LOG_DIRTY_PAGES, 8 * PAGE, 4 * PAGE, pages), 0);
	ck_assert_int_eq(set(1, 0, 8 * PAGE, 4 * PAGE, pages), 0);
	ck_assert_int_eq(set(1, 0, 8 * PAGE, 0, 0), 0);
	ck_assert_int_eq(set(1, 0, 8 * PAGE, 0, 0), -EINVAL);
	teardown();
}
END_TEST

/* step.c makes a slot anew for it. */
START_TEST(test_a_slot_keeps_its_size_its_pages_and_whether_it_is_read_only)
{
	setup();
	ck_assert_int_eq(set(1, 0, 0, 4 * PAGE, pages), 0);
	ck_assert_int_eq(set(1, 0, 0, 2 * PAGE, pages), -EINVAL);
	ck_assert_int_eq(set(1, 0, 0, 4 * PAGE, pages + PAGE), -EINVAL);
	if (kvm_check_extension(vm_fd, KVM_CAP_READONLY_MEM) > 0)
		ck_assert_int_eq(set(1, KVM_MEM_READONLY, 0, 4 * PAGE, pages), -EINVAL);
	teardown();
}
END_TEST

START_TEST(test_slots_do_not_overlap_and_are_so_many)
{
	int count;

	setup();
	count = kvm_check_extension(vm_fd, KVM_CAP_NR_MEMSLOTS);
	ck_assert_int_eq(set(1, 0, 0, 4 * PAGE, pages), 0);
	ck_assert_int_eq(set(2, 0, 3 * PAGE, PAGE, pages + 8 * PAGE), -EEXIST);
	ck_assert_int_eq(set(2, 0, 4 * PAGE, PAGE, pages), 0);
	ck_assert_int_eq(set(2, 0, 3 * PAGE, PAGE, pages), -EEXIST);
	ck_assert_int_eq(set((uint32_t)count - 1, 0, 64 * PAGE, PAGE, pages), 0);
	ck_assert_int_eq(set((uint32_t)count, 0, 65 * PAGE, PAGE, pages), -EINVAL);
	teardown();
}
END_TEST

START_TEST(test_unknown_flags_and_partial_pages_are_refused)
{
	setup();
	for (unsigned bit = 3; bit < 32; bit++)
		ck_assert_int_eq(set(1, 1U << bit, 0, PAGE, pages), -EINVAL);
	ck_assert_int_eq(set(1, 0, 0, PAGE / 2, pages), -EINVAL);
	ck_assert_int_eq(set(1, 0, PAGE / 2, PAGE, pages), -EINVAL);
	ck_assert_int_eq(set(1, 0, 0, PAGE, pages + 1), -EINVAL);
	ck_assert_int_eq(set(1, 0, UINT64_MAX - PAGE + 1, 2 * PAGE, pages), -EINVAL);
	teardown();
}
END_TEST

CHECK_MAIN("KVM's rules for slots", test_a_slot_moves_is_logged_and_goes,
	   test_a_slot_keeps_its_size_its_pages_and_whether_it_is_read_only,
	   test_slots_do_not_overlap_and_are_so_many,
	   test_unknown_flags_and_partial_pages_are_refused)
