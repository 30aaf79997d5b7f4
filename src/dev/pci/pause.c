/* SPDX-License-Identifier: Apache-2.0 */
/* Quiesces all functions of a host before the VM is saved, and lets them go on. */
#include "dev/pci/function.h"

static void one_less(struct pci_host *host)
{
	if (--host->busy == 0 && host->quiesced)
		host->quiesced(host->quiesced_arg);
}

void pci_device_quiesced(struct pci_device *device)
{
	one_less(device->host);
}

/* The host itself counts as busy until all have been asked: done() is called once, at the end. */
void pci_host_quiesce(struct pci_host *host, void (*done)(void *arg), void *arg)
{
	host->busy = 1;
	host->quiesced = done;
	host->quiesced_arg = arg;
	for (unsigned i = 0; i < PCI_SLOTS; i++) {
		struct pci_device *device = host->devices[i];

		if (!device || !device->options.quiesce)
			continue;
		host->busy++;
		device->options.quiesce(device->options.self);
	}
	one_less(host);
}

void pci_host_resume(struct pci_host *host)
{
	for (unsigned i = 0; i < PCI_SLOTS; i++) {
		const struct pci_device *device = host->devices[i];

		if (device && device->options.resume)
			device->options.resume(device->options.self);
	}
}
