/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fault campaign: a migration is disturbed at each of its operations, on each side, in each way,
 * and afterwards exactly one guest runs and has its memory, or an operator knows what to do.
 *
 * usage: faults WAY [some|all|few]     prints TAP
 *
 * Of operations that are alike the first is disturbed; with "all" the last as well. Where a disk is copied
 * too, those that are about it are, and some on the way; the others are those of pre-copy. With "few" it is two
 * on the way, by the ways that leave nobody waiting for long: for a machine that is slow.
 */
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "migrate/dest.h"
#include "migrate/source.h"
#include "side.h"

#define OPS_MAX 512
/* A destination whose source failed early says nothing: it waits for the next one. */
#define DEST_PATIENCE_MS 2500

struct op {
	char what[32];
	bool is_wanted;
};

static unsigned cases, failures;
static unsigned seen[4]; /* how the cases ended, for the summary */

enum { RAN_THERE, RAN_HERE, FORCED, DIED };

/* Both sides in words, and what was found. */
struct outcome {
	int source, dest; /* enum migrate_outcome and migrate_arrival; -1: the process is gone */
	char source_text[256], dest_text[256];
};

static int result_of(struct side *side, const char *word, int patience_ms, char *text, size_t size)
{
	const char *answer = side_hear(side, word, patience_ms);
	char *rest = NULL;
	int result;

	if (!answer)
		return -1;
	result = (int)strtol(answer, &rest, 10);
	snprintf(text, size, "%s", rest);
	return result;
}

static bool check(struct side *side, const char **ret_why)
{
	const char *answer;

	side_say(side, "check");
	answer = side_hear(side, "check ", SIDE_PATIENCE_MS);
	if (answer && strncmp(answer, "ok", 2) == 0)
		return true;
	*ret_why = answer ? answer : "the guest does not answer";
	return false;
}

static bool force(struct side *side, const char **ret_why)
{
	side_say(side, "force");
	if (!side_hear(side, "forced", SIDE_PATIENCE_MS)) {
		*ret_why = "resume --force did not work";
		return false;
	}
	return check(side, ret_why);
}

/* The guest that went on is moved once more, undisturbed. */
static bool second_attempt(struct side *source, enum way way, const char **ret_why)
{
	const struct plan plain = { .way = way };
	struct side dest = { 0 };
	const char *uri;
	char text[256];
	bool ok = false;

	*ret_why = "the second attempt failed";
	side_start_dest(&dest, &plain);
	uri = side_hear(&dest, "listening ", SIDE_PATIENCE_MS);
	if (uri) {
		side_say(source, "go %s", uri);
		ok = result_of(source, "outcome ", SIDE_PATIENCE_MS, text, sizeof(text)) == MIGRATE_MOVED &&
		     result_of(&dest, "arrival ", SIDE_PATIENCE_MS, text, sizeof(text)) == MIGRATE_ARRIVED &&
		     check(&dest, ret_why);
	}
	side_end(&dest);
	return ok;
}

/* Its end of the pipe closes before it can be waited for. */
static bool is_gone(const struct side *side)
{
	struct pollfd out = { .fd = fileno(side->out) };

	return poll(&out, 1, 0) == 1 && out.revents & POLLHUP;
}

/*
 * In post-copy the guest may run there and wait for the rest. If only the last word of the other side
 * was lost, it has all and waits for nobody. If it is dead there, or was never told to run, an operator
 * has it go on where it came from.
 */
static bool recovered(struct side *source, struct side *dest, struct outcome *outcome,
		      const char **ret_why)
{
	side_say(source, "recover");
	outcome->source = result_of(source, "outcome ", SIDE_PATIENCE_MS, outcome->source_text,
				    sizeof(outcome->source_text));
	outcome->dest = result_of(dest, "arrival ", SIDE_PATIENCE_MS, outcome->dest_text,
				  sizeof(outcome->dest_text));
	if (outcome->dest == MIGRATE_ARRIVED) {
		seen[RAN_THERE]++;
		return check(dest, ret_why);
	}
	seen[FORCED]++;
	*ret_why = "it could not be recovered, and may run there";
	return (outcome->dest == MIGRATE_NOT_ARRIVED || is_gone(dest)) && force(source, ret_why);
}

/* Killed was the process in which the guest ran, or had its memory; the other must have noticed. */
static bool died(const struct side *source, const struct side *dest, const struct plan *plan,
		 const char **ret_why)
{
	seen[DIED]++;
	*ret_why = "nobody has the guest";
	return plan->fault == FAULT_KILL && (is_gone(source) || is_gone(dest));
}

/* What must be, whatever happened. */
static bool judge(struct side *source, struct side *dest, const struct plan *plan,
		  struct outcome *outcome, const char **ret_why)
{
	bool in_parts = plan->way == WAY_POSTCOPY;

	if (outcome->source == MIGRATE_BROKEN)
		return recovered(source, dest, outcome, ret_why);
	if (outcome->dest == MIGRATE_ARRIVED) {
		seen[RAN_THERE]++;
		*ret_why = "it runs on both sides";
		return outcome->source != MIGRATE_WENT_ON && check(dest, ret_why);
	}
	if (outcome->source == MIGRATE_WENT_ON) {
		seen[RAN_HERE]++;
		return check(source, ret_why) && second_attempt(source, plan->way, ret_why);
	}
	if (outcome->source == MIGRATE_IN_DOUBT) {
		seen[FORCED]++;
		return force(source, ret_why);
	}
	if (outcome->dest == MIGRATE_ARRIVAL_IN_DOUBT && !(in_parts && is_gone(source))) {
		seen[FORCED]++;
		return force(dest, ret_why);
	}
	return died(source, dest, plan, ret_why);
}

static void run_case(const struct plan *plan, bool at_source, const char *what)
{
	const struct plan plain = { .way = plan->way };
	struct outcome outcome = { -1, -1, "", "" };
	struct side source = { 0 }, dest = { 0 };
	const char *why = "it did not begin", *uri;
	bool ok = false;

	side_start_source(&source, at_source ? plan : &plain);
	side_start_dest(&dest, at_source ? &plain : plan);
	uri = side_hear(&dest, "listening ", SIDE_PATIENCE_MS);
	if (uri && side_hear(&source, "ready", SIDE_PATIENCE_MS)) {
		side_say(&source, "go %s", uri);
		outcome.source = result_of(&source, "outcome ", SIDE_PATIENCE_MS, outcome.source_text,
					   sizeof(outcome.source_text));
		if (outcome.source != MIGRATE_BROKEN)
			outcome.dest = result_of(&dest, "arrival ", DEST_PATIENCE_MS, outcome.dest_text,
						 sizeof(outcome.dest_text));
		ok = judge(&source, &dest, plan, &outcome, &why);
	}
	side_end(&source);
	side_end(&dest);
	cases++;
	failures += !ok;
	printf("%sok %u - %s, %s, operation %u (%s): %s\n", ok ? "" : "not ", cases,
	       way_names[plan->way], at_source ? "source" : "destination", plan->at, what,
	       fault_names[plan->fault]);
	if (!ok)
		printf("# %s\n# source %d:%s\n# destination %d:%s\n", why, outcome.source,
		       outcome.source_text, outcome.dest, outcome.dest_text);
	fflush(stdout);
}

/* The operations of one side in an undisturbed run. */
static unsigned list_ops(enum way way, bool at_source, struct op *ops)
{
	const struct plan traced = { .way = way, .is_traced = true }, plain = { .way = way };
	struct side source = { 0 }, dest = { 0 };
	struct side *side = at_source ? &source : &dest;
	const char *uri, *op;
	unsigned count = 0, number;

	side_start_source(&source, at_source ? &traced : &plain);
	side_start_dest(&dest, at_source ? &plain : &traced);
	uri = side_hear(&dest, "listening ", SIDE_PATIENCE_MS);
	if (uri && side_hear(&source, "ready", SIDE_PATIENCE_MS)) {
		side_say(&source, "go %s", uri);
		while (count < OPS_MAX && (op = side_hear(side, "", DEST_PATIENCE_MS)) &&
		       sscanf(op, "op %u %31[^\n]", &number, ops[count].what) == 2)
			count++;
	}
	side_end(&source);
	side_end(&dest);
	return count;
}

static bool is_of_disks(const struct op *ops, unsigned count, unsigned i)
{
	return strstr(ops[i].what, "disk") || (i && i * 4 / count != (i - 1) * 4 / count);
}

enum extent { FEW, SOME, ALL };

static bool is_on_the_way(unsigned count, unsigned i)
{
	return i == count / 2 || i == count - count / 8 - 1;
}

static void choose(enum way way, struct op *ops, unsigned count, enum extent extent)
{
	bool all = extent == ALL;

	for (unsigned i = 0; i < count; i++) {
		unsigned earlier = 0, later = 0;

		for (unsigned j = 0; j < count; j++)
			if (strcmp(ops[i].what, ops[j].what) == 0) {
				earlier += j < i;
				later += j > i;
			}
		ops[i].is_wanted = !earlier || (all && !later);
		if (way == WAY_DISKS && !all)
			ops[i].is_wanted = is_of_disks(ops, count, i) &&
					   (!earlier || !strstr(ops[i].what, "disk"));
		if (extent == FEW)
			ops[i].is_wanted = is_on_the_way(count, i);
	}
}

static bool is_fault_of(enum extent extent, int fault)
{
	return extent != FEW || fault == FAULT_SHORT || fault == FAULT_KILL;
}

static void campaign(enum way way, enum extent extent)
{
	static struct op ops[OPS_MAX];

	for (int at_source = 1; at_source >= 0; at_source--) {
		unsigned count;

		memset(ops, 0, sizeof(ops));
		count = list_ops(way, at_source, ops);
		printf("# %s, %s: %u operations\n", way_names[way],
		       at_source ? "source" : "destination", count);
		choose(way, ops, count, extent);
		for (unsigned i = 0; i < count; i++) {
			for (int fault = FAULT_CLOSE; fault < FAULTS && ops[i].is_wanted; fault++) {
				const struct plan plan = { .way = way,
							   .fault = (enum fault)fault,
							   .at = i };

				if (is_fault_of(extent, fault))
					run_case(&plan, at_source, ops[i].what);
			}
		}
	}
}

static enum extent extent_of(const char *word)
{
	if (strcmp(word, "all") == 0)
		return ALL;
	return strcmp(word, "few") == 0 ? FEW : SOME;
}

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	if (access("/dev/kvm", R_OK | W_OK) < 0) {
		puts("1..0 # SKIP /dev/kvm cannot be opened here");
		return 77;
	}
	for (int way = 0; way < WAYS; way++)
		if (argc > 1 && strcmp(argv[1], way_names[way]) == 0)
			campaign((enum way)way, extent_of(argc > 2 ? argv[2] : "some"));
	printf("# went there %u, went on here %u, decided by force %u, died with its process %u\n",
	       seen[RAN_THERE], seen[RAN_HERE], seen[FORCED], seen[DIED]);
	printf("1..%u\n", cases);
	return failures ? 1 : 0;
}
