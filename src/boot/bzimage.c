/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the header of a bzImage. */
#include "boot/bzimage.h"

#include <errno.h>
#include <string.h>

#include <ferry/error.h>

#include "base/util.h"

#define SECTOR 512

/* Before 2.08 there is no payload_offset; the 64-bit entry came with 2.12, a payload needs neither.
 */
#define PROTOCOL_MIN 0x0208

/* Where the fields of the header begin to be counted by its own length. */
#define HEADER_MAGIC_OFFSET 0x202

static int read_header(const struct image *image, struct linux_setup_header *header)
{
	return image_read(image, LINUX_SETUP_HEADER_OFFSET, header, sizeof(*header),
			  "the setup header");
}

bool bzimage_is(const struct image *image)
{
	struct linux_setup_header header;

	return image->size >= LINUX_SETUP_HEADER_OFFSET + sizeof(header) &&
	       read_header(image, &header) == 0 && header.header == LINUX_HEADER_MAGIC &&
	       header.boot_flag == LINUX_BOOT_FLAG;
}

/* An old kernel's header is shorter than ours: code follows, not fields. */
static void cut_header(struct linux_setup_header *header)
{
	size_t end = HEADER_MAGIC_OFFSET + (header->jump >> 8) - LINUX_SETUP_HEADER_OFFSET;

	if (end < sizeof(*header))
		memset((uint8_t *)header + end, 0, sizeof(*header) - end);
}

int bzimage_parse(const struct image *image, struct bzimage *ret_bzimage)
{
	struct linux_setup_header header;
	uint64_t setup_size, offset;
	int err;

	err = read_header(image, &header);
	if (err < 0)
		return err;
	cut_header(&header);
	if (header.version < PROTOCOL_MIN)
		return because(-ENOEXEC,
			       "boot protocol %u.%02u is too old; 2.08 (Linux 2.6.26) is needed",
			       header.version >> 8, header.version & 0xff);
	if (!(header.loadflags & LINUX_LOADED_HIGH))
		return because(-ENOEXEC, "is a zImage, which loads low; a bzImage is needed");
	/* 0 means 4, for compatibility (boot.rst). */
	setup_size = ((header.setup_sects ? header.setup_sects : 4) + 1ULL) * SECTOR;
	offset = setup_size + header.payload_offset;
	if (header.payload_length == 0)
		return because(-ENOEXEC, "damaged: it has no payload");
	if (!range_inside(offset, header.payload_length, image->size))
		return because(-ENOEXEC,
			       "truncated: the payload at %#llx … %#llx lies past the end (%#llx)",
			       (unsigned long long)offset,
			       (unsigned long long)offset + header.payload_length,
			       (unsigned long long)image->size);
	*ret_bzimage = (struct bzimage){ header, offset, header.payload_length };
	return 0;
}
