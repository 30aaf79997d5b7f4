/* SPDX-License-Identifier: Apache-2.0 */
/* Unpacks the payload of a bzImage, whichever way the kernel's build compressed it. */
#ifndef BOOT_UNPACK_H
#define BOOT_UNPACK_H

#include <stddef.h>
#include <stdint.h>

struct codec;

/* packed is not owned. */
struct payload {
	const struct codec *codec;
	const uint8_t *packed; /* without the size that the build appends */
	size_t packed_size;
	uint64_t size; /* unpacked */
};

/* No kernel is larger; a damaged size is, so it is never allocated. */
#define PAYLOAD_SIZE_MAX (1ULL << 30)

/*
 * Recognises the compression by its magic and takes the unpacked size from the last four bytes
 * (Linux scripts/Makefile.lib: size_append). -ENOEXEC: unknown compression, or a size that cannot
 * be.
 */
int payload_identify(const uint8_t *data, size_t size, struct payload *ret_payload);

/* Unpacks all of it into payload->size bytes at dst. -ENOEXEC: damaged; -ENOMEM. */
int payload_unpack(const struct payload *payload, void *dst);

/* Unpacks only the first len bytes, for a look at the headers. Errors as above, and -ENODATA. */
int payload_peek(const struct payload *payload, void *dst, size_t len);

#endif
