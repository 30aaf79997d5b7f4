/* SPDX-License-Identifier: Apache-2.0 */
/* The register file: banks side by side, in restore order. It knows no bank. */
#ifndef REG_REG_FILE_H
#define REG_REG_FILE_H

#include <stdbool.h>

#include <ferry/reg.h>

/*
 * A bank keeps the registers whose id satisfies (id & mask) == match. Its functions are called only
 * while the VM is paused or has not started, by one thread at a time.
 */
struct reg_bank {
	const char *name;
	uint64_t mask;
	uint64_t match;
	int shapes_memory; /* its registers say where memory is: they are set before it is filled */
	int per_vcpu; /* list is called once for each vCPU; else once, with REG_VM */
	int (*list)(void *self, uint32_t vcpu, struct reg_list *out);
	int (*get)(void *self, struct reg_key key, void *val);
	int (*set)(void *self, struct reg_key key, const void *val);
	/*
	 * Optional, where one call costs about as much as many: the first of these registers, which
	 * are all the bank's and of one vCPU, in turn. Returns how many were done, maybe none: the
	 * next one is for get() or set(), which say what is wrong with it.
	 */
	size_t (*get_many)(void *self, const struct reg_value *values, size_t count);
	size_t (*set_many)(void *self, const struct reg_value *values, size_t count);
	/* Optional: the register's own name, without the bank's; -ENOENT for one without. */
	int (*name_of)(void *self, struct reg_key key, char *name, size_t size);
};

struct reg_file {
	struct reg_file_slot {
		struct reg_bank bank;
		void *self;
	} *slots;
	size_t count;
	uint32_t vcpus;
};

void reg_file_init(struct reg_file *file, uint32_t vcpus);
void reg_file_finish(struct reg_file *file);

/*
 * Adds a bank behind those already there. instance_mask and instance narrow a bank of which there
 * are several (a device's PCI address in the number): they are OR-ed into mask and match. self must
 * outlive the file. -ENOMEM; -EEXIST when an id could belong to two banks.
 */
int reg_file_add(struct reg_file *file, const struct reg_bank *bank, uint64_t instance_mask,
		 uint64_t instance, void *self);

/* Whether the register is of a bank that shapes memory. */
bool reg_file_shapes_memory(const struct reg_file *file, struct reg_key key);

#endif
