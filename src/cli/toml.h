/* SPDX-License-Identifier: Apache-2.0 */
/* TOML 1.0 (toml.io/en/v1.0.0), read into the same objects as JSON. */
#ifndef CLI_TOML_H
#define CLI_TOML_H

#include <stddef.h>

struct json_object;

/*
 * The object that a text of size bytes and a NUL is; NULL, and the reason in the error's text, with line and
 * column. Dates and times are strings, as they were written; a float keeps its text, too. Beyond the
 * specification, a key holds no NUL character, and nothing is nested deeper than CONFIG_DEPTH_MAX.
 */
struct json_object *toml_parse(const char *text, size_t size);

#endif
