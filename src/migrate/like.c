/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes a machine promise its guest what another one has promised, so that the guest may go there.
 */
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include <ferry/error.h>

#include "migrate/snapshot.h"
#include "reg/reg_file.h"

#define NAME_SIZE    96
#define PROMISE_SIZE 64 /* of the largest register that is one */

/* The register's value in the state, from *at on or from the beginning; NULL: it has none. */
static const uint8_t *find(const struct buffer *state, size_t *at, struct reg_key key)
{
	const size_t begins[] = { *at, 0 };
	struct state_entry entry;

	for (size_t i = 0; i < 2; i++) {
		size_t from = begins[i];

		while (state_next(state, &from, &entry) > 0)
			if (entry.key.id == key.id && entry.key.vcpu == key.vcpu) {
				*at = from;
				return entry.value;
			}
	}
	return NULL;
}

/* What the other host does not know is zero there; its first vCPU is as its others are. */
static int promise(struct reg_file *regs, const struct buffer *state, size_t *at,
		   struct reg_key key, struct verdict *verdict)
{
	const struct reg_key first = { key.vcpu == REG_VM ? REG_VM : 0, key.id };
	const uint8_t *value = find(state, at, first);
	uint64_t copy[PROMISE_SIZE / 8] = { 0 };
	char name[NAME_SIZE];
	int err;

	if (reg_size(key.id) > sizeof(copy))
		return 0;
	if (value)
		memcpy(copy, value, reg_size(key.id));
	err = reg_file_set(regs, key, copy);
	if (!err)
		return value != NULL;
	reg_file_name(regs, key, name, sizeof(name));
	verdict_refuse(verdict, "register %s: %s", name, error_text(err));
	return 0;
}

static int promise_all(const struct snapshot *snapshot, struct reg_file *regs,
		       struct verdict *verdict, int *ret_found)
{
	struct reg_list list = { 0 };
	int err = reg_file_list(regs, &list);
	size_t at = 0;

	for (size_t i = 0; i < list.count && !err; i++)
		if (list.entries[i].flags & REG_PROMISE)
			*ret_found |= promise(regs, &snapshot->state, &at, list.entries[i].key,
					      verdict);
	reg_list_finish(&list);
	return err;
}

int snapshot_promise(const struct snapshot *snapshot, struct reg_file *regs,
		     struct verdict *verdict)
{
	int found = 0, err = promise_all(snapshot, regs, verdict, &found);

	/* What is promised decides which other promises there are: those of caches, say. */
	if (!err && !verdict->refusals)
		err = promise_all(snapshot, regs, verdict, &found);
	if (err)
		return err;
	if (verdict->refusals)
		return because(-EREMOTE, "%s", verdict_text(verdict));
	return found ? 0 : because(-EINVAL, "it says nothing of a CPU that there could be here");
}
