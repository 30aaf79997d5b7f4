/* SPDX-License-Identifier: Apache-2.0 */
/* Copies between flat buffers and lists of buffers. */
#include "io/iov.h"

#include <string.h>

#include "base/util.h"

uint64_t iov_to_buf(const struct iovec *iov, unsigned count, uint64_t offset, void *buf,
		    uint64_t len)
{
	uint64_t done = 0;

	for (unsigned i = 0; i < count && done < len; i++) {
		uint64_t chunk;

		if (offset >= iov[i].iov_len) {
			offset -= iov[i].iov_len;
			continue;
		}
		chunk = min_u64(iov[i].iov_len - offset, len - done);
		memcpy((uint8_t *)buf + done, (const uint8_t *)iov[i].iov_base + offset, chunk);
		done += chunk;
		offset = 0;
	}
	return done;
}

uint64_t iov_from_buf(const struct iovec *iov, unsigned count, uint64_t offset, const void *buf,
		      uint64_t len)
{
	uint64_t done = 0;

	for (unsigned i = 0; i < count && done < len; i++) {
		uint64_t chunk;

		if (offset >= iov[i].iov_len) {
			offset -= iov[i].iov_len;
			continue;
		}
		chunk = min_u64(iov[i].iov_len - offset, len - done);
		memcpy((uint8_t *)iov[i].iov_base + offset, (const uint8_t *)buf + done, chunk);
		done += chunk;
		offset = 0;
	}
	return done;
}

void iov_skip(struct iovec **iov, unsigned *count, uint64_t bytes)
{
	while (*count && bytes >= (*iov)->iov_len) {
		bytes -= (*iov)->iov_len;
		(*iov)++;
		(*count)--;
	}
	if (*count && bytes) {
		(*iov)->iov_base = (uint8_t *)(*iov)->iov_base + bytes;
		(*iov)->iov_len -= bytes;
	}
}
