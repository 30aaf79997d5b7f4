/* SPDX-License-Identifier: Apache-2.0 */
/* A machine whose guest (guest/basic/writer.c) writes the pages that a test tells it to. */
#ifndef TESTS_MEM_WRITER_H
#define TESTS_MEM_WRITER_H

#include "machine/machine_for_test.h"

#include <ferry/bus.h>
#include <sched.h>
#include <stdatomic.h>

#include "mem/mem.h"

#define PAGE	    GUEST_PAGE_SIZE
/* Where the guest asks, and where its RAM begins: guest/basic/writer.c, guest/basic/arm64/writer.c. */
#ifdef __aarch64__
#define WRITER_BASE 0x0f000000
#define WRITER_BUS  vm_mmio
#define WRITER_RAM  GIB
#else
#define WRITER_BASE 0x1000
#define WRITER_BUS  vm_pio
#define WRITER_RAM  0ULL
#endif
#define WRITER_NONE 0xffffffffU
#define WRITER_READ 0x80000000U

struct writer {
	struct test_machine t;
	struct mem *mem;
	pthread_mutex_t lock; /* what is asked for, and how far that is, change together */
	uint32_t first;
	_Atomic uint32_t count;	 /* asked for: first, first + 1, … */
	_Atomic uint32_t served; /* atomic: of count, those that the guest was given */
	_Atomic uint32_t done;	 /* atomic: those whose write has retired */
	_Atomic uint32_t word;	 /* what was in the last page */
};

static void writer_read(void *self, uint64_t offset, void *data, unsigned len)
{
	struct writer *w = self;
	uint32_t page = WRITER_NONE;

	(void)offset;
	pthread_mutex_lock(&w->lock);
	/* That it asks again says that what it was given before has been written. */
	atomic_store(&w->done, w->served);
	if (w->served < atomic_load(&w->count))
		page = w->first + w->served++;
	pthread_mutex_unlock(&w->lock);
	memcpy(data, &page, len);
}

static void writer_write(void *self, uint64_t offset, const void *data, unsigned len)
{
	struct writer *w = self;
	uint32_t word = 0;

	(void)offset;
	memcpy(&word, data, len);
	atomic_store(&w->word, word);
}

static const struct bus_ops writer_ops = { .read = writer_read, .write = writer_write };

static inline void writer_start(struct writer *w, struct machine_options options)
{
	memset(w, 0, sizeof(*w));
	pthread_mutex_init(&w->lock, NULL);
	options.kernel = GUEST_DIR "/basic/writer";
	options.vm.vcpus = 1;
	test_machine_create_with(&w->t, options);
	w->mem = vm_mem(w->t.vm);
	ck_assert_int_eq(bus_add(WRITER_BUS(w->t.vm), "test", WRITER_BASE, 8, &writer_ops, w), 0);
}

/* Lets it write count pages from first on (numbers of pages), and goes on at once. */
static inline void writer_ask(struct writer *w, uint32_t first, uint32_t count)
{
	pthread_mutex_lock(&w->lock);
	w->first = first;
	w->served = 0;
	w->done = 0;
	atomic_store(&w->count, count);
	pthread_mutex_unlock(&w->lock);
}

/* The guest runs all the time, so this has its bound in the test's time limit. */
static inline void writer_wait(struct writer *w)
{
	while (atomic_load(&w->done) < atomic_load(&w->count))
		sched_yield();
	atomic_store(&w->count, 0);
}

static inline void writer_do(struct writer *w, uint32_t first, uint32_t count)
{
	writer_ask(w, first, count);
	writer_wait(w);
}

static inline void writer_finish(struct writer *w)
{
	test_machine_finish(&w->t);
}

#endif
