/* SPDX-License-Identifier: Apache-2.0 */
/* The table of disks and the head of their records: STREAM.md, sections 5 and 6. */
#ifndef MIGRATE_STORES_H
#define MIGRATE_STORES_H

#include "migrate/guest.h"
#include "migrate/stream.h"

struct buffer;
struct verdict;

#define STORE_ID_SIZE 16 /* with its NUL */

/* The number of a record of blocks whose other one is the offset. */
#define STORE_NUMBER_SHIFT 48
#define STORE_LENGTH_MASK  ((1ULL << STORE_NUMBER_SHIFT) - 1)

/* -EINVAL: more disks than a table has room for, or a longer id. */
int stores_send(const struct stream *stream, const struct migrate_guest *guest);
/* Receives such a record, appended to an empty buffer. -EBADMSG: not a table of disks. */
int stores_receive(const struct stream *stream, struct buffer *ret_table);

/* What a table that was received says. */
unsigned stores_table_count(const struct buffer *table);
uint64_t stores_table_size(const struct buffer *table, unsigned number);
/* The table's, with its NUL. */
const char *stores_table_id(const struct buffer *table, unsigned number);

/* Every difference between the table and the disks that are here is a refusal. */
void stores_compare(const struct buffer *table, const struct migrate_guest *guest,
		    struct verdict *verdict);

/* The sizes' sum. */
uint64_t stores_total(const struct migrate_guest *guest);

#endif
