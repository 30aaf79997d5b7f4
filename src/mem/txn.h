/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changes of the memory map, several at once or one: all of them happen, or none. Nothing else
 * changes the map.
 *
 *   struct mem_txn txn;
 *
 *   mem_txn_begin(&txn, mem);
 *   mem_txn_unmap(&txn, …);
 *   mem_txn_map(&txn, …);
 *   r = mem_txn_commit(&txn);
 *
 * Steps are noted and made by the commit, in their order, each on the map that the steps before it
 * leave. A step that failed already makes the commit fail with its error; so it is enough to look
 * at the commit's. A transaction belongs to one thread, which holds no lock of mem meanwhile; any
 * number of them may be made at the same time, by any thread, a vCPU's in a device's operation
 * included.
 *
 * All or nothing: when KVM or the host refuses a step, those before it are taken back in reverse
 * order. Then the map, KVM's slots and their numbers are what they were, and so is every bit that
 * mem_dirty_collect() tells; only a region whose log had been switched off for a moment is told
 * wholly. The error is the refusal's and its text says which memory. Should KVM refuse to take a
 * change back too, the error is -ENOTRECOVERABLE and its text lists what is left where; the map
 * then shows what KVM has.
 *
 * A running guest sees the map before the commit or the one after it: with an unmap, a move or a
 * protect step the vCPUs are kept out of KVM_RUN (struct mem_guard) while KVM is told, and only
 * then. Additions and the log do not stop it, nor does one region that is unmapped alone: KVM does
 * that in one piece. What it wrote until then is told by mem_dirty_collect(), of the same region, or
 * of those that have the same pages when that one is gone.
 *
 * Threads that read the map see the picture before or after too, and wait for nothing; nor does a
 * commit wait for them. It costs what its steps do, however many regions it leaves alone; the log's
 * step, and KVM's plugging, are of all regions.
 *
 * A page over the middle of RAM, which the guest finds there instead (Xen's overlays), is four steps;
 * ram is the region as mem_map_find() tells it, at the page's place, and hva ram's address of it:
 *
 *   mem_txn_unmap(&txn, ram.gpa);
 *   mem_txn_map_alias(&txn, ram.name, ram.gpa, at - ram.gpa, 0, ram.hva);
 *   mem_txn_map(&txn, "overlay", at, GUEST_PAGE_SIZE, 0);
 *   mem_txn_map_alias(&txn, ram.name, at + GUEST_PAGE_SIZE, end - at - GUEST_PAGE_SIZE, 0,
 *		       hva + GUEST_PAGE_SIZE);
 *
 * Later ones move it, or take it away and map memory in its place. What it hides is freed, as Xen
 * does (XENMEM_add_to_physmap), unless the transaction maps an alias of it somewhere else.
 *
 * While the map is pinned (mem/window.h: somebody copies memory) the steps that change the guest's
 * own memory in it are refused. mem_change_begin(), where it is used, comes before everything here.
 */
#ifndef MEM_TXN_H
#define MEM_TXN_H

#include "mem/mem.h"

struct mem_step;

/* The caller owns the storage; what is in it is mem's. */
struct mem_txn {
	struct mem *mem;
	struct mem_step *steps;
	size_t count, capacity;
	int failed; /* the first step's error */
	char *text; /* and its text */
};

void mem_txn_begin(struct mem_txn *txn, struct mem *mem);

/*
 * As mem_map_ram(). The memory is taken from the host now, so that the commit need not, except in
 * the window (mem/window.h): there the commit takes it, and -EBUSY says that an earlier step of it
 * unmaps what is at the place.
 */
int mem_txn_map(struct mem_txn *txn, const char *name, gpa_t gpa, uint64_t size, unsigned flags);

/*
 * Maps pages that mem has already, at gpa too: hva is the host's address (mem_ptr()) of a page in a
 * region of the map, or in one that this transaction unmaps; size bytes from there, which may go on
 * in another region where that shares a neighbour's pages. They are freed when no region of the map
 * has them any more. Each of the regions tells the writes made through it.
 *   -EFAULT  no such pages, or they are the window's
 *   -EINVAL  gpa is in the window
 *   -EBUSY   pages may be missing (mem/pager.h)
 * and as mem_txn_map()
 */
int mem_txn_map_alias(struct mem_txn *txn, const char *name, gpa_t gpa, uint64_t size,
		      unsigned flags, const void *hva);

/*
 * Maps size bytes of a file from offset on, a device's memory and not the guest's own (MEM_FOREIGN):
 * the guest loads and stores there, and ferry does not; nobody copies it, and no write to it is told.
 * So it may come, move and go while the map is pinned. The file is shared, and stays the caller's.
 *   -errno  of mmap(2), -EINVAL; and as mem_txn_map()
 */
int mem_txn_map_file(struct mem_txn *txn, const char *name, gpa_t gpa, uint64_t size,
		     unsigned flags, int fd, uint64_t offset);

/* The region that begins at gpa goes, and its pages are freed. -ENOENT. */
int mem_txn_unmap(struct mem_txn *txn, gpa_t gpa);

/*
 * The region that begins at gpa is at `to` afterwards, with its content. -ENOENT, -EEXIST; -EINVAL,
 * also when one of the places is in the window.
 */
int mem_txn_move(struct mem_txn *txn, gpa_t gpa, gpa_t to);

/* The region that begins at gpa becomes MEM_READONLY, or is not any more. -ENOENT. */
int mem_txn_protect(struct mem_txn *txn, gpa_t gpa, bool readonly);

/*
 * Dirty tracking of all memory, as mem_dirty_start() and mem_dirty_stop(). On: -EBUSY, -EOPNOTSUPP.
 * Off without on is harmless.
 */
int mem_txn_log(struct mem_txn *txn, bool on);

/*
 * Makes the steps, in the order given. 0, and the map is the new one; or as above. The transaction
 * is over either way. Errors besides: -ENOMEM; -EBUSY: the map is pinned; what mem_guard.stop() says.
 */
int mem_txn_commit(struct mem_txn *txn);

/* Instead of a commit: nothing has happened. */
void mem_txn_abort(struct mem_txn *txn);

#endif
