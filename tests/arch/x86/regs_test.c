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

#define MANY 4096

/* The whole machine's, in one go, into room. */
static size_t read_all(struct reg_list *list, struct reg_value *all, uint8_t *room)
{
	size_t size = 0, done;

	ck_assert_int_eq(reg_file_list(vm_regs(t.vm), list), 0);
	ck_assert_uint_lt(list->count, MANY);
	for (size_t i = 0; i < list->count; i++) {
		all[i] = (struct reg_value){ list->entries[i].key, room + size };
		size += (reg_size(all[i].key.id) + 15) & ~(size_t)15;
	}
	ck_assert_int_eq(reg_file_get_many(vm_regs(t.vm), all, list->count, &done), 0);
	ck_assert_uint_eq(done, list->count);
	return size;
}

START_TEST(test_registers_read_and_written_many_at_once_are_those_of_one_by_one)
{
	static struct reg_value all[MANY];
	static uint8_t room[1 << 20], one[REG_SIZE_MAX];
	struct reg_list list = { 0 };
	struct reg_key rdx = { 0, REG_ID(REG_BANK_VCPU, 1, 3, 1) };
	size_t done;

	test_machine_create(&t, "basic/state", "", 2);
	test_machine_run(&t, "ready", true);
	vm_pause(t.vm);
	ck_assert_uint_le(read_all(&list, all, room), sizeof(room));
	for (size_t i = 0; i < list.count; i++) {
		if (all[i].key.id == rdx.id && !all[i].key.vcpu)
			memcpy(all[i].value, &(uint64_t){ 0x1122334455667788 }, 8);
		if (REG_ID_BANK(all[i].key.id) == REG_BANK_CPUID)
			list.entries[i].flags |= REG_TIME; /* fixed since the VM ran */
	}
	for (size_t i = 0, n; i < list.count; i += n) {
		n = 1;
		if (list.entries[i].flags)
			continue;
		while (i + n < list.count && !list.entries[i + n].flags)
			n++;
		ck_assert_int_eq(reg_file_set_many(vm_regs(t.vm), &all[i], n, &done), 0);
		ck_assert_uint_eq(done, n);
	}
	for (size_t i = 0; i < list.count; i++) {
		ck_assert_int_eq(reg_file_get(vm_regs(t.vm), all[i].key, one), 0);
		if (!list.entries[i].flags)
			ck_assert_mem_eq(one, all[i].value, reg_size(all[i].key.id));
	}
	ck_assert_int_eq(reg_file_get(vm_regs(t.vm), rdx, one), 0);
	ck_assert_mem_eq(one, &(uint64_t){ 0x1122334455667788 }, 8);
	reg_list_finish(&list);
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
	       test_registers_read_and_written_many_at_once_are_those_of_one_by_one,
	       test_value_that_cpuid_forbids_is_refused_by_name,
	       test_feature_that_the_host_lacks_is_refused_by_name)
