/* SPDX-License-Identifier: Apache-2.0 */
/* Xenstore's nodes: an array that is sorted by path, and can be had twice for little. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "pv/xen/store.h"

struct store_node *store_node_create(const char *path, const void *value, uint32_t len,
				     const struct store_perm *perms, uint32_t perm_count)
{
	size_t path_size = strlen(path) + 1;
	struct store_node *node = calloc(1, sizeof(*node) + path_size + len);

	if (!node)
		return NULL;
	node->refs = 1;
	node->value_len = len;
	node->perm_count = perm_count;
	memcpy(node->perms, perms, perm_count * sizeof(*perms));
	memcpy(node->path, path, path_size);
	if (len)
		memcpy(node->path + path_size, value, len);
	node->value = (const uint8_t *)node->path + path_size;
	return node;
}

void store_node_put(struct store_node *node)
{
	if (node && --node->refs == 0)
		free(node);
}

size_t store_tree_seek(const struct store_tree *tree, const char *path)
{
	size_t low = 0, high = tree->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(tree->nodes[middle]->path, path) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct store_node *store_tree_find(const struct store_tree *tree, const char *path)
{
	size_t at = store_tree_seek(tree, path);

	if (at == tree->count || strcmp(tree->nodes[at]->path, path) != 0)
		return NULL;
	return tree->nodes[at];
}

static int make_room(struct store_tree *tree)
{
	size_t capacity = tree->capacity ? 2 * tree->capacity : 64;
	struct store_node **nodes;

	if (tree->count < tree->capacity)
		return 0;
	nodes = reallocarray(tree->nodes, capacity, sizeof(*nodes));
	if (!nodes)
		return -ENOMEM;
	tree->nodes = nodes;
	tree->capacity = capacity;
	return 0;
}

int store_tree_add(struct store_tree *tree, struct store_node *node)
{
	size_t at = store_tree_seek(tree, node->path);

	if (at < tree->count && strcmp(tree->nodes[at]->path, node->path) == 0) {
		store_node_put(tree->nodes[at]);
		tree->nodes[at] = node;
		return 0;
	}
	if (make_room(tree) < 0) {
		store_node_put(node);
		return -ENOMEM;
	}
	memmove(tree->nodes + at + 1, tree->nodes + at, (tree->count - at) * sizeof(*tree->nodes));
	tree->nodes[at] = node;
	tree->count++;
	return 0;
}

void store_tree_cut(struct store_tree *tree, size_t first, size_t count)
{
	for (size_t i = first; i < first + count; i++)
		store_node_put(tree->nodes[i]);
	if (count)
		memmove(tree->nodes + first, tree->nodes + first + count,
			(tree->count - first - count) * sizeof(*tree->nodes));
	tree->count -= count;
}

int store_tree_copy(const struct store_tree *tree, struct store_tree *ret_tree)
{
	struct store_tree copy = { .count = tree->count, .capacity = tree->count };

	copy.nodes = calloc(tree->count ? tree->count : 1, sizeof(*copy.nodes));
	if (!copy.nodes)
		return -ENOMEM;
	for (size_t i = 0; i < tree->count; i++) {
		copy.nodes[i] = tree->nodes[i];
		copy.nodes[i]->refs++;
	}
	*ret_tree = copy;
	return 0;
}

void store_tree_finish(struct store_tree *tree)
{
	store_tree_cut(tree, 0, tree->count);
	free(tree->nodes);
	*tree = (struct store_tree){ 0 };
}

/* What begins with "PATH/" stands together. */
void store_tree_below(const struct store_tree *tree, const char *path, size_t *ret_first,
		      size_t *ret_count)
{
	size_t len = strcmp(path, "/") == 0 ? 0 : strlen(path), end;
	char prefix[XEN_XS_ABS_PATH_MAX + 2];

	memcpy(prefix, path, len);
	memcpy(prefix + len, "/", 2);
	*ret_first = store_tree_seek(tree, prefix);
	if (len == 0 && *ret_first < tree->count)
		++*ret_first; /* "/" itself is not below it */
	for (end = *ret_first; end < tree->count; end++)
		if (strncmp(tree->nodes[end]->path, prefix, len + 1) != 0)
			break;
	*ret_count = end - *ret_first;
}

void store_parent(const char *path, char *parent)
{
	const char *slash = strrchr(path, '/');
	size_t len = slash ? (size_t)(slash - path) : 0;

	if (len == 0 && slash && path[1])
		len = 1;
	memcpy(parent, path, len);
	parent[len] = '\0';
}

bool store_path_is_valid(const char *path)
{
	size_t len = strlen(path);

	if (path[0] != '/' || len > XEN_XS_ABS_PATH_MAX || (len > 1 && path[len - 1] == '/'))
		return false;
	for (size_t i = 0; i < len; i++) {
		if (!isalnum((unsigned char)path[i]) && !strchr("-/_@", path[i]))
			return false;
		if (path[i] == '/' && path[i + 1] == '/')
			return false;
	}
	return true;
}

static bool parse_one(const char *text, const char *end, struct store_perm *perm,
		      const char **ret_end)
{
	uint32_t domid = 0;
	const char *at = text + 1;

	if (text == end || !strchr("nrwb", *text) || !*text)
		return false;
	while (at < end && isdigit((unsigned char)*at) && domid < 0x8000)
		domid = domid * 10 + (uint32_t)(*at++ - '0');
	if (at == text + 1 || domid >= 0x8000)
		return false;
	*perm = (struct store_perm){ .domid = (uint16_t)domid, .access = *text };
	*ret_end = at;
	return true;
}

bool store_perms_parse(const char *text, size_t len, char separator, struct store_perm *perms,
		       uint32_t *ret_count)
{
	const char *end = text + len;
	uint32_t count = 0;

	while (text < end) {
		if (count == STORE_PERMS_MAX || !parse_one(text, end, &perms[count], &text))
			return false;
		count++;
		if (text < end && *text++ != separator)
			return false;
	}
	*ret_count = count;
	return count > 0;
}
