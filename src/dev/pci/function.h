/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of a PCI function and of the host bridge, shared by the files of this directory. */
#ifndef DEV_PCI_FUNCTION_H
#define DEV_PCI_FUNCTION_H

#include <abi/pci.h>

#include "dev/pci/pci.h"
#include "reg/reg_file.h"

#define PCI_SLOTS 32

/* Where a BAR is that the guest cannot reach. */
#define PCI_BAR_NOWHERE UINT64_MAX

struct msix_vector {
	struct pci_msix_entry entry;
	struct irq_msi msi;
	bool pending;
	bool ready; /* msi has a GSI and an eventfd: made when the vector is first delivered */
	bool stale; /* entry was written since msi was routed */
};

/*
 * lock protects what follows it. It is taken under a bus's lock (ops), and under map_lock; only
 * irq_routes.lock is taken under it.
 */
struct pci_device {
	struct pci_host *host;
	struct pci_device_options options;
	char *name;
	uint16_t bdf;
	uint8_t msix_capability; /* offset; 0: none */
	uint8_t express_capability;
	uint8_t last_capability;
	uint16_t capabilities_end;
	uint64_t vendor_dwords; /* bit n: config[4 * n …] belongs to a vendor capability */
	uint8_t writable[PCI_CONFIG_SIZE];

	pthread_mutex_t lock;
	uint8_t config[PCI_CONFIG_SIZE];
	/* Where each BAR is on the bus. Written with map_lock held as well. */
	uint64_t mapped[PCI_BARS];
	struct msix_vector *vectors; /* options.msix_vectors of them */

	bool quiescing; /* the loop's: asked, and not quiet yet */
};

/*
 * devices: changes only while no vCPU runs. lock: config_address; nothing is taken under it.
 * map_lock: serialises changes of the BARs' places; bus locks are taken under it, so never take it
 * inside ops.
 */
struct pci_host {
	struct vm *vm;
	struct pci_options options;
	struct pci_device *devices[PCI_SLOTS];
	struct pci_device *bridge;
	bool ecam_added, ports_added;
	pthread_mutex_t lock;
	uint32_t config_address;
	pthread_mutex_t map_lock;

	/* The loop's: functions that are not quiet yet, and who waits for them. */
	unsigned busy;
	void (*quiesced)(void *arg);
	void *quiesced_arg;
};

/* kinds.c: "a disk (virtio)", for the first word of configuration space. text itself. */
const char *pci_kind(uint32_t id, char *text, size_t size);

/* function.c: configuration space. Both copy; reg + len <= PCI_CONFIG_SIZE; lock is not held. */
void pci_config_read(struct pci_device *device, uint32_t reg, void *data, unsigned len);
/* True when BARs are no longer where they should be: pci_host_update_map() then. */
bool pci_config_write(struct pci_device *device, uint32_t reg, const void *data, unsigned len);
/* The same for a register that is restored: nothing is delivered, nobody is told. */
bool pci_config_store(struct pci_device *device, uint32_t reg, const void *data, unsigned len);
int pci_function_init(struct pci_device *device);
/* Where the guest wants a BAR, or PCI_BAR_NOWHERE. lock held. */
uint64_t pci_bar_wanted(const struct pci_device *device, unsigned bar);
/* The same, whether or not it is decoded. lock held, or before the VM starts. */
uint64_t pci_bar_address(const struct pci_device *device, unsigned bar);
void pci_bar_place(struct pci_device *device, unsigned bar, uint64_t address);

/* Moves BARs on the bus to where they should be, on the calling thread. arg: the host. */
void pci_host_update_map(void *arg);

/*
 * bar.c: one BAR's place on the bus, and in the memory map where it is memory; map_lock held. A place
 * that is taken, or nonsense, leaves it nowhere (-errno), until something moves again.
 */
int pci_bar_map(struct pci_device *device, unsigned bar, uint64_t address);
void pci_bar_unmap(struct pci_device *device, unsigned bar);
/* In one piece, so that no vCPU finds it nowhere; of memory only. It stays where it was (-errno). */
int pci_bar_move(struct pci_device *device, unsigned bar, uint64_t address);

/* msix.c */
uint64_t pci_msix_bar_size(unsigned vectors);
int pci_msix_init(struct pci_device *device);
void pci_msix_finish(struct pci_device *device);
/* Delivers what became deliverable, or forgets it with MSI-X off. lock held. */
void pci_msix_update(struct pci_device *device);
/* Writes an entry, and delivers nothing. lock held. */
void pci_msix_store_entry(struct msix_vector *vector, const struct pci_msix_entry *entry);
extern const struct bus_ops pci_msix_ops;

/* regs.c */
int pci_regs_add(struct pci_device *device);

#endif
