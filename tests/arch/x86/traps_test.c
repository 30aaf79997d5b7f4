/* SPDX-License-Identifier: Apache-2.0 */
/* What a guest's CPU asks of user space reaches who registered for it, and the answer the guest. */
#include "machine/machine_for_test.h"

#include "ident.h"
#include "kvm/kvm_x86.h"
#include "traps.h"
#include "vm/vm.h"

#define MSR_TEST  0x40000200
#define CALL_PORT 0x5a
#define LEAF	  0x40000000

static struct test_machine t;
static uint64_t msr;

static int read_msr(void *self, struct vcpu *vcpu, uint32_t index, uint64_t *ret_value)
{
	ck_assert_ptr_eq(self, &t);
	ck_assert_ptr_eq(vcpu, vcpu_current());
	if (index != MSR_TEST)
		return -EINVAL;
	*ret_value = ~msr;
	return 0;
}

static int write_msr(void *self, struct vcpu *vcpu, uint32_t index, uint64_t value)
{
	ck_assert_ptr_eq(self, &t);
	ck_assert_ptr_eq(vcpu, vcpu_current());
	if (index != MSR_TEST)
		return -EINVAL;
	msr = value;
	return 0;
}

/* As a register: by who reads and writes registers. */
static int read_msr_outside(void *self, struct vcpu *vcpu, uint32_t index, uint64_t *ret_value)
{
	ck_assert_ptr_eq(self, &t);
	ck_assert_ptr_null(vcpu_current());
	(void)vcpu;
	*ret_value = msr;
	return index == MSR_TEST ? 0 : -ENOENT;
}

static int write_msr_outside(void *self, struct vcpu *vcpu, uint32_t index, uint64_t value)
{
	ck_assert_ptr_eq(self, &t);
	(void)vcpu;
	msr = value;
	return index == MSR_TEST ? 0 : -ENOENT;
}

static const uint32_t registers[] = { MSR_TEST };
static const struct x86_msr_trap trap = {
	.first = MSR_TEST,
	.count = 4,
	.read = read_msr,
	.write = write_msr,
	.get = read_msr_outside,
	.set = write_msr_outside,
	.registers = registers,
	.register_count = ARRAY_SIZE(registers),
};

static void call(void *self, struct vcpu *vcpu)
{
	struct kvm_regs regs;

	ck_assert_ptr_eq(self, &t);
	ck_assert_int_eq(kvm_get_regs(vcpu->fd, &regs), 0);
	regs.rax += regs.rdi;
	ck_assert_int_eq(kvm_set_regs(vcpu->fd, &regs), 0);
}

static void create(const char *cmdline)
{
	static const struct kvm_cpuid_entry2 leaf = { .function = LEAF, .ebx = 0xfe44 };

	test_machine_create(&t, "basic/traps", cmdline, 1);
	if (!t.vm->caps.x86_msr_filter) {
		puts("skipped: this KVM has no MSR filter");
		fflush(stdout);
		_exit(77);
	}
	ck_assert_int_eq(x86_msr_trap_add(t.vm, &trap, &t), 0);
	ck_assert_int_eq(x86_hypercall_port_add(t.vm, CALL_PORT, call, &t), 0);
	ck_assert_int_eq(x86_cpuid_replace(&t.vm->vcpus[0], LEAF, LEAF + 0xff, &leaf, 1), 0);
}

START_TEST(test_msrs_hypercalls_and_leaves_are_answered_by_who_registered)
{
	create("");
	test_machine_run(&t, NULL, true);
	ck_assert_int_eq(vm_ended(t.vm), VM_END_POWEROFF);
	ck_assert_uint_eq(msr, 0x123456789abcdef0);
	ck_assert_msg(strstr(t.console, "msr 0xedcba9876543210f\n") != NULL, "%s", t.console);
	ck_assert_ptr_nonnull(strstr(t.console, "call 0x0000000000001118\n"));
	ck_assert_ptr_nonnull(strstr(t.console, "call 0x000000000000222a\n"));
	ck_assert_ptr_nonnull(strstr(t.console, "leaf 0x000000000000fe44\n"));
	test_machine_finish(&t);
}
END_TEST

/* The guest has no handler: it falls. */
START_TEST(test_an_msr_that_is_refused_is_a_fault)
{
	create("fault=1");
	test_machine_run(&t, NULL, true);
	ck_assert_int_eq(vm_ended(t.vm), VM_END_RESET);
	ck_assert_ptr_null(strstr(t.console, "msr"));
	test_machine_finish(&t);
}
END_TEST

START_TEST(test_nothing_has_two_owners)
{
	static const struct x86_msr_trap last = {
		.first = MSR_TEST + 3, .count = 1, .read = read_msr, .write = write_msr,
	};
	static const struct x86_msr_trap behind = {
		.first = MSR_TEST + 4, .count = 1, .read = read_msr, .write = write_msr,
	};

	create("");
	ck_assert_int_eq(x86_msr_trap_add(t.vm, &last, &t), -EEXIST);
	ck_assert_int_eq(x86_msr_trap_add(t.vm, &behind, &t), 0);
	ck_assert_int_eq(x86_hypercall_port_add(t.vm, CALL_PORT, call, &t), -EEXIST);
	ck_assert_int_eq(x86_hypercall_port_add(t.vm, 0x3f8, call, &t), -EEXIST);
	ck_assert_int_eq(x86_exit_trap_add(t.vm, KVM_EXIT_XEN, call, &t), 0);
	ck_assert_int_eq(x86_exit_trap_add(t.vm, KVM_EXIT_XEN, call, &t), -EEXIST);
	test_machine_finish(&t);
}
END_TEST

/* The guest has written it; then it is read and written as any other, and others there are none. */
START_TEST(test_a_trapped_msr_is_a_register)
{
	const uint64_t id = 0x2030000200000000ULL | MSR_TEST;
	const struct reg_key key = { 0, id }, none = { 0, id + 1 };
	uint64_t value = 0, wanted = 0x77;

	create("");
	test_machine_run(&t, NULL, true);
	vm_stop(t.vm);
	ck_assert_uint_eq(test_register(&t, "msr.0x40000200"), 0x123456789abcdef0);
	ck_assert_int_eq(reg_file_get(vm_regs(t.vm), key, &value), 0);
	ck_assert_uint_eq(value, 0x123456789abcdef0);
	ck_assert_int_eq(reg_file_set(vm_regs(t.vm), key, &wanted), 0);
	ck_assert_uint_eq(msr, 0x77);
	ck_assert_int_eq(reg_file_get(vm_regs(t.vm), none, &value), -ENOENT);
	test_machine_finish(&t);
}
END_TEST

CHECK_MAIN_KVM("traps", test_msrs_hypercalls_and_leaves_are_answered_by_who_registered,
	       test_an_msr_that_is_refused_is_a_fault, test_nothing_has_two_owners,
	       test_a_trapped_msr_is_a_register)
