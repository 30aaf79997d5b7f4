/* SPDX-License-Identifier: Apache-2.0 */
/* x86 registers: what a pause remembers is what KVM would have said. */
#include "machine/machine_for_test.h"

#include "kvm/kvm_x86.h"
#include "vm/vm.h"

static struct test_machine t;

START_TEST(test_general_registers_are_read_once_in_a_pause)
{
	struct kvm_regs fetched;
	struct vcpu *vcpu;

	test_machine_create(&t, "basic/state", "", 1);
	test_machine_run(&t, "ready", true);
	vm_pause(t.vm);
	vcpu = &t.vm->vcpus[0];
	ck_assert_int_eq(kvm_get_regs(vcpu->fd, &fetched), 0);
	ck_assert_uint_eq(test_register(&t, "vcpu.rdx"), fetched.rdx);
	ck_assert_uint_eq(test_register(&t, "vcpu.rip"), fetched.rip);
	ck_assert(vcpu->arch.gprs_read);
	vm_resume(t.vm);
	test_machine_finish(&t);
}
END_TEST

START_TEST(test_written_register_is_read_anew)
{
	struct reg_key rdx = { 0, REG_ID(REG_BANK_VCPU, 1, 3, 1) };
	uint64_t value = 0x1122334455667788;

	test_machine_create(&t, "basic/state", "", 1);
	test_machine_run(&t, "ready", true);
	vm_pause(t.vm);
	ck_assert_int_eq(reg_file_set(vm_regs(t.vm), rdx, &value), 0);
	ck_assert_uint_eq(test_register(&t, "vcpu.rdx"), value);
	test_machine_finish(&t);
}
END_TEST

START_TEST(test_value_that_cpuid_forbids_is_refused_by_name)
{
	struct reg_key key = { 0, 0 };
	struct reg_list list = { 0 };
	uint8_t value[REG_SIZE_MAX];
	char name[64];

	test_machine_create(&t, "basic/state", "", 1);
	ck_assert_int_eq(reg_file_list(vm_regs(t.vm), &list), 0);
	for (size_t i = 0; i < list.count; i++) {
		reg_file_name(vm_regs(t.vm), list.entries[i].key, name, sizeof(name));
		if (strcmp(name, "cpu.xcrs") == 0)
			key = list.entries[i].key;
	}
	reg_list_finish(&list);
	memset(value, 0xff, sizeof(value));
	ck_assert_int_lt(reg_file_set(vm_regs(t.vm), key, value), 0);
	ck_assert_ptr_nonnull(strstr(error_text(-EINVAL), "xcrs"));
	test_machine_finish(&t);
}
END_TEST

/* 7.0, ebx bit 27: of the Xeon Phi, and of no other CPU. */
START_TEST(test_feature_that_the_host_lacks_is_refused_by_name)
{
	struct reg_key key = { 0, REG_ID(REG_BANK_CPUID, 0, 5, 7) };
	uint32_t leaf[8], before[8];

	test_machine_create(&t, "basic/state", "", 1);
	ck_assert_int_eq(reg_file_get(vm_regs(t.vm), key, leaf), 0);
	memcpy(before, leaf, sizeof(leaf));
	if (leaf[1] >> 27 & 1)
		puts("this host offers avx512er: nothing to refuse");
	leaf[1] |= 1U << 27;
	if (leaf[1] != before[1]) {
		ck_assert_int_eq(reg_file_set(vm_regs(t.vm), key, leaf), -EINVAL);
		ck_assert_str_eq(error_text(-EINVAL), "this host does not offer avx512er");
		ck_assert_int_eq(reg_file_get(vm_regs(t.vm), key, leaf), 0);
		ck_assert_mem_eq(leaf, before, sizeof(leaf));
	}
	test_machine_finish(&t);
}
END_TEST

CHECK_MAIN_KVM("regs", test_general_registers_are_read_once_in_a_pause,
	       test_written_register_is_read_anew,
	       test_value_that_cpuid_forbids_is_refused_by_name,
	       test_feature_that_the_host_lacks_is_refused_by_name)
