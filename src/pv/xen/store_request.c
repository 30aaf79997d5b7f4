/* SPDX-License-Identifier: Apache-2.0 */
/* One message of the guest's to Xenstore, and its answer (docs/misc/xenstore.txt). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "pv/xen/store.h"

#define ARGS_MAX 8

/* A request under way; payload is a copy with a NUL behind it. */
struct request {
	struct store *store;
	const struct xen_xsd_sockmsg *header;
	struct store_transaction *in;
	const char *payload;
	uint32_t len;
	const char *args[ARGS_MAX]; /* strings, each with its NUL inside of the payload */
	unsigned count;
	char path[XEN_XS_ABS_PATH_MAX + 1];
	size_t skip; /* the home in front of it, when it was relative */
};

static void answer(const struct request *request, const void *data, uint32_t len)
{
	store_out(request->store, request->header->type, request->header, data, len);
}

static int ok(const struct request *request)
{
	answer(request, "OK", 3);
	return 0;
}

static void split(struct request *request)
{
	const char *at = request->payload, *end = at + request->len;

	for (; at < end && request->count < ARGS_MAX; at += strlen(at) + 1) {
		if (at + strlen(at) >= end)
			return; /* without its NUL it is no string */
		request->args[request->count++] = at;
	}
}

static int take_path(struct request *request, const char *said)
{
	size_t home = strlen(request->store->home), len = strlen(said);

	if (said[0] == '/') {
		if (len > XEN_XS_ABS_PATH_MAX)
			return -EINVAL;
		request->skip = 0;
		memcpy(request->path, said, len + 1);
	} else {
		if (len == 0 || len > XEN_XS_REL_PATH_MAX)
			return -EINVAL;
		request->skip = home;
		memcpy(request->path, request->store->home, home);
		memcpy(request->path + home, said, len + 1);
	}
	return store_path_is_valid(request->path) ? 0 : -EINVAL;
}

static int get_node(struct request *request, struct store_node **ret_node)
{
	if (request->count < 1)
		return -EINVAL;
	if (take_path(request, request->args[0]) < 0)
		return -EINVAL;
	return store_op_get(request->store, request->in, request->store->guest, request->path, 'r',
			    ret_node);
}

/* The names of the children, each with its NUL. *ret_len: of all of them; cut where size ends. */
static void list_children(const struct request *request, char *text, size_t size, size_t *ret_len)
{
	const struct store_tree *tree = request->in ? &request->in->tree : &request->store->tree;
	size_t first, count, len = 0;
	size_t prefix = strcmp(request->path, "/") == 0 ? 1 : strlen(request->path) + 1;

	store_tree_below(tree, request->path, &first, &count);
	for (size_t i = first; i < first + count; i++) {
		const char *name = tree->nodes[i]->path + prefix;
		size_t name_size = strlen(name) + 1;

		if (strchr(name, '/'))
			continue;
		if (len + name_size <= size)
			memcpy(text + len, name, name_size);
		len += name_size;
	}
	*ret_len = len;
}

static int directory(struct request *request)
{
	char text[XEN_XS_PAYLOAD_MAX];
	struct store_node *node;
	size_t len;
	int r = get_node(request, &node);

	if (r < 0)
		return r;
	list_children(request, text, sizeof(text), &len);
	if (len > sizeof(text))
		return -E2BIG;
	answer(request, text, (uint32_t)len);
	return 0;
}

/* Generation, then names from an offset on; an empty one behind the last. */
static int give_part(const struct request *request, const char *all, size_t all_len, size_t from)
{
	char text[XEN_XS_PAYLOAD_MAX];
	size_t head = (size_t)snprintf(text, 32, "%llu",
				       (unsigned long long)request->store->generation) + 1;
	size_t len = 0;

	while (from + len < all_len) {
		size_t next = strlen(all + from + len) + 1;

		if (head + len + next + 1 > sizeof(text))
			break;
		memcpy(text + head + len, all + from + len, next);
		len += next;
	}
	if (from + len >= all_len)
		text[head + len++] = '\0';
	answer(request, text, (uint32_t)(head + len));
	return 0;
}

static int directory_part(struct request *request)
{
	struct store_node *node;
	size_t len, again;
	char *all, none[1];
	int r = request->count == 2 ? get_node(request, &node) : -EINVAL;

	if (r < 0)
		return r;
	list_children(request, none, 0, &len);
	all = malloc(len + 1);
	if (!all)
		return -ENOMEM;
	list_children(request, all, len, &again);
	all[len] = '\0';
	r = give_part(request, all, len, (size_t)min_u64(strtoull(request->args[1], NULL, 10), len));
	free(all);
	return r;
}

static int read_value(struct request *request)
{
	struct store_node *node;
	int r = get_node(request, &node);

	if (r < 0)
		return r;
	answer(request, node->value, node->value_len);
	return 0;
}

static int get_perms(struct request *request)
{
	char text[STORE_PERMS_MAX * 8];
	struct store_node *node;
	size_t len = 0;
	int r = get_node(request, &node);

	if (r < 0)
		return r;
	for (uint32_t i = 0; i < node->perm_count; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%c%u",
					node->perms[i].access, node->perms[i].domid) + 1;
	answer(request, text, (uint32_t)len);
	return 0;
}

static int write_value(struct request *request)
{
	const struct store *store = request->store;
	size_t path_size;
	int r;

	/* The value is what follows the path, and no string. */
	if (request->count < 1)
		return -EINVAL;
	if (take_path(request, request->args[0]) < 0)
		return -EINVAL;
	path_size = strlen(request->args[0]) + 1;
	r = store_op_write(request->store, request->in, store->guest, request->path,
			   request->payload + path_size, request->len - (uint32_t)path_size);
	return r < 0 ? r : ok(request);
}

static int make_directory(struct request *request)
{
	int r = request->count == 1 ? take_path(request, request->args[0]) : -EINVAL;

	if (r == 0)
		r = store_op_mkdir(request->store, request->in, request->store->guest,
				   request->path);
	return r < 0 ? r : ok(request);
}

static int remove_node(struct request *request)
{
	int r = request->count == 1 ? take_path(request, request->args[0]) : -EINVAL;

	if (r == 0)
		r = store_op_rm(request->store, request->in, request->store->guest, request->path);
	return r < 0 ? r : ok(request);
}

static int set_perms(struct request *request)
{
	struct store_perm perms[STORE_PERMS_MAX];
	uint32_t count;
	size_t path_size;
	int r = request->count >= 2 ? take_path(request, request->args[0]) : -EINVAL;

	if (r < 0)
		return r;
	if (request->count > 1 + STORE_PERMS_MAX)
		return -ENOSPC;
	path_size = strlen(request->args[0]) + 1;
	if (!store_perms_parse(request->payload + path_size, request->len - path_size, '\0', perms,
			       &count))
		return -EINVAL;
	r = store_op_set_perms(request->store, request->in, request->store->guest, request->path,
			       perms, count);
	return r < 0 ? r : ok(request);
}

/* Special paths begin with an @ and are nobody's nodes. */
static int take_watch_path(struct request *request)
{
	size_t len;

	if (request->count < 2)
		return -EINVAL;
	if (request->args[0][0] != '@')
		return take_path(request, request->args[0]);
	len = strlen(request->args[0]);
	if (len > XEN_XS_REL_PATH_MAX)
		return -EINVAL;
	request->skip = 0;
	memcpy(request->path, request->args[0], len + 1);
	return 0;
}

/* A watch fires at once, behind the answer: its owner looks at what is there already. */
static int watch(struct request *request)
{
	struct store *store = request->store;
	int r = take_watch_path(request);

	if (r == 0)
		r = store_watch_add(store, request->path, request->args[1], request->skip);
	if (r < 0)
		return r;
	ok(request);
	store_watch_fire(store, &store->watches[store->watch_count - 1], request->path);
	return 0;
}

static int unwatch(struct request *request)
{
	int r = take_watch_path(request);

	if (r == 0)
		r = store_watch_remove(request->store, request->path, request->args[1]);
	return r < 0 ? r : ok(request);
}

static int reset_watches(struct request *request)
{
	store_watches_drop(request->store);
	store_transactions_drop(request->store);
	return ok(request);
}

static int start_transaction(struct request *request)
{
	char text[16];
	uint32_t id;
	int r;

	if (request->in)
		return -EBUSY;
	r = store_transaction_start(request->store, &id);
	if (r < 0)
		return r;
	answer(request, text, (uint32_t)snprintf(text, sizeof(text), "%u", id) + 1);
	return 0;
}

static int end_transaction(struct request *request)
{
	int r;

	if (request->count != 1 ||
	    (strcmp(request->args[0], "T") != 0 && strcmp(request->args[0], "F") != 0))
		return -EINVAL;
	if (!request->in)
		return -ENOENT;
	r = store_transaction_end(request->store, request->in, request->args[0][0] == 'T');
	return r < 0 ? r : ok(request);
}

static int domain_path(struct request *request)
{
	char text[32];

	if (request->count != 1)
		return -EINVAL;
	answer(request, text,
	       (uint32_t)snprintf(text, sizeof(text), "/local/domain/%u",
				  (unsigned)strtoul(request->args[0], NULL, 10) & 0x7fff) + 1);
	return 0;
}

static int is_introduced(struct request *request)
{
	unsigned long domid;

	if (request->count != 1)
		return -EINVAL;
	domid = strtoul(request->args[0], NULL, 10);
	answer(request, domid == STORE_FERRY || domid == request->store->guest ? "T" : "F", 2);
	return 0;
}

/* Of a domain with privileges only. */
static int denied(struct request *request)
{
	(void)request;
	return -EACCES;
}

static int (*const requests[])(struct request *request) = {
	[XS_CONTROL] = denied,
	[XS_DIRECTORY] = directory,
	[XS_READ] = read_value,
	[XS_GET_PERMS] = get_perms,
	[XS_WATCH] = watch,
	[XS_UNWATCH] = unwatch,
	[XS_TRANSACTION_START] = start_transaction,
	[XS_TRANSACTION_END] = end_transaction,
	[XS_INTRODUCE] = denied,
	[XS_RELEASE] = denied,
	[XS_GET_DOMAIN_PATH] = domain_path,
	[XS_WRITE] = write_value,
	[XS_MKDIR] = make_directory,
	[XS_RM] = remove_node,
	[XS_SET_PERMS] = set_perms,
	[XS_IS_DOMAIN_INTRODUCED] = is_introduced,
	[XS_RESUME] = denied,
	[XS_SET_TARGET] = denied,
	[XS_RESET_WATCHES] = reset_watches,
	[XS_DIRECTORY_PART] = directory_part,
};

/* xs_wire.h, xsd_errors[]; the first stands for what is not among them. */
static const char *name_of(int error)
{
	static const struct {
		int error;
		const char *name;
	} names[] = {
		{ EINVAL, "EINVAL" }, { EACCES, "EACCES" }, { EEXIST, "EEXIST" },
		{ ENOENT, "ENOENT" }, { ENOMEM, "ENOMEM" }, { ENOSPC, "ENOSPC" },
		{ ENOSYS, "ENOSYS" }, { EBUSY, "EBUSY" },   { EAGAIN, "EAGAIN" },
		{ E2BIG, "E2BIG" },   { EPERM, "EPERM" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (names[i].error == error)
			return names[i].name;
	return names[0].name;
}

void store_request(struct store *store, const struct xen_xsd_sockmsg *header, char *payload)
{
	struct request request = {
		.store = store,
		.header = header,
		.payload = payload,
		.len = header->len,
	};
	const char *name;
	int r = -ENOSYS;

	payload[header->len] = '\0';
	split(&request);
	if (header->tx_id)
		request.in = store_transaction_find(store, header->tx_id);
	if (header->tx_id && !request.in)
		r = -ENOENT;
	else if (header->type < ARRAY_SIZE(requests) && requests[header->type])
		r = requests[header->type](&request);
	if (r == 0)
		return;
	name = name_of(-r);
	store_out(store, XS_ERROR, header, name, (uint32_t)strlen(name) + 1);
}
