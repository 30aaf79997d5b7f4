/* SPDX-License-Identifier: Apache-2.0 */
/* A file of tests: every combination of what it lists. */
#ifndef SMOKE_MATRIX_H
#define SMOKE_MATRIX_H

#include <stddef.h>

struct json_object;

/* An option with its value, and where in the file it stands: "matrix.cpus[1]". */
struct smoke_value {
	const char *key;
	struct json_object *value; /* the file's */
	char *place;
};

struct smoke_case {
	char *name;
	char *place; /* "tests[2]" */
	struct smoke_value *values; /* those for all first, then the matrix's, then its own */
	size_t count;
};

struct smoke_matrix {
	struct smoke_case *cases;
	size_t count;
};

/*
 * { "timeout": 60, "matrix": { "kernel": ["a", "b"], "cpus": [1, 2] },
 *   "tests": [ { "name": "x" } ] }:
 * each of tests (without them: one) times each combination of the matrix's values, in this order;
 * what else stands in the file is for all. -EINVAL with a text that begins with the place; -ENOMEM.
 * root must outlive the result.
 */
int smoke_matrix_read(struct json_object *root, struct smoke_matrix *ret_matrix);
void smoke_matrix_finish(struct smoke_matrix *matrix);

#endif
