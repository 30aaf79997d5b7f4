/* SPDX-License-Identifier: Apache-2.0 */
/* ACPI tables (ACPI 6.5) as they lie in memory. */
#ifndef ABI_ACPI_H
#define ABI_ACPI_H

#include <abi/abi.h>

/* ACPI 5.2.5.3 */
struct acpi_rsdp {
	char signature[8]; /* "RSD PTR " */
	uint8_t checksum;  /* of the first 20 bytes */
	char oem_id[6];
	uint8_t revision;
	uint32_t rsdt_address;
	uint32_t length;
	uint64_t xsdt_address;
	uint8_t extended_checksum;
	uint8_t reserved[3];
} __attribute__((packed));
ABI_SIZE(struct acpi_rsdp, 36);

/* ACPI 5.2.6 */
struct acpi_header {
	char signature[4];
	uint32_t length;
	uint8_t revision;
	uint8_t checksum;
	char oem_id[6];
	char oem_table_id[8];
	uint32_t oem_revision;
	char creator_id[4];
	uint32_t creator_revision;
} __attribute__((packed));
ABI_SIZE(struct acpi_header, 36);

/* ACPI 5.2.3.2: Generic Address Structure */
#define ACPI_GAS_SYSTEM_IO   1
#define ACPI_GAS_ACCESS_BYTE 1

struct acpi_gas {
	uint8_t space;
	uint8_t bit_width;
	uint8_t bit_offset;
	uint8_t access_size;
	uint64_t address;
} __attribute__((packed));
ABI_SIZE(struct acpi_gas, 12);

/* ACPI 5.2.9, table 5.9 and 5.10 */
#define ACPI_FADT_WBINVD	(1u << 0)
#define ACPI_FADT_PROC_C1	(1u << 2)
#define ACPI_FADT_PWR_BUTTON	(1u << 4)
#define ACPI_FADT_SLP_BUTTON	(1u << 5)
#define ACPI_FADT_RESET_REG_SUP (1u << 10)
#define ACPI_FADT_HW_REDUCED	(1u << 20)

/* ACPI 5.2.9.3: IA-PC Boot Architecture Flags */
#define ACPI_IAPC_8042		  (1u << 1)
#define ACPI_IAPC_VGA_NOT_PRESENT (1u << 2)
#define ACPI_IAPC_NO_MSI	  (1u << 3)
#define ACPI_IAPC_NO_ASPM	  (1u << 4)
#define ACPI_IAPC_RTC_NOT_PRESENT (1u << 5)

#define ACPI_PROFILE_ENTERPRISE_SERVER 4

struct acpi_fadt {
	struct acpi_header header;
	uint32_t firmware_ctrl;
	uint32_t dsdt;
	uint8_t reserved_44;
	uint8_t preferred_pm_profile;
	uint16_t sci_int;
	uint8_t pad_48[109 - 48]; /* PM1, PM2, PM timer, GPE: not on reduced hardware; RTC alarm */
	uint16_t iapc_boot_arch;
	uint8_t reserved_111;
	uint32_t flags;
	struct acpi_gas reset_reg;
	uint8_t reset_value;
	uint16_t arm_boot_arch;
	uint8_t minor_version;
	uint64_t x_firmware_ctrl;
	uint64_t x_dsdt;
	struct acpi_gas x_blocks[8];
	struct acpi_gas sleep_control_reg;
	struct acpi_gas sleep_status_reg;
	char hypervisor_vendor[8];
} __attribute__((packed));
ABI_SIZE(struct acpi_fadt, 276);
ABI_OFFSET(struct acpi_fadt, iapc_boot_arch, 109);
ABI_OFFSET(struct acpi_fadt, reset_reg, 116);
ABI_OFFSET(struct acpi_fadt, x_dsdt, 140);
ABI_OFFSET(struct acpi_fadt, sleep_control_reg, 244);

/* ACPI 5.2.12 */
#define ACPI_MADT_LAPIC	    0
#define ACPI_MADT_IOAPIC    1
#define ACPI_MADT_LAPIC_NMI 4
#define ACPI_MADT_X2APIC    9
#define ACPI_MADT_ENABLED   1u

struct acpi_madt {
	struct acpi_header header;
	uint32_t lapic_address;
	uint32_t flags;
} __attribute__((packed));
ABI_SIZE(struct acpi_madt, 44);

struct acpi_madt_lapic {
	uint8_t type;
	uint8_t length;
	uint8_t uid;
	uint8_t apic_id;
	uint32_t flags;
} __attribute__((packed));
ABI_SIZE(struct acpi_madt_lapic, 8);

struct acpi_madt_ioapic {
	uint8_t type;
	uint8_t length;
	uint8_t ioapic_id;
	uint8_t reserved;
	uint32_t address;
	uint32_t gsi_base;
} __attribute__((packed));
ABI_SIZE(struct acpi_madt_ioapic, 12);

struct acpi_madt_lapic_nmi {
	uint8_t type;
	uint8_t length;
	uint8_t uid; /* 0xff: all */
	uint16_t flags;
	uint8_t lint;
} __attribute__((packed));
ABI_SIZE(struct acpi_madt_lapic_nmi, 6);

struct acpi_madt_x2apic {
	uint8_t type;
	uint8_t length;
	uint16_t reserved;
	uint32_t apic_id;
	uint32_t flags;
	uint32_t uid;
} __attribute__((packed));
ABI_SIZE(struct acpi_madt_x2apic, 16);

/* PCI Firmware Specification 3.3, 4.1.2 */
struct acpi_mcfg {
	struct acpi_header header;
	uint64_t reserved_36;
	uint64_t base;
	uint16_t segment;
	uint8_t bus_first;
	uint8_t bus_last;
	uint32_t reserved_56;
} __attribute__((packed));
ABI_SIZE(struct acpi_mcfg, 60);

#endif
