/* SPDX-License-Identifier: Apache-2.0 */
/* Puts the checksums of a stream right that a fuzzer has changed: it would not get past them. */
#ifndef TESTS_FUZZ_RESEAL_H
#define TESTS_FUZZ_RESEAL_H

#include <stdint.h>
#include <string.h>

#include "base/util.h"
#include "migrate/record.h"

static inline void reseal_header(uint8_t *at)
{
	put_u64(at + 24, record_sum(at, 24));
}

/* One record, of which size bytes are there: how many of them are its. Its payload ends where they
 * do. */
static inline size_t reseal_record(uint8_t *at, size_t size)
{
	uint64_t payload;

	if (size < RECORD_HEADER_SIZE)
		return size;
	payload = get_u32(at + 4);
	/* Wrong sizes are worth trying as well, one bit of them at a time. */
	if (payload > size - RECORD_HEADER_SIZE && payload < 1 << 16)
		payload = size - RECORD_HEADER_SIZE;
	put_u32(at + 4, (uint32_t)payload);
	payload = min_u64(payload, size - RECORD_HEADER_SIZE);
	put_u64(at + 24, record_sum(at + RECORD_HEADER_SIZE, payload));
	put_u64(at + 32, record_sum(at, 32));
	return RECORD_HEADER_SIZE + payload;
}

#endif
