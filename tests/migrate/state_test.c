/* SPDX-License-Identifier: Apache-2.0 */
/* Registers as bytes: saved and loaded, and everything that a hostile list may hold. */
#include "migrate/state.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ferry/error.h>

#include "base/util.h"
#include "check_main.h"
#include "migrate/fake_regs.h"
#include "migrate/record.h"

static struct fake_regs from, to;
static struct buffer state, names;
static struct verdict verdict;

static void save(void)
{
	uint64_t count;

	ck_assert_int_eq(fake_regs_init(&from), 0);
	ck_assert_int_eq(fake_regs_init(&to), 0);
	fake_regs_fill(&from, 1);
	ck_assert_int_eq(state_save(&from.file, &state, &count), 0);
	ck_assert_uint_eq(count, 16 + 3 * FAKE_VCPUS);
	ck_assert_int_eq(state_save_names(&from.file, &names), 0);
}

static void save_again(void)
{
	uint64_t count;

	ck_assert_int_eq(state_save(&from.file, &state, &count), 0);
}

static int load(void)
{
	verdict_finish(&verdict);
	return state_load(&to.file, &state, &names, &verdict);
}

static void finish(void)
{
	buffer_finish(&state);
	buffer_finish(&names);
	verdict_finish(&verdict);
	fake_regs_finish(&from);
	fake_regs_finish(&to);
}

/* An entry or a name by hand, with whatever size it claims. */
static void add_entry(struct buffer *buffer, uint64_t id, uint32_t vcpu, uint32_t claimed,
		      const void *data, size_t size)
{
	uint8_t header[16];

	put_u64(header, id);
	put_u32(header + 8, vcpu);
	put_u32(header + 12, claimed);
	ck_assert_int_eq(buffer_add(buffer, header, sizeof(header)), 0);
	ck_assert_int_eq(buffer_add(buffer, data, size), 0);
}

START_TEST(test_what_is_saved_and_loaded_is_the_same)
{
	struct buffer second = { 0 };
	uint64_t count;

	save();
	ck_assert_int_eq(load(), 0);
	ck_assert_uint_eq(verdict.refusals, 0);
	ck_assert_str_eq(verdict_text(&verdict), "");
	ck_assert(fake_regs_are_same(&from, &to));
	ck_assert_int_eq(state_save(&to.file, &second, &count), 0);
	ck_assert_uint_eq(second.size, state.size);
	ck_assert_mem_eq(second.data, state.data, state.size);
	buffer_finish(&second);
	finish();
}
END_TEST

START_TEST(test_entries_come_in_the_order_of_the_list)
{
	struct state_entry entry;
	size_t at = 0;
	unsigned i = 0;

	save();
	for (; state_next(&state, &at, &entry) == 1; i++) {
		ck_assert_uint_eq(entry.key.id, from.regs[i].key.id);
		ck_assert_uint_eq(entry.key.vcpu, from.regs[i].key.vcpu);
		ck_assert_mem_eq(entry.value, from.regs[i].value, reg_size(entry.key.id));
	}
	ck_assert_uint_eq(i, from.count);
	ck_assert_uint_eq(at, state.size);
	finish();
}
END_TEST

START_TEST(test_an_unknown_register_of_zeros_is_left_out)
{
	save();
	memset(from.regs[9].value, 0, REG_SIZE_MAX);
	from.regs[10].value[0] = 0;
	save_again();
	to.regs[9].is_gone = true;
	ck_assert_int_eq(load(), 0);
	ck_assert_uint_eq(verdict.refusals, 0);
	finish();
}
END_TEST

START_TEST(test_an_unknown_register_with_a_value_is_refused_by_its_name)
{
	static const unsigned last_byte = 511;

	save();
	memset(from.regs[9].value, 0, REG_SIZE_MAX);
	from.regs[9].value[last_byte] = 1;
	save_again();
	to.regs[9].is_gone = true;
	ck_assert_int_eq(load(), 0);
	ck_assert_uint_eq(verdict.refusals, 1);
	ck_assert_str_eq(verdict_text(&verdict),
			 "register fake.r9.9: there is none here, and its value matters\n");
	finish();
}
END_TEST

START_TEST(test_a_register_that_the_writer_did_not_know_keeps_its_value)
{
	save();
	from.regs[3].is_gone = true;
	save_again();
	fake_regs_fill(&to, 2);
	ck_assert_int_eq(load(), 0);
	ck_assert_uint_eq(verdict.refusals, 0);
	ck_assert_mem_ne(to.regs[3].value, from.regs[3].value, 8);
	ck_assert_mem_eq(to.regs[4].value, from.regs[4].value, 16);
	finish();
}
END_TEST

START_TEST(test_everything_that_is_refused_is_told_at_once)
{
	const uint64_t refused = FAKE_REFUSED;

	save();
	memcpy(from.regs[16].value, &refused, sizeof(refused));
	memcpy(from.regs[19].value, &refused, sizeof(refused));
	save_again();
	to.regs[0].is_gone = to.regs[15].is_gone = true;
	ck_assert_int_eq(load(), 0);
	ck_assert_uint_eq(verdict.refusals, 4);
	ck_assert_str_eq(verdict_text(&verdict),
			 "register fake.r0.0: there is none here, and its value matters\n"
			 "register fake.r15.15: there is none here, and its value matters\n"
			 "register core.r3.0 of vCPU 0: 0xbad is no value\n"
			 "register core.r3.0 of vCPU 1: 0xbad is no value\n");
	/* And the rest is written: a verdict is about all of them. */
	ck_assert_mem_eq(to.regs[21].value, from.regs[21].value, 4096);
	finish();
}
END_TEST

START_TEST(test_zeros_that_a_register_cannot_hold_are_refused)
{
	save();
	memset(from.regs[17].value, 0, REG_SIZE_MAX);
	save_again();
	ck_assert_int_eq(load(), 0);
	ck_assert_str_eq(verdict_text(&verdict), "register core.r3.1 of vCPU 0: 0 is no value\n");
	finish();
}
END_TEST

START_TEST(test_a_register_without_a_name_is_told_by_its_id)
{
	save();
	buffer_finish(&names);
	to.regs[2].is_gone = true;
	ck_assert_int_eq(load(), 0);
	ck_assert_str_eq(verdict_text(&verdict), "register 0xf020e00000000002: there is none here, "
						 "and its value matters\n");
	finish();
}
END_TEST

/* A list that is cut where an entry ends is a shorter list; everywhere else it is damaged. */
START_TEST(test_entries_cut_off_at_every_length_are_told)
{
	static uint64_t ends[64];
	struct buffer cut = { 0 };
	struct state_entry entry;
	size_t at = 0, entries = 0;

	save();
	while (state_next(&state, &at, &entry) == 1)
		ends[++entries] = at;
	for (size_t size = 0, next = 0; size <= state.size; size++) {
		int r;

		/* Copied to its size, so that reading behind it is seen. */
		buffer_finish(&cut);
		cut.data = malloc(size);
		cut.size = cut.room = size;
		if (size)
			memcpy(cut.data, state.data, size);
		at = 0;
		do
			r = state_next(&cut, &at, &entry);
		while (r == 1);
		if (size == ends[next])
			ck_assert_int_eq(r, 0);
		else
			ck_assert_int_eq(r, -EBADMSG);
		next += size == ends[next];
		/* One length in a hundred between: the long ones are all alike. */
		if (size > ends[next ? next - 1 : 0] + 40 && size + 140 < ends[next])
			size += 100;
	}
	buffer_finish(&cut);
	finish();
}
END_TEST

START_TEST(test_a_value_of_a_size_that_its_id_does_not_have_is_refused)
{
	const uint32_t claims[] = { 0, 1, 7, 9, 16, 0x80000000, UINT32_MAX - 15, UINT32_MAX };
	uint8_t value[16] = { 0 };

	ck_assert_int_eq(fake_regs_init(&to), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(claims); i++) {
		buffer_finish(&state);
		add_entry(&state, FAKE_VM_ID(3, 3), REG_VM, claims[i], value, sizeof(value));
		ck_assert_int_eq(load(), -EBADMSG);
	}
	finish();
}
END_TEST

START_TEST(test_a_vcpu_that_is_not_here_has_no_registers)
{
	uint8_t value[8] = { 1 };

	ck_assert_int_eq(fake_regs_init(&to), 0);
	add_entry(&state, FAKE_VCPU_ID(3, 0), FAKE_VCPUS, 8, value, 8);
	add_entry(&state, FAKE_VCPU_ID(3, 0), REG_VM, 8, value, 8);
	add_entry(&state, FAKE_VM_ID(3, 3), 0, 8, value, 8);
	ck_assert_int_eq(load(), 0);
	ck_assert_uint_eq(verdict.refusals, 3);
	ck_assert_ptr_ne(strstr(verdict_text(&verdict), "vCPUs: 3 there, 2 here"), NULL);
	finish();
}
END_TEST

START_TEST(test_another_number_of_vcpus_is_one_refusal)
{
	save();
	to.file.vcpus = 1;
	ck_assert_int_eq(load(), 0);
	ck_assert_str_eq(verdict_text(&verdict), "vCPUs: 2 there, 1 here\n");
	to.file.vcpus = 3;
	ck_assert_int_eq(load(), 0);
	ck_assert_str_eq(verdict_text(&verdict), "vCPUs: 2 there, 3 here\n");
	finish();
}
END_TEST

START_TEST(test_names_are_what_people_can_read)
{
	const uint64_t id = FAKE_VM_ID(3, 3);
	char name[200];

	memset(name, 'n', sizeof(name));
	add_entry(&names, id, REG_VM, 95, name, 95);
	ck_assert_int_eq(state_check_names(&names), 0);
	buffer_finish(&names);
	add_entry(&names, id, REG_VM, 96, name, 96);
	ck_assert_int_eq(state_check_names(&names), -EBADMSG);
	for (unsigned c = 0; c < 256; c++) {
		name[4] = (char)c;
		buffer_finish(&names);
		add_entry(&names, id, REG_VM, 8, name, 8);
		ck_assert_int_eq(state_check_names(&names), c > ' ' && c <= '~' ? 0 : -EBADMSG);
	}
	buffer_finish(&names);
	add_entry(&names, id, REG_VM, UINT32_MAX, name, 8);
	ck_assert_int_eq(state_check_names(&names), -EBADMSG);
	finish();
}
END_TEST

START_TEST(test_a_name_is_cut_to_the_room_that_there_is)
{
	const struct reg_key key = { .vcpu = REG_VM, .id = FAKE_VM_ID(3, 3) };
	char name[8];

	add_entry(&names, FAKE_VM_ID(3, 4), REG_VM, 5, "other", 5);
	add_entry(&names, FAKE_VM_ID(3, 3), 0, 5, "other", 5);
	add_entry(&names, FAKE_VM_ID(3, 3), REG_VM, 12, "0123456789ab", 12);
	state_name(&names, key, name, sizeof(name));
	ck_assert_str_eq(name, "0123456");
	finish();
}
END_TEST

/* 200 lines are enough to read; all are counted. */
START_TEST(test_an_endless_list_of_refusals_is_bounded)
{
	char long_name[95];
	uint8_t value[1] = { 1 };
	unsigned lines = 0;

	memset(long_name, 'n', sizeof(long_name));
	ck_assert_int_eq(fake_regs_init(&to), 0);
	for (unsigned i = 0; i < 20000; i++) {
		add_entry(&state, FAKE_VM_ID(0, 1000 + i), REG_VM, 1, value, 1);
		add_entry(&names, FAKE_VM_ID(0, 1000 + i), REG_VM, 95, long_name, 95);
	}
	ck_assert_int_eq(load(), 0);
	ck_assert_uint_eq(verdict.refusals, 20000);
	for (const char *c = verdict_text(&verdict); *c; c++)
		lines += *c == '\n';
	ck_assert_uint_eq(lines, 200);
	ck_assert_uint_lt(verdict.text.size, 1 << 20);
	finish();
}
END_TEST

START_TEST(test_a_long_refusal_is_cut_and_stays_a_line)
{
	char text[2000];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	verdict_refuse(&verdict, "%s", text);
	verdict_refuse(&verdict, "second");
	ck_assert_uint_eq(verdict.refusals, 2);
	ck_assert_str_eq(strchr(verdict_text(&verdict), '\n'), "\nsecond\n");
	ck_assert_uint_eq(verdict.text.size, strlen(verdict_text(&verdict)));
	finish();
}
END_TEST

START_TEST(test_a_register_that_cannot_be_read_is_named)
{
	uint64_t count;

	ck_assert_int_eq(fake_regs_init(&from), 0);
	/* Listed once, and found first where it is gone. */
	from.regs[5].key.id = FAKE_VM_ID(3, 77);
	from.regs[4].key = from.regs[5].key;
	from.regs[4].is_gone = true;
	ck_assert_int_eq(state_save(&from.file, &state, &count), -ENOENT);
	ck_assert_ptr_nonnull(strstr(error_text(-ENOENT), "register fake.r3.77 cannot be read"));
	ck_assert_ptr_null(state.data);
	finish();
}
END_TEST

START_TEST(test_the_machines_description_is_text)
{
	for (unsigned c = 0; c < 256; c++) {
		struct buffer machine = { 0 };
		char text[] = "{\"a\":?}";
		bool is_text = (c >= ' ' && c != 0x7f) || c == '\n' || c == '\t';

		text[5] = (char)c;
		ck_assert_int_eq(buffer_add(&machine, text, strlen("{\"a\":") + 2), 0);
		ck_assert_int_eq(state_check_machine(&machine), is_text ? 0 : -EBADMSG);
		if (is_text)
			ck_assert_str_eq((char *)machine.data, text);
		buffer_finish(&machine);
	}
}
END_TEST

static void is_loaded(bool vm, bool vcpus)
{
	for (unsigned i = 0; i < from.count; i++) {
		const struct fake_reg *a = &from.regs[i], *b = &to.regs[i];
		bool wanted = a->key.vcpu == REG_VM ? vm : vcpus;
		bool same = memcmp(a->value, b->value, reg_size(a->key.id)) == 0;

		ck_assert_msg(same == wanted, "register %u", i);
	}
}

START_TEST(test_what_shapes_memory_is_loaded_before_the_rest)
{
	save();
	to.file.slots[0].bank.shapes_memory = 1;
	ck_assert(reg_file_shapes_memory(&to.file, from.regs[0].key));
	ck_assert_int_eq(state_load_shape(&to.file, &state, &names, &verdict), 0);
	is_loaded(true, false);
	ck_assert_int_eq(state_load_rest(&to.file, &state, &names, &verdict), 0);
	is_loaded(true, true);
	ck_assert_uint_eq(verdict.refusals, 0);
	finish();
	save();
	to.file.slots[0].bank.shapes_memory = 1;
	ck_assert_int_eq(state_load_rest(&to.file, &state, &names, &verdict), 0);
	is_loaded(false, true);
	finish();
}
END_TEST

CHECK_MAIN("state", test_what_shapes_memory_is_loaded_before_the_rest,
	   test_what_is_saved_and_loaded_is_the_same,
	   test_entries_come_in_the_order_of_the_list,
	   test_an_unknown_register_of_zeros_is_left_out,
	   test_an_unknown_register_with_a_value_is_refused_by_its_name,
	   test_a_register_that_the_writer_did_not_know_keeps_its_value,
	   test_everything_that_is_refused_is_told_at_once,
	   test_zeros_that_a_register_cannot_hold_are_refused,
	   test_a_register_without_a_name_is_told_by_its_id,
	   test_entries_cut_off_at_every_length_are_told,
	   test_a_value_of_a_size_that_its_id_does_not_have_is_refused,
	   test_a_vcpu_that_is_not_here_has_no_registers,
	   test_another_number_of_vcpus_is_one_refusal, test_names_are_what_people_can_read,
	   test_a_name_is_cut_to_the_room_that_there_is,
	   test_an_endless_list_of_refusals_is_bounded, test_a_long_refusal_is_cut_and_stays_a_line,
	   test_a_register_that_cannot_be_read_is_named, test_the_machines_description_is_text)
