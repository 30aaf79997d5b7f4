/* SPDX-License-Identifier: Apache-2.0 */
/* Values that a person types: sizes, counts, choices, and lists of key=value. */
#ifndef CLI_VALUE_H
#define CLI_VALUE_H

#include <stddef.h>
#include <stdint.h>

/* All return 0, or -EINVAL with a text that says what a right value looks like. */

/* "512M", "4G", "1073741824": bytes, or powers of 1024 with K, M, G, T (also KiB …, either case).
 */
int value_size(const char *text, uint64_t *ret_bytes);

/* A decimal number, min … max. */
int value_count(const char *text, uint64_t min, uint64_t max, uint64_t *ret_count);

/* The index of text in names, which ends with NULL. */
int value_choice(const char *text, const char *const *names, unsigned *ret_index);

/* The name of a VM: letters, digits and . _ -, at most 64, not beginning with . or -. */
int value_vm_name(const char *text);

/* "52:54:00:12:34:56", of one machine (not a group address). */
int value_mac(const char *text, uint8_t ret_mac[6]);

/*
 * As it reads from any other directory; from malloc, NULL: no memory. Of URIs, unix: has a path in it.
 */
char *value_absolute_path(const char *path);
char *value_absolute_uri(const char *uri);

/* Writes bytes as a person would type it ("512M"); size is at least 32. */
void value_size_text(uint64_t bytes, char *text, size_t size);

/*
 * A list such as "path=x.img,readonly,queues=4". A comma inside a value is written twice. The first
 * element may leave out the key of fields[0], when that has a value. set() is given the value, NULL
 * for a bare key.
 */
struct value_field {
	const char *key;
	const char *arg; /* what the value is ("N"); NULL: the key stands alone */
	int (*set)(void *target, const char *value);
};

/* Takes text apart in place; the values that set() is given point into it. */
int value_fields(char *text, const struct value_field *fields, size_t count, void *target);

/* The name in a list nearest to what was typed, or NULL when none is near. */
struct value_nearest {
	const char *typed;
	const char *name;
	unsigned distance;
};
void value_nearest_try(struct value_nearest *nearest, const char *name);

#endif
