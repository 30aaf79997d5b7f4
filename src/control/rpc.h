/* SPDX-License-Identifier: Apache-2.0 */
/* JSON-RPC 2.0: from one line of request to one line of answer. */
#ifndef CONTROL_RPC_H
#define CONTROL_RPC_H

#include <stdbool.h>
#include <stddef.h>

struct json_object;

/* https://www.jsonrpc.org/specification 5.1; -32000 … -32099 are the server's own. */
enum rpc_code {
	RPC_PARSE_ERROR = -32700,
	RPC_INVALID_REQUEST = -32600,
	RPC_METHOD_NOT_FOUND = -32601,
	RPC_INVALID_PARAMS = -32602,
	RPC_FAILED = -32000, /* the method failed; data.errno says which */
};

/* The line is a request's and its newline; longer ones are refused. */
#define RPC_LINE_MAX 65536

#define RPC_PARAMS 12

struct rpc_param {
	const char *name;
	int type; /* enum json_type */
	bool required;
};

/* What call() may return besides 0 and -errno (with a text; -EINVAL means that params are wrong).
 */
#define RPC_STREAM 1 /* lines follow, and the answer after them: see rpc_answer() */

struct rpc_method {
	const char *name;
	bool streams; /* call() returns RPC_STREAM: not in a batch, and not without an id */
	struct rpc_param params[RPC_PARAMS];
	/* params is an object that has what the table says. *ret_result becomes the answer's. */
	int (*call)(void *self, struct json_object *params, struct json_object **ret_result);
};

/* The answer to one request; the request's id is what a stream's answer needs later. */
struct rpc_reply {
	char *line; /* with its newline, from malloc; NULL: a notification, or RPC_STREAM */
	struct json_object *id; /* of a stream: the caller puts it; NULL may be the id null */
	bool is_stream;
};

/*
 * Answers one line of len bytes and a NUL behind them. Arrays (batches) are answered by an array; a
 * method that streams is refused in one. -ENOMEM.
 */
int rpc_handle(const struct rpc_method *methods, size_t count, void *self, const char *line,
	       size_t len, struct rpc_reply *ret_reply);

/* {"jsonrpc":"2.0","id":id,"result":result} and a newline. Takes both. NULL: no memory. */
char *rpc_answer(struct json_object *id, struct json_object *result);

/*
 * {"jsonrpc":"2.0","id":id,"error":{…}} and a newline, for a method that failed with err while it
 * streamed; data, an object or NULL, gets the errno's name too. Takes id and data. NULL: no memory.
 */
char *rpc_failure(struct json_object *id, int err, const char *message, struct json_object *data);

/* An error that belongs to no request that could be read. NULL: no memory. */
char *rpc_error_line(enum rpc_code code, const char *message);

/* {"jsonrpc":"2.0","method":method,"params":params} and a newline. Takes params. */
char *rpc_notification(const char *method, struct json_object *params);

#endif
