/* SPDX-License-Identifier: Apache-2.0 */
/* ACPI tables of a hardware-reduced x86 machine. */
#ifndef BOOT_ACPI_H
#define BOOT_ACPI_H

#include <stdint.h>

#include "mem/mem.h"

struct acpi_window {
	uint64_t base;
	uint64_t size;
};

/* What the tables say. Windows of size 0 and ports of 0 are left out. */
struct acpi_options {
	uint32_t vcpus;		   /* APIC id = vCPU index; from 255 on as x2APIC entries */
	uint64_t lapic;		   /* address */
	uint64_t ioapic;	   /* address */
	struct acpi_window ecam;   /* 1 MiB a bus, from bus 0 on */
	struct acpi_window mmio32; /* for BARs */
	struct acpi_window mmio64;
	uint16_t io, io_size; /* the same for ports */
	/* INTA of one PCI device is that line, level-triggered; 0: all interrupts are MSIs. */
	uint8_t intx_slot;
	uint32_t intx_gsi;
	uint16_t sleep_control_port; /* FADT; S5 is SLP_TYP 5; status port the same register block +
					1 */
	uint16_t sleep_status_port;
	uint16_t reset_port; /* FADT RESET_REG, 8 bits wide */
	uint8_t reset_value;
	uint16_t
		ged_port; /* 1-byte event register of the GED: bit 0 power button; reading clears */
	uint32_t ged_gsi; /* edge-triggered */
	uint16_t serial_port; /* PNP0501 */
	uint32_t serial_gsi;  /* edge-triggered */
	uint16_t rtc_port;    /* PNP0B00 */
	uint32_t rtc_gsi;
	uint16_t pvpanic_port; /* QEMU0001 */
};

/*
 * Writes RSDP, XSDT, FADT (revision 6, HW_REDUCED_ACPI, no 8042, no VGA), MADT, MCFG and DSDT to
 * [gpa, gpa + size) and gives the RSDP's address. -ENOSPC when size does not do; -EFAULT.
 */
int acpi_build(struct mem *mem, gpa_t gpa, uint64_t size, const struct acpi_options *options,
	       gpa_t *ret_rsdp);

#endif
