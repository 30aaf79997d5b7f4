/* SPDX-License-Identifier: Apache-2.0 */
/* Who is told of changes in Xenstore, and the queue of all that the guest is still to be told. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "pv/xen/store.h"

static struct store_watch *find(struct store *store, const char *path, const char *token)
{
	for (size_t i = 0; i < store->watch_count; i++) {
		struct store_watch *watch = &store->watches[i];

		if (strcmp(watch->path, path) == 0 && strcmp(watch->token, token) == 0)
			return watch;
	}
	return NULL;
}

int store_watch_add(struct store *store, const char *path, const char *token, size_t skip)
{
	struct store_watch watch = { .skip = skip };

	if (find(store, path, token))
		return -EEXIST;
	if (store->watch_count == STORE_WATCHES_MAX)
		return -E2BIG;
	watch.path = strdup(path);
	watch.token = strdup(token);
	if (!watch.path || !watch.token) {
		free(watch.path);
		free(watch.token);
		return -ENOMEM;
	}
	store->watches[store->watch_count++] = watch;
	return 0;
}

int store_watch_remove(struct store *store, const char *path, const char *token)
{
	struct store_watch *watch = find(store, path, token);
	size_t at;

	if (!watch)
		return -ENOENT;
	free(watch->path);
	free(watch->token);
	at = (size_t)(watch - store->watches);
	memmove(watch, watch + 1, (store->watch_count - at - 1) * sizeof(*watch));
	store->watch_count--;
	return 0;
}

void store_watches_drop(struct store *store)
{
	while (store->watch_count > 0) {
		struct store_watch *watch = &store->watches[--store->watch_count];

		free(watch->path);
		free(watch->token);
	}
}

void store_watch_fire(struct store *store, const struct store_watch *watch, const char *path)
{
	char payload[XEN_XS_ABS_PATH_MAX + 1 + XEN_XS_PAYLOAD_MAX];
	const char *said = path + min_u64(watch->skip, strlen(path));
	size_t path_size = strlen(said) + 1, token_size = strlen(watch->token) + 1;

	if (path_size + token_size > XEN_XS_PAYLOAD_MAX)
		return;
	memcpy(payload, said, path_size);
	memcpy(payload + path_size, watch->token, token_size);
	store_out(store, XS_WATCH_EVENT, NULL, payload, (uint32_t)(path_size + token_size));
}

static bool is_at_or_below(const char *path, const char *top)
{
	size_t len = strlen(top);

	if (len == 1 && top[0] == '/')
		return path[0] == '/';
	return strncmp(path, top, len) == 0 && (!path[len] || path[len] == '/');
}

void store_watches_tell(struct store *store, const char *path, bool exact,
			const struct store_node *node)
{
	if (node && !store_may_read(node, store->guest))
		return;
	for (size_t i = 0; i < store->watch_count; i++) {
		const struct store_watch *watch = &store->watches[i];

		if (exact ? strcmp(path, watch->path) == 0 : is_at_or_below(path, watch->path))
			store_watch_fire(store, watch, path);
	}
}

static bool make_room(struct store *store, size_t len)
{
	size_t room = store->out_room ? store->out_room : 4096;
	uint8_t *out;

	while (room < store->out_len + len)
		room *= 2;
	if (room == store->out_room)
		return true;
	out = realloc(store->out, room);
	if (!out)
		return false;
	store->out = out;
	store->out_room = room;
	return true;
}

/* Events answer nobody: their numbers are 0. */
void store_out(struct store *store, uint32_t type, const struct xen_xsd_sockmsg *to,
	       const void *payload, uint32_t len)
{
	const struct xen_xsd_sockmsg header = {
		.type = type,
		.req_id = to ? to->req_id : 0,
		.tx_id = to ? to->tx_id : 0,
		.len = len,
	};
	size_t size = sizeof(header) + len;

	if (store->out_len + size > STORE_OUT_MAX || !make_room(store, size)) {
		store->is_broken |= to != NULL; /* a guest that lacks an answer waits for ever */
		return;
	}
	memcpy(store->out + store->out_len, &header, sizeof(header));
	if (len)
		memcpy(store->out + store->out_len + sizeof(header), payload, len);
	store->out_len += size;
}
