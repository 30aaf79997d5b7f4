/* SPDX-License-Identifier: Apache-2.0 */
/* The file "state" of a snapshot. */
#include "fuzz/fuzz.h"
#include "fuzz/reseal.h"
#include "migrate/bytes.h"
#include "migrate/snapshot.h"

#include <stdlib.h>

/* What was taken is what its form promises to those who use it. */
static void check(const struct snapshot *snapshot)
{
	struct state_entry entry;
	size_t at = 0;
	int r;

	if (strlen((const char *)snapshot->machine.data) + 1 != snapshot->machine.size ||
	    !snapshot->regions.size || snapshot->regions.size % 32)
		abort();
	while ((r = state_next(&snapshot->state, &at, &entry)) > 0)
		;
	if (r < 0 || state_check_names(&snapshot->names) < 0)
		abort();
}

/* flags, then the file. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes bytes = { 0 };
	const struct stream stream = bytes_stream(&bytes);
	struct snapshot snapshot;
	size_t at = STREAM_HEADER_SIZE;

	if (size < 1 || size > FUZZ_SIZE_MAX || buffer_add(&bytes.buffer, data + 1, size - 1))
		return 0;
	if (!(data[0] & FUZZ_RAW_HEADER) && bytes.buffer.size >= at)
		reseal_header(bytes.buffer.data);
	while (!(data[0] & FUZZ_RAW_RECORDS) && at < bytes.buffer.size)
		at += reseal_record(bytes.buffer.data + at, bytes.buffer.size - at);
	if (snapshot_parse(&stream, &snapshot) == 0)
		check(&snapshot);
	snapshot_finish(&snapshot);
	bytes_finish(&bytes);
	return 0;
}
