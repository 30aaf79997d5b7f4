/* SPDX-License-Identifier: Apache-2.0 */
/* Hypercalls, as a guest may make them. */
#include "fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "mem/mem.h"
#include "pv/hyperv/hcall.h"

#define SIZE 0x4000
#define AT   0x1000

/* What may come out: a status of the TLFS, or #UD. */
static void check_status(uint32_t status, const struct hcall *call)
{
	static const uint32_t known[] = {
		HV_STATUS_SUCCESS,	     HV_STATUS_INVALID_HYPERCALL_CODE,
		HV_STATUS_INVALID_ALIGNMENT, HV_STATUS_INVALID_HYPERCALL_INPUT,
		HV_STATUS_ACCESS_DENIED,     HV_STATUS_INVALID_PARAMETER,
		HCALL_UD,
	};
	bool is_known = false;

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		is_known = is_known || status == known[i];
	if (!is_known || (status && call->reps))
		abort();
	if (call->message.payload_size > HV_MESSAGE_PAYLOAD_MAX ||
	    call->connection & ~HV_CONNECTION_ID)
		abort();
	if (!status && call->kind == HCALL_IPI &&
	    (call->vector < HV_IPI_VECTOR_MIN || call->vector > HV_IPI_VECTOR_MAX))
		abort();
}

/* Rights (16 bytes), RCX, RDX, R8; the rest is in XMM registers, and in memory at AT. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct mem mem;
	struct hcall_rights rights;
	struct hcall_regs regs = { 0 };
	struct hcall call;
	uint32_t words[4];
	uint8_t page[SIZE - AT] = { 0 };

	if (!mem.memfd_size) {
		const struct mem_options options = { .name = "fuzz" };

		if (mem_init(&mem, -1, 8, &options) < 0 ||
		    mem_map_ram(&mem, "ram", 0, SIZE, 0) < 0)
			abort();
	}
	if (size < sizeof(words) + 24 || size > sizeof(page))
		return 0;
	memcpy(words, data, sizeof(words));
	memcpy(&regs, data + sizeof(words), 24);
	size -= sizeof(words) + 24;
	memcpy(page, data + sizeof(words) + 24, size);
	memcpy(regs.xmm, page, sizeof(regs.xmm));
	mem_write(&mem, AT, page, sizeof(page));
	rights = (struct hcall_rights){
		.features_b = ~words[0],
		.features_d = ~words[1],
		.hints_a = ~words[2],
		.spin_wait = words[3] & 1,
	};
	check_status(hcall_decode(&mem, &rights, &regs, &call), &call);
	for (uint32_t vp = 0; vp < 5000; vp += 63)
		if (hcall_targets_has(&call.targets, vp) && vp >= 4096 && !call.targets.all)
			abort();
	return 0;
}
