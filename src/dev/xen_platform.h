/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Xen's platform device, PCI 5853:0001, and the ports by which a guest's drivers meet emulated devices
 * (docs/misc/hvm-emulated-unplug.pandoc, docs/misc/xen-pci-device-reservations of Xen).
 */
#ifndef DEV_XEN_PLATFORM_H
#define DEV_XEN_PLATFORM_H

#include <stddef.h>

struct pci_host;
struct reg_file;
struct vm;
struct xen_platform;

/* Ports that are not in a BAR: a magic number, the protocol, the log. */
#define XEN_PLATFORM_PORT  0x10
#define XEN_PLATFORM_PORTS 4

struct xen_platform_options {
	int slot;
	/* What the guest writes to the log's port; any vCPU's thread. May be NULL. */
	void (*say)(void *self, const char *text, size_t len);
	void *self;
};

int xen_platform_create(struct vm *vm, struct pci_host *host,
			const struct xen_platform_options *options,
			struct xen_platform **ret_platform);
/* No vCPU runs. NULL is fine. */
void xen_platform_destroy(struct xen_platform *platform);

/*
 * What the guest has unplugged, and which drivers it says it has. This machine has no device that is
 * emulated for guests without drivers of Xen's, so nothing goes away; virtio's stay.
 */
int xen_platform_add_bank(struct xen_platform *platform, struct reg_file *file);

#endif
