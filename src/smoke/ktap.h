/* SPDX-License-Identifier: Apache-2.0 */
/* TAP, KTAP and kselftest's output on a guest's console, as subtests. */
#ifndef SMOKE_KTAP_H
#define SMOKE_KTAP_H

#include <stdbool.h>
#include <stddef.h>

enum smoke_subtest_result {
	SUBTEST_OK,
	SUBTEST_NOT_OK,
	SUBTEST_SKIP,
	SUBTEST_TODO, /* not ok, and known to be */
};

struct smoke_subtest {
	char *name; /* with those that it is part of before it: "suite.case" */
	char *detail; /* the directive's text; NULL: none */
	enum smoke_subtest_result result;
	unsigned depth;
};

/*
 * Documentation/dev-tools/ktap.rst. Results count from the first version line ("KTAP version 1",
 * "TAP version 13") on. A result that ends a suite is not one of its own, unless the suite had none.
 */
struct smoke_ktap {
	bool began;
	bool planned;	     /* a plan on the outermost level was there: */
	unsigned long plan;  /* how many results on it */
	unsigned long seen;
	struct smoke_subtest *subtests;
	size_t count;
	bool failed_memory;
};

void smoke_ktap_read(struct smoke_ktap *ktap, const char *line);
void smoke_ktap_finish(struct smoke_ktap *ktap);
size_t smoke_ktap_count(const struct smoke_ktap *ktap, enum smoke_subtest_result result);
/* The first that failed; NULL: none. */
const struct smoke_subtest *smoke_ktap_failed(const struct smoke_ktap *ktap);
/* Fewer results than planned. */
bool smoke_ktap_is_short(const struct smoke_ktap *ktap);

const char *smoke_subtest_name(enum smoke_subtest_result result);

/* For who reads a report. -ENOMEM. */
int smoke_ktap_add(struct smoke_ktap *ktap, enum smoke_subtest_result result, const char *name,
		   const char *detail);

#endif
