/* SPDX-License-Identifier: Apache-2.0 */
/* PCI Express: one bus, its functions, their configuration space, BARs and MSI-X. */
#ifndef DEV_PCI_PCI_H
#define DEV_PCI_PCI_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include <ferry/bus.h>

#include "vm/irq.h"

struct vm;
struct pci_device;

/* Windows in which BARs are placed; ECAM is 1 MiB (bus 0). */
struct pci_options {
	uint64_t ecam;
	uint64_t mmio32, mmio32_size;
	uint64_t mmio64, mmio64_size;
	uint32_t io, io_size; /* ports; 0: none */
	bool config_ports; /* answer the 0xcf8/0xcfc mechanism as well */
};

struct pci_host;

int pci_host_create(struct vm *vm, const struct pci_options *options, struct pci_host **ret_host);
/* Its devices must have been removed. NULL is fine. */
void pci_host_destroy(struct pci_host *host);

/*
 * After the last device: what a guest that is restored has in other slots is refused by its name.
 * No device can be added any more. -ENOMEM.
 */
int pci_host_close(struct pci_host *host);

/*
 * Before a paused VM is saved: calls done(arg) when every device is quiet, and what it is stands in
 * registers and memory. resume ends that, also before done() was called; a restored VM needs it too,
 * since devices that were running wait for it. arrived: what was on its way to the guest elsewhere
 * may have been lost there, so every interrupt is raised once more. Loop thread.
 */
void pci_host_quiesce(struct pci_host *host, void (*done)(void *arg), void *arg);
void pci_host_resume(struct pci_host *host, bool arrived);
/* A device that is not quiet yet, by its name; NULL: there is none. */
const char *pci_host_busy(const struct pci_host *host);

#define PCI_BARS 6

struct pci_bar_options {
	uint64_t size; /* power of two, at least 16; 0: no such BAR */
	bool is_64bit; /* takes this BAR and the next */
	bool is_io;    /* ports */
	const struct bus_ops *ops;
	void *self;
	/*
	 * Instead of ops: size bytes of a file, which the guest loads and stores without an exit. It
	 * stays the device's, and open as long as the device is there.
	 */
	bool is_memory;
	int fd;
};

struct pci_device_options {
	const char *name; /* copied */
	uint16_t vendor, device, subsystem_vendor, subsystem;
	uint32_t class_code; /* 24 bits: class, subclass, interface */
	uint8_t revision;
	uint8_t interrupt_pin; /* 1: INTA … 4: INTD, which the device raises itself; 0: none */
	struct pci_bar_options bars[PCI_BARS];
	uint16_t msix_vectors; /* 0: none */
	uint8_t msix_bar;      /* its table at 0, its PBA behind it; the host sizes and serves it */
	/*
	 * Accesses to the function's vendor capabilities that need an answer from the device
	 * (virtio's PCI configuration access capability): data to read holds what is stored there,
	 * what is written has been stored as far as it may. Called with no lock held. May be NULL.
	 */
	void (*config_read)(void *self, uint32_t offset, void *data, unsigned len);
	void (*config_write)(void *self, uint32_t offset, const void *data, unsigned len);
	/* A BAR moved or decoding was switched; addresses are ~0 while a BAR is not decoded. Called
	 * with no lock held, on a vCPU's or the restoring thread. May be NULL. */
	void (*bars_changed)(void *self);
	/*
	 * pci_host_quiesce(): finish what is under way or make it repeatable, touch the guest's
	 * memory no more until resume, then call pci_device_quiesced(), at once or later. Loop
	 * thread; NULL: nothing is ever under way.
	 */
	void (*quiesce)(void *self);
	void (*resume)(void *self, bool arrived);
	void *self;
};

/*
 * Adds a function in the next free slot (slot < 0) or in the slot given, BARs placed and, like
 * after firmware, decoding on. -ENOSPC: no slot, or no room in a window.
 */
int pci_device_add(struct pci_host *host, int slot, const struct pci_device_options *options,
		   struct pci_device **ret_device);
/* While no vCPU runs; the VM's registers may not be listed or touched any more. NULL is fine. */
void pci_device_remove(struct pci_device *device);

/* bus << 8 | device << 3 | function */
uint16_t pci_device_bdf(const struct pci_device *device);
/* Where the guest has a BAR now; ~0 while it is not decoded. */
uint64_t pci_device_bar(struct pci_device *device, unsigned bar);

/* Appends a capability of len bytes (id and next pointer included, filled by this call). Before
 * the VM starts. Returns its offset, or -ENOSPC. */
int pci_device_add_capability(struct pci_device *device, uint8_t id, const void *body, uint8_t len);

/* Lets the guest write bytes of a capability; they are registers then. Before the VM starts. */
void pci_device_set_writable(struct pci_device *device, uint8_t offset, uint8_t len);
/* What the configuration space holds there. Any thread. */
void pci_device_config(struct pci_device *device, uint8_t offset, void *data, uint8_t len);

/* Raises an MSI-X vector: delivered, kept pending while masked, dropped when the vector is none of
 * ours or MSI-X is off. Any thread. */
void pci_device_raise(struct pci_device *device, uint16_t vector);

/* The answer to quiesce(). Loop thread. */
void pci_device_quiesced(struct pci_device *device);

#endif
