/* SPDX-License-Identifier: Apache-2.0 */
/* Results as other programs read them. */
#ifndef SMOKE_REPORT_H
#define SMOKE_REPORT_H

#include <stdbool.h>
#include <stddef.h>

#include "smoke/result.h"
#include "smoke/text.h"

struct json_object;

/* TAP 14: the head for count tests; then one result after the other, number from 1. */
void smoke_tap_head(struct text *text, size_t count);
void smoke_tap_result(struct text *text, size_t number, const struct smoke_result *result);

/* The JUnit XML that Jenkins, GitLab and GitHub's actions read. */
void smoke_junit(struct text *text, const struct smoke_results *results);

/* { "ferry": "0.1.0", "tests": [ … ] }, and the way back. */
void smoke_json(struct text *text, const struct smoke_results *results);
/* Appends the tests of a report. -EINVAL with a text that says where it is none; -ENOMEM. */
int smoke_json_read(struct json_object *root, struct smoke_results *results);

#endif
