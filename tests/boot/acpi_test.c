/* SPDX-License-Identifier: Apache-2.0 */
/* The ACPI tables, read back by code of its own, and by iasl. */
#include "boot/acpi.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <ferry/error.h>

#include "check_main.h"

#define AREA      0xe0000UL
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

static void make_mem(struct mem *mem)
{
	struct mem_options options = { .name = "acpi-test" };

	ck_assert_int_eq(mem_init(mem, -1, 4, &options), 0);
	ck_assert_int_eq(mem_map_ram(mem, "ram", 0, 0x200000, 0), 0);
}

static uint64_t le(const uint8_t *p, unsigned n)
{
	uint64_t v = 0;

	while (n--)
		v = v << 8 | p[n];
	return v;
}

static int sums_to_zero(const uint8_t *p, size_t len)
{
	unsigned sum = 0;

	for (size_t i = 0; i < len; i++)
		sum += p[i];
	return sum % 256 == 0;
}

/* A table by signature, found from the RSDP as a guest does, every checksum verified. */
static const uint8_t *find(struct mem *mem, gpa_t rsdp, const char *signature)
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

static void run(const char *fmt, const char *dir)
{
	char command[512];
	int status;

	snprintf(command, sizeof(command), fmt, dir, dir);
	status = system(command);
	ck_assert_msg(status == 0, "%s: status %d", command, status);
}

static void dump(struct mem *mem, gpa_t rsdp, const char *signature, const char *dir)
{
	const uint8_t *table = find(mem, rsdp, signature);
	char path[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s.aml", dir, signature);
	file = fopen(path, "w");
	ck_assert_ptr_nonnull(file);
	ck_assert_uint_eq(fwrite(table, le(table + 4, 4), 1, file), 1);
	ck_assert_int_eq(fclose(file), 0);
}

/* What iasl reads from the DSDT, blanks and comments removed. */
static const char *const dsdt_lines[] = {
	"Name(_S5,Package(0x04){0x05,Zero,Zero,Zero})",
	"Device(PWRB){Name(_HID,EisaId(\"PNP0C0C\"))}",
	"Device(GED){Name(_HID,\"ACPI0013\")",
	"Interrupt(ResourceConsumer,Edge,ActiveHigh,Exclusive,,,){0x00000009,}",
	"OperationRegion(EREG,SystemIO,0x0608,One)",
	"Method(_EVT,1,Serialized){Local0=ESELIf((Local0&One)){Notify(PWRB,0x80)}}",
	"Device(COM1){Name(_HID,EisaId(\"PNP0501\"))Name(_UID,Zero)Name(_CRS,ResourceTemplate(){"
	"IO(Decode16,0x03F8,0x03F8,0x01,0x08,)"
	"Interrupt(ResourceConsumer,Edge,ActiveHigh,Exclusive,,,){0x00000004,}})}",
	"EisaId(\"PNP0B00\")",
	"EisaId(\"PNP0A08\")",
	"WordBusNumber(ResourceProducer,MinFixed,MaxFixed,PosDecode,0x0000,0x0000,0x00FF,0x0000,0x0100",
	"DWordMemory(ResourceProducer,PosDecode,MinFixed,MaxFixed,NonCacheable,ReadWrite,0x00000000,"
	"0xC0000000,0xFBFFFFFF,0x00000000,0x3C000000",
	"QWordMemory(ResourceProducer,PosDecode,MinFixed,MaxFixed,NonCacheable,ReadWrite,"
	"0x0000000000000000,0x0000000800000000,0x0000000FFFFFFFFF,0x0000000000000000,"
	"0x0000000800000000",
	"QWordMemory(ResourceConsumer,PosDecode,MinFixed,MaxFixed,NonCacheable,ReadWrite,"
	"0x0000000000000000,0x00000000B0000000,0x00000000BFFFFFFF,0x0000000000000000,"
	"0x0000000010000000",
	"Device(PEVT){Name(_HID,\"QEMU0001\")Name(_CRS,ResourceTemplate(){IO(Decode16,0x0505,0x0505,"
	"0x01,0x01,)})}",
};

static void read_dsl(const char *dir, char *text, size_t size)
{
	char command[512];
	FILE *pipe;
	size_t len;

	snprintf(command, sizeof(command),
		 "sed 's,//.*,,' %s/DSDT.dsl | tr -d ' \\n' | sed 's,/\\*[^*]*\\*/,,g'", dir);
	pipe = popen(command, "r");
	ck_assert_ptr_nonnull(pipe);
	len = fread(text, 1, size - 1, pipe);
	text[len] = '\0';
	ck_assert_int_eq(pclose(pipe), 0);
}

static void check_lines(const char *dir)
{
	static char text[32768];

	read_dsl(dir, text, sizeof(text));
	for (size_t i = 0; i < sizeof(dsdt_lines) / sizeof(dsdt_lines[0]); i++)
		ck_assert_msg(strstr(text, dsdt_lines[i]), "not there: %s in %s", dsdt_lines[i],
			      text);
}

/* iasl's own words decide: no error, warning or remark, neither one way nor back. */
static void through_iasl(const struct acpi_options *options, bool all_devices)
{
	static const char *const signatures[] = { "FACP", "APIC", "MCFG", "DSDT" };
	char dir[] = "/tmp/ferry-acpi-XXXXXX";
	struct mem mem;
	gpa_t rsdp;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	make_mem(&mem);
	ck_assert_int_eq(acpi_build(&mem, AREA, AREA_SIZE, options, &rsdp), 0);
	for (size_t i = 0; i < sizeof(signatures) / sizeof(signatures[0]); i++)
		if (find(&mem, rsdp, signatures[i]))
			dump(&mem, rsdp, signatures[i], dir);
	run("cd %s && iasl -d *.aml > d.log 2>&1 && "
	    "! grep -Eiq 'error|warning|invalid|incorrect' d.log *.dsl", dir);
	run("cd %s && iasl -tc DSDT.dsl > c.log 2>&1 && "
	    "grep -q ' 0 Errors, 0 Warnings, 0 Remarks' c.log", dir);
	if (all_devices)
		check_lines(dir);
	run("rm -r %s", dir);
	mem_finish(&mem);
}

START_TEST(test_iasl_has_nothing_to_say_and_reads_what_was_meant)
{
	struct acpi_options bare = { .vcpus = 1, .lapic = 0xfee00000, .ioapic = 0xfec00000 };

	if (system("command -v iasl > /dev/null") != 0) {
		puts("# SKIP iasl is not installed (package acpica-tools)");
		return;
	}
	through_iasl(&full, true);
	through_iasl(&bare, false);
}
END_TEST

CHECK_MAIN("acpi", test_fadt_says_reduced_hardware_with_reset_and_sleep_ports,
	   test_what_is_not_there_is_not_in_the_tables, test_madt_uses_x2apic_entries_from_255_on,
	   test_mcfg_covers_the_buses_of_the_ecam, test_too_small_an_area_is_refused_at_every_size,
	   test_iasl_has_nothing_to_say_and_reads_what_was_meant)
