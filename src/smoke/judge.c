/* SPDX-License-Identifier: Apache-2.0 */
/* The verdict machine. */
#include "smoke/judge.h"

#include <ferry/error.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "smoke/init.h"

#define SECOND 1000000000ULL

/* How long a crash's report is waited for: all in all, and without any output. */
#define AFTERMATH_MAX	(5 * SECOND)
#define AFTERMATH_QUIET (1 * SECOND)

/* Exit statuses of `ferry run` (cli/command.h) that say something of the guest. */
enum run_status {
	RUN_POWEROFF = 0,
	RUN_RESET = 32,
	RUN_CRASH = 33,
	RUN_PANIC = 34,
	RUN_MIGRATED = 36,
	RUN_TEST_FAILED = 37,
};

int smoke_judge_init(struct smoke_judge *judge, const struct smoke_rules *rules,
		     const struct smoke_signs *signs)
{
	*judge = (struct smoke_judge){ .rules = rules, .signs = signs, .guest_status = -1 };
	judge->met = calloc(rules->expects.count + 1, sizeof(*judge->met));
	return judge->met ? 0 : because(-ENOMEM, "out of memory");
}

void smoke_judge_finish(struct smoke_judge *judge)
{
	free(judge->met);
	smoke_ktap_finish(&judge->ktap);
	*judge = (struct smoke_judge){ 0 };
}

static void __attribute__((format(printf, 3, 4)))
decide(struct smoke_judge *judge, enum smoke_verdict verdict, const char *fmt, ...)
{
	va_list args;

	if (judge->phase == SMOKE_AFTERMATH || judge->phase == SMOKE_DECIDED)
		return;
	judge->verdict = verdict;
	judge->phase = SMOKE_DECIDED;
	va_start(args, fmt);
	vsnprintf(judge->reason, sizeof(judge->reason), fmt, args);
	va_end(args);
}

void smoke_judge_error(struct smoke_judge *judge, const char *why)
{
	decide(judge, SMOKE_ERROR, "%s", why);
}

void smoke_judge_overrule(struct smoke_judge *judge, const char *why)
{
	judge->phase = SMOKE_RUNNING;
	smoke_judge_error(judge, why);
}

bool smoke_judge_has_moved(int wait_status)
{
	return WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == RUN_MIGRATED;
}

static void send_after(struct smoke_judge *judge, size_t after)
{
	for (size_t i = 0; i < judge->rules->send_count; i++) {
		const struct smoke_send *send = &judge->rules->sends[i];

		if (send->after == after && judge->send)
			judge->send(judge->self, send->text, send->len);
	}
}

void smoke_judge_boot(struct smoke_judge *judge, uint64_t now)
{
	if (!judge->boots)
		judge->started = now;
	judge->boots++;
	judge->phase = SMOKE_RUNNING;
	judge->last_output = now;
	judge->met_count = judge->scanned = 0;
	memset(judge->met, 0, judge->rules->expects.count * sizeof(*judge->met));
	send_after(judge, 0);
}

/* What would be a pass: not if a test inside the guest failed. */
static void decide_pass(struct smoke_judge *judge, const char *why)
{
	const struct smoke_subtest *failed = smoke_ktap_failed(&judge->ktap);
	size_t count = smoke_ktap_count(&judge->ktap, SUBTEST_NOT_OK);

	if (failed)
		decide(judge, SMOKE_FAIL, "%zu of %zu subtests failed, the first is \"%s\"", count,
		       judge->ktap.count, failed->name);
	else
		decide(judge, SMOKE_PASS, "%s", why);
}

static void all_is_met(struct smoke_judge *judge)
{
	if (judge->rules->runs)
		return;
	if (judge->boots < judge->rules->boots)
		judge->phase = SMOKE_REBOOTING;
	else
		decide_pass(judge, "all that was expected has been seen");
}

/* Looks for one expectation in what is left of the line; whether there was one. */
static bool meet_one(struct smoke_judge *judge, const char *line, bool whole)
{
	const struct smoke_patterns *expects = &judge->rules->expects;
	int flags = (whole ? 0 : REG_NOTEOL) | (judge->scanned ? REG_NOTBOL : 0);

	for (size_t i = 0; i < expects->count; i++) {
		const char *from = line + (judge->rules->any_order ? 0 : judge->scanned);
		regmatch_t match;

		if (judge->met[i])
			continue;
		if (regexec(&expects->all[i].regex, from, 1, &match,
			    judge->rules->any_order ? flags & ~REG_NOTBOL : flags) == 0) {
			judge->met[i] = true;
			judge->met_count++;
			judge->scanned = (size_t)(from - line) + (size_t)match.rm_eo;
			send_after(judge, i + 1);
			return true;
		}
		if (!judge->rules->any_order)
			return false;
	}
	return false;
}

static void meet(struct smoke_judge *judge, const char *line, bool whole)
{
	const struct smoke_patterns *expects = &judge->rules->expects;

	while (judge->phase == SMOKE_RUNNING && expects->count && meet_one(judge, line, whole)) {
		if (judge->met_count == expects->count)
			all_is_met(judge);
	}
}

/* The command that --run names has ended. */
static void command_ended(struct smoke_judge *judge, int status)
{
	size_t missing = judge->rules->expects.count - judge->met_count;

	judge->guest_status = status;
	if (status)
		decide(judge, SMOKE_FAIL, "the command ended with status %d", status);
	else if (missing)
		decide(judge, SMOKE_FAIL, "the command ended well, but %zu expectation%s not seen",
		       missing, missing == 1 ? " was" : "s were");
	else
		decide_pass(judge, "the command ended with status 0");
}

/* Whether the line is guest/init's. */
static bool read_status(struct smoke_judge *judge, const char *line)
{
	const char *says = judge->rules->runs ? strstr(line, SMOKE_INIT_SAYS) : NULL;
	char *end;
	long status;

	if (!says)
		return false;
	says += strlen(SMOKE_INIT_SAYS);
	status = strtol(says, &end, 10);
	if (end != says + 3 || *end != '.')
		return false;
	command_ended(judge, (int)status);
	return true;
}

static void begin_aftermath(struct smoke_judge *judge, enum smoke_verdict verdict, uint64_t now,
			    const char *line)
{
	decide(judge, verdict, "%s", line);
	judge->phase = SMOKE_AFTERMATH;
	judge->aftermath_began = now;
}

void smoke_judge_line(struct smoke_judge *judge, uint64_t now, const char *line)
{
	const struct smoke_pattern *fail;
	enum smoke_verdict sign;

	judge->last_output = now;
	if (judge->phase == SMOKE_AFTERMATH) {
		smoke_frames_read(&judge->frames, line);
		if (smoke_crash_ends(judge->verdict, line))
			judge->phase = SMOKE_DECIDED;
	}
	if (judge->phase != SMOKE_RUNNING && judge->phase != SMOKE_REBOOTING)
		return;
	sign = smoke_signs_read(judge->signs, &judge->rules->ignores, line);
	if (sign) {
		begin_aftermath(judge, sign, now, line);
		return;
	}
	fail = smoke_patterns_match(&judge->rules->fails, line);
	if (fail)
		decide(judge, SMOKE_FAIL, "--fail %s: %s", fail->source, line);
	if (read_status(judge, line))
		return;
	smoke_ktap_read(&judge->ktap, line);
	meet(judge, line, true);
	judge->scanned = 0;
}

void smoke_judge_alive(struct smoke_judge *judge, uint64_t now)
{
	judge->last_output = now;
}

void smoke_judge_prompt(struct smoke_judge *judge, uint64_t now, const char *rest)
{
	(void)now;
	if (judge->phase == SMOKE_RUNNING && *rest && judge->scanned <= strlen(rest))
		meet(judge, rest, false);
}

static uint64_t ns(double seconds)
{
	return (uint64_t)(seconds * (double)SECOND);
}

/* What is not there yet, for a person. */
static void tell_missing(const struct smoke_judge *judge, char *text, size_t size)
{
	const struct smoke_patterns *expects = &judge->rules->expects;

	text[0] = '\0';
	if (judge->phase == SMOKE_REBOOTING)
		snprintf(text, size, "; boot %u of %u did not reset", judge->boots,
			 judge->rules->boots);
	for (size_t i = 0; i < expects->count; i++) {
		if (!judge->met[i]) {
			snprintf(text, size, "; still expected: %s", expects->all[i].source);
			return;
		}
	}
}

void smoke_judge_time(struct smoke_judge *judge, uint64_t now)
{
	const struct smoke_rules *rules = judge->rules;
	char missing[256];

	if (judge->phase == SMOKE_AFTERMATH && now >= smoke_judge_deadline(judge))
		judge->phase = SMOKE_DECIDED;
	if (judge->phase != SMOKE_RUNNING && judge->phase != SMOKE_REBOOTING)
		return;
	tell_missing(judge, missing, sizeof(missing));
	if (rules->silence > 0 && now >= judge->last_output + ns(rules->silence))
		decide(judge, SMOKE_SILENCE, "nothing was printed for %g s%s", rules->silence,
		       missing);
	else if (rules->timeout > 0 && now >= judge->started + ns(rules->timeout))
		decide(judge, SMOKE_TIMEOUT, "not done after %g s%s", rules->timeout, missing);
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

uint64_t smoke_judge_deadline(const struct smoke_judge *judge)
{
	const struct smoke_rules *rules = judge->rules;
	uint64_t deadline = UINT64_MAX;

	if (judge->phase == SMOKE_AFTERMATH)
		return earlier(judge->aftermath_began + AFTERMATH_MAX,
			       judge->last_output + AFTERMATH_QUIET);
	if (judge->phase != SMOKE_RUNNING && judge->phase != SMOKE_REBOOTING)
		return deadline;
	if (rules->timeout > 0)
		deadline = judge->started + ns(rules->timeout);
	if (rules->silence > 0)
		deadline = earlier(deadline, judge->last_output + ns(rules->silence));
	return deadline;
}

static void switched_off(struct smoke_judge *judge)
{
	char missing[256];

	if (!judge->rules->runs && !judge->rules->expects.count && judge->boots >= judge->rules->boots) {
		if (smoke_ktap_is_short(&judge->ktap))
			decide(judge, SMOKE_FAIL, "%lu subtests were planned, and %lu ended",
			       judge->ktap.plan, judge->ktap.seen);
		decide_pass(judge, "the guest switched itself off");
		return;
	}
	tell_missing(judge, missing, sizeof(missing));
	decide(judge, SMOKE_EXIT, "the guest switched itself off%s", missing);
}

static void reset(struct smoke_judge *judge)
{
	bool done = judge->phase == SMOKE_REBOOTING ||
		    (judge->phase == SMOKE_RUNNING && !judge->rules->expects.count);
	char missing[256];

	if (done && judge->boots < judge->rules->boots) {
		judge->phase = SMOKE_BEFORE;
		return;
	}
	tell_missing(judge, missing, sizeof(missing));
	decide(judge, SMOKE_RESET, "the guest reset itself%s", missing);
}

/* "the test in the guest failed: status 3", as the exit port was told. */
static void test_failed(struct smoke_judge *judge, const char *said)
{
	const char *status = strstr(said, ": status ");

	if (status)
		judge->guest_status = (int)(strtoul(status + 9, NULL, 10) & 0x7fffffff);
	decide(judge, SMOKE_FAIL, "%s", said);
}

void smoke_judge_ended(struct smoke_judge *judge, int wait_status, const char *said)
{
	const char *colon = *said ? ": " : "";

	if (judge->phase == SMOKE_AFTERMATH)
		judge->phase = SMOKE_DECIDED;
	if (judge->phase == SMOKE_DECIDED)
		return;
	if (WIFSIGNALED(wait_status)) {
		decide(judge, SMOKE_ERROR, "ferry was ended by signal %d%s%s",
		       WTERMSIG(wait_status), colon, said);
		return;
	}
	switch (WEXITSTATUS(wait_status)) {
	case RUN_POWEROFF:
		switched_off(judge);
		break;
	case RUN_RESET:
		reset(judge);
		break;
	case RUN_CRASH:
		decide(judge, SMOKE_CRASH, "%s", *said ? said : "the guest crashed");
		break;
	case RUN_PANIC:
		decide(judge, SMOKE_PANIC, "%s", *said ? said : "the guest panicked");
		break;
	case RUN_TEST_FAILED:
		test_failed(judge, said);
		break;
	default:
		decide(judge, SMOKE_ERROR, "ferry run ended with status %d%s%s",
		       WEXITSTATUS(wait_status), colon, said);
		break;
	}
}
