/* SPDX-License-Identifier: Apache-2.0 */
/* Xenstore's page and port, and the console's: where they are, and who is behind them. */
#include "pv/xen/store_port.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <ferry/error.h>

#include "base/util.h"
#include "pv/xen/xen_impl.h"

struct store *xen_store_of(struct xen *xen)
{
	return &xen->store;
}

static struct xen_xs_ring *ring_of(struct xen *xen)
{
	return mem_ptr_rw(&xen->vm->mem, xen->param[HVM_PARAM_STORE_PFN] * XEN_PAGE_SIZE,
			  XEN_PAGE_SIZE);
}

/*
 * On the thread of the vCPU that asks: a request takes microseconds, and what is answered is in the ring
 * when its hypercall returns. While the guest is brought to rest nothing moves; it is looked at again.
 */
void xen_store_serve(struct xen *xen)
{
	struct xen_xs_ring *ring = ring_of(xen);

	if (!ring || xen->held || !store_serve(&xen->store, ring))
		return;
	mem_mark_dirty(&xen->vm->mem, xen->param[HVM_PARAM_STORE_PFN] * XEN_PAGE_SIZE,
		       XEN_PAGE_SIZE);
	xen_port_raise(xen, (uint32_t)xen->param[HVM_PARAM_STORE_EVTCHN]);
}

static void store_notified(void *self)
{
	xen_store_serve(self);
}

static void console_notified(void *self)
{
	xen_console_kick(self);
}

static const struct {
	enum xen_hvm_params pfn, port;
	void (*notify)(void *self);
} specials[] = {
	{ HVM_PARAM_CONSOLE_PFN, HVM_PARAM_CONSOLE_EVTCHN, console_notified },
	{ HVM_PARAM_STORE_PFN, HVM_PARAM_STORE_EVTCHN, store_notified },
};

void xen_special_ports_bind(struct xen *xen)
{
	for (size_t i = 0; i < ARRAY_SIZE(specials); i++)
		xen_port_bind(xen, (uint32_t)xen->param[specials[i].port], specials[i].notify, xen, 0);
	error_clear();
}

static int open_ports(struct xen *xen)
{
	for (size_t i = 0; i < ARRAY_SIZE(specials); i++) {
		int port = xen_port_open(xen, specials[i].notify, xen);

		if (port < 0)
			return port;
		xen->param[specials[i].port] = (uint32_t)port;
	}
	return 0;
}

static void clear_pages(struct xen *xen)
{
	struct xen_xs_ring *ring;

	for (size_t i = 0; i < ARRAY_SIZE(specials); i++) {
		uint64_t gpa = xen->param[specials[i].pfn] * XEN_PAGE_SIZE;
		void *page = mem_ptr_rw(&xen->vm->mem, gpa, XEN_PAGE_SIZE);

		if (page)
			memset(page, 0, XEN_PAGE_SIZE);
		mem_mark_dirty(&xen->vm->mem, gpa, XEN_PAGE_SIZE);
	}
	ring = ring_of(xen);
	if (ring)
		ring->server_features = XEN_XS_FEATURE_ERROR;
}

void xen_special_pages_reset(struct xen *xen)
{
	store_transactions_drop(&xen->store);
	store_watches_drop(&xen->store);
	xen->store.in_len = 0;
	xen->store.out_len = 0;
	xen->store.is_broken = false;
	clear_pages(xen);
	open_ports(xen);
	error_clear();
}

/* tools/libs/light/libxl_create.c, libxl__domain_make(): what the guest reads, and what it owns. */
static int fill_store(struct xen *xen)
{
	static const char *const own[] = { "device", "control", "data", "attr", "error", "drivers" };
	static const char home[] = "/local/domain/1", ferry[] = "/local/domain/0";
	struct store *store = &xen->store;
	char path[64];
	int r = store_write(store, ferry, "");

	r = r < 0 ? r : store_write(store, home, "");
	r = r < 0 ? r : store_set_perms(store, home, "n0,r1");
	r = r < 0 ? r : store_printf(store, home, "name", "%s", xen->vm->name);
	r = r < 0 ? r : store_printf(store, home, "domid", "%u", XEN_GUEST_DOMID);
	for (uint32_t i = 0; i < xen->vcpu_count && r == 0; i++) {
		snprintf(path, sizeof(path), "cpu/%u/availability", i);
		r = store_printf(store, home, path, "online");
	}
	r = r < 0 ? r : store_printf(store, home, "control/platform-feature-xs_reset_watches", "1");
	for (size_t i = 0; i < ARRAY_SIZE(own) && r == 0; i++) {
		snprintf(path, sizeof(path), "%s/%s", home, own[i]);
		if (!store_tree_find(&store->tree, path))
			r = store_write(store, path, "");
		r = r < 0 ? r : store_set_perms(store, path, "n1,r0");
	}
	return r;
}

/* A page each, at fixed places (below the IOAPIC), whoever makes the machine and for whatever. */
static int make_pages(struct xen *xen, uint64_t gpa)
{
	for (size_t i = 0; i < ARRAY_SIZE(specials); i++) {
		uint64_t gfn = gpa / XEN_PAGE_SIZE + i;
		uint8_t *hva = NULL;
		int r = xen_gfn_to_hva(xen, gfn, &hva);

		if (r < 0)
			return because(r, "xen: no page can be at gfn %#llx",
				       (unsigned long long)gfn);
		xen->param[specials[i].pfn] = gfn;
	}
	return 0;
}

bool xen_power_off(struct xen *xen)
{
	static const char control[] = "/local/domain/1/control";
	bool can;

	xen_lock(xen);
	can = store_read_number(&xen->store, control, "feature-poweroff", 0) &&
	      store_printf(&xen->store, control, "shutdown", "poweroff") == 0;
	xen_store_serve(xen);
	xen_unlock(xen);
	return can;
}

int xen_special_pages_init(struct xen *xen)
{
	int r;

	xen_console_init(xen);
	r = store_init(&xen->store, XEN_GUEST_DOMID);
	if (r < 0)
		return r;
	xen_lock(xen);
	r = make_pages(xen, xen->special_gpa);
	if (r == 0)
		r = open_ports(xen);
	if (r == 0)
		r = fill_store(xen);
	clear_pages(xen);
	xen_unlock(xen);
	return r;
}

void xen_special_pages_finish(struct xen *xen)
{
	xen_console_finish(xen);
	store_finish(&xen->store);
}
