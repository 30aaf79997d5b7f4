/* SPDX-License-Identifier: Apache-2.0 */
/* Lines that a client of the control socket may send: each is answered by JSON-RPC, or ends the client. */
#include "fuzz/fuzz.h"

#include <ferry/error.h>

#include <errno.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "control/rpc.h"
#include "control/server.h"

#define METHODS_MAX 64

/* Gives back what it was given; some methods fail. */
static int call(void *self, struct json_object *params, struct json_object **ret_result)
{
	(void)self;
	if (params && json_object_object_length(params) > 2)
		return because(-EINVAL, "three are too many");
	*ret_result = params ? json_object_get(params) : json_object_new_object();
	return 0;
}

static int call_stream(void *self, struct json_object *params, struct json_object **ret_result)
{
	(void)self;
	(void)params;
	(void)ret_result;
	return RPC_STREAM;
}

/* The names and the parameters are the real ones. */
static size_t make_methods(struct rpc_method *methods)
{
	if (control_method_count > METHODS_MAX)
		abort();
	for (size_t i = 0; i < control_method_count; i++) {
		methods[i] = control_methods[i];
		methods[i].call = methods[i].streams ? call_stream : call;
	}
	return control_method_count;
}

static void check_line(const char *line)
{
	size_t len = strlen(line);
	struct json_object *object;

	if (!len || line[len - 1] != '\n' || memchr(line, '\n', len - 1))
		abort();
	object = json_tokener_parse(line);
	if (!object)
		abort();
	json_object_put(object);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rpc_method methods[METHODS_MAX];
	size_t count = make_methods(methods);
	struct rpc_reply reply;
	char *line;
	int err;

	if (size > FUZZ_SIZE_MAX)
		return 0;
	line = malloc(size + 1);
	if (!line)
		abort();
	memcpy(line, data, size);
	line[size] = '\0';
	err = rpc_handle(methods, count, NULL, line, size, &reply);
	if (err && err != -ENOMEM)
		abort();
	if (!err && reply.line)
		check_line(reply.line);
	if (!err && reply.is_stream)
		json_object_put(reply.id);
	if (!err)
		free(reply.line);
	free(line);
	return 0;
}
