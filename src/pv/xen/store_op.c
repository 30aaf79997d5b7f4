/* SPDX-License-Identifier: Apache-2.0 */
/* What can be done to Xenstore's tree, with the rights of who does it (tools/xenstored). */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "pv/xen/store.h"

static struct store_tree *tree_of(struct store *store, struct store_transaction *in)
{
	return in ? &in->tree : &store->tree;
}

static char access_of(const struct store_node *node, uint16_t who)
{
	if (who == STORE_FERRY || node->perms[0].domid == who)
		return 'b';
	for (uint32_t i = 1; i < node->perm_count; i++)
		if (node->perms[i].domid == who)
			return node->perms[i].access;
	return node->perms[0].access;
}

static bool allows(const struct store_node *node, uint16_t who, char access)
{
	char has = access_of(node, who);

	return has == 'b' || has == access;
}

bool store_may_read(const struct store_node *node, uint16_t who)
{
	return allows(node, who, 'r');
}

/* The nearest node above that is there; the root always is. */
static struct store_node *nearest(const struct store_tree *tree, const char *path)
{
	char parent[XEN_XS_ABS_PATH_MAX + 1];
	struct store_node *node = NULL;

	store_parent(path, parent);
	while (parent[0] && !(node = store_tree_find(tree, parent)))
		store_parent(parent, parent);
	return node ? node : tree->nodes[0];
}

int store_op_get(struct store *store, struct store_transaction *in, uint16_t who, const char *path,
		 char access, struct store_node **ret_node)
{
	const struct store_tree *tree = tree_of(store, in);
	struct store_node *node = store_tree_find(tree, path);

	if (!node)
		return allows(nearest(tree, path), who, access) ? -ENOENT : -EACCES;
	if (!allows(node, who, access))
		return -EACCES;
	*ret_node = node;
	return 0;
}

static void has_changed(struct store *store, struct store_transaction *in)
{
	if (in)
		in->has_written = true;
	else
		store->generation++;
}

static uint32_t owned_by(const struct store_tree *tree, uint16_t who)
{
	uint32_t count = 0;

	for (size_t i = 0; i < tree->count; i++)
		count += tree->nodes[i]->perms[0].domid == who;
	return count;
}

/* Makes the node and what is missing above it. Nothing is left when it fails. */
static int create(struct store *store, struct store_transaction *in, uint16_t who,
		  const char *path, const void *value, uint32_t len)
{
	struct store_tree *tree = tree_of(store, in);
	const struct store_node *above = nearest(tree, path);
	struct store_perm perms[STORE_PERMS_MAX];
	uint32_t perm_count = above->perm_count, made = 0;
	size_t from = above->path[1] ? strlen(above->path) : 0;
	char part[XEN_XS_ABS_PATH_MAX + 1], first[XEN_XS_ABS_PATH_MAX + 1] = "";
	int r = 0;

	if (!allows(above, who, 'w'))
		return -EACCES;
	memcpy(perms, above->perms, sizeof(perms));
	if (who != STORE_FERRY)
		perms[0].domid = who;
	for (const char *at = path + from; r == 0 && *at; made++) {
		const char *slash = strchr(at + 1, '/');
		bool is_last = !slash;
		struct store_node *node;

		at = slash ? slash : at + strlen(at);
		memcpy(part, path, (size_t)(at - path));
		part[at - path] = '\0';
		if (!first[0])
			memcpy(first, part, sizeof(first));
		node = store_node_create(part, is_last ? value : NULL, is_last ? len : 0, perms,
					 perm_count);
		r = node ? store_tree_add(tree, node) : -ENOMEM;
	}
	if (r == 0 && who != STORE_FERRY && owned_by(tree, who) > STORE_NODES_MAX)
		r = -ENOSPC;
	if (r < 0 && first[0] && store_tree_find(tree, first)) {
		size_t at, count;

		store_tree_below(tree, first, &at, &count);
		store_tree_cut(tree, at, count);
		store_tree_cut(tree, store_tree_seek(tree, first), 1);
	}
	return r;
}

static int replace(struct store_tree *tree, const struct store_node *old, const void *value,
		   uint32_t len, const struct store_perm *perms, uint32_t perm_count)
{
	struct store_node *node = store_node_create(old->path, value, len, perms, perm_count);

	return node ? store_tree_add(tree, node) : -ENOMEM;
}

int store_op_write(struct store *store, struct store_transaction *in, uint16_t who,
		   const char *path, const void *value, uint32_t len)
{
	struct store_tree *tree = tree_of(store, in);
	struct store_node *node;
	int r;

	if (who != STORE_FERRY && len > STORE_VALUE_MAX)
		return -ENOSPC;
	r = store_op_get(store, in, who, path, 'w', &node);
	if (r == -ENOENT)
		r = create(store, in, who, path, value, len);
	else if (r == 0)
		r = replace(tree, node, value, len, node->perms, node->perm_count);
	if (r < 0)
		return r;
	has_changed(store, in);
	store_note(store, in, who, path, false, NULL);
	return 0;
}

int store_op_mkdir(struct store *store, struct store_transaction *in, uint16_t who, const char *path)
{
	struct store_node *node;
	int r = store_op_get(store, in, who, path, 'w', &node);

	if (r != -ENOENT)
		return r;
	r = create(store, in, who, path, NULL, 0);
	if (r < 0)
		return r;
	has_changed(store, in);
	store_note(store, in, who, path, false, NULL);
	return 0;
}

int store_op_rm(struct store *store, struct store_transaction *in, uint16_t who, const char *path)
{
	struct store_tree *tree = tree_of(store, in);
	char parent[XEN_XS_ABS_PATH_MAX + 1];
	struct store_node *node, *old;
	size_t first, count;
	int r;

	if (strcmp(path, "/") == 0)
		return -EINVAL;
	r = store_op_get(store, in, who, path, 'w', &node);
	store_parent(path, parent);
	if (r == -ENOENT)
		return store_tree_find(tree, parent) ? 0 : -ENOENT;
	if (r < 0)
		return r;
	node->refs++;
	store_tree_below(tree, path, &first, &count);
	for (; count > 0; count--) {
		old = tree->nodes[first];
		old->refs++;
		store_tree_cut(tree, first, 1);
		store_note(store, in, who, old->path, true, old);
		store_node_put(old);
	}
	store_tree_cut(tree, store_tree_seek(tree, path), 1);
	has_changed(store, in);
	store_note(store, in, who, path, false, node);
	store_node_put(node);
	return 0;
}

int store_op_set_perms(struct store *store, struct store_transaction *in, uint16_t who,
		       const char *path, const struct store_perm *perms, uint32_t count)
{
	struct store_node *node;
	int r = store_op_get(store, in, who, path, 'w', &node);

	if (r == 0 && who != STORE_FERRY && node->perms[0].domid != who)
		r = -EACCES;
	if (r == 0 && who != STORE_FERRY && perms[0].domid != who)
		r = -EPERM;
	if (r == 0)
		r = replace(tree_of(store, in), node, node->value, node->value_len, perms, count);
	if (r < 0)
		return r;
	has_changed(store, in);
	store_note(store, in, who, path, false, NULL);
	return 0;
}

int store_init(struct store *store, uint16_t guest)
{
	static const struct store_perm perms[] = { { STORE_FERRY, 'n' } };
	struct store_node *root = store_node_create("/", NULL, 0, perms, ARRAY_SIZE(perms));

	*store = (struct store){ .guest = guest };
	snprintf(store->home, sizeof(store->home), "/local/domain/%u/", guest);
	return root ? store_tree_add(&store->tree, root) : -ENOMEM;
}

void store_finish(struct store *store)
{
	store_transactions_drop(store);
	store_watches_drop(store);
	store_tree_finish(&store->tree);
	free(store->out);
	store->out = NULL;
	store->out_len = store->out_room = 0;
}

int store_write(struct store *store, const char *path, const char *text)
{
	if (!store_path_is_valid(path))
		return -EINVAL;
	return store_op_write(store, NULL, STORE_FERRY, path, text, (uint32_t)strlen(text));
}

int store_printf(struct store *store, const char *dir, const char *leaf, const char *fmt, ...)
{
	char path[512], text[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	snprintf(path, sizeof(path), "%s/%s", dir, leaf);
	return store_write(store, path, text);
}

int store_set_perms(struct store *store, const char *path, const char *perms)
{
	struct store_perm parsed[STORE_PERMS_MAX];
	uint32_t count;

	if (!store_path_is_valid(path) ||
	    !store_perms_parse(perms, strlen(perms), ',', parsed, &count))
		return -EINVAL;
	return store_op_set_perms(store, NULL, STORE_FERRY, path, parsed, count);
}

int store_rm(struct store *store, const char *path)
{
	return store_path_is_valid(path) ? store_op_rm(store, NULL, STORE_FERRY, path) : -EINVAL;
}

int store_read(const struct store *store, const char *path, char *text, size_t size)
{
	const struct store_node *node = store_tree_find(&store->tree, path);
	size_t len;

	if (!node)
		return -ENOENT;
	len = min_u64(node->value_len, size - 1);
	memcpy(text, node->value, len);
	text[len] = '\0';
	return 0;
}

uint64_t store_read_number(const struct store *store, const char *dir, const char *leaf,
			   uint64_t otherwise)
{
	char path[512], text[32], *end;
	uint64_t value;

	snprintf(path, sizeof(path), "%s/%s", dir, leaf);
	if (store_read(store, path, text, sizeof(text)) < 0)
		return otherwise;
	value = strtoull(text, &end, 10);
	return end == text ? otherwise : value;
}
