/* SPDX-License-Identifier: Apache-2.0 */
/* Builds the ACPI tables. */
#include "boot/acpi.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <ferry/error.h>
#include <abi/acpi.h>

#include "base/cleanup.h"
#include "base/util.h"
#include "boot/aml.h"
#include "boot/dsdt.h"

/* LAPIC entries hold 8 bits, of which 0xff addresses all; beyond come x2APIC entries. */
#define LAPIC_ID_MAX 254

/* 64 KiB for 4096 vCPUs in the MADT, and the rest. */
#define TABLES_MAX (256 * KIB)

#define BUSES_MAX 256

/* The tables as they are built; gpa is where data[0] will lie. */
struct tables {
	struct aml out;
	gpa_t gpa;
};

static void align(struct tables *tables, size_t to)
{
	while (!tables->out.overflow && !is_aligned(tables->out.size, to))
		aml_byte(&tables->out, 0);
}

static uint8_t checksum(const uint8_t *data, size_t len)
{
	uint8_t sum = 0;

	while (len--)
		sum = (uint8_t)(sum + *data++);
	return (uint8_t)-sum;
}

static struct acpi_header header(const char *signature, uint8_t revision)
{
	struct acpi_header h = { .revision = revision, .oem_revision = 1, .creator_revision = 1 };

	memcpy(h.signature, signature, sizeof(h.signature));
	memcpy(h.oem_id, "FERRY ", sizeof(h.oem_id));
	memcpy(h.oem_table_id, "FERRYX86", sizeof(h.oem_table_id));
	memcpy(h.creator_id, "FERR", sizeof(h.creator_id));
	return h;
}

/* Fills in length and checksum of the table that begins at offset; gives its address. */
static gpa_t seal(struct tables *tables, size_t offset)
{
	uint8_t *table = tables->out.data + offset;
	uint32_t len = (uint32_t)(tables->out.size - offset);

	if (!tables->out.overflow) {
		memcpy(table + offsetof(struct acpi_header, length), &len, sizeof(len));
		table[offsetof(struct acpi_header, checksum)] = checksum(table, len);
	}
	align(tables, 16);
	return tables->gpa + offset;
}

static gpa_t put_dsdt(struct tables *tables, const struct acpi_options *options)
{
	/* Revision 2: integers of 64 bits. */
	struct acpi_header h = header("DSDT", 2);
	size_t offset = tables->out.size;

	aml_bytes(&tables->out, &h, sizeof(h));
	dsdt_encode(&tables->out, options);
	return seal(tables, offset);
}

static struct acpi_gas port_gas(uint16_t port)
{
	if (!port)
		return (struct acpi_gas){ 0 };
	return (struct acpi_gas){ ACPI_GAS_SYSTEM_IO, 8, 0, ACPI_GAS_ACCESS_BYTE, port };
}

static gpa_t put_fadt(struct tables *tables, const struct acpi_options *options, gpa_t dsdt)
{
	struct acpi_fadt fadt = {
		.header = header("FACP", 6),
		.dsdt = dsdt <= UINT32_MAX ? (uint32_t)dsdt : 0,
		.x_dsdt = dsdt,
		.preferred_pm_profile = ACPI_PROFILE_ENTERPRISE_SERVER,
		/* No 8042 and no legacy devices to probe for; MSIs work. */
		.iapc_boot_arch = ACPI_IAPC_VGA_NOT_PRESENT | ACPI_IAPC_NO_ASPM,
		/* Both buttons, if any, are devices in the DSDT. */
		.flags = ACPI_FADT_WBINVD | ACPI_FADT_PROC_C1 | ACPI_FADT_PWR_BUTTON |
			 ACPI_FADT_SLP_BUTTON | ACPI_FADT_HW_REDUCED,
		.reset_reg = port_gas(options->reset_port),
		.reset_value = options->reset_value,
		.sleep_control_reg = port_gas(options->sleep_control_port),
		.sleep_status_reg = port_gas(options->sleep_status_port),
	};
	size_t offset = tables->out.size;

	if (options->reset_port)
		fadt.flags |= ACPI_FADT_RESET_REG_SUP;
	if (!options->rtc_port)
		fadt.iapc_boot_arch |= ACPI_IAPC_RTC_NOT_PRESENT;
	memcpy(fadt.hypervisor_vendor, "FERRY   ", sizeof(fadt.hypervisor_vendor));
	aml_bytes(&tables->out, &fadt, sizeof(fadt));
	return seal(tables, offset);
}

static void put_cpu(struct tables *tables, uint32_t id)
{
	struct acpi_madt_lapic lapic = { ACPI_MADT_LAPIC, sizeof(lapic), (uint8_t)id, (uint8_t)id,
					 ACPI_MADT_ENABLED };
	struct acpi_madt_x2apic x2apic = {
		ACPI_MADT_X2APIC, sizeof(x2apic), 0, id, ACPI_MADT_ENABLED, id
	};

	if (id <= LAPIC_ID_MAX)
		aml_bytes(&tables->out, &lapic, sizeof(lapic));
	else
		aml_bytes(&tables->out, &x2apic, sizeof(x2apic));
}

static gpa_t put_madt(struct tables *tables, const struct acpi_options *options)
{
	/* flags 0: there is no pair of 8259s (PCAT_COMPAT). */
	struct acpi_madt madt = { .header = header("APIC", 5),
				  .lapic_address = (uint32_t)options->lapic };
	struct acpi_madt_ioapic ioapic = {
		ACPI_MADT_IOAPIC, sizeof(ioapic), 0, 0, (uint32_t)options->ioapic, 0
	};
	struct acpi_madt_lapic_nmi nmi = { ACPI_MADT_LAPIC_NMI, sizeof(nmi), 0xff, 0, 1 };
	size_t offset = tables->out.size;

	aml_bytes(&tables->out, &madt, sizeof(madt));
	for (uint32_t id = 0; id < options->vcpus && !tables->out.overflow; id++)
		put_cpu(tables, id);
	if (options->ioapic)
		aml_bytes(&tables->out, &ioapic, sizeof(ioapic));
	aml_bytes(&tables->out, &nmi, sizeof(nmi));
	return seal(tables, offset);
}

static gpa_t put_mcfg(struct tables *tables, const struct acpi_options *options)
{
	struct acpi_mcfg mcfg = {
		.header = header("MCFG", 1),
		.base = options->ecam.base,
		.bus_last = (uint8_t)(options->ecam.size / MIB - 1),
	};
	size_t offset = tables->out.size;

	aml_bytes(&tables->out, &mcfg, sizeof(mcfg));
	return seal(tables, offset);
}

static gpa_t put_xsdt(struct tables *tables, const gpa_t *entries, size_t count)
{
	struct acpi_header h = header("XSDT", 1);
	size_t offset = tables->out.size;

	aml_bytes(&tables->out, &h, sizeof(h));
	aml_bytes(&tables->out, entries, count * sizeof(*entries));
	return seal(tables, offset);
}

static gpa_t put_rsdp(struct tables *tables, gpa_t xsdt)
{
	struct acpi_rsdp rsdp = { .revision = 2, .length = sizeof(rsdp), .xsdt_address = xsdt };
	gpa_t gpa = tables->gpa + tables->out.size;

	memcpy(rsdp.signature, "RSD PTR ", sizeof(rsdp.signature));
	memcpy(rsdp.oem_id, "FERRY ", sizeof(rsdp.oem_id));
	/* ACPI 5.2.5.3: the first 20 bytes are those of ACPI 1.0. */
	rsdp.checksum = checksum((uint8_t *)&rsdp, 20);
	rsdp.extended_checksum = checksum((uint8_t *)&rsdp, sizeof(rsdp));
	aml_bytes(&tables->out, &rsdp, sizeof(rsdp));
	return gpa;
}

static gpa_t put_all(struct tables *tables, const struct acpi_options *options)
{
	gpa_t entries[3], dsdt;
	size_t count = 0;

	dsdt = put_dsdt(tables, options);
	entries[count++] = put_fadt(tables, options, dsdt);
	entries[count++] = put_madt(tables, options);
	if (options->ecam.size)
		entries[count++] = put_mcfg(tables, options);
	return put_rsdp(tables, put_xsdt(tables, entries, count));
}

static int check_options(const struct acpi_options *options)
{
	const struct acpi_window *ecam = &options->ecam;

	if (!is_aligned(ecam->size, MIB) || ecam->size > BUSES_MAX * MIB)
		return because(-EINVAL,
			       "acpi: an ECAM of %#llx bytes is not 1 to 256 buses of 1 MiB",
			       (unsigned long long)ecam->size);
	if (options->mmio32.size > UINT32_MAX || options->mmio32.base > UINT32_MAX ||
	    options->mmio32.base + options->mmio32.size > 4 * GIB)
		return because(-EINVAL, "acpi: the 32-bit window ends above 4 GiB");
	if (options->lapic > UINT32_MAX || options->ioapic > UINT32_MAX)
		return because(-EINVAL, "acpi: the interrupt controllers lie above 4 GiB");
	return 0;
}

int acpi_build(struct mem *mem, gpa_t gpa, uint64_t size, const struct acpi_options *options,
	       gpa_t *ret_rsdp)
{
	size_t capacity = min_u64(size, TABLES_MAX);
	AUTO_FREE uint8_t *data = malloc(capacity ? capacity : 1);
	struct tables tables = { .out = { .data = data, .capacity = capacity }, .gpa = gpa };
	gpa_t rsdp;
	int err;

	if (!data)
		return because(-ENOMEM, "not enough memory on the host");
	err = check_options(options);
	if (err < 0)
		return err;
	if (!is_aligned(gpa, 16))
		return because(-EINVAL, "acpi: the tables' address %#llx is not aligned to 16",
			       (unsigned long long)gpa);
	rsdp = put_all(&tables, options);
	if (tables.out.overflow)
		return because(-ENOSPC, "acpi: the tables for %u vCPUs do not fit into %llu bytes",
			       options->vcpus, (unsigned long long)size);
	err = mem_write(mem, gpa, data, tables.out.size);
	if (err < 0)
		return because(err, "acpi: there is no memory for the tables at %#llx",
			       (unsigned long long)gpa);
	*ret_rsdp = rsdp;
	return 0;
}
