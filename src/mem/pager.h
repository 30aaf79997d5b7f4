/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pages that are not here yet (post-copy): whoever touches one waits until it was placed. That is the
 * guest, KVM, and every thread of ferry that reads or writes guest memory; so the threads that place
 * pages wait for nobody who might.
 */
#ifndef MEM_PAGER_H
#define MEM_PAGER_H

#include "mem/mem.h"

struct pager;

/*
 * Makes whole pages missing for the pager that is made next (and zero as long as there is none).
 * Before the guest runs. The range lies in one region.
 *   -EFAULT   -EOPNOTSUPP as below   -EBUSY a huge page stays and so the pages are zero, not missing
 */
int mem_drop(struct mem *mem, gpa_t gpa, uint64_t len);

/* Opens what pager_create() needs, for who may open nothing later. It may turn out then that it lacks. */
void pager_prepare(struct mem *mem);

/*
 * Pages that are present stay as they are: drop before what is not valid, and that is everything that
 * was not received or was dirtied since. "Never written" is not enough: a huge page has brought its
 * neighbours, as zeros. While there is a pager mem_discard() stores zeros; memory that is mapped new
 * is not missing.
 *
 * A thread of the pager's own calls fault(self, gpa) for each page that somebody waits for, once;
 * gpa is the page's. fault() may be called before this function returns, and may place pages.
 *   -EPERM       userfaultfd is not permitted; the text says what to do
 *   -EOPNOTSUPP  huge pages, or memory that was adopted privately; an old kernel
 *   -EBUSY       there is a pager
 */
int pager_create(struct mem *mem, void (*fault)(void *self, gpa_t page), void *self,
		 struct pager **ret_pager);

/*
 * Puts pages there and wakes who waits. Any thread. A page that is already there is not replaced, and
 * that is no error. gpa is a page's; the range lies in one region, or the answer is -EFAULT.
 * A placed zero page takes memory: place only those somebody waits for.
 */
int pager_place(struct pager *pager, gpa_t gpa, const void *data, uint64_t pages);
int pager_place_zero(struct pager *pager, gpa_t gpa, uint64_t pages);

/* Sets in bitmap (as in mem/dirty.h) the bits of the pages that are missing, and clears the others. */
int pager_missing(struct pager *pager, const struct mem_region *region, uint64_t *bitmap);

/* Calls fault() again, from this thread, for what was asked for and is missing: after a new connection. */
int pager_repeat(struct pager *pager);

/* Whether there is a pager: pages may be missing. Any thread. */
bool mem_lacks_pages(struct mem *mem);

/*
 * What is missing will not come: who waits goes on, and finds zeros. Any thread; placing fails from here
 * on. For memory that nobody will use.
 */
void pager_release(struct pager *pager);

/*
 * Missing pages read as zero from here, and nobody waits any more. NULL is harmless. Before
 * mem_finish(), and before anyone waits for a thread that may be waiting for a page: not every kernel
 * lets a vCPU be interrupted while it does.
 */
void pager_destroy(struct pager *pager);

#endif
