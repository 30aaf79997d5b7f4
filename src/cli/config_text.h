/* SPDX-License-Identifier: Apache-2.0 */
/* The text of a config file, or of a machine's description. */
#ifndef CLI_CONFIG_TEXT_H
#define CLI_CONFIG_TEXT_H

#include <stddef.h>

#include "base/util.h"

struct json_object;

#define CONFIG_SIZE_MAX (1 * MIB)
/* How deep values are nested at most: the file's own object is one, and what stands in it another. */
#define CONFIG_DEPTH_MAX 8

/* The whole file with a NUL behind it, from malloc; NULL, and the reason in the error's text. */
char *config_text_read(const char *path, size_t *ret_size);

/*
 * The object that a text of size bytes and a NUL is; NULL, and the reason in the error's text, with line
 * and column. No object in it has a key twice.
 */
struct json_object *config_text_parse(const char *text, size_t size);

/* -EINVAL, with the line and the column (of characters) of the byte at at, and what is wrong there. */
int config_text_wrong(const char *text, size_t at, const char *what);

#endif
