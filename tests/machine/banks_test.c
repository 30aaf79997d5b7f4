/* SPDX-License-Identifier: Apache-2.0 */
/* The three tests that every register bank passes, present and future. */
#include "machine_for_test.h"

static struct test_machine t;

/* A machine with everything in it, whose guest has left traces and now spins, paused. */
static void create_used_machine(void)
{
	test_machine_create(&t, "basic/state", "", 2);
	test_machine_run(&t, "ready", true);
	vm_pause(t.vm);
}

static const char *name_of(struct reg_file *regs, struct reg_key key)
{
	static char name[128];

	ck_assert_int_eq(reg_file_name(regs, key, name, sizeof(name)), 0);
	return name;
}

START_TEST(test_every_listed_register_is_read_and_written_back)
{
	static uint8_t value[REG_SIZE_MAX], again[REG_SIZE_MAX];
	struct reg_list list = { 0 };
	struct reg_file *regs;
	int r;

	create_used_machine();
	regs = vm_regs(t.vm);
	ck_assert_int_eq(reg_file_list(regs, &list), 0);
	ck_assert_uint_gt(list.count, 100);
	for (size_t i = 0; i < list.count; i++) {
		struct reg_key key = list.entries[i].key;

		r = reg_file_get(regs, key, value);
		ck_assert_msg(r == 0, "get %s: %s", name_of(regs, key), error_text(r));
		r = reg_file_set(regs, key, value);
		ck_assert_msg(r == 0, "set %s: %s", name_of(regs, key), error_text(r));
		if (list.entries[i].flags & REG_TIME)
			continue;
		r = reg_file_get(regs, key, again);
		ck_assert_int_eq(r, 0);
		ck_assert_msg(memcmp(value, again, reg_size(key.id)) == 0,
			      "%s changed by writing what was read", name_of(regs, key));
	}
	reg_list_finish(&list);
	test_machine_finish(&t);
}
END_TEST

START_TEST(test_names_are_unique_and_unknown_ids_are_refused)
{
	struct reg_list list = { 0 };
	struct reg_file *regs;
	char (*names)[128];
	uint64_t value[4];

	create_used_machine();
	regs = vm_regs(t.vm);
	ck_assert_int_eq(reg_file_list(regs, &list), 0);
	names = calloc(list.count, sizeof(*names));
	for (size_t i = 0; i < list.count; i++)
		reg_file_name(regs, list.entries[i].key, names[i], sizeof(names[i]));
	for (size_t i = 0; i < list.count; i++)
		for (size_t j = 0; j < i; j++)
			ck_assert_msg(list.entries[i].key.vcpu != list.entries[j].key.vcpu ||
					      strcmp(names[i], names[j]) != 0,
				      "two registers are called %s", names[i]);
	free(names);
	reg_list_finish(&list);
	ck_assert_int_eq(reg_file_get(regs, (struct reg_key){ REG_VM, ~0ULL }, value), -ENOENT);
	ck_assert_int_eq(reg_file_set(regs, (struct reg_key){ 99, REG_BANK(REG_BANK_CPU) }, value),
			 -ENOENT);
	test_machine_finish(&t);
}
END_TEST

struct saved {
	struct reg_list list;
	uint8_t *values;
};

static void save(struct reg_file *regs, struct saved *saved)
{
	uint8_t *at;
	size_t size = 0;

	memset(saved, 0, sizeof(*saved));
	ck_assert_int_eq(reg_file_list(regs, &saved->list), 0);
	for (size_t i = 0; i < saved->list.count; i++)
		size += reg_size(saved->list.entries[i].key.id);
	at = saved->values = malloc(size);
	for (size_t i = 0; i < saved->list.count; i++) {
		ck_assert_int_eq(reg_file_get(regs, saved->list.entries[i].key, at), 0);
		at += reg_size(saved->list.entries[i].key.id);
	}
}

static void finish(struct saved *saved)
{
	reg_list_finish(&saved->list);
	free(saved->values);
}

static void restore(struct reg_file *regs, const struct saved *saved)
{
	const uint8_t *at = saved->values;

	for (size_t i = 0; i < saved->list.count; i++) {
		struct reg_key key = saved->list.entries[i].key;
		int r = reg_file_set(regs, key, at);

		ck_assert_msg(r == 0, "restore %s: %s", name_of(regs, key), error_text(r));
		at += reg_size(key.id);
	}
}

static void compare(struct reg_file *regs, const struct saved *a, const struct saved *b)
{
	const uint8_t *in_a = a->values, *in_b = b->values;

	ck_assert_uint_eq(a->list.count, b->list.count);
	for (size_t i = 0; i < a->list.count; i++) {
		struct reg_key key = a->list.entries[i].key;

		ck_assert_uint_eq(key.id, b->list.entries[i].key.id);
		ck_assert_uint_eq(key.vcpu, b->list.entries[i].key.vcpu);
		for (size_t k = 0; k < reg_size(key.id); k++)
			ck_assert_msg(in_a[k] == in_b[k] ||
					      (a->list.entries[i].flags & REG_TIME),
				      "%s of vCPU %d: byte %zu was %#x and is %#x",
				      name_of(regs, key), (int)key.vcpu, k, in_a[k], in_b[k]);
		in_a += reg_size(key.id);
		in_b += reg_size(key.id);
	}
}

START_TEST(test_saved_restored_saved_gives_identical_bytes)
{
	struct saved first, second;
	struct test_machine fresh;

	create_used_machine();
	save(vm_regs(t.vm), &first);
	test_machine_create(&fresh, "basic/state", "", 2);
	restore(vm_regs(fresh.vm), &first);
	save(vm_regs(fresh.vm), &second);
	compare(vm_regs(fresh.vm), &first, &second);
	finish(&first);
	finish(&second);
	test_machine_finish(&fresh);
	test_machine_finish(&t);
}
END_TEST

static bool has(struct reg_file *regs, const struct reg_list *list, const char *name)
{
	for (size_t i = 0; i < list->count; i++)
		if (strcmp(name_of(regs, list->entries[i].key), name) == 0)
			return true;
	return false;
}

/* A register that a release had stays, or its streams could not be restored (DESIGN 12). */
START_TEST(test_list_contains_the_blessed_list_of_each_release)
{
	struct reg_list list = { 0 };
	char line[128];
	FILE *blessed = fopen(BLESSED_DIR "/x86-0.1", "r");

	ck_assert_ptr_nonnull(blessed);
	create_used_machine();
	ck_assert_int_eq(reg_file_list(vm_regs(t.vm), &list), 0);
	while (fgets(line, sizeof(line), blessed)) {
		line[strcspn(line, "\n")] = '\0';
		if (line[0] == '#' || line[0] == '\0')
			continue;
		ck_assert_msg(has(vm_regs(t.vm), &list, line), "%s is gone", line);
	}
	fclose(blessed);
	reg_list_finish(&list);
	test_machine_finish(&t);
}
END_TEST

CHECK_MAIN_KVM("banks", test_every_listed_register_is_read_and_written_back,
	       test_names_are_unique_and_unknown_ids_are_refused,
	       test_saved_restored_saved_gives_identical_bytes,
	       test_list_contains_the_blessed_list_of_each_release)
