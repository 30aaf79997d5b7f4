/* SPDX-License-Identifier: Apache-2.0 */
/* Quiesces all functions of a host before the VM is saved, and lets them go on. */
#include "dev/pci/function.h"

static void one_less(struct pci_host *host)
{
	if (--host->busy == 0 && host->quiesced)
		host->quiesced(host->quiesced_arg);
}

/* An answer to a question that was taken back by pci_host_resume() counts no more. */
void pci_device_quiesced(struct pci_device *device)
{
	if (!device->quiescing)
		return;
	device->quiescing = false;
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
		device->quiescing = true;
		device->options.quiesce(device->options.self);
	}
	one_less(host);
}

const char *pci_host_busy(const struct pci_host *host)
{
	for (unsigned i = 0; i < PCI_SLOTS; i++)
		if (host->devices[i] && host->devices[i]->quiescing)
			return host->devices[i]->name;
	return NULL;
}

/* Registers were only stored: what they say is to be delivered is delivered here. */
static void deliver_pending(struct pci_device *device)
{
	if (!device->msix_capability)
		return;
	pthread_mutex_lock(&device->lock);
	pci_msix_update(device);
	pthread_mutex_unlock(&device->lock);
}

void pci_host_resume(struct pci_host *host, bool arrived)
{
	host->quiesced = NULL;
	for (unsigned i = 0; i < PCI_SLOTS; i++) {
		struct pci_device *device = host->devices[i];

		if (!device)
			continue;
		device->quiescing = false;
		deliver_pending(device);
		if (device->options.resume)
			device->options.resume(device->options.self, arrived);
	}
}
