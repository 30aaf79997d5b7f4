/* SPDX-License-Identifier: Apache-2.0 */
/* Encodes and checks headers. Every byte that is decoded here may have been made by an enemy. */
#include "migrate/record.h"

#include <elf.h>
#include <endian.h>
#include <errno.h>
#include <string.h>

/* One function: no library has to be there for it when ferry starts. */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include <ferry/error.h>

#include "base/util.h"
#include "mem/mem.h"
#include "migrate/hello.h"

/* A transfer that changes line ends, cuts the eighth bit or stops at ^Z damages it. */
static const uint8_t magic[8] = { 'F', 'R', 'Y', 0xfe, '\r', '\n', 0x1a, '\n' };

/* Where the fields of the two headers are. */
enum {
	AT_VERSION = 8,
	AT_ARCH = 10,
	AT_PAGE = 12,
	AT_KIND = 16,
	AT_HEADER_SUM = 24,

	AT_TYPE = 0,
	AT_SIZE = 4,
	AT_A = 8,
	AT_B = 16,
	AT_PAYLOAD_SUM = 24,
	AT_RECORD_SUM = 32,
};

/* What a type may carry. */
enum numbers {
	NO_NUMBER = 0,
	A = 1 << 0,
	B = 1 << 1,
	B_FLAGS = B | 1 << 2
};

static const struct {
	uint32_t type;
	uint32_t size_min, size_max;
	unsigned numbers; /* enum numbers */
	const char *name;
} types[] = {
	{ RECORD_MACHINE, 0, 1 << 20, NO_NUMBER, "machine" },
	{ RECORD_REGIONS, 32, 1 << 20, A, "regions" },
	{ RECORD_NAMES, 0, RECORD_PAYLOAD_MAX, A | B, "names" },
	{ RECORD_REGISTERS, 0, RECORD_PAYLOAD_MAX, A | B, "registers" },
	{ RECORD_MEMORY_FILE, 32, 1 << 20, A, "memory file" },
	{ RECORD_DISKS, 0, 65536, A, "disks" },
	{ RECORD_END, 0, 0, NO_NUMBER, "end" },
	{ RECORD_PAGES, GUEST_PAGE_SIZE, RECORD_PAYLOAD_MAX, A | B, "pages" },
	{ RECORD_ZERO, 0, 0, A | B, "zero pages" },
	{ RECORD_REPEATED, 8, 8, A | B, "repeated pages" },
	{ RECORD_ZSTD, 1, RECORD_PAYLOAD_MAX, A | B, "compressed pages" },
	{ RECORD_DISK_BLOCKS, 0, RECORD_PAYLOAD_MAX, A | B, "disk blocks" },
	{ RECORD_DISK_SYNC, 0, 0, NO_NUMBER, "disk sync" },
	{ RECORD_HELLO, 16, 16, B_FLAGS, "hello" },
	{ RECORD_CHECK, 0, 0, NO_NUMBER, "check" },
	{ RECORD_VERDICT, 0, 1 << 20, A | B_FLAGS, "verdict" },
	{ RECORD_MEMORY_FD, 32, 1 << 20, A, "memory descriptor" },
	{ RECORD_DONE, 0, 0, NO_NUMBER, "done" },
	{ RECORD_LOADED, 0, 0, NO_NUMBER, "loaded" },
	{ RECORD_RUN, 0, 0, NO_NUMBER, "run" },
	{ RECORD_RUNNING, 0, 0, NO_NUMBER, "running" },
	{ RECORD_ABORT, 0, 4096, NO_NUMBER, "abort" },
	{ RECORD_CONNECTIONS, 0, 0, A | B_FLAGS, "connections" },
	{ RECORD_MISSING, 0, RECORD_PAYLOAD_MAX, A | B, "missing pages" },
	{ RECORD_REQUEST, 0, 0, A, "page request" },
	{ RECORD_COMPLETE, 0, 0, NO_NUMBER, "complete" },
};

uint32_t get_u32(const void *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return le32toh(value);
}

uint64_t get_u64(const void *at)
{
	uint64_t value;

	memcpy(&value, at, sizeof(value));
	return le64toh(value);
}

void put_u32(void *at, uint32_t value)
{
	value = htole32(value);
	memcpy(at, &value, sizeof(value));
}

void put_u64(void *at, uint64_t value)
{
	value = htole64(value);
	memcpy(at, &value, sizeof(value));
}

static uint16_t get_u16(const uint8_t *at)
{
	return (uint16_t)(at[0] | at[1] << 8);
}

static void put_u16(uint8_t *at, uint16_t value)
{
	at[0] = (uint8_t)value;
	at[1] = (uint8_t)(value >> 8);
}

uint64_t record_sum(const void *payload, size_t size)
{
	return XXH3_64bits(payload, size);
}

void stream_header_encode(void *buf, enum stream_kind kind)
{
	uint8_t *at = buf;

	memset(at, 0, STREAM_HEADER_SIZE);
	memcpy(at, magic, sizeof(magic));
	put_u16(at + AT_VERSION, STREAM_VERSION);
	put_u16(at + AT_ARCH, FERRY_ELF_MACHINE);
	put_u32(at + AT_PAGE, GUEST_PAGE_SIZE);
	put_u32(at + AT_KIND, kind);
	put_u64(at + AT_HEADER_SUM, record_sum(at, AT_HEADER_SUM));
}

static const char *arch_name(uint16_t machine)
{
	switch (machine) {
	case EM_X86_64:
		return "x86_64";
	case EM_AARCH64:
		return "arm64";
	default:
		return "an architecture that ferry does not know";
	}
}

int stream_header_decode(const void *buf, enum stream_kind *ret_kind)
{
	const uint8_t *at = buf;
	uint32_t kind = get_u32(at + AT_KIND);

	if (memcmp(at, magic, sizeof(magic)) != 0)
		return because(-EINVAL, "this is no stream of ferry's");
	if (get_u64(at + AT_HEADER_SUM) != record_sum(at, AT_HEADER_SUM))
		return because(-EINVAL, "the stream's header is damaged");
	if (get_u16(at + AT_VERSION) != STREAM_VERSION)
		return because(-EINVAL, "a stream of version %u; this ferry reads version %u",
			       get_u16(at + AT_VERSION), STREAM_VERSION);
	if (get_u16(at + AT_ARCH) != FERRY_ELF_MACHINE)
		return because(-EINVAL, "a stream of %s; this host is %s",
			       arch_name(get_u16(at + AT_ARCH)), arch_name(FERRY_ELF_MACHINE));
	if (get_u32(at + AT_PAGE) != GUEST_PAGE_SIZE)
		return because(-EINVAL, "a stream with pages of %u bytes", get_u32(at + AT_PAGE));
	if (kind < STREAM_SNAPSHOT || kind > STREAM_URGENT || get_u32(at + AT_KIND + 4))
		return because(-EINVAL, "a stream of an unknown kind, %u", kind);
	*ret_kind = kind;
	return 0;
}

void record_encode(void *buf, const struct record *record)
{
	uint8_t *at = buf;

	put_u32(at + AT_TYPE, record->type);
	put_u32(at + AT_SIZE, record->size);
	put_u64(at + AT_A, record->a);
	put_u64(at + AT_B, record->b);
	put_u64(at + AT_PAYLOAD_SUM, record->payload_sum);
	put_u64(at + AT_RECORD_SUM, record_sum(at, AT_RECORD_SUM));
}

int record_decode(const void *buf, struct record *ret_record)
{
	const uint8_t *at = buf;
	struct record record = {
		.type = get_u32(at + AT_TYPE),
		.size = get_u32(at + AT_SIZE),
		.a = get_u64(at + AT_A),
		.b = get_u64(at + AT_B),
		.payload_sum = get_u64(at + AT_PAYLOAD_SUM),
	};

	if (get_u64(at + AT_RECORD_SUM) != record_sum(at, AT_RECORD_SUM))
		return because(-EBADMSG, "the stream is damaged: a record's header has a wrong "
					 "checksum");
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		if (types[i].type != record.type)
			continue;
		if (record.size < types[i].size_min || record.size > types[i].size_max)
			return because(-EBADMSG, "a record of %s with %u bytes", types[i].name,
				       record.size);
		if ((record.a && !(types[i].numbers & A)) || (record.b && !(types[i].numbers & B)))
			return because(-EBADMSG,
				       "a record of %s with a number that it does not have",
				       types[i].name);
		if (!(~types[i].numbers & B_FLAGS) && record.b & ~(uint64_t)HELLO_ALL)
			return because(-EBADMSG,
				       "a record of %s with flags %#llx: a newer ferry wrote it",
				       types[i].name, (unsigned long long)record.b);
		*ret_record = record;
		return 0;
	}
	return because(-EBADMSG, "a record of unknown type %#x: a newer ferry wrote it",
		       record.type);
}

int record_check_payload(const struct record *record, const void *payload)
{
	if (record_sum(payload, record->size) == record->payload_sum)
		return 0;
	return because(-EBADMSG, "the stream is damaged: a record of %s has a wrong checksum",
		       record_name(record->type));
}

const char *record_name(uint32_t type)
{
	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (types[i].type == type)
			return types[i].name;
	return "an unknown type";
}
