/* SPDX-License-Identifier: Apache-2.0 */
/* The tables in iasl's eyes: they disassemble, mean what they should, and compile again. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "boot/acpi_tables.h"

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
	"WordBusNumber(ResourceProducer,MinFixed,MaxFixed,PosDecode,0x0000,0x0000,0x00FF,0x0000,"
	"0x0100",
	"DWordMemory(ResourceProducer,PosDecode,MinFixed,MaxFixed,NonCacheable,ReadWrite,"
	"0x00000000,"
	"0xC0000000,0xFBFFFFFF,0x00000000,0x3C000000",
	"QWordMemory(ResourceProducer,PosDecode,MinFixed,MaxFixed,NonCacheable,ReadWrite,"
	"0x0000000000000000,0x0000000800000000,0x0000000FFFFFFFFF,0x0000000000000000,"
	"0x0000000800000000",
	"QWordMemory(ResourceConsumer,PosDecode,MinFixed,MaxFixed,NonCacheable,ReadWrite,"
	"0x0000000000000000,0x00000000B0000000,0x00000000BFFFFFFF,0x0000000000000000,"
	"0x0000000010000000",
	"Device(PEVT){Name(_HID,\"QEMU0001\")Name(_CRS,ResourceTemplate(){IO(Decode16,0x0505,"
	"0x0505,"
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
	    "! grep -Eiq 'error|warning|invalid|incorrect' d.log *.dsl",
	    dir);
	run("cd %s && iasl -tc DSDT.dsl > c.log 2>&1 && "
	    "grep -q ' 0 Errors, 0 Warnings, 0 Remarks' c.log",
	    dir);
	if (all_devices)
		check_lines(dir);
	run("rm -r %s", dir);
	mem_finish(&mem);
}

START_TEST(test_iasl_has_nothing_to_say_and_reads_what_was_meant)
{
	struct acpi_options bare = { .vcpus = 1, .lapic = 0xfee00000, .ioapic = 0xfec00000 };

	through_iasl(&full, true);
	through_iasl(&bare, false);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("dsdt");
	TCase *tcase = tcase_create("iasl");
	SRunner *runner = srunner_create(suite);
	int failed;

	if (system("command -v iasl > /dev/null") != 0) {
		puts("SKIP: iasl is not installed (package acpica-tools)");
		srunner_free(runner);
		return 77;
	}
	suite_add_tcase(suite, tcase);
	tcase_add_test(tcase, test_iasl_has_nothing_to_say_and_reads_what_was_meant);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
