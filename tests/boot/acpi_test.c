/* SPDX-License-Identifier: Apache-2.0 */
/* The ACPI tables, read back by code of its own. */
#include "boot/acpi.h"

#include <errno.h>

#include "boot/acpi_tables.h"
#include "check_main.h"

START_TEST(test_fadt_says_reduced_hardware_with_reset_and_sleep_ports)
{
	const uint8_t *fadt;
	struct mem mem;
	gpa_t rsdp;

	make_mem(&mem);
	ck_assert_int_eq(acpi_build(&mem, AREA, AREA_SIZE, &full, &rsdp), 0);
	fadt = find(&mem, rsdp, "FACP");
	ck_assert_uint_eq(fadt[8], 6);
	ck_assert_uint_eq(le(fadt + 4, 4), 276);
	ck_assert(le(fadt + 112, 4) & 1 << 20);
	ck_assert(le(fadt + 112, 4) & 1 << 10);
	/* No 8042, no legacy devices, no VGA; MSI and the CMOS RTC are there. */
	ck_assert_uint_eq(le(fadt + 109, 2) & 0x2f, 0x04);
	ck_assert_uint_eq(fadt[116], 1);
	ck_assert_uint_eq(fadt[117], 8);
	ck_assert_uint_eq(le(fadt + 120, 8), 0x604);
	ck_assert_uint_eq(fadt[128], 0x5a);
	ck_assert_uint_eq(le(fadt + 248, 8), 0x600);
	ck_assert_uint_eq(le(fadt + 260, 8), 0x601);
	mem_finish(&mem);
}
END_TEST

START_TEST(test_what_is_not_there_is_not_in_the_tables)
{
	struct acpi_options options = { .vcpus = 1, .lapic = 0xfee00000, .ioapic = 0xfec00000 };
	const uint8_t *fadt, *dsdt;
	struct mem mem;
	gpa_t rsdp;

	make_mem(&mem);
	ck_assert_int_eq(acpi_build(&mem, AREA, AREA_SIZE, &options, &rsdp), 0);
	fadt = find(&mem, rsdp, "FACP");
	dsdt = find(&mem, rsdp, "DSDT");
	ck_assert_ptr_null(find(&mem, rsdp, "MCFG"));
	ck_assert(!(le(fadt + 112, 4) & 1 << 10));
	ck_assert(le(fadt + 109, 2) & 0x20);
	ck_assert_uint_eq(le(fadt + 120, 8), 0);
	ck_assert_ptr_null(memmem(dsdt, le(dsdt + 4, 4), "PCI0", 4));
	ck_assert_ptr_null(memmem(dsdt, le(dsdt + 4, 4), "GED_", 4));
	ck_assert_ptr_nonnull(memmem(dsdt, le(dsdt + 4, 4), "_S5_", 4));
	mem_finish(&mem);
}
END_TEST

START_TEST(test_madt_uses_x2apic_entries_from_255_on)
{
	struct acpi_options options = full;
	unsigned lapics = 0, x2apics = 0, ioapics = 0;
	const uint8_t *madt, *e;
	struct mem mem;
	gpa_t rsdp;

	make_mem(&mem);
	options.vcpus = 300;
	ck_assert_int_eq(acpi_build(&mem, AREA, AREA_SIZE, &options, &rsdp), 0);
	madt = find(&mem, rsdp, "APIC");
	ck_assert_uint_eq(le(madt + 36, 4), 0xfee00000);
	ck_assert_uint_eq(le(madt + 40, 4), 0);
	for (e = madt + 44; e < madt + le(madt + 4, 4); e += e[1]) {
		ck_assert_uint_gt(e[1], 0);
		if (e[0] == 0) {
			ck_assert_uint_eq(e[3], lapics++);
			ck_assert_uint_eq(le(e + 4, 4), 1);
		} else if (e[0] == 9) {
			ck_assert_uint_eq(le(e + 4, 4), 255 + x2apics++);
			ck_assert_uint_eq(le(e + 8, 4), 1);
		} else if (e[0] == 1) {
			ck_assert_uint_eq(le(e + 4, 4), 0xfec00000);
			ck_assert_uint_eq(le(e + 8, 4), 0);
			ioapics++;
		}
	}
	ck_assert_uint_eq(lapics, 255);
	ck_assert_uint_eq(x2apics, 45);
	ck_assert_uint_eq(ioapics, 1);
	mem_finish(&mem);
}
END_TEST

START_TEST(test_mcfg_covers_the_buses_of_the_ecam)
{
	const uint8_t *mcfg;
	struct mem mem;
	gpa_t rsdp;

	make_mem(&mem);
	ck_assert_int_eq(acpi_build(&mem, AREA, AREA_SIZE, &full, &rsdp), 0);
	mcfg = find(&mem, rsdp, "MCFG");
	ck_assert_uint_eq(le(mcfg + 44, 8), 0xb0000000);
	ck_assert_uint_eq(mcfg[54], 0);
	ck_assert_uint_eq(mcfg[55], 255);
	mem_finish(&mem);
}
END_TEST

START_TEST(test_too_small_an_area_is_refused_at_every_size)
{
	struct mem mem;
	gpa_t rsdp = 0;
	int err = -ENOSPC;

	make_mem(&mem);
	for (uint64_t size = 0; err == -ENOSPC; size++) {
		ck_assert_uint_lt(size, 4096);
		err = acpi_build(&mem, AREA, size, &full, &rsdp);
		ck_assert(err == 0 || rsdp == 0);
	}
	ck_assert_int_eq(err, 0);
	ck_assert_int_eq(acpi_build(&mem, 0x300000, AREA_SIZE, &full, &rsdp), -EFAULT);
	mem_finish(&mem);
}
END_TEST

CHECK_MAIN("acpi", test_fadt_says_reduced_hardware_with_reset_and_sleep_ports,
	   test_what_is_not_there_is_not_in_the_tables, test_madt_uses_x2apic_entries_from_255_on,
	   test_mcfg_covers_the_buses_of_the_ecam, test_too_small_an_area_is_refused_at_every_size)
