/* SPDX-License-Identifier: Apache-2.0 */
/* The registers of a VM as what the method inspect sends. */
#include <ferry/error.h>

#include <errno.h>
#include <json-c/json.h>
#include <stdlib.h>

#include "base/util.h"
#include "control/json.h"
#include "control/inspect.h"
#include "control/server.h"

struct inspect_stream {
	struct control_stream stream;
	struct inspect *inspect;
};

static int next_register(struct control_stream *stream, char **ret_line)
{
	struct inspect *inspect = container_of(stream, struct inspect_stream, stream)->inspect;
	struct json_object *params;
	int r = inspect_next(inspect, &params);

	if (r <= 0)
		return r;
	*ret_line = rpc_notification("register", params);
	return *ret_line ? 1 : -ENOMEM;
}

static char *tell_count(struct control_stream *stream, struct json_object *id)
{
	const struct inspect *inspect = container_of(stream, struct inspect_stream, stream)->inspect;
	struct json_object *result = json_object_new_object();

	json_add(result, "registers", json_object_new_int64((int64_t)inspect_count(inspect)));
	return rpc_answer(id, result);
}

static void destroy(struct control_stream *stream)
{
	struct inspect_stream *whole = container_of(stream, struct inspect_stream, stream);

	inspect_destroy(whole->inspect);
	free(whole);
}

int inspect_stream_create(struct vm *vm, const char *pattern, struct control_stream **ret_stream)
{
	struct inspect_stream *whole = calloc(1, sizeof(*whole));
	int err;

	if (!whole)
		return because(-ENOMEM, "out of memory");
	whole->stream = (struct control_stream){
		.next = next_register,
		.answer = tell_count,
		.destroy = destroy,
	};
	err = inspect_create(vm, pattern, &whole->inspect);
	if (err) {
		free(whole);
		return err;
	}
	*ret_stream = &whole->stream;
	return 0;
}
