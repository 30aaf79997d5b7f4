/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plugs as much memory as it is asked to have (virtio-mem), writes to all of it, and knows what it
 * must hold. Says "has N" when that many MiB are plugged; a c is answered by "check ok mib=N" or
 * "check FAILED", a q switches off.
 */
#include <abi/pci.h>
#include <abi/virtio.h>
#include <abi/virtio_mem.h>

#include "lib/guest.h"

#define SERIAL_PORT 0x3f8
#define SERIAL_LSR  (SERIAL_PORT + 5)
#define LSR_DATA    0x01

#define ECAM  0xe0000000UL
#define SLOTS 32
#define GIB   (1UL << 30)
#define MIB   (1UL << 20)
#define PAGE  4096UL

/* Where what is plugged begins in a machine with less than 3 GiB, and how much is mapped here. */
#define PLUG_AT (4 * GIB)

#define RING 4

static struct {
	struct virtq_desc desc[RING];
	/* virtq_avail and virtq_used, with their rings. */
	struct {
		uint16_t flags, idx, ring[RING + 1];
	} avail __attribute__((aligned(VIRTQ_AVAIL_ALIGN)));
	struct {
		uint16_t flags, idx;
		struct virtq_used_elem ring[RING];
		uint16_t event;
	} used __attribute__((aligned(VIRTQ_USED_ALIGN)));
} queue __attribute__((aligned(16)));

static struct virtio_mem_req request;
static volatile struct virtio_mem_resp response;
static volatile uint16_t *notify;
static const volatile struct virtio_mem_config *config;

static void __attribute__((noreturn)) bad(const char *what)
{
	guest_puts(what);
	guest_puts("\n");
	guest_panic();
}

/* The program's own tables end at 4 GiB. */
static void map_plugged(void)
{
	static uint64_t directory[512] __attribute__((aligned(4096)));
	uint64_t pml4, *pdpt;

	__asm__ volatile("mov %%cr3, %0" : "=r"(pml4));
	pdpt = (uint64_t *)(*(uint64_t *)pml4 & ~0xfffUL);
	for (uint64_t i = 0; i < 512; i++)
		directory[i] = (PLUG_AT + i * 2 * MIB) | 0x83;
	pdpt[PLUG_AT / GIB] = (uintptr_t)directory | 3;
	__asm__ volatile("mov %0, %%cr3" : : "r"(pml4) : "memory");
}

static volatile uint8_t *find_device(void)
{
	for (uint64_t slot = 0; slot < SLOTS; slot++) {
		volatile uint8_t *function = (volatile uint8_t *)(ECAM + (slot << 15));

		if (*(volatile uint32_t *)function ==
		    (VIRTIO_PCI_VENDOR | (VIRTIO_PCI_DEVICE_BASE + VIRTIO_ID_MEM) << 16))
			return function;
	}
	bad("there is no virtio-mem");
}

/* The structure of that type, in the BAR. */
static uintptr_t find_structure(volatile uint8_t *function, uint8_t type)
{
	uint32_t bar = *(volatile uint32_t *)(function + PCI_BAR0) & PCI_BAR_MEM_MASK;

	for (uint8_t at = function[PCI_CAPABILITIES]; at; at = function[at + 1])
		if (function[at] == PCI_CAP_ID_VENDOR && function[at + 3] == type)
			return bar + *(volatile uint32_t *)(function + at + 8);
	bad("a structure of virtio is missing");
}

static void start(void)
{
	volatile uint8_t *function = find_device();
	volatile struct virtio_pci_common_cfg *common =
		(void *)find_structure(function, VIRTIO_PCI_CAP_COMMON_CFG);

	*(volatile uint16_t *)(function + PCI_COMMAND) = PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;
	config = (void *)find_structure(function, VIRTIO_PCI_CAP_DEVICE_CFG);
	notify = (void *)find_structure(function, VIRTIO_PCI_CAP_NOTIFY_CFG);
	common->device_status = VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER;
	common->driver_feature_select = 0;
	common->driver_feature = 1 << VIRTIO_MEM_F_UNPLUGGED_INACCESSIBLE;
	common->driver_feature_select = 1;
	common->driver_feature = 1 << (VIRTIO_F_VERSION_1 - 32);
	common->device_status = VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER |
				VIRTIO_STATUS_FEATURES_OK;
	common->queue_select = 0;
	common->queue_size = RING;
	common->queue_desc = (uintptr_t)queue.desc;
	common->queue_driver = (uintptr_t)&queue.avail;
	common->queue_device = (uintptr_t)&queue.used;
	common->queue_enable = 1;
	queue.avail.flags = VIRTQ_AVAIL_F_NO_INTERRUPT;
	common->device_status |= VIRTIO_STATUS_DRIVER_OK;
	if (config->addr != PLUG_AT || config->region_size > GIB)
		bad("the region is not where it is mapped");
}

static uint16_t ask(uint16_t type, uint64_t gpa, uint16_t blocks)
{
	volatile uint16_t *used = &queue.used.idx;
	uint16_t seen = *used;

	request = (struct virtio_mem_req){ .type = type, .addr = gpa, .nb_blocks = blocks };
	queue.desc[0] = (struct virtq_desc){ (uintptr_t)&request, sizeof(request),
					     VIRTQ_DESC_F_NEXT, 1 };
	queue.desc[1] = (struct virtq_desc){ (uintptr_t)&response, sizeof(response),
					     VIRTQ_DESC_F_WRITE, 0 };
	queue.avail.ring[queue.avail.idx % RING] = 0;
	__asm__ volatile("mfence" : : : "memory");
	*(volatile uint16_t *)&queue.avail.idx += 1;
	__asm__ volatile("mfence" : : : "memory");
	*notify = 0;
	while (*used == seen)
		cpu_relax();
	__asm__ volatile("mfence" : : : "memory");
	return response.type;
}

static uint64_t word_of(uint64_t gpa)
{
	return gpa * 0xd6e8feb86659fd93 ^ gpa >> 7;
}

static void write_block(uint64_t gpa, uint64_t size)
{
	for (uint64_t at = gpa; at < gpa + size; at += PAGE)
		*(volatile uint64_t *)at = word_of(at);
}

/* What is plugged lies at the beginning of the region, in one piece. */
static void check(uint64_t plugged)
{
	bool ok = config->plugged_size == plugged;

	for (uint64_t at = PLUG_AT; at < PLUG_AT + plugged; at += PAGE)
		ok &= *(volatile uint64_t *)at == word_of(at);
	guest_puts(ok ? "check ok mib=" : "check FAILED mib=");
	guest_put_dec(plugged / MIB);
	guest_puts("\n");
}

/* One block nearer to what is wanted, unless the host is busy. */
static uint64_t step(uint64_t plugged)
{
	uint64_t block = config->block_size, wanted = config->requested_size, now = plugged;

	if (plugged < wanted && ask(VIRTIO_MEM_REQ_PLUG, PLUG_AT + plugged, 1) == 0) {
		now += block;
		write_block(PLUG_AT + plugged, block);
	} else if (plugged > wanted &&
		   ask(VIRTIO_MEM_REQ_UNPLUG, PLUG_AT + plugged - block, 1) == 0) {
		now -= block;
	}
	if (now != plugged && now == wanted) {
		guest_puts("has ");
		guest_put_dec(now / MIB);
		guest_puts("\n");
	}
	return now;
}

void guest_main(const void *info)
{
	uint64_t plugged = 0;
	uint8_t typed;

	(void)info;
	map_plugged();
	start();
	guest_puts("plug ready\n");
	for (;;) {
		plugged = step(plugged);
		if (!(inb(SERIAL_LSR) & LSR_DATA))
			continue;
		typed = inb(SERIAL_PORT);
		if (typed == 'c')
			check(plugged);
		else if (typed == 'q')
			guest_poweroff();
	}
}
