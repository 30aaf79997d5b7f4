/* SPDX-License-Identifier: Apache-2.0 */
/* The PV console (xen/include/public/io/console.h): a ring each way, on one of ferry's consoles. */
#include <string.h>

#include "base/util.h"
#include "pv/xen/store_port.h"
#include "pv/xen/xen_impl.h"

static struct xen_console_ring *ring_of(struct xen *xen)
{
	return mem_ptr_rw(&xen->vm->mem, xen->param[HVM_PARAM_CONSOLE_PFN] * XEN_PAGE_SIZE,
			  XEN_PAGE_SIZE);
}

/* The guest has more room, or more to read. With the lock. */
static void tell_guest(struct xen *xen)
{
	mem_mark_dirty(&xen->vm->mem, xen->param[HVM_PARAM_CONSOLE_PFN] * XEN_PAGE_SIZE,
		       XEN_PAGE_SIZE);
	xen_port_raise(xen, (uint32_t)xen->param[HVM_PARAM_CONSOLE_EVTCHN]);
}

/* What is next, without a break: how much of it. An index that cannot be is one behind which is nothing. */
static uint32_t next_run(struct xen_console_ring *ring, const uint8_t **ret_at)
{
	uint32_t cons = ring->out_cons;
	uint32_t have = __atomic_load_n(&ring->out_prod, __ATOMIC_ACQUIRE) - cons;

	if (have > XEN_CONSOLE_OUT)
		return 0;
	*ret_at = ring->out + cons % XEN_CONSOLE_OUT;
	return (uint32_t)min_u64(have, XEN_CONSOLE_OUT - cons % XEN_CONSOLE_OUT);
}

/* At most a ring's worth: who goes on writing is served again. */
static bool give_out(struct xen *xen, struct xen_console_ring *ring)
{
	uint32_t given = 0;

	while (!xen->console.is_choked && given < XEN_CONSOLE_OUT) {
		uint8_t copy[XEN_CONSOLE_OUT];
		const uint8_t *at;
		uint32_t len = next_run(ring, &at), taken = len;

		if (!len)
			break;
		memcpy(copy, at, len);
		if (xen->console.output)
			taken = (uint32_t)xen->console.output(xen->console.self, copy, len);
		xen->console.is_choked = taken < len;
		__atomic_store_n(&ring->out_cons, ring->out_cons + taken, __ATOMIC_RELEASE);
		given += taken;
	}
	return given > 0;
}

static bool has_room(const struct xen_console_ring *ring)
{
	return ring->in_prod - __atomic_load_n(&ring->in_cons, __ATOMIC_ACQUIRE) < XEN_CONSOLE_IN;
}

static void serve(struct kick *kick)
{
	struct xen *xen = container_of(kick, struct xen, console.kick);
	struct xen_console_ring *ring;
	bool wants_input = false;

	xen_lock(xen);
	ring = ring_of(xen);
	if (ring && !xen->held) {
		if (give_out(xen, ring))
			tell_guest(xen);
		wants_input = xen->console.has_refused && has_room(ring);
	}
	xen_unlock(xen);
	if (!wants_input)
		return;
	xen->console.has_refused = false;
	if (xen->console.input_room)
		xen->console.input_room(xen->console.self);
}

size_t xen_console_input(struct xen *xen, const void *buf, size_t len)
{
	struct xen_console_ring *ring;
	uint32_t prod, used;
	size_t taken = 0;

	xen_lock(xen);
	ring = ring_of(xen);
	if (ring) {
		prod = ring->in_prod;
		used = prod - __atomic_load_n(&ring->in_cons, __ATOMIC_ACQUIRE);
		for (; taken < len && used + taken < XEN_CONSOLE_IN; taken++)
			ring->in[(prod + taken) % XEN_CONSOLE_IN] = ((const uint8_t *)buf)[taken];
		__atomic_store_n(&ring->in_prod, prod + (uint32_t)taken, __ATOMIC_RELEASE);
		if (taken)
			tell_guest(xen);
	}
	xen_unlock(xen);
	xen->console.has_refused = taken < len;
	return taken;
}

void xen_console_output_ready(struct xen *xen)
{
	xen->console.is_choked = false;
	serve(&xen->console.kick);
}

void xen_console_kick(struct xen *xen)
{
	kick_give(&xen->console.kick);
}

void xen_console_init(struct xen *xen)
{
	kick_init(&xen->console.kick, xen->vm->loop, serve);
}

void xen_console_finish(struct xen *xen)
{
	kick_finish(&xen->console.kick);
}
