/* SPDX-License-Identifier: Apache-2.0 */
/* Reads initial RAM disks straight into guest memory. */
#include "boot/initrd.h"

#include <errno.h>
#include <stdlib.h>

#include <ferry/error.h>

#include "base/util.h"

/* Linux Documentation/driver-api/early-userspace/buffer-format.rst: archives are padded to 4 bytes.
 */
#define INITRD_ALIGN 4

int initrd_init(struct initrd *initrd, const char *const *paths, size_t count)
{
	int err;

	*initrd = (struct initrd){ .paths = paths };
	if (count == 0)
		return 0;
	initrd->images = calloc(count, sizeof(*initrd->images));
	if (!initrd->images)
		return because(-ENOMEM, "not enough memory on the host");
	for (size_t i = 0; i < count; i++) {
		err = image_open(&initrd->images[i], paths[i]);
		if (err < 0) {
			because_of(err, "initrd %s", paths[i]);
			initrd_finish(initrd);
			return err;
		}
		initrd->count++;
		initrd->size = align_up(initrd->size, INITRD_ALIGN) + initrd->images[i].size;
	}
	return 0;
}

void initrd_finish(struct initrd *initrd)
{
	for (size_t i = 0; i < initrd->count; i++)
		image_finish(&initrd->images[i]);
	free(initrd->images);
	*initrd = (struct initrd){ 0 };
}

int initrd_place(struct initrd *initrd, gpa_t bottom, gpa_t top)
{
	uint64_t room;

	top = align_down(top, GUEST_PAGE_SIZE);
	room = top < bottom ? 0 : top - bottom;
	if (initrd->size > room)
		return because(-ENOSPC,
			       "initrd%s of %llu KiB: guest memory has room for %llu KiB; "
			       "give the guest more memory",
			       initrd->count > 1 ? "s" : "", initrd->size / KIB, room / KIB);
	initrd->gpa = align_down(top - initrd->size, GUEST_PAGE_SIZE);
	return 0;
}

int initrd_load(const struct initrd *initrd, struct mem *mem)
{
	uint8_t *dst = mem_ptr_rw(mem, initrd->gpa, initrd->size);
	uint64_t at = 0;
	int err;

	if (initrd->size == 0)
		return 0;
	if (!dst)
		return because(-ENOSPC, "initrd %s: does not fit into guest memory",
			       initrd->paths[0]);
	for (size_t i = 0; i < initrd->count; i++) {
		at = align_up(at, INITRD_ALIGN);
		err = image_read(&initrd->images[i], 0, dst + at, initrd->images[i].size,
				 "the file");
		if (err < 0)
			return because_of(err, "initrd %s", initrd->paths[i]);
		at += initrd->images[i].size;
	}
	return 0;
}
