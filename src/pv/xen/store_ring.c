/* SPDX-License-Identifier: Apache-2.0 */
/* Xenstore's ring: bytes in and bytes out, as far as there is room (xs_wire.h). */
#include <string.h>

#include "base/util.h"
#include "pv/xen/store.h"

#define MASK (XEN_XS_RING_SIZE - 1)

static uint32_t load(const uint32_t *index)
{
	return __atomic_load_n(index, __ATOMIC_ACQUIRE);
}

/* Indices that cannot be: the guest gets no more of it, and is told so. */
static void give_up(struct store *store, struct xen_xs_ring *ring, uint32_t error)
{
	__atomic_store_n(&ring->error, error, __ATOMIC_RELEASE);
	store->is_broken = true;
}

/* At most so many bytes of the requests. */
static uint32_t take(struct store *store, struct xen_xs_ring *ring, void *to, uint32_t len)
{
	uint32_t cons = ring->req_cons, have = load(&ring->req_prod) - cons, done = 0;

	if (have > XEN_XS_RING_SIZE) {
		give_up(store, ring, XEN_XS_ERROR_RINGIDX);
		return 0;
	}
	len = (uint32_t)min_u64(len, have);
	while (done < len) {
		uint32_t at = (cons + done) & MASK;
		uint32_t part = (uint32_t)min_u64(len - done, XEN_XS_RING_SIZE - at);

		memcpy((uint8_t *)to + done, ring->req + at, part);
		done += part;
	}
	__atomic_store_n(&ring->req_cons, cons + len, __ATOMIC_RELEASE);
	return len;
}

static bool flush(struct store *store, struct xen_xs_ring *ring)
{
	uint32_t prod = ring->rsp_prod, used = prod - load(&ring->rsp_cons), done = 0, len;

	if (!store->out_len)
		return false;
	if (used > XEN_XS_RING_SIZE) {
		give_up(store, ring, XEN_XS_ERROR_RINGIDX);
		return false;
	}
	len = (uint32_t)min_u64(store->out_len, XEN_XS_RING_SIZE - used);
	while (done < len) {
		uint32_t at = (prod + done) & MASK;
		uint32_t part = (uint32_t)min_u64(len - done, XEN_XS_RING_SIZE - at);

		memcpy(ring->rsp + at, store->out + done, part);
		done += part;
	}
	__atomic_store_n(&ring->rsp_prod, prod + len, __ATOMIC_RELEASE);
	memmove(store->out, store->out + len, store->out_len - len);
	store->out_len -= len;
	return len > 0;
}

/* Takes what belongs to the request under way. */
static bool take_more(struct store *store, struct xen_xs_ring *ring)
{
	struct xen_xsd_sockmsg header;
	uint32_t size = sizeof(header), got;

	if (store->in_len >= sizeof(header)) {
		memcpy(&header, store->in, sizeof(header));
		size += header.len;
	}
	got = take(store, ring, store->in + store->in_len, size - store->in_len);
	store->in_len += got;
	if (store->in_len >= sizeof(header)) {
		memcpy(&header, store->in, sizeof(header));
		if (header.len > XEN_XS_PAYLOAD_MAX)
			give_up(store, ring, XEN_XS_ERROR_PROTO);
	}
	return got > 0 && !store->is_broken;
}

/* All of a request is there: it is done. */
static bool do_request(struct store *store)
{
	char payload[XEN_XS_PAYLOAD_MAX + 1];
	struct xen_xsd_sockmsg header;

	if (store->in_len < sizeof(header))
		return false;
	memcpy(&header, store->in, sizeof(header));
	if (store->in_len < sizeof(header) + header.len)
		return false;
	memcpy(payload, store->in + sizeof(header), header.len);
	store->in_len = 0;
	store_request(store, &header, payload);
	return true;
}

bool store_serve(struct store *store, struct xen_xs_ring *ring)
{
	bool moved = false, more = true;

	/* A guest that reads and writes on meanwhile is served again when it says so. */
	for (int rounds = 0; more && rounds < 64; rounds++) {
		more = flush(store, ring);
		while (!store->is_broken && store->out_len < STORE_OUT_HIGH) {
			if (do_request(store) || take_more(store, ring))
				more = true;
			else
				break;
		}
		moved |= more;
	}
	return moved;
}
