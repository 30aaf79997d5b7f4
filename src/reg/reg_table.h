/* SPDX-License-Identifier: Apache-2.0 */
/* A bank of a fixed table of registers that one lock protects: all that a small device has. */
#ifndef REG_REG_TABLE_H
#define REG_REG_TABLE_H

#include <pthread.h>

#include "reg/reg_file.h"

struct reg_row {
	const char *name;
	uint64_t id;
	unsigned flags; /* enum reg_flags */
};

/* rows are in the order of restoring; get and set are called under lock, set may say -EINVAL. */
struct reg_table {
	const struct reg_row *rows;
	size_t count;
	pthread_mutex_t *lock;
	void (*get)(void *self, const struct reg_row *row, void *val);
	int (*set)(void *self, const struct reg_row *row, const void *val);
	void *self;
};

/* Adds the bank of that name and number (enum reg_bank_number). The table must outlive the file. */
int reg_table_add(struct reg_table *table, struct reg_file *file, const char *name, unsigned bank);

#endif
