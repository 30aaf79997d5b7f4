/* SPDX-License-Identifier: Apache-2.0 */
/* Registers that a virtio device type keeps itself, as a table. */
#ifndef DEV_VIRTIO_TYPE_BANK_H
#define DEV_VIRTIO_TYPE_BANK_H

#include <stddef.h>
#include <stdint.h>

struct virtio_device;

/*
 * offset: in the device's configuration space; what has no place there is numbered from
 * TYPE_REG_KEPT on. get and set work on 1 << size_log2 bytes; set returns 0 or -EINVAL with a text.
 */
#define TYPE_REG_KEPT 0x1000

struct type_reg {
	const char *name;
	uint16_t offset;
	uint8_t size_log2;
	void (*get)(void *self, void *val);
	int (*set)(void *self, const void *val);
};

/* Embedded in the device; outlives the register file's use. */
struct type_bank {
	struct virtio_device *device;
	const struct type_reg *regs;
	size_t count;
	void *self; /* of get and set */
};

/* Fills *bank and adds it to the VM's register file. -errno of virtio_device_add_bank(). */
int type_bank_add(struct type_bank *bank, struct virtio_device *device, const struct type_reg *regs,
		  size_t count, void *self);

#endif
