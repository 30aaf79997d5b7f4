/* SPDX-License-Identifier: Apache-2.0 */
/* What is known of a test when it is over. */
#ifndef SMOKE_RESULT_H
#define SMOKE_RESULT_H

#include "smoke/ktap.h"
#include "smoke/verdict.h"

struct smoke_result {
	char *name;
	enum smoke_verdict verdict;
	char *reason;
	double seconds;	   /* from the first boot to the verdict */
	double first_byte; /* to the first output; negative: there was none */
	unsigned boots;
	unsigned moves; /* of the guest, from one ferry to another */
	int guest_status;  /* of --run, or of the exit port; -1: none */
	char *fingerprint; /* "a b c": the functions of a crash; NULL: none */
	struct smoke_ktap subtests;
	char *tail;    /* the last lines of the console */
	char *console; /* the file that has all of it; NULL: none */
};

struct smoke_results {
	struct smoke_result *all;
	size_t count;
};

void smoke_result_finish(struct smoke_result *result);
/* The same of another test; without subtests. -ENOMEM. */
int smoke_result_copy(const struct smoke_result *from, const char *name,
		      struct smoke_result *ret_result);
void smoke_results_finish(struct smoke_results *results);

/*
 * The exit status for all of them: that of the first that says something of a guest and is no pass;
 * else SMOKE_ERROR's when there was one; else 0.
 */
int smoke_results_status(const struct smoke_results *results);
size_t smoke_results_count(const struct smoke_results *results, enum smoke_verdict verdict);

#endif
