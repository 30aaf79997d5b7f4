/* SPDX-License-Identifier: Apache-2.0 */
/* TOML's tables (toml.io/en/v1.0.0#table). */
#include "cli/toml_table.h"

#include <ferry/error.h>

#include <errno.h>
#include <json-c/json.h>
#include <stdint.h>

#include "cli/config_text.h"

/*
 * What made a table or an array, in its user data. A table is defined once (#table): by its header, or by the
 * dotted keys of one section; until then headers pass through it to tables in it.
 */
enum maker {
	MADE_AS_VALUE, /* an inline table, an array of values: complete */
	MADE_IN_PASSING,
	MADE_BY_HEADER,
	MADE_OF_TABLES, /* an array: by [[headers]] */
	MADE_BY_KEYS, /* and on: of section 0, 1, … */
};

static uintptr_t maker_of(struct json_object *value)
{
	/* json-c keeps a float's text there. */
	bool has_parts = json_object_is_type(value, json_type_object) ||
			 json_object_is_type(value, json_type_array);

	return has_parts ? (uintptr_t)json_object_get_userdata(value) : MADE_AS_VALUE;
}

static void set_maker(struct json_object *value, uintptr_t maker)
{
	json_object_set_userdata(value, (void *)maker, NULL);
}

static int out_of_memory(void)
{
	return because(-ENOMEM, "out of memory");
}

int toml_add(struct json_object *table, const char *key, struct json_object *value)
{
	if (value && json_object_object_add(table, key, value) == 0)
		return 0;
	json_object_put(value);
	return out_of_memory();
}

int toml_append(struct json_object *array, struct json_object *value)
{
	if (value && json_object_array_add(array, value) == 0)
		return 0;
	json_object_put(value);
	return out_of_memory();
}

/* A new table or array in place, under the key. */
static int make(const struct toml_place *place, const char *key, struct json_object *made,
		uintptr_t maker)
{
	if (made)
		set_maker(made, maker);
	return toml_add(place->table, key, made);
}

struct json_object *toml_find(const struct toml_place *place, const char *key)
{
	struct json_object *found;

	return json_object_object_get_ex(place->table, key, &found) ? found : NULL;
}

static struct json_object *last_of(struct json_object *array)
{
	return json_object_array_get_idx(array, json_object_array_length(array) - 1);
}

int toml_go_deeper(const struct toml_reader *reader, size_t at, unsigned *depth)
{
	if (++*depth >= CONFIG_DEPTH_MAX)
		return toml_wrong(reader, at, "nested too deep");
	return 0;
}

/* [a.b]: to the table a, from the one that place is; to the last of them, if it is an array of tables. */
int toml_pass_by_header(const struct toml_reader *reader, struct toml_place *place, size_t at)
{
	const char *key = reader->scratch;
	struct json_object *table = toml_find(place, key);
	int err = toml_go_deeper(reader, at, &place->depth);

	if (!err && table && maker_of(table) == MADE_OF_TABLES)
		err = toml_go_deeper(reader, at, &place->depth);
	if (err)
		return err;
	if (!table) {
		err = make(place, key, json_object_new_object(), MADE_IN_PASSING);
		place->table = err ? NULL : toml_find(place, key);
		return err;
	}
	if (maker_of(table) == MADE_AS_VALUE)
		return toml_wrong(reader, at, "a value that is there before: no table can be put into it");
	place->table = maker_of(table) == MADE_OF_TABLES ? last_of(table) : table;
	return 0;
}

/* a.b = 1: to the table a, which no header and no other section's keys have made. */
int toml_pass_by_key(const struct toml_reader *reader, struct toml_place *place, size_t at)
{
	const char *key = reader->scratch;
	uintptr_t maker = MADE_BY_KEYS + (uintptr_t)place->section;
	struct json_object *table = toml_find(place, key);
	int err = toml_go_deeper(reader, at, &place->depth);

	if (err)
		return err;
	if (!table) {
		err = make(place, key, json_object_new_object(), maker);
		place->table = err ? NULL : toml_find(place, key);
		return err;
	}
	if (maker_of(table) != MADE_IN_PASSING && maker_of(table) != maker)
		return toml_wrong(reader, at, "a key that is there before: nothing can be added to it here");
	set_maker(table, maker);
	place->table = table;
	return 0;
}

/* [a.b.KEY]: its keys follow. */
int toml_open_table(const struct toml_reader *reader, struct toml_place *place, size_t at)
{
	const char *key = reader->scratch;
	struct json_object *table = toml_find(place, key);
	int err = toml_go_deeper(reader, at, &place->depth);

	if (!err && !table)
		err = make(place, key, json_object_new_object(), MADE_IN_PASSING);
	if (err)
		return err;
	table = toml_find(place, key);
	if (maker_of(table) != MADE_IN_PASSING)
		return toml_wrong(reader, at, "a key that is there before: a table is defined once");
	set_maker(table, MADE_BY_HEADER);
	place->table = table;
	return 0;
}

/* [[a.b.KEY]]: one more, whose keys follow. */
int toml_open_element(const struct toml_reader *reader, struct toml_place *place, size_t at)
{
	const char *key = reader->scratch;
	struct json_object *array = toml_find(place, key);
	int err = toml_go_deeper(reader, at, &place->depth);

	if (!err)
		err = toml_go_deeper(reader, at, &place->depth);
	if (!err && !array)
		err = make(place, key, json_object_new_array(), MADE_OF_TABLES);
	if (err)
		return err;
	array = toml_find(place, key);
	if (maker_of(array) != MADE_OF_TABLES)
		return toml_wrong(reader, at, "a key that is there before, and no array of tables");
	err = toml_append(array, json_object_new_object());
	if (err)
		return err;
	place->table = last_of(array);
	set_maker(place->table, MADE_BY_HEADER);
	return 0;
}
