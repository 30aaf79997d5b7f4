/* SPDX-License-Identifier: Apache-2.0 */
/* Reports as JSON: what `ferry smoke merge` joins. */
#include <ferry/error.h>

#include <errno.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "smoke/report.h"

#define REPORT_FLAGS (JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE)

/* JSON is UTF-8 (RFC 8259 8.1), a guest's bytes are what they are. */
static void put_text(struct json_object *object, const char *key, const char *s)
{
	struct text clean = { 0 };

	if (!s)
		return;
	while (*s) {
		size_t len = text_utf8(s);

		if (len)
			text_add_bytes(&clean, s, len);
		else
			text_add(&clean, "\xef\xbf\xbd");
		s += len ? len : 1;
	}
	json_object_object_add(object, key, json_object_new_string(clean.data ? clean.data : ""));
	text_finish(&clean);
}

static struct json_object *subtests_json(const struct smoke_ktap *ktap)
{
	struct json_object *array = json_object_new_array();

	for (size_t i = 0; i < ktap->count; i++) {
		const struct smoke_subtest *subtest = &ktap->subtests[i];
		struct json_object *object = json_object_new_object();

		put_text(object, "name", subtest->name);
		put_text(object, "result", smoke_subtest_name(subtest->result));
		put_text(object, "detail", subtest->detail);
		json_object_array_add(array, object);
	}
	return array;
}

static struct json_object *result_json(const struct smoke_result *result)
{
	struct json_object *object = json_object_new_object();

	put_text(object, "name", result->name);
	put_text(object, "verdict", smoke_verdict_name(result->verdict));
	put_text(object, "reason", result->reason);
	json_object_object_add(object, "seconds", json_object_new_double(result->seconds));
	if (result->first_byte >= 0)
		json_object_object_add(object, "first_byte",
				       json_object_new_double(result->first_byte));
	json_object_object_add(object, "boots", json_object_new_int((int)result->boots));
	if (result->moves)
		json_object_object_add(object, "moves", json_object_new_int((int)result->moves));
	if (result->guest_status >= 0)
		json_object_object_add(object, "status", json_object_new_int(result->guest_status));
	put_text(object, "fingerprint", result->fingerprint);
	put_text(object, "console", result->console);
	if (result->verdict != SMOKE_PASS)
		put_text(object, "tail", result->tail);
	if (result->subtests.count)
		json_object_object_add(object, "subtests", subtests_json(&result->subtests));
	return object;
}

void smoke_json(struct text *text, const struct smoke_results *results)
{
	struct json_object *root = json_object_new_object(), *tests = json_object_new_array();

	put_text(root, "ferry", FERRY_VERSION);
	json_object_object_add(root, "tests", tests);
	for (size_t i = 0; i < results->count; i++)
		json_object_array_add(tests, result_json(&results->all[i]));
	text_add(text, "%s\n", json_object_to_json_string_ext(root, REPORT_FLAGS));
	json_object_put(root);
}

static char *take_text(struct json_object *object, const char *key)
{
	struct json_object *value;

	if (!json_object_object_get_ex(object, key, &value))
		return NULL;
	return strdup(json_object_get_string(value));
}

static double take_number(struct json_object *object, const char *key, double otherwise)
{
	struct json_object *value;

	return json_object_object_get_ex(object, key, &value) ? json_object_get_double(value)
							      : otherwise;
}

static int read_subtest(struct json_object *object, struct smoke_ktap *ktap)
{
	struct json_object *name, *word, *detail = NULL;

	if (!json_object_object_get_ex(object, "name", &name) ||
	    !json_object_object_get_ex(object, "result", &word))
		return because(-EINVAL, "a subtest needs its name and result");
	json_object_object_get_ex(object, "detail", &detail);
	for (unsigned i = SUBTEST_OK; i <= SUBTEST_TODO; i++) {
		if (strcmp(smoke_subtest_name((enum smoke_subtest_result)i),
			   json_object_get_string(word)) == 0)
			return smoke_ktap_add(ktap, (enum smoke_subtest_result)i,
					      json_object_get_string(name),
					      detail ? json_object_get_string(detail) : NULL);
	}
	return because(-EINVAL, "\"%s\" is no result of a subtest", json_object_get_string(word));
}

static int read_subtests(struct json_object *object, struct smoke_ktap *ktap)
{
	struct json_object *array;
	int err = 0;

	if (!json_object_object_get_ex(object, "subtests", &array))
		return 0;
	if (!json_object_is_type(array, json_type_array))
		return because(-EINVAL, "subtests is not an array");
	for (size_t i = 0; i < json_object_array_length(array) && !err; i++)
		err = read_subtest(json_object_array_get_idx(array, i), ktap);
	return err;
}

static int read_result(struct json_object *object, struct smoke_result *result)
{
	char *verdict = take_text(object, "verdict");

	result->verdict = verdict ? smoke_verdict_find(verdict) : SMOKE_NONE;
	free(verdict);
	result->name = take_text(object, "name");
	if (!result->name || !result->verdict)
		return because(-EINVAL, "a test needs its name and a verdict");
	result->reason = take_text(object, "reason");
	if (!result->reason)
		result->reason = strdup("");
	result->seconds = take_number(object, "seconds", 0);
	result->first_byte = take_number(object, "first_byte", -1);
	result->boots = (unsigned)take_number(object, "boots", 0);
	result->moves = (unsigned)take_number(object, "moves", 0);
	result->guest_status = (int)take_number(object, "status", -1);
	result->fingerprint = take_text(object, "fingerprint");
	result->console = take_text(object, "console");
	result->tail = take_text(object, "tail");
	return read_subtests(object, &result->subtests);
}

int smoke_json_read(struct json_object *root, struct smoke_results *results)
{
	struct json_object *tests;

	if (!json_object_object_get_ex(root, "tests", &tests) ||
	    !json_object_is_type(tests, json_type_array))
		return because(-EINVAL, "not a report of 'ferry smoke --json'");
	for (size_t i = 0; i < json_object_array_length(tests); i++) {
		struct smoke_result *grown =
			realloc(results->all, (results->count + 1) * sizeof(*grown));
		int err;

		if (!grown)
			return because(-ENOMEM, "out of memory");
		results->all = grown;
		grown[results->count] = (struct smoke_result){ 0 };
		err = read_result(json_object_array_get_idx(tests, i), &grown[results->count++]);
		if (err)
			return because_of(err, "tests[%zu]", i);
	}
	return 0;
}
