/* SPDX-License-Identifier: Apache-2.0 */
/* The registers behind the ACPI tables: sleep, reset, and the events of the GED. */
#ifndef DEV_ACPI_PM_H
#define DEV_ACPI_PM_H

#include <stdint.h>

struct vm;
struct acpi_pm;
struct reg_file;

/* What boot/acpi.h has the tables promise: the same numbers. Each port is one byte wide. */
struct acpi_pm_options {
	uint16_t sleep_control_port; /* SLP_TYP 5 with SLP_EN: poweroff */
	uint16_t sleep_status_port;
	uint16_t reset_port;
	uint8_t reset_value;
	uint16_t ged_port; /* bit 0: power button; reading clears */
	uint32_t ged_gsi;  /* edge-triggered */
};

/* Claims the ports. -EEXIST; -errno of the interrupt. */
int acpi_pm_create(struct vm *vm, const struct acpi_pm_options *options, struct acpi_pm **ret_pm);
/* The vCPUs are stopped. NULL is fine. */
void acpi_pm_destroy(struct acpi_pm *pm);

/*
 * Bank REG_BANK_ACPI, number = port: the guest's tables name the ports, so a machine with others
 * cannot take this guest. -errno of reg_file_add().
 */
int acpi_pm_add_bank(struct acpi_pm *pm, struct reg_file *file);

/* Presses the power button: what the guest does about it is its own affair. Any thread. */
void acpi_pm_power_button(struct acpi_pm *pm);

/* The guest arrived from elsewhere: interrupts it once more for the events that it has not read. */
void acpi_pm_arrived(struct acpi_pm *pm);

#endif
