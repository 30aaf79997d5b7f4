/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether flushes flush: the first CPU lets an address lead to the other of two pages, again and again,
 * and has the TLBs of all others flushed; they read there, and none may find the page of before.
 *
 * cpus=N rounds=N form=NUMBER flush=0: leaves the flush out, and counts what that does
 */
#include <abi/pvh.h>

#include "lib/cmdline.h"
#include "lib/guest.h"
#include "lib/hyperv.h"

#define ADDRESS	   0x200000000ull /* 8 GiB: nothing else is there */
#define PRESENT_RW 3ull
#define READS	   3

static uint64_t pd[512] __attribute__((aligned(4096)));
static uint64_t pt[512] __attribute__((aligned(4096)));
static uint64_t pages[2][512] __attribute__((aligned(4096)));
static uint64_t round; /* 0 while a page is being exchanged for the other */
static uint64_t reads[HYPERV_CPUS], stale[HYPERV_CPUS];
static uint64_t cpus;

static uint64_t *root(void)
{
	uint64_t cr3;

	__asm__ volatile("mov %%cr3, %0" : "=r"(cr3));
	return (uint64_t *)(cr3 & ~0xfffull);
}

static uint64_t load(const uint64_t *at)
{
	return __atomic_load_n(at, __ATOMIC_SEQ_CST);
}

static void store(uint64_t *at, uint64_t value)
{
	__atomic_store_n(at, value, __ATOMIC_SEQ_CST);
}

/* What is read while the round is one and the same must be that round's page. */
static void look(uint32_t n)
{
	uint64_t before = load(&round), value = load((const uint64_t *)ADDRESS);

	if (before && load(&round) == before && value != (before & 1))
		store(&stale[n], stale[n] + 1);
	store(&reads[n], reads[n] + 1);
}

void guest_ap_main(uint32_t n)
{
	for (;;)
		look(n + 1);
}

static void map(void)
{
	uint64_t *top = (uint64_t *)(root()[0] & ~0xfffull);

	pages[1][0] = 1;
	pt[0] = (uintptr_t)pages[0] | PRESENT_RW;
	pd[0] = (uintptr_t)pt | PRESENT_RW;
	top[ADDRESS >> 30] = (uintptr_t)pd | PRESENT_RW;
}

static void wait_for_reads(void)
{
	for (uint64_t n = 1; n < cpus; n++)
		for (uint64_t seen = load(&reads[n]); load(&reads[n]) - seen < READS;)
			cpu_relax();
}

static uint64_t total(const uint64_t *counts)
{
	uint64_t sum = 0;

	for (uint64_t n = 1; n < cpus; n++)
		sum += load(&counts[n]);
	return sum;
}

void guest_main(const void *info)
{
	const struct hvm_start_info *start = info;
	const char *cmdline = (const char *)(uintptr_t)start->cmdline_paddr;
	uint64_t rounds = cmdline_number(cmdline, "rounds", 100);
	uint64_t flush = cmdline_number(cmdline, "flush", 1);
	unsigned form = (unsigned)cmdline_number(cmdline, "form", FORM_SPACE_ALL);
	uint64_t failed = 0;

	cpus = cmdline_number(cmdline, "cpus", 2);
	map();
	hyperv_init();
	guest_x2apic();
	for (uint32_t id = 1; id < cpus; id++)
		guest_start_cpu(id);
	wait_for_reads();
	for (uint64_t n = 1; n <= rounds; n++) {
		store(&round, 0);
		store(&pt[0], (uintptr_t)pages[n & 1] | PRESENT_RW);
		if (flush)
			failed += (uint16_t)hyperv_flush_by(0, form, (1ull << cpus) - 2) != 0;
		store(&round, n);
		wait_for_reads();
	}
	guest_puts("rounds ");
	guest_put_dec(rounds);
	guest_puts(" failed ");
	guest_put_dec(failed);
	guest_puts(" stale ");
	guest_put_dec(total(stale));
	guest_puts("\n");
}
