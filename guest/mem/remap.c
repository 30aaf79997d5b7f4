/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads its own code, data and page tables, and a window behind which a test puts another page
 * again and again, on every CPU. The window's first word is the number of the page, counted up;
 * what the test has put there for certain stands in the control page. Anything else is reported
 * there. With "ask" on the command line the CPUs make the test do it, through a port.
 */
#include <abi/pvh.h>

#include "lib/guest.h"

#define CONTROL 0x600000UL
#define WINDOW	0x700000UL

#define PORT_ASK 0x1000

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
static uint64_t tables[2]; /* the first entries of two levels of page tables */
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

static uint64_t *page_tables(void)
{
	uint64_t cr3;

	__asm__ volatile("mov %%cr3, %0" : "=r"(cr3));
	return (uint64_t *)(cr3 & ~0xfffUL);
}

static void flush(void)
{
	__asm__ volatile("mov %%cr3, %%rax; mov %%rax, %%cr3" : : : "rax", "memory");
}

static void check(uint32_t n)
{
	const volatile uint64_t *pml4 = page_tables();
	const volatile uint64_t *next = (const volatile uint64_t *)(tables[0] & ~0xfffUL);
	uint64_t at = control->rounds[n] * 7 % PAGE_WORDS;
	uint64_t before = control->generation, found = *(volatile uint64_t *)WINDOW;
	uint64_t after = control->generation;

	if (found < before || found > after + 1)
		fail(1, before, found);
	if (code(n) != (n ^ CODE_VALUE))
		fail(2, n ^ CODE_VALUE, code(n));
	if (((volatile uint64_t *)data)[at] != at * at)
		fail(3, at * at, ((volatile uint64_t *)data)[at]);
	/* The CPU sets the bit that says an entry was used. */
	if ((pml4[0] | 0x20) != (tables[0] | 0x20))
		fail(4, tables[0], pml4[0]);
	if ((next[0] | 0x20) != (tables[1] | 0x20))
		fail(5, tables[1], next[0]);
	flush();
	control->rounds[n]++;
}

static void run(uint32_t n)
{
	while (!control->stop) {
		check(n);
		if (asks)
			outl(PORT_ASK, n);
	}
	__atomic_fetch_add(&control->ended, 1, __ATOMIC_SEQ_CST);
}

void guest_ap_main(uint32_t n)
{
	__atomic_fetch_add(&ready, 1, __ATOMIC_SEQ_CST);
	run(n + 1);
}

void guest_main(const void *info)
{
	const struct hvm_start_info *start = info;
	const char *words = (const char *)(uintptr_t)start->cmdline_paddr;

	asks = words && words[0] == 'a';
	for (uint64_t i = 0; i < PAGE_WORDS; i++)
		data[i] = i * i;
	tables[0] = page_tables()[0];
	tables[1] = *(uint64_t *)(tables[0] & ~0xfffUL);
	guest_x2apic();
	for (uint32_t id = 1; id < control->cpus; id++) {
		guest_start_cpu(id);
		while (__atomic_load_n(&ready, __ATOMIC_SEQ_CST) < id)
			cpu_relax();
	}
	run(0);
	for (;;)
		__asm__ volatile("cli; hlt");
}
