/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects that are put together when there may be no memory: json-c ends the process when it is given none to add
 * to. What there was no memory for is left out, and an answer that could not be made at all is no line (rpc.h).
 */
#ifndef CONTROL_JSON_H
#define CONTROL_JSON_H

#include <json-c/json.h>

/* Takes child. Returns it, the parent's now; NULL: there is none, or it could not be added. */
static inline struct json_object *json_add(struct json_object *parent, const char *key,
					   struct json_object *child)
{
	if (parent && json_object_object_add(parent, key, child) == 0)
		return child;
	json_object_put(child);
	return NULL;
}

static inline void json_append(struct json_object *array, struct json_object *child)
{
	if (!array || json_object_array_add(array, child) < 0)
		json_object_put(child);
}

#endif
