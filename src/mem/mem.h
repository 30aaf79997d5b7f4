/* SPDX-License-Identifier: Apache-2.0 */
/* Guest memory: what the guest can load and store without leaving the CPU. */
#ifndef MEM_MEM_H
#define MEM_MEM_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint64_t gpa_t; /* guest physical address; cannot be dereferenced */
typedef uint64_t gva_t; /* guest virtual address */

#define GUEST_PAGE_SIZE 4096UL

enum mem_flags {
	MEM_READONLY = 1 << 0, /* the guest's stores exit as MMIO; the host may write */
	/* mem's own: a copy-on-write mapping of struct mem's file, see mem/adopt.h. */
	MEM_PRIVATE = 1 << 1,
	/* mem's own: pages of another region, which it does not own, see mem/txn.h. */
	MEM_ALIAS = 1 << 2,
	/* mem's own: addresses and bitmap are the window's, see mem/window.h. */
	MEM_WINDOW = 1 << 3,
	/* mem's own: pages of somebody's file, not the guest's own memory, see mem_txn_map_file(). */
	MEM_FOREIGN = 1 << 4,
};

struct mem_body;
struct mem_node;
struct mem_record;

/*
 * mem's own: the regions that a picture has beside its trees, by gpa, each with how many of the
 * tree's lie below it. They are those that came last; so what soon goes again costs no tree.
 */
#define MEM_RECENT_MAX 4
struct mem_recent {
	unsigned count;
	uint32_t below[MEM_RECENT_MAX];
	struct mem_record *records[MEM_RECENT_MAX];
};

struct mem_region {
	const char *name; /* static storage */
	gpa_t gpa;
	uint64_t size;
	uint8_t *hva;
	uint64_t offset; /* in the memory's file, or in the snapshot's */
	uint32_t slot;	 /* KVM's number of it */
	unsigned flags;	 /* enum mem_flags */
	_Atomic uint64_t *dirty; /* a bit a page: what ferry wrote, see mem/dirty.h */
	uint64_t id;		 /* the same however it is moved or protected; never used again */
	struct mem_body *body;	 /* mem's own: what it has of the host */
};

/*
 * An immutable picture of the map, sorted by gpa. Pictures share what they have in common, so the
 * next one costs what changes, and a picture keeps its regions' host addresses and bitmaps, mapped
 * or not: they go with the last picture that has them. (What is read at the address of a region
 * that was unmapped is no memory of the guest's.) The current picture stays
 *
 *   between mem_look_begin() and mem_look_end(): for what is over soon, and does not cross a turn
 *   from mem_map_get() to mem_map_put(): for what is kept or begun (queues, chains, the pager)
 *   while the map cannot change: under lock, before the guest runs
 *   while it is pinned (mem/window.h), as mem_map_pinned()
 *
 * None of it makes a change wait. What is said of regions here and elsewhere, count and total
 * included, is said of the guest's own: who copies memory, reads it or tells its writes does not meet
 * those that are MEM_FOREIGN.
 */
struct mem_map {
	size_t count;
	size_t aliases; /* how many regions are MEM_ALIAS */
	uint64_t total; /* sum of all sizes, bytes */
	/* mem's own, see mem/tree.h; foreign ones are never among the recent. */
	_Atomic unsigned refs;
	struct mem_recent recent;
	struct mem_node *by_gpa;
	struct mem_node *by_hva, *aliases_by_hva; /* all but the aliases, and those */
	struct mem_node *foreign; /* by gpa */
	struct mem_map *next; /* retired; mem's lock */
};

struct mem_range {
	gpa_t gpa;
	uint64_t len;
};

/* See mem/window.h. Of size 0: there is none. */
struct mem_window {
	gpa_t gpa;
	uint64_t size;
	uint8_t *hva;
	uint64_t offset;	 /* in the memory's file */
	_Atomic uint64_t *dirty; /* of all regions inside */
};

/*
 * What keeps the vCPUs out while the guest's memory is being taken apart; whoever runs them sets it
 * before they run. stop() returns when none is in KVM_RUN, and none enters until go() was called as
 * often. Any thread, also a vCPU's own between two KVM_RUN. stop() may fail; go() cannot.
 */
struct mem_guard {
	int (*stop)(void *self);
	void (*go)(void *self);
	void *self;
};

/*
 * lock serialises writers from the first look at the map to the publication of the next one, and
 * what changes pages or slots without the guest; it is held across KVM's ioctls, and nothing is taken
 * nor guest memory that may be missing (mem/pager.h) touched under it. Readers take no lock: they load
 * `map` where it stays for them (struct mem_map).
 *
 * The order: change (mem/window.h), guard.stop(), then lock. Never stop() under lock: a vCPU may be
 * waiting in KVM_RUN for a missing page, and who brings the page, or gives it up, may take lock.
 * Held by: a transaction's commit (and shortly by its map steps), collecting and clearing of dirty
 * pages, discarding, the pager's coming and going. Whoever holds it waits for no vCPU.
 */
struct mem {
	int vm_fd;
	int memfd;
	uint64_t memfd_size; /* lock: what regions have got of it */
	uint64_t memfd_end;  /* lock: how long the file is; it cannot shrink */
	uint64_t page_size; /* of the backing: 4096, or the huge page size */
	bool prealloc;
	bool is_unplugged; /* lock: KVM has not been told of any region, see struct mem_options */
	uint32_t max_slots;
	pthread_mutex_t lock;
	_Atomic(struct mem_map *) map; /* written under lock */
	struct mem_readers *readers;   /* see mem/readers.h */
	struct mem_pool *pool;	       /* lock */
	uint64_t last_id;	       /* lock */
	uint64_t *slots;	       /* lock: a bit for each of max_slots in use */
	uint32_t first_slot;	       /* lock: none below it is free */
	struct mem_guard guard;	    /* stop NULL: no vCPU runs */
	int file;    /* of MEM_PRIVATE regions, or -1 */
	int uffd_device; /* /dev/userfaultfd, once pager_prepare() has opened it, or -1 */
	int pagemap; /* /proc/self/pagemap when there are such and it can be read, or -1 */
	unsigned pieces; /* mappings that MEM_PRIVATE regions are cut into; lock */

	atomic_bool tracked; /* see mem/dirty.h */
	atomic_bool stop_failed; /* tracked, but nobody wants it any more */
	bool manual_protect; /* lock: KVM's log is cleared by KVM_CLEAR_DIRTY_LOG */
	bool initially_set;  /* lock: and a new one tells everything */
	struct mem_range *always; /* lock: the pages that are always dirty */
	size_t always_count;	  /* lock */

	struct pager *pager; /* lock: see mem/pager.h */

	struct mem_window window; /* lock, and fixed once it is there */
	pthread_mutex_t change;	  /* see mem_change_begin(); lock is taken under it */
	unsigned pins;		  /* written under change and lock, read under one of them */
	const struct mem_map *pinned; /* likewise: what it was when it was pinned first */
};

struct mem_options {
	const char *name;       /* of the memfd, as /proc shows it */
	uint64_t hugepage_size; /* 0: normal pages; else 2 MiB or 1 GiB */
	bool prealloc;          /* touch every page before mem_map_ram() returns */
	/*
	 * KVM is told of memory by mem_plug(), after mem_adopt(): it looks through all of a slot whose
	 * addresses are mapped anew.
	 */
	bool unplugged;
};

/* vm_fd: where slots are set; -1 for memory without a guest (tests, tools). */
int mem_init(struct mem *mem, int vm_fd, uint32_t max_slots, const struct mem_options *options);
void mem_finish(struct mem *mem);

/*
 * Adds size bytes of new, zero memory at gpa. Both are multiples of the page size of the backing.
 *   -EEXIST  overlaps another region (the text names it)
 *   -EINVAL  not aligned, empty, or wraps
 *   -ENOMEM  the host has not that much (huge pages, prealloc); the text says what to do
 *   -ENOSPC  no slot is left
 * On failure the map is what it was. More than one change at once: mem/txn.h.
 */
int mem_map_ram(struct mem *mem, const char *name, gpa_t gpa, uint64_t size, unsigned flags);

/*
 * Sets the slots of memory that was made unplugged, in a transaction (mem/txn.h); of other memory
 * they are set. What KVM says; all of it is as unplugged as before then, and it may be tried again,
 * even when KVM keeps a part (-ENOTRECOVERABLE): there is no guest yet.
 */
int mem_plug(struct mem *mem);

/* Takes the region that begins at gpa away from the guest and frees its pages. -ENOENT. */
int mem_unmap(struct mem *mem, gpa_t gpa);

/* The current picture; never NULL after mem_init(). How long it stays: struct mem_map. */
const struct mem_map *mem_map(const struct mem *mem);

/* Any thread; they may be nested, and end on the thread where they began. */
unsigned mem_look_begin(const struct mem *mem);
void mem_look_end(const struct mem *mem, unsigned look);

/* The current picture, kept until it is put; one more of one that is kept. NULL may be put. Any
 * thread. */
const struct mem_map *mem_map_get(const struct mem *mem);
const struct mem_map *mem_map_keep(const struct mem_map *map);
void mem_map_put(const struct mem_map *map);

/* The i-th region, by gpa. The one that has the byte at gpa, or any that has it at hva; or NULL. */
const struct mem_region *mem_map_at(const struct mem_map *map, size_t i);
const struct mem_region *mem_map_find(const struct mem_map *map, gpa_t gpa);
const struct mem_region *mem_map_find_hva(const struct mem_map *map, const void *hva);

/* Sum of the sizes of all regions, bytes. */
uint64_t mem_total(const struct mem *mem);

/*
 * The host's address of [gpa, gpa + len), or NULL when that is not wholly inside one region (len 0
 * included). The guest can change the bytes at any time: copy in once, then validate the copy.
 * mem_ptr_rw() is for whoever will write there: it is NULL for read-only regions. The address is good
 * as long as the picture that it is from; mem_map_ptr() is for who keeps another than the current.
 */
const void *mem_ptr(const struct mem *mem, gpa_t gpa, uint64_t len);
void *mem_ptr_rw(struct mem *mem, gpa_t gpa, uint64_t len);
void *mem_map_ptr(const struct mem_map *map, gpa_t gpa, uint64_t len, bool writable);

/* Copies; may cross from one region into the next. -EFAULT: not all of it is memory; none copied. */
int mem_read(const struct mem *mem, gpa_t gpa, void *buf, uint64_t len);
int mem_write(struct mem *mem, gpa_t gpa, const void *buf, uint64_t len);

/*
 * Takes the pages of [gpa, gpa + len) from the host now, instead of by a fault for each: for what will
 * all be used. Where the kernel can (MADV_COLLAPSE, Linux 6.1), they become transparent huge pages,
 * and then whole ones around the range too; guest and host walk shorter page tables there. Content
 * stays. Advice: what cannot be had is left as it was.
 */
void mem_populate(struct mem *mem, gpa_t gpa, uint64_t len);
/* Likewise, and small pages only: what lies beside them stays without pages. */
void mem_populate_pages(struct mem *mem, gpa_t gpa, uint64_t len);

/* Gives whole pages inside [gpa, gpa + len) back to the host; they read as zero. -EFAULT, -errno. */
int mem_discard(struct mem *mem, gpa_t gpa, uint64_t len);

#endif
