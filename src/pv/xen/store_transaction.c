/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transactions of Xenstore: each works on a tree of its own, which becomes the store's when nothing else
 * has changed that since. Who loses is told EAGAIN and does it all again.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "pv/xen/store.h"

struct store_transaction *store_transaction_find(struct store *store, uint32_t id)
{
	for (size_t i = 0; i < store->transaction_count; i++)
		if (store->transactions[i].id == id)
			return &store->transactions[i];
	return NULL;
}

int store_transaction_start(struct store *store, uint32_t *ret_id)
{
	struct store_transaction new = { .base = store->generation };

	if (store->transaction_count == STORE_TRANSACTIONS_MAX)
		return -ENOSPC;
	if (store_tree_copy(&store->tree, &new.tree) < 0)
		return -ENOMEM;
	do
		new.id = ++store->last_transaction;
	while (!new.id || store_transaction_find(store, new.id));
	store->transactions[store->transaction_count++] = new;
	*ret_id = new.id;
	return 0;
}

static void finish(struct store_transaction *transaction)
{
	store_tree_finish(&transaction->tree);
	for (size_t i = 0; i < transaction->change_count; i++)
		free(transaction->changes[i].path);
	free(transaction->changes);
}

static void tell(struct store *store, const struct store_transaction *transaction,
		 const struct store_tree *before)
{
	for (size_t i = 0; i < transaction->change_count; i++) {
		const struct store_change *change = &transaction->changes[i];
		const struct store_node *node = store_tree_find(&store->tree, change->path);

		if (!node)
			node = store_tree_find(before, change->path);
		store_watches_tell(store, change->path, change->exact, node);
		if (store->changed)
			store->changed(store->self, change->path);
	}
}

int store_transaction_end(struct store *store, struct store_transaction *transaction, bool commit)
{
	struct store_transaction ended = *transaction;
	struct store_tree before;
	int r = 0;

	*transaction = store->transactions[--store->transaction_count];
	if (commit && (ended.is_stale || (ended.has_written && ended.base != store->generation)))
		r = -EAGAIN;
	if (commit && r == 0 && ended.has_written) {
		before = store->tree;
		store->tree = ended.tree;
		store->generation++;
		ended.tree = before;
		tell(store, &ended, &before);
	}
	finish(&ended);
	return r;
}

void store_transactions_drop(struct store *store)
{
	while (store->transaction_count > 0)
		finish(&store->transactions[--store->transaction_count]);
}

static bool is_noted(const struct store_transaction *in, const char *path, bool exact)
{
	for (size_t i = 0; i < in->change_count; i++)
		if (in->changes[i].exact == exact && strcmp(in->changes[i].path, path) == 0)
			return true;
	return false;
}

static int add_change(struct store_transaction *in, const char *path, bool exact)
{
	struct store_change *changes;
	char *copy = strdup(path);

	changes = reallocarray(in->changes, in->change_count + 1, sizeof(*changes));
	if (changes)
		in->changes = changes;
	if (!copy || !changes) {
		free(copy);
		return -ENOMEM;
	}
	in->changes[in->change_count++] = (struct store_change){ .path = copy, .exact = exact };
	return 0;
}

void store_note(struct store *store, struct store_transaction *in, uint16_t who, const char *path,
		bool exact, const struct store_node *old)
{
	if (in) {
		if (!is_noted(in, path, exact) && add_change(in, path, exact) < 0)
			in->is_stale = true;
		return;
	}
	store_watches_tell(store, path, exact,
			   old ? old : store_tree_find(&store->tree, path));
	if (who != STORE_FERRY && store->changed)
		store->changed(store->self, path);
}
