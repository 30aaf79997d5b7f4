/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shared_info and vcpu_info: where they are, and how they move without losing an event.
 *
 * Who sets bits there: ferry, under xen.lock; KVM (kernel engine: its own timers and hypercalls, irqfds and
 * KVM_XEN_HVM_EVTCHN_SEND), under no lock of ours; and the guest. An event is two things: a bit in
 * shared_info's evtchn_pending, or a FIFO's word, which says that there is one; and evtchn_pending_sel
 * and evtchn_upcall_pending in vcpu_info, which say where to look. Only the first must not be lost: the
 * second may always be set too often.
 *
 * vcpu_info moves so, on the target vCPU outside KVM_RUN (vm/vcpu_call.h), with xen.lock held:
 *   1. validate, in Xen's order
 *   2. copy the 64 bytes. The guest does not change them, for its vCPU stands still. KVM may set bits in
 *	the old place behind the copy: those are what step 4 says anyhow
 *   3. tell KVM the new place (VCPU_INFO). There is no moment at which it has none, so nothing is sent to
 *	one that is not there; kernels before 6.9 would drop such an event. From here on KVM sets bits in
 *	the new place, and no copy overwrites them any more. When KVM refuses, it is given the old
 *	place again, which is in force as if nothing had been
 *   4. set all of evtchn_pending_sel, then evtchn_upcall_pending, then make the upcall: the guest scans
 *	every event bit, those of step 2 included. Whoever finds a selector's bit already set makes no
 *	upcall of his own, and need not: ours comes after
 * No lock of KVM is held by us when another is taken: KVM takes the vCPU's mutex for VCPU_INFO, which is
 * not contended since its vCPU is not running, then its xen_lock; EVTCHN_SEND takes neither.
 *
 * shared_info moves so, with xen.lock held:
 *   1. copy the page   2. tell KVM, never leaving it without one, and every embedded vcpu_info
 *   3. OR into the new evtchn_pending what was set in the old one since the copy   4. as above, on all
 */
#include <errno.h>
#include <string.h>

#include <ferry/error.h>

#include "base/util.h"
#include "pv/xen/hypercall.h"

#define INFO_SIZE 64u
/* Xen 4.18 lets any vCPU's be registered and says -EBUSY the second time (commit 295514ff75). */
#define VERSION_AREAS 0x40012u

void *xen_vcpu_info(const struct xen_vcpu *v)
{
	const struct xen *xen = v->xen;

	if (v->info_gpa != XEN_NO_GPA)
		return mem_ptr_rw(&xen->vm->mem, v->info_gpa, INFO_SIZE);
	if (v->id >= XEN_LEGACY_MAX_VCPUS)
		return NULL;
	/* The first member in both widths, with elements of the same size. */
	return xen_page_hva(xen, &xen->shared) + (size_t)v->id * INFO_SIZE;
}

static uint64_t *pending_words(struct xen *xen, uint8_t *page, size_t *ret_count)
{
	if (xen->longmode) {
		*ret_count = 64;
		return (uint64_t *)(page + offsetof(struct xen_shared_info_64, evtchn_pending));
	}
	*ret_count = 16;
	return (uint64_t *)(page + offsetof(struct xen_shared_info_32, evtchn_pending));
}

/* Step 3 of shared_info's move. */
static void take_late_events(struct xen *xen, uint8_t *from, const uint8_t *copy, uint8_t *to)
{
	size_t count;
	uint64_t *now = pending_words(xen, from, &count);
	uint64_t *new = pending_words(xen, to, &count);
	const uint64_t *then = pending_words(xen, (uint8_t *)copy, &count);

	for (size_t i = 0; i < count; i++)
		__atomic_fetch_or(&new[i], __atomic_load_n(&now[i], __ATOMIC_SEQ_CST) & ~then[i],
				  __ATOMIC_SEQ_CST);
}

/*
 * Embedded vcpu_infos are told by each vCPU outside KVM_RUN. Here only the caller is: the others' are
 * in force when vcpu_call() has been there (memory.c), which comes right behind.
 */
int xen_shared_info_map(struct xen *xen, uint64_t gfn)
{
	struct mem *mem = &xen->vm->mem;
	struct xen_page old = xen->shared;
	uint8_t *from = xen_page_hva(xen, &old);
	uint8_t copy[XEN_PAGE_SIZE];
	int r;

	if (gfn == old.gfn)
		return 0;
	memcpy(copy, from, sizeof(copy));
	if (gfn == XEN_NO_GFN) {
		xen_page_unmap(xen, &xen->shared);
	} else {
		r = xen_page_map(xen, &xen->shared, gfn);
		if (r < 0)
			return r;
		r = mem_mark_always_dirty(mem, gfn * XEN_PAGE_SIZE, XEN_PAGE_SIZE);
		if (r < 0)
			goto undo;
	}
	r = xen->engine->set_shared_info(xen);
	if (r < 0)
		goto unmark;
	take_late_events(xen, from, copy, xen_page_hva(xen, &xen->shared));
	if (old.gfn != XEN_NO_GFN)
		mem_unmark_always_dirty(mem, old.gfn * XEN_PAGE_SIZE, XEN_PAGE_SIZE);
	return 0;
unmark:
	if (gfn != XEN_NO_GFN)
		mem_unmark_always_dirty(mem, gfn * XEN_PAGE_SIZE, XEN_PAGE_SIZE);
undo:
	xen->shared = old;
	xen->engine->set_shared_info(xen);
	return r;
}

int xen_shared_info_restore(struct xen *xen, uint64_t gfn)
{
	struct mem *mem = &xen->vm->mem;
	uint64_t old = xen->shared.gfn;
	int r = 0;

	if (gfn == old)
		return 0;
	if (gfn != XEN_NO_GFN && (gfn >= UINT64_MAX >> 12 ||
				  !mem_ptr_rw(mem, gfn * XEN_PAGE_SIZE, XEN_PAGE_SIZE)))
		return because(-EINVAL, "xen: shared_info cannot be at gfn %#llx",
			       (unsigned long long)gfn);
	if (gfn != XEN_NO_GFN)
		r = mem_mark_always_dirty(mem, gfn * XEN_PAGE_SIZE, XEN_PAGE_SIZE);
	if (r < 0)
		return r;
	if (old != XEN_NO_GFN)
		mem_unmark_always_dirty(mem, old * XEN_PAGE_SIZE, XEN_PAGE_SIZE);
	xen->shared.gfn = gfn;
	return 0;
}

/*
 * Xen keeps what is in the page when the width changes, and reads it by the other layout from then on;
 * the wall clock is written at its new place, by the engine.
 */
int xen_set_longmode(struct xen *xen, bool longmode)
{
	int r;

	if (xen->longmode == longmode)
		return 0;
	xen->longmode = longmode;
	r = xen->engine->set_longmode(xen);
	if (r < 0)
		xen->longmode = !longmode;
	return r;
}

/* xen/common/domain.c: map_vcpu_info() up to 4.17, map_guest_area() from 4.18. */
static int check_place(const struct xen_vcpu *v, uint64_t mfn, uint32_t offset, bool running)
{
	uint32_t align = v->xen->longmode ? 8 : 4;
	bool areas = v->xen->version >= VERSION_AREAS;

	if (areas && mfn >= UINT64_MAX >> 12)
		return -XEN_EINVAL;
	if (areas && v->info_gpa != XEN_NO_GPA)
		return -XEN_EBUSY;
	if (offset > XEN_PAGE_SIZE - INFO_SIZE)
		return -XEN_ENXIO;
	if (offset & (align - 1))
		return -XEN_ENXIO;
	if (!areas && (v->info_gpa != XEN_NO_GPA || running))
		return -XEN_EINVAL;
	return 0;
}

static int move(struct xen_vcpu *v, uint64_t gpa)
{
	struct xen *xen = v->xen;
	const void *old = xen_vcpu_info(v);
	void *new = mem_ptr_rw(&xen->vm->mem, gpa, INFO_SIZE);
	int r;

	if (!new)
		return -XEN_EINVAL;
	r = mem_mark_always_dirty(&xen->vm->mem, gpa, INFO_SIZE);
	if (r < 0)
		return xen_error(r);
	if (old)
		memcpy(new, old, INFO_SIZE);
	else
		memset(new, 0, INFO_SIZE);
	v->info_gpa = gpa;
	r = xen->engine->set_vcpu_info(v);
	if (r == 0)
		return 0;
	v->info_gpa = XEN_NO_GPA;
	xen->engine->set_vcpu_info(v);
	mem_unmark_always_dirty(&xen->vm->mem, gpa, INFO_SIZE);
	xen_rescan(v);
	return xen_error(r);
}

int xen_vcpu_info_register(struct xen_vcpu *v, uint64_t mfn, uint32_t offset, bool running)
{
	int r;

	xen_lock(v->xen);
	r = check_place(v, mfn, offset, running);
	if (r == 0 && mfn >= UINT64_MAX >> 12)
		r = -XEN_EINVAL;
	if (r == 0)
		r = move(v, mfn * XEN_PAGE_SIZE + offset);
	if (r == 0)
		xen_rescan(v);
	xen_unlock(v->xen);
	return r;
}

/* What a register says; the vCPU stands still and its content comes with memory. */
int xen_info_restore(struct xen_vcpu *v, uint64_t gpa)
{
	struct mem *mem = &v->xen->vm->mem;
	uint64_t old = v->info_gpa;
	int r = 0;

	if (gpa == old)
		return 0;
	if (gpa != XEN_NO_GPA && (gpa % 4 || gpa % XEN_PAGE_SIZE > XEN_PAGE_SIZE - INFO_SIZE ||
				  !mem_ptr_rw(mem, gpa, INFO_SIZE)))
		return because(-EINVAL, "xen: no vcpu_info can be at %#llx",
			       (unsigned long long)gpa);
	if (gpa != XEN_NO_GPA)
		r = mem_mark_always_dirty(mem, gpa, INFO_SIZE);
	if (r < 0)
		return r;
	v->info_gpa = gpa;
	if (old != XEN_NO_GPA)
		mem_unmark_always_dirty(mem, old, INFO_SIZE);
	v->stale |= XEN_STALE_INFO;
	return 0;
}
