/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of registers and of names, as a peer may send them. */
#include "fuzz/fuzz.h"
#include "fuzz/guest.h"
#include "migrate/bytes.h"

#include <stdlib.h>

#define ENTRY_HEADER 16

/* Makes the sizes of entries those of their ids, so that lists are longer than one. */
static void fit(struct buffer *state)
{
	for (size_t at = 0; at + ENTRY_HEADER <= state->size;) {
		size_t size = reg_size(get_u64(state->data + at));

		if (size > state->size - at - ENTRY_HEADER)
			break;
		put_u32(state->data + at + 12, (uint32_t)size);
		at += ENTRY_HEADER + size;
	}
}

static void check_verdict(const struct verdict *verdict)
{
	const char *text = verdict_text(verdict);

	if (strlen(text) != verdict->text.size || (verdict->refusals != 0) != (text[0] != '\0'))
		abort();
	for (const char *c = text; *c; c++)
		if (*c != '\n' && (*c < ' ' || *c > '~'))
			abort();
}

/* flags, length of the names (two bytes), names, registers. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buffer names = { 0 }, state = { 0 };
	struct verdict verdict = { 0 };
	struct fake_regs regs;
	size_t names_size;

	if (size < 3 || size > FUZZ_SIZE_MAX)
		return 0;
	names_size = min_u64((uint64_t)data[1] | (uint64_t)data[2] << 8, size - 3);
	if (buffer_add(&names, data + 3, names_size) ||
	    buffer_add(&state, data + 3 + names_size, size - 3 - names_size))
		abort();
	fuzz_regs(&regs);
	if (!(data[0] & FUZZ_RAW_RECORDS))
		fit(&state);
	if (state_check_names(&names) == 0 && state_load(&regs.file, &state, &names, &verdict) == 0)
		check_verdict(&verdict);
	verdict_finish(&verdict);
	fake_regs_finish(&regs);
	buffer_finish(&names);
	buffer_finish(&state);
	return 0;
}
