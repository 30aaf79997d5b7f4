/* SPDX-License-Identifier: Apache-2.0 */
/* virtio-mem (virtio 1.2, 5.15): memory that a guest plugs and unplugs as it is asked to. */
#ifndef DEV_VIRTIO_MEM_H
#define DEV_VIRTIO_MEM_H

#include <stdint.h>

struct pci_host;
struct vm;
struct vmem;
struct vmem_blocks;

/* The blocks are the caller's and outlive it. Nothing is requested. */
int vmem_create(struct vm *vm, struct pci_host *host, struct vmem_blocks *blocks,
		struct vmem **ret_vmem);
/* Before the PCI host. NULL is fine. */
void vmem_destroy(struct vmem *vmem);

/*
 * Asks the guest to have that many bytes plugged; its driver comes near to it in its own time, and
 * its guest decides what it can spare. Loop thread.
 *   -ERANGE  more than the region has   -EINVAL  not whole blocks
 */
int vmem_request(struct vmem *vmem, uint64_t bytes);

/* What vmem_request() was last told, bytes. Any thread. */
uint64_t vmem_requested(const struct vmem *vmem);

#endif
