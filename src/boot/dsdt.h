/* SPDX-License-Identifier: Apache-2.0 */
/* The body of the DSDT: the devices that a guest cannot find by itself. */
#ifndef BOOT_DSDT_H
#define BOOT_DSDT_H

#include "boot/acpi.h"
#include "boot/aml.h"

/* Appends \_S5 and the devices that options name; the table's header is the caller's. */
void dsdt_encode(struct aml *aml, const struct acpi_options *options);

#endif
