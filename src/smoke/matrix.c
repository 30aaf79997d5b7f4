/* SPDX-License-Identifier: Apache-2.0 */
/* From a file to its cases. */
#include "smoke/matrix.h"

#include <ferry/error.h>

#include <errno.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "smoke/text.h"

#define AXES_MAX  16
#define CASES_MAX 10000

struct axis {
	const char *key;
	struct json_object *values;
	size_t at; /* of the combination under way */
};

struct reader {
	struct json_object *root;
	struct axis axes[AXES_MAX];
	size_t axis_count;
	struct json_object *tests; /* NULL: none */
	struct smoke_matrix matrix;
};

static int out_of_memory(void)
{
	return because(-ENOMEM, "out of memory");
}

static const char *json_text(struct json_object *value)
{
	return json_object_is_type(value, json_type_string)
		       ? json_object_get_string(value)
		       : json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN);
}

static bool same_file(const char *a, const char *b)
{
	struct stat one, two;

	return stat(a, &one) == 0 && stat(b, &two) == 0 && one.st_dev == two.st_dev &&
	       one.st_ino == two.st_ino;
}

/* A value that stands there twice would be the same test twice. */
static int check_axis(const char *key, struct json_object *values)
{
	bool is_kernel = strcmp(key, "kernel") == 0;

	if (!json_object_is_type(values, json_type_array) || !json_object_array_length(values))
		return because(-EINVAL, "matrix.%s: must be an array of values", key);
	for (size_t i = 0; i < json_object_array_length(values); i++) {
		AUTO_FREE char *text = strdup(json_text(json_object_array_get_idx(values, i)));

		for (size_t k = 0; text && k < i; k++) {
			const char *other = json_text(json_object_array_get_idx(values, k));

			if (strcmp(other, text) == 0 || (is_kernel && same_file(other, text)))
				return because(-EINVAL, "matrix.%s[%zu]: %s is matrix.%s[%zu] already",
					       key, i, text, key, k);
		}
	}
	return 0;
}

static int read_axes(struct reader *reader, struct json_object *matrix)
{
	if (!json_object_is_type(matrix, json_type_object))
		return because(-EINVAL, "matrix: must be an object of arrays");
	json_object_object_foreach(matrix, key, values)
	{
		int err = check_axis(key, values);

		if (err)
			return err;
		if (reader->axis_count == AXES_MAX)
			return because(-EINVAL, "matrix.%s: more than %d lists", key, AXES_MAX);
		reader->axes[reader->axis_count++] = (struct axis){ .key = key, .values = values };
	}
	return 0;
}

static int add_value(struct smoke_case *one, const char *key, struct json_object *value,
		     char *place)
{
	struct smoke_value *grown = realloc(one->values, (one->count + 1) * sizeof(*grown));

	if (!grown || !place) {
		free(place);
		one->values = grown ? grown : one->values;
		return out_of_memory();
	}
	one->values = grown;
	grown[one->count++] = (struct smoke_value){ key, value, place };
	return 0;
}

static char *make_place(const char *prefix, const char *key)
{
	char *place;

	return asprintf(&place, "%s%s", prefix, key) < 0 ? NULL : place;
}

static int add_common(const struct reader *reader, struct smoke_case *one)
{
	json_object_object_foreach(reader->root, key, value)
	{
		int err = 0;

		if (strcmp(key, "matrix") != 0 && strcmp(key, "tests") != 0)
			err = add_value(one, key, value, make_place("", key));
		if (err)
			return err;
	}
	return 0;
}

static int add_combination(const struct reader *reader, struct smoke_case *one)
{
	int err = 0;

	for (size_t i = 0; i < reader->axis_count && !err; i++) {
		const struct axis *axis = &reader->axes[i];
		char *place;

		if (asprintf(&place, "matrix.%s[%zu]", axis->key, axis->at) < 0)
			place = NULL;
		err = add_value(one, axis->key, json_object_array_get_idx(axis->values, axis->at),
				place);
	}
	return err;
}

static int add_own(const struct reader *reader, struct smoke_case *one, struct json_object *test)
{
	if (!test)
		return 0;
	if (!json_object_is_type(test, json_type_object))
		return because(-EINVAL, "%s: must be an object", one->place);
	json_object_object_foreach(test, key, value)
	{
		AUTO_FREE char *prefix = make_place(one->place, ".");
		int err;

		for (size_t i = 0; i < reader->axis_count; i++) {
			if (strcmp(reader->axes[i].key, key) == 0)
				return because(-EINVAL, "%s.%s: is in the matrix, too", one->place,
					       key);
		}
		err = prefix ? add_value(one, key, value, make_place(prefix, key)) : out_of_memory();
		if (err)
			return err;
	}
	return 0;
}

static struct json_object *find_value(const struct smoke_case *one, const char *key)
{
	for (size_t i = one->count; i > 0; i--) {
		if (strcmp(one->values[i - 1].key, key) == 0)
			return one->values[i - 1].value;
	}
	return NULL;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : path;
}

/* "vmlinuz/cpus=2": what it was called, or its kernel, and what the matrix varies. */
static int make_name(const struct reader *reader, struct smoke_case *one)
{
	struct json_object *name = find_value(one, "name"), *kernel = find_value(one, "kernel");
	struct text text = { 0 };

	text_add(&text, "%s", name ? json_text(name) : kernel ? base_name(json_text(kernel)) : "");
	for (size_t i = 0; i < reader->axis_count; i++) {
		const struct axis *axis = &reader->axes[i];
		struct json_object *value = json_object_array_get_idx(axis->values, axis->at);
		bool is_kernel = strcmp(axis->key, "kernel") == 0;

		if (json_object_array_length(axis->values) == 1 || (is_kernel && !name))
			continue;
		if (is_kernel)
			text_add(&text, "/%s", base_name(json_text(value)));
		else
			text_add(&text, "/%s=%s", axis->key, json_text(value));
	}
	if (text.failed)
		return out_of_memory();
	one->name = text.data;
	return 0;
}

static int check_name(const struct reader *reader, const struct smoke_case *one)
{
	for (const struct smoke_case *other = reader->matrix.cases; other != one; other++) {
		if (strcmp(other->name, one->name) == 0)
			return because(-EINVAL,
				       "%s: another test is called \"%s\", too (%s); give them names",
				       one->place, one->name, other->place);
	}
	return 0;
}

static int add_case(struct reader *reader, size_t number, struct json_object *test)
{
	struct smoke_matrix *matrix = &reader->matrix;
	struct smoke_case *one = realloc(matrix->cases, (matrix->count + 1) * sizeof(*one));
	int err;

	if (!one)
		return out_of_memory();
	matrix->cases = one;
	one += matrix->count++;
	*one = (struct smoke_case){ 0 };
	if ((test ? asprintf(&one->place, "tests[%zu]", number) : asprintf(&one->place, "matrix")) <
	    0) {
		one->place = NULL;
		return out_of_memory();
	}
	err = add_common(reader, one);
	if (!err)
		err = add_combination(reader, one);
	if (!err)
		err = add_own(reader, one, test);
	if (!err)
		err = make_name(reader, one);
	return err ? err : check_name(reader, one);
}

/* The next combination, the last list first; false after the last one. */
static bool turn(struct reader *reader)
{
	for (size_t i = reader->axis_count; i > 0; i--) {
		struct axis *axis = &reader->axes[i - 1];

		if (++axis->at < json_object_array_length(axis->values))
			return true;
		axis->at = 0;
	}
	return false;
}

static int combine(struct reader *reader)
{
	size_t count = reader->tests ? json_object_array_length(reader->tests) : 1;
	int err = 0;

	for (size_t i = 0; i < count && !err; i++) {
		do {
			struct json_object *test =
				reader->tests ? json_object_array_get_idx(reader->tests, i) : NULL;

			if (reader->matrix.count == CASES_MAX)
				return because(-EINVAL, "more than %d tests", CASES_MAX);
			err = add_case(reader, i, test);
		} while (!err && turn(reader));
	}
	return err;
}

int smoke_matrix_read(struct json_object *root, struct smoke_matrix *ret_matrix)
{
	struct reader reader = { .root = root };
	struct json_object *matrix;
	int err = 0;

	if (json_object_object_get_ex(root, "matrix", &matrix))
		err = read_axes(&reader, matrix);
	if (!err && json_object_object_get_ex(root, "tests", &reader.tests) &&
	    (!json_object_is_type(reader.tests, json_type_array) ||
	     !json_object_array_length(reader.tests)))
		err = because(-EINVAL, "tests: must be an array of objects");
	if (!err)
		err = combine(&reader);
	if (err)
		smoke_matrix_finish(&reader.matrix);
	else
		*ret_matrix = reader.matrix;
	return err;
}

void smoke_matrix_finish(struct smoke_matrix *matrix)
{
	for (size_t i = 0; i < matrix->count; i++) {
		struct smoke_case *one = &matrix->cases[i];

		for (size_t k = 0; k < one->count; k++)
			free(one->values[k].place);
		free(one->values);
		free(one->name);
		free(one->place);
	}
	free(matrix->cases);
	*matrix = (struct smoke_matrix){ 0 };
}
