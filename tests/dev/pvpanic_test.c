/* SPDX-License-Identifier: Apache-2.0 */
/* The guest's last words. */
#include "check_main.h"
#include "dev/fake_vm.h"

#include "dev/pvpanic.h"

#define PORT	0x505
#define ADDRESS 0x9050000

static struct vm vm;
static struct pvpanic *pvpanic;

static void setup(struct vm *to, struct pvpanic **ret_pvpanic)
{
	fake_vm_init(to);
	ck_assert_int_eq(pvpanic_create(to, &(struct pvpanic_options){ .port = PORT }, ret_pvpanic), 0);
	ck_assert_int_eq(pvpanic_add_bank(*ret_pvpanic, &to->regs), 0);
}

static void teardown(struct vm *of, struct pvpanic *its)
{
	pvpanic_destroy(its);
	fake_vm_finish(of);
}

START_TEST(test_panic_ends_the_vm_and_other_events_do_not)
{
	setup(&vm, &pvpanic);
	ck_assert_uint_eq(inb(&vm, PORT), 3);
	outb(&vm, PORT, 0xfe);
	ck_assert_int_eq(vm.ended, VM_END_NONE);
	outb(&vm, PORT, 1);
	ck_assert_int_eq(vm.ended, VM_END_PANIC);
	teardown(&vm, pvpanic);
}
END_TEST

START_TEST(test_it_may_be_at_an_address)
{
	const struct pvpanic_options options = { .address = ADDRESS };

	fake_vm_init(&vm);
	ck_assert_int_eq(pvpanic_create(&vm, &options, &pvpanic), 0);
	ck_assert_uint_eq(readl(&vm, ADDRESS) & 0xff, 3);
	writel(&vm, ADDRESS + 1, 1);
	ck_assert_int_eq(vm.ended, VM_END_NONE);
	writel(&vm, ADDRESS, 1);
	ck_assert_int_eq(vm.ended, VM_END_PANIC);
	teardown(&vm, pvpanic);
}
END_TEST

START_TEST(test_offered_events_are_a_register)
{
	static struct vm other_vm;
	struct pvpanic *other;
	struct reg_key events = { REG_VM, REG_ID(REG_BANK_PVPANIC, 0, 0, PORT) };

	setup(&vm, &pvpanic);
	setup(&other_vm, &other);
	ck_assert_int_eq(reg_file_set(&vm.regs, events, "\x02"), 0);
	fake_check_bank(&vm.regs, &other_vm.regs);
	ck_assert_uint_eq(inb(&other_vm, PORT), 2);
	outb(&other_vm, PORT, 1); /* was never promised */
	ck_assert_int_eq(other_vm.ended, VM_END_NONE);
	ck_assert_int_eq(reg_file_set(&vm.regs, events, "\x04"), -EINVAL);
	teardown(&vm, pvpanic);
	teardown(&other_vm, other);
}
END_TEST

CHECK_MAIN("pvpanic", test_panic_ends_the_vm_and_other_events_do_not,
	   test_it_may_be_at_an_address, test_offered_events_are_a_register)
