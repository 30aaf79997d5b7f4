/* SPDX-License-Identifier: Apache-2.0 */
/* TAP 14 (testanything.org/tap-version-14-specification.html). */
#include <stdio.h>
#include <string.h>

#include "smoke/report.h"

/* What follows "ok 1 - ": one line, without what would be taken for a directive. */
static void add_name(struct text *text, const char *name)
{
	for (; *name; name++) {
		if (*name == '#' || *name == '\\')
			text_add(text, "\\%c", *name);
		else if ((unsigned char)*name < ' ')
			text_add(text, "?");
		else
			text_add_bytes(text, name, 1);
	}
}

/* A double-quoted scalar of YAML. */
static void add_quoted(struct text *text, const char *s)
{
	text_add(text, "\"");
	while (*s) {
		size_t len = text_utf8(s);

		if (*s == '"' || *s == '\\')
			text_add(text, "\\%c", *s);
		else if (len > 1 || (len && (unsigned char)*s >= ' ' && *s != 0x7f))
			text_add_bytes(text, s, len);
		else
			text_add(text, "\\x%02x", (unsigned char)*s);
		s += len ? len : 1;
	}
	text_add(text, "\"\n");
}

void smoke_tap_head(struct text *text, size_t count)
{
	text_add(text, "TAP version 14\n1..%zu\n", count);
}

static void add_subtests(struct text *text, const struct smoke_result *result)
{
	static const char *const directives[] = { "", "", " # SKIP", " # TODO" };
	const struct smoke_ktap *subtests = &result->subtests;

	if (!subtests->count)
		return;
	text_add(text, "# Subtest: ");
	add_name(text, result->name);
	text_add(text, "\n");
	for (size_t i = 0; i < subtests->count; i++) {
		const struct smoke_subtest *subtest = &subtests->subtests[i];
		int is_bad = subtest->result == SUBTEST_NOT_OK || subtest->result == SUBTEST_TODO;

		text_add(text, "    %sok %zu - ", is_bad ? "not " : "", i + 1);
		add_name(text, subtest->name);
		text_add(text, "%s", directives[subtest->result]);
		if (subtest->result != SUBTEST_NOT_OK && subtest->detail && *subtest->detail) {
			text_add(text, subtest->result == SUBTEST_OK ? " # " : " ");
			add_name(text, subtest->detail);
		}
		text_add(text, "\n");
	}
	text_add(text, "    1..%zu\n", subtests->count);
}

void smoke_tap_result(struct text *text, size_t number, const struct smoke_result *result)
{
	add_subtests(text, result);
	text_add(text, "%sok %zu - ", result->verdict == SMOKE_PASS ? "" : "not ", number);
	add_name(text, result->name);
	text_add(text, "\n  ---\n  verdict: %s\n  reason: ", smoke_verdict_name(result->verdict));
	add_quoted(text, result->reason);
	text_add(text, "  seconds: %.3f\n  boots: %u\n", result->seconds, result->boots);
	if (result->guest_status >= 0)
		text_add(text, "  status: %d\n", result->guest_status);
	if (result->fingerprint) {
		text_add(text, "  fingerprint: ");
		add_quoted(text, result->fingerprint);
	}
	if (result->console) {
		text_add(text, "  console: ");
		add_quoted(text, result->console);
	}
	text_add(text, "  ...\n");
}
