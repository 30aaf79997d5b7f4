/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Xenstore: a tree of small values that the guest and ferry's back ends tell each other by
 * (docs/misc/xenstore.txt). This is the tree, its transactions and watches, and the ring's protocol; it
 * knows no domain but by number, and nothing of event channels: store_port.c has those.
 *
 * Nothing locks itself: whoever owns a store has its lock.
 */
#ifndef PV_XEN_STORE_H
#define PV_XEN_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <abi/xen_store.h>

/* As xenstored has them by default for a domain without privileges. */
#define STORE_NODES_MAX	       1000u
#define STORE_VALUE_MAX	       2048u
#define STORE_WATCHES_MAX      128u
#define STORE_TRANSACTIONS_MAX 10u
#define STORE_PERMS_MAX	       5u

/* While so many bytes of answers and events wait for the guest, no more requests are taken. */
#define STORE_OUT_HIGH 65536u
/* Events that would make it more than this are lost: no guest that takes its answers gets there. */
#define STORE_OUT_MAX (4u << 20)

#define STORE_FERRY 0u /* domain 0, which may do everything */

struct store_perm {
	uint16_t domid;
	char access; /* n, r, w or b; the first one's: of all who are not named, and its domain owns */
};

/* Never changes once it is in a tree: a change is another node. */
struct store_node {
	unsigned refs;
	uint32_t value_len;
	uint32_t perm_count;
	struct store_perm perms[STORE_PERMS_MAX];
	const uint8_t *value;
	char path[];
};

/* Sorted by path. A node's parent is there before it. */
struct store_tree {
	struct store_node **nodes;
	size_t count, capacity;
};

struct store_watch {
	char *path;  /* absolute, or special: begins with @ */
	char *token;
	size_t skip; /* of a path: what was not said when the watch was relative */
};

struct store_change {
	char *path;
	bool exact; /* only who watches just this node is told: what is above was told of it */
};

struct store_transaction {
	uint32_t id;
	struct store_tree tree;
	uint64_t base;	/* generation */
	bool is_stale;	/* it came from elsewhere, or lacks memory: it cannot be committed */
	bool has_written;
	struct store_change *changes;
	size_t change_count;
};

struct store {
	uint16_t guest; /* who is on the ring */
	char home[32];	/* "/local/domain/1/": in front of relative paths */
	struct store_tree tree;
	uint64_t generation; /* counts changes of tree */
	uint32_t last_transaction;
	struct store_transaction transactions[STORE_TRANSACTIONS_MAX];
	size_t transaction_count;
	struct store_watch watches[STORE_WATCHES_MAX];
	size_t watch_count;
	/* A request of which the ring has given a part; and what the ring has no room for. */
	uint8_t in[sizeof(struct xen_xsd_sockmsg) + XEN_XS_PAYLOAD_MAX];
	uint32_t in_len;
	uint8_t *out;
	size_t out_len, out_room;
	bool is_broken; /* the guest does not keep to the protocol: nothing more is taken */
	/* The guest has changed a node, or a part of what is below. May be NULL. */
	void (*changed)(void *self, const char *path);
	void *self;
};

/* -ENOMEM. finish accepts a zeroed one. */
int store_init(struct store *store, uint16_t guest);
void store_finish(struct store *store);

/*
 * Ferry's own access. write() makes what is missing above; perms of new nodes are the parent's, or as
 * store_set_perms() says: "n0,r1". -ENOENT, -ENOMEM; -EINVAL: no such path can be.
 */
int store_write(struct store *store, const char *path, const char *text);
int store_printf(struct store *store, const char *dir, const char *leaf, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
int store_set_perms(struct store *store, const char *path, const char *perms);
int store_rm(struct store *store, const char *path);
/* A value as text, cut to size. -ENOENT. */
int store_read(const struct store *store, const char *path, char *text, size_t size);
/* dir/leaf as a number; otherwise when it is not there or none. */
uint64_t store_read_number(const struct store *store, const char *dir, const char *leaf,
			   uint64_t otherwise);

/*
 * Takes requests from the ring and gives answers, as far as both go. The ring is the guest's, and may
 * change at any time. True: something was taken or given, and the guest wants to be told.
 */
bool store_serve(struct store *store, struct xen_xs_ring *ring);

/* store_tree.c */
struct store_node *store_node_create(const char *path, const void *value, uint32_t len,
				     const struct store_perm *perms, uint32_t perm_count);
void store_node_put(struct store_node *node);
struct store_node *store_tree_find(const struct store_tree *tree, const char *path);
/* The first node whose path is not less. */
size_t store_tree_seek(const struct store_tree *tree, const char *path);
/* Takes the node over, also when it fails; one of the same path is replaced. -ENOMEM. */
int store_tree_add(struct store_tree *tree, struct store_node *node);
/* Of nodes [first, first + count). */
void store_tree_cut(struct store_tree *tree, size_t first, size_t count);
int store_tree_copy(const struct store_tree *tree, struct store_tree *ret_tree);
void store_tree_finish(struct store_tree *tree);
/* Nodes below path are [*ret_first, *ret_first + *ret_count). */
void store_tree_below(const struct store_tree *tree, const char *path, size_t *ret_first,
		      size_t *ret_count);
/* "/a" of "/a/b"; "/" of "/a"; "" of "/". */
void store_parent(const char *path, char *parent);
bool store_path_is_valid(const char *path);
/* "n0,r1" or as on the wire with NULs between them. False: no permissions. */
bool store_perms_parse(const char *text, size_t len, char separator, struct store_perm *perms,
		       uint32_t *ret_count);

/* store_op.c: with the rights of a domain, in a transaction or (NULL) outside of it. 0 or -errno. */
int store_op_get(struct store *store, struct store_transaction *in, uint16_t who, const char *path,
		 char access, struct store_node **ret_node);
int store_op_write(struct store *store, struct store_transaction *in, uint16_t who,
		   const char *path, const void *value, uint32_t len);
int store_op_mkdir(struct store *store, struct store_transaction *in, uint16_t who,
		   const char *path);
int store_op_rm(struct store *store, struct store_transaction *in, uint16_t who, const char *path);
int store_op_set_perms(struct store *store, struct store_transaction *in, uint16_t who,
		       const char *path, const struct store_perm *perms, uint32_t count);
bool store_may_read(const struct store_node *node, uint16_t who);

/* store_transaction.c */
struct store_transaction *store_transaction_find(struct store *store, uint32_t id);
int store_transaction_start(struct store *store, uint32_t *ret_id);
int store_transaction_end(struct store *store, struct store_transaction *transaction, bool commit);
void store_transactions_drop(struct store *store);
/* Notes a change for the commit, or tells it: in is NULL then. */
void store_note(struct store *store, struct store_transaction *in, uint16_t who, const char *path,
		bool exact, const struct store_node *old);

/* store_watch.c */
int store_watch_add(struct store *store, const char *path, const char *token, size_t skip);
int store_watch_remove(struct store *store, const char *path, const char *token);
void store_watches_drop(struct store *store);
/* One event of this watch. */
void store_watch_fire(struct store *store, const struct store_watch *watch, const char *path);
/* node: what is there, or was; NULL: nothing is known of it. */
void store_watches_tell(struct store *store, const char *path, bool exact,
			const struct store_node *node);

/* store_request.c: what one message asks for; the answer is queued. */
void store_request(struct store *store, const struct xen_xsd_sockmsg *header, char *payload);
void store_out(struct store *store, uint32_t type, const struct xen_xsd_sockmsg *to,
	       const void *payload, uint32_t len);

#endif
