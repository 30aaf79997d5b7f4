/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plugs as much memory as it is asked to have (virtio-mem), writes to all of it, and knows what it
 * must hold. Says "has N" when that many MiB are plugged; a c is answered by "check ok mib=N" or
 * "check FAILED", a q switches off.
 */
#include <abi/virtio_mem.h>

#include "lib/guest.h"
#include "lib/tables.h"
#include "lib/virtio.h"

#define SERIAL_DATA 0
#define SERIAL_LSR  5
#define LSR_DATA    0x01

#define GIB   (1UL << 30)
#define MIB   (1UL << 20)
#define PAGE  4096UL

/* Where what is plugged begins in a machine with little memory. */
#ifdef __aarch64__
#define PLUG_AT (2 * GIB)
#else
#define PLUG_AT (4 * GIB)
#endif

static struct virtio device;
static struct virtio_mem_req request;
static volatile struct virtio_mem_resp response;
static const volatile struct virtio_mem_config *config;

static void __attribute__((noreturn)) bad(const char *what)
{
	guest_puts(what);
	guest_puts("\n");
	guest_panic();
}

/* The program's own tables end at 4 GiB; on arm64 they do not. */
static void map_plugged(void)
{
#ifndef __aarch64__
	static uint64_t directory[512] __attribute__((aligned(4096)));
	uint64_t pml4, *pdpt;

	__asm__ volatile("mov %%cr3, %0" : "=r"(pml4));
	pdpt = (uint64_t *)(*(uint64_t *)pml4 & ~0xfffUL);
	for (uint64_t i = 0; i < 512; i++)
		directory[i] = (PLUG_AT + i * 2 * MIB) | 0x83;
	pdpt[PLUG_AT / GIB] = (uintptr_t)directory | 3;
	tables_flush();
#endif
}

static void start(void)
{
	if (!virtio_start(&device, VIRTIO_ID_MEM, 1 << VIRTIO_MEM_F_UNPLUGGED_INACCESSIBLE))
		bad("there is no virtio-mem");
	config = (const volatile struct virtio_mem_config *)device.specific;
	if (config->addr != PLUG_AT || config->region_size > GIB)
		bad("the region is not where it is mapped");
}

static uint16_t ask(uint16_t type, uint64_t gpa, uint16_t blocks)
{
	request = (struct virtio_mem_req){ .type = type, .addr = gpa, .nb_blocks = blocks };
	virtio_describe(&device, 0, &request, sizeof(request), VIRTQ_DESC_F_NEXT);
	virtio_describe(&device, 1, &response, sizeof(response), VIRTQ_DESC_F_WRITE);
	virtio_add(&device, 0);
	virtio_kick(&device);
	while (!virtio_is_idle(&device))
		cpu_relax();
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
		if (!(uart_read(SERIAL_LSR) & LSR_DATA))
			continue;
		typed = uart_read(SERIAL_DATA);
		if (typed == 'c')
			check(plugged);
		else if (typed == 'q')
			guest_poweroff();
	}
}
