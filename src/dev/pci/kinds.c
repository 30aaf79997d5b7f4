/* SPDX-License-Identifier: Apache-2.0 */
/* What people call the functions that ferry makes. */
#include <stdio.h>

#include "base/util.h"
#include "dev/pci/function.h"

const char *pci_kind(uint32_t id, char *text, size_t size)
{
	static const struct {
		uint32_t id; /* device << 16 | vendor, as configuration space has it */
		const char *name;
	} kinds[] = {
		{ 0x00081b36, "a host bridge" },      { 0x10411af4, "a network (virtio)" },
		{ 0x10421af4, "a disk (virtio)" },    { 0x10431af4, "a console (virtio)" },
		{ 0x10441af4, "--rng (virtio)" },     { 0x10451af4, "--balloon (virtio)" },
		{ 0x10581af4, "--memory with max=" }, { 0x11101af4, "--shmem" },
		{ 0x00015853, "Xen's platform device" },
	};

	snprintf(text, size, "a device %04x:%04x", id & 0xffff, id >> 16);
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (kinds[i].id == id)
			snprintf(text, size, "%s", kinds[i].name);
	return text;
}
