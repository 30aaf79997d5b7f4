/* SPDX-License-Identifier: Apache-2.0 */
/* Xen's own pages, and where the guest has put them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <ferry/error.h>

#include "base/util.h"
#include "mem/window.h"
#include "pv/xen/xen_impl.h"

/* As many pages may be put where there was no RAM: grant frames and shared_info, with room. */
#define HOLES_MAX 512

int xen_page_init(struct xen_page *page)
{
	*page = (struct xen_page){ .gfn = XEN_NO_GFN };
	page->own = mmap(NULL, XEN_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			 -1, 0);
	if (page->own == MAP_FAILED) {
		page->own = NULL;
		return -ENOMEM;
	}
	return 0;
}

void xen_page_finish(struct xen_page *page)
{
	if (page->own)
		munmap(page->own, XEN_PAGE_SIZE);
	*page = (struct xen_page){ .gfn = XEN_NO_GFN };
}

/*
 * Linux maps grant frames at addresses where nothing is (xen_alloc_unpopulated_pages). Such a page
 * becomes memory and stays so; its place in the memory's file is the same wherever the pages are made in
 * the same order, which is the order in which their registers are listed.
 */
static int make_page(struct xen *xen, uint64_t gfn)
{
	struct mem *mem = &xen->vm->mem;
	uint64_t *gfns;
	int r;

	if (xen->hole_count == HOLES_MAX)
		return -ENOSPC;
	gfns = reallocarray(xen->hole_gfns, xen->hole_count + 1, sizeof(*gfns));
	if (!gfns)
		return -ENOMEM;
	xen->hole_gfns = gfns;
	r = mem_change_begin(mem);
	if (r < 0)
		return r;
	r = mem_map_ram(mem, "Xen's page", gfn * XEN_PAGE_SIZE, XEN_PAGE_SIZE, 0);
	mem_change_end(mem);
	if (r == 0)
		xen->hole_gfns[xen->hole_count++] = gfn;
	return r;
}

int xen_gfn_to_hva(struct xen *xen, uint64_t gfn, uint8_t **ret_hva)
{
	struct mem *mem = &xen->vm->mem;
	unsigned bits = arch_address_bits(xen->vm);
	int r;

	if (bits < 64 && gfn >= 1ULL << (bits - 12))
		return -EINVAL;
	*ret_hva = mem_ptr_rw(mem, gfn * XEN_PAGE_SIZE, XEN_PAGE_SIZE);
	if (*ret_hva)
		return 0;
	r = make_page(xen, gfn);
	if (r < 0)
		return r;
	*ret_hva = mem_ptr_rw(mem, gfn * XEN_PAGE_SIZE, XEN_PAGE_SIZE);
	return *ret_hva ? 0 : -EFAULT;
}

uint8_t *xen_page_hva(const struct xen *xen, const struct xen_page *page)
{
	uint8_t *hva = NULL;

	if (page->gfn != XEN_NO_GFN)
		hva = mem_ptr_rw(&xen->vm->mem, page->gfn * XEN_PAGE_SIZE, XEN_PAGE_SIZE);
	return hva ? hva : page->own;
}

int xen_page_map(struct xen *xen, struct xen_page *page, uint64_t gfn)
{
	uint8_t *hva = NULL;
	int r;

	if (page->gfn == gfn)
		return 0;
	r = xen_gfn_to_hva(xen, gfn, &hva);
	if (r < 0)
		return r;
	memcpy(hva, xen_page_hva(xen, page), XEN_PAGE_SIZE);
	mem_mark_dirty(&xen->vm->mem, gfn * XEN_PAGE_SIZE, XEN_PAGE_SIZE);
	page->gfn = gfn;
	return 0;
}

void xen_page_unmap(struct xen *xen, struct xen_page *page)
{
	if (page->gfn == XEN_NO_GFN)
		return;
	memmove(page->own, xen_page_hva(xen, page), XEN_PAGE_SIZE);
	page->gfn = XEN_NO_GFN;
}
