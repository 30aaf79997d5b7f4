/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does to its monitor, from a seed, what a guest can: what its kind of machine has (lib/deeds.h) at random;
 * configuration space; virtqueues at every edge of memory, whose rings change while they are in
 * use. What the monitor does to the guest is no matter; the guest may fall. Command line:
 *   seed=N   where the random numbers begin (1)
 *   steps=N  how many things it does (10000)
 *   end=N    1: it resets in the end, 2: it panics, else it switches off
 *   scratch=SIZE  how much RAM there is (64M): the second half is what it gives to devices
 */
#include <abi/pci.h>
#include <abi/virtio.h>

#include "lib/cmdline.h"
#include "lib/deeds.h"
#include "lib/fault.h"
#include "lib/guest.h"
#include "lib/random.h"

#define BAR_SIZE    0x100000UL
#define DEVICES_MAX 32

/* Where a virtio device has what; 0: it has not. */
struct device {
	uint64_t config, common, notify, specific;
	uint32_t multiplier;
};

static struct device devices[DEVICES_MAX];
static unsigned device_count;
static uint64_t scratch, ram_end;

static unsigned any_size(void)
{
	return 1U << below(4);
}

/* Memory that is not this program's: edges of all kinds, and what lies in the middle. */
static uint64_t any_address(void)
{
	const uint64_t edges[] = { scratch, ram_end, ram_end - 4096 };

	if (one_in(4))
		return (one_in(4) ? edges[below(3)] : deeds_edge()) + below(64) - 32;
	if (one_in(32))
		return any();
	return scratch + below(ram_end - scratch);
}

static void do_own(void)
{
	deeds_do(any_address());
}

/* Mostly one that is there, and mostly a queue that it has. */
static struct device *any_device(void)
{
	return device_count ? &devices[below(device_count)] : 0;
}

static void store(uint64_t at, unsigned size, uint64_t value)
{
	fault_store(at, size, value);
}

static void do_config(void)
{
	const struct device *device = any_device();
	uint64_t value;

	if (!device)
		return;
	if (one_in(4))
		store(device->config + below(256), any_size(), any());
	else
		fault_load(device->config + below(one_in(2) ? 256 : 4096), any_size(), &value);
	/* It stays where it is found. */
	if (one_in(2))
		store(device->config + PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
}

static void do_setup(void)
{
	const struct device *device = any_device();
	const uint64_t common = device ? device->common : 0;

	if (!common)
		return;
	store(common + offsetof(struct virtio_pci_common_cfg, queue_select), 2, below(one_in(8) ? 65536 : 4));
	switch (below(6)) {
	case 0:
		store(common + below(VIRTIO_PCI_COMMON_CFG_LEN), any_size(), any());
		break;
	case 1:
		store(common + offsetof(struct virtio_pci_common_cfg, queue_desc) + 8 * below(3), 8,
		      any_address() & (one_in(8) ? UINT64_MAX : ~0xfULL));
		break;
	case 2:
		store(common + offsetof(struct virtio_pci_common_cfg, queue_size), 2, 1ULL << below(16));
		break;
	case 3:
		store(common + offsetof(struct virtio_pci_common_cfg, queue_enable), 2, 1);
		break;
	case 4:
		store(common + offsetof(struct virtio_pci_common_cfg, device_status), 1,
		      one_in(8) ? 0 : VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER | VIRTIO_STATUS_FEATURES_OK |
						  VIRTIO_STATUS_DRIVER_OK);
		break;
	default:
		store(common + offsetof(struct virtio_pci_common_cfg, driver_feature_select), 4, below(3));
		store(common + offsetof(struct virtio_pci_common_cfg, driver_feature), 4, one_in(2) ? 1 : any());
		break;
	}
}

/* Descriptors that lead anywhere, in loops too, and an index that runs ahead. */
static void write_rings(uint64_t desc, uint64_t avail, unsigned size)
{
	for (unsigned i = 0; i < size; i++) {
		store(desc + 16 * i, 8, any_address());
		store(desc + 16 * i + 8, 4, one_in(8) ? any() : below(8192));
		store(desc + 16 * i + 12, 2, one_in(16) ? any() : below(one_in(4) ? 8 : 4));
		store(desc + 16 * i + 14, 2, one_in(8) ? any() : below(size));
		store(avail + 4 + 2 * i, 2, one_in(16) ? any() : below(size));
	}
	store(avail, 2, below(2));
	store(avail + 2, 2, one_in(8) ? any() : below(2 * size));
}

/* A queue as it should be, of descriptors as they should not; changed while the device reads it. */
static void do_queue(void)
{
	const struct device *device = any_device();
	const uint64_t common = device ? device->common : 0;
	const unsigned size = 1U << below(6), queue = (unsigned)below(3);
	const uint64_t desc = (scratch + below(ram_end - scratch - 65536)) & ~0xfffULL;

	if (!common || !device->notify)
		return;
	store(common + offsetof(struct virtio_pci_common_cfg, device_status), 1, 0);
	store(common + offsetof(struct virtio_pci_common_cfg, device_status), 1, 3);
	store(common + offsetof(struct virtio_pci_common_cfg, driver_feature_select), 4, 1);
	store(common + offsetof(struct virtio_pci_common_cfg, driver_feature), 4, 1);
	store(common + offsetof(struct virtio_pci_common_cfg, driver_feature_select), 4, 0);
	store(common + offsetof(struct virtio_pci_common_cfg, driver_feature), 4,
	      one_in(2) ? 1U << VIRTIO_F_INDIRECT_DESC : any());
	store(common + offsetof(struct virtio_pci_common_cfg, device_status), 1, 11);
	store(common + offsetof(struct virtio_pci_common_cfg, queue_select), 2, queue);
	store(common + offsetof(struct virtio_pci_common_cfg, queue_size), 2, size);
	store(common + offsetof(struct virtio_pci_common_cfg, queue_desc), 8, desc);
	store(common + offsetof(struct virtio_pci_common_cfg, queue_driver), 8, desc + 4096);
	store(common + offsetof(struct virtio_pci_common_cfg, queue_device), 8, desc + 8192);
	write_rings(desc, desc + 4096, size);
	store(common + offsetof(struct virtio_pci_common_cfg, queue_enable), 2, 1);
	store(common + offsetof(struct virtio_pci_common_cfg, device_status), 1, 15);
	for (unsigned n = (unsigned)below(4); n < 4; n++) {
		store(device->notify + queue * (uint64_t)device->multiplier, 2, queue);
		write_rings(desc, desc + 4096, size);
	}
	if (device->specific && one_in(2))
		store(device->specific + below(64), any_size(), any());
}

/* Gives each function's BARs a place, and finds what virtio has in them. */
static void find_device(uint64_t config, unsigned slot)
{
	struct device *device = &devices[device_count];
	uint64_t id = 0, at = 0, head = 0;

	fault_load(config, 4, &id);
	if ((uint16_t)id == 0xffff || device_count == DEVICES_MAX)
		return;
	device->config = config;
	for (unsigned bar = 0; bar < 6; bar++) {
		uint64_t type = 0;

		fault_load(config + PCI_BAR0 + 4 * bar, 4, &type);
		store(config + PCI_BAR0 + 4 * bar, 4, deeds_bars + slot * BAR_SIZE + bar * (BAR_SIZE / 8));
		if (type & PCI_BAR_TYPE_64)
			store(config + PCI_BAR0 + 4 * ++bar, 4, 0);
	}
	store(config + PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	fault_load(config + PCI_CAPABILITIES, 1, &at);
	for (unsigned n = 0; at && n < 48; n++, at = head >> 8 & 0xff) {
		uint64_t bar = 0, offset = 0, place;

		fault_load(config + at, 4, &head);
		if ((head & 0xff) != PCI_CAP_ID_VENDOR)
			continue;
		fault_load(config + at + offsetof(struct virtio_pci_cap, bar), 1, &bar);
		fault_load(config + at + offsetof(struct virtio_pci_cap, offset), 4, &offset);
		place = deeds_bars + slot * BAR_SIZE + bar * (BAR_SIZE / 8) + offset;
		if (head >> 24 == VIRTIO_PCI_CAP_COMMON_CFG)
			device->common = place;
		if (head >> 24 == VIRTIO_PCI_CAP_DEVICE_CFG)
			device->specific = place;
		if (head >> 24 == VIRTIO_PCI_CAP_NOTIFY_CFG) {
			device->notify = place;
			fault_load(config + at + sizeof(struct virtio_pci_cap), 4, &offset);
			device->multiplier = (uint32_t)offset;
		}
	}
	device_count++;
}

void guest_main(const void *info)
{
	static void (*const deeds[])(void) = { do_own,	 do_own,   do_own,   do_own,  do_config,
					       do_setup, do_setup, do_queue, do_queue };
	const char *cmdline = guest_cmdline(info);
	uint64_t steps = cmdline_number(cmdline, "steps", 10000);
	uint64_t end = cmdline_number(cmdline, "end", 0);

	random_seed(cmdline_number(cmdline, "seed", 1));
	scratch = deeds_ram + cmdline_number(cmdline, "scratch", 64UL << 20) / 2;
	ram_end = deeds_ram + cmdline_number(cmdline, "scratch", 64UL << 20);
	fault_init();
	for (unsigned slot = 0; slot < DEVICES_MAX; slot++)
		find_device(deeds_ecam + ((uint64_t)slot << 15), slot);
	guest_puts("hostile: ");
	guest_put_dec(device_count);
	guest_puts(" devices\n");
	for (uint64_t i = 0; i < steps; i++)
		deeds[below(sizeof(deeds) / sizeof(deeds[0]))]();
	guest_puts("hostile: done\n");
	if (end == 1)
		guest_reset();
	if (end == 2)
		guest_panic();
}
