/* SPDX-License-Identifier: Apache-2.0 */
/* Encodes AML. */
#include "boot/aml.h"

#include <string.h>

/* ACPI 20.2.4: the length in three bytes, whatever its value, so that it can be filled in later. */
#define PKG_LENGTH_SIZE 3
#define PKG_LENGTH_MAX	0xfffff

void aml_bytes(struct aml *aml, const void *bytes, size_t len)
{
	if (aml->overflow || len > aml->capacity - aml->size) {
		aml->overflow = true;
		return;
	}
	memcpy(aml->data + aml->size, bytes, len);
	aml->size += len;
}

void aml_byte(struct aml *aml, uint8_t byte)
{
	aml_bytes(aml, &byte, 1);
}

/* Host and AML are little-endian. */
static void put16(struct aml *aml, uint16_t v)
{
	aml_bytes(aml, &v, sizeof(v));
}

static void put32(struct aml *aml, uint32_t v)
{
	aml_bytes(aml, &v, sizeof(v));
}

static void put64(struct aml *aml, uint64_t v)
{
	aml_bytes(aml, &v, sizeof(v));
}

void aml_name(struct aml *aml, const char *name)
{
	char padded[4] = { '_', '_', '_', '_' };

	memcpy(padded, name, strnlen(name, sizeof(padded)));
	aml_bytes(aml, padded, sizeof(padded));
}

/* ACPI 20.2.3: 0x0a byte, 0x0b word, 0x0c dword, 0x0e qword; 0 and 1 are opcodes. */
void aml_integer(struct aml *aml, uint64_t value)
{
	if (value <= 1) {
		aml_byte(aml, value ? AML_ONE : AML_ZERO);
	} else if (value <= UINT8_MAX) {
		aml_byte(aml, 0x0a);
		aml_byte(aml, (uint8_t)value);
	} else if (value <= UINT16_MAX) {
		aml_byte(aml, 0x0b);
		put16(aml, (uint16_t)value);
	} else if (value <= UINT32_MAX) {
		aml_byte(aml, 0x0c);
		put32(aml, (uint32_t)value);
	} else {
		aml_byte(aml, 0x0e);
		put64(aml, value);
	}
}

void aml_name_integer(struct aml *aml, const char *name, uint64_t value)
{
	aml_byte(aml, AML_NAME);
	aml_name(aml, name);
	aml_integer(aml, value);
}

void aml_name_string(struct aml *aml, const char *name, const char *value)
{
	aml_byte(aml, AML_NAME);
	aml_name(aml, name);
	aml_byte(aml, 0x0d);
	aml_bytes(aml, value, strlen(value) + 1);
}

static uint32_t hex_digit(char c)
{
	return (uint32_t)(c <= '9' ? c - '0' : c - 'A' + 10);
}

/* ACPI 19.3.4 (EISAID): three letters of five bits, four digits, the most significant byte first.
 */
void aml_name_eisa_id(struct aml *aml, const char *name, const char *id)
{
	uint32_t v = 0;

	for (int i = 0; i < 3; i++)
		v = v << 5 | (uint32_t)(id[i] - '@');
	for (int i = 3; i < 7; i++)
		v = v << 4 | hex_digit(id[i]);
	aml_byte(aml, AML_NAME);
	aml_name(aml, name);
	aml_byte(aml, 0x0c);
	put32(aml, __builtin_bswap32(v));
}

size_t aml_begin(struct aml *aml, uint8_t op)
{
	static const uint8_t room[PKG_LENGTH_SIZE];

	aml_byte(aml, op);
	aml_bytes(aml, room, sizeof(room));
	return aml->size - sizeof(room);
}

void aml_end(struct aml *aml, size_t mark)
{
	size_t len = aml->size - mark;

	if (aml->overflow || len > PKG_LENGTH_MAX) {
		aml->overflow = true;
		return;
	}
	/* Bits 7..6: how many bytes follow; bits 3..0: the length's lowest four bits. */
	aml->data[mark] = (uint8_t)((PKG_LENGTH_SIZE - 1) << 6 | (len & 0xf));
	aml->data[mark + 1] = (uint8_t)(len >> 4);
	aml->data[mark + 2] = (uint8_t)(len >> 12);
}

size_t aml_scope(struct aml *aml, const char *name)
{
	size_t mark = aml_begin(aml, AML_SCOPE);

	aml_byte(aml, '\\');
	aml_name(aml, name);
	return mark;
}

size_t aml_device(struct aml *aml, const char *name)
{
	size_t mark;

	aml_byte(aml, AML_EXT);
	mark = aml_begin(aml, AML_EXT_DEVICE);
	aml_name(aml, name);
	return mark;
}

size_t aml_method(struct aml *aml, const char *name, unsigned args)
{
	size_t mark = aml_begin(aml, AML_METHOD);

	aml_name(aml, name);
	/* Bit 3: serialized. */
	aml_byte(aml, (uint8_t)(args | 1 << 3));
	return mark;
}

void aml_port_field(struct aml *aml, const char *region, const char *field, uint16_t port)
{
	size_t mark;

	aml_byte(aml, AML_EXT);
	aml_byte(aml, AML_EXT_REGION);
	aml_name(aml, region);
	aml_byte(aml, 1); /* SystemIO */
	aml_integer(aml, port);
	aml_integer(aml, 1);
	aml_byte(aml, AML_EXT);
	mark = aml_begin(aml, AML_EXT_FIELD);
	aml_name(aml, region);
	aml_byte(aml, 0x01); /* ByteAcc, NoLock, Preserve */
	aml_name(aml, field);
	aml_byte(aml, 8); /* bits, as a PkgLength */
	aml_end(aml, mark);
}

struct aml_resources aml_resources_begin(struct aml *aml)
{
	struct aml_resources resources;

	aml_byte(aml, AML_NAME);
	aml_name(aml, "_CRS");
	resources.buffer = aml_begin(aml, AML_BUFFER);
	/* The buffer's size, as a word, is known at the end. */
	aml_byte(aml, 0x0b);
	put16(aml, 0);
	resources.start = aml->size;
	return resources;
}

void aml_resources_end(struct aml *aml, struct aml_resources resources)
{
	uint16_t size;

	/* End tag, with the checksum 0 that stands for "not computed" (ACPI 6.4.2.9). */
	aml_byte(aml, 0x79);
	aml_byte(aml, 0);
	size = (uint16_t)(aml->size - resources.start);
	if (!aml->overflow)
		memcpy(aml->data + resources.start - sizeof(size), &size, sizeof(size));
	aml_end(aml, resources.buffer);
}

/* ACPI 6.4.2.5 */
void aml_io(struct aml *aml, uint16_t port, uint8_t len)
{
	aml_byte(aml, 0x47);
	aml_byte(aml, 1); /* decodes 16 bits */
	put16(aml, port);
	put16(aml, port);
	aml_byte(aml, 1);
	aml_byte(aml, len);
}

/* ACPI 6.4.3.6 */
void aml_interrupt(struct aml *aml, uint32_t gsi)
{
	aml_byte(aml, 0x89);
	put16(aml, 6);
	aml_byte(aml, 0x03); /* consumer, edge */
	aml_byte(aml, 1);
	put32(aml, gsi);
}

/* ACPI 6.4.3.5: address space descriptors; minimum and maximum are fixed. */
#define SPACE_MEMORY	 0
#define SPACE_IO	 1
#define SPACE_BUS	 2
#define SPACE_FIXED	 0x0c
#define SPACE_CONSUMER	 0x01
#define SPACE_READ_WRITE 0x01
#define SPACE_ALL_PORTS	 0x03

static void space(struct aml *aml, uint8_t tag, uint16_t len, uint8_t type, uint8_t flags,
		  uint8_t type_flags)
{
	aml_byte(aml, tag);
	put16(aml, len);
	aml_byte(aml, type);
	aml_byte(aml, flags);
	aml_byte(aml, type_flags);
}

void aml_bus_numbers(struct aml *aml, uint16_t first, uint16_t count)
{
	space(aml, 0x88, 13, SPACE_BUS, SPACE_FIXED, 0);
	put16(aml, 0);
	put16(aml, first);
	put16(aml, (uint16_t)(first + count - 1));
	put16(aml, 0);
	put16(aml, count);
}

void aml_ports(struct aml *aml, uint16_t first, uint16_t count)
{
	space(aml, 0x88, 13, SPACE_IO, SPACE_FIXED, SPACE_ALL_PORTS);
	put16(aml, 0);
	put16(aml, first);
	put16(aml, (uint16_t)(first + count - 1));
	put16(aml, 0);
	put16(aml, count);
}

void aml_memory32(struct aml *aml, uint32_t base, uint32_t size, bool producer)
{
	space(aml, 0x87, 23, SPACE_MEMORY, SPACE_FIXED | (producer ? 0 : SPACE_CONSUMER),
	      SPACE_READ_WRITE);
	put32(aml, 0);
	put32(aml, base);
	put32(aml, base + (size - 1));
	put32(aml, 0);
	put32(aml, size);
}

void aml_memory64(struct aml *aml, uint64_t base, uint64_t size, bool producer)
{
	space(aml, 0x8a, 43, SPACE_MEMORY, SPACE_FIXED | (producer ? 0 : SPACE_CONSUMER),
	      SPACE_READ_WRITE);
	put64(aml, 0);
	put64(aml, base);
	put64(aml, base + (size - 1));
	put64(aml, 0);
	put64(aml, size);
}
