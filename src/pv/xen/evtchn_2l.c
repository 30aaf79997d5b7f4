/* SPDX-License-Identifier: Apache-2.0 */
/* The 2-level ABI: a bit a port in shared_info, and a selector in vcpu_info (xen/common/event_2l.c). */
#include "pv/xen/evtchn.h"

#include "pv/xen/xen_impl.h"

/* A bit of an array of little-endian words: as bytes, it lies the same in both widths. */
struct bit {
	uint8_t *byte;
	uint8_t mask;
};

static struct bit pending_bit(const struct xen *xen, uint32_t port)
{
	size_t base = xen->longmode ? offsetof(struct xen_shared_info_64, evtchn_pending)
				    : offsetof(struct xen_shared_info_32, evtchn_pending);

	return (struct bit){ xen_page_hva(xen, &xen->shared) + base + port / 8, (uint8_t)(1u << port % 8) };
}

static struct bit mask_bit(const struct xen *xen, uint32_t port)
{
	size_t base = xen->longmode ? offsetof(struct xen_shared_info_64, evtchn_mask)
				    : offsetof(struct xen_shared_info_32, evtchn_mask);

	return (struct bit){ xen_page_hva(xen, &xen->shared) + base + port / 8, (uint8_t)(1u << port % 8) };
}

static bool test_and_set(struct bit bit)
{
	return __atomic_fetch_or(bit.byte, bit.mask, __ATOMIC_SEQ_CST) & bit.mask;
}

static bool test_and_clear(struct bit bit)
{
	return __atomic_fetch_and(bit.byte, (uint8_t)~bit.mask, __ATOMIC_SEQ_CST) & bit.mask;
}

static bool test(struct bit bit)
{
	return __atomic_load_n(bit.byte, __ATOMIC_SEQ_CST) & bit.mask;
}

/* The selector's bit of the port's word; then the upcall. */
static void select_word(struct xen *xen, struct xen_vcpu *v, uint32_t port)
{
	size_t offset = xen->longmode ? offsetof(struct xen_vcpu_info_64, evtchn_pending_sel)
				      : offsetof(struct xen_vcpu_info_32, evtchn_pending_sel);
	uint32_t word = port / (xen->longmode ? 64 : 32);
	uint8_t *info = xen_vcpu_info(v);

	/* Without a vcpu_info there is nobody to tell; its registration sets every selector. */
	if (info && !test_and_set((struct bit){ info + offset + word / 8,
						(uint8_t)(1u << word % 8) }))
		xen_upcall(v);
}

void xen_2l_raise(struct xen *xen, const struct xen_evtchn *channel, uint32_t port)
{
	if (test_and_set(pending_bit(xen, port)))
		return;
	if (!test(mask_bit(xen, port)))
		select_word(xen, &xen->vcpus[channel->vcpu], port);
}

void xen_2l_clear(struct xen *xen, uint32_t port)
{
	if (port < (xen->longmode ? XEN_EVTCHN_2L_CHANNELS_64 : XEN_EVTCHN_2L_CHANNELS_32))
		test_and_clear(pending_bit(xen, port));
}

void xen_2l_unmask(struct xen *xen, const struct xen_evtchn *channel, uint32_t port)
{
	if (test_and_clear(mask_bit(xen, port)) && test(pending_bit(xen, port)))
		select_word(xen, &xen->vcpus[channel->vcpu], port);
}

bool xen_2l_is_pending(const struct xen *xen, uint32_t port)
{
	return test(pending_bit(xen, port));
}
