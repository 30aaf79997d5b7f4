/* SPDX-License-Identifier: Apache-2.0 */
/* The register file: banks side by side, restore order, who answers for which id. */
#include "reg/reg_file.h"

#include <errno.h>
#include <ferry/error.h>
#include <stdio.h>
#include <string.h>

#include "check_main.h"

#define BANK_A 0xe0
#define BANK_B 0xe1

static uint32_t values[2][4];

static int list(void *self, uint32_t vcpu, struct reg_list *out)
{
	uint64_t bank = *(const unsigned *)self;
	int r = 0;

	for (uint32_t i = 0; i < 4 && r == 0; i++)
		r = reg_list_add(out, vcpu, REG_ID(bank, 0, 2, i), i == 3 ? REG_TIME : 0);
	return r;
}

static int get(void *self, struct reg_key key, void *val)
{
	(void)self;
	if (REG_ID_NUMBER(key.id) >= 4)
		return because(-ENOENT, "none");
	memcpy(val, &values[key.vcpu == REG_VM ? 0 : key.vcpu][REG_ID_NUMBER(key.id)], 4);
	return 0;
}

static int set(void *self, struct reg_key key, const void *val)
{
	(void)self;
	memcpy(&values[key.vcpu == REG_VM ? 0 : key.vcpu][REG_ID_NUMBER(key.id)], val, 4);
	return 0;
}

static int name_of(void *self, struct reg_key key, char *name, size_t size)
{
	(void)self;
	if (REG_ID_NUMBER(key.id) == 1)
		return -ENOENT;
	snprintf(name, size, "r%u", REG_ID_NUMBER(key.id));
	return 0;
}

static unsigned a = BANK_A, b = BANK_B;

static const struct reg_bank bank_a = {
	.name = "a", .mask = REG_BANK_MASK, .match = REG_BANK(BANK_A),
	.list = list, .get = get, .set = set, .name_of = name_of,
};
static const struct reg_bank bank_b = {
	.name = "b", .mask = REG_BANK_MASK, .match = REG_BANK(BANK_B), .per_vcpu = 1,
	.list = list, .get = get, .set = set,
};

static struct reg_file file;

static void setup(void)
{
	reg_file_init(&file, 2);
	ck_assert_int_eq(reg_file_add(&file, &bank_b, 0, 0, &b), 0);
	ck_assert_int_eq(reg_file_add(&file, &bank_a, 0, 0, &a), 0);
}

START_TEST(test_list_is_in_the_order_in_which_banks_were_added)
{
	struct reg_list all = { 0 };

	setup();
	ck_assert_int_eq(reg_file_list(&file, &all), 0);
	ck_assert_uint_eq(all.count, 12);
	ck_assert_uint_eq(all.entries[0].key.vcpu, 0);
	ck_assert_uint_eq(all.entries[4].key.vcpu, 1);
	ck_assert_uint_eq(all.entries[8].key.vcpu, REG_VM);
	ck_assert_uint_eq(all.entries[3].flags, REG_TIME);
	reg_list_finish(&all);
	reg_file_finish(&file);
}
END_TEST

START_TEST(test_value_comes_back_from_the_vcpu_it_was_written_to)
{
	struct reg_key key = { 1, REG_ID(BANK_B, 0, 2, 2) };
	uint32_t value = 0x12345678;

	setup();
	ck_assert_int_eq(reg_file_set(&file, key, &value), 0);
	value = 0;
	ck_assert_int_eq(reg_file_get(&file, key, &value), 0);
	ck_assert_uint_eq(value, 0x12345678);
	key.vcpu = 0;
	ck_assert_int_eq(reg_file_get(&file, key, &value), 0);
	ck_assert_uint_eq(value, 0);
	reg_file_finish(&file);
}
END_TEST

START_TEST(test_wrong_vcpu_wrong_bank_and_wrong_number_are_enoent)
{
	uint32_t value;

	setup();
	ck_assert_int_eq(reg_file_get(&file, (struct reg_key){ 2, REG_ID(BANK_B, 0, 2, 0) }, &value),
			 -ENOENT);
	ck_assert_int_eq(reg_file_get(&file, (struct reg_key){ REG_VM, REG_ID(BANK_B, 0, 2, 0) },
				      &value), -ENOENT);
	ck_assert_int_eq(reg_file_get(&file, (struct reg_key){ 0, REG_ID(BANK_A, 0, 2, 0) }, &value),
			 -ENOENT);
	ck_assert_int_eq(reg_file_get(&file, (struct reg_key){ REG_VM, REG_ID(BANK_A, 0, 2, 9) },
				      &value), -ENOENT);
	ck_assert_int_eq(reg_file_get(&file, (struct reg_key){ REG_VM, 0x2030000000000000 }, &value),
			 -ENOENT);
	reg_file_finish(&file);
}
END_TEST

static unsigned many_calls;

/* Two at once, and not the last one of the four: that is for get() and set(). */
static size_t many(void *self, const struct reg_value *at, size_t count,
		   int (*one)(void *self, const struct reg_value *value))
{
	size_t n = 0;

	many_calls++;
	while (n < count && n < 2 && REG_ID_NUMBER(at[n].key.id) < 3) {
		ck_assert_uint_eq(at[n].key.vcpu, at[0].key.vcpu);
		ck_assert_uint_eq(REG_ID_BANK(at[n].key.id), BANK_B);
		one(self, &at[n++]);
	}
	return n;
}

static int get_value(void *self, const struct reg_value *value)
{
	return get(self, value->key, value->value);
}

static int set_value(void *self, const struct reg_value *value)
{
	return set(self, value->key, value->value);
}

static size_t get_many(void *self, const struct reg_value *at, size_t count)
{
	return many(self, at, count, get_value);
}

static size_t set_many(void *self, const struct reg_value *at, size_t count)
{
	return many(self, at, count, set_value);
}

static void setup_many(struct reg_value *all, uint32_t *room)
{
	struct reg_bank bank = bank_b;
	struct reg_list keys = { 0 };

	bank.get_many = get_many;
	bank.set_many = set_many;
	many_calls = 0;
	reg_file_init(&file, 2);
	ck_assert_int_eq(reg_file_add(&file, &bank, 0, 0, &b), 0);
	ck_assert_int_eq(reg_file_add(&file, &bank_a, 0, 0, &a), 0);
	ck_assert_int_eq(reg_file_list(&file, &keys), 0);
	ck_assert_uint_eq(keys.count, 12);
	for (size_t i = 0; i < keys.count; i++)
		all[i] = (struct reg_value){ keys.entries[i].key, &room[i] };
	reg_list_finish(&keys);
}

START_TEST(test_many_at_once_are_the_same_as_one_by_one)
{
	uint32_t room[12];
	struct reg_value all[12];
	size_t done;

	setup_many(all, room);
	for (uint32_t i = 0; i < 8; i++)
		room[i] = 100 + i;
	ck_assert_int_eq(reg_file_set_many(&file, all, 8, &done), 0);
	ck_assert_uint_eq(done, 8);
	for (uint32_t i = 0; i < 8; i++)
		ck_assert_uint_eq(values[i / 4][i % 4], 100 + i);
	ck_assert_uint_eq(many_calls, 2 * 3);
	memset(room, 0, sizeof(room));
	ck_assert_int_eq(reg_file_get_many(&file, all, 12, &done), 0);
	ck_assert_uint_eq(done, 12);
	for (uint32_t i = 0; i < 12; i++)
		ck_assert_uint_eq(room[i], 100 + i % 8);
	reg_file_finish(&file);
}
END_TEST

START_TEST(test_many_end_at_the_first_that_fails)
{
	uint32_t room[12];
	struct reg_value all[12];
	size_t done = 99;

	setup_many(all, room);
	all[9].key.id = REG_ID(BANK_A, 0, 2, 9);
	ck_assert_int_eq(reg_file_get_many(&file, all, 12, &done), -ENOENT);
	ck_assert_uint_eq(done, 9);
	all[5].key.vcpu = 7;
	ck_assert_int_eq(reg_file_set_many(&file, all, 12, &done), -ENOENT);
	ck_assert_uint_eq(done, 5);
	ck_assert_int_eq(reg_file_set_many(&file, all, 0, &done), 0);
	ck_assert_uint_eq(done, 0);
	reg_file_finish(&file);
}
END_TEST

START_TEST(test_banks_that_could_share_an_id_are_refused)
{
	setup();
	ck_assert_int_eq(reg_file_add(&file, &bank_a, 0, 0, &a), -EEXIST);
	ck_assert_int_eq(reg_file_add(&file, &bank_a, 0xff, 0x12, &a), -EEXIST);
	reg_file_finish(&file);
	reg_file_init(&file, 1);
	ck_assert_int_eq(reg_file_add(&file, &bank_a, 0xff, 0x12, &a), 0);
	ck_assert_int_eq(reg_file_add(&file, &bank_a, 0xff, 0x13, &a), 0);
	ck_assert_int_eq(reg_file_add(&file, &bank_a, 0xff, 0x13, &a), -EEXIST);
	reg_file_finish(&file);
}
END_TEST

START_TEST(test_nameless_register_is_called_by_its_number)
{
	char name[32];

	setup();
	ck_assert_int_eq(reg_file_name(&file, (struct reg_key){ REG_VM, REG_ID(BANK_A, 0, 2, 0) },
				       name, sizeof(name)), 0);
	ck_assert_str_eq(name, "a.r0");
	ck_assert_int_eq(reg_file_name(&file, (struct reg_key){ REG_VM, REG_ID(BANK_A, 0, 2, 1) },
				       name, sizeof(name)), 0);
	ck_assert_str_eq(name, "a.0x1");
	reg_file_finish(&file);
}
END_TEST

CHECK_MAIN("reg_file", test_list_is_in_the_order_in_which_banks_were_added,
	   test_value_comes_back_from_the_vcpu_it_was_written_to,
	   test_wrong_vcpu_wrong_bank_and_wrong_number_are_enoent,
	   test_many_at_once_are_the_same_as_one_by_one, test_many_end_at_the_first_that_fails,
	   test_banks_that_could_share_an_id_are_refused,
	   test_nameless_register_is_called_by_its_number)
