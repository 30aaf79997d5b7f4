/* SPDX-License-Identifier: Apache-2.0 */
/* GICv2m: the frame that makes interrupts of PCI's messages where there is no ITS (SBSA 2.3, appendix E). */
#include "dev/gicv2m.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <ferry/bus.h>
#include <ferry/vm.h>

#define MSI_TYPER	 0x008 /* 25..16: the first INTID, 9..0: how many there are */
#define TYPER_BASE_SHIFT 16

struct gicv2m {
	struct vm *vm;
	struct gicv2m_options options;
};

static void frame_read(void *self, uint64_t offset, void *data, unsigned len)
{
	const struct gicv2m_options *options = &((struct gicv2m *)self)->options;
	uint32_t value = options->first << TYPER_BASE_SHIFT | options->count;

	memset(data, 0, len);
	if (offset == MSI_TYPER && len == sizeof(value))
		memcpy(data, &value, sizeof(value));
}

static void frame_write(void *self, uint64_t offset, const void *data, unsigned len)
{
	const struct gicv2m_options *options = &((struct gicv2m *)self)->options;
	uint32_t intid;

	if (offset != GICV2M_SETSPI_NS || len != sizeof(intid))
		return;
	memcpy(&intid, data, sizeof(intid));
	if (intid >= options->first && intid - options->first < options->count)
		options->raise(options->self, intid);
}

static const struct bus_ops frame_ops = { .read = frame_read, .write = frame_write };

int gicv2m_create(struct vm *vm, const struct gicv2m_options *options, struct gicv2m **ret_gicv2m)
{
	struct gicv2m *gicv2m = calloc(1, sizeof(*gicv2m));
	int r;

	if (!gicv2m)
		return -ENOMEM;
	gicv2m->vm = vm;
	gicv2m->options = *options;
	r = bus_add(vm_mmio(vm), "gicv2m", options->address, GICV2M_SIZE, &frame_ops, gicv2m);
	if (r < 0) {
		free(gicv2m);
		return r;
	}
	*ret_gicv2m = gicv2m;
	return 0;
}

void gicv2m_destroy(struct gicv2m *gicv2m)
{
	if (!gicv2m)
		return;
	bus_remove(vm_mmio(gicv2m->vm), gicv2m->options.address);
	free(gicv2m);
}
