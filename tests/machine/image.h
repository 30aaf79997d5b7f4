/* SPDX-License-Identifier: Apache-2.0 */
/* All registers of a VM at one moment, put into another VM, and compared. */
#ifndef TESTS_MACHINE_IMAGE_H
#define TESTS_MACHINE_IMAGE_H

#include <ferry/error.h>
#include <ferry/reg.h>

#include <stdlib.h>
#include <string.h>

#include "check_main.h"

struct image {
	struct reg_list list;
	uint8_t *values; /* one after the other */
	size_t size;
};

static inline const char *image_name_of(struct reg_file *regs, struct reg_key key)
{
	static char name[128];

	ck_assert_int_eq(reg_file_name(regs, key, name, sizeof(name)), 0);
	return name;
}

static inline void image_save(struct reg_file *regs, struct image *image)
{
	uint8_t *at;

	memset(image, 0, sizeof(*image));
	ck_assert_int_eq(reg_file_list(regs, &image->list), 0);
	for (size_t i = 0; i < image->list.count; i++)
		image->size += reg_size(image->list.entries[i].key.id);
	at = image->values = malloc(image->size);
	for (size_t i = 0; i < image->list.count; i++) {
		ck_assert_int_eq(reg_file_get(regs, image->list.entries[i].key, at), 0);
		at += reg_size(image->list.entries[i].key.id);
	}
}

static inline void image_finish(struct image *image)
{
	reg_list_finish(&image->list);
	free(image->values);
}

static inline void image_restore(struct reg_file *regs, const struct image *image)
{
	const uint8_t *at = image->values;

	for (size_t i = 0; i < image->list.count; i++) {
		struct reg_key key = image->list.entries[i].key;
		int r = reg_file_set(regs, key, at);

		ck_assert_msg(r == 0, "restore %s: %s", image_name_of(regs, key), error_text(r));
		at += reg_size(key.id);
	}
}

/* Whether b has what a has, but for time. */
/* Check notes where an assertion is made, which takes a while: not for each byte. */
static inline void image_compare_one(struct reg_file *regs, struct reg_key key, const uint8_t *a,
				     const uint8_t *b, bool may_differ)
{
	if (may_differ || memcmp(a, b, reg_size(key.id)) == 0)
		return;
	for (size_t k = 0; k < reg_size(key.id); k++)
		ck_assert_msg(a[k] == b[k], "%s of vCPU %d: byte %zu was %#x and is %#x",
			      image_name_of(regs, key), (int)key.vcpu, k, a[k], b[k]);
}

static inline void image_compare(struct reg_file *regs, const struct image *a,
				 const struct image *b)
{
	const uint8_t *in_a = a->values, *in_b = b->values;

	ck_assert_uint_eq(a->list.count, b->list.count);
	for (size_t i = 0; i < a->list.count; i++) {
		struct reg_key key = a->list.entries[i].key;

		ck_assert_uint_eq(key.id, b->list.entries[i].key.id);
		ck_assert_uint_eq(key.vcpu, b->list.entries[i].key.vcpu);
		image_compare_one(regs, key, in_a, in_b, a->list.entries[i].flags & REG_TIME);
		in_a += reg_size(key.id);
		in_b += reg_size(key.id);
	}
}

/* The value of a register of the image by its name, to look at or to change. */
static inline void *image_find(struct reg_file *regs, const struct image *image,
			       const char *wanted, struct reg_key *ret_key)
{
	uint8_t *at = image->values;

	for (size_t i = 0; i < image->list.count; i++) {
		*ret_key = image->list.entries[i].key;
		if (strcmp(image_name_of(regs, *ret_key), wanted) == 0)
			return at;
		at += reg_size(ret_key->id);
	}
	ck_abort_msg("no register is named %s", wanted);
}

#endif
