/* SPDX-License-Identifier: Apache-2.0 */
/* A sparse file that holds memory, each region at its offset. */
#ifndef MIGRATE_MEMORY_FILE_H
#define MIGRATE_MEMORY_FILE_H

#include <stdint.h>

#include "migrate/copier.h"

struct memory_file {
	const struct mem *mem;
	int fd;
	/* Pages that follow each other, not written yet. */
	const uint8_t *from;
	uint64_t offset, size;
};

/* An empty file becomes as large as mem's own, all of it a hole. What ftruncate(2) says, with a text. */
int memory_file_begin(const struct memory_file *file);
void memory_file_close(struct memory_file *file);

struct page_sink memory_file_sink(struct memory_file *file);

#endif
