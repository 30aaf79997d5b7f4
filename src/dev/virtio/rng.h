/* SPDX-License-Identifier: Apache-2.0 */
/* virtio-rng (virtio 1.2, 5.4): random bytes of the host for the guest. */
#ifndef DEV_VIRTIO_RNG_H
#define DEV_VIRTIO_RNG_H

struct vm;
struct pci_host;
struct rng;

/*
 * source_path: a file or device that is read; NULL: getrandom(2), which also takes over when the
 * source ends. -errno of open(2), with a text.
 */
int rng_create(struct vm *vm, struct pci_host *host, const char *source_path, struct rng **ret_rng);
/* Before the PCI host. NULL is fine. */
void rng_destroy(struct rng *rng);

#endif
