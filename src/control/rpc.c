/* SPDX-License-Identifier: Apache-2.0 */
/* The envelope of JSON-RPC 2.0; https://www.jsonrpc.org/specification */
#include "control/rpc.h"

#include <ferry/error.h>

#include <errno.h>
#include <json-c/json.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "control/json.h"

#define DEPTH_MAX 8
#define BATCH_MAX 64

struct service {
	const struct rpc_method *methods;
	size_t count;
	void *self;
	bool in_batch;
	bool lacks_memory; /* an answer that is due could not be made */
};

/* Text of an object and a newline; takes the object. */
static char *to_line(struct json_object *object)
{
	size_t len;
	const char *text =
		object ? json_object_to_json_string_length(object, JSON_C_TO_STRING_PLAIN, &len)
		       : NULL;
	char *line = text ? malloc(len + 2) : NULL;

	if (line) {
		memcpy(line, text, len);
		memcpy(line + len, "\n", 2);
	}
	json_object_put(object);
	return line;
}

/* An answer without its result; takes id. */
static struct json_object *make_envelope(struct json_object *id)
{
	struct json_object *answer = json_object_new_object();

	json_add(answer, "jsonrpc", json_object_new_string("2.0"));
	json_add(answer, "id", id);
	return answer;
}

static struct json_object *make_result(struct json_object *id, struct json_object *result)
{
	struct json_object *answer = make_envelope(id);

	json_add(answer, "result", result);
	return answer;
}

/* err: the data's errno; 0: none. Takes data, which may be NULL. NULL: there is no memory. */
static struct json_object *make_error(struct json_object *id, enum rpc_code code,
				      const char *message, int err, struct json_object *data)
{
	struct json_object *answer = make_envelope(id);
	struct json_object *error = json_object_new_object();
	const char *name = err ? strerrorname_np(-err) : NULL;

	json_add(error, "code", json_object_new_int(code));
	json_add(error, "message", json_object_new_string(message));
	if (name && !data)
		data = json_object_new_object();
	if (name)
		json_add(data, "errno", json_object_new_string(name));
	if (data)
		json_add(error, "data", data);
	if (json_add(answer, "error", error))
		return answer;
	json_object_put(answer);
	return NULL;
}

char *rpc_answer(struct json_object *id, struct json_object *result)
{
	return to_line(make_result(id, result));
}

char *rpc_error_line(enum rpc_code code, const char *message)
{
	return to_line(make_error(NULL, code, message, 0, NULL));
}

char *rpc_notification(const char *method, struct json_object *params)
{
	struct json_object *object = json_object_new_object();

	json_add(object, "jsonrpc", json_object_new_string("2.0"));
	json_add(object, "method", json_object_new_string(method));
	json_add(object, "params", params);
	return to_line(object);
}

static const struct rpc_param *find_param(const struct rpc_method *method, const char *name)
{
	for (unsigned i = 0; i < RPC_PARAMS && method->params[i].name; i++) {
		if (strcmp(method->params[i].name, name) == 0)
			return &method->params[i];
	}
	return NULL;
}

/* What is behind it would be left out without a word. */
static bool has_nul(struct json_object *value)
{
	return json_object_is_type(value, json_type_string) &&
	       strlen(json_object_get_string(value)) !=
		       (size_t)json_object_get_string_len(value);
}

static int check_params(const struct rpc_method *method, struct json_object *params)
{
	json_object_object_foreach(params, key, value)
	{
		const struct rpc_param *param = find_param(method, key);

		if (!param)
			return because(-EINVAL, "%s has no parameter \"%s\"", method->name, key);
		if (!json_object_is_type(value, param->type))
			return because(-EINVAL, "%s must be of type %s", key,
				       json_type_to_name(param->type));
		if (has_nul(value))
			return because(-EINVAL, "%s must not contain a NUL", key);
	}
	for (unsigned i = 0; i < RPC_PARAMS && method->params[i].name; i++) {
		const struct rpc_param *param = &method->params[i];

		if (param->required && !json_object_object_get_ex(params, param->name, NULL))
			return because(-EINVAL, "%s needs the parameter \"%s\"", method->name,
				       param->name);
	}
	return 0;
}

static const struct rpc_method *find_method(const struct service *service, const char *name)
{
	for (size_t i = 0; i < service->count; i++) {
		if (strcmp(service->methods[i].name, name) == 0)
			return &service->methods[i];
	}
	return NULL;
}

static int call_method(const struct service *service, const struct rpc_method *method,
		       struct json_object *given, struct json_object **ret_result)
{
	struct json_object *params = given ? json_object_get(given) : json_object_new_object();
	int err;

	error_clear();
	if (!params)
		err = because(-ENOMEM, "out of memory");
	else if (!json_object_is_type(params, json_type_object))
		err = because(-EINVAL, "params must be an object");
	else
		err = check_params(method, params);
	if (!err)
		err = method->call(service->self, params, ret_result);
	json_object_put(params);
	return err;
}

/* It comes back as it was: no number that the parser has cut to the largest that it has, and no NaN. */
static bool is_id(struct json_object *id)
{
	if (!id || json_object_is_type(id, json_type_string))
		return true;
	if (json_object_is_type(id, json_type_int))
		return json_object_get_uint64(id) != UINT64_MAX &&
		       json_object_get_int64(id) != INT64_MIN;
	return json_object_is_type(id, json_type_double) && isfinite(json_object_get_double(id));
}

/* What is wrong with the request's form; NULL: nothing. */
static const char *check_form(struct json_object *request, struct json_object **ret_method)
{
	struct json_object *version, *id;

	if (!json_object_is_type(request, json_type_object))
		return "a request is an object";
	if (!json_object_object_get_ex(request, "jsonrpc", &version) ||
	    !json_object_is_type(version, json_type_string) ||
	    strcmp(json_object_get_string(version), "2.0") != 0)
		return "\"jsonrpc\" must be \"2.0\"";
	if (json_object_object_get_ex(request, "id", &id) && !is_id(id))
		return "\"id\" must be a text, a number (of 64 bits) or null";
	if (!json_object_object_get_ex(request, "method", ret_method) ||
	    !json_object_is_type(*ret_method, json_type_string) || has_nul(*ret_method))
		return "\"method\" must be a text";
	return NULL;
}

static struct json_object *answer_failure(struct json_object *id, int err)
{
	if (err == -EINVAL)
		return make_error(id, RPC_INVALID_PARAMS, error_text(err), 0, NULL);
	return make_error(id, RPC_FAILED, error_text(err), err, NULL);
}

char *rpc_failure(struct json_object *id, int err, const char *message, struct json_object *data)
{
	return to_line(make_error(id, RPC_FAILED, message, err, data));
}

/* The answer, NULL where none is due; a stream's id in *ret_reply. */
static struct json_object *answer_one(struct service *service, struct json_object *request,
				      struct rpc_reply *ret_reply)
{
	struct json_object *name, *id = NULL, *params = NULL, *result = NULL, *answer;
	const char *wrong = check_form(request, &name);
	const struct rpc_method *method;
	bool has_id;
	int err;

	if (wrong)
		return make_error(NULL, RPC_INVALID_REQUEST, wrong, 0, NULL);
	has_id = json_object_object_get_ex(request, "id", &id);
	json_object_object_get_ex(request, "params", &params);
	method = find_method(service, json_object_get_string(name));
	if (!method)
		return has_id ? make_error(json_object_get(id), RPC_METHOD_NOT_FOUND,
					   "there is no such method", 0, NULL)
			      : NULL;
	if (method->streams && service->in_batch)
		return has_id ? make_error(json_object_get(id), RPC_INVALID_REQUEST,
					   "this method cannot be in a batch", 0, NULL)
			      : NULL;
	if (method->streams && !has_id)
		return NULL;
	err = call_method(service, method, params, &result);
	if (err == RPC_STREAM) {
		ret_reply->is_stream = true;
		ret_reply->id = json_object_get(id);
		return NULL;
	}
	if (!has_id) {
		json_object_put(result);
		return NULL;
	}
	answer = err ? answer_failure(json_object_get(id), err)
		     : make_result(json_object_get(id), result);
	service->lacks_memory |= !answer;
	return answer;
}

static struct json_object *answer_batch(struct service *service, struct json_object *batch)
{
	struct json_object *answers, *answer;
	struct rpc_reply none = { 0 };
	size_t count = json_object_array_length(batch);

	if (count == 0 || count > BATCH_MAX)
		return make_error(NULL, RPC_INVALID_REQUEST, "a batch has 1 to 64 requests", 0, NULL);
	service->in_batch = true;
	answers = json_object_new_array();
	for (size_t i = 0; i < count; i++) {
		answer = answer_one(service, json_object_array_get_idx(batch, i), &none);
		if (answer)
			json_append(answers, answer);
	}
	service->lacks_memory |= !answers;
	if (answers && json_object_array_length(answers))
		return answers;
	json_object_put(answers);
	return NULL;
}

/* NULL and the reason where the line is no JSON text. */
static struct json_object *parse(const char *line, size_t len, const char **ret_wrong)
{
	struct json_tokener *tokener = json_tokener_new_ex(DEPTH_MAX);
	struct json_object *object = NULL;
	enum json_tokener_error error;

	*ret_wrong = "out of memory";
	if (!tokener)
		return NULL;
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	/* With the NUL: it tells the tokener that nothing follows. */
	object = json_tokener_parse_ex(tokener, line, (int)len + 1);
	error = json_tokener_get_error(tokener);
	if (error == json_tokener_continue)
		*ret_wrong = "the line ends inside a value";
	else if (error != json_tokener_success)
		*ret_wrong = json_tokener_error_desc(error);
	else if (memchr(line, '\0', len))
		*ret_wrong = "a NUL byte";
	else
		*ret_wrong = NULL;
	json_tokener_free(tokener);
	if (!*ret_wrong)
		return object;
	json_object_put(object);
	return NULL;
}

int rpc_handle(const struct rpc_method *methods, size_t count, void *self, const char *line,
	       size_t len, struct rpc_reply *ret_reply)
{
	struct service service = { .methods = methods, .count = count, .self = self };
	struct rpc_reply reply = { 0 };
	struct json_object *request, *answer;
	const char *wrong;

	request = parse(line, len, &wrong);
	if (wrong)
		answer = make_error(NULL, RPC_PARSE_ERROR, wrong, 0, NULL);
	else if (json_object_is_type(request, json_type_array))
		answer = answer_batch(&service, request);
	else
		answer = answer_one(&service, request, &reply);
	json_object_put(request);
	if (!answer && (wrong || service.lacks_memory))
		return -ENOMEM;
	if (answer) {
		reply.line = to_line(answer);
		if (!reply.line)
			return -ENOMEM;
	}
	*ret_reply = reply;
	return 0;
}
