/* SPDX-License-Identifier: Apache-2.0 */
/* What is done to a vCPU is done while it is outside KVM_RUN, by its thread or for it. */
#include "machine/machine_for_test.h"

#include "vm/vcpu_call.h"
#include "vm/vm.h"

static struct test_machine t;

/* Which vCPU's thread it is that does it. */
static int whose(void *arg, struct vcpu *vcpu)
{
	ck_assert_ptr_eq(arg, &t);
	ck_assert(!vcpu_current() || vcpu_current() == vcpu);
	return vcpu_current() ? 1 + (int)vcpu->index : -1;
}

START_TEST(test_a_running_vcpu_does_it_itself)
{
	test_machine_create(&t, "basic/state", "", 2);
	test_machine_run(&t, "ready", true);
	ck_assert_int_eq(vcpu_call(&t.vm->vcpus[0], whose, &t), 1);
	/* This one waits in KVM for its INIT. */
	ck_assert_int_eq(vcpu_call(&t.vm->vcpus[1], whose, &t), 2);
	test_machine_finish(&t);
}
END_TEST

START_TEST(test_for_one_that_stands_still_the_caller_does_it)
{
	test_machine_create(&t, "basic/state", "", 2);
	ck_assert_int_eq(vcpu_call(&t.vm->vcpus[1], whose, &t), -1);
	test_machine_run(&t, "ready", true);
	vm_pause(t.vm);
	ck_assert_int_eq(vcpu_call(&t.vm->vcpus[0], whose, &t), -1);
	vm_resume(t.vm);
	/* It may still be on its way out of the pause. */
	ck_assert_int_ne(vcpu_call(&t.vm->vcpus[0], whose, &t), 0);
	vm_stop(t.vm);
	ck_assert_int_eq(vcpu_call(&t.vm->vcpus[0], whose, &t), -1);
	test_machine_finish(&t);
}
END_TEST

/* Each of the two calls the other, from its own thread, and both wait. */
static int call_back(void *arg, struct vcpu *vcpu)
{
	return vcpu_call(&vcpu->vm->vcpus[1 - vcpu->index], whose, arg);
}

static void *call_second(void *arg)
{
	*(int *)arg = vcpu_call(&t.vm->vcpus[1], call_back, &t);
	return NULL;
}

START_TEST(test_two_that_call_each_other_both_return)
{
	pthread_t thread;
	int second = 0;

	test_machine_create(&t, "basic/state", "", 2);
	test_machine_run(&t, "ready", true);
	for (int i = 0; i < 100; i++) {
		ck_assert_int_eq(pthread_create(&thread, NULL, call_second, &second), 0);
		ck_assert_int_eq(vcpu_call(&t.vm->vcpus[0], call_back, &t), 2);
		pthread_join(thread, NULL);
		ck_assert_int_eq(second, 1);
	}
	test_machine_finish(&t);
}
END_TEST

CHECK_MAIN_KVM("vcpu call", test_a_running_vcpu_does_it_itself,
	       test_for_one_that_stands_still_the_caller_does_it,
	       test_two_that_call_each_other_both_return)
