/* SPDX-License-Identifier: Apache-2.0 */
/* JSON-RPC 2.0 by its specification, right and wrong. */
#include "control/rpc.h"

#include <ferry/error.h>

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "check_main.h"

static unsigned calls;

static int do_add(void *self, struct json_object *params, struct json_object **ret_result)
{
	(void)self;
	calls++;
	*ret_result = json_object_new_int(json_object_get_int(json_object_object_get(params, "a")) +
					  json_object_get_int(json_object_object_get(params, "b")));
	return 0;
}

static int do_fail(void *self, struct json_object *params, struct json_object **ret_result)
{
	(void)self;
	(void)params;
	(void)ret_result;
	calls++;
	return because(-ENODEV, "no \"such\" thing");
}

static int do_stream(void *self, struct json_object *params, struct json_object **ret_result)
{
	(void)self;
	(void)params;
	(void)ret_result;
	calls++;
	return RPC_STREAM;
}

static const struct rpc_method methods[] = {
	{ .name = "add",
	  .params = { { "a", json_type_int, true }, { "b", json_type_int, false } },
	  .call = do_add },
	{ .name = "text", .params = { { "t", json_type_string, true } }, .call = do_fail },
	{ .name = "fail", .call = do_fail },
	{ .name = "stream", .streams = true, .call = do_stream },
};

static char answer[4096];
static struct rpc_reply reply;

static const char *ask_bytes(const char *line, size_t len)
{
	ck_assert_int_eq(rpc_handle(methods, ARRAY_SIZE(methods), NULL, line, len, &reply), 0);
	snprintf(answer, sizeof(answer), "%s", reply.line ? reply.line : "(none)");
	free(reply.line);
	return answer;
}

static const char *ask(const char *line)
{
	return ask_bytes(line, strlen(line));
}

/* The code of the error in the answer; 0: no error. */
static int code_of(const char *line)
{
	const char *code = strstr(ask(line), "\"code\":");

	ck_assert_int_eq(answer[strlen(answer) - 1], '\n');
	ck_assert_ptr_eq(strchr(answer, '\n'), answer + strlen(answer) - 1);
	return code ? atoi(code + 7) : 0;
}

START_TEST(test_an_answer_has_the_requests_id)
{
	ck_assert_str_eq(ask("{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"add\",\"params\":{\"a\":2,"
			     "\"b\":3}}"),
			 "{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":5}\n");
	ck_assert_str_eq(
		ask("{\"jsonrpc\":\"2.0\",\"id\":\"x\",\"method\":\"add\",\"params\":{\"a\":2}}"),
		"{\"jsonrpc\":\"2.0\",\"id\":\"x\",\"result\":2}\n");
	ck_assert_str_eq(
		ask("{\"jsonrpc\":\"2.0\",\"id\":null,\"method\":\"add\",\"params\":{\"a\":2}}"),
		"{\"jsonrpc\":\"2.0\",\"id\":null,\"result\":2}\n");
}
END_TEST

START_TEST(test_what_would_come_back_otherwise_is_refused)
{
	static const char *const ids[] = { "99999999999999999999999", "-99999999999999999999999",
					   "NaN", "Infinity", "[]", "true" };
	char line[128];

	for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
		snprintf(line, sizeof(line), "{\"jsonrpc\":\"2.0\",\"id\":%s,\"method\":\"fail\"}",
			 ids[i]);
		ck_assert_msg(code_of(line) == RPC_INVALID_REQUEST, "%s: %s", ids[i], answer);
	}
	ck_assert_int_eq(code_of("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"add\\u0000x\"}"),
			 RPC_INVALID_REQUEST);
	ck_assert_int_eq(code_of("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"text\","
				 "\"params\":{\"t\":\"a\\u0000b\"}}"),
			 RPC_INVALID_PARAMS);
}
END_TEST

START_TEST(test_a_notification_is_done_and_not_answered)
{
	ck_assert_str_eq(ask("{\"jsonrpc\":\"2.0\",\"method\":\"add\",\"params\":{\"a\":2}}"),
			 "(none)");
	ck_assert_uint_eq(calls, 1);
	ck_assert_str_eq(ask("{\"jsonrpc\":\"2.0\",\"method\":\"fail\"}"), "(none)");
	ck_assert_uint_eq(calls, 2);
	ck_assert_str_eq(ask("{\"jsonrpc\":\"2.0\",\"method\":\"nothing\"}"), "(none)");
	ck_assert_str_eq(ask("{\"jsonrpc\":\"2.0\",\"method\":\"stream\"}"), "(none)");
	ck_assert_uint_eq(calls, 2);
	ck_assert(!reply.is_stream);
}
END_TEST

START_TEST(test_what_is_not_json_is_a_parse_error)
{
	static const char *const bad[] = { "{",	       "}",
					   "nonsense", "{\"jsonrpc\":\"2.0\",",
					   "{} {}",    "\"",
					   "[1,",      "{\"a\":\"\xff\xfe\"}",
					   "['a']",    "[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]" };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		ck_assert_msg(code_of(bad[i]) == RPC_PARSE_ERROR, "%s: %s", bad[i], answer);
		ck_assert_ptr_ne(strstr(answer, "\"id\":null"), NULL);
	}
	ck_assert_ptr_ne(strstr(ask_bytes("{}\0{}", 5), "-32700"), NULL);
}
END_TEST

START_TEST(test_what_is_no_request_is_invalid)
{
	static const char *const bad[] = {
		"{}",
		"1",
		"null",
		"\"status\"",
		"[]",
		"{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"add\"}",
		"{\"id\":1,\"method\":\"add\"}",
		"{\"jsonrpc\":\"2.0\",\"id\":1}",
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":5}",
		"{\"jsonrpc\":\"2.0\",\"id\":[1],\"method\":\"add\"}",
		"{\"jsonrpc\":\"2.0\",\"id\":{},\"method\":\"add\"}",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		ck_assert_msg(code_of(bad[i]) == RPC_INVALID_REQUEST, "%s: %s", bad[i], answer);
	ck_assert_uint_eq(calls, 0);
}
END_TEST

START_TEST(test_an_unknown_method_is_told)
{
	ck_assert_int_eq(code_of("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"sub\"}"),
			 RPC_METHOD_NOT_FOUND);
	ck_assert_int_eq(code_of("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\"}"),
			 RPC_METHOD_NOT_FOUND);
}
END_TEST

START_TEST(test_params_are_checked_by_the_table)
{
	static const char *const bad[] = { "[2,3]",
					   "5",
					   "{}",
					   "{\"a\":\"2\"}",
					   "{\"a\":1.5}",
					   "{\"a\":null}",
					   "{\"a\":1,\"c\":2}" };
	char line[128];

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		snprintf(line, sizeof(line),
			 "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"add\",\"params\":%s}", bad[i]);
		ck_assert_msg(code_of(line) == RPC_INVALID_PARAMS, "%s: %s", line, answer);
	}
	ck_assert_uint_eq(calls, 0);
	ck_assert_int_eq(code_of("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"add\"}"),
			 RPC_INVALID_PARAMS);
}
END_TEST

START_TEST(test_a_failure_has_its_text_and_errno)
{
	ck_assert_str_eq(ask("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"fail\"}"),
			 "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32000,\"message\":"
			 "\"no \\\"such\\\" thing\",\"data\":{\"errno\":\"ENODEV\"}}}\n");
}
END_TEST

START_TEST(test_a_batch_is_answered_by_an_array)
{
	ck_assert_str_eq(
		ask("[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"add\",\"params\":{\"a\":1}},"
		    "{\"jsonrpc\":\"2.0\",\"method\":\"add\",\"params\":{\"a\":1}},"
		    "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"add\",\"params\":{\"a\":2}}]"),
		"[{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":1},"
		"{\"jsonrpc\":\"2.0\",\"id\":2,\"result\":2}]\n");
	ck_assert_str_eq(ask("[{\"jsonrpc\":\"2.0\",\"method\":\"add\",\"params\":{\"a\":1}}]"),
			 "(none)");
	ck_assert_int_eq(code_of("[1]"), RPC_INVALID_REQUEST);
	ck_assert_int_eq(answer[0], '[');
}
END_TEST

START_TEST(test_a_stream_is_left_to_the_caller_but_not_in_a_batch)
{
	ck_assert_str_eq(ask("{\"jsonrpc\":\"2.0\",\"id\":9,\"method\":\"stream\"}"), "(none)");
	ck_assert(reply.is_stream);
	ck_assert_int_eq(json_object_get_int(reply.id), 9);
	json_object_put(reply.id);
	ck_assert_int_eq(code_of("[{\"jsonrpc\":\"2.0\",\"id\":9,\"method\":\"stream\"}]"),
			 RPC_INVALID_REQUEST);
	ck_assert_uint_eq(calls, 1);
}
END_TEST

CHECK_MAIN("control/rpc", test_an_answer_has_the_requests_id,
	   test_what_would_come_back_otherwise_is_refused,
	   test_a_notification_is_done_and_not_answered, test_what_is_not_json_is_a_parse_error,
	   test_what_is_no_request_is_invalid, test_an_unknown_method_is_told,
	   test_params_are_checked_by_the_table, test_a_failure_has_its_text_and_errno,
	   test_a_batch_is_answered_by_an_array,
	   test_a_stream_is_left_to_the_caller_but_not_in_a_batch)
