/* SPDX-License-Identifier: Apache-2.0 */
/* ACPI tables of a full machine, and a reader of them that shares no code with their builder. */
#ifndef TESTS_BOOT_ACPI_TABLES_H
#define TESTS_BOOT_ACPI_TABLES_H

#include <check.h>
#include <stdbool.h>
#include <string.h>

#include "boot/acpi.h"

#define AREA	  0xe0000UL
#define AREA_SIZE 0x20000UL

static const struct acpi_options full = {
	.vcpus = 4,
	.lapic = 0xfee00000,
	.ioapic = 0xfec00000,
	.ecam = { 0xb0000000, 0x10000000 },
	.mmio32 = { 0xc0000000, 0x3c000000 },
	.mmio64 = { 0x800000000, 0x800000000 },
	.sleep_control_port = 0x600,
	.sleep_status_port = 0x601,
	.reset_port = 0x604,
	.reset_value = 0x5a,
	.ged_port = 0x608,
	.ged_gsi = 9,
	.serial_port = 0x3f8,
	.serial_gsi = 4,
	.rtc_port = 0x70,
	.rtc_gsi = 8,
	.pvpanic_port = 0x505,
};

static inline void make_mem(struct mem *mem)
{
	struct mem_options options = { .name = "acpi-test" };

	ck_assert_int_eq(mem_init(mem, -1, 4, &options), 0);
	ck_assert_int_eq(mem_map_ram(mem, "ram", 0, 0x200000, 0), 0);
}

static inline uint64_t le(const uint8_t *p, unsigned n)
{
	uint64_t v = 0;

	while (n--)
		v = v << 8 | p[n];
	return v;
}

static inline bool sums_to_zero(const uint8_t *p, size_t len)
{
	unsigned sum = 0;

	for (size_t i = 0; i < len; i++)
		sum += p[i];
	return sum % 256 == 0;
}

/* A table by signature, found from the RSDP as a guest does, every checksum verified. */
static inline const uint8_t *find(struct mem *mem, gpa_t rsdp, const char *signature)
{
	const uint8_t *r = mem_ptr(mem, rsdp, 36), *xsdt, *table, *found = NULL;

	ck_assert(memcmp(r, "RSD PTR ", 8) == 0);
	ck_assert(sums_to_zero(r, 20) && sums_to_zero(r, 36));
	ck_assert_uint_eq(r[15], 2);
	xsdt = mem_ptr(mem, le(r + 24, 8), 36);
	ck_assert(memcmp(xsdt, "XSDT", 4) == 0 && sums_to_zero(xsdt, le(xsdt + 4, 4)));
	for (size_t at = 36; at < le(xsdt + 4, 4); at += 8) {
		table = mem_ptr(mem, le(xsdt + at, 8), 36);
		ck_assert(sums_to_zero(table, le(table + 4, 4)));
		if (memcmp(table, signature, 4) == 0)
			found = table;
		if (memcmp(table, "FACP", 4) == 0 && memcmp(signature, "DSDT", 4) == 0)
			found = mem_ptr(mem, le(table + 140, 8), 36);
	}
	ck_assert(!found || sums_to_zero(found, le(found + 4, 4)));
	return found;
}

#endif
