/* SPDX-License-Identifier: Apache-2.0 */
/* A test: a guest to boot, and what is expected of it. */
#ifndef SMOKE_TEST_H
#define SMOKE_TEST_H

#include <stddef.h>
#include <stdint.h>

#include "smoke/disks.h"
#include "smoke/rules.h"
#include "smoke/words.h"

struct smoke_test {
	char *name;
	struct smoke_rules rules;
	struct smoke_words booted;  /* of the `ferry run` that boots the guest, but for its disks */
	struct smoke_words carried; /* of one that takes a guest that runs already */
	struct smoke_disks disks;
	size_t warm;		    /* it begins from where tests->boots[warm - 1] ended; 0: by booting */
	char *snapshot;		    /* when it has passed, the guest is saved there; NULL: it is not */
	double move_every;	    /* seconds from one live move to the next; 0: none */
	unsigned cpus;
	uint64_t memory; /* bytes; both for deciding how many run at once */
};

struct smoke_tests {
	struct smoke_test *all;
	size_t count;
	struct smoke_test *boots; /* those that tests with warm begin from */
	size_t boot_count;
};

void smoke_test_finish(struct smoke_test *test);
void smoke_tests_finish(struct smoke_tests *tests);

/*
 * Keeps the part-th of parts (from 1): each test is in exactly one, and in the same for everybody
 * who has the same tests in the same order.
 */
void smoke_tests_shard(struct smoke_tests *tests, unsigned part, unsigned parts);

/* A name for files: the number, and the test's name with _ for what is no letter, digit or . _ - + = */
void smoke_test_file_name(const struct smoke_test *test, size_t number, char *name, size_t size);

#endif
