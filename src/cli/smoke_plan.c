/* SPDX-License-Identifier: Apache-2.0 */
/* From kernels, or a file of tests, to tests. */
#include <ferry/error.h>

#include <errno.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/config.h"
#include "cli/smoke_plan.h"
#include "smoke/matrix.h"

/* "dialog": [ ["login: ", "root\n"], … ]: what is expected, and the answer to it. */
static int set_dialog(struct json_object *value, struct smoke_options *options)
{
	if (!json_object_is_type(value, json_type_array))
		return because(-EINVAL, "must be an array of pairs: [ [\"login:\", \"root\\n\"] ]");
	for (size_t i = 0; i < json_object_array_length(value); i++) {
		struct json_object *pair = json_object_array_get_idx(value, i);
		int err;

		if (!json_object_is_type(pair, json_type_array) ||
		    json_object_array_length(pair) != 2)
			return because(-EINVAL, "[%zu]: must be a pair: [\"login:\", \"root\\n\"]", i);
		err = config_set(&command_smoke, "expect", json_object_array_get_idx(pair, 0),
				 options);
		if (!err)
			err = config_set(&command_smoke, "send", json_object_array_get_idx(pair, 1),
					 options);
		if (err)
			return because_of(err, "[%zu]", i);
	}
	return 0;
}

static int set_values(const struct smoke_case *one, struct smoke_options *options)
{
	for (size_t i = 0; i < one->count; i++) {
		const struct smoke_value *value = &one->values[i];
		int err;

		error_clear();
		if (strcmp(value->key, "dialog") == 0)
			err = set_dialog(value->value, options);
		else
			err = config_set(&command_smoke, value->key, value->value, options);
		if (err)
			return because_of(err, "%s", value->place);
	}
	return 0;
}

static int add_case(struct smoke_planner *planner, const struct smoke_case *one)
{
	struct smoke_options options;
	int err;

	smoke_options_init(&options);
	err = set_values(one, &options);
	if (!err)
		err = command_parse(&command_smoke, planner->argc, planner->argv, &options);
	if (!err) {
		error_clear();
		err = smoke_plan_test(planner, &options, one->name);
		if (err)
			err = because_of(err, "%s (%s)", one->place, one->name);
	}
	smoke_options_finish(&options);
	return err;
}

static int add_file(struct smoke_planner *planner, const char *path)
{
	struct smoke_matrix matrix = { 0 };
	struct json_object *root = NULL;
	int err = config_load(path, &root);

	if (!err)
		err = smoke_matrix_read(root, &matrix);
	for (size_t i = 0; i < matrix.count && !err; i++)
		err = add_case(planner, &matrix.cases[i]);
	smoke_matrix_finish(&matrix);
	json_object_put(root);
	return err ? because_of(err, "%s", path) : 0;
}

static int add_kernel(struct smoke_planner *planner, const char *path)
{
	struct smoke_options options;
	int err;

	smoke_options_init(&options);
	err = command_parse(&command_smoke, planner->argc, planner->argv, &options);
	if (!err) {
		free(options.kernel);
		options.kernel = strdup(path);
		error_clear();
		err = smoke_plan_test(planner, &options, NULL);
	}
	smoke_options_finish(&options);
	return err;
}

static bool is_file_of_tests(const char *path)
{
	const char *dot = strrchr(path, '.');

	return dot && (strcmp(dot, ".json") == 0 || strcmp(dot, ".toml") == 0);
}

static int add_all(struct smoke_planner *planner, const struct smoke_options *options)
{
	int err = 0;

	if (!options->operands.count && !options->kernel)
		return because(-EINVAL, "smoke: which kernel? 'ferry smoke --help' shows what it takes");
	if (!options->operands.count)
		return add_kernel(planner, options->kernel);
	for (size_t i = 0; i < options->operands.count && !err; i++) {
		const char *operand = options->operands.all[i];

		for (size_t k = 0; k < i; k++) {
			if (strcmp(operand, options->operands.all[k]) == 0)
				return because(-EINVAL, "%s: it is there twice", operand);
		}
		if (is_file_of_tests(operand))
			err = add_file(planner, operand);
		else
			err = add_kernel(planner, operand);
	}
	return err;
}

int smoke_plan(const struct smoke_options *options, int argc, char **argv,
	       struct smoke_tests *ret_tests)
{
	struct smoke_planner planner = { .argc = argc, .argv = argv };
	int err = add_all(&planner, options);

	smoke_planner_finish(&planner);
	if (err) {
		smoke_tests_finish(&planner.tests);
		return err;
	}
	smoke_tests_shard(&planner.tests, options->part, options->parts);
	*ret_tests = planner.tests;
	return 0;
}
