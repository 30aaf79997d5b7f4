/* SPDX-License-Identifier: Apache-2.0 */
/* The ioctl funnel: errno by return value, the trace, and faults on demand. */
#include "kvm/ioctl.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "check_main.h"
#include "kvm/kvm.h"

static struct {
	int before, after, result, fail;
	const char *name;
} seen;

static int before(void *self, const char *name, long arg)
{
	ck_assert_ptr_eq(self, &seen);
	(void)arg;
	seen.before++;
	seen.name = name;
	return seen.fail;
}

static void after(void *self, const char *name, long arg, int result)
{
	(void)self;
	(void)name;
	(void)arg;
	seen.after++;
	seen.result = result;
}

static const struct kvm_hook hook = { .before = before, .after = after, .self = &seen };

START_TEST(test_failure_is_returned_as_negative_errno)
{
	ck_assert_int_eq(kvm_run(-1), -EBADF);
	ck_assert_int_eq(kvm_get_api_version(-1), -EBADF);
}
END_TEST

START_TEST(test_hook_sees_the_kernels_name_and_the_result)
{
	memset(&seen, 0, sizeof(seen));
	kvm_hook_set(&hook);
	ck_assert_int_eq(kvm_run(-1), -EBADF);
	kvm_hook_set(NULL);
	ck_assert_str_eq(seen.name, "KVM_RUN");
	ck_assert_int_eq(seen.before, 1);
	ck_assert_int_eq(seen.after, 1);
	ck_assert_int_eq(seen.result, -EBADF);
	ck_assert_int_eq(kvm_run(-1), -EBADF);
	ck_assert_int_eq(seen.before, 1);
}
END_TEST

START_TEST(test_injected_fault_replaces_the_ioctl)
{
	memset(&seen, 0, sizeof(seen));
	seen.fail = -ENOMEM;
	kvm_hook_set(&hook);
	ck_assert_int_eq(kvm_create_vm(-1, 0), -ENOMEM);
	kvm_hook_set(NULL);
	ck_assert_int_eq(seen.result, -ENOMEM);
}
END_TEST

static void *other_thread(void *arg)
{
	(void)arg;
	ck_assert_ptr_null(kvm_hook_get());
	kvm_run(-1);
	return NULL;
}

START_TEST(test_hook_is_the_calling_threads_own)
{
	pthread_t thread;

	memset(&seen, 0, sizeof(seen));
	kvm_hook_set(&hook);
	pthread_create(&thread, NULL, other_thread, NULL);
	pthread_join(thread, NULL);
	kvm_hook_set(NULL);
	ck_assert_int_eq(seen.before, 0);
}
END_TEST

CHECK_MAIN("ioctl", test_failure_is_returned_as_negative_errno,
	   test_hook_sees_the_kernels_name_and_the_result, test_injected_fault_replaces_the_ioctl,
	   test_hook_is_the_calling_threads_own)
