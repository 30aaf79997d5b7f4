/* SPDX-License-Identifier: Apache-2.0 */
/* The devices of the machine in AML. */
#include "boot/dsdt.h"

#include "base/util.h"

/* ACPI 16.1.6: what goes into SLP_TYP for S5; the device behind the sleep register knows it too. */
#define SLP_TYP_S5 5

/* ACPI 5.6.6: a control method power button was pressed. */
#define NOTIFY_PRESSED 0x80

static void sleep_states(struct aml *aml)
{
	size_t package;

	aml_byte(aml, AML_NAME);
	aml_name(aml, "_S5_");
	package = aml_begin(aml, AML_PACKAGE);
	aml_byte(aml, 4);
	aml_integer(aml, SLP_TYP_S5);
	for (int i = 1; i < 4; i++)
		aml_integer(aml, 0);
	aml_end(aml, package);
}

/* ACPI 5.6.9.3: on reading its register the device tells what happened, and forgets it. */
static void event_method(struct aml *aml)
{
	size_t method = aml_method(aml, "_EVT", 1), branch;

	aml_byte(aml, AML_STORE);
	aml_name(aml, "ESEL");
	aml_byte(aml, AML_LOCAL0);
	branch = aml_begin(aml, AML_IF);
	aml_byte(aml, AML_AND);
	aml_byte(aml, AML_LOCAL0);
	aml_integer(aml, 1);
	aml_byte(aml, AML_ZERO); /* the result goes nowhere else */
	aml_byte(aml, AML_NOTIFY);
	aml_name(aml, "PWRB");
	aml_integer(aml, NOTIFY_PRESSED);
	aml_end(aml, branch);
	aml_end(aml, method);
}

static void events(struct aml *aml, uint16_t port, uint32_t gsi)
{
	struct aml_resources crs;
	size_t device;

	device = aml_device(aml, "PWRB");
	aml_name_eisa_id(aml, "_HID", "PNP0C0C");
	aml_end(aml, device);

	device = aml_device(aml, "GED_");
	aml_name_string(aml, "_HID", "ACPI0013");
	aml_name_integer(aml, "_UID", 0);
	crs = aml_resources_begin(aml);
	aml_interrupt(aml, gsi);
	aml_resources_end(aml, crs);
	aml_port_field(aml, "EREG", "ESEL", port);
	event_method(aml);
	aml_end(aml, device);
}

/* A device that is a few ports and perhaps a line. */
static void port_device(struct aml *aml, const char *name, const char *id, uint16_t port,
			uint8_t ports, uint32_t gsi)
{
	size_t device = aml_device(aml, name);
	struct aml_resources crs;

	aml_name_eisa_id(aml, "_HID", id);
	aml_name_integer(aml, "_UID", 0);
	crs = aml_resources_begin(aml);
	aml_io(aml, port, ports);
	aml_interrupt(aml, gsi);
	aml_resources_end(aml, crs);
	aml_end(aml, device);
}

static void pvpanic(struct aml *aml, uint16_t port)
{
	size_t device = aml_device(aml, "PEVT");
	struct aml_resources crs;

	aml_name_string(aml, "_HID", "QEMU0001");
	crs = aml_resources_begin(aml);
	aml_io(aml, port, 1);
	aml_resources_end(aml, crs);
	aml_end(aml, device);
}

/* ACPI 6.2.13: one line of _PRT, which names the interrupt without a link device. */
static void interrupt_routes(struct aml *aml, uint8_t slot, uint32_t gsi)
{
	size_t table, route;

	aml_byte(aml, AML_NAME);
	aml_name(aml, "_PRT");
	table = aml_begin(aml, AML_PACKAGE);
	aml_byte(aml, 1);
	route = aml_begin(aml, AML_PACKAGE);
	aml_byte(aml, 4);
	aml_integer(aml, (uint32_t)slot << 16 | 0xffff);
	aml_integer(aml, 0);
	aml_integer(aml, 0);
	aml_integer(aml, gsi);
	aml_end(aml, route);
	aml_end(aml, table);
}

/* Interrupts are MSIs, but for one line that may be; MCFG tells the ECAM, so there is no _CBA. */
static void host_bridge(struct aml *aml, const struct acpi_options *options)
{
	size_t device = aml_device(aml, "PCI0");
	struct aml_resources crs;

	aml_name_eisa_id(aml, "_HID", "PNP0A08");
	aml_name_eisa_id(aml, "_CID", "PNP0A03");
	aml_name_integer(aml, "_SEG", 0);
	aml_name_integer(aml, "_BBN", 0);
	aml_name_integer(aml, "_UID", 0);
	crs = aml_resources_begin(aml);
	aml_bus_numbers(aml, 0, (uint16_t)(options->ecam.size / MIB));
	if (options->io_size)
		aml_ports(aml, options->io, options->io_size);
	if (options->mmio32.size)
		aml_memory32(aml, (uint32_t)options->mmio32.base, (uint32_t)options->mmio32.size,
			     true);
	if (options->mmio64.size)
		aml_memory64(aml, options->mmio64.base, options->mmio64.size, true);
	aml_resources_end(aml, crs);
	if (options->intx_gsi)
		interrupt_routes(aml, options->intx_slot, options->intx_gsi);
	aml_end(aml, device);
}

/* PCI Firmware Specification 4.1.2: a guest believes the MCFG only if this reserves its range. */
static void ecam_reservation(struct aml *aml, const struct acpi_window *ecam)
{
	size_t device = aml_device(aml, "ECAM");
	struct aml_resources crs;

	aml_name_eisa_id(aml, "_HID", "PNP0C02");
	aml_name_integer(aml, "_UID", 0);
	crs = aml_resources_begin(aml);
	aml_memory64(aml, ecam->base, ecam->size, false);
	aml_resources_end(aml, crs);
	aml_end(aml, device);
}

void dsdt_encode(struct aml *aml, const struct acpi_options *options)
{
	size_t scope;

	sleep_states(aml);
	scope = aml_scope(aml, "_SB_");
	if (options->ged_port)
		events(aml, options->ged_port, options->ged_gsi);
	if (options->serial_port)
		port_device(aml, "COM1", "PNP0501", options->serial_port, 8, options->serial_gsi);
	if (options->rtc_port)
		port_device(aml, "RTC_", "PNP0B00", options->rtc_port, 2, options->rtc_gsi);
	if (options->ecam.size) {
		host_bridge(aml, options);
		ecam_reservation(aml, &options->ecam);
	}
	if (options->pvpanic_port)
		pvpanic(aml, options->pvpanic_port);
	aml_end(aml, scope);
}
