/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Balanced trees of regions that share what they have in common: a change copies the path to the
 * place and no more, and who has the tree from before still has all of it.
 */
#ifndef MEM_TREE_H
#define MEM_TREE_H

#include "mem/mem.h"

enum mem_order {
	BY_GPA,
	BY_HVA, /* of those at the same address the lower gpa comes first */
};

/* A region, as the trees have it; both of a picture's have the same one. */
struct mem_record {
	_Atomic unsigned refs;
	struct mem_region region;
};

struct mem_node {
	_Atomic unsigned refs; /* how many nodes and pictures have it */
	uint32_t count;	       /* regions from here down */
	unsigned height;
	uint64_t edit; /* whose it is: that edit may change it in place */
	uint64_t last; /* the highest byte of a region from here down */
	struct mem_node *left, *right;
	struct mem_record *record;
};

/* Nodes at hand, so that an edit cannot fail in the middle. mem's lock. */
struct mem_pool {
	struct mem_node *spare; /* by left */
	size_t count;
	uint64_t edit; /* the one that is being made */
};

/* The record that the trees' region is in. */
static inline struct mem_record *mem_record_of(const struct mem_region *region)
{
	return (struct mem_record *)((uintptr_t)region - offsetof(struct mem_record, region));
}

/* A new one, with a reference to the region's body. NULL: out of memory. */
struct mem_record *mem_record_create(const struct mem_region *region);
struct mem_record *mem_record_get(struct mem_record *record);
void mem_record_put(struct mem_record *record);

/*
 * Begins an edit of two trees that have so many regions: it may insert and remove `edits` times,
 * and take all of that back. -ENOMEM.
 */
int mem_pool_begin(struct mem_pool *pool, size_t regions, size_t edits);
/* What was begun is over: of what was at hand for it some stays, for the next. */
void mem_pool_end(struct mem_pool *pool);
void mem_pool_finish(struct mem_pool *pool);

struct mem_node *mem_tree_get(struct mem_node *root);
void mem_tree_put(struct mem_node *root);
/* What goes with it is at hand for the next edit. mem's lock. */
void mem_tree_put_to(struct mem_pool *pool, struct mem_node *root);

/* In the place of root, whose reference they take. The record is given a reference of its own. */
struct mem_node *mem_tree_insert(struct mem_pool *pool, enum mem_order order, struct mem_node *root,
				 struct mem_record *record);
/* The region is there. */
struct mem_node *mem_tree_remove(struct mem_pool *pool, enum mem_order order, struct mem_node *root,
				 const struct mem_region *region);

/* Whether one comes before the other. */
bool mem_tree_is_before(enum mem_order order, const struct mem_region *a,
			const struct mem_region *b);

size_t mem_tree_count(const struct mem_node *root);
/* How many of a tree by gpa begin below it. */
size_t mem_tree_below(const struct mem_node *root, gpa_t gpa);
/* The i-th region; NULL: there are not so many. */
const struct mem_region *mem_tree_at(const struct mem_node *root, size_t i);
/* The first region behind `after` (NULL: of all) that has a byte of [from, last]. */
const struct mem_region *mem_tree_next(const struct mem_node *root, enum mem_order order,
				       const struct mem_region *after, uint64_t from,
				       uint64_t last);

#endif
