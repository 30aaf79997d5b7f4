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

static int append(char ***words, size_t *count, const char *word)
{
	char **grown = realloc(*words, (*count + 2) * sizeof(*grown));

	if (!grown)
		return out_of_memory();
	*words = grown;
	grown[*count] = strdup(word);
	if (!grown[*count])
		return out_of_memory();
	grown[++*count] = NULL;
	return 0;
}

int smoke_options_word(struct smoke_options *options, const char *word)
{
	return append(&options->words, &options->word_count, word);
}

int smoke_operand(void *target, unsigned index, const char *value)
{
	struct smoke_options *options = target;

	(void)index;
	if (!*value)
		return because(-EINVAL, "the file's name is empty");
	return append(&options->operands, &options->operand_count, value);
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
static int forward(void *target, const char *name, const char *value, bool on)
{
	char *word;
	int err = check_forward(name, value, on);

	if (err)
		return err;
	if (asprintf(&word, "--%s%s%s%s", on ? "" : "no-", name, value ? "=" : "",
		     value ? value : "") < 0)
		return out_of_memory();
	err = smoke_options_word(target, word);
	free(word);
	return err;
}

#define FORWARD(function, name)                                                                    \
	static int function(void *target, const char *value, bool on)                              \
	{                                                                                          \
		return forward(target, name, value, on);                                           \
	}

FORWARD(set_memory, "memory")
FORWARD(set_cpus, "cpus")
FORWARD(set_initrd, "initrd")
FORWARD(set_cmdline, "cmdline")
FORWARD(set_append, "append")
FORWARD(set_kaslr, "kaslr")
FORWARD(set_disk, "disk")
FORWARD(set_net, "net")
FORWARD(set_console, "console")
FORWARD(set_hugepages, "hugepages")

static int set_personality(void *target, const char *value, bool on)
{
	static const char *const names[] = { "plain", "xen", "hyperv", NULL };
	unsigned choice;
	int err = value_choice(value, names, &choice);

	(void)on;
	if (err || choice == 0)
		return err;
	return forward(target, value, NULL, true);
}

static int set_vm(void *target, const char *value, bool on)
{
	(void)on;
	if (strncmp(value, "--", 2) != 0)
		return because(-EINVAL, "an option of 'ferry run' with its dashes: --vm=--balloon");
	return smoke_options_word(target, value);
}

const struct command_option smoke_option_table[SMOKE_OPTIONS] = {
	{ "expect", "REGEX", "what the guest must print; several in this order", "login:",
	  OPTION_REPEAT, set_expect },
	{ "any-order", NULL, "several --expect in any order", NULL, 0, set_any_order },
	{ "send", "TEXT", "type this after the --expect before it (\\n: Enter)", "root\\n",
	  OPTION_REPEAT, set_send },
	{ "fail", "REGEX", "what it must not print", "FAILED", OPTION_REPEAT, set_fail },
	{ "ignore", "REGEX", "no panic, no oops: a line that looks like one", "WARNING: .*foo_probe",
	  OPTION_REPEAT, set_ignore },
	{ "timeout", "TIME", "seconds, or minutes with m (300)", "90", 0, set_timeout },
	{ "silence", "TIME", "how long it may print nothing (as long as it likes)", "30", 0,
	  set_silence },
	{ "boots", "N", "it must boot N times, resetting itself between (1)", "10", 0, set_boots },
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
	{ "disk", "FILE[,KEY..]", "a disk", "path=x.img,readonly", OPTION_REPEAT, set_disk },
	{ "net", "user|tap=NAME", "a network", "user", OPTION_REPEAT | OPTION_RARE, set_net },
	{ "console", "KIND", "serial or virtio (serial)", "virtio", OPTION_RARE, set_console },
	{ "hugepages", "SIZE", "back the memory by huge pages of 2M or 1G", "2M",
	  OPTION_OPTIONAL | OPTION_RARE, set_hugepages },
	{ "personality", "WHICH", "plain, xen or hyperv: what the guest sees (plain)", "xen",
	  OPTION_RARE, set_personality },
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

static void free_words(char **words)
{
	for (char **word = words; word && *word; word++)
		free(*word);
	free(words);
}

void smoke_options_finish(struct smoke_options *options)
{
	smoke_rules_finish(&options->rules);
	free_words(options->words);
	free_words(options->operands);
	free(options->name);
	free(options->kernel);
	*options = (struct smoke_options){ 0 };
}
