/* SPDX-License-Identifier: Apache-2.0 */
/* The hypercall decoder, form by form, and all that is wrong with a call. */
#include "pv/hyperv/hcall.h"

#include <string.h>

#include "check_main.h"
#include "mem/mem.h"

#define SIZE 0x10000
#define AT   0x2000ULL

static struct mem mem;
static struct hcall call;
static struct hcall_rights rights;
static struct hcall_regs regs;
static uint64_t words[512];

static void setup(void)
{
	const struct mem_options options = { .name = "test" };

	ck_assert_int_eq(mem_init(&mem, -1, 8, &options), 0);
	ck_assert_int_eq(mem_map_ram(&mem, "ram", 0, SIZE, 0), 0);
	memset(words, 0, sizeof(words));
	memset(&regs, 0, sizeof(regs));
	rights = (struct hcall_rights){
		.features_b = HV_FEATURE_B_POST_MESSAGES,
		.features_d = HV_FEATURE_D_XMM_INPUT,
		.hints_a = HV_HINT_A_REMOTE_FLUSH | HV_HINT_A_EX_MASKS | HV_HINT_A_CLUSTER_IPI,
	};
}

static uint64_t input(unsigned code, unsigned var, unsigned reps, unsigned start)
{
	return code | (uint64_t)var << HV_CALL_VAR_SHIFT | (uint64_t)reps << HV_CALL_REPS_SHIFT |
	       (uint64_t)start << HV_CALL_START_SHIFT;
}

/* By memory at address, and its status. */
static uint32_t by_memory_at(uint64_t control, uint64_t address)
{
	ck_assert_int_eq(mem_write(&mem, AT, words, sizeof(words)), 0);
	regs.input = control;
	regs.in = address;
	return hcall_decode(&mem, &rights, &regs, &call);
}

static uint32_t by_memory(uint64_t control)
{
	return by_memory_at(control, AT);
}

/* The same words in registers. */
static uint32_t by_registers(uint64_t control)
{
	regs.input = control | HV_CALL_FAST;
	regs.in = words[0];
	regs.out = words[1];
	memcpy(regs.xmm, words + 2, sizeof(regs.xmm));
	return hcall_decode(&mem, &rights, &regs, &call);
}

static void check_both(uint64_t control, uint32_t status)
{
	ck_assert_uint_eq(by_registers(control), status);
	ck_assert_uint_eq(by_memory(control), status);
}

static void check_targets(uint32_t vp, bool is_one, uint32_t other)
{
	ck_assert_int_eq(call.kind, HCALL_FLUSH);
	ck_assert_int_eq(hcall_targets_has(&call.targets, vp), is_one);
	ck_assert(!hcall_targets_has(&call.targets, other));
}

START_TEST(test_a_mask_names_processors_below_64)
{
	setup();
	words[2] = 1ULL << 63 | 2;
	check_both(HV_CALL_FLUSH_SPACE, HV_STATUS_SUCCESS);
	check_targets(63, true, 62);
	check_targets(1, true, 64);
	check_targets(5000, false, 0);
	words[3] = 0x7000;
	check_both(input(HV_CALL_FLUSH_LIST, 0, 1, 0), HV_STATUS_SUCCESS);
	check_targets(63, true, 62);
	ck_assert_uint_eq(call.reps, 1);
	mem_finish(&mem);
}
END_TEST

START_TEST(test_no_mask_at_all_means_everybody)
{
	setup();
	check_both(HV_CALL_FLUSH_SPACE, HV_STATUS_SUCCESS);
	ck_assert(hcall_targets_has(&call.targets, 4095));
	words[1] = HV_FLUSH_ALL_PROCESSORS;
	words[2] = 1;
	check_both(HV_CALL_FLUSH_SPACE, HV_STATUS_SUCCESS);
	ck_assert(hcall_targets_has(&call.targets, 4095));
	mem_finish(&mem);
}
END_TEST

START_TEST(test_a_sparse_set_has_a_bank_for_each_bit_of_its_mask)
{
	setup();
	words[3] = 1ULL << 1 | 1ULL << 63;
	words[4] = 4;
	words[5] = 1ULL << 63;
	check_both(input(HV_CALL_FLUSH_SPACE_EX, 2, 0, 0), HV_STATUS_SUCCESS);
	check_targets(66, true, 2);
	check_targets(4095, true, 4094);
	words[6] = 0x1000;
	check_both(input(HV_CALL_FLUSH_LIST_EX, 2, 1, 0), HV_STATUS_SUCCESS);
	check_targets(66, true, 2);
	words[3] = 0;
	check_both(HV_CALL_FLUSH_SPACE_EX, HV_STATUS_SUCCESS);
	check_targets(0, false, 1);
	words[2] = HV_VP_SET_ALL;
	check_both(HV_CALL_FLUSH_SPACE_EX, HV_STATUS_SUCCESS);
	ck_assert(call.targets.all);
	mem_finish(&mem);
}
END_TEST

START_TEST(test_a_set_that_contradicts_itself_is_refused)
{
	setup();
	words[3] = 3;
	check_both(input(HV_CALL_FLUSH_SPACE_EX, 1, 0, 0), HV_STATUS_INVALID_HYPERCALL_INPUT);
	check_both(input(HV_CALL_FLUSH_SPACE_EX, 3, 0, 0), HV_STATUS_INVALID_HYPERCALL_INPUT);
	check_both(input(HV_CALL_FLUSH_SPACE_EX, 65, 0, 0), HV_STATUS_INVALID_HYPERCALL_INPUT);
	check_both(input(HV_CALL_FLUSH_SPACE_EX, 1023, 0, 0), HV_STATUS_INVALID_HYPERCALL_INPUT);
	words[2] = 2;
	check_both(input(HV_CALL_FLUSH_SPACE_EX, 2, 0, 0), HV_STATUS_INVALID_PARAMETER);
	mem_finish(&mem);
}
END_TEST

START_TEST(test_interrupts_go_to_masks_and_sets)
{
	setup();
	words[0] = 0xff;
	words[1] = 6;
	check_both(HV_CALL_SEND_IPI, HV_STATUS_SUCCESS);
	ck_assert_int_eq(call.kind, HCALL_IPI);
	ck_assert_uint_eq(call.vector, 0xff);
	ck_assert(hcall_targets_has(&call.targets, 2) && !hcall_targets_has(&call.targets, 0));
	words[1] = HV_VP_SET_SPARSE;
	words[2] = 2;
	words[3] = 8;
	check_both(input(HV_CALL_SEND_IPI_EX, 1, 0, 0), HV_STATUS_SUCCESS);
	ck_assert(hcall_targets_has(&call.targets, 67) && !hcall_targets_has(&call.targets, 3));
	mem_finish(&mem);
}
END_TEST

START_TEST(test_vectors_of_exceptions_and_other_trust_levels_are_refused)
{
	static const uint64_t wrong[] = { 0x0f, 0x100, 0x40 | 1ULL << 32, 0x40 | 1ULL << 63, 0 };

	setup();
	words[1] = 1;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		words[0] = wrong[i];
		check_both(HV_CALL_SEND_IPI, HV_STATUS_INVALID_PARAMETER);
	}
	mem_finish(&mem);
}
END_TEST

START_TEST(test_reserved_bits_and_counts_that_do_not_fit_are_refused)
{
	setup();
	for (unsigned bit = 27; bit < 64; bit++)
		if (HV_CALL_RESERVED >> bit & 1)
			check_both(HV_CALL_FLUSH_SPACE | 1ULL << bit,
				   HV_STATUS_INVALID_HYPERCALL_INPUT);
	check_both(input(HV_CALL_FLUSH_SPACE, 0, 1, 0), HV_STATUS_INVALID_HYPERCALL_INPUT);
	check_both(input(HV_CALL_FLUSH_SPACE, 0, 0, 1), HV_STATUS_INVALID_HYPERCALL_INPUT);
	check_both(input(HV_CALL_FLUSH_SPACE, 1, 0, 0), HV_STATUS_INVALID_HYPERCALL_INPUT);
	check_both(input(HV_CALL_FLUSH_LIST, 0, 0, 0), HV_STATUS_INVALID_HYPERCALL_INPUT);
	check_both(input(HV_CALL_FLUSH_LIST, 0, 2, 2), HV_STATUS_INVALID_HYPERCALL_INPUT);
	check_both(input(HV_CALL_FLUSH_LIST, 0, 2, 1), HV_STATUS_SUCCESS);
	ck_assert_uint_eq(call.reps, 2);
	check_both(input(HV_CALL_SEND_IPI, 0, 1, 0), HV_STATUS_INVALID_HYPERCALL_INPUT);
	mem_finish(&mem);
}
END_TEST

START_TEST(test_flags_that_are_none_are_refused)
{
	setup();
	words[1] = 1ULL << 4;
	check_both(HV_CALL_FLUSH_SPACE, HV_STATUS_INVALID_PARAMETER);
	words[1] = 1ULL << 63;
	check_both(HV_CALL_FLUSH_SPACE_EX, HV_STATUS_INVALID_PARAMETER);
	words[1] = HV_FLUSH_NON_GLOBAL_ONLY;
	check_both(HV_CALL_FLUSH_SPACE, HV_STATUS_SUCCESS);
	check_both(input(HV_CALL_FLUSH_LIST, 0, 1, 0), HV_STATUS_INVALID_PARAMETER);
	words[1] = HV_FLUSH_EXTENDED_RANGE_FORMAT;
	check_both(input(HV_CALL_FLUSH_LIST, 0, 1, 0), HV_STATUS_INVALID_PARAMETER);
	rights.features_d |= HV_FEATURE_D_EXTENDED_RANGES;
	check_both(input(HV_CALL_FLUSH_LIST, 0, 1, 0), HV_STATUS_SUCCESS);
	mem_finish(&mem);
}
END_TEST

START_TEST(test_parameters_lie_aligned_in_one_page_of_memory)
{
	setup();
	for (uint64_t by = 1; by < 8; by++)
		ck_assert_uint_eq(by_memory_at(HV_CALL_FLUSH_SPACE, AT + by),
				  HV_STATUS_INVALID_ALIGNMENT);
	ck_assert_uint_eq(by_memory_at(HV_CALL_FLUSH_SPACE, AT + 0x1000 - 24), HV_STATUS_SUCCESS);
	ck_assert_uint_eq(by_memory_at(HV_CALL_FLUSH_SPACE, AT + 0x1000 - 16),
			  HV_STATUS_INVALID_ALIGNMENT);
	ck_assert_uint_eq(by_memory(input(HV_CALL_FLUSH_LIST, 0, 509, 0)), HV_STATUS_SUCCESS);
	ck_assert_uint_eq(by_memory(input(HV_CALL_FLUSH_LIST, 0, 510, 0)),
			  HV_STATUS_INVALID_ALIGNMENT);
	ck_assert_uint_eq(by_memory_at(HV_CALL_FLUSH_SPACE, SIZE), HV_STATUS_INVALID_ALIGNMENT);
	ck_assert_uint_eq(by_memory_at(HV_CALL_FLUSH_SPACE, ~7ULL), HV_STATUS_INVALID_ALIGNMENT);
	mem_finish(&mem);
}
END_TEST

START_TEST(test_registers_hold_so_much_and_no_more)
{
	setup();
	ck_assert(hcall_needs_xmm(HV_CALL_FLUSH_SPACE | HV_CALL_FAST));
	ck_assert(!hcall_needs_xmm(HV_CALL_FLUSH_SPACE));
	ck_assert(!hcall_needs_xmm(HV_CALL_SEND_IPI | HV_CALL_FAST));
	ck_assert(!hcall_needs_xmm(0x7777 | HV_CALL_FAST));
	ck_assert_uint_eq(by_registers(input(HV_CALL_FLUSH_LIST, 0, 11, 0)), HV_STATUS_SUCCESS);
	ck_assert_uint_eq(by_registers(input(HV_CALL_FLUSH_LIST, 0, 12, 0)),
			  HV_STATUS_INVALID_HYPERCALL_INPUT);
	mem_finish(&mem);
}
END_TEST

START_TEST(test_what_was_not_promised_is_denied)
{
	setup();
	ck_assert_uint_eq(by_memory(0), HV_STATUS_INVALID_HYPERCALL_CODE);
	ck_assert_uint_eq(by_memory(0x8001), HV_STATUS_INVALID_HYPERCALL_CODE);
	check_both(HV_CALL_LONG_SPIN_WAIT, HV_STATUS_ACCESS_DENIED);
	check_both(HV_CALL_SIGNAL_EVENT, HV_STATUS_ACCESS_DENIED);
	rights.features_b = 0;
	ck_assert_uint_eq(by_memory(HV_CALL_POST_MESSAGE), HV_STATUS_ACCESS_DENIED);
	rights.hints_a &= ~HV_HINT_A_EX_MASKS;
	check_both(HV_CALL_FLUSH_SPACE_EX, HV_STATUS_ACCESS_DENIED);
	check_both(HV_CALL_SEND_IPI_EX, HV_STATUS_ACCESS_DENIED);
	rights.hints_a = 0;
	check_both(HV_CALL_FLUSH_SPACE, HV_STATUS_ACCESS_DENIED);
	check_both(HV_CALL_SEND_IPI, HV_STATUS_ACCESS_DENIED);
	mem_finish(&mem);
}
END_TEST

/* Message and status; the slot of a type is the upper word's lower half. */
static void check_post(uint32_t connection, uint32_t type, uint32_t size, uint32_t status)
{
	words[0] = connection;
	words[1] = type | (uint64_t)size << 32;
	ck_assert_uint_eq(by_memory(HV_CALL_POST_MESSAGE), status);
}

START_TEST(test_messages_and_events_are_for_connections)
{
	setup();
	rights.features_b |= HV_FEATURE_B_SIGNAL_EVENTS;
	words[2] = 0x1122;
	words[31] = 0x3344;
	check_post(0x10, 1, 240, HV_STATUS_SUCCESS);
	ck_assert_int_eq(call.kind, HCALL_POST);
	ck_assert_uint_eq(call.connection, 0x10);
	ck_assert_uint_eq(call.message.type, 1);
	ck_assert_uint_eq(call.message.payload_size, 240);
	ck_assert_uint_eq(call.message.payload[0], 0x1122);
	ck_assert_uint_eq(call.message.payload[29], 0x3344);
	check_post(0x10, 1, 239, HV_STATUS_SUCCESS);
	ck_assert_uint_eq(call.message.payload[29], 0x3344 & 0xffffffffffffff);
	check_post(0x10, 1, 241, HV_STATUS_INVALID_PARAMETER);
	check_post(0x10, 0, 8, HV_STATUS_INVALID_PARAMETER);
	check_post(0x10, HV_MESSAGE_TIMER_EXPIRED, 8, HV_STATUS_INVALID_PARAMETER);
	check_post(0x1000010, 1, 8, HV_STATUS_INVALID_PARAMETER);
	ck_assert_uint_eq(by_registers(HV_CALL_POST_MESSAGE), HV_STATUS_INVALID_HYPERCALL_INPUT);
	ck_assert_uint_eq(by_memory_at(HV_CALL_POST_MESSAGE, AT + 0xf08),
			  HV_STATUS_INVALID_ALIGNMENT);
	words[0] = 0x20 | 7ULL << 32;
	check_both(HV_CALL_SIGNAL_EVENT, HV_STATUS_SUCCESS);
	ck_assert_int_eq(call.kind, HCALL_SIGNAL);
	ck_assert_uint_eq(call.connection, 0x20);
	ck_assert_uint_eq(call.flag, 7);
	words[0] = 0x20 | 1ULL << 48;
	check_both(HV_CALL_SIGNAL_EVENT, HV_STATUS_INVALID_PARAMETER);
	words[0] = 0x1000020;
	check_both(HV_CALL_SIGNAL_EVENT, HV_STATUS_INVALID_PARAMETER);
	mem_finish(&mem);
}
END_TEST

START_TEST(test_xmm_registers_that_were_not_promised_are_an_invalid_opcode)
{
	setup();
	rights.features_d = 0;
	ck_assert_uint_eq(by_registers(HV_CALL_FLUSH_SPACE), HCALL_UD);
	words[0] = 0x40;
	ck_assert_uint_eq(by_registers(HV_CALL_SEND_IPI), HV_STATUS_SUCCESS);
	mem_finish(&mem);
}
END_TEST

CHECK_MAIN("hcall", test_a_mask_names_processors_below_64,
	   test_no_mask_at_all_means_everybody,
	   test_a_sparse_set_has_a_bank_for_each_bit_of_its_mask,
	   test_a_set_that_contradicts_itself_is_refused,
	   test_interrupts_go_to_masks_and_sets,
	   test_vectors_of_exceptions_and_other_trust_levels_are_refused,
	   test_reserved_bits_and_counts_that_do_not_fit_are_refused,
	   test_flags_that_are_none_are_refused,
	   test_parameters_lie_aligned_in_one_page_of_memory,
	   test_registers_hold_so_much_and_no_more,
	   test_what_was_not_promised_is_denied, test_messages_and_events_are_for_connections,
	   test_xmm_registers_that_were_not_promised_are_an_invalid_opcode)
