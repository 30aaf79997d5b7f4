/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that is written again and again, and of which it is known at every moment what it must
 * hold, without a record of it: from a page's address and from how often it was written.
 */
#ifndef GUEST_LIB_PAGES_H
#define GUEST_LIB_PAGES_H

#include <stdbool.h>
#include <stdint.h>

#define PAGE_WORDS 512U

/* Pages "first" and following, as ram_page() numbers them. */
struct row {
	uint64_t first, pages;
};

/* One CPU's share. */
struct pages {
	struct row working; /* written again and again */
	struct row filled;  /* written once, with noise */
	struct row rest;    /* never written */
	uint64_t seed;
	uint64_t stride, inverse; /* the order of writing: a step, and the way back */
	uint64_t iteration,
		position; /* pages before "position" hold "iteration", others one less */
	uint64_t written;
};

/* What was found where something else should be. */
struct pages_failure {
	uint64_t page, word, expected, found;
};

/* Fills what is to be filled; the rows and the seed are there. No page of the first two rows is
 * zero. */
void pages_init(struct pages *pages);
/* Writes the next page of the working set. */
void pages_write(struct pages *pages);
/*
 * Compares words FIRST, FIRST + STEP, … of page N, counted through the three rows, and always those
 * that change. False: *RET_FAILURE says what is wrong.
 */
bool pages_compare(const struct pages *pages, uint64_t n, uint32_t first, uint32_t step,
		   struct pages_failure *ret_failure);
/* Makes one bit of page N wrong. */
void pages_spoil(const struct pages *pages, uint64_t n);

#endif
