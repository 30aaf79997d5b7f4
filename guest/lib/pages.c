/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that is written again and again, and of which it is known what it must hold. */
#include "lib/pages.h"

#include "lib/ram.h"

/*
 * The first word is the iteration that wrote the page last, the last word a tag of that iteration
 * and of the page, and all between is noise of the page: no two pages are alike, and none
 * compresses.
 */
enum {
	WORD_ITERATION = 0,
	WORD_TAG = PAGE_WORDS - 1,
};

static uint64_t mix(uint64_t v)
{
	v = (v ^ v >> 32) * 0xd6e8feb86659fd93;
	v = (v ^ v >> 29) * 0xa0761d6478bd642f;
	return v ^ v >> 32;
}

static uint64_t word_of(uint64_t page, uint32_t word, uint64_t iteration, uint64_t seed)
{
	if (word == WORD_ITERATION)
		return iteration;
	if (word == WORD_TAG)
		return mix(page ^ mix(iteration + seed));
	return mix(page + word * 8 + (seed << 48));
}

static uint64_t divisor(uint64_t a, uint64_t b)
{
	while (b) {
		uint64_t rest = a % b;

		a = b;
		b = rest;
	}
	return a;
}

/* The X with A * X = 1 modulo M, by Euclid's algorithm. */
static uint64_t invert(uint64_t a, uint64_t m)
{
	int64_t r = (int64_t)m, next_r = (int64_t)(a % m), x = 0, next_x = 1;

	while (next_r) {
		int64_t quotient = r / next_r, rest = r % next_r, least = x - quotient * next_x;

		r = next_r;
		next_r = rest;
		x = next_x;
		next_x = least;
	}
	return (uint64_t)(x < 0 ? x + (int64_t)m : x);
}

/* Each iteration begins elsewhere. */
static uint64_t beginning(const struct pages *pages)
{
	return mix(pages->iteration) % pages->working.pages;
}

/* The iteration that wrote page N of the working set last. */
static uint64_t iteration_of(const struct pages *pages, uint64_t n)
{
	const uint64_t count = pages->working.pages;
	uint64_t position = (n + count - beginning(pages)) % count * pages->inverse % count;

	return position < pages->position ? pages->iteration : pages->iteration - 1;
}

static void fill(const struct row *row, uint64_t seed)
{
	for (uint64_t i = 0; i < row->pages; i++) {
		uint64_t page = ram_page(row->first + i);

		for (uint32_t word = 0; word < PAGE_WORDS; word++)
			((uint64_t *)page)[word] = word_of(page, word, 0, seed);
	}
}

void pages_init(struct pages *pages)
{
	const uint64_t count = pages->working.pages;

	/* No divisor in common: every page has its turn. */
	pages->stride = count * 5 / 8 + 1;
	while (divisor(pages->stride, count) != 1)
		pages->stride++;
	pages->inverse = invert(pages->stride, count);
	pages->iteration = 1;
	fill(&pages->working, pages->seed);
	fill(&pages->filled, pages->seed);
}

void pages_write(struct pages *pages)
{
	const uint64_t count = pages->working.pages;
	volatile uint64_t *words;
	uint64_t page;

	if (pages->position == count) {
		pages->iteration++;
		pages->position = 0;
	}
	page = ram_page(pages->working.first +
			(beginning(pages) + pages->position++ * pages->stride) % count);
	words = (volatile uint64_t *)page;
	words[WORD_ITERATION] = pages->iteration;
	words[WORD_TAG] = word_of(page, WORD_TAG, pages->iteration, pages->seed);
	pages->written++;
}

static bool is(uint64_t page, uint32_t word, uint64_t expected, struct pages_failure *ret_failure)
{
	uint64_t found = ((const volatile uint64_t *)page)[word];

	if (found == expected)
		return true;
	*ret_failure = (struct pages_failure){ page, word, expected, found };
	return false;
}

/* The address of page N, counted through the three rows. */
static uint64_t address_of(const struct pages *pages, uint64_t n)
{
	if (n < pages->working.pages)
		return ram_page(pages->working.first + n);
	n -= pages->working.pages;
	if (n < pages->filled.pages)
		return ram_page(pages->filled.first + n);
	return ram_page(pages->rest.first + n - pages->filled.pages);
}

bool pages_compare(const struct pages *pages, uint64_t n, uint32_t first, uint32_t step,
		   struct pages_failure *ret_failure)
{
	const bool written = n < pages->working.pages + pages->filled.pages;
	const uint64_t iteration = n < pages->working.pages ? iteration_of(pages, n) : 0;
	const uint64_t page = address_of(pages, n), seed = pages->seed;

	if (written && (!is(page, WORD_ITERATION, iteration, ret_failure) ||
			!is(page, WORD_TAG, word_of(page, WORD_TAG, iteration, seed), ret_failure)))
		return false;
	for (uint32_t word = first; word < PAGE_WORDS; word += step) {
		uint64_t expected = written ? word_of(page, word, iteration, seed) : 0;

		if (!is(page, word, expected, ret_failure))
			return false;
	}
	return true;
}

void pages_spoil(const struct pages *pages, uint64_t n)
{
	const uint64_t count = pages->working.pages + pages->filled.pages + pages->rest.pages;

	((volatile uint64_t *)address_of(pages, n % count))[PAGE_WORDS / 2] ^= 1UL << 17;
}
