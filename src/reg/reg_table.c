/* SPDX-License-Identifier: Apache-2.0 */
/* Finds registers in tables. */
#include "reg/reg_table.h"

#include <errno.h>
#include <stdio.h>

static const struct reg_row *find(const struct reg_table *table, uint64_t id)
{
	for (size_t i = 0; i < table->count; i++)
		if (table->rows[i].id == id)
			return &table->rows[i];
	return NULL;
}

static int list(void *self, uint32_t vcpu, struct reg_list *out)
{
	const struct reg_table *table = self;
	int r = 0;

	for (size_t i = 0; i < table->count && r == 0; i++)
		r = reg_list_add(out, vcpu, table->rows[i].id, table->rows[i].flags);
	return r;
}

static int get(void *self, struct reg_key key, void *val)
{
	struct reg_table *table = self;
	const struct reg_row *row = find(table, key.id);

	if (!row)
		return -ENOENT;
	pthread_mutex_lock(table->lock);
	table->get(table->self, row, val);
	pthread_mutex_unlock(table->lock);
	return 0;
}

static int set(void *self, struct reg_key key, const void *val)
{
	struct reg_table *table = self;
	const struct reg_row *row = find(table, key.id);
	int r;

	if (!row)
		return -ENOENT;
	pthread_mutex_lock(table->lock);
	r = table->set(table->self, row, val);
	pthread_mutex_unlock(table->lock);
	return r;
}

static int name_of(void *self, struct reg_key key, char *name, size_t size)
{
	const struct reg_row *row = find(self, key.id);

	if (!row)
		return -ENOENT;
	snprintf(name, size, "%s", row->name);
	return 0;
}

int reg_table_add(struct reg_table *table, struct reg_file *file, const char *name, unsigned bank)
{
	const struct reg_bank reg_bank = {
		.name = name,
		.mask = REG_BANK_MASK,
		.match = REG_BANK(bank),
		.list = list,
		.get = get,
		.set = set,
		.name_of = name_of,
	};

	return reg_file_add(file, &reg_bank, 0, 0, table);
}
