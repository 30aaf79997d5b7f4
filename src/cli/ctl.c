/* SPDX-License-Identifier: Apache-2.0 */
/* `ferry ctl`: asks a running VM to do something. */
#include <ferry/error.h>

#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "cli/command.h"
#include "cli/print.h"
#include "cli/progress.h"
#include "cli/value.h"
#include "control/client.h"

/* Every verb is a method of the control socket of the same name. */
static const struct verb {
	const char *name;
	const char *param; /* the one that VALUE becomes; a size. NULL: no VALUE */
	bool number;	   /* no size, but a number such as 0x40000000 */
	bool asks;	   /* VALUE may be left out */
	bool ends;	   /* the VM's end is waited for */
	bool inhibits;	   /* VALUE is a vCPU, and on or off follows; or status */
	bool translates;   /* VALUE is a vCPU, and an address follows */
} verbs[] = {
	{ .name = "status" },	    { .name = "pause" },
	{ .name = "resume" },	    { .name = "stop", .ends = true },
	{ .name = "power-button" }, { .name = "balloon", .param = "target" },
	{ .name = "memory", .param = "size", .asks = true }, { .name = "version" },
	{ .name = "sdei-inject", .param = "event", .number = true },
	{ .name = "hyperv-inhibit", .inhibits = true },
	{ .name = "translate", .translates = true },
};

struct ctl {
	const char *name;
	const struct verb *verb;
	const char *value;
	uint64_t size;
	uint64_t vcpu;
	const char *onoff; /* NULL: neither was given */
	uint64_t address, length;
	bool json, force, has_vcpu, has_address, has_length;
};

static int set_json(void *target, const char *value, bool on)
{
	(void)value;
	((struct ctl *)target)->json = on;
	return 0;
}

static int set_force(void *target, const char *value, bool on)
{
	(void)value;
	((struct ctl *)target)->force = on;
	return 0;
}

static int read_number(const char *word, uint64_t *ret_number)
{
	char *end;

	errno = 0;
	*ret_number = strtoull(word, &end, 0);
	if (errno || end == word || *end || *word == '-' || *ret_number > UINT32_MAX)
		return because(-EINVAL, "\"%s\" is no number of 32 bits", word);
	return 0;
}

static int set_vcpu(void *target, const char *value, bool on)
{
	struct ctl *ctl = target;

	ctl->has_vcpu = on;
	return read_number(value, &ctl->vcpu);
}

static int set_length(void *target, const char *value, bool on)
{
	struct ctl *ctl = target;

	ctl->has_length = on;
	return read_number(value, &ctl->length);
}

/* What else is done to a VM by its name. */
static int other_command(const struct ctl *ctl, const char *word)
{
	static const char *const names[] = { "migrate", "snapshot", "inspect", "stat", NULL };
	unsigned i;

	if (value_choice(word, names, &i) != 0)
		return 0;
	return because(-EINVAL, "%s is a command of its own: 'ferry %s %s ...'", word, word, ctl->name);
}

static int set_verb(struct ctl *ctl, const char *word)
{
	struct value_nearest nearest = { .typed = word };

	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		if (strcmp(verbs[i].name, word) == 0) {
			ctl->verb = &verbs[i];
			return 0;
		}
		value_nearest_try(&nearest, verbs[i].name);
	}
	if (other_command(ctl, word))
		return -EINVAL;
	if (nearest.name)
		return because(-EINVAL, "there is no verb \"%s\"; did you mean %s?", word,
			       nearest.name);
	return because(-EINVAL, "there is no verb \"%s\"; 'ferry ctl --help' lists them", word);
}

static int set_value(struct ctl *ctl, const char *word)
{
	int err;

	if (!ctl->verb->param)
		return because(-EINVAL, "%s takes no value, such as \"%s\"", ctl->verb->name, word);
	err = ctl->verb->number ? read_number(word, &ctl->size) : value_size(word, &ctl->size);
	ctl->value = word;
	if (!err && ctl->size > INT64_MAX)
		err = because(-EINVAL, "%s is more than any VM has", word);
	return err ? because_of(err, "%s", ctl->verb->name) : 0;
}

static int set_inhibit(struct ctl *ctl, unsigned index, const char *word)
{
	static const char *const names[] = { "on", "off", NULL };
	unsigned choice;
	int err;

	if (index == 2 && strcmp(word, "status") == 0) {
		ctl->value = word;
		return 0;
	}
	if (index == 2) {
		ctl->value = word;
		ctl->onoff = "";
		err = value_count(word, 0, INT32_MAX, &ctl->vcpu);
		return err ? because_of(err, "hyperv-inhibit: a vCPU, or status") : 0;
	}
	if (!ctl->onoff)
		return because(-EINVAL, "hyperv-inhibit status takes nothing else");
	err = value_choice(word, names, &choice);
	ctl->onoff = word;
	return err ? because_of(err, "hyperv-inhibit") : 0;
}

static int set_address(struct ctl *ctl, unsigned index, const char *word)
{
	char *end;
	int err;

	if (index == 2) {
		ctl->value = word;
		err = value_count(word, 0, INT32_MAX, &ctl->vcpu);
		return err ? because_of(err, "translate: a vCPU") : 0;
	}
	errno = 0;
	ctl->address = strtoull(word, &end, 0);
	ctl->has_address = true;
	if (errno || end == word || *end || *word == '-')
		return because(-EINVAL, "translate: \"%s\" is no address", word);
	return 0;
}

static int set_operand(void *target, unsigned index, const char *value)
{
	struct ctl *ctl = target;

	switch (index) {
	case 0:
		ctl->name = value;
		return value_vm_name(value);
	case 1:
		return set_verb(ctl, value);
	case 2:
		if (ctl->verb->translates)
			return set_address(ctl, index, value);
		return ctl->verb->inhibits ? set_inhibit(ctl, index, value) : set_value(ctl, value);
	default:
		if (ctl->verb->inhibits)
			return set_inhibit(ctl, index, value);
		if (ctl->verb->translates)
			return set_address(ctl, index, value);
		return because(-EINVAL, "%s takes one value at most", ctl->verb->name);
	}
}

/* A migration that is under way. */
static void print_progress(const char *key, struct json_object *progress)
{
	char text[256];

	if (strcmp(key, "arrival") == 0)
		progress_arrival_text(progress, text, sizeof(text));
	else
		progress_text(progress, sizeof(text) - 1, false, text, sizeof(text));
	printf("%s %s\n", key, text);
}

/* Each vCPU's state, by its number. */
static void print_vcpus(struct json_object *vcpus)
{
	for (size_t i = 0; i < json_object_array_length(vcpus); i++) {
		struct json_object *vcpu = json_object_array_get_idx(vcpus, i);
		struct json_object *whom = json_object_object_get(vcpu, "waits_on");

		printf("vCPU %-4zu %s%s", i,
		       json_object_get_boolean(json_object_object_get(vcpu, "inhibited"))
			       ? "inhibited"
			       : "not inhibited",
		       whom ? ", waits for vCPU " : "");
		if (whom)
			printf("%" PRId64, json_object_get_int64(whom));
		putchar('\n');
	}
}

static void print_result(const struct ctl *ctl, struct json_object *result)
{
	if (ctl->json) {
		print_json(result);
		return;
	}
	json_object_object_foreach(result, key, value)
	{
		if (json_object_is_type(value, json_type_object))
			print_progress(key, value);
		else if (json_object_is_type(value, json_type_array))
			print_vcpus(value);
		else
			print_member(key, value);
	}
}

static void add_address(const struct ctl *ctl, struct json_object *params)
{
	json_object_object_add(params, "vcpu", json_object_new_int64((int64_t)ctl->vcpu));
	json_object_object_add(params, "address", json_object_new_uint64(ctl->address));
	if (ctl->has_length)
		json_object_object_add(params, "length",
				       json_object_new_int64((int64_t)ctl->length));
}

/* NULL: it has none. */
static struct json_object *params_of(const struct ctl *ctl)
{
	struct json_object *params = json_object_new_object();

	if (ctl->force) {
		json_object_object_add(params, "force", json_object_new_boolean(true));
	} else if (ctl->onoff) {
		json_object_object_add(params, "vcpu", json_object_new_int64((int64_t)ctl->vcpu));
		json_object_object_add(params, "on",
				       json_object_new_boolean(strcmp(ctl->onoff, "on") == 0));
	} else if (ctl->verb->translates) {
		add_address(ctl, params);
	} else if (ctl->value && ctl->verb->param) {
		json_object_object_add(params, ctl->verb->param,
				       json_object_new_int64((int64_t)ctl->size));
		if (ctl->has_vcpu)
			json_object_object_add(params, "vcpu",
					       json_object_new_int64((int64_t)ctl->vcpu));
	} else {
		json_object_put(params);
		return NULL;
	}
	return params;
}

static int ask(const struct ctl *ctl)
{
	struct control_session *session;
	struct json_object *params, *result;
	int err = control_open(ctl->name, &session);

	if (err)
		return err;
	params = params_of(ctl);
	err = control_ask(session, ctl->verb->name, params, NULL, NULL, &result);
	if (!err && ctl->verb->ends)
		err = control_wait_end(session);
	if (!err) {
		print_result(ctl, result);
		json_object_put(result);
	}
	control_close(session);
	return err;
}

/* What belongs together, once all has been read. */
static int check(const struct ctl *ctl)
{
	const struct verb *verb = ctl->verb;

	if (verb->param && !verb->asks && !ctl->value)
		return because(-EINVAL, "%s needs a %s, such as 'ferry ctl %s %s %s'", verb->name,
			       verb->number ? "number" : "size", ctl->name, verb->name,
			       verb->number ? "0x40000000" : "256M");
	if (verb->inhibits && (!ctl->value || (ctl->onoff && !ctl->onoff[0])))
		return because(-EINVAL, "hyperv-inhibit needs a vCPU and on or off, or status");
	if (verb->translates && !ctl->has_address)
		return because(-EINVAL, "translate needs a vCPU and an address");
	if (ctl->force && strcmp(verb->name, "resume") != 0)
		return because(-EINVAL, "--force belongs to resume, not to %s", verb->name);
	if (ctl->has_vcpu && !verb->number)
		return because(-EINVAL, "--vcpu belongs to sdei-inject, not to %s", verb->name);
	if (ctl->has_length && !verb->translates)
		return because(-EINVAL, "--length belongs to translate, not to %s", verb->name);
	return 0;
}

static int run_ctl(const struct command *self, int argc, char **argv)
{
	struct ctl ctl = { 0 };
	int err = command_parse(self, argc, argv, &ctl);

	if (err == COMMAND_GO_ON)
		err = check(&ctl);
	if (err < 0)
		return command_failed(STATUS_USAGE, err);
	if (err == COMMAND_DONE)
		return STATUS_OK;
	err = ask(&ctl);
	return err ? command_failed(STATUS_FAILED, err) : STATUS_OK;
}

static const struct command_option options[] = {
	{ "json", NULL, "print the answer as JSON", NULL, 0, set_json },
	{ "force", NULL, "resume a VM in doubt: it runs nowhere else", NULL, 0, set_force },
	{ "vcpu", "N", "whose private event sdei-inject triggers (0)", "1", 0, set_vcpu },
	{ "length", "BYTES", "how much of its memory translate shows (16)", "64", 0, set_length },
};

static const char *const notes[] = {
	"Verbs:",
	"  status        what the VM is and does",
	"  pause         stop its vCPUs; resume goes on",
	"  resume        go on after pause",
	"  stop          end it at once, and wait until it has ended",
	"  power-button  press the power button: the guest switches itself off",
	"  balloon SIZE  leave the guest SIZE of its memory (needs 'run --balloon')",
	"  memory [SIZE] ask the guest to have SIZE of memory, or say what it has",
	"                (needs 'run --memory SIZE,max=SIZE')",
	"  sdei-inject EVENT  trigger an SDEI event that the arm64 guest has registered",
	"  hyperv-inhibit VCPU on|off, hyperv-inhibit status",
	"                let vCPUs wait that flush that one's TLB (needs 'run --hyperv')",
	"  translate VCPU ADDRESS  where a vCPU's address leads, and what is there",
	"  version       the ferry that runs it",
	NULL,
};

static const char *const more[] = {
	"Every VM listens at $XDG_RUNTIME_DIR/ferry/NAME.sock; without that variable at",
	"/run/ferry for root, and at /tmp/ferry-UID for others. It speaks JSON-RPC 2.0, one",
	"object a line, and every verb is a method of the same name:",
	"  {\"jsonrpc\": \"2.0\", \"id\": 1, \"method\": \"status\"}",
	"  {\"jsonrpc\": \"2.0\", \"id\": 2, \"method\": \"balloon\", \"params\": {\"target\": 268435456}}",
	"translate (params: vcpu, address, length) reads by a vCPU's page tables while it stands still;",
	"of a Hyper-V guest those wait meanwhile who ask to flush that vCPU's TLB.",
	"The method stat (params: kvm) has what 'ferry stat' shows, since the VM started.",
	"The method inspect (params: pattern) sends a notification \"register\" for each register,",
	"and then its answer. So do snapshot (params: dir) and migrate (params: uri, and those of",
	"'ferry migrate', such as downtime_ms) with \"progress\"; migrate-cancel, migrate-postcopy",
	"and migrate-recover are for one under way. A refusal's reasons are in the error's data.",
	NULL,
};

const struct command command_ctl = {
	.name = "ctl",
	.summary = "pause, stop or ask a running VM",
	.operands = { "NAME", "VERB", "VALUE", "STATE" },
	.required = 2,
	.operand = set_operand,
	.options = options,
	.option_count = ARRAY_SIZE(options),
	.notes = notes,
	.more = more,
	.run = run_ctl,
};
