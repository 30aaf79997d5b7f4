/* SPDX-License-Identifier: Apache-2.0 */
/* Answers of VMs on standard output. */
#ifndef CLI_PRINT_H
#define CLI_PRINT_H

#include <stddef.h>

struct json_object;

/* One line. */
void print_json(struct json_object *object);

/* "key: value"; sizes as a person types them. */
void print_member(const char *key, struct json_object *value);

/* The member of an object as text; "-" where it has none. Valid while the object is. */
const char *member_text(struct json_object *object, const char *key);

/* A line on standard error for each line of a text, which may be NULL. */
void print_refusals(const char *lines);

/* "2d 03:04:05" or "03:04:05". */
void print_duration(long long seconds, char *text, size_t size);

#endif
