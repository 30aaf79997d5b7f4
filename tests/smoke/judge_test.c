/* SPDX-License-Identifier: Apache-2.0 */
/* The verdict machine, without a guest. */
#include "smoke/judge.h"

#include <string.h>
#include <sys/wait.h>

#include "base/util.h"
#include "check_main.h"

#define SECOND 1000000000ULL

static struct smoke_rules rules;
static struct smoke_signs signs;
static struct smoke_judge judge;
static char sent[256];

static void type(void *self, const char *text, size_t len)
{
	(void)self;
	strncat(sent, text, len);
}

static void begin(void)
{
	sent[0] = '\0';
	ck_assert_int_eq(smoke_signs_init(&signs), 0);
	ck_assert_int_eq(smoke_judge_init(&judge, &rules, &signs), 0);
	judge.send = type;
	smoke_judge_boot(&judge, 0);
}

static void end(void)
{
	smoke_judge_finish(&judge);
	smoke_signs_finish(&signs);
	smoke_rules_finish(&rules);
}

static void want(const char *regex)
{
	ck_assert_int_eq(smoke_patterns_add(&rules.expects, regex), 0);
}

static void exited(int status)
{
	smoke_judge_ended(&judge, W_EXITCODE(status, 0), "");
}

START_TEST(test_the_first_verdict_counts)
{
	want("done");
	begin();
	smoke_judge_line(&judge, 1, "Kernel panic - not syncing: x");
	smoke_judge_line(&judge, 2, "done");
	exited(32);
	ck_assert_int_eq(judge.verdict, SMOKE_PANIC);
	end();
}
END_TEST

START_TEST(test_a_panic_that_is_expected_is_a_panic)
{
	want("Kernel panic");
	begin();
	smoke_judge_line(&judge, 1, "Kernel panic - not syncing: x");
	ck_assert_int_eq(judge.verdict, SMOKE_PANIC);
	end();
}
END_TEST

START_TEST(test_names_that_contain_a_sign_are_none)
{
	static const char *const harmless[] = {
		"ODEBUG: Out of memory", "DEBUG: x", "MYBUG:", "ok 1 - no_Oops:x", "prewarning: at",
		"traps: a[1] general protection fault ip:1", "INFO: lockdep is turned off.",
		"WARNING: this is only a message",
	};

	begin();
	for (size_t i = 0; i < ARRAY_SIZE(harmless); i++) {
		smoke_judge_line(&judge, 1, harmless[i]);
		ck_assert_msg(judge.verdict == SMOKE_NONE, "%s", harmless[i]);
	}
	end();
}
END_TEST

START_TEST(test_signs_of_trouble_are_known)
{
	static const char *const bad[] = {
		"[    1.0] BUG: kernel NULL pointer dereference, address: 0",
		"[    1.0] kernel BUG at mm/slub.c:1!",
		"watchdog: BUG: soft lockup - CPU#0 stuck for 22s!",
		"rcu: INFO: rcu_preempt self-detected stall on CPU",
		"INFO: task x:1 blocked for more than 120 seconds.",
		"WARNING: CPU: 0 PID: 1 at kernel/a.c:1 f+0x1/0x2",
		"WARNING: possible circular locking dependency detected",
		"Unable to handle kernel NULL pointer dereference at virtual address 0",
		"Internal error: Oops: 0000000096000004 [#1] SMP",
		"BUG: KASAN: use-after-free in f", "BUG kmalloc-64 (Not tainted): Redzone",
		"general protection fault, probably for non-canonical address: 0000 [#1]",
		"UBSAN: shift-out-of-bounds in a.c:1:2", "unreferenced object 0xffff (size 8):",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		begin();
		smoke_judge_line(&judge, 1, bad[i]);
		ck_assert_msg(judge.verdict == SMOKE_OOPS, "%s", bad[i]);
		end();
	}
}
END_TEST

START_TEST(test_a_crash_is_read_on_to_its_end)
{
	begin();
	smoke_judge_line(&judge, 1 * SECOND, "BUG: x");
	ck_assert_int_eq(judge.phase, SMOKE_AFTERMATH);
	smoke_judge_line(&judge, 1 * SECOND, " ? wrong+0x1/0x2");
	smoke_judge_line(&judge, 1 * SECOND, " right.isra.0+0x1/0x2 [mod]");
	smoke_judge_line(&judge, 1 * SECOND, "pc : other+0x1/0x2");
	smoke_judge_line(&judge, 1 * SECOND, "---[ end trace 0000 ]---");
	ck_assert_int_eq(judge.phase, SMOKE_DECIDED);
	ck_assert_uint_eq(judge.frames.count, 2);
	ck_assert_str_eq(judge.frames.names[0], "right");
	ck_assert_str_eq(judge.frames.names[1], "other");
	end();
}
END_TEST

START_TEST(test_a_crash_that_never_ends_is_given_up)
{
	begin();
	smoke_judge_line(&judge, 1 * SECOND, "BUG: x");
	smoke_judge_time(&judge, smoke_judge_deadline(&judge) - 1);
	ck_assert_int_eq(judge.phase, SMOKE_AFTERMATH);
	for (unsigned i = 0; i < 100; i++)
		smoke_judge_line(&judge, 1 * SECOND + i * SECOND / 10, "more");
	smoke_judge_time(&judge, 6 * SECOND);
	ck_assert_int_eq(judge.phase, SMOKE_DECIDED);
	ck_assert_int_eq(judge.verdict, SMOKE_OOPS);
	end();
}
END_TEST

START_TEST(test_two_matches_of_one_line_need_two_places)
{
	want("ok");
	want("ok");
	begin();
	smoke_judge_line(&judge, 1, "ok");
	ck_assert_int_eq(judge.verdict, SMOKE_NONE);
	smoke_judge_line(&judge, 1, "ok");
	ck_assert_int_eq(judge.verdict, SMOKE_PASS);
	end();
	want("ok");
	want("ok$");
	begin();
	smoke_judge_line(&judge, 1, "ok ok");
	ck_assert_int_eq(judge.verdict, SMOKE_PASS);
	end();
}
END_TEST

START_TEST(test_a_prompt_is_met_once_and_its_end_is_unknown)
{
	want("login:");
	want("login:|never");
	ck_assert_int_eq(smoke_rules_send(&rules, "root\\n"), 0);
	begin();
	smoke_judge_prompt(&judge, 1, "host login: ");
	ck_assert_uint_eq(judge.met_count, 1);
	smoke_judge_line(&judge, 2, "host login: root");
	ck_assert_uint_eq(judge.met_count, 1);
	end();
	want("login:$");
	begin();
	smoke_judge_prompt(&judge, 1, "login:");
	ck_assert_uint_eq(judge.met_count, 0);
	smoke_judge_line(&judge, 1, "login:");
	ck_assert_int_eq(judge.verdict, SMOKE_PASS);
	end();
}
END_TEST

START_TEST(test_answers_follow_their_expectation)
{
	ck_assert_int_eq(smoke_rules_send(&rules, "a"), 0);
	want("x");
	ck_assert_int_eq(smoke_rules_send(&rules, "b\\x41\\t"), 0);
	want("y");
	begin();
	ck_assert_str_eq(sent, "a");
	smoke_judge_line(&judge, 1, "x");
	ck_assert_str_eq(sent, "abA\t");
	end();
}
END_TEST

START_TEST(test_silence_and_timeout_are_told_apart)
{
	rules.silence = 2;
	rules.timeout = 3;
	begin();
	smoke_judge_alive(&judge, 2 * SECOND);
	ck_assert_uint_eq(smoke_judge_deadline(&judge), 3 * SECOND);
	smoke_judge_time(&judge, 3 * SECOND);
	ck_assert_int_eq(judge.verdict, SMOKE_TIMEOUT);
	smoke_judge_finish(&judge);
	smoke_signs_finish(&signs);
	begin();
	smoke_judge_time(&judge, 2 * SECOND);
	ck_assert_int_eq(judge.verdict, SMOKE_SILENCE);
	end();
}
END_TEST

START_TEST(test_how_ferry_ended_has_its_verdict)
{
	static const struct {
		int status, verdict;
	} ends[] = { { 0, SMOKE_EXIT },	 { 1, SMOKE_ERROR },  { 2, SMOKE_ERROR },
		     { 32, SMOKE_RESET }, { 33, SMOKE_CRASH }, { 34, SMOKE_PANIC },
		     { 35, SMOKE_ERROR }, { 36, SMOKE_ERROR }, { 127, SMOKE_ERROR } };

	for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
		want("x");
		begin();
		exited(ends[i].status);
		ck_assert_int_eq((int)judge.verdict, ends[i].verdict);
		end();
	}
	begin();
	smoke_judge_ended(&judge, 11, ""); /* killed by SIGSEGV */
	ck_assert_int_eq(judge.verdict, SMOKE_ERROR);
	end();
}
END_TEST

START_TEST(test_every_verdict_has_a_status_of_its_own)
{
	for (int a = SMOKE_PASS; a < SMOKE_VERDICTS; a++) {
		ck_assert_int_ne(smoke_verdict_status(a), 2);
		ck_assert_int_eq((int)smoke_verdict_find(smoke_verdict_name(a)), a);
		for (int b = SMOKE_PASS; b < a; b++)
			ck_assert_int_ne(smoke_verdict_status(a), smoke_verdict_status(b));
	}
}
END_TEST

START_TEST(test_missing_subtests_are_no_pass)
{
	begin();
	smoke_judge_line(&judge, 1, "TAP version 13");
	smoke_judge_line(&judge, 1, "1..2");
	smoke_judge_line(&judge, 1, "ok 1 a");
	exited(0);
	ck_assert_int_eq(judge.verdict, SMOKE_FAIL);
	end();
}
END_TEST

CHECK_MAIN("smoke/judge", test_the_first_verdict_counts, test_a_panic_that_is_expected_is_a_panic,
	   test_names_that_contain_a_sign_are_none, test_signs_of_trouble_are_known,
	   test_a_crash_is_read_on_to_its_end, test_a_crash_that_never_ends_is_given_up,
	   test_two_matches_of_one_line_need_two_places,
	   test_a_prompt_is_met_once_and_its_end_is_unknown,
	   test_answers_follow_their_expectation, test_silence_and_timeout_are_told_apart,
	   test_how_ferry_ended_has_its_verdict, test_every_verdict_has_a_status_of_its_own,
	   test_missing_subtests_are_no_pass)
