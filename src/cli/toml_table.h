/* SPDX-License-Identifier: Apache-2.0 */
/* TOML's tables: which there are, and who may add to them. */
#ifndef CLI_TOML_TABLE_H
#define CLI_TOML_TABLE_H

#include <stddef.h>

#include "cli/toml_reader.h"

/* Where keys are added. */
struct toml_place {
	struct json_object *table;
	unsigned depth; /* the file's own table: 1 */
	unsigned section;
};

/* What place's table has under the key; NULL: nothing. */
struct json_object *toml_find(const struct toml_place *place, const char *key);

/* Both take value, also where they fail; it may be NULL. -ENOMEM. */
int toml_add(struct json_object *table, const char *key, struct json_object *value);
int toml_append(struct json_object *array, struct json_object *value);

/* One more level of tables or arrays; it leaves one for the values in it. -EINVAL at that place of the text. */
int toml_go_deeper(const struct toml_reader *reader, size_t at, unsigned *depth);

/*
 * From place to the table under the key in reader->scratch, which stands at at and is made where it is not
 * there. -EINVAL, if that is no table, or one that is complete; -ENOMEM.
 */
typedef int toml_pass(const struct toml_reader *reader, struct toml_place *place, size_t at);
toml_pass toml_pass_by_header; /* [KEY.b], and to the last element of an array of tables */
toml_pass toml_pass_by_key;    /* KEY.b = 1 */
toml_pass toml_open_table;     /* [KEY] */
toml_pass toml_open_element;   /* [[KEY]]: to a new one */

#endif
