/* SPDX-License-Identifier: Apache-2.0 */
/* Missing pages by userfaultfd (Documentation/admin-guide/mm/userfaultfd.rst). */
#include "mem/pager.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <ferry/error.h>

#include "base/cleanup.h"
#include "base/util.h"
#include "mem/data.h"
#include "mem/dirty.h"
#include "mem/mem_impl.h"

struct pager {
	struct mem *mem;
	const struct mem_map *map; /* whose regions are registered; kept */
	void (*fault)(void *self, gpa_t page);
	void *self;
	int uffd;
	int stop; /* eventfd: the thread ends */
	bool has_thread, can_zero;
	pthread_t thread;
	_Atomic uint64_t **asked; /* for each region a bit a page: fault() was called */
};

void pager_prepare(struct mem *mem)
{
	if (mem->uffd_device < 0)
		mem->uffd_device = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC);
}

/* A descriptor for faults in the kernel too: KVM's are such. The device is of Linux 6.1. */
static int open_userfaultfd(struct mem *mem)
{
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	if (fd >= 0)
		return fd;
	if (errno == ENOSYS)
		return because(-EOPNOTSUPP,
			       "post-copy needs userfaultfd, which this kernel has not");
	pager_prepare(mem);
	if (mem->uffd_device >= 0)
		fd = ioctl(mem->uffd_device, USERFAULTFD_IOC_NEW, O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return because(
			-EPERM,
			"post-copy needs userfaultfd: run as root, or give this user access to "
			"/dev/userfaultfd, or set sysctl vm.unprivileged_userfaultfd=1");
	return fd;
}

static int check_memory(const struct mem *mem)
{
	const struct mem_map *map = mem_map(mem);

	if (mem->page_size != GUEST_PAGE_SIZE)
		return because(-EOPNOTSUPP,
			       "post-copy needs normal pages here: leave out --hugepages");
	if (sysconf(_SC_PAGESIZE) != GUEST_PAGE_SIZE)
		return because(-EOPNOTSUPP, "post-copy needs a host with pages of %lu bytes",
			       GUEST_PAGE_SIZE);
	for (size_t i = 0; i < map->count; i++)
		if (mem_map_at(map, i)->flags & MEM_PRIVATE)
			return because(-EOPNOTSUPP,
				       "post-copy needs memory of its own, not a snapshot's");
	return 0;
}

/* Later faults shall not bring neighbours, nor khugepaged fill holes. */
static int register_region(struct pager *pager, const struct mem_region *region)
{
	struct uffdio_register range = {
		.range = { .start = (uintptr_t)region->hva, .len = region->size },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};

	madvise(region->hva, region->size, MADV_NOHUGEPAGE);
	if (ioctl(pager->uffd, UFFDIO_REGISTER, &range) < 0)
		return because(-errno, "userfaultfd for memory %s: %s", region->name,
			       strerror(errno));
	pager->can_zero &= range.ioctls >> _UFFDIO_ZEROPAGE & 1;
	return 0;
}

static int open_pager(struct pager *pager)
{
	struct uffdio_api api = { .api = UFFD_API, .features = UFFD_FEATURE_MISSING_SHMEM };
	int r = open_userfaultfd(pager->mem);

	if (r < 0)
		return r;
	pager->uffd = r;
	if (ioctl(pager->uffd, UFFDIO_API, &api) < 0)
		return because(
			-EOPNOTSUPP,
			"post-copy needs userfaultfd for shared memory, which this kernel has "
			"not");
	pager->stop = eventfd(0, EFD_CLOEXEC);
	if (pager->stop < 0)
		return -errno;
	for (size_t i = 0; i < pager->map->count; i++) {
		const struct mem_region *region = mem_map_at(pager->map, i);

		pager->asked[i] = calloc(mem_dirty_words(region), sizeof(*pager->asked[i]));
		if (!pager->asked[i])
			return -ENOMEM;
		r = register_region(pager, region);
		if (r < 0)
			return r;
	}
	return 0;
}

static bool is_missing(const struct pager *pager, const struct mem_region *region, uint64_t offset)
{
	uint64_t at = offset, len;

	return mem_next_data(pager->mem, region, offset + GUEST_PAGE_SIZE, &at, &len) != 1;
}

static void wake(const struct pager *pager, const uint8_t *hva)
{
	struct uffdio_range range = { .start = (uintptr_t)hva, .len = GUEST_PAGE_SIZE };

	ioctl(pager->uffd, UFFDIO_WAKE, &range);
}

/* Somebody waits at hva. Each vCPU reports by itself, and the page may have come meanwhile. */
static void faulted(struct pager *pager, const uint8_t *hva)
{
	for (size_t i = 0; i < pager->map->count; i++) {
		const struct mem_region *region = mem_map_at(pager->map, i);
		uint64_t offset = (uintptr_t)hva - (uintptr_t)region->hva;
		uint64_t page = offset / GUEST_PAGE_SIZE;
		uint64_t bit = 1ULL << page % 64;

		if (offset >= region->size)
			continue;
		offset = align_down(offset, GUEST_PAGE_SIZE);
		if (!is_missing(pager, region, offset))
			wake(pager, region->hva + offset);
		else if (!(atomic_fetch_or(&pager->asked[i][page / 64], bit) & bit))
			pager->fault(pager->self, region->gpa + offset);
	}
}

static void read_faults(struct pager *pager)
{
	struct uffd_msg messages[16];
	ssize_t n = read(pager->uffd, messages, sizeof(messages));

	for (ssize_t i = 0; i < n / (ssize_t)sizeof(messages[0]); i++)
		if (messages[i].event == UFFD_EVENT_PAGEFAULT)
			faulted(pager,
				(const uint8_t *)(uintptr_t)messages[i].arg.pagefault.address);
}

static void *thread_main(void *arg)
{
	struct pager *pager = arg;
	struct pollfd fds[] = {
		{ .fd = pager->uffd, .events = POLLIN },
		{ .fd = pager->stop, .events = POLLIN },
	};

	pthread_setname_np(pthread_self(), "pager");
	while (!fds[1].revents)
		if (poll(fds, ARRAY_SIZE(fds), -1) > 0 && fds[0].revents)
			read_faults(pager);
	return NULL;
}

static int start_thread(struct pager *pager)
{
	sigset_t all, old;
	int r;

	sigfillset(&all);
	sigdelset(&all, SIGSYS);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = -pthread_create(&pager->thread, NULL, thread_main, pager);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (r < 0)
		return because(r, "cannot start the pager's thread: %s", strerror(-r));
	pager->has_thread = true;
	return 0;
}

/* lock of mem held. */
static int create_locked(struct mem *mem, struct pager *pager)
{
	int r = check_memory(mem);

	if (r < 0)
		return r;
	if (mem->pager)
		return because(-EBUSY, "memory has a pager already");
	pager->map = mem_map_get(mem);
	pager->asked = calloc(pager->map->count + 1, sizeof(*pager->asked));
	if (!pager->asked)
		return -ENOMEM;
	r = open_pager(pager);
	if (r == 0)
		r = start_thread(pager);
	if (r == 0)
		mem->pager = pager;
	return r;
}

int pager_create(struct mem *mem, void (*fault)(void *self, gpa_t page), void *self,
		 struct pager **ret_pager)
{
	struct pager *pager = calloc(1, sizeof(*pager));
	int r;

	if (!pager)
		return -ENOMEM;
	*pager = (struct pager){
		.mem = mem, .fault = fault, .self = self, .uffd = -1, .stop = -1, .can_zero = true
	};
	pthread_mutex_lock(&mem->lock);
	r = create_locked(mem, pager);
	pthread_mutex_unlock(&mem->lock);
	if (r < 0)
		pager_destroy(pager);
	else
		*ret_pager = pager;
	return r;
}

bool mem_lacks_pages(struct mem *mem)
{
	bool lacks;

	pthread_mutex_lock(&mem->lock);
	lacks = mem->pager != NULL;
	pthread_mutex_unlock(&mem->lock);
	return lacks;
}

/* Not by closing the descriptor: others are using it. */
void pager_release(struct pager *pager)
{
	for (size_t i = 0; i < pager->map->count; i++) {
		const struct mem_region *region = mem_map_at(pager->map, i);
		struct uffdio_range range = { .start = (uintptr_t)region->hva, .len = region->size };

		ioctl(pager->uffd, UFFDIO_UNREGISTER, &range);
	}
}

/* Closing the descriptor unregisters all of it and wakes who waits. */
void pager_destroy(struct pager *pager)
{
	const uint64_t one = 1;

	if (!pager)
		return;
	if (pager->has_thread && write(pager->stop, &one, sizeof(one)) == sizeof(one))
		pthread_join(pager->thread, NULL);
	pthread_mutex_lock(&pager->mem->lock);
	if (pager->mem->pager == pager)
		pager->mem->pager = NULL;
	if (pager->uffd >= 0)
		close(pager->uffd);
	for (size_t i = 0; pager->asked && i < pager->map->count; i++) {
		mem_advise(pager->mem, mem_map_at(pager->map, i));
		free(pager->asked[i]);
	}
	pthread_mutex_unlock(&pager->mem->lock);
	if (pager->stop >= 0)
		close(pager->stop);
	mem_map_put(pager->map);
	free(pager->asked);
	free(pager);
}

/* One ioctl; the bytes that came to be there, or -errno. from NULL: zeros. */
static int64_t fill(const struct pager *pager, const uint8_t *to, const uint8_t *from, uint64_t len)
{
	struct uffdio_copy copy = { .dst = (uintptr_t)to, .src = (uintptr_t)from, .len = len };
	struct uffdio_zeropage zero = { .range = { .start = (uintptr_t)to, .len = len } };
	int r = from ? ioctl(pager->uffd, UFFDIO_COPY, &copy)
		     : ioctl(pager->uffd, UFFDIO_ZEROPAGE, &zero);
	int64_t filled = from ? copy.copy : zero.zeropage;

	if (r == 0)
		return (int64_t)len;
	if (errno == EAGAIN)
		return filled > 0 ? filled : 0;
	return -errno;
}

/*
 * What is there already stays, or with overwrite becomes zero. Its page is woken: who waits for it
 * may have begun to before it came by another way than from here.
 */
static int fill_all(const struct pager *pager, uint8_t *to, const uint8_t *from, uint64_t len,
		    bool overwrite)
{
	for (uint64_t done = 0; done < len;) {
		int64_t n = fill(pager, to + done, from ? from + done : NULL, len - done);

		if (n < 0 && n != -EEXIST)
			return because((int)n, "cannot place a page of memory: %s",
				       strerror((int)-n));
		if (n == -EEXIST) {
			if (overwrite)
				memset(to + done, 0, GUEST_PAGE_SIZE);
			wake(pager, to + done);
			n = GUEST_PAGE_SIZE;
		}
		done += (uint64_t)n;
	}
	return 0;
}

static int fill_zero(const struct pager *pager, uint8_t *to, uint64_t len, bool overwrite)
{
	static const uint8_t zeros[GUEST_PAGE_SIZE];
	int r = 0;

	if (pager->can_zero)
		return fill_all(pager, to, NULL, len, overwrite);
	for (uint64_t at = 0; r == 0 && at < len; at += GUEST_PAGE_SIZE)
		r = fill_all(pager, to + at, zeros, GUEST_PAGE_SIZE, overwrite);
	return r;
}

static int find_pages(const struct pager *pager, gpa_t gpa, uint64_t pages, uint8_t **ret_to)
{
	const struct mem_region *region = mem_map_find(pager->map, gpa);

	if (!region || !is_aligned(gpa, GUEST_PAGE_SIZE) ||
	    pages > region->size / GUEST_PAGE_SIZE ||
	    !range_inside(gpa - region->gpa, pages * GUEST_PAGE_SIZE, region->size))
		return because(-EFAULT, "no %llu pages of memory at %#llx to be placed",
			       (unsigned long long)pages, (unsigned long long)gpa);
	*ret_to = region->hva + (gpa - region->gpa);
	return 0;
}

int pager_place(struct pager *pager, gpa_t gpa, const void *data, uint64_t pages)
{
	uint8_t *to = NULL;
	int r = find_pages(pager, gpa, pages, &to);

	return r < 0 ? r : fill_all(pager, to, data, pages * GUEST_PAGE_SIZE, false);
}

int pager_place_zero(struct pager *pager, gpa_t gpa, uint64_t pages)
{
	uint8_t *to = NULL;
	int r = find_pages(pager, gpa, pages, &to);

	return r < 0 ? r : fill_zero(pager, to, pages * GUEST_PAGE_SIZE, false);
}

/* Asking the source for it would bring back what the guest has given away. */
int pager_discard(struct pager *pager, const struct mem_region *region, uint64_t offset,
		  uint64_t size)
{
	return fill_zero(pager, region->hva + offset, size, true);
}

bool pager_has(const struct pager *pager, const struct mem_region *region)
{
	const struct mem_region *same = mem_map_find(pager->map, region->gpa);

	return same && same->id == region->id;
}

int pager_missing(struct pager *pager, const struct mem_region *region, uint64_t *bitmap)
{
	uint64_t at = 0, pages = region->size / GUEST_PAGE_SIZE, len;
	int r;

	memset(bitmap, 0xff, mem_dirty_words(region) * sizeof(*bitmap));
	if (pages % 64)
		bitmap[pages / 64] = (1ULL << pages % 64) - 1;
	while ((r = mem_next_data(pager->mem, region, region->size, &at, &len)) == 1)
		for (uint64_t end = at + len; at < end; at += GUEST_PAGE_SIZE)
			bitmap[at / GUEST_PAGE_SIZE / 64] &= ~(1ULL << at / GUEST_PAGE_SIZE % 64);
	return r;
}

static int repeat_region(struct pager *pager, size_t i)
{
	const struct mem_region *region = mem_map_at(pager->map, i);
	AUTO_FREE uint64_t *missing = calloc(mem_dirty_words(region), sizeof(*missing));
	int r = missing ? pager_missing(pager, region, missing) : -ENOMEM;

	if (r < 0)
		return r;
	for (uint64_t word = 0; word < mem_dirty_words(region); word++) {
		uint64_t wanted = missing[word] & atomic_load(&pager->asked[i][word]);

		for (; wanted; wanted &= wanted - 1)
			pager->fault(pager->self,
				     region->gpa + (word * 64 + (unsigned)__builtin_ctzll(wanted)) *
							   GUEST_PAGE_SIZE);
	}
	return 0;
}

int pager_repeat(struct pager *pager)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < pager->map->count; i++)
		r = repeat_region(pager, i);
	return r;
}
