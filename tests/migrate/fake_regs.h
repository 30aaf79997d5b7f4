/* SPDX-License-Identifier: Apache-2.0 */
/* Registers of a VM that has no KVM: one of every size, and a few of each vCPU. */
#ifndef TESTS_MIGRATE_FAKE_REGS_H
#define TESTS_MIGRATE_FAKE_REGS_H

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <ferry/error.h>

#include "reg/reg_file.h"

#define FAKE_VCPUS 2

/* Bank numbers that ferry does not use. */
#define FAKE_VM_ID(size_log2, number)	REG_ID(0xe0, 0, size_log2, number)
#define FAKE_VCPU_ID(size_log2, number) REG_ID(0xe1, 0, size_log2, number)

/* A value of 8 bytes that registers 0 and 1 of a vCPU cannot hold; 1 cannot be zero either. */
#define FAKE_REFUSED 0xbad

struct fake_reg {
	struct reg_key key;
	uint8_t value[REG_SIZE_MAX];
	bool is_gone; /* this VM has no such register */
	unsigned flags; /* enum reg_flags */
};

struct fake_regs {
	struct reg_file file;
	struct fake_reg regs[16 + 3 * FAKE_VCPUS];
	unsigned count;
	/* Read whenever a register is set, as KVM does with what a register of its says lies there. */
	const volatile uint8_t *touched;
};

static inline struct fake_reg *fake_find(struct fake_regs *fake, struct reg_key key)
{
	for (unsigned i = 0; i < fake->count; i++)
		if (fake->regs[i].key.id == key.id && fake->regs[i].key.vcpu == key.vcpu)
			return &fake->regs[i];
	return NULL;
}

static inline int fake_list(void *self, uint32_t vcpu, struct reg_list *out)
{
	struct fake_regs *fake = self;
	int err = 0;

	for (unsigned i = 0; i < fake->count && !err; i++)
		if (fake->regs[i].key.vcpu == vcpu && !fake->regs[i].is_gone)
			err = reg_list_add(out, vcpu, fake->regs[i].key.id,
					   fake->regs[i].flags);
	return err;
}

static inline int fake_get(void *self, struct reg_key key, void *val)
{
	struct fake_reg *reg = fake_find(self, key);

	if (!reg || reg->is_gone)
		return -ENOENT;
	memcpy(val, reg->value, reg_size(key.id));
	return 0;
}

static inline int fake_set(void *self, struct reg_key key, const void *val)
{
	struct fake_regs *fake = self;
	struct fake_reg *reg = fake_find(fake, key);
	uint64_t word;

	if (!reg || reg->is_gone)
		return -ENOENT;
	if (key.id == FAKE_VCPU_ID(3, 0) || key.id == FAKE_VCPU_ID(3, 1)) {
		memcpy(&word, val, sizeof(word));
		if (word == FAKE_REFUSED || (!word && REG_ID_NUMBER(key.id)))
			return because(-EINVAL, "%#llx is no value", (unsigned long long)word);
	}
	if (fake->touched)
		(void)*fake->touched;
	memcpy(reg->value, val, reg_size(key.id));
	return 0;
}

static inline int fake_name(void *self, struct reg_key key, char *name, size_t size)
{
	(void)self;
	snprintf(name, size, "r%u.%u", (unsigned)(key.id >> 52 & 0xf), REG_ID_NUMBER(key.id));
	return 0;
}

static inline struct fake_reg *fake_add(struct fake_regs *fake, uint32_t vcpu, uint64_t id)
{
	struct fake_reg *reg = &fake->regs[fake->count++];

	reg->key = (struct reg_key){ .vcpu = vcpu, .id = id };
	return reg;
}

static inline int fake_regs_init(struct fake_regs *fake)
{
	static const struct reg_bank vm = {
		.name = "fake",
		.mask = REG_BANK_MASK,
		.match = REG_BANK(0xe0),
		.list = fake_list,
		.get = fake_get,
		.set = fake_set,
		.name_of = fake_name,
	};
	static const struct reg_bank vcpu = {
		.name = "core",
		.mask = REG_BANK_MASK,
		.match = REG_BANK(0xe1),
		.per_vcpu = 1,
		.list = fake_list,
		.get = fake_get,
		.set = fake_set,
		.name_of = fake_name,
	};
	int err;

	memset(fake, 0, sizeof(*fake));
	reg_file_init(&fake->file, FAKE_VCPUS);
	err = reg_file_add(&fake->file, &vm, 0, 0, fake);
	if (!err)
		err = reg_file_add(&fake->file, &vcpu, 0, 0, fake);
	for (unsigned size = 0; size < 16; size++)
		fake_add(fake, REG_VM, FAKE_VM_ID(size, size));
	for (uint32_t i = 0; i < FAKE_VCPUS; i++) {
		fake_add(fake, i, FAKE_VCPU_ID(3, 0));
		fake_add(fake, i, FAKE_VCPU_ID(3, 1));
		fake_add(fake, i, FAKE_VCPU_ID(12, 2));
	}
	return err;
}

/* Values that tell registers and seeds apart; none is FAKE_REFUSED. */
static inline void fake_regs_fill(struct fake_regs *fake, unsigned seed)
{
	for (unsigned i = 0; i < fake->count; i++)
		for (size_t at = 0; at < reg_size(fake->regs[i].key.id); at++)
			fake->regs[i].value[at] = (uint8_t)(1 + (seed * 31 + i * 7 + at) % 255);
}

static inline bool fake_regs_are_same(const struct fake_regs *a, const struct fake_regs *b)
{
	for (unsigned i = 0; i < a->count; i++)
		if (memcmp(a->regs[i].value, b->regs[i].value, reg_size(a->regs[i].key.id)) != 0)
			return false;
	return a->count == b->count;
}

static inline void fake_regs_finish(struct fake_regs *fake)
{
	reg_file_finish(&fake->file);
}

#endif
