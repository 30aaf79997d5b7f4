/* SPDX-License-Identifier: Apache-2.0 */
/* AVL trees with shared nodes: what an edit has copied is its own until it ends. */
#include "mem/tree.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include <ferry/error.h>

#include "base/util.h"
#include "mem/mem_impl.h"

/* Enough for a step on any map that KVM has slots for. */
#define POOL_KEPT 1024

struct mem_record *mem_record_create(const struct mem_region *region)
{
	struct mem_record *record = malloc(sizeof(*record));

	if (!record)
		return NULL;
	*record = (struct mem_record){ .refs = 1, .region = *region };
	mem_body_get(region->body);
	return record;
}

/* What is seen outside is not inlined here: these are for the paths that an edit copies. */
static inline struct mem_record *share_record(struct mem_record *record)
{
	atomic_fetch_add_explicit(&record->refs, 1, memory_order_relaxed);
	return record;
}

static inline void drop_record(struct mem_record *record)
{
	if (atomic_fetch_sub(&record->refs, 1) != 1)
		return;
	mem_body_put(record->region.body);
	free(record);
}

static inline struct mem_node *share(struct mem_node *node)
{
	if (node)
		atomic_fetch_add_explicit(&node->refs, 1, memory_order_relaxed);
	return node;
}

struct mem_record *mem_record_get(struct mem_record *record)
{
	return share_record(record);
}

void mem_record_put(struct mem_record *record)
{
	if (record)
		drop_record(record);
}

/* NOLINTBEGIN(misc-no-recursion): with all of KVM's slots in it a tree is 24 levels high at most. */

struct mem_node *mem_tree_get(struct mem_node *root)
{
	return share(root);
}

static void give(struct mem_pool *pool, struct mem_node *node)
{
	if (!pool) {
		free(node);
		return;
	}
	node->left = pool->spare;
	pool->spare = node;
	pool->count++;
}

static void drop(struct mem_pool *pool, struct mem_node *root)
{
	while (root && atomic_fetch_sub(&root->refs, 1) == 1) {
		struct mem_node *right = root->right;

		drop(pool, root->left);
		drop_record(root->record);
		give(pool, root);
		root = right;
	}
}

void mem_tree_put_to(struct mem_pool *pool, struct mem_node *root)
{
	drop(pool, root);
}

void mem_tree_put(struct mem_node *root)
{
	drop(NULL, root);
}

/* The least count of regions doubles with two levels, and more (AVL: 1.44 log2). */
static size_t height_max(size_t regions)
{
	return (size_t)(64 - __builtin_clzll(regions + 2)) * 3 / 2 + 1;
}

/*
 * An insertion or removal copies its path, and for each of its levels at most two nodes beside it;
 * all together copy no node twice, and make one for each insertion.
 */
int mem_pool_begin(struct mem_pool *pool, size_t regions, size_t edits)
{
	size_t few = 2 * edits * (3 * height_max(regions + 2 * edits) + 2);
	size_t needed = 2 * min_u64(few, regions + 2 * edits);

	pool->edit++;
	for (; pool->count < needed; pool->count++) {
		struct mem_node *node = malloc(sizeof(*node));

		if (!node)
			return because(-ENOMEM, "out of memory");
		node->left = pool->spare;
		pool->spare = node;
	}
	return 0;
}

static void shrink(struct mem_pool *pool, size_t count)
{
	for (; pool->count > count; pool->count--) {
		struct mem_node *node = pool->spare;

		pool->spare = node->left;
		free(node);
	}
}

void mem_pool_end(struct mem_pool *pool)
{
	shrink(pool, POOL_KEPT);
}

void mem_pool_finish(struct mem_pool *pool)
{
	shrink(pool, 0);
}

static struct mem_node *take(struct mem_pool *pool)
{
	struct mem_node *node = pool->spare;

	assert(node);
	pool->spare = node->left;
	pool->count--;
	return node;
}

/* The node, as one that may be changed. */
static struct mem_node *own(struct mem_pool *pool, struct mem_node *node)
{
	struct mem_node *copy;

	if (node->edit == pool->edit)
		return node;
	copy = take(pool);
	*copy = (struct mem_node){
		.refs = 1,
		.count = node->count,
		.height = node->height,
		.edit = pool->edit,
		.last = node->last,
		.left = share(node->left),
		.right = share(node->right),
		.record = share_record(node->record),
	};
	/* Whoever has the tree from before still has it. */
	drop(pool, node);
	return copy;
}

static uint64_t begin_of(enum mem_order order, const struct mem_region *region)
{
	return order == BY_GPA ? region->gpa : (uintptr_t)region->hva;
}

static bool is_before(enum mem_order order, const struct mem_region *a, const struct mem_region *b)
{
	uint64_t at = begin_of(order, a), other = begin_of(order, b);

	return at != other ? at < other : a->gpa < b->gpa;
}

bool mem_tree_is_before(enum mem_order order, const struct mem_region *a,
			const struct mem_region *b)
{
	return is_before(order, a, b);
}

static unsigned height_of(const struct mem_node *node)
{
	return node ? node->height : 0;
}

static void update(enum mem_order order, struct mem_node *node)
{
	const struct mem_region *region = &node->record->region;
	const struct mem_node *left = node->left, *right = node->right;

	node->height = 1 + (unsigned)max_u64(height_of(left), height_of(right));
	node->count = 1 + (left ? left->count : 0) + (right ? right->count : 0);
	node->last = begin_of(order, region) + region->size - 1;
	if (left)
		node->last = max_u64(node->last, left->last);
	if (right)
		node->last = max_u64(node->last, right->last);
}

/* The left child goes to the top; both are the edit's own. */
static struct mem_node *rotate_right(enum mem_order order, struct mem_node *node)
{
	struct mem_node *top = node->left;

	node->left = top->right;
	top->right = node;
	update(order, node);
	update(order, top);
	return top;
}

static struct mem_node *rotate_left(enum mem_order order, struct mem_node *node)
{
	struct mem_node *top = node->right;

	node->right = top->left;
	top->left = node;
	update(order, node);
	update(order, top);
	return top;
}

/* Of a node whose children's heights differ by two at most. */
static struct mem_node *balance(struct mem_pool *pool, enum mem_order order, struct mem_node *node)
{
	unsigned left = height_of(node->left), right = height_of(node->right);

	if (left > right + 1) {
		node->left = own(pool, node->left);
		if (height_of(node->left->left) < height_of(node->left->right)) {
			node->left->right = own(pool, node->left->right);
			node->left = rotate_left(order, node->left);
		}
		return rotate_right(order, node);
	}
	if (right > left + 1) {
		node->right = own(pool, node->right);
		if (height_of(node->right->right) < height_of(node->right->left)) {
			node->right->left = own(pool, node->right->left);
			node->right = rotate_right(order, node->right);
		}
		return rotate_left(order, node);
	}
	update(order, node);
	return node;
}

struct mem_node *mem_tree_insert(struct mem_pool *pool, enum mem_order order, struct mem_node *root,
				 struct mem_record *record)
{
	if (!root) {
		root = take(pool);
		*root = (struct mem_node){
			.refs = 1, .edit = pool->edit, .record = share_record(record)
		};
		update(order, root);
		return root;
	}
	root = own(pool, root);
	if (is_before(order, &record->region, &root->record->region))
		root->left = mem_tree_insert(pool, order, root->left, record);
	else
		root->right = mem_tree_insert(pool, order, root->right, record);
	return balance(pool, order, root);
}

/* Without the node, which is the edit's own and has one child at most: that one. */
static struct mem_node *cut(struct mem_node *node)
{
	struct mem_node *child = node->left ? node->left : node->right;

	node->left = node->right = NULL;
	drop(NULL, node);
	return child;
}

/* Without its first region, whose record is given with a reference. */
static struct mem_node *cut_first(struct mem_pool *pool, enum mem_order order,
				  struct mem_node *root, struct mem_record **ret_first)
{
	root = own(pool, root);
	if (!root->left) {
		*ret_first = share_record(root->record);
		return cut(root);
	}
	root->left = cut_first(pool, order, root->left, ret_first);
	return balance(pool, order, root);
}

struct mem_node *mem_tree_remove(struct mem_pool *pool, enum mem_order order, struct mem_node *root,
				 const struct mem_region *region)
{
	root = own(pool, root);
	if (is_before(order, region, &root->record->region)) {
		root->left = mem_tree_remove(pool, order, root->left, region);
	} else if (is_before(order, &root->record->region, region)) {
		root->right = mem_tree_remove(pool, order, root->right, region);
	} else if (!root->left || !root->right) {
		return cut(root);
	} else {
		drop_record(root->record);
		root->right = cut_first(pool, order, root->right, &root->record);
	}
	return balance(pool, order, root);
}

size_t mem_tree_count(const struct mem_node *root)
{
	return root ? root->count : 0;
}

size_t mem_tree_below(const struct mem_node *root, gpa_t gpa)
{
	size_t below = 0;

	while (root) {
		bool is_below = root->record->region.gpa < gpa;

		if (is_below)
			below += 1 + mem_tree_count(root->left);
		root = is_below ? root->right : root->left;
	}
	return below;
}

const struct mem_region *mem_tree_at(const struct mem_node *root, size_t i)
{
	while (root) {
		size_t left = root->left ? root->left->count : 0;

		if (i == left)
			return &root->record->region;
		root = i < left ? root->left : root->right;
		if (i > left)
			i -= left + 1;
	}
	return NULL;
}

/* The first of all: if any to the left ends late enough, it is there or nowhere. */
static const struct mem_region *find_first(const struct mem_node *root, enum mem_order order,
					   uint64_t from, uint64_t last)
{
	while (root) {
		const struct mem_region *region = &root->record->region;
		uint64_t begin = begin_of(order, region);

		if (root->left && root->left->last >= from)
			root = root->left;
		else if (begin > last)
			return NULL;
		else if (begin + (region->size - 1) >= from)
			return region;
		else
			root = root->right;
	}
	return NULL;
}

const struct mem_region *mem_tree_next(const struct mem_node *root, enum mem_order order,
				       const struct mem_region *after, uint64_t from, uint64_t last)
{
	if (!after)
		return find_first(root, order, from, last);
	while (root && root->last >= from) {
		const struct mem_region *region = &root->record->region;
		uint64_t begin = begin_of(order, region);
		bool is_behind = is_before(order, after, region);
		const struct mem_region *found;

		found = is_behind ? mem_tree_next(root->left, order, after, from, last) : NULL;
		if (found)
			return found;
		if (begin > last)
			return NULL;
		if (is_behind && begin + (region->size - 1) >= from)
			return region;
		root = root->right;
	}
	return NULL;
}

/* NOLINTEND(misc-no-recursion) */
