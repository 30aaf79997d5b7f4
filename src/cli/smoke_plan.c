/* SPDX-License-Identifier: Apache-2.0 */
/* From kernels, or a file of tests, to tests whose every word has been checked. */
#include <ferry/error.h>

#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/util.h"
#include "cli/command.h"
#include "cli/config.h"
#include "cli/run_options.h"
#include "cli/smoke.h"
#include "smoke/matrix.h"

/* Words that come before and after the test's own. */
static const char *const before[] = { "ferry", "run", "--die-with-parent" };

struct planner {
	int argc;
	char **argv;
	struct smoke_tests tests;
};

static int check_file(const char *what, const char *path)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat info;

	if (fd < 0 || fstat(fd, &info) < 0)
		return because(-EINVAL, "%s: cannot open %s: %s", what, path, strerror(errno));
	if (!S_ISREG(info.st_mode) || !info.st_size)
		return because(-EINVAL, "%s: %s is not a file with something in it", what, path);
	return 0;
}

/* How what `ferry run` can boot begins: ELF, bzImage (boot.rst), Image (arm64/booting.rst). */
static int check_kernel(const char *path)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	unsigned char head[0x206] = { 0 };
	int err = check_file("kernel", path);

	if (err)
		return err;
	if (pread(fd, head, sizeof(head), 0) < 0)
		return because(-EINVAL, "kernel: cannot read %s: %s", path, strerror(errno));
	if (memcmp(head, "\177ELF", 4) != 0 && memcmp(head + 0x202, "HdrS", 4) != 0 &&
	    memcmp(head + 0x38, "ARM\x64", 4) != 0)
		return because(-EINVAL, "kernel: %s is no kernel: no ELF file, bzImage or Image",
			       path);
	return 0;
}

/* All that can be said of the words without a VM, and how much of the host the guest takes. */
static int check_words(struct smoke_test *test, int argc)
{
	struct run_options run;
	int skip = ARRAY_SIZE(before) - 1;
	int err;

	run_options_init(&run);
	err = command_parse(&command_run, argc - skip, test->args + skip, &run);
	if (!err)
		err = run_options_complete(&run);
	if (!err)
		err = check_kernel(run.machine.kernel);
	for (size_t i = 0; i < run.machine.initrd_count && !err; i++)
		err = check_file("initrd", run.initrds[i]);
	for (size_t i = 0; i < run.machine.disk_count && !err; i++) {
		if (access(run.disks[i].path, R_OK) < 0)
			err = because(-EINVAL, "disk: cannot open %s: %s", run.disks[i].path,
				      strerror(errno));
	}
	if (!err && (run.incoming || run.restore || run.console == RUN_CONSOLE_NONE))
		err = because(-EINVAL, "a test boots a kernel, and reads its console");
	test->cpus = run.machine.vm.vcpus;
	test->memory = max_u64(run.machine.memory, run.machine.memory_max);
	run_options_finish(&run);
	return err;
}

static int make_args(const struct smoke_options *options, struct smoke_test *test)
{
	size_t count = ARRAY_SIZE(before) + options->word_count + 1, n = 0;

	test->args = calloc(count + 1, sizeof(*test->args));
	if (!test->args)
		return because(-ENOMEM, "out of memory");
	for (size_t i = 0; i < ARRAY_SIZE(before); i++)
		test->args[n++] = strdup(before[i]);
	for (size_t i = 0; i < options->word_count; i++)
		test->args[n++] = strdup(options->words[i]);
	test->args[n++] = strdup(options->kernel);
	for (size_t i = 0; i < n; i++) {
		if (!test->args[i])
			return because(-ENOMEM, "out of memory");
	}
	return check_words(test, (int)n);
}

static bool is_taken(const struct smoke_tests *tests, const char *name)
{
	for (size_t i = 0; i < tests->count; i++) {
		if (tests->all[i].name && strcmp(tests->all[i].name, name) == 0)
			return true;
	}
	return false;
}

/* What the test is called where nobody said: the kernel's name, or all of its path. */
static const char *make_name(const struct smoke_tests *tests, const struct smoke_options *options)
{
	const char *slash = strrchr(options->kernel, '/');
	const char *name = options->name ? options->name : slash ? slash + 1 : options->kernel;

	return is_taken(tests, name) ? options->kernel : name;
}

/* Takes the rules of options. name NULL: the options', or the kernel's. */
static int add_test(struct planner *planner, struct smoke_options *options, const char *name)
{
	struct smoke_tests *tests = &planner->tests;
	struct smoke_test *test = realloc(tests->all, (tests->count + 1) * sizeof(*test));

	if (!test)
		return because(-ENOMEM, "out of memory");
	tests->all = test;
	test += tests->count++;
	*test = (struct smoke_test){ .rules = options->rules };
	options->rules = (struct smoke_rules){ 0 };
	if (!options->kernel)
		return because(-EINVAL, "which kernel?");
	test->name = strdup(name ? name : make_name(tests, options));
	return test->name ? make_args(options, test) : because(-ENOMEM, "out of memory");
}

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

static int add_case(struct planner *planner, const struct smoke_case *one)
{
	struct smoke_options options;
	int err;

	smoke_options_init(&options);
	err = set_values(one, &options);
	if (!err)
		err = command_parse(&command_smoke, planner->argc, planner->argv, &options);
	if (!err) {
		error_clear();
		err = add_test(planner, &options, one->name);
		if (err)
			err = because_of(err, "%s (%s)", one->place, one->name);
	}
	smoke_options_finish(&options);
	return err;
}

static int add_file(struct planner *planner, const char *path)
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

static int add_kernel(struct planner *planner, const char *path)
{
	struct smoke_options options;
	int err;

	smoke_options_init(&options);
	err = command_parse(&command_smoke, planner->argc, planner->argv, &options);
	if (!err) {
		free(options.kernel);
		options.kernel = strdup(path);
		error_clear();
		err = add_test(planner, &options, NULL);
	}
	smoke_options_finish(&options);
	return err;
}

static bool is_file_of_tests(const char *path)
{
	const char *dot = strrchr(path, '.');

	return dot && strcmp(dot, ".json") == 0;
}

static int add_all(struct planner *planner, const struct smoke_options *options)
{
	int err = 0;

	if (!options->operand_count && !options->kernel)
		return because(-EINVAL, "smoke: which kernel? 'ferry smoke --help' shows what it takes");
	if (!options->operand_count)
		return add_kernel(planner, options->kernel);
	for (size_t i = 0; i < options->operand_count && !err; i++) {
		const char *operand = options->operands[i];

		for (size_t k = 0; k < i; k++) {
			if (strcmp(operand, options->operands[k]) == 0)
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
	struct planner planner = { .argc = argc, .argv = argv };
	int err = add_all(&planner, options);

	if (err) {
		smoke_tests_finish(&planner.tests);
		return err;
	}
	smoke_tests_shard(&planner.tests, options->part, options->parts);
	*ret_tests = planner.tests;
	return 0;
}
