/* SPDX-License-Identifier: Apache-2.0 */
/* Banks side by side: list, get, set, name. */
#include "reg/reg_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ferry/error.h>

int reg_list_add(struct reg_list *list, uint32_t vcpu, uint64_t id, unsigned flags)
{
	if (list->count == list->capacity) {
		size_t capacity = list->capacity ? 2 * list->capacity : 64;
		struct reg_entry *entries = reallocarray(list->entries, capacity, sizeof(*entries));

		if (!entries)
			return -ENOMEM;
		list->entries = entries;
		list->capacity = capacity;
	}
	list->entries[list->count++] = (struct reg_entry){ { vcpu, id }, flags };
	return 0;
}

void reg_list_finish(struct reg_list *list)
{
	free(list->entries);
	*list = (struct reg_list){ 0 };
}

void reg_file_init(struct reg_file *file, uint32_t vcpus)
{
	*file = (struct reg_file){ .vcpus = vcpus };
}

void reg_file_finish(struct reg_file *file)
{
	free(file->slots);
	*file = (struct reg_file){ 0 };
}

/* Two banks collide when some id satisfies both matches: where both masks look, they agree. */
static const struct reg_file_slot *collision(const struct reg_file *file,
					     const struct reg_bank *bank)
{
	for (size_t i = 0; i < file->count; i++) {
		const struct reg_bank *other = &file->slots[i].bank;
		uint64_t both = bank->mask & other->mask;

		if ((bank->match & both) == (other->match & both))
			return &file->slots[i];
	}
	return NULL;
}

int reg_file_add(struct reg_file *file, const struct reg_bank *bank, uint64_t instance_mask,
		 uint64_t instance, void *self)
{
	struct reg_file_slot slot = { .bank = *bank, .self = self };
	const struct reg_file_slot *other;
	struct reg_file_slot *slots;

	slot.bank.mask |= instance_mask;
	slot.bank.match |= instance;
	other = collision(file, &slot.bank);
	if (other)
		return because(-EEXIST, "register banks %s and %s overlap", bank->name,
			       other->bank.name);
	slots = reallocarray(file->slots, file->count + 1, sizeof(*slots));
	if (!slots)
		return -ENOMEM;
	file->slots = slots;
	file->slots[file->count++] = slot;
	return 0;
}

int reg_file_list(struct reg_file *file, struct reg_list *list)
{
	for (size_t i = 0; i < file->count; i++) {
		const struct reg_file_slot *slot = &file->slots[i];
		uint32_t end = slot->bank.per_vcpu ? file->vcpus : 1;

		for (uint32_t v = 0; v < end; v++) {
			int r = slot->bank.list(slot->self, slot->bank.per_vcpu ? v : REG_VM, list);

			if (r < 0)
				return r;
		}
	}
	return 0;
}

static const struct reg_file_slot *find(const struct reg_file *file, struct reg_key key)
{
	for (size_t i = 0; i < file->count; i++) {
		const struct reg_bank *bank = &file->slots[i].bank;

		if ((key.id & bank->mask) != bank->match)
			continue;
		if (bank->per_vcpu ? key.vcpu < file->vcpus : key.vcpu == REG_VM)
			return &file->slots[i];
	}
	return NULL;
}

bool reg_file_shapes_memory(const struct reg_file *file, struct reg_key key)
{
	const struct reg_file_slot *slot = find(file, key);

	return slot && slot->bank.shapes_memory;
}

static int unknown(struct reg_key key)
{
	return because(-ENOENT, "no register %#llx", (unsigned long long)key.id);
}

int reg_file_get(struct reg_file *file, struct reg_key key, void *val)
{
	const struct reg_file_slot *slot = find(file, key);

	return slot ? slot->bank.get(slot->self, key, val) : unknown(key);
}

int reg_file_set(struct reg_file *file, struct reg_key key, const void *val)
{
	const struct reg_file_slot *slot = find(file, key);

	return slot ? slot->bank.set(slot->self, key, val) : unknown(key);
}

/* How many from the first one on are the same bank's, of the same vCPU. */
static size_t run_of(const struct reg_file_slot *slot, const struct reg_value *values, size_t count)
{
	size_t n = 1;

	while (n < count && values[n].key.vcpu == values[0].key.vcpu &&
	       (values[n].key.id & slot->bank.mask) == slot->bank.match)
		n++;
	return n;
}

enum direction { GET, SET };

static int move_many(enum direction direction, struct reg_file *file, const struct reg_value *values,
		     size_t count, size_t *ret_done)
{
	int r = 0;

	*ret_done = 0;
	while (r >= 0 && *ret_done < count) {
		const struct reg_value *at = &values[*ret_done];
		const struct reg_file_slot *slot = find(file, at->key);
		size_t (*many)(void *self, const struct reg_value *values, size_t count) = NULL;
		size_t n = 0;

		if (slot)
			many = direction == SET ? slot->bank.set_many : slot->bank.get_many;
		if (many)
			n = many(slot->self, at, run_of(slot, at, count - *ret_done));
		if (!n)
			r = direction == SET ? reg_file_set(file, at->key, at->value) :
					       reg_file_get(file, at->key, at->value);
		if (r >= 0)
			*ret_done += n ? n : 1;
	}
	return r < 0 ? r : 0;
}

int reg_file_get_many(struct reg_file *file, const struct reg_value *values, size_t count,
		      size_t *ret_done)
{
	return move_many(GET, file, values, count, ret_done);
}

int reg_file_set_many(struct reg_file *file, const struct reg_value *values, size_t count,
		      size_t *ret_done)
{
	return move_many(SET, file, values, count, ret_done);
}

int reg_file_name(struct reg_file *file, struct reg_key key, char *name, size_t size)
{
	const struct reg_file_slot *slot = find(file, key);
	char own[64];

	if (!slot)
		return unknown(key);
	if (!slot->bank.name_of || slot->bank.name_of(slot->self, key, own, sizeof(own)) < 0)
		snprintf(own, sizeof(own), "%#x", REG_ID_NUMBER(key.id));
	snprintf(name, size, "%s.%s", slot->bank.name, own);
	return 0;
}
