/* SPDX-License-Identifier: Apache-2.0 */
/* The few regions that a picture has beside its trees. */
#ifndef MEM_RECENT_H
#define MEM_RECENT_H

#include "mem/tree.h"

/* Copies share the records, with references of their own. */
void mem_recent_copy(struct mem_recent *to, const struct mem_recent *from);
void mem_recent_put(struct mem_recent *recent);
bool mem_recent_is_same(const struct mem_recent *a, const struct mem_recent *b);

/* Of so many regions of the tree below it; there is room. Another reference to the record is taken. */
void mem_recent_insert(struct mem_recent *recent, struct mem_record *record, size_t below);
/* Whether it was among them; its reference is put. */
bool mem_recent_remove(struct mem_recent *recent, const struct mem_record *record);
/* The tree has got a region there, or has lost it. */
void mem_recent_shift(struct mem_recent *recent, gpa_t gpa, bool is_more);

/* The i-th region of those and the tree's. */
const struct mem_region *mem_recent_at(const struct mem_recent *recent, const struct mem_node *root,
				       size_t i);
/* As mem_tree_next(). */
const struct mem_region *mem_recent_next(const struct mem_recent *recent, enum mem_order order,
					 const struct mem_region *after, uint64_t from,
					 uint64_t last);

#endif
