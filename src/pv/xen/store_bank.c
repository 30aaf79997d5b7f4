/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The registers of Xenstore: nodes in the order of their paths, watches in that of their making, and
 * what is under way on the ring, whose indices are in the guest's memory. Of a transaction only the
 * number is one: what goes on elsewhere loses against a change that nobody has seen, and is made again.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ferry/error.h>

#include "base/util.h"
#include "pv/xen/store_port.h"
#include "pv/xen/xen_impl.h"
#include "reg/reg_file.h"

enum {
	FIELD_NODES = 0, /* one: how many there are; those behind are none */
	FIELD_NODE = 1,	 /* struct node, path, value; as large as that takes */
	FIELD_WATCHES = 2,
	FIELD_WATCH = 3, /* struct watch, path, token */
	FIELD_STATE = 4, /* one: struct state */
	FIELD_IN = 5,	 /* one: the length of a part of a request, and that */
	FIELD_OUT = 6,	 /* one: how many bytes have had no room in the ring */
	FIELD_BYTES = 7, /* those, in pieces */
	FIELDS
};

#define ID(field, size, number) REG_ID(REG_BANK_XEN_STORE, field, size, number)
#define PIECE 4096u
#define IN_LOG2 13

struct node {
	uint32_t path_len, value_len, perm_count;
	struct {
		uint16_t domid;
		uint8_t access, zero;
	} perms[STORE_PERMS_MAX];
};
_Static_assert(sizeof(struct node) == 32, "without gaps");

struct watch {
	uint32_t path_len, token_len, skip, zero;
};

struct state {
	uint32_t count, last, is_broken, zero;
	uint64_t generation;
	uint32_t ids[STORE_TRANSACTIONS_MAX];
};
_Static_assert(sizeof(struct state) == 64, "without gaps");

/* Room for any node and any watch. */
#define BYTES_MAX 16384u
_Static_assert(sizeof(struct node) + XEN_XS_ABS_PATH_MAX + XEN_XS_PAYLOAD_MAX < BYTES_MAX, "fits");

static unsigned log2_of(size_t size)
{
	unsigned log2 = 3;

	while ((size_t)1 << log2 < size)
		log2++;
	return log2;
}

static size_t node_size(const struct store_node *node)
{
	return sizeof(struct node) + strlen(node->path) + node->value_len;
}

static size_t watch_size(const struct store_watch *watch)
{
	return sizeof(struct watch) + strlen(watch->path) + strlen(watch->token);
}

static int add(struct reg_list *out, int r, unsigned field, unsigned size_log2, size_t number)
{
	return r < 0 ? r : reg_list_add(out, REG_VM, ID(field, size_log2, number), 0);
}

static int list(void *self, uint32_t vcpu, struct reg_list *out)
{
	const struct store *store = xen_store_of(self);
	int r = add(out, 0, FIELD_NODES, 3, 0);

	(void)vcpu;
	for (size_t i = 0; i < store->tree.count; i++)
		r = add(out, r, FIELD_NODE, log2_of(node_size(store->tree.nodes[i])), i);
	r = add(out, r, FIELD_WATCHES, 3, 0);
	for (size_t i = 0; i < store->watch_count; i++)
		r = add(out, r, FIELD_WATCH, log2_of(watch_size(&store->watches[i])), i);
	r = add(out, r, FIELD_STATE, 6, 0);
	r = add(out, r, FIELD_IN, IN_LOG2, 0);
	r = add(out, r, FIELD_OUT, 3, 0);
	for (size_t i = 0; i * PIECE < store->out_len; i++)
		r = add(out, r, FIELD_BYTES, 12, i);
	return r;
}

static void get_node(const struct store_node *node, uint8_t *val)
{
	struct node head = {
		.path_len = (uint32_t)strlen(node->path),
		.value_len = node->value_len,
		.perm_count = node->perm_count,
	};

	for (uint32_t i = 0; i < node->perm_count; i++) {
		head.perms[i].domid = node->perms[i].domid;
		head.perms[i].access = (uint8_t)node->perms[i].access;
	}
	memcpy(val, &head, sizeof(head));
	memcpy(val + sizeof(head), node->path, head.path_len);
	memcpy(val + sizeof(head) + head.path_len, node->value, node->value_len);
}

static void get_watch(const struct store_watch *watch, uint8_t *val)
{
	const struct watch head = { (uint32_t)strlen(watch->path), (uint32_t)strlen(watch->token),
				    (uint32_t)watch->skip, 0 };

	memcpy(val, &head, sizeof(head));
	memcpy(val + sizeof(head), watch->path, head.path_len);
	memcpy(val + sizeof(head) + head.path_len, watch->token, head.token_len);
}

static void get_state(const struct store *store, struct state *state)
{
	*state = (struct state){
		.count = (uint32_t)store->transaction_count,
		.last = store->last_transaction,
		.is_broken = store->is_broken,
		.generation = store->generation,
	};
	for (uint32_t i = 0; i < state->count; i++)
		state->ids[i] = store->transactions[i].id;
}

static int unknown(struct reg_key key)
{
	return because(-ENOENT, "no register %#llx of Xenstore", (unsigned long long)key.id);
}

static int get_sized(const struct store *store, struct reg_key key, uint8_t *val)
{
	size_t size = reg_size(key.id), number = REG_ID_NUMBER(key.id);

	switch (REG_ID_FIELD(key.id)) {
	case FIELD_NODE:
		if (number >= store->tree.count ||
		    size != (size_t)1 << log2_of(node_size(store->tree.nodes[number])))
			return -ENOENT;
		get_node(store->tree.nodes[number], val);
		return 0;
	case FIELD_WATCH:
		if (number >= store->watch_count ||
		    size != (size_t)1 << log2_of(watch_size(&store->watches[number])))
			return -ENOENT;
		get_watch(&store->watches[number], val);
		return 0;
	case FIELD_BYTES:
		if (size != PIECE || number * PIECE >= store->out_len)
			return -ENOENT;
		memcpy(val, store->out + number * PIECE,
		       min_u64(PIECE, store->out_len - number * PIECE));
		return 0;
	default:
		return -ENOENT;
	}
}

static int get_single(const struct store *store, struct reg_key key, uint8_t *val)
{
	struct state state;
	uint64_t word = 0;

	switch (REG_ID_FIELD(key.id)) {
	case FIELD_NODES:
		word = store->tree.count;
		break;
	case FIELD_WATCHES:
		word = store->watch_count;
		break;
	case FIELD_OUT:
		word = store->out_len;
		break;
	case FIELD_STATE:
		get_state(store, &state);
		memcpy(val, &state, sizeof(state));
		return 0;
	default: /* FIELD_IN */
		memcpy(val, &store->in_len, sizeof(store->in_len));
		memcpy(val + sizeof(store->in_len), store->in, store->in_len);
		return 0;
	}
	memcpy(val, &word, sizeof(word));
	return 0;
}

static bool is_single(struct reg_key key)
{
	static const uint8_t sizes[FIELDS] = {
		[FIELD_NODES] = 3, [FIELD_WATCHES] = 3, [FIELD_STATE] = 6,
		[FIELD_IN] = IN_LOG2, [FIELD_OUT] = 3,
	};
	unsigned field = REG_ID_FIELD(key.id);

	return field < FIELDS && sizes[field] && REG_ID_NUMBER(key.id) == 0 &&
	       reg_size(key.id) == 1u << sizes[field];
}

static int get(void *self, struct reg_key key, void *val)
{
	const struct store *store = xen_store_of(self);
	int r;

	memset(val, 0, reg_size(key.id));
	r = is_single(key) ? get_single(store, key, val) : get_sized(store, key, val);
	return r == -ENOENT ? unknown(key) : r;
}

/* Nodes come in their order: one that is not what was there ends what was there. */
static int put_node(struct store_tree *tree, size_t number, struct store_node *node)
{
	char parent[XEN_XS_ABS_PATH_MAX + 1];

	store_parent(node->path, parent);
	if (number > tree->count ||
	    (number ? !parent[0] || !store_tree_find(tree, parent) ||
			      strcmp(tree->nodes[number - 1]->path, node->path) >= 0
		    : strcmp(node->path, "/") != 0)) {
		store_node_put(node);
		return because(-EINVAL, "Xenstore: no such node can be the %zuth", number);
	}
	if (number < tree->count && strcmp(tree->nodes[number]->path, node->path) != 0)
		store_tree_cut(tree, number, tree->count - number);
	return store_tree_add(tree, node);
}

static bool perms_are_possible(const struct node *head, struct store_perm *perms)
{
	for (uint32_t i = 0; i < head->perm_count; i++) {
		perms[i] = (struct store_perm){ head->perms[i].domid, (char)head->perms[i].access };
		if (!perms[i].access || !strchr("nrwb", perms[i].access) || head->perms[i].zero)
			return false;
	}
	return true;
}

static int set_node(struct store *store, size_t number, const uint8_t *val, size_t size)
{
	char path[XEN_XS_ABS_PATH_MAX + 1];
	struct store_perm perms[STORE_PERMS_MAX];
	struct store_node *node;
	struct node head;

	if (size < sizeof(head))
		return -ENOENT;
	memcpy(&head, val, sizeof(head));
	if (head.path_len > XEN_XS_ABS_PATH_MAX || head.value_len > XEN_XS_PAYLOAD_MAX ||
	    head.perm_count < 1 || head.perm_count > STORE_PERMS_MAX ||
	    size != (size_t)1 << log2_of(sizeof(head) + head.path_len + head.value_len))
		return because(-EINVAL, "Xenstore: a node that cannot be");
	memcpy(path, val + sizeof(head), head.path_len);
	path[head.path_len] = '\0';
	if (strlen(path) != head.path_len || !store_path_is_valid(path) ||
	    !perms_are_possible(&head, perms))
		return because(-EINVAL, "Xenstore: a node that cannot be");
	node = store_node_create(path, val + sizeof(head) + head.path_len, head.value_len, perms,
				 head.perm_count);
	return node ? put_node(&store->tree, number, node) : -ENOMEM;
}

static bool watch_is_possible(const struct store *store, const struct watch *head, const char *path,
			      const char *token)
{
	size_t home = strlen(store->home);

	if (strlen(path) != head->path_len || strlen(token) != head->token_len || head->zero)
		return false;
	if (path[0] == '@')
		return head->skip == 0;
	return store_path_is_valid(path) &&
	       (head->skip == 0 || (head->skip == home && strncmp(path, store->home, home) == 0));
}

static int set_watch(struct store *store, size_t number, const uint8_t *val, size_t size)
{
	char path[XEN_XS_ABS_PATH_MAX + 1], token[XEN_XS_PAYLOAD_MAX + 1];
	struct watch head;

	if (size < sizeof(head) || number > store->watch_count)
		return -ENOENT;
	memcpy(&head, val, sizeof(head));
	if (head.path_len > XEN_XS_ABS_PATH_MAX || head.token_len > XEN_XS_PAYLOAD_MAX ||
	    size != (size_t)1 << log2_of(sizeof(head) + head.path_len + head.token_len))
		return because(-EINVAL, "Xenstore: a watch that cannot be");
	memcpy(path, val + sizeof(head), head.path_len);
	path[head.path_len] = '\0';
	memcpy(token, val + sizeof(head) + head.path_len, head.token_len);
	token[head.token_len] = '\0';
	if (!watch_is_possible(store, &head, path, token))
		return because(-EINVAL, "Xenstore: a watch that cannot be");
	if (number < store->watch_count && strcmp(store->watches[number].path, path) == 0 &&
	    strcmp(store->watches[number].token, token) == 0 &&
	    store->watches[number].skip == head.skip)
		return 0;
	while (store->watch_count > number)
		store_watch_remove(store, store->watches[store->watch_count - 1].path,
				   store->watches[store->watch_count - 1].token);
	return store_watch_add(store, path, token, head.skip) < 0 ?
		       because(-EINVAL, "Xenstore: a watch too many") :
		       0;
}

static int set_state(struct store *store, const void *val)
{
	struct state state, now;

	memcpy(&state, val, sizeof(state));
	get_state(store, &now);
	if (memcmp(&state, &now, sizeof(now)) == 0)
		return 0;
	if (state.count > STORE_TRANSACTIONS_MAX || state.is_broken > 1 || state.zero)
		return because(-EINVAL, "Xenstore: %u transactions", state.count);
	store_transactions_drop(store);
	for (uint32_t i = 0; i < state.count; i++) {
		struct store_transaction one = { .id = state.ids[i], .is_stale = true };

		if (!one.id || store_transaction_find(store, one.id))
			return because(-EINVAL, "Xenstore: transaction %u", one.id);
		if (store_tree_copy(&store->tree, &one.tree) < 0)
			return -ENOMEM;
		store->transactions[store->transaction_count++] = one;
	}
	store->last_transaction = state.last;
	store->generation = state.generation;
	store->is_broken = state.is_broken;
	return 0;
}

static int set_in(struct store *store, const uint8_t *val)
{
	struct xen_xsd_sockmsg header;
	uint32_t len;

	memcpy(&len, val, sizeof(len));
	if (len > sizeof(store->in))
		return because(-EINVAL, "Xenstore: %u bytes of a request", len);
	memcpy(&header, val + sizeof(len), sizeof(header));
	if (len >= sizeof(header) &&
	    (header.len > XEN_XS_PAYLOAD_MAX || len > sizeof(header) + header.len))
		return because(-EINVAL, "Xenstore: a request of %u bytes", header.len);
	memcpy(store->in, val + sizeof(len), len);
	store->in_len = len;
	return 0;
}

static int set_out(struct store *store, uint64_t len)
{
	uint8_t *out;

	if (len > STORE_OUT_MAX)
		return because(-EINVAL, "Xenstore: %llu bytes for the ring",
			       (unsigned long long)len);
	if (len == store->out_len)
		return 0;
	out = calloc(1, len ? len : 1);
	if (!out)
		return -ENOMEM;
	free(store->out);
	store->out = out;
	store->out_len = store->out_room = len;
	return 0;
}

static int set_single(struct store *store, struct reg_key key, const uint8_t *val)
{
	uint64_t word;

	memcpy(&word, val, sizeof(word));
	switch (REG_ID_FIELD(key.id)) {
	case FIELD_NODES:
		if (word < 1)
			return because(-EINVAL, "Xenstore: without a root");
		if (word < store->tree.count)
			store_tree_cut(&store->tree, word, store->tree.count - word);
		return 0;
	case FIELD_WATCHES:
		while (store->watch_count > word)
			store_watch_remove(store, store->watches[store->watch_count - 1].path,
					   store->watches[store->watch_count - 1].token);
		return 0;
	case FIELD_OUT:
		return set_out(store, word);
	case FIELD_STATE:
		return set_state(store, val);
	default:
		return set_in(store, val);
	}
}

static int set_sized(struct store *store, struct reg_key key, const uint8_t *val)
{
	size_t size = reg_size(key.id), number = REG_ID_NUMBER(key.id);

	switch (REG_ID_FIELD(key.id)) {
	case FIELD_NODE:
		return set_node(store, number, val, size);
	case FIELD_WATCH:
		return set_watch(store, number, val, size);
	case FIELD_BYTES:
		if (size != PIECE || number * PIECE >= store->out_len)
			return -ENOENT;
		memcpy(store->out + number * PIECE, val,
		       min_u64(PIECE, store->out_len - number * PIECE));
		return 0;
	default:
		return -ENOENT;
	}
}

static int set(void *self, struct reg_key key, const void *val)
{
	struct xen *xen = self;
	struct store *store = xen_store_of(xen);
	int r;

	xen_lock(xen);
	r = is_single(key) ? set_single(store, key, val) : set_sized(store, key, val);
	xen_unlock(xen);
	return r == -ENOENT ? unknown(key) : r;
}

static int name_of(void *self, struct reg_key key, char *name, size_t size)
{
	static const char *const names[FIELDS] = {
		"nodes", "node", "watches", "watch", "state", "request", "out", "bytes",
	};
	unsigned field = REG_ID_FIELD(key.id);

	(void)self;
	if (field >= FIELDS)
		return -ENOENT;
	if (is_single(key))
		snprintf(name, size, "%s", names[field]);
	else
		snprintf(name, size, "%s%u", names[field], REG_ID_NUMBER(key.id));
	return 0;
}

int xen_store_bank_add(struct xen *xen)
{
	static const struct reg_bank bank = {
		.name = "xenstore",
		.mask = REG_BANK_MASK,
		.match = REG_BANK(REG_BANK_XEN_STORE),
		.list = list,
		.get = get,
		.set = set,
		.name_of = name_of,
	};

	return reg_file_add(&xen->vm->regs, &bank, 0, 0, xen);
}
