/* SPDX-License-Identifier: Apache-2.0 */
/* `ferry doctor`: what this host can do for VMs, and what ferry does where it cannot. */
#include <ferry/error.h>

#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "cli/command.h"
#include "cli/print.h"
#include "machine/host.h"
#include "machine/timing.h"

#define NAME_WIDTH 25

/* How long each guest of --timing is watched. */
#define TIMING_NS 1000000000ULL

struct doctor {
	bool json, timing;
};

static const char *const haves[] = {
	[HOST_NO] = "no",
	[HOST_YES] = "yes",
	[HOST_PARTLY] = "partly",
};

static const char *const verdicts[] = {
	[TIMING_RIGHT] = "right",
	[TIMING_WRONG] = "wrong",
	[TIMING_UNKNOWN] = "unknown",
};

static int set_json(void *target, const char *value, bool on)
{
	(void)value;
	((struct doctor *)target)->json = on;
	return 0;
}

static int set_timing(void *target, const char *value, bool on)
{
	(void)value;
	((struct doctor *)target)->timing = on;
	return 0;
}

static void print_fact(const struct host_fact *fact)
{
	bool tells_without = fact->have != HOST_YES && fact->without;

	printf("%-6s  %s", haves[fact->have], fact->name);
	if (fact->detail[0])
		printf("%*s%s", NAME_WIDTH - (int)strlen(fact->name), "", fact->detail);
	if (tells_without && fact->detail[0])
		printf("\n%*sferry %s", NAME_WIDTH + 8, "", fact->without);
	else if (tells_without)
		printf("%*sferry %s", NAME_WIDTH - (int)strlen(fact->name), "", fact->without);
	putchar('\n');
}

static struct json_object *fact_object(const struct host_fact *fact)
{
	struct json_object *object = json_object_new_object();

	json_object_object_add(object, "name", json_object_new_string(fact->name));
	json_object_object_add(object, "have", json_object_new_string(haves[fact->have]));
	json_object_object_add(object, "needed", json_object_new_boolean(fact->is_needed));
	if (fact->detail[0])
		json_object_object_add(object, "detail", json_object_new_string(fact->detail));
	if (fact->without)
		json_object_object_add(object, "without", json_object_new_string(fact->without));
	return object;
}

static void print_facts(const struct host_facts *facts, bool json)
{
	struct json_object *array;

	if (!json) {
		for (size_t i = 0; i < facts->count; i++)
			print_fact(&facts->facts[i]);
		printf("%s\n", host_facts_suffice(facts) ? "VMs run on this host."
							 : "VMs cannot run on this host: the lines "
							   "with \"runs no VM\" say why.");
		return;
	}
	array = json_object_new_array();
	for (size_t i = 0; i < facts->count; i++)
		json_object_array_add(array, fact_object(&facts->facts[i]));
	print_json(array);
	json_object_put(array);
}

static struct json_object *rule_object(const struct timing_rule *rule)
{
	struct json_object *object = json_object_new_object();

	json_object_object_add(object, "guest", json_object_new_string(rule->guest));
	json_object_object_add(object, "rule", json_object_new_string(rule->rule));
	json_object_object_add(object, "verdict", json_object_new_string(verdicts[rule->verdict]));
	json_object_object_add(object, "numbers", json_object_new_string(rule->numbers));
	return object;
}

/* Returns how many rules the kernel breaks. */
static unsigned print_timing(const struct timing *timing, bool json)
{
	struct json_object *array = json_object_new_array();
	const char *guest = NULL;
	unsigned wrong = 0;

	for (size_t i = 0; i < timing->count; i++) {
		const struct timing_rule *rule = &timing->rules[i];

		wrong += rule->verdict == TIMING_WRONG;
		json_object_array_add(array, rule_object(rule));
		if (json)
			continue;
		if (rule->guest != guest)
			printf("%s\n", rule->guest);
		guest = rule->guest;
		printf("  %-8s%s\n          %s\n", verdicts[rule->verdict], rule->rule,
		       rule->numbers);
	}
	if (json)
		print_json(array);
	else if (wrong)
		printf("This kernel accounts guests' time wrongly where it says so above.\n");
	else
		printf("This kernel accounts guests' time rightly.\n");
	json_object_put(array);
	return wrong;
}

static int run_timing(bool json)
{
	struct timing timing = { 0 };
	int err = timing_read(TIMING_NS, &timing);
	unsigned wrong = err ? 0 : print_timing(&timing, json);

	timing_finish(&timing);
	if (err)
		return command_failed(STATUS_FAILED, err);
	return wrong ? STATUS_FAILED : STATUS_OK;
}

static int run_doctor(const struct command *self, int argc, char **argv)
{
	struct host_facts facts = { 0 };
	struct doctor doctor = { 0 };
	bool suffice;
	int err = command_parse(self, argc, argv, &doctor);

	if (err < 0)
		return command_failed(STATUS_USAGE, err);
	if (err == COMMAND_DONE)
		return STATUS_OK;
	if (doctor.timing)
		return run_timing(doctor.json);
	err = host_facts_read(&facts);
	if (!err)
		print_facts(&facts, doctor.json);
	suffice = host_facts_suffice(&facts);
	host_facts_finish(&facts);
	if (err)
		return command_failed(STATUS_FAILED, err);
	return suffice ? STATUS_OK : STATUS_FAILED;
}

static const struct command_option options[] = {
	{ "json", NULL, "print an array of objects", NULL, 0, set_json },
	{ "timing", NULL, "check the kernel's account of guests' time (10 s)", NULL, 0, set_timing },
};

static const char *const notes[] = {
	"Exit status: 0 when VMs can run on this host, 1 when not. With --timing: 0 when",
	"no rule is broken, 1 when one is.",
	NULL,
};

const struct command command_doctor = {
	.name = "doctor",
	.summary = "show what this host can do for VMs",
	.options = options,
	.option_count = ARRAY_SIZE(options),
	.notes = notes,
	.run = run_doctor,
};
