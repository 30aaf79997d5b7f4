/* SPDX-License-Identifier: Apache-2.0 */
/* Where a VM has memory, as a record: STREAM.md, section 5. */
#ifndef MIGRATE_REGIONS_H
#define MIGRATE_REGIONS_H

#include <stdbool.h>

#include "migrate/stream.h"

struct buffer;
struct mem;
struct verdict;

/* The table of mem's regions as a record of one of the types that carry it. -ENOMEM. */
int regions_send(const struct stream *stream, enum record_type type, const struct mem *mem);

/* The payload of such a record, appended to a buffer. -EBADMSG: not a table. */
int regions_receive(const struct stream *stream, const struct record *record,
		    struct buffer *table);

/*
 * Compares a table with the memory that is here: every difference is a refusal. with_offsets: also
 * where each region lies in the memory's file.
 */
void regions_compare(const struct buffer *table, const struct mem *mem, bool with_offsets,
		     struct verdict *verdict);

#endif
