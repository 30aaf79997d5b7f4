/* SPDX-License-Identifier: Apache-2.0 */
/* Reports of guests that print anything. */
#include "smoke/report.h"

#include <json-c/json.h>
#include <string.h>

#include "check_main.h"

static struct smoke_results make(void)
{
	struct smoke_results results = { .all = calloc(2, sizeof(*results.all)), .count = 2 };

	results.all[0] = (struct smoke_result){
		.name = strdup("a # b"), .verdict = SMOKE_PANIC, .reason = strdup("x \"y\" \x01\xff"),
		.seconds = 1.5, .first_byte = -1, .boots = 2, .guest_status = -1,
		.fingerprint = strdup("f g"), .tail = strdup("<&>\x02\xc3\xa9\xc3(\xed\xa0\x80\n"),
	};
	results.all[1] = (struct smoke_result){
		.name = strdup("p"), .verdict = SMOKE_PASS, .reason = strdup("ok"),
		.first_byte = 0.25, .guest_status = 3,
	};
	ck_assert_int_eq(smoke_ktap_add(&results.all[1].subtests, SUBTEST_SKIP, "s", "why"), 0);
	ck_assert_int_eq(smoke_ktap_add(&results.all[1].subtests, SUBTEST_OK, "t", NULL), 0);
	return results;
}

START_TEST(test_json_comes_back_as_it_was)
{
	struct smoke_results results = make(), again = { 0 };
	struct text first = { 0 }, second = { 0 };
	struct json_object *root;

	smoke_json(&first, &results);
	root = json_tokener_parse(first.data);
	ck_assert_int_eq(smoke_json_read(root, &again), 0);
	smoke_json(&second, &again);
	ck_assert_str_eq(first.data, second.data);
	ck_assert_int_eq(again.all[1].guest_status, 3);
	json_object_put(root);
	text_finish(&first);
	text_finish(&second);
	smoke_results_finish(&results);
	smoke_results_finish(&again);
}
END_TEST

START_TEST(test_what_is_no_report_is_refused)
{
	static const char *const wrong[] = {
		"{}", "{\"tests\":1}", "{\"tests\":[1]}", "{\"tests\":[{\"name\":\"x\"}]}",
		"{\"tests\":[{\"name\":\"x\",\"verdict\":\"fine\"}]}",
		"{\"tests\":[{\"name\":\"x\",\"verdict\":\"pass\",\"subtests\":[{}]}]}",
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct json_object *root = json_tokener_parse(wrong[i]);
		struct smoke_results results = { 0 };

		ck_assert_msg(smoke_json_read(root, &results) == -22, "%s", wrong[i]);
		smoke_results_finish(&results);
		json_object_put(root);
	}
}
END_TEST

START_TEST(test_xml_has_only_what_xml_may_have)
{
	struct smoke_results results = make();
	struct text text = { 0 };

	smoke_junit(&text, &results);
	ck_assert_ptr_nonnull(strstr(text.data, "&#60;&#38;&#62;\xef\xbf\xbd\xc3\xa9\xef\xbf\xbd("));
	ck_assert_ptr_nonnull(strstr(text.data, "message=\"x &#34;y&#34; \xef\xbf\xbd\xef\xbf\xbd\""));
	ck_assert_ptr_nonnull(strstr(text.data, "tests=\"4\" failures=\"1\" errors=\"0\" skipped=\"1\""));
	text_finish(&text);
	smoke_results_finish(&results);
}
END_TEST

START_TEST(test_tap_names_are_no_directives)
{
	struct smoke_results results = make();
	struct text text = { 0 };

	smoke_tap_result(&text, 1, &results.all[0]);
	ck_assert_ptr_nonnull(strstr(text.data, "not ok 1 - a \\# b\n"));
	ck_assert_ptr_nonnull(strstr(text.data, "reason: \"x \\\"y\\\" \\x01\\xff\"\n"));
	text_clear(&text);
	smoke_tap_result(&text, 2, &results.all[1]);
	ck_assert_ptr_nonnull(strstr(text.data, "    ok 1 - s # SKIP why\n"));
	text_finish(&text);
	smoke_results_finish(&results);
}
END_TEST

START_TEST(test_an_error_is_the_status_only_when_nothing_failed)
{
	struct smoke_results results = make();

	results.all[1].verdict = SMOKE_ERROR;
	ck_assert_int_eq(smoke_results_status(&results), 34);
	results.all[0].verdict = SMOKE_PASS;
	ck_assert_int_eq(smoke_results_status(&results), 1);
	results.all[1].verdict = SMOKE_PASS;
	ck_assert_int_eq(smoke_results_status(&results), 0);
	smoke_results_finish(&results);
}
END_TEST

CHECK_MAIN("smoke/report", test_json_comes_back_as_it_was, test_what_is_no_report_is_refused,
	   test_xml_has_only_what_xml_may_have, test_tap_names_are_no_directives,
	   test_an_error_is_the_status_only_when_nothing_failed)
