/* SPDX-License-Identifier: Apache-2.0 */
/* From options to a test whose every word has been checked. */
#include <ferry/error.h>

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/util.h"
#include "cli/command.h"
#include "cli/run_options.h"
#include "cli/smoke_plan.h"
#include "smoke/init.h"
#include "smoke/overlay.h"

void smoke_planner_finish(struct smoke_planner *planner)
{
	for (size_t i = 0; i < planner->made_count; i++)
		free(planner->made[i].path);
	free(planner->made);
	planner->made = NULL;
}

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

static int check_files(const struct run_options *run)
{
	int err = check_kernel(run->machine.kernel);

	for (size_t i = 0; i < run->machine.initrd_count && !err; i++)
		err = check_file("initrd", run->initrds[i]);
	for (size_t i = 0; i < run->machine.disk_count && !err; i++) {
		if (access(run->disks[i].path, R_OK) < 0)
			err = because(-EINVAL, "disk: cannot open %s: %s", run->disks[i].path,
				      strerror(errno));
	}
	if (!err && (run->incoming || run->restore || run->console == RUN_CONSOLE_NONE))
		err = because(-EINVAL, "a test boots a kernel, and reads its console");
	return err;
}

/* All that can be said of the words without a VM, and how much of the host the guest takes. */
static int check_words(struct smoke_test *test)
{
	struct smoke_words words = { 0 };
	struct run_options run;
	int skip = 2; /* "ferry run" */
	int err;

	smoke_words_add_all(&words, &test->booted);
	for (size_t i = 0; i < test->disks.count; i++)
		smoke_words_add(&words, "--disk=%s", test->disks.all[i].value);
	run_options_init(&run);
	err = smoke_words_check(&words);
	if (!err)
		err = command_parse(&command_run, (int)words.count - skip, words.all + skip, &run);
	if (!err)
		err = run_options_complete(&run);
	if (!err)
		err = check_files(&run);
	smoke_words_finish(&words);
	test->cpus = run.machine.vm.vcpus;
	test->memory = max_u64(run.machine.memory, run.machine.memory_max);
	run_options_finish(&run);
	return err;
}

static void begin_words(struct smoke_words *words)
{
	smoke_words_add(words, "ferry");
	smoke_words_add(words, "run");
	smoke_words_add(words, "--die-with-parent");
}

static bool find_made(const struct smoke_planner *planner, const char *path,
		      struct smoke_root *ret_root)
{
	for (size_t i = 0; i < planner->made_count; i++) {
		if (strcmp(planner->made[i].path, path) != 0)
			continue;
		*ret_root = planner->made[i].root;
		return true;
	}
	return false;
}

static int keep_made(struct smoke_planner *planner, const char *path, const struct smoke_root *root)
{
	struct smoke_made *grown =
		realloc(planner->made, (planner->made_count + 1) * sizeof(*grown));
	char *copy = strdup(path);

	if (grown)
		planner->made = grown;
	if (!grown || !copy) {
		free(copy);
		return because(-ENOMEM, "out of memory");
	}
	grown[planner->made_count++] = (struct smoke_made){ copy, *root };
	return 0;
}

/* A raw image that has what this one has. */
static int make_raw(struct smoke_planner *planner, const char *path, struct smoke_root *ret_raw)
{
	int err;

	if (find_made(planner, path, ret_raw))
		return 0;
	err = smoke_disk_convert(path, &ret_raw->fd);
	return err ? err : keep_made(planner, path, ret_raw);
}

/* A disk as it is given to `ferry run`: writable ones are overlaid, and a qcow2 image becomes raw. */
static int add_disk(struct smoke_planner *planner, struct smoke_test *test, const char *value)
{
	struct run_options run;
	struct smoke_words words = { 0 };
	struct smoke_root raw = { 0 };
	int err;

	run_options_init(&run);
	err = run_set_disk(&run, value, true);
	smoke_words_add(&words, "%s", value);
	if (!err && smoke_disk_is_qcow2(run.disks[0].path)) {
		err = make_raw(planner, run.disks[0].path, &raw);
		/* The last of two paths counts. */
		smoke_words_add(&words, "%s,path=/proc/%d/fd/%d", value, (int)getpid(), raw.fd);
	}
	if (!err)
		err = smoke_words_check(&words);
	if (!err)
		err = smoke_disks_add(&test->disks, words.all[words.count - 1],
				      !run.disks[0].readonly && !run.disks[0].overlay);
	smoke_words_finish(&words);
	run_options_finish(&run);
	return err;
}

static int add_disks(struct smoke_planner *planner, const struct smoke_options *options,
		     struct smoke_test *test)
{
	int err = 0;

	for (size_t i = 0; i < options->disks.count && !err; i++)
		err = add_disk(planner, test, options->disks.all[i]);
	return err ? because_of(err, "disk") : 0;
}

static int make_words(const struct smoke_options *options, struct smoke_test *test)
{
	int err;

	begin_words(&test->carried);
	smoke_words_add_all(&test->carried, &options->words);
	begin_words(&test->booted);
	smoke_words_add_all(&test->booted, &options->words);
	smoke_words_add_all(&test->booted, &options->boot_words);
	smoke_words_add(&test->booted, "--kernel=%s", options->kernel);
	err = smoke_words_check(&test->booted);
	if (!err)
		err = smoke_words_check(&test->carried);
	return err ? err : check_words(test);
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

/* By this process's number: it is opened by another one. */
static int add_initrd(struct smoke_options *options, int fd)
{
	smoke_words_add(&options->boot_words, "--initrd=/proc/%d/fd/%d", (int)getpid(), fd);
	return smoke_words_check(&options->boot_words);
}

static int make_root(const char *path, struct smoke_root *ret_root)
{
	struct stat info;

	if (stat(path, &info) < 0)
		return because(-EINVAL, "cannot open %s: %s", path, strerror(errno));
	return S_ISDIR(info.st_mode) ? smoke_overlay_directory(path, ret_root)
				     : smoke_overlay_tarball(path, ret_root);
}

/* Containers have their first process where distributions have it. */
static int add_root(struct smoke_planner *planner, struct smoke_options *options)
{
	struct smoke_root root = { .fd = -1 };
	int err = 0;

	if (!find_made(planner, options->root, &root)) {
		err = make_root(options->root, &root);
		if (err)
			return because_of(err, "root");
		err = keep_made(planner, options->root, &root);
	}
	if (!err)
		err = add_initrd(options, root.fd);
	if (!err && !root.has_init && !options->command)
		smoke_words_add(&options->boot_words, "--append=rdinit=/sbin/init");
	return err;
}

/* One that asks for its command is the same for all. */
static int add_init(struct smoke_planner *planner, struct smoke_options *options)
{
	struct smoke_root root = { .fd = -1 };
	int err = 0;

	if (strlen(options->command) > SMOKE_COMMAND_MAX)
		return because(-EINVAL, "run: a command has at most %d bytes", SMOKE_COMMAND_MAX);
	if (!options->is_warm || !find_made(planner, "", &root)) {
		err = smoke_overlay_command(options->is_warm ? NULL : options->command, &root.fd);
		if (!err && options->is_warm)
			err = keep_made(planner, "", &root);
	}
	if (!err)
		err = add_initrd(options, root.fd);
	smoke_words_add(&options->boot_words, "--append=rdinit=/ferry/init");
	return err ? err : smoke_words_check(&options->boot_words);
}

/* Of several initial RAM disks the last one's files count. */
static int add_overlays(struct smoke_planner *planner, struct smoke_options *options)
{
	int err = options->root ? add_root(planner, options) : 0;

	return err || !options->command ? err : add_init(planner, options);
}

static int check_warm(const struct smoke_options *options)
{
	if (!options->is_warm)
		return 0;
	if (options->rules.boots > 1)
		return because(-EINVAL, "warm: a test with boots begins each of them by booting");
	if (options->warm && options->command)
		return because(-EINVAL, "warm: with run it is known where a test begins: leave \"%s\" out",
			       options->warm);
	if (!options->warm && !options->command)
		return because(-EINVAL, "warm: what does the guest print when it is ready? write "
					"--warm=REGEX, or have a command with --run");
	return 0;
}

static bool are_equal(const struct smoke_disks *a, const struct smoke_disks *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++) {
		if (strcmp(a->all[i].value, b->all[i].value) != 0)
			return false;
	}
	return true;
}

/* Boots that are the same in every word are one. */
static size_t find_boot(const struct smoke_tests *tests, const struct smoke_test *test,
			const char *pattern)
{
	for (size_t i = 0; i < tests->boot_count; i++) {
		const struct smoke_test *boot = &tests->boots[i];

		if (smoke_words_are_equal(&boot->booted, &test->booted) &&
		    are_equal(&boot->disks, &test->disks) &&
		    strcmp(boot->rules.expects.all[0].source, pattern) == 0)
			return i + 1;
	}
	return 0;
}

static int add_boot(struct smoke_tests *tests, const struct smoke_test *test, const char *pattern)
{
	struct smoke_test *boot = realloc(tests->boots, (tests->boot_count + 1) * sizeof(*boot));
	int err;

	if (!boot)
		return because(-ENOMEM, "out of memory");
	tests->boots = boot;
	boot += tests->boot_count++;
	*boot = (struct smoke_test){ .cpus = test->cpus, .memory = test->memory };
	boot->rules.timeout = test->rules.timeout;
	boot->rules.boots = 1;
	if (asprintf(&boot->name, "boot of %s", test->name) < 0)
		boot->name = NULL;
	smoke_words_add_all(&boot->booted, &test->booted);
	smoke_words_add_all(&boot->carried, &test->carried);
	err = smoke_patterns_add(&boot->rules.expects, pattern);
	for (size_t i = 0; i < test->disks.count && !err; i++)
		err = smoke_disks_add(&boot->disks, test->disks.all[i].value,
				      test->disks.all[i].is_overlaid);
	for (size_t i = 0; i < test->rules.ignores.count && !err; i++)
		err = smoke_patterns_add(&boot->rules.ignores, test->rules.ignores.all[i].source);
	if (!err)
		err = smoke_words_check(&boot->booted);
	return !err && !boot->name ? because(-ENOMEM, "out of memory") : err;
}

/* The command is typed when the guest is there again. */
static int type_command(const struct smoke_options *options, struct smoke_test *test)
{
	AUTO_FREE char *text = NULL;
	int len = asprintf(&text, "%zu\n%s", strlen(options->command), options->command);

	if (len < 0) {
		text = NULL;
		return because(-ENOMEM, "out of memory");
	}
	return smoke_rules_type(&test->rules, text, (size_t)len);
}

static int begin_warm(struct smoke_planner *planner, const struct smoke_options *options,
		      struct smoke_test *test)
{
	const char *pattern = options->warm ? options->warm : "^" SMOKE_INIT_ASKS "$";
	int err = options->command ? type_command(options, test) : 0;

	test->warm = find_boot(&planner->tests, test, pattern);
	if (!err && !test->warm) {
		err = add_boot(&planner->tests, test, pattern);
		test->warm = planner->tests.boot_count;
	}
	return err;
}

int smoke_plan_test(struct smoke_planner *planner, struct smoke_options *options, const char *name)
{
	struct smoke_tests *tests = &planner->tests;
	struct smoke_test *test = realloc(tests->all, (tests->count + 1) * sizeof(*test));
	int err;

	if (!test)
		return because(-ENOMEM, "out of memory");
	tests->all = test;
	test += tests->count++;
	err = check_warm(options);
	*test = (struct smoke_test){ .rules = options->rules, .move_every = options->move_every };
	options->rules = (struct smoke_rules){ 0 };
	if (err)
		return err;
	if (!options->kernel)
		return because(-EINVAL, "which kernel?");
	err = add_overlays(planner, options);
	if (err)
		return err;
	test->name = strdup(name ? name : make_name(tests, options));
	if (!test->name)
		return because(-ENOMEM, "out of memory");
	err = add_disks(planner, options, test);
	if (!err)
		err = make_words(options, test);
	return err || !options->is_warm ? err : begin_warm(planner, options, test);
}
