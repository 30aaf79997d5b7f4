/* SPDX-License-Identifier: Apache-2.0 */
/* JUnit's XML: what a guest printed may be any bytes, and XML 1.0 (2.2) may not. */
#include <string.h>

#include "smoke/report.h"

static bool is_char(const char *s, size_t len)
{
	if (len == 1)
		return (unsigned char)*s >= ' ' || strchr("\t\n\r", *s);
	return len && strncmp(s, "\xef\xbf\xbe", 3) != 0 && strncmp(s, "\xef\xbf\xbf", 3) != 0;
}

/* In an attribute a newline would be read as a blank. */
static void add_escaped(struct text *text, const char *s, const char *special)
{
	while (*s) {
		size_t len = text_utf8(s);

		if (!is_char(s, len))
			text_add(text, "\xef\xbf\xbd");
		else if (strchr(special, *s))
			text_add(text, "&#%d;", *s);
		else
			text_add_bytes(text, s, len);
		s += len ? len : 1;
	}
}

static void add_content(struct text *text, const char *s)
{
	add_escaped(text, s, "&<>\r");
}

static void add_attribute(struct text *text, const char *name, const char *value)
{
	text_add(text, " %s=\"", name);
	add_escaped(text, value, "&<>\"\t\n\r");
	text_add(text, "\"");
}

static void add_case(struct text *text, const struct smoke_result *result)
{
	bool is_error = result->verdict == SMOKE_ERROR || result->verdict == SMOKE_NONE;
	const char *element = is_error ? "error" : "failure";

	text_add(text, "  <testcase classname=\"ferry.smoke\"");
	add_attribute(text, "name", result->name);
	text_add(text, " time=\"%.3f\">\n", result->seconds);
	if (result->verdict != SMOKE_PASS) {
		text_add(text, "    <%s type=\"%s\"", element,
			 smoke_verdict_name(result->verdict));
		add_attribute(text, "message", result->reason);
		text_add(text, ">");
		if (result->fingerprint) {
			text_add(text, "fingerprint: ");
			add_content(text, result->fingerprint);
			text_add(text, "\n");
		}
		add_content(text, result->tail ? result->tail : "");
		text_add(text, "</%s>\n", element);
	}
	if (result->console) {
		text_add(text, "    <system-out>[[ATTACHMENT|");
		add_content(text, result->console);
		text_add(text, "]]</system-out>\n");
	}
	text_add(text, "  </testcase>\n");
}

static void add_subtest(struct text *text, const char *test, const struct smoke_subtest *subtest)
{
	text_add(text, "  <testcase");
	add_attribute(text, "classname", test);
	add_attribute(text, "name", subtest->name);
	switch (subtest->result) {
	case SUBTEST_NOT_OK:
		text_add(text, "><failure type=\"subtest\"");
		break;
	case SUBTEST_SKIP:
	case SUBTEST_TODO:
		text_add(text, "><skipped");
		break;
	case SUBTEST_OK:
		text_add(text, "/>\n");
		return;
	}
	add_attribute(text, "message", subtest->detail ? subtest->detail : "");
	text_add(text, "/></testcase>\n");
}

void smoke_junit(struct text *text, const struct smoke_results *results)
{
	size_t errors = smoke_results_count(results, SMOKE_ERROR);
	size_t failures = results->count - errors - smoke_results_count(results, SMOKE_PASS);
	size_t tests = results->count, skipped = 0;
	double seconds = 0;

	for (size_t i = 0; i < results->count; i++) {
		const struct smoke_ktap *subtests = &results->all[i].subtests;

		tests += subtests->count;
		failures += smoke_ktap_count(subtests, SUBTEST_NOT_OK);
		skipped += smoke_ktap_count(subtests, SUBTEST_SKIP) +
			   smoke_ktap_count(subtests, SUBTEST_TODO);
		seconds += results->all[i].seconds;
	}
	text_add(text, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n"
		       "<testsuite name=\"ferry smoke\" tests=\"%zu\" failures=\"%zu\" "
		       "errors=\"%zu\" skipped=\"%zu\" time=\"%.3f\">\n",
		 tests, failures, errors, skipped, seconds);
	for (size_t i = 0; i < results->count; i++) {
		const struct smoke_result *result = &results->all[i];

		add_case(text, result);
		for (size_t k = 0; k < result->subtests.count; k++)
			add_subtest(text, result->name, &result->subtests.subtests[k]);
	}
	text_add(text, "</testsuite>\n</testsuites>\n");
}
