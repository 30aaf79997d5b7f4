/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Moves the memory behind a PCI BAR (dev/shmem.h) to and fro and reads and writes it at each place,
 * while another CPU reads at both: the memory is where the BAR says, nothing is where it is not,
 * and there is no third thing. moves=N on the command line says how often. The first word of the
 * memory is the test's, the second counts the moves.
 */
#include <abi/pci.h>

#include "lib/cmdline.h"
#include "lib/guest.h"

#define SLOTS	32
#define ID	0x11101af4U
#define BAR2	(PCI_BAR0 + 8)
#define PLACE_A ((uint32_t)BARS_ADDRESS + 0x8000000)
#define PLACE_B ((uint32_t)BARS_ADDRESS + 0xc000000)
#define IN_RAM	((uint32_t)RAM_ADDRESS + 0x200000)
#define WORD	0x600dda7aU
#define NOTHING 0xffffffffU

static uint32_t slot;
static uint32_t stop, reads, failed;

static volatile uint32_t *at(uint32_t address)
{
	return (volatile uint32_t *)(uintptr_t)address;
}

static uint32_t config_read(uint32_t reg)
{
	return *at((uint32_t)ECAM_ADDRESS + (slot << 15) + reg);
}

static void config_write(uint32_t reg, uint32_t value)
{
	*at((uint32_t)ECAM_ADDRESS + (slot << 15) + reg) = value;
}

static void place(uint32_t address)
{
	config_write(BAR2, address);
}

static void expect(const char *what, uint32_t found, uint32_t expected)
{
	if (found == expected)
		return;
	guest_puts(what);
	guest_puts(": ");
	guest_put_hex(found);
	guest_puts("\n");
	__atomic_store_n(&failed, 1, __ATOMIC_SEQ_CST);
}

void guest_ap_main(uint32_t n)
{
	(void)n;
	while (!__atomic_load_n(&stop, __ATOMIC_SEQ_CST)) {
		uint32_t a = *at(PLACE_A), b = *at(PLACE_B);

		if ((a != WORD && a != NOTHING) || (b != WORD && b != NOTHING))
			__atomic_store_n(&failed, 2, __ATOMIC_SEQ_CST);
		__atomic_fetch_add(&reads, 1, __ATOMIC_SEQ_CST);
	}
	__atomic_store_n(&stop, 2, __ATOMIC_SEQ_CST);
	guest_halt();
}

static bool find(void)
{
	for (slot = 0; slot < SLOTS; slot++)
		if (config_read(PCI_VENDOR_ID) == ID)
			return true;
	return false;
}

static void move(uint32_t from, uint32_t to, uint32_t count)
{
	place(to);
	expect("where it is", *at(to), WORD);
	expect("where it was", *at(from), NOTHING);
	at(to)[1] = count;
	expect("what was written", at(to)[1], count);
}

/* Decoding off, and a place in the middle of RAM: nothing is there, and nothing has happened to RAM. */
static void hide(void)
{
	uint32_t command = config_read(PCI_COMMAND), word = *at(IN_RAM);

	config_write(PCI_COMMAND, command & ~(uint32_t)PCI_COMMAND_MEMORY);
	expect("not decoded", *at(PLACE_A), NOTHING);
	config_write(PCI_COMMAND, command | PCI_COMMAND_MEMORY);
	expect("decoded again", *at(PLACE_A), WORD);
	place((uint32_t)RAM_ADDRESS);
	expect("in RAM", *at(IN_RAM), word);
	expect("not there either", *at(PLACE_A), NOTHING);
	place(PLACE_A);
	expect("back", *at(PLACE_A), WORD);
}

void guest_main(const void *info)
{
	uint32_t count = 2 * (uint32_t)cmdline_number(guest_cmdline(info), "moves", 100);

	if (!find()) {
		guest_puts("no such function\n");
		return;
	}
	config_write(PCI_COMMAND, PCI_COMMAND_MEMORY);
	config_write(BAR2 + 4, 0);
	place(PLACE_A);
	hide();
#ifndef __aarch64__
	guest_x2apic();
#endif
	guest_start_cpu(1);
	while (!__atomic_load_n(&reads, __ATOMIC_SEQ_CST))
		cpu_relax();
	for (uint32_t i = 1; i <= count && !failed; i++)
		move(i % 2 ? PLACE_A : PLACE_B, i % 2 ? PLACE_B : PLACE_A, i);
	__atomic_store_n(&stop, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&stop, __ATOMIC_SEQ_CST) != 2)
		cpu_relax();
	guest_puts(failed ? "failed\n" : "moved\n");
}
