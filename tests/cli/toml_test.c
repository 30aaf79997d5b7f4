/* SPDX-License-Identifier: Apache-2.0 */
/* TOML 1.0, section by section of toml.io/en/v1.0.0. */
#include "cli/toml.h"

#include <ferry/error.h>

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "check_main.h"
#include "cli/config_text.h"

struct sample {
	const char *toml, *json;
};

/* What the document is as JSON; or what is wrong with it. */
static const char *read_bytes(const char *text, size_t size)
{
	static char seen[4096];
	struct json_object *root;

	error_clear();
	root = toml_parse(text, size);
	snprintf(seen, sizeof(seen), "%s",
		 root ? json_object_to_json_string_ext(root, JSON_C_TO_STRING_PLAIN |
								     JSON_C_TO_STRING_NOSLASHESCAPE) :
			error_text(-EINVAL));
	json_object_put(root);
	return seen;
}

static const char *read_text(const char *text)
{
	return read_bytes(text, strlen(text));
}

#define CHECK_ALL(samples)                                                                         \
	for (size_t sample = 0; sample < ARRAY_SIZE(samples); sample++)                            \
	ck_assert_str_eq(read_text((samples)[sample].toml), (samples)[sample].json)

START_TEST(test_documents_keys_and_comments)
{
	static const struct sample samples[] = {
		{ "", "{}" },
		{ "\n  \t# nothing\r\n\n#", "{}" },
		{ "a = 1", "{\"a\":1}" },
		{ "a=1 # one\n\tb\t=\t2\r\n", "{\"a\":1,\"b\":2}" },
		{ "bare_key = 1\nbare-key = 2\n1234 = 3\n-_ = 4",
		  "{\"bare_key\":1,\"bare-key\":2,\"1234\":3,\"-_\":4}" },
		{ "\"127.0.0.1\" = 1\n'a \"b\"' = 2\n\"\" = 3\n'é' = 4",
		  "{\"127.0.0.1\":1,\"a \\\"b\\\"\":2,\"\":3,\"é\":4}" },
		{ "a.b = 1\na.c = 2\nd . \"e.f\" .g = 3",
		  "{\"a\":{\"b\":1,\"c\":2},\"d\":{\"e.f\":{\"g\":3}}}" },
		{ "a.b.c = 1\nx = 0\na.d = 2", "{\"a\":{\"b\":{\"c\":1},\"d\":2},\"x\":0}" },
		{ "3.14 = 1", "{\"3\":{\"14\":1}}" },
		{ "true = true\ninf = false", "{\"true\":true,\"inf\":false}" },
		{ "a = \"# no comment\" # é\xF0\x9F\x90\xA7", "{\"a\":\"# no comment\"}" },
	};

	CHECK_ALL(samples);
}
END_TEST

START_TEST(test_strings_of_four_kinds)
{
	static const struct sample samples[] = {
		{ "a = \"b \\\"c\\\" \\b\\t\\n\\f\\r\\\\ \\u00e9\\U0001F427\"",
		  "{\"a\":\"b \\\"c\\\" \\b\\t\\n\\f\\r\\\\ é\xF0\x9F\x90\xA7\"}" },
		{ "a = \"\"\nb = ''\nc = \"\"\"\"\"\"\nd = ''''''",
		  "{\"a\":\"\",\"b\":\"\",\"c\":\"\",\"d\":\"\"}" },
		{ "a = 'C:\\n\\\"x\"'", "{\"a\":\"C:\\\\n\\\\\\\"x\\\"\"}" },
		{ "a = \"\"\"\nb\nc\"\"\"", "{\"a\":\"b\\nc\"}" },
		{ "a = \"\"\"\r\nb\r\nc\"\"\"", "{\"a\":\"b\\nc\"}" },
		{ "a = \"\"\"b \\\n\n   c \\  \t\r\n\t d\\\n\"\"\"", "{\"a\":\"b c d\"}" },
		{ "a = \"\"\"\"\"b\"\" \"c\"\"\"\"\"", "{\"a\":\"\\\"\\\"b\\\"\\\" \\\"c\\\"\\\"\"}" },
		{ "a = \"\"\"b\\\"\"\"\"", "{\"a\":\"b\\\"\"}" },
		{ "a = '''\n\\n 'b' ''c'''''\nd = 1", "{\"a\":\"\\\\n 'b' ''c''\",\"d\":1}" },
		{ "a = '''\r\n\r\nb'''", "{\"a\":\"\\nb\"}" },
		{ "a = \"\tb\"", "{\"a\":\"\\tb\"}" },
		{ "a = \"\\u0000\"", "{\"a\":\"\\u0000\"}" },
	};

	CHECK_ALL(samples);
}
END_TEST

START_TEST(test_numbers_and_truth)
{
	static const struct sample samples[] = {
		{ "a = [+99, 42, 0, -17, +0, -0]", "{\"a\":[99,42,0,-17,0,0]}" },
		{ "a = [1_000, 5_349_221, 1_2_3]", "{\"a\":[1000,5349221,123]}" },
		{ "a = [0xDEADBEEF, 0xdead_beef, 0x0_1, 0o755, 0b1101_0110, 0x00]",
		  "{\"a\":[3735928559,3735928559,1,493,214,0]}" },
		{ "a = [9223372036854775807, -9223372036854775808]",
		  "{\"a\":[9223372036854775807,-9223372036854775808]}" },
		{ "a = [+1.0, 3.1415, -0.01, 5e+22, 1e06, -2E-2, 6.626e-34, 0.0, 9_2.4_4, 0e0]",
		  "{\"a\":[1.0,3.1415,-0.01,5e+22,1e06,-2E-2,6.626e-34,0.0,92.44,0e0]}" },
		{ "a = [inf, +inf, -inf, nan, +nan, -nan]",
		  "{\"a\":[inf,+inf,-inf,nan,+nan,-nan]}" },
		{ "a = true\nb = false", "{\"a\":true,\"b\":false}" },
	};

	CHECK_ALL(samples);
}
END_TEST

START_TEST(test_dates_and_times_are_texts)
{
	static const char *const good[] = {
		"1979-05-27T07:32:00Z",		   "1979-05-27T00:32:00-07:00",
		"1979-05-27T00:32:00.999999+23:59", "1979-05-27 07:32:00Z",
		"1979-05-27t07:32:60.5z",	   "1979-05-27T07:32:00",
		"2024-02-29 00:32:00.1",	   "1979-05-27",
		"0001-12-31",			   "07:32:00",
		"00:32:00.999999",
	};
	static const char *const bad[] = {
		"1979-13-01", "1979-00-01", "1979-01-00", "1979-02-29", "1979-04-31", "1979-1-1",
		"24:00:00", "12:60:00", "12:00:61", "12:00", "12:00:00.", "12:00:00Z",
		"1979-05-27T", "1979-05-27T07:32", "1979-05-27T07:32:00+24:00",
		"1979-05-27T07:32:00+01:60", "1979-05-27T07:32:00+0100", "1979-05-27_07:32:00",
		"1979-05-27Z", "1979-05-27 07", "19790-05-27", "1979-05-27T07:32:00ZZ",
	};
	char text[80], wanted[80];

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		snprintf(text, sizeof(text), "a = [ %s,%s ]", good[i], good[i]);
		snprintf(wanted, sizeof(wanted), "{\"a\":[\"%s\",\"%s\"]}", good[i], good[i]);
		ck_assert_str_eq(read_text(text), wanted);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		snprintf(text, sizeof(text), "a = %s", bad[i]);
		ck_assert_msg(strcmp(read_text(text), "line 1, column 5: no such date or time") == 0,
			      "%s: %s", text, read_text(text));
	}
}
END_TEST

START_TEST(test_arrays_and_inline_tables)
{
	static const struct sample samples[] = {
		{ "a = []\nb = [ ]\nc = [ # nothing\n ]", "{\"a\":[],\"b\":[],\"c\":[]}" },
		{ "a = [1, 'b', [true, []], { c = 1 }]", "{\"a\":[1,\"b\",[true,[]],{\"c\":1}]}" },
		{ "a = [\n 1 # one\n , # and\n\n 2,\r\n]", "{\"a\":[1,2]}" },
		{ "a = {}\nb = { }", "{\"a\":{},\"b\":{}}" },
		{ "a = { b = 1, c.d = 2, c.e = 3, 'f g' = { h = [\n4\n] } }",
		  "{\"a\":{\"b\":1,\"c\":{\"d\":2,\"e\":3},\"f g\":{\"h\":[4]}}}" },
		{ "a = { b.c = 1, d = { e = 2 }, b.f = 3 }",
		  "{\"a\":{\"b\":{\"c\":1,\"f\":3},\"d\":{\"e\":2}}}" },
		{ "a = [\"\"\"x\ny\"\"\", '''\nz''']", "{\"a\":[\"x\\ny\",\"z\"]}" },
	};

	CHECK_ALL(samples);
}
END_TEST

START_TEST(test_tables_and_arrays_of_them)
{
	static const struct sample samples[] = {
		{ "[a]", "{\"a\":{}}" },
		{ "[a]\nb = 1\n[c] # d\ne = 2", "{\"a\":{\"b\":1},\"c\":{\"e\":2}}" },
		{ "[a . 'b.c'.d]\n[ e ]", "{\"a\":{\"b.c\":{\"d\":{}}},\"e\":{}}" },
		{ "[x.y.z]\n[x]\nw = 1", "{\"x\":{\"y\":{\"z\":{}},\"w\":1}}" },
		{ "[a.b]\n[c]\n[a.d]", "{\"a\":{\"b\":{},\"d\":{}},\"c\":{}}" },
		{ "a.b.c = 1\n[a.d]\n[a.b.e]\n[f]\na.b = 2",
		  "{\"a\":{\"b\":{\"c\":1,\"e\":{}},\"d\":{}},\"f\":{\"a\":{\"b\":2}}}" },
		{ "[a.b.c]\n[a]\nb.d = 1", "{\"a\":{\"b\":{\"c\":{},\"d\":1}}}" },
		{ "[[a]]\nb = 1\n[[a]]\n[[a]]\nb = 2", "{\"a\":[{\"b\":1},{},{\"b\":2}]}" },
		{ "[[a]]\n[a.b]\nc = 1\n[[a.d]]\n[[a.d]]\n[[a]]\n[[a.d]]\ne = 2",
		  "{\"a\":[{\"b\":{\"c\":1},\"d\":[{},{}]},{\"d\":[{\"e\":2}]}]}" },
		{ "[[a.b]]\n[a]\nc = 1", "{\"a\":{\"b\":[{}],\"c\":1}}" },
		{ "[[a]]\nb.c = 1\n[a.b.d]", "{\"a\":[{\"b\":{\"c\":1,\"d\":{}}}]}" },
	};

	CHECK_ALL(samples);
}
END_TEST

START_TEST(test_what_is_wrong_has_its_line_and_column)
{
	static const struct {
		const char *toml, *place, *text;
	} samples[] = {
		{ "a", "line 1, column 2", "'=' is due" },
		{ "a = 1\nb = ", "line 2, column 5", "a value is due" },
		{ "a =\n1", "line 1, column 4", "a value is due" },
		{ "= 1", "line 1, column 1", "a key is due" },
		{ "a. = 1", "line 1, column 4", "a key is due" },
		{ "é = 1", "line 1, column 1", "a key is due" },
		{ "'é' = 'é' x", "line 1, column 11", "the line should end here" },
		{ "a = 1 b = 2", "line 1, column 7", "the line should end here" },
		{ "[a] b = 1", "line 1, column 5", "the line should end here" },
		{ "\"\"\"a\"\"\" = 1", "line 1, column 3", "'=' is due" },
		{ "\"a\\u0000\" = 1", "line 1, column 1", "a key with a NUL" },
		/* Keys and tables that are there before. */
		{ "a = 1\n\n  a = 2", "line 3, column 3", "a key that is there before, in the same" },
		{ "spelling = 1\n\"\\u0073pelling\" = 2", "line 2, column 1", "in the same table" },
		{ "a = { b = 1, b = 2 }", "line 1, column 14", "in the same table" },
		{ "a.b = 1\na.b.c = 2", "line 2, column 3", "nothing can be added" },
		{ "a = { b = 1 }\na.c = 2", "line 2, column 1", "nothing can be added" },
		{ "a = { b = { c = 1 }, b.d = 2 }", "line 1, column 22", "nothing can be added" },
		{ "a = 1.5\na.b = 1", "line 2, column 1", "nothing can be added" },
		{ "a = 'x'\n[a]", "line 2, column 2", "a table is defined once" },
		{ "[a]\n[a]", "line 2, column 2", "a table is defined once" },
		{ "[a.b]\n[a]\n[a]", "line 3, column 2", "a table is defined once" },
		{ "[a]\nb = 1\n[a.b]", "line 3, column 4", "a table is defined once" },
		{ "[a]\nb = 1.5\n[a.b.c]", "line 3, column 4", "no table can be put into it" },
		{ "[a]\nb.c = 1\n[a.b]", "line 3, column 4", "a table is defined once" },
		{ "a.b = 1\n[a]", "line 2, column 2", "a table is defined once" },
		{ "[a.b.c]\n[a]\nb.c.d = 1", "line 3, column 3", "nothing can be added" },
		{ "[a.b.c]\n[a]\nb.d = 1\n[a.b]", "line 4, column 4", "a table is defined once" },
		{ "a = { b = {} }\n[a.c]", "line 2, column 2", "no table can be put into it" },
		{ "a = { b = {} }\n[a.b.c]", "line 2, column 2", "no table can be put into it" },
		{ "a = [{}]\n[a.b]", "line 2, column 2", "no table can be put into it" },
		{ "a = []\n[[a]]", "line 2, column 3", "no array of tables" },
		{ "[a]\n[[a]]", "line 2, column 3", "no array of tables" },
		{ "[[a]]\n[a]", "line 2, column 2", "a table is defined once" },
		{ "[[a]]\n[[a.b]]\n[a.b]", "line 3, column 4", "a table is defined once" },
		{ "[a.b]\n[[a]]", "line 2, column 3", "no array of tables" },
		{ "[[a.b]]\n[a]\nb.c = 1", "line 3, column 1", "nothing can be added" },
		{ "b = 1\n[b.c]", "line 2, column 2", "no table can be put into it" },
		/* Headers. */
		{ "[]", "line 1, column 2", "a key is due" },
		{ "[a.]", "line 1, column 4", "a key is due" },
		{ "[a b]", "line 1, column 4", "']' is due" },
		{ "[a", "line 1, column 3", "']' is due" },
		{ "[[a] ]", "line 1, column 4", "']]' is due" },
		{ "[ [a]]", "line 1, column 3", "a key is due" },
		{ "[a]]", "line 1, column 4", "the line should end here" },
		/* Arrays and inline tables. */
		{ "a = [1 2]", "line 1, column 8", "',' or ']' is due" },
		{ "a = [,]", "line 1, column 6", "a value is due" },
		{ "a = [1,,2]", "line 1, column 8", "a value is due" },
		{ "a = [1,\n", "line 2, column 1", "a value is due" },
		{ "a = [1\n", "line 2, column 1", "',' or ']' is due" },
		{ "a = { b = 1, }", "line 1, column 14", "a key is due" },
		{ "a = { b = 1\n}", "line 1, column 12", "such a table is one line" },
		{ "a = {\nb = 1 }", "line 1, column 6", "a key is due" },
		{ "a = { , }", "line 1, column 7", "a key is due" },
		{ "a = { b = 1 c = 2 }", "line 1, column 13", "',' or '}' is due" },
		/* Strings. */
		{ "a = \"b", "line 1, column 7", "the line ends inside a text" },
		{ "a = 'b\nc'", "line 1, column 7", "the line ends inside a text" },
		{ "a = \"b\r\nc\"", "line 1, column 7", "the line ends inside a text" },
		{ "a = \"\"\"b\n\"\"", "line 2, column 3", "the file ends inside a text" },
		{ "a = '''b", "line 1, column 9", "the file ends inside a text" },
		{ "a = \"\"\"b\"\"\"\"\"\"", "line 1, column 14", "the line should end here" },
		{ "a = \"b\\x20\"", "line 1, column 7", "no such escape" },
		{ "a = \"b\\", "line 1, column 7", "no such escape" },
		{ "a = \"b\\\nc\"", "line 1, column 7", "no such escape" },
		{ "a = \"\"\"b\\ c\"\"\"", "line 1, column 9", "no such escape" },
		{ "a = \"\\u12g4\"", "line 1, column 10", "four hexadecimal digits" },
		{ "a = \"\\U0011\"", "line 1, column 12", "eight hexadecimal digits" },
		{ "a = \"\\ud800\"", "line 1, column 6", "no character" },
		{ "a = \"\\U00110000\"", "line 1, column 6", "no character" },
		/* Numbers and words. */
		{ "a = b", "line 1, column 5", "a text stands in quotes" },
		{ "a = True", "line 1, column 5", "a text stands in quotes" },
		{ "a = .5", "line 1, column 5", "a text stands in quotes" },
		{ "a = _1", "line 1, column 5", "a text stands in quotes" },
		{ "a = +", "line 1, column 5", "a text stands in quotes" },
		{ "a = 9223372036854775808", "line 1, column 5", "64 bits" },
		{ "a = 0x8000000000000000", "line 1, column 5", "64 bits" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		const char *seen = read_text(samples[i].toml);
		size_t len = strlen(samples[i].place);

		ck_assert_msg(strncmp(seen, samples[i].place, len) == 0 && seen[len] == ':' &&
				      strstr(seen, samples[i].text),
			      "%s\n-> %s, not %s: %s", samples[i].toml, seen, samples[i].place,
			      samples[i].text);
	}
}
END_TEST

START_TEST(test_what_is_no_number_is_refused)
{
	static const char *const bad[] = {
		"01", "+01", "-00", "0_1", "1_", "1__0", "1_.5", "1._5", "1.", "1.e5", "1e", "1e+",
		"1e_5", "1.5.2", "0x", "0xg", "0x_1", "0x1_", "+0x1", "-0b1", "0b2", "0o8", "0X1",
		"1a", "1,", "0b", "1e5.5", "++1", "infx", "1inf",
	};
	char text[80];

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		snprintf(text, sizeof(text), "a = %s", bad[i]);
		ck_assert_msg(strncmp(read_text(text), "line 1, column ", 15) == 0, "%s: %s", text,
			      read_text(text));
	}
}
END_TEST

START_TEST(test_characters_that_no_document_has_are_refused)
{
	static const struct sample samples[] = {
		{ "# \x01", "line 1, column 3: a control character" },
		{ "a = '\x7f'", "line 1, column 6: a control character" },
		{ "a = 1\rb = 2", "line 1, column 6: a control character" },
		{ "a = '''\r'''", "line 1, column 8: a control character" },
		{ "a = 1\r", "line 1, column 6: a control character" },
		{ "# \x80", "line 1, column 3: not UTF-8" },
		{ "a = '\xc0\xaf'", "line 1, column 6: not UTF-8" },
		{ "é = '\xed\xa0\x80'", "line 1, column 6: not UTF-8" },
		{ "\n\xff", "line 2, column 1: not UTF-8" },
	};

	CHECK_ALL(samples);
	ck_assert_str_eq(read_bytes("a\0 = 1", 6), "line 1, column 2: a control character");
	ck_assert_str_eq(read_bytes("a = 'b\0'", 8), "line 1, column 7: a control character");
}
END_TEST

START_TEST(test_depth_has_a_bound_which_json_can_have_too)
{
	static const struct sample samples[] = {
		{ "a = [[[[[[1]]]]]]", "{\"a\":[[[[[[1]]]]]]}" },
		{ "a.b.c.d.e.f.g = 1", "{\"a\":{\"b\":{\"c\":{\"d\":{\"e\":{\"f\":{\"g\":1}}}}}}}" },
		{ "[a.b.c.d.e]\nf = {g = 1}", "{\"a\":{\"b\":{\"c\":{\"d\":{\"e\":{\"f\":{\"g\":1}}}}}}}" },
		{ "a = [[[[[[[1]]]]]]]", "line 1, column 11: nested too deep" },
		{ "a = [[[[[[{}]]]]]]", "line 1, column 11: nested too deep" },
		{ "a.b.c.d.e.f.g.h = 1", "line 1, column 13: nested too deep" },
		{ "[a.b.c.d.e.f]\ng.h = 1", "line 2, column 1: nested too deep" },
		{ "[[a]]\n[[a.b]]\n[[a.b.c]]\n[[a.b.c.d]]", "line 4, column 9: nested too deep" },
	};

	CHECK_ALL(samples);
	for (size_t i = 0; i < 3; i++) {
		struct json_object *root =
			config_text_parse(samples[i].json, strlen(samples[i].json));

		ck_assert_ptr_nonnull(root);
		json_object_put(root);
	}
}
END_TEST

CHECK_MAIN("cli/toml", test_documents_keys_and_comments, test_strings_of_four_kinds,
	   test_numbers_and_truth, test_dates_and_times_are_texts, test_arrays_and_inline_tables,
	   test_tables_and_arrays_of_them, test_what_is_wrong_has_its_line_and_column,
	   test_what_is_no_number_is_refused, test_characters_that_no_document_has_are_refused,
	   test_depth_has_a_bound_which_json_can_have_too)
