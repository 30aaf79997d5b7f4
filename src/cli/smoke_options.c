/* SPDX-License-Identifier: Apache-2.0 */
/* The options of `ferry smoke`. */
#include <ferry/error.h>

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "cli/command.h"
#include "cli/run_options.h"
#include "cli/smoke.h"
#include "cli/value.h"

#define TIMEOUT_DEFAULT 300
#define SECONDS_MAX	(7 * 24 * 3600)
#define BOOTS_MAX	1000000
#define JOBS_MAX	512
#define PARTS_MAX	10000

static int out_of_memory(void)
{
	return because(-ENOMEM, "out of memory");
}

int smoke_operand(void *target, unsigned index, const char *value)
{
	struct smoke_options *options = target;

	(void)index;
	if (!*value)
		return because(-EINVAL, "the file's name is empty");
	smoke_words_add(&options->operands, "%s", value);
	return smoke_words_check(&options->operands);
}

static int keep(char **where, const char *value)
{
	if (!*value)
		return because(-EINVAL, "is empty");
	free(*where);
	*where = strdup(value);
	return *where ? 0 : out_of_memory();
}

static int set_name(void *target, const char *value, bool on)
{
	struct smoke_options *options = target;

	(void)on;
	return keep(&options->name, value);
}

static int set_kernel(void *target, const char *value, bool on)
{
	struct smoke_options *options = target;

	(void)on;
	return keep(&options->kernel, value);
}

static int set_run(void *target, const char *value, bool on)
{
	struct smoke_options *options = target;

	(void)on;
	options->rules.runs = true;
	return keep(&options->command, value);
}

static int set_root(void *target, const char *value, bool on)
{
	struct smoke_options *options = target;

	(void)on;
	return keep(&options->root, value);
}

static int set_expect(void *target, const char *value, bool on)
{
	struct smoke_options *options = target;

	(void)on;
	return smoke_patterns_add(&options->rules.expects, value);
}

static int set_any_order(void *target, const char *value, bool on)
{
	struct smoke_options *options = target;

	(void)value;
	options->rules.any_order = on;
	return 0;
}

static int set_send(void *target, const char *value, bool on)
{
	struct smoke_options *options = target;

	(void)on;
	return smoke_rules_send(&options->rules, value);
}

static int set_fail(void *target, const char *value, bool on)
{
	struct smoke_options *options = target;

	(void)on;
	return smoke_patterns_add(&options->rules.fails, value);
}

static int set_ignore(void *target, const char *value, bool on)
{
	struct smoke_options *options = target;

	(void)on;
	return smoke_patterns_add(&options->rules.ignores, value);
}

static int read_seconds(const char *value, double *ret_seconds)
{
	char *end;
	double seconds = strtod(value, &end);

	if (*end == 'm' && !end[1]) {
		seconds *= 60;
		end++;
	} else if (*end == 's' && !end[1]) {
		end++;
	}
	if (!isdigit((unsigned char)*value) || *end || !(seconds >= 0 && seconds <= SECONDS_MAX))
		return because(-EINVAL, "\"%s\" is not a time; write 90, 90s or 1.5m, or 0 for none",
			       value);
	*ret_seconds = seconds;
	return 0;
}

static int set_timeout(void *target, const char *value, bool on)
{
	struct smoke_options *options = target;

	(void)on;
	return read_seconds(value, &options->rules.timeout);
}

static int set_silence(void *target, const char *value, bool on)
{
	struct smoke_options *options = target;

	(void)on;
	return read_seconds(value, &options->rules.silence);
}

static int set_warm(void *target, const char *value, bool on)
{
	struct smoke_options *options = target;
	struct smoke_patterns pattern = { 0 };
	int err = 0;

	options->is_warm = on;
	free(options->warm);
	options->warm = NULL;
	if (!value)
		return 0;
	err = smoke_patterns_add(&pattern, value);
	smoke_patterns_finish(&pattern);
	return err ? err : keep(&options->warm, value);
}

static int set_migrate_every(void *target, const char *value, bool on)
{
	struct smoke_options *options = target;

	(void)on;
	return read_seconds(value, &options->move_every);
}

static int read_unsigned(const char *value, uint64_t max, unsigned *ret)
{
	uint64_t count;
	int err = value_count(value, 1, max, &count);

	if (!err)
		*ret = (unsigned)count;
	return err;
}

static int set_boots(void *target, const char *value, bool on)
{
	struct smoke_options *options = target;

	(void)on;
	return read_unsigned(value, BOOTS_MAX, &options->rules.boots);
}

static int set_jobs(void *target, const char *value, bool on)
{
	struct smoke_options *options = target;

	(void)on;
	return read_unsigned(value, JOBS_MAX, &options->jobs);
}

static int set_shard(void *target, const char *value, bool on)
{
	struct smoke_options *options = target;
	const char *slash = strchr(value, '/');
	char part[16] = "";
	int err = -EINVAL;

	(void)on;
	if (slash && (size_t)(slash - value) < sizeof(part)) {
		memcpy(part, value, (size_t)(slash - value));
		err = read_unsigned(slash + 1, PARTS_MAX, &options->parts);
		if (!err)
			err = read_unsigned(part, options->parts, &options->part);
	}
	return err ? because(err, "\"%s\" is not a part of the whole; write 1/4 to 4/4", value) : 0;
}

static int set_file(const char **where, const char *value)
{
	if (!*value)
		return because(-EINVAL, "the file's name is empty");
	*where = value;
	return 0;
}

static int set_output(void *target, const char *value, bool on)
{
	(void)on;
	return set_file(&((struct smoke_options *)target)->output, value);
}

static int set_junit(void *target, const char *value, bool on)
{
	(void)on;
	return set_file(&((struct smoke_options *)target)->junit, value);
}

static int set_json(void *target, const char *value, bool on)
{
	(void)on;
	return set_file(&((struct smoke_options *)target)->json, value);
}

static int set_tap(void *target, const char *value, bool on)
{
	(void)value;
	((struct smoke_options *)target)->tap = on;
	return 0;
}

static int set_dry_run(void *target, const char *value, bool on)
{
	(void)value;
	((struct smoke_options *)target)->dry_run = on;
	return 0;
}

/* Whether `ferry run` takes it: said here, where the place in a file is still known. */
static int check_forward(const char *name, const char *value, bool on)
{
	struct run_options run;
	bool is_on;
	const struct command_option *option =
		command_option_find(&command_run, name, strlen(name), &is_on);
	int err;

	if (!option)
		return because(-EINVAL, "this ferry has no --%s", name);
	run_options_init(&run);
	err = option->set(&run, value, on);
	run_options_finish(&run);
	return err;
}

/* --NAME and its value as they are, for `ferry run`. */
static int forward(struct smoke_words *words, const char *name, const char *value, bool on)
{
	int err = check_forward(name, value, on);

	if (err)
		return err;
	smoke_words_add(words, "--%s%s%s%s", on ? "" : "no-", name, value ? "=" : "",
			value ? value : "");
	return smoke_words_check(words);
}

#define FORWARD(function, name)                                                                    \
	static int function(void *target, const char *value, bool on)                              \
	{                                                                                          \
		return forward(&((struct smoke_options *)target)->words, name, value, on);         \
	}

/* What a guest that runs already has behind it. */
#define FORWARD_TO_BOOT(function, name)                                                            \
	static int function(void *target, const char *value, bool on)                              \
	{                                                                                          \
		return forward(&((struct smoke_options *)target)->boot_words, name, value, on);    \
	}

FORWARD(set_memory, "memory")
FORWARD(set_cpus, "cpus")
FORWARD_TO_BOOT(set_initrd, "initrd")
FORWARD_TO_BOOT(set_cmdline, "cmdline")
FORWARD_TO_BOOT(set_append, "append")
FORWARD_TO_BOOT(set_kaslr, "kaslr")
FORWARD(set_net, "net")
FORWARD(set_console, "console")
FORWARD(set_hugepages, "hugepages")
FORWARD(set_exit_port, "exit-port")

static int set_disk(void *target, const char *value, bool on)
{
	struct smoke_options *options = target;
	int err = check_forward("disk", value, on);

	smoke_words_add(&options->disks, "%s", value);
	return err ? err : smoke_words_check(&options->disks);
}

static int set_personality(void *target, const char *value, bool on)
{
	static const char *const names[] = { "plain", "xen", "hyperv", NULL };
	unsigned choice;
	int err = value_choice(value, names, &choice);

	(void)on;
	if (err || choice == 0)
		return err;
	return forward(&((struct smoke_options *)target)->words, value, NULL, true);
}

/* Those of --vm that have an option of their own here go the way of that one. */
static int set_vm(void *target, const char *value, bool on)
{
	static const char *const own[] = { "kernel", "initrd", "cmdline", "append", "kaslr",
					   "no-kaslr", "disk", "name" };
	struct smoke_options *options = target;

	(void)on;
	if (strncmp(value, "--", 2) != 0)
		return because(-EINVAL, "an option of 'ferry run' with its dashes: --vm=--balloon");
	for (size_t i = 0; i < ARRAY_SIZE(own); i++) {
		size_t len = strlen(own[i]);

		if (strncmp(value + 2, own[i], len) == 0 && (!value[2 + len] || value[2 + len] == '='))
			return because(-EINVAL, "--%s is an option of 'ferry smoke' itself", own[i]);
	}
	smoke_words_add(&options->words, "%s", value);
	return smoke_words_check(&options->words);
}

const struct command_option smoke_option_table[SMOKE_OPTIONS] = {
	{ "expect", "REGEX", "what the guest must print; several in this order", "login:",
	  OPTION_REPEAT, set_expect },
	{ "any-order", NULL, "several --expect in any order", NULL, OPTION_RARE, set_any_order },
	{ "send", "TEXT", "type this after the --expect before it (\\n: Enter)", "root\\n",
	  OPTION_REPEAT, set_send },
	{ "fail", "REGEX", "what it must not print", "FAILED", OPTION_REPEAT, set_fail },
	{ "ignore", "REGEX", "no panic, no oops: a line that looks like one", "WARNING: .*foo_probe",
	  OPTION_REPEAT, set_ignore },
	{ "timeout", "TIME", "seconds, or minutes with m (300)", "90", 0, set_timeout },
	{ "silence", "TIME", "how long it may print nothing (as long as it likes)", "30", 0,
	  set_silence },
	{ "boots", "N", "it must boot N times, resetting itself between (1)", "10", 0, set_boots },
	{ "warm", "REGEX", "boot once; each test begins where this was printed", "login:",
	  OPTION_OPTIONAL, set_warm },
	{ "migrate-every", "TIME", "move the guest to another ferry, live, every so often", "2",
	  OPTION_RARE, set_migrate_every },
	{ "run", "CMD", "run this by the guest's /bin/sh; its status decides", "make check",
	  0, set_run },
	{ "root", "FILE|DIR", "a tarball or directory as the initial RAM disk", "rootfs", 0,
	  set_root },
	{ "kernel", "FILE", "the same as KERNEL; in a file", "vmlinuz", OPTION_RARE, set_kernel },
	{ "name", "NAME", "what the test is called in reports (the kernel's name)", "boot",
	  OPTION_RARE, set_name },
	{ "memory", "SIZE", "as in 'ferry run', and so are these (512M)", "1G", 0, set_memory },
	{ "cpus", "N", "number of vCPUs (1)", "4", 0, set_cpus },
	{ "initrd", "FILE", "initial RAM disk; several are joined", "initrd.img", OPTION_REPEAT,
	  set_initrd },
	{ "cmdline", "TEXT", "kernel's command line (console=ttyS0 panic=-1)", "console=ttyS0",
	  OPTION_RARE, set_cmdline },
	{ "append", "TEXT", "words to add to the command line", "root=/dev/vda", OPTION_REPEAT,
	  set_append },
	{ "kaslr", NULL, "load the kernel where it was linked to be", NULL,
	  OPTION_NEGATED | OPTION_RARE, set_kaslr },
	{ "disk", "FILE[,KEY..]", "a disk, raw or qcow2; what is written is thrown away", "x.img", OPTION_REPEAT, set_disk },
	{ "net", "user|tap=NAME", "a network", "user", OPTION_REPEAT | OPTION_RARE, set_net },
	{ "console", "KIND", "serial or virtio (serial)", "virtio", OPTION_RARE, set_console },
	{ "hugepages", "SIZE", "back the memory by huge pages of 2M or 1G", "2M",
	  OPTION_OPTIONAL | OPTION_RARE, set_hugepages },
	{ "personality", "WHICH", "plain, xen or hyperv: what the guest sees (plain)", "xen",
	  OPTION_RARE, set_personality },
	{ "exit-port", NULL, "a test program may end the guest by port 0xf4", NULL, OPTION_RARE,
	  set_exit_port },
	{ "vm", "OPTION", "any other option of 'ferry run'", "--balloon", OPTION_REPEAT | OPTION_RARE,
	  set_vm },
	{ "jobs", "N", "guests at once (as CPUs and memory allow)", "4", OPTION_NO_FILE, set_jobs },
	{ "shard", "I/N", "only the I-th of N parts of the tests", "1/4", OPTION_NO_FILE, set_shard },
	{ "output", "DIR", "keep the consoles there, with times", "smoke.out", OPTION_NO_FILE,
	  set_output },
	{ "junit", "FILE", "write a report as JUnit XML", "smoke.xml", OPTION_NO_FILE, set_junit },
	{ "json", "FILE", "write a report as JSON, for 'ferry smoke merge'", "smoke.json",
	  OPTION_NO_FILE, set_json },
	{ "tap", NULL, "TAP 14 on a terminal, too", NULL, OPTION_NO_FILE | OPTION_RARE, set_tap },
	{ "dry-run", NULL, "check everything, then do not start", NULL, OPTION_NO_FILE, set_dry_run },
};

void smoke_options_init(struct smoke_options *options)
{
	*options = (struct smoke_options){
		.rules = { .timeout = TIMEOUT_DEFAULT, .boots = 1 },
		.part = 1,
		.parts = 1,
	};
}

void smoke_options_finish(struct smoke_options *options)
{
	smoke_rules_finish(&options->rules);
	smoke_words_finish(&options->words);
	smoke_words_finish(&options->boot_words);
	smoke_words_finish(&options->disks);
	smoke_words_finish(&options->operands);
	free(options->warm);
	free(options->name);
	free(options->kernel);
	free(options->command);
	free(options->root);
	*options = (struct smoke_options){ 0 };
}
