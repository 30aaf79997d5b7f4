/* SPDX-License-Identifier: Apache-2.0 */
/* Regions that came last: a short list by gpa. */
#include "mem/recent.h"

void mem_recent_copy(struct mem_recent *to, const struct mem_recent *from)
{
	*to = *from;
	for (unsigned i = 0; i < to->count; i++)
		mem_record_get(to->records[i]);
}

void mem_recent_put(struct mem_recent *recent)
{
	for (unsigned i = 0; i < recent->count; i++)
		mem_record_put(recent->records[i]);
	recent->count = 0;
}

bool mem_recent_is_same(const struct mem_recent *a, const struct mem_recent *b)
{
	if (a->count != b->count)
		return false;
	for (unsigned i = 0; i < a->count; i++)
		if (a->records[i] != b->records[i])
			return false;
	return true;
}

void mem_recent_insert(struct mem_recent *recent, struct mem_record *record, size_t below)
{
	unsigned at = recent->count++;

	for (; at && recent->records[at - 1]->region.gpa > record->region.gpa; at--) {
		recent->records[at] = recent->records[at - 1];
		recent->below[at] = recent->below[at - 1];
	}
	recent->records[at] = mem_record_get(record);
	recent->below[at] = (uint32_t)below;
}

bool mem_recent_remove(struct mem_recent *recent, const struct mem_record *record)
{
	unsigned at = 0;

	while (at < recent->count && recent->records[at] != record)
		at++;
	if (at == recent->count)
		return false;
	mem_record_put(recent->records[at]);
	for (recent->count--; at < recent->count; at++) {
		recent->records[at] = recent->records[at + 1];
		recent->below[at] = recent->below[at + 1];
	}
	return true;
}

void mem_recent_shift(struct mem_recent *recent, gpa_t gpa, bool is_more)
{
	for (unsigned i = 0; i < recent->count; i++)
		if (recent->records[i]->region.gpa > gpa)
			recent->below[i] += is_more ? 1 : -1U;
}

const struct mem_region *mem_recent_at(const struct mem_recent *recent, const struct mem_node *root,
				       size_t i)
{
	unsigned before = 0;

	while (before < recent->count && recent->below[before] + before < i)
		before++;
	if (before < recent->count && recent->below[before] + before == i)
		return &recent->records[before]->region;
	return mem_tree_at(root, i - before);
}

const struct mem_region *mem_recent_next(const struct mem_recent *recent, enum mem_order order,
					 const struct mem_region *after, uint64_t from,
					 uint64_t last)
{
	const struct mem_region *first = NULL;

	for (unsigned i = 0; i < recent->count; i++) {
		const struct mem_region *region = &recent->records[i]->region;
		uint64_t begin = order == BY_GPA ? region->gpa : (uintptr_t)region->hva;

		if (begin > last || begin + (region->size - 1) < from ||
		    (after && !mem_tree_is_before(order, after, region)))
			continue;
		if (!first || mem_tree_is_before(order, region, first))
			first = region;
	}
	return first;
}
