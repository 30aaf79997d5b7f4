/* SPDX-License-Identifier: Apache-2.0 */
/* Xenstore's ring from the guest's side; it is answered before a notification returns. */
#include "lib/xen_store.h"

static struct xen_grant_entry_v1 grants[512] __attribute__((aligned(4096)));
static uint32_t next_ref = GNTTAB_NR_RESERVED_ENTRIES, port;
static struct xen_xs_ring *ring;

uint64_t xen_param(uint32_t index)
{
	struct xen_hvm_param param = { .domid = XEN_DOMID_SELF, .index = index };

	xen_expect("param", xen_call(HYPERVISOR_hvm_op, HVMOP_get_param, (uintptr_t)&param, 0), 0);
	return param.value;
}

void xen_store_init(void)
{
	struct xen_add_to_physmap_64 add = {
		.domid = XEN_DOMID_SELF,
		.space = XENMAPSPACE_grant_table,
		.gpfn = (uintptr_t)grants / 4096,
	};

	xen_expect("grant frame",
		   xen_call(HYPERVISOR_memory_op, XENMEM_add_to_physmap, (uintptr_t)&add, 0), 0);
	port = (uint32_t)xen_param(HVM_PARAM_STORE_EVTCHN);
	ring = (struct xen_xs_ring *)(uintptr_t)(xen_param(HVM_PARAM_STORE_PFN) * 4096);
}

struct xen_xs_ring *xen_store_ring(void)
{
	return ring;
}

uint32_t xen_grant_page(const void *page, uint32_t flags)
{
	uint32_t ref = next_ref++;

	grants[ref].domid = 0;
	grants[ref].frame = (uint32_t)((uintptr_t)page / 4096);
	__atomic_store_n(&grants[ref].flags, (uint16_t)(GTF_permit_access | flags),
			 __ATOMIC_SEQ_CST);
	return ref;
}

uint16_t xen_grant_flags(uint32_t ref)
{
	return __atomic_load_n(&grants[ref].flags, __ATOMIC_SEQ_CST);
}

void *xen_grant_table(void)
{
	return grants;
}

void xen_store_put(const void *bytes, uint32_t len)
{
	const uint8_t *at = bytes;

	while (len > 0) {
		uint32_t prod = ring->req_prod;

		if (prod - __atomic_load_n(&ring->req_cons, __ATOMIC_ACQUIRE) < XEN_XS_RING_SIZE) {
			ring->req[prod % XEN_XS_RING_SIZE] = *at++;
			__atomic_store_n(&ring->req_prod, prod + 1, __ATOMIC_RELEASE);
			len--;
		} else {
			xen_send(port);
		}
	}
	xen_send(port);
}

static bool get(void *to, uint32_t len)
{
	uint8_t *at = to;

	for (uint32_t tries = 0; len > 0 && tries < 100000; tries++) {
		uint32_t cons = ring->rsp_cons;

		if (__atomic_load_n(&ring->rsp_prod, __ATOMIC_ACQUIRE) == cons) {
			xen_send(port);
			continue;
		}
		*at++ = ring->rsp[cons % XEN_XS_RING_SIZE];
		__atomic_store_n(&ring->rsp_cons, cons + 1, __ATOMIC_RELEASE);
		len--;
	}
	return len == 0;
}

bool xen_store_take(struct xen_xsd_sockmsg *header, char *payload, uint32_t size)
{
	if (__atomic_load_n(&ring->rsp_prod, __ATOMIC_ACQUIRE) == ring->rsp_cons)
		return false;
	if (!get(header, sizeof(*header)) || header->len >= size || !get(payload, header->len))
		return false;
	payload[header->len] = '\0';
	return true;
}

uint32_t xen_store_ask(uint32_t type, uint32_t tx, const void *payload, uint32_t len, char *answer,
		       uint32_t size, uint32_t *ret_len)
{
	static uint32_t id;
	struct xen_xsd_sockmsg header = { type, ++id, tx, len };

	xen_store_put(&header, sizeof(header));
	xen_store_put(payload, len);
	/* Events of watches come between. */
	while (xen_store_take(&header, answer, size)) {
		if (header.type == XS_WATCH_EVENT)
			continue;
		xen_expect("answers this", header.req_id, id);
		*ret_len = header.len;
		return header.type;
	}
	answer[0] = '\0';
	*ret_len = 0;
	return UINT32_MAX;
}

static uint32_t length(const char *text)
{
	uint32_t len = 0;

	while (text[len])
		len++;
	return len;
}

const char *xen_store_read(const char *path)
{
	static char answer[4097];
	uint32_t len;

	xen_store_ask(XS_READ, 0, path, length(path) + 1, answer, sizeof(answer), &len);
	return answer;
}

const char *xen_store_write(const char *path, const char *text)
{
	static char answer[64], payload[512];
	uint32_t at = 0, len;

	for (; path[at]; at++)
		payload[at] = path[at];
	payload[at++] = '\0';
	for (; *text; text++)
		payload[at++] = *text;
	xen_store_ask(XS_WRITE, 0, payload, at, answer, sizeof(answer), &len);
	return answer;
}

static void join(char *path, const char *dir, const char *leaf)
{
	for (; *dir; dir++)
		*path++ = *dir;
	*path++ = '/';
	for (; *leaf; leaf++)
		*path++ = *leaf;
	*path = '\0';
}

void xen_store_write_number(const char *dir, const char *leaf, uint64_t value)
{
	char path[256], digits[24], *at = digits + sizeof(digits) - 1;

	join(path, dir, leaf);
	*at = '\0';
	do
		*--at = (char)('0' + value % 10);
	while (value /= 10);
	xen_expect_text(path, xen_store_write(path, at), "OK");
}

uint64_t xen_store_number(const char *dir, const char *leaf)
{
	const char *text;
	uint64_t value = 0;
	char path[256];

	join(path, dir, leaf);
	text = xen_store_read(path);
	for (; *text >= '0' && *text <= '9'; text++)
		value = value * 10 + (uint64_t)(*text - '0');
	return value;
}

void xen_expect_text(const char *what, const char *got, const char *wanted)
{
	uint32_t i = 0;

	while (got[i] && got[i] == wanted[i])
		i++;
	if (got[i] == wanted[i])
		return;
	guest_puts("'");
	guest_puts(got);
	guest_puts("', not '");
	guest_puts(wanted);
	guest_puts("': ");
	xen_expect(what, 1, 0);
}
