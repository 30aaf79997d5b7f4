/* SPDX-License-Identifier: Apache-2.0 */
/* `ferry smoke`: tests in the making. */
#ifndef CLI_SMOKE_PLAN_H
#define CLI_SMOKE_PLAN_H

#include <stddef.h>

#include "cli/smoke.h"
#include "smoke/overlay.h"

/* What was made of a file or a directory, for all tests that want it. */
struct smoke_made {
	char *path; /* "": ferry's init, which asks for its command */
	struct smoke_root root; /* its descriptor lives as long as the tests: to the end */
};

struct smoke_planner {
	int argc;
	char **argv;
	struct smoke_tests tests;
	struct smoke_made *made;
	size_t made_count;
};

/* The tests stay. */
void smoke_planner_finish(struct smoke_planner *planner);

/*
 * Adds a test, all of whose words have been checked; takes the rules of options. name NULL: the
 * options', or the kernel's. -EINVAL with a text, -ENOMEM; planner->tests can be finished anyway.
 */
int smoke_plan_test(struct smoke_planner *planner, struct smoke_options *options, const char *name);

#endif
