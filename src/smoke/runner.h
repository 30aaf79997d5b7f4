/* SPDX-License-Identifier: Apache-2.0 */
/* Runs tests, as many at once as the host has room for. */
#ifndef SMOKE_RUNNER_H
#define SMOKE_RUNNER_H

#include <stddef.h>
#include <stdint.h>

#include "smoke/guest.h"
#include "smoke/result.h"
#include "smoke/test.h"

/* Who wants to know what goes on; each may be NULL. */
struct smoke_watcher {
	void (*started)(void *self, const struct smoke_guest *guest);
	/* A few times a second: the guests that run. */
	void (*tick)(void *self, struct smoke_guest *const *guests, size_t count, size_t done);
	void (*ended)(void *self, size_t number, const struct smoke_result *result);
	void *self;
};

struct smoke_runner {
	const struct smoke_tests *tests;
	struct smoke_place place;
	unsigned jobs;	       /* at most so many at once; 0: as many as there is room for */
	int stop_fd;	       /* readable: everything is to end; -1: none */
	struct smoke_watcher watcher;
};

/*
 * Runs all of them; first the boots that some begin from. A boot that does not pass is the result of
 * each of its tests. *ret_results has one for each test, in their order. -ECANCELED: stop_fd; what
 * has a verdict keeps it, and the others are errors. -ENOMEM.
 */
int smoke_runner_run(const struct smoke_runner *runner, struct smoke_results *ret_results);

/* What the host has: CPUs that this process may use, and bytes of memory that are free. */
unsigned smoke_host_cpus(void);
uint64_t smoke_host_memory(void);

#endif
