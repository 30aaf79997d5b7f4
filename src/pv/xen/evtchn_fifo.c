/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The FIFO ABI: a word a port in an array of the guest's pages, linked into queues by priority, whose
 * heads are in each vCPU's control block (xen/common/event_fifo.c, "FIFO-based event channel ABI").
 * KVM knows nothing of it, so ferry delivers on both engines.
 */
#include "pv/xen/evtchn.h"

#include <errno.h>

#include <ferry/error.h>

#include "pv/xen/hypercall.h"

/* The guest may write the same word: it wins after so many attempts, and the queue begins anew. */
#define LINK_TRIES 1000

static _Atomic uint32_t *word_of(const struct xen *xen, uint32_t port)
{
	uint32_t slot = port / XEN_EVTCHN_FIFO_WORDS;
	uint64_t gpa;

	if (slot >= xen->ports.pages)
		return NULL;
	gpa = xen->ports.page_gfn[slot] * XEN_PAGE_SIZE;
	gpa += port % XEN_EVTCHN_FIFO_WORDS * sizeof(uint32_t);
	return mem_ptr_rw(&xen->vm->mem, gpa, sizeof(uint32_t));
}

static struct xen_evtchn_fifo_control_block *block_of(const struct xen_vcpu *v)
{
	if (v->fifo.gfn == XEN_NO_GFN)
		return NULL;
	return mem_ptr_rw(&v->xen->vm->mem, v->fifo.gfn * XEN_PAGE_SIZE + v->fifo.offset,
			  sizeof(struct xen_evtchn_fifo_control_block));
}

static uint32_t set_flag(_Atomic uint32_t *word, uint32_t flag)
{
	return atomic_fetch_or(word, flag) & flag;
}

static uint32_t clear_flag(_Atomic uint32_t *word, uint32_t flag)
{
	return atomic_fetch_and(word, ~flag) & flag;
}

static void mark(struct xen *xen, const volatile void *hva)
{
	mem_mark_dirty_hva(&xen->vm->mem, (const void *)hva, sizeof(uint32_t));
}

/* Puts link behind the tail, as long as the tail is in a queue: false when it is not. */
static bool set_link(struct xen *xen, _Atomic uint32_t *tail, uint32_t link)
{
	uint32_t old = atomic_load(tail);

	for (int i = 0; i < LINK_TRIES && old & XEN_EVTCHN_FIFO_LINKED; i++) {
		uint32_t new = (old & ~(XEN_EVTCHN_FIFO_LINK_MASK | XEN_EVTCHN_FIFO_BUSY)) | link;

		if (!atomic_compare_exchange_strong(tail, &old, new))
			continue;
		mark(xen, tail);
		return true;
	}
	return false;
}

static void enqueue(struct xen *xen, struct xen_evtchn *channel, uint32_t port,
		    struct xen_evtchn_fifo_control_block *block)
{
	struct xen_vcpu *v = &xen->vcpus[channel->vcpu];
	uint32_t *old_tail = &xen->vcpus[channel->queued_vcpu].fifo.tail[channel->queued_priority];
	uint32_t *tail = &v->fifo.tail[channel->priority];
	_Atomic uint32_t *tail_word;
	bool linked = false;

	/* It is unlinked, so it ends no queue any more; what is put behind it would be lost. */
	if (*old_tail == port)
		*old_tail = 0;
	channel->queued_vcpu = channel->vcpu;
	channel->queued_priority = channel->priority;
	tail_word = *tail ? word_of(xen, *tail) : NULL;
	if (tail_word)
		linked = set_link(xen, tail_word, port);
	if (!linked)
		atomic_store((_Atomic uint32_t *)&block->head[channel->priority], port);
	*tail = port;
	if (!linked && !set_flag((_Atomic uint32_t *)&block->ready, 1u << channel->priority))
		xen_upcall(v);
	mark(xen, &block->ready);
	mark(xen, &block->head[channel->priority]);
}

static void link_port(struct xen *xen, struct xen_evtchn *channel, uint32_t port,
		      _Atomic uint32_t *word)
{
	struct xen_evtchn_fifo_control_block *block = block_of(&xen->vcpus[channel->vcpu]);

	if (!block || atomic_load(word) & XEN_EVTCHN_FIFO_MASKED)
		return;
	if (!set_flag(word, XEN_EVTCHN_FIFO_LINKED))
		enqueue(xen, channel, port, block);
	mark(xen, word);
}

void xen_fifo_raise(struct xen *xen, struct xen_evtchn *channel, uint32_t port)
{
	_Atomic uint32_t *word = word_of(xen, port);

	if (!word) {
		channel->pending = true;
		return;
	}
	set_flag(word, XEN_EVTCHN_FIFO_PENDING);
	mark(xen, word);
	link_port(xen, channel, port, word);
}

void xen_fifo_clear(struct xen *xen, uint32_t port)
{
	_Atomic uint32_t *word = word_of(xen, port);

	if (!word)
		return;
	clear_flag(word, XEN_EVTCHN_FIFO_PENDING);
	mark(xen, word);
}

void xen_fifo_unmask(struct xen *xen, struct xen_evtchn *channel, uint32_t port)
{
	_Atomic uint32_t *word = word_of(xen, port);

	if (!word)
		return;
	clear_flag(word, XEN_EVTCHN_FIFO_MASKED);
	mark(xen, word);
	if (atomic_load(word) & XEN_EVTCHN_FIFO_PENDING)
		xen_fifo_raise(xen, channel, port);
}

bool xen_fifo_is_pending(const struct xen *xen, uint32_t port)
{
	const _Atomic uint32_t *word = word_of(xen, port);

	return word && atomic_load(word) & XEN_EVTCHN_FIFO_PENDING;
}

static int map_block(struct xen_vcpu *v, uint64_t gfn, uint32_t offset)
{
	struct mem *mem = &v->xen->vm->mem;

	if (v->fifo.gfn != XEN_NO_GFN || gfn >= UINT64_MAX >> 12)
		return -XEN_EINVAL;
	if (!mem_ptr_rw(mem, gfn * XEN_PAGE_SIZE, XEN_PAGE_SIZE))
		return -XEN_EINVAL;
	v->fifo.gfn = gfn;
	v->fifo.offset = offset;
	return 0;
}

/* What was raised by the other ABI is raised in this one, as soon as its word is there. */
static void enter(struct xen *xen)
{
	uint32_t limit = xen_port_limit(xen);

	for (uint32_t port = 1; port < limit; port++) {
		struct xen_evtchn *channel = xen_port(xen, port);

		if (!channel)
			continue;
		channel->pending = xen_2l_is_pending(xen, port);
		channel->priority = XEN_EVTCHN_FIFO_PRIORITY_DEFAULT;
	}
	xen->ports.fifo = true;
	xen->engine->choose_delivery(xen);
}

void xen_fifo_leave(struct xen *xen)
{
	xen->ports.fifo = false;
	xen->ports.pages = 0;
	for (uint32_t i = 0; i < xen->vcpu_count; i++) {
		struct xen_vcpu *v = &xen->vcpus[i];

		v->fifo.gfn = XEN_NO_GFN;
		for (size_t q = 0; q < XEN_EVTCHN_FIFO_QUEUES; q++)
			v->fifo.tail[q] = 0;
	}
	xen->engine->choose_delivery(xen);
}

int64_t xen_fifo_init_control(struct xen_call *call, uint64_t arg)
{
	struct xen_evtchn_init_control op;
	struct xen_vcpu *v;
	int64_t r;

	if (xen_copy_in(call, &op, arg, sizeof(op)))
		return -XEN_EFAULT;
	v = xen_vcpu(call->xen, op.vcpu);
	if (!v)
		return -XEN_ENOENT;
	if (op.offset > XEN_PAGE_SIZE - sizeof(struct xen_evtchn_fifo_control_block) || op.offset % 8)
		return -XEN_EINVAL;
	xen_lock(call->xen);
	r = map_block(v, op.control_gfn, op.offset);
	if (r == 0 && !call->xen->ports.fifo)
		enter(call->xen);
	xen_unlock(call->xen);
	xen_sync(call->xen);
	op.link_bits = XEN_EVTCHN_FIFO_LINK_BITS;
	if (r == 0 && xen_copy_out(call, arg, &op, sizeof(op)))
		return -XEN_EFAULT;
	return r;
}

static int64_t add_page(struct xen *xen, uint64_t gfn)
{
	uint32_t slot = xen->ports.pages;

	if (slot >= XEN_EVTCHN_FIFO_PAGES)
		return -XEN_ENOSPC;
	if (gfn >= UINT64_MAX >> 12)
		return -XEN_EINVAL;
	if (!mem_ptr_rw(&xen->vm->mem, gfn * XEN_PAGE_SIZE, XEN_PAGE_SIZE))
		return -XEN_EINVAL;
	xen->ports.page_gfn[slot] = gfn;
	xen->ports.pages++;
	for (uint32_t i = 0; i < XEN_EVTCHN_FIFO_WORDS; i++) {
		uint32_t port = slot * XEN_EVTCHN_FIFO_WORDS + i;
		struct xen_evtchn *channel = xen_port(xen, port);

		if (!channel || !channel->pending)
			continue;
		channel->pending = false;
		xen_fifo_raise(xen, channel, port);
	}
	return 0;
}

int64_t xen_fifo_expand_array(struct xen_call *call, uint64_t arg)
{
	struct xen_evtchn_expand_array op;
	int64_t r = -XEN_EOPNOTSUPP;

	if (xen_copy_in(call, &op, arg, sizeof(op)))
		return -XEN_EFAULT;
	xen_lock(call->xen);
	if (call->xen->ports.fifo)
		r = add_page(call->xen, op.array_gfn);
	xen_unlock(call->xen);
	return r;
}

int64_t xen_fifo_set_priority(struct xen_call *call, uint64_t arg)
{
	struct xen_evtchn_set_priority op;
	struct xen_evtchn *channel;
	int64_t r = -XEN_EINVAL;

	if (xen_copy_in(call, &op, arg, sizeof(op)))
		return -XEN_EFAULT;
	xen_lock(call->xen);
	channel = xen_port(call->xen, op.port);
	if (channel && !call->xen->ports.fifo) {
		r = -XEN_ENOSYS;
	} else if (channel && op.priority < XEN_EVTCHN_FIFO_QUEUES) {
		channel->priority = (uint8_t)op.priority;
		r = 0;
	}
	xen_unlock(call->xen);
	return r;
}

int xen_fifo_restore_block(struct xen_vcpu *v, uint64_t gfn, uint32_t offset)
{
	if (gfn == v->fifo.gfn && offset == v->fifo.offset)
		return 0;
	v->fifo.gfn = XEN_NO_GFN;
	v->fifo.offset = offset;
	if (gfn == XEN_NO_GFN)
		return 0;
	if (offset % 8 || offset > XEN_PAGE_SIZE - sizeof(struct xen_evtchn_fifo_control_block) ||
	    map_block(v, gfn, offset) < 0)
		return because(-EINVAL, "xen: control block at gfn %#llx", (unsigned long long)gfn);
	return 0;
}
