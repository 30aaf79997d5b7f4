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
	   test_banks_that_could_share_an_id_are_refused,
	   test_nameless_register_is_called_by_its_number)
