/* SPDX-License-Identifier: Apache-2.0 */
/* The stream's header and records as bytes: STREAM.md, sections 2 to 4. */
#ifndef MIGRATE_RECORD_H
#define MIGRATE_RECORD_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#define STREAM_VERSION 1

/* What a stream is for: the header's kind. */
enum stream_kind {
	STREAM_SNAPSHOT = 1, /* the file "state" of a snapshot */
	STREAM_CONTROL = 2,  /* a migration's first connection */
	STREAM_DATA = 3,     /* one more, for memory */
	STREAM_URGENT = 4,   /* one more, for pages that a guest waits for */
};

enum record_type {
	/* What a VM consists of. */
	RECORD_MACHINE = 0x01,
	RECORD_REGIONS = 0x02,
	RECORD_NAMES = 0x03,
	RECORD_REGISTERS = 0x04,
	RECORD_MEMORY_FILE = 0x05,
	RECORD_DISKS = 0x06,
	RECORD_END = 0x0f,
	/* Memory. */
	RECORD_PAGES = 0x10,
	RECORD_ZERO = 0x11,
	RECORD_REPEATED = 0x12,
	RECORD_ZSTD = 0x13,
	/* Disks. */
	RECORD_DISK_BLOCKS = 0x18,
	RECORD_DISK_SYNC = 0x19,
	/* The conversation. */
	RECORD_HELLO = 0x20,
	RECORD_CHECK = 0x21,
	RECORD_VERDICT = 0x22,
	RECORD_MEMORY_FD = 0x23,
	RECORD_DONE = 0x24,
	RECORD_LOADED = 0x25,
	RECORD_RUN = 0x26,
	RECORD_RUNNING = 0x27,
	RECORD_ABORT = 0x28,
	RECORD_CONNECTIONS = 0x29,
	/* Post-copy. */
	RECORD_MISSING = 0x30,
	RECORD_REQUEST = 0x31,
	RECORD_COMPLETE = 0x32,
};

#define STREAM_HEADER_SIZE 32
#define RECORD_HEADER_SIZE 40
#define RECORD_PAYLOAD_MAX (4U << 20)

struct record {
	uint32_t type; /* enum record_type */
	uint32_t size; /* of the payload, bytes; at most RECORD_PAYLOAD_MAX */
	uint64_t a, b; /* what they are depends on the type */
	uint64_t payload_sum;
};

/* Little-endian words at any address. */
uint32_t get_u32(const void *at);
uint64_t get_u64(const void *at);
void put_u32(void *at, uint32_t value);
void put_u64(void *at, uint64_t value);

/* XXH3, 64 bits, of a payload. */
uint64_t record_sum(const void *payload, size_t size);

/* buf has STREAM_HEADER_SIZE bytes. */
void stream_header_encode(void *buf, enum stream_kind kind);
/*
 * 0, and *ret_kind. -EINVAL with a text: no stream of ferry's, another version, another architecture,
 * another page size, damaged.
 */
int stream_header_decode(const void *buf, enum stream_kind *ret_kind);

/* buf has RECORD_HEADER_SIZE bytes; payload_sum is filled in by the caller. */
void record_encode(void *buf, const struct record *record);
/*
 * A header as it was received. -EBADMSG with a text: damaged, of an unknown type, or of a size or
 * with a number that the type cannot have. Everything but the payload has been checked after it.
 */
int record_decode(const void *buf, struct record *ret_record);
/* -EBADMSG: not what was sent. */
int record_check_payload(const struct record *record, const void *payload);

/* "registers", for messages; "record 0x…" for types that are none. */
const char *record_name(uint32_t type);

#endif
