/* SPDX-License-Identifier: Apache-2.0 */
/* The dispatcher against the reference's tables, and in random calls against an independent model (walk.h). */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "check_main.h"
#include "pv/sdei/model_for_test.h"
#include "pv/sdei/walk.h"

static unsigned pick(void *self, unsigned n)
{
	uint64_t *seed = self;

	*seed = *seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (unsigned)(*seed >> 33) % n;
}

START_TEST(test_random_calls_agree_with_an_independent_model)
{
	char failure[SDEI_WALK_TEXT];
	uint64_t seed = 1;

	ck_assert_msg(sdei_walk(40000, pick, &seed, failure), "%s", failure);
}
END_TEST

/* The numbers are the reference's 1.2: the state's bits, then what each operation makes of it. */
START_TEST(test_the_table_is_the_specifications)
{
	static const struct {
		unsigned state;
		struct {
			int result;
			unsigned next;
		} cells[SDEI_OPERATIONS];
	} rows[] = {
		{ 0, { { 0, 1 }, { -3, 0 }, { -3, 0 }, { -3, 0 }, { -3, 0 }, { -3, 0 }, { -3, 0 } } },
		{ 1, { { -3, 1 }, { 0, 3 }, { 0, 1 }, { 0, 0 }, { 0, 1 }, { -3, 1 }, { -3, 1 } } },
		{ 3, { { -3, 3 }, { 0, 3 }, { 0, 1 }, { 0, 0 }, { -3, 3 }, { -3, 3 }, { 0, 7 } } },
		{ 7, { { -3, 7 }, { 0, 7 }, { 0, 5 }, { -5, 4 }, { -3, 7 }, { 0, 3 }, { -3, 7 } } },
		{ 5, { { -3, 5 }, { 0, 7 }, { 0, 5 }, { -5, 4 }, { -3, 5 }, { 0, 1 }, { -3, 5 } } },
		{ 4, { { -3, 4 }, { -3, 4 }, { -3, 4 }, { -5, 4 }, { -3, 4 }, { 0, 0 }, { -3, 4 } } },
	};

	for (size_t r = 0; r < ARRAY_SIZE(rows); r++)
		for (unsigned o = 0; o < SDEI_OPERATIONS; o++) {
			unsigned next;

			ck_assert_int_eq(sdei_transition(rows[r].state, (enum sdei_operation)o, &next),
					 rows[r].cells[o].result);
			ck_assert_uint_eq(next, rows[r].cells[o].next);
		}
}
END_TEST

START_TEST(test_arguments_are_looked_at_in_the_order_of_the_reference)
{
	setup();
	ck_assert_int_eq(call(0, SDEI_VERSION, 0, 0, 0, 0, 0), (int64_t)(1ULL << 48));
	ck_assert_int_eq(call(0, SDEI_EVENT_REGISTER, 77, 0, 0, 0, 0), -2);
	ck_assert_int_eq(call(0, SDEI_EVENT_REGISTER, 0, 4, 0, 0, 0), 0);
	ck_assert_int_eq(call(0, SDEI_EVENT_REGISTER, 0, 4, 0, 2, 0), -2);
	ck_assert_int_eq(call(0, SDEI_EVENT_REGISTER, 0, 4, 0, 1, 0x900), -2);
	ck_assert_int_eq(call(0, SDEI_EVENT_REGISTER, 0, 4, 0, 0, 0), -3);
	ck_assert_int_eq(call(0, SDEI_EVENT_CONTEXT, 18, 0, 0, 0, 0), -2);
	ck_assert_int_eq(call(0, SDEI_EVENT_CONTEXT, 17, 0, 0, 0, 0), -3);
	ck_assert_int_eq(call(0, SDEI_EVENT_STATUS, 1ULL << 32, 0, 0, 0, 0), -2);
	ck_assert_int_eq(call(0, SDEI_EVENT_GET_INFO, 0x40000001, 2, 0, 0, 0), 1);
	ck_assert_int_eq(call(0, SDEI_EVENT_GET_INFO, 0x40000002, 3, 0, 0, 0), -3);
	ck_assert_int_eq(call(0, SDEI_INTERRUPT_BIND, 15, 0, 0, 0, 0), -2);
	ck_assert_int_eq(call(0, SDEI_INTERRUPT_BIND, 16, 0, 0, 0, 0), -10);
	ck_assert_int_eq(call(0, SDEI_INTERRUPT_BIND, 64, 0, 0, 0, 0), -2);
	ck_assert_int_eq(call(0, SDEI_EVENT_SIGNAL, 0, 0x100, 0, 0, 0), -2);
	ck_assert_int_eq(call(0, SDEI_EVENT_SIGNAL, 0, 0x9000, 0, 0, 0), -2);
	ck_assert_int_eq(call(0, SDEI_EVENT_SIGNAL, 0, 0, 0, 0, 0), 0);
	ck_assert_int_eq(call(0, 0xc400003f, 0, 0, 0, 0, 0), -1);
	ck_assert_int_eq(call(0, 0x84000020, 0, 0, 0, 0, 0), -1);
}
END_TEST

START_TEST(test_a_critical_event_preempts_a_normal_one_and_both_complete)
{
	struct sdei_context *context, done;
	uint32_t whom;

	setup();
	for (uint32_t event = 0x40000000; event <= 0x40000001; event++) {
		ck_assert_int_eq(call(1, SDEI_EVENT_REGISTER, event, 4, event, 0, 0), 0);
		ck_assert_int_eq(call(1, SDEI_EVENT_ENABLE, event, 0, 0, 0, 0), 0);
	}
	call(1, SDEI_PE_UNMASK, 0, 0, 0, 0, 0);
	ck_assert(sdei_trigger(&model, sdei_event(0x40000000), 1, &whom));
	ck_assert_uint_eq(whom, 1);
	ck_assert_ptr_null(sdei_next(&model, 0, &context));
	ck_assert_uint_eq(sdei_next(&model, 1, &context)->arg, 0x40000000);
	context->x[3] = 33;
	ck_assert(sdei_trigger(&model, sdei_event(0x40000000), 1, &whom));
	ck_assert_ptr_null(sdei_next(&model, 1, &context));
	ck_assert(sdei_trigger(&model, sdei_event(0x40000001), 1, &whom));
	ck_assert_uint_eq(sdei_next(&model, 1, &context)->arg, 0x40000001);
	context->x[3] = 44;
	ck_assert_int_eq(call(1, SDEI_EVENT_CONTEXT, 3, 0, 0, 0, 0), 44);
	ck_assert_int_eq(sdei_complete(&model, 1, true, 0, &done, &whom), -3);
	ck_assert_int_eq(sdei_complete(&model, 1, false, 0, &done, &whom), 0);
	ck_assert_uint_eq(done.x[3], 44);
	ck_assert_int_eq(call(1, SDEI_EVENT_CONTEXT, 3, 0, 0, 0, 0), 33);
	ck_assert_int_eq(sdei_complete(&model, 1, false, 0, &done, &whom), 0);
	ck_assert_uint_eq(sdei_next(&model, 1, &context)->arg, 0x40000000);
}
END_TEST

CHECK_MAIN("sdei", test_the_table_is_the_specifications,
	   test_arguments_are_looked_at_in_the_order_of_the_reference,
	   test_a_critical_event_preempts_a_normal_one_and_both_complete,
	   test_random_calls_agree_with_an_independent_model)
