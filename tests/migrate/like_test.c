/* SPDX-License-Identifier: Apache-2.0 */
/* A machine that promises its guest what another one has promised. */
#include "check_main.h"

#include "migrate/fake_regs.h"
#include "migrate/snapshot.h"

static struct fake_regs there, here;
static struct snapshot snapshot;
static struct verdict verdict;

static struct fake_reg *promise_of(struct fake_regs *regs, uint32_t vcpu)
{
	return fake_find(regs, (struct reg_key){ vcpu, FAKE_VCPU_ID(3, 0) });
}

static void setup(void)
{
	ck_assert_int_eq(fake_regs_init(&there), 0);
	ck_assert_int_eq(fake_regs_init(&here), 0);
	fake_regs_fill(&there, 1);
	fake_regs_fill(&here, 2);
	promise_of(&here, 0)->flags = promise_of(&here, 1)->flags = REG_PROMISE;
	snapshot = (struct snapshot){ .memory_fd = -1 };
	verdict = (struct verdict){ 0 };
}

static int promise(void)
{
	uint64_t count;

	ck_assert_int_eq(state_save(&there.file, &snapshot.state, &count), 0);
	return snapshot_promise(&snapshot, &here.file, &verdict);
}

static void teardown(void)
{
	snapshot_finish(&snapshot);
	verdict_finish(&verdict);
	fake_regs_finish(&there);
	fake_regs_finish(&here);
}

START_TEST(test_every_vcpu_promises_what_the_first_one_there_does)
{
	static struct fake_regs before;
	uint64_t value;

	setup();
	before = here;
	memcpy(&value, promise_of(&there, 0)->value, sizeof(value));
	ck_assert_int_eq(promise(), 0);
	for (uint32_t vcpu = 0; vcpu < FAKE_VCPUS; vcpu++) {
		ck_assert(memcmp(promise_of(&here, vcpu)->value, &value, sizeof(value)) == 0);
		memcpy(promise_of(&before, vcpu)->value, &value, sizeof(value));
	}
	ck_assert(fake_regs_are_same(&before, &here));
	teardown();
}
END_TEST

START_TEST(test_what_is_unknown_there_is_zero)
{
	const uint64_t zero = 0;

	setup();
	promise_of(&there, 0)->is_gone = true;
	here.regs[3].flags = REG_PROMISE;
	ck_assert_int_eq(promise(), 0);
	ck_assert(memcmp(promise_of(&here, 0)->value, &zero, sizeof(zero)) == 0);
	ck_assert(memcmp(here.regs[3].value, there.regs[3].value, sizeof(zero)) == 0);
	teardown();
}
END_TEST

START_TEST(test_what_cannot_be_promised_here_is_named)
{
	const uint64_t refused = FAKE_REFUSED;

	setup();
	memcpy(promise_of(&there, 0)->value, &refused, sizeof(refused));
	ck_assert_int_eq(promise(), -EREMOTE);
	ck_assert_uint_eq(verdict.refusals, FAKE_VCPUS);
	ck_assert_ptr_nonnull(strstr(verdict_text(&verdict), "core.r3.0: 0xbad is no value"));
	teardown();
}
END_TEST

START_TEST(test_snapshot_without_promises_is_refused)
{
	setup();
	promise_of(&here, 0)->flags = promise_of(&here, 1)->flags = 0;
	ck_assert_int_eq(promise(), -EINVAL);
	teardown();
}
END_TEST

CHECK_MAIN("like", test_every_vcpu_promises_what_the_first_one_there_does,
	   test_what_is_unknown_there_is_zero, test_what_cannot_be_promised_here_is_named,
	   test_snapshot_without_promises_is_refused)
