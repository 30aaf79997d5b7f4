/* SPDX-License-Identifier: Apache-2.0 */
/* All of the machine's RAM that the program does not occupy, as one row of numbered pages. */
#include "lib/ram.h"

#include <abi/pvh.h>

#define RANGES	   16
#define LARGE_PAGE (2UL << 20)
#define GIB	   (1UL << 30)
#define GIBS	   64

/* Present, writable, for user mode too; PS: a large page. */
#define PTE_ALL	  0x7
#define PTE_LARGE 0x80

/* What lies below belongs to the program, to firmware and to who started it. */
#define LOWEST (16UL << 20)

static struct range {
	uint64_t start, pages;
} ranges[RANGES];
static unsigned range_count;

static uint64_t pml4[512] __attribute__((aligned(4096)));
static uint64_t pdpt[512] __attribute__((aligned(4096)));
static uint64_t pds[GIBS * 512] __attribute__((aligned(4096)));

static uint64_t add_range(uint64_t start, uint64_t end)
{
	struct range *range = &ranges[range_count];

	if (start < LOWEST)
		start = LOWEST;
	if (end > GIBS * GIB)
		end = GIBS * GIB;
	start = (start + RAM_PAGE - 1) & -RAM_PAGE;
	end &= -RAM_PAGE;
	if (start >= end || range_count == RANGES)
		return 0;
	range->start = start;
	range->pages = (end - start) / RAM_PAGE;
	range_count++;
	return range->pages;
}

uint64_t ram_init(const void *info)
{
	const struct hvm_start_info *start = info;
	const struct hvm_memmap_table_entry *map = (const void *)(uintptr_t)start->memmap_paddr;
	uint64_t pages = 0;

	for (uint32_t i = 0; i < start->memmap_entries; i++) {
		if (map[i].type == XEN_HVM_MEMMAP_TYPE_RAM)
			pages += add_range(map[i].addr, map[i].addr + map[i].size);
	}
	pml4[0] = (uintptr_t)pdpt | PTE_ALL;
	for (uint64_t i = 0; i < GIBS; i++)
		pdpt[i] = (uintptr_t)&pds[i * 512] | PTE_ALL;
	for (uint64_t i = 0; i < GIBS * 512; i++)
		pds[i] = i * LARGE_PAGE | PTE_ALL | PTE_LARGE;
	ram_map();
	return pages;
}

void ram_map(void)
{
	__asm__ volatile("mov %0, %%cr3" : : "r"(pml4) : "memory");
}

uint64_t ram_page(uint64_t n)
{
	unsigned i = 0;

	while (n >= ranges[i].pages)
		n -= ranges[i++].pages;
	return ranges[i].start + n * RAM_PAGE;
}
