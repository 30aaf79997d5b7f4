/* SPDX-License-Identifier: Apache-2.0 */
/* Encodes ACPI Machine Language (ACPI 20) and resource descriptors (ACPI 6.4) into a buffer. */
#ifndef BOOT_AML_H
#define BOOT_AML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What does not fit is dropped and remembered: callers build everything and look at overflow once.
 * Names are four characters, padded with '_'. data is not owned.
 */
struct aml {
	uint8_t *data;
	size_t size;
	size_t capacity;
	bool overflow;
};

void aml_bytes(struct aml *aml, const void *bytes, size_t len);
void aml_byte(struct aml *aml, uint8_t byte);

/* An opcode, and an opcode behind the extension prefix 0x5b. */
#define AML_NAME       0x08
#define AML_PACKAGE    0x12
#define AML_SCOPE      0x10
#define AML_BUFFER     0x11
#define AML_METHOD     0x14
#define AML_LOCAL0     0x60
#define AML_STORE      0x70
#define AML_AND	       0x7b
#define AML_NOTIFY     0x86
#define AML_IF	       0xa0
#define AML_ZERO       0x00
#define AML_ONE	       0x01
#define AML_EXT	       0x5b
#define AML_EXT_REGION 0x80
#define AML_EXT_FIELD  0x81
#define AML_EXT_DEVICE 0x82

void aml_name(struct aml *aml, const char *name);
void aml_integer(struct aml *aml, uint64_t value);

/* Name(name, value): an integer, a string, a compressed EISA id ("PNP0501"). */
void aml_name_integer(struct aml *aml, const char *name, uint64_t value);
void aml_name_string(struct aml *aml, const char *name, const char *value);
void aml_name_eisa_id(struct aml *aml, const char *name, const char *id);

/* What has a length encloses what is encoded until aml_end() gets the mark. */
size_t aml_begin(struct aml *aml, uint8_t op);
void aml_end(struct aml *aml, size_t mark);

/* aml_begin() with what each needs first. scope: one name below the root. */
size_t aml_scope(struct aml *aml, const char *name);
size_t aml_device(struct aml *aml, const char *name);
size_t aml_method(struct aml *aml, const char *name, unsigned args);

/* An 8-bit field over one port. */
void aml_port_field(struct aml *aml, const char *region, const char *field, uint16_t port);

/* Name(_CRS, ResourceTemplate() { … }) */
struct aml_resources {
	size_t buffer;
	size_t start;
};
struct aml_resources aml_resources_begin(struct aml *aml);
void aml_resources_end(struct aml *aml, struct aml_resources resources);

void aml_io(struct aml *aml, uint16_t port, uint8_t len);
/* Edge-triggered, active high, exclusive. */
void aml_interrupt(struct aml *aml, uint32_t gsi);
void aml_bus_numbers(struct aml *aml, uint16_t first, uint16_t count);
/* Ports that a bridge hands down. */
void aml_ports(struct aml *aml, uint16_t first, uint16_t count);
/* producer: handed down to a bus, as a bridge's windows are. */
void aml_memory32(struct aml *aml, uint32_t base, uint32_t size, bool producer);
void aml_memory64(struct aml *aml, uint64_t base, uint64_t size, bool producer);

#endif
