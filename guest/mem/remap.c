/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads its own code, data and page tables, and a window behind which a test puts another page
 * again and again, on every CPU. The window's first word is the number of the page, counted up;
 * what the test has put there for certain stands in the control page. Anything else is reported
 * there. With "ask" on the command line the CPUs make the test do it, through a register.
 */
#include "lib/guest.h"
#include "lib/tables.h"

#define CONTROL (RAM_ADDRESS + 0x600000UL)
#define WINDOW	(RAM_ADDRESS + 0x700000UL)

#define PAGE_WORDS 512
#define CODE_VALUE 0x5a5a1234U

struct control {
	uint64_t generation, stop; /* the test's */
	uint64_t cpus;		   /* the test's: how many there are */
	uint64_t ended;
	uint64_t failed, expected, found; /* the first failure: which check, from 1 */
	uint64_t rounds[8];
};

static volatile struct control *const control = (volatile struct control *)CONTROL;

static uint64_t data[PAGE_WORDS] __attribute__((aligned(4096)));
static uint64_t tables[2]; /* entries of the page tables */
static uint32_t ready;
static int asks;

/* A page of code that nothing else is in. */
__attribute__((noinline, section(".text.page"), aligned(4096))) static uint32_t code(uint32_t v)
{
	__asm__ volatile("" : "+r"(v));
	return v ^ CODE_VALUE;
}

static void fail(uint64_t what, uint64_t expected, uint64_t found)
{
	if (__atomic_exchange_n(&control->failed, what, __ATOMIC_SEQ_CST))
		return;
	control->expected = expected;
	control->found = found;
}

static void check(uint32_t n)
{
	uint64_t at = control->rounds[n] * 7 % PAGE_WORDS, entries[2];
	uint64_t before = control->generation, found = *(volatile uint64_t *)WINDOW;
	uint64_t after = control->generation;

	if (found < before || found > after + 1)
		fail(1, before, found);
	if (code(n) != (n ^ CODE_VALUE))
		fail(2, n ^ CODE_VALUE, code(n));
	if (((volatile uint64_t *)data)[at] != at * at)
		fail(3, at * at, ((volatile uint64_t *)data)[at]);
	tables_read(entries);
	if (entries[0] != tables[0])
		fail(4, tables[0], entries[0]);
	if (entries[1] != tables[1])
		fail(5, tables[1], entries[1]);
	tables_flush();
	control->rounds[n]++;
}

static void run(uint32_t n)
{
	while (!control->stop) {
		check(n);
		if (asks)
			guest_tell(n);
	}
	__atomic_fetch_add(&control->ended, 1, __ATOMIC_SEQ_CST);
}

void guest_ap_main(uint32_t n)
{
	(void)n;
	run(__atomic_add_fetch(&ready, 1, __ATOMIC_SEQ_CST));
}

void guest_main(const void *info)
{
	const char *words = guest_cmdline(info);

	asks = words && words[0] == 'a';
	for (uint64_t i = 0; i < PAGE_WORDS; i++)
		data[i] = i * i;
	tables_read(tables);
#ifndef __aarch64__
	guest_x2apic();
#endif
	for (uint32_t id = 1; id < control->cpus; id++) {
		guest_start_cpu(id);
		while (__atomic_load_n(&ready, __ATOMIC_SEQ_CST) < id)
			cpu_relax();
	}
	run(0);
	guest_halt();
}
