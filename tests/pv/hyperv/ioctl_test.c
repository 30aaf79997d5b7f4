/* SPDX-License-Identifier: Apache-2.0 */
/* KVM_HYPERV_SET_TLB_FLUSH_INHIBIT itself, where this KVM has it: tools/lab --kernel inhibit. */
#include "machine/machine_for_test.h"

#include "kvm/kvm_x86.h"
#include "vm/vm.h"

static struct test_machine t;

static int set(unsigned flags, unsigned inhibit, unsigned reserved)
{
	struct kvm_hyperv_tlb_flush_inhibit arg = {
		.flags = (uint16_t)flags,
		.inhibit = (uint8_t)inhibit,
		.reserved = { [4] = (uint8_t)reserved },
	};

	return kvm_hyperv_set_tlb_flush_inhibit(t.vm->vcpus[0].fd, &arg);
}

static void check(void)
{
	ck_assert_int_eq(set(0, 0, 0), 0);
	ck_assert_int_eq(set(1, 0, 0), -EINVAL);
	ck_assert_int_eq(set(0, 2, 0), -EINVAL);
	ck_assert_int_eq(set(0, 1, 1), -EINVAL);
	ck_assert_int_eq(set(0, 1, 0), 0);
	ck_assert_int_eq(set(0, 1, 0), 0);
	ck_assert_int_eq(set(0x8000, 1, 0), -EINVAL);
	ck_assert_int_eq(set(0, 0, 0), 0);
}

/* A vCPU that is no Hyper-V guest's has no state for it at first. */
START_TEST(test_what_is_wrong_is_refused)
{
	test_machine_create(&t, "basic/hello", "", 1);
	check();
	test_machine_run(&t, NULL, true);
	test_machine_finish(&t);
}
END_TEST

CHECK_SUITE("ioctl", test_what_is_wrong_is_refused)

int main(void)
{
	struct kvm_hyperv_tlb_flush_inhibit none = { 0 };
	int kvm = open("/dev/kvm", O_RDWR);
	int vm = kvm < 0 ? -1 : kvm_create_vm(kvm, 0);
	int vcpu = vm < 0 ? -1 : kvm_create_vcpu(vm, 0);
	bool has = vcpu >= 0 && kvm_hyperv_set_tlb_flush_inhibit(vcpu, &none) == 0;

	close(vcpu);
	close(vm);
	close(kvm);
	if (!has) {
		puts("skipped: /dev/kvm has no inhibit of TLB flushes here");
		return 77;
	}
	return run_suite();
}
