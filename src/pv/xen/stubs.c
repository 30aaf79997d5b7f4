/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hypercalls that are in the guest's code. Linux has since XSA-466 two functions of its own, vmmcall and
 * vmcall with a return behind, instead of the page. A KVM without Xen support answers them itself,
 * so where the portable engine is, three bytes of each are replaced by an OUT; and put back where the
 * guest goes on with the kernel's. Where they are is a register; the hypercall page likewise.
 */
#include <string.h>

#include "base/util.h"
#include "mem/data.h"
#include "pv/xen/hypercall.h"
#include "pv/xen/store_port.h"

static const uint8_t vmcall[3] = { 0x0f, 0x01, 0xc1 }, vmmcall[3] = { 0x0f, 0x01, 0xd9 };

/*
 * ds out %al, $XEN_PORT: one instruction, as those whose place it takes. A vCPU that stands still is before
 * it or behind it, and finds a whole instruction there when it goes on with the other engine's.
 */
const uint8_t xen_port_call[3] = { 0x3e, 0xe6, XEN_PORT };

/* SYM_FUNC_START aligns; behind the call is ret, or a jump to a return thunk. */
#define FUNCTION_ALIGN 16UL

static bool is_stub(const uint8_t *code, const uint8_t call[3])
{
	return memcmp(code, call, 3) == 0 && (code[3] == 0xc3 || code[3] == 0xe9);
}

static bool is_any(const uint8_t *code)
{
	return is_stub(code, vmcall) || is_stub(code, vmmcall) || is_stub(code, xen_port_call);
}

static void patch(struct xen *xen, uint64_t gpa, bool intel)
{
	bool portable = xen->engine == &xen_engine_portable;
	uint8_t code[4];

	if (mem_read(&xen->vm->mem, gpa, code, sizeof(code)) < 0 || !is_any(code))
		return;
	mem_write(&xen->vm->mem, gpa, portable ? xen_port_call : intel ? vmcall : vmmcall, 3);
}

/* The AMD one is first in the kernel: an even slot; the Intel one comes behind it. */
void xen_stubs_apply(struct xen *xen)
{
	for (size_t i = 0; i < XEN_STUBS_MAX; i++)
		if (xen->stubs[i])
			patch(xen, xen->stubs[i], i % 2);
	if (xen->hypercall_page != XEN_NO_GPA)
		xen_write_hypercall_page(xen, xen->hypercall_page);
}

/* Where the function that may begin here has its call: endbr64 may be in front of it. */
static uint64_t skip_endbr(const uint8_t *code)
{
	static const uint8_t endbr64[] = { 0xf3, 0x0f, 0x1e, 0xfa };

	return memcmp(code, endbr64, sizeof(endbr64)) == 0 ? sizeof(endbr64) : 0;
}

static bool is_function(const uint8_t *code, const uint8_t call[3])
{
	return is_stub(code + skip_endbr(code), call);
}

/* Both, next to each other, and nothing else that looks alike. */
static void look_through(struct xen *xen, const uint8_t *code, uint64_t gpa, uint64_t len)
{
	size_t found = 0;

	for (uint64_t i = 0; i + 5 * FUNCTION_ALIGN <= len; i += FUNCTION_ALIGN) {
		uint64_t next = i + FUNCTION_ALIGN;

		if (!is_function(code + i, vmmcall))
			continue;
		while (next < i + 3 * FUNCTION_ALIGN && !is_function(code + next, vmcall))
			next += FUNCTION_ALIGN;
		if (!is_function(code + next, vmcall) || found + 2 > XEN_STUBS_MAX)
			continue;
		xen->stubs[found++] = gpa + i + skip_endbr(code + i);
		xen->stubs[found++] = gpa + next + skip_endbr(code + next);
	}
}

void xen_find_stubs(struct xen *xen, uint64_t gpa, uint64_t len)
{
	const struct mem *mem = &xen->vm->mem;
	const struct mem_region *region = mem_map_at(mem_map(mem), 0);
	uint64_t offset, run;

	/* The first region is all of low memory. */
	if (gpa < region->gpa || !range_inside(gpa - region->gpa, len, region->size))
		return;
	offset = gpa - region->gpa;
	while (!xen->stubs[0] && mem_next_data(mem, region, gpa - region->gpa + len, &offset, &run) > 0) {
		look_through(xen, region->hva + offset, region->gpa + offset, run);
		offset += run;
	}
	xen_stubs_apply(xen);
}

void xen_hold(struct xen *xen)
{
	xen_lock(xen);
	xen->held = true;
	for (uint32_t i = 0; i < xen->vcpu_count; i++)
		if (xen->engine->take_timer(&xen->vcpus[i]))
			xen->vcpus[i].stale |= XEN_STALE_TIMER;
	xen_unlock(xen);
}

/*
 * The vCPUs stand still. A guest that has arrived is on this engine now: its calls, its clocks, and
 * an upcall for each vCPU, which may find nothing to do.
 */
void xen_go_on(struct xen *xen, bool arrived)
{
	xen_lock(xen);
	xen->held = false;
	if (arrived) {
		xen_stubs_apply(xen);
		xen->engine->choose_delivery(xen);
		xen->engine->set_shared_info(xen);
		xen_special_ports_bind(xen);
	}
	for (uint32_t i = 0; i < xen->vcpu_count; i++) {
		struct xen_vcpu *v = &xen->vcpus[i];

		if (arrived) {
			v->stale = XEN_STALE_INFO | XEN_STALE_TIME | XEN_STALE_RUNSTATE |
				   XEN_STALE_VECTOR | XEN_STALE_TIMER;
			v->rescan = !xen->ports.fifo;
		}
		xen_apply(v);
		if (arrived)
			xen_upcall_again(v);
	}
	xen_timers_changed(xen);
	xen_store_serve(xen);
	xen_console_kick(xen);
	xen_devs_go_on(xen, arrived);
	xen_unlock(xen);
}
