/* SPDX-License-Identifier: Apache-2.0 */
/* Missing pages: who waits, who is asked, what comes, and what is left when the pager goes. */
#include "mem/pager.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <ferry/error.h>

#include "base/util.h"
#include "check_main.h"
#include "mem/adopt.h"
#include "mem/data.h"

#define PAGE	GUEST_PAGE_SIZE
#define ASKED	64
#define THREADS 4

static struct mem mem;
static struct pager *pager;

static struct {
	pthread_mutex_t lock;
	pthread_cond_t more;
	gpa_t pages[ASKED];
	unsigned count;
	bool serve; /* place what is asked for at once, filled with its page number */
} asked = { .lock = PTHREAD_MUTEX_INITIALIZER, .more = PTHREAD_COND_INITIALIZER };

static void fault(void *self, gpa_t page)
{
	uint8_t data[PAGE];

	ck_assert_ptr_eq(self, &asked);
	pthread_mutex_lock(&asked.lock);
	asked.pages[asked.count++ % ASKED] = page;
	pthread_cond_broadcast(&asked.more);
	pthread_mutex_unlock(&asked.lock);
	memset(data, (int)(page / PAGE), sizeof(data));
	if (asked.serve)
		ck_assert_int_eq(pager_place(pager, page, data, 1), 0);
}

static void init(void)
{
	struct mem_options options = { .name = "test" };

	ck_assert_int_eq(mem_init(&mem, -1, 8, &options), 0);
	ck_assert_int_eq(mem_map_ram(&mem, "low", 0, 4 * MIB, 0), 0);
	ck_assert_int_eq(mem_map_ram(&mem, "high", 4 * GIB, MIB, 0), 0);
}

static void create(void)
{
	int r = pager_create(&mem, fault, &asked, &pager);

	ck_assert_msg(r == 0, "%s", error_text(r));
}

static void finish(void)
{
	pager_destroy(pager);
	mem_finish(&mem);
}

/* A thread that reads a byte. */
struct reader {
	pthread_t thread;
	gpa_t gpa;
	uint8_t byte;
};

static void *read_byte(void *arg)
{
	struct reader *reader = arg;

	ck_assert_int_eq(mem_read(&mem, reader->gpa, &reader->byte, 1), 0);
	return NULL;
}

static void start_reading(struct reader *reader, gpa_t gpa)
{
	reader->gpa = gpa;
	reader->byte = 0xff;
	ck_assert_int_eq(pthread_create(&reader->thread, NULL, read_byte, reader), 0);
}

static uint8_t end_reading(struct reader *reader)
{
	pthread_join(reader->thread, NULL);
	return reader->byte;
}

/* Check's own limit bounds it. */
static unsigned asked_count(void)
{
	unsigned count;

	pthread_mutex_lock(&asked.lock);
	count = asked.count;
	pthread_mutex_unlock(&asked.lock);
	return count;
}

static void wait_asked(unsigned count)
{
	pthread_mutex_lock(&asked.lock);
	while (asked.count < count)
		pthread_cond_wait(&asked.more, &asked.lock);
	pthread_mutex_unlock(&asked.lock);
}

static uint8_t peek(gpa_t gpa)
{
	return *(const uint8_t *)mem_ptr(&mem, gpa, 1);
}

START_TEST(test_who_touches_a_missing_page_waits_for_it)
{
	uint8_t data[PAGE];
	struct reader reader;

	init();
	create();
	memset(data, 7, sizeof(data));
	start_reading(&reader, 4 * GIB + 5 * PAGE + 9);
	wait_asked(1);
	ck_assert_uint_eq(asked.pages[0], 4 * GIB + 5 * PAGE);
	ck_assert_uint_eq(reader.byte, 0xff);
	ck_assert_int_eq(pager_place(pager, 4 * GIB + 5 * PAGE, data, 1), 0);
	ck_assert_uint_eq(end_reading(&reader), 7);
	ck_assert_uint_eq(asked_count(), 1);
	finish();
}
END_TEST

START_TEST(test_a_page_is_asked_for_once_however_many_wait)
{
	struct reader readers[THREADS];
	struct reader other;

	init();
	create();
	for (unsigned i = 0; i < THREADS; i++)
		start_reading(&readers[i], 3 * PAGE + i);
	wait_asked(1);
	start_reading(&other, 9 * PAGE); /* behind all of them, most likely */
	wait_asked(2);
	ck_assert_int_eq(pager_place_zero(pager, 3 * PAGE, 1), 0);
	for (unsigned i = 0; i < THREADS; i++)
		ck_assert_uint_eq(end_reading(&readers[i]), 0);
	ck_assert_int_eq(pager_place_zero(pager, 9 * PAGE, 1), 0);
	end_reading(&other);
	ck_assert_uint_eq(asked_count(), 2);
	ck_assert_uint_eq(asked.pages[0], 3 * PAGE);
	ck_assert_uint_eq(asked.pages[1], 9 * PAGE);
	finish();
}
END_TEST

START_TEST(test_fault_may_place_the_page)
{
	init();
	asked.serve = true;
	create();
	for (gpa_t page = 0; page < 50; page++)
		ck_assert_uint_eq(peek(page * PAGE + 5), page);
	mem_write(&mem, 60 * PAGE + 10, "x", 1);
	ck_assert_uint_eq(peek(60 * PAGE + 9), 60);
	ck_assert_uint_eq(peek(60 * PAGE + 10), 'x');
	ck_assert_uint_eq(asked_count(), 51);
	finish();
}
END_TEST

START_TEST(test_a_page_that_is_there_is_not_replaced)
{
	uint8_t data[4 * PAGE];

	init();
	mem_write(&mem, 2 * PAGE, "here", 5);
	create();
	memset(data, 1, sizeof(data));
	ck_assert_int_eq(pager_place(pager, PAGE, data, 4), 0);
	ck_assert_uint_eq(peek(PAGE), 1);
	ck_assert_str_eq(mem_ptr(&mem, 2 * PAGE, 5), "here");
	ck_assert_uint_eq(peek(3 * PAGE), 1);
	ck_assert_uint_eq(peek(5 * PAGE - 1), 1);
	ck_assert_int_eq(pager_place_zero(pager, 0, 16), 0);
	ck_assert_uint_eq(peek(0), 0);
	ck_assert_uint_eq(peek(3 * PAGE), 1);
	ck_assert_uint_eq(peek(15 * PAGE), 0);
	ck_assert_uint_eq(asked_count(), 0);
	finish();
}
END_TEST

START_TEST(test_pages_that_are_not_memory_are_refused)
{
	uint8_t data[2 * PAGE] = { 0 };

	init();
	create();
	ck_assert_int_eq(pager_place(pager, 8 * MIB, data, 1), -EFAULT);
	ck_assert_int_eq(pager_place(pager, 4 * MIB - PAGE, data, 2), -EFAULT);
	ck_assert_int_eq(pager_place(pager, PAGE + 1, data, 1), -EFAULT);
	ck_assert_int_eq(pager_place(pager, 0, data, 1ULL << 52), -EFAULT);
	ck_assert_int_eq(pager_place_zero(pager, 4 * GIB, MIB / PAGE + 1), -EFAULT);
	ck_assert_int_eq(pager_place_zero(pager, 4 * GIB, MIB / PAGE), 0);
	finish();
}
END_TEST

START_TEST(test_missing_pages_are_known)
{
	const struct mem_region *low;
	uint64_t bitmap[16];

	init();
	low = mem_map_at(mem_map(&mem), 0);
	mem_write(&mem, 3 * PAGE, "x", 1);
	create();
	ck_assert_int_eq(pager_place_zero(pager, 64 * PAGE, 65), 0);
	ck_assert_int_eq(pager_missing(pager, low, bitmap), 0);
	ck_assert_uint_eq(bitmap[0], ~(1ULL << 3));
	ck_assert_uint_eq(bitmap[1], 0);
	ck_assert_uint_eq(bitmap[2], ~1ULL);
	ck_assert_uint_eq(bitmap[15], ~0ULL);
	finish();
}
END_TEST

START_TEST(test_what_is_waited_for_can_be_asked_for_again)
{
	struct reader readers[2];

	init();
	create();
	start_reading(&readers[0], 5 * PAGE);
	wait_asked(1);
	start_reading(&readers[1], 4 * GIB + 70 * PAGE);
	wait_asked(2);
	ck_assert_int_eq(pager_repeat(pager), 0);
	ck_assert_uint_eq(asked_count(), 4);
	ck_assert_uint_eq(asked.pages[2], 5 * PAGE);
	ck_assert_uint_eq(asked.pages[3], 4 * GIB + 70 * PAGE);
	ck_assert_int_eq(pager_place_zero(pager, 5 * PAGE, 1), 0);
	ck_assert_int_eq(pager_repeat(pager), 0);
	ck_assert_uint_eq(asked_count(), 5);
	ck_assert_uint_eq(asked.pages[4], 4 * GIB + 70 * PAGE);
	ck_assert_int_eq(pager_place_zero(pager, 4 * GIB + 70 * PAGE, 1), 0);
	end_reading(&readers[0]);
	end_reading(&readers[1]);
	finish();
}
END_TEST

START_TEST(test_who_waits_for_what_will_not_come_goes_on)
{
	static const uint8_t data[PAGE] = { 1 };
	struct reader reader;

	init();
	create();
	start_reading(&reader, 5 * PAGE);
	wait_asked(1);
	pager_release(pager);
	end_reading(&reader);
	ck_assert_int_lt(pager_place(pager, 6 * PAGE, data, 1), 0);
	start_reading(&reader, 7 * PAGE);
	end_reading(&reader);
	finish();
}
END_TEST

START_TEST(test_nobody_waits_when_the_pager_is_gone)
{
	struct reader reader;

	init();
	create();
	start_reading(&reader, 5 * PAGE);
	wait_asked(1);
	pager_destroy(pager);
	ck_assert_uint_eq(end_reading(&reader), 0);
	ck_assert_uint_eq(peek(6 * PAGE), 0);
	pager_destroy(NULL);
	create(); /* there can be another */
	pager_destroy(pager);
	mem_finish(&mem);
}
END_TEST

START_TEST(test_dropped_pages_are_missing_again)
{
	init();
	memset(mem_ptr_rw(&mem, 0, 4 * MIB), 1, 4 * MIB);
	ck_assert_int_eq(mem_drop(&mem, 3 * PAGE, 2 * PAGE), 0);
	asked.serve = true;
	create();
	ck_assert_uint_eq(peek(2 * PAGE), 1);
	ck_assert_uint_eq(peek(3 * PAGE), 3);
	ck_assert_uint_eq(peek(4 * PAGE), 4);
	ck_assert_uint_eq(peek(5 * PAGE), 1);
	ck_assert_uint_eq(asked_count(), 2);
	ck_assert_int_eq(mem_drop(&mem, 1, PAGE), -EFAULT);
	ck_assert_int_eq(mem_drop(&mem, 4 * MIB - PAGE, 2 * PAGE), -EFAULT);
	ck_assert_int_eq(mem_drop(&mem, 8 * MIB, PAGE), -EFAULT);
	finish();
}
END_TEST

/* MADV_COLLAPSE makes huge pages whatever the host's settings say. */
START_TEST(test_part_of_a_huge_page_is_dropped)
{
	init();
	memset(mem_ptr_rw(&mem, 2 * MIB, PAGE), 1, PAGE);
	mem_populate(&mem, 2 * MIB, 2 * MIB);
	memset(mem_ptr_rw(&mem, 2 * MIB, 2 * MIB), 1, 2 * MIB);
	ck_assert_int_eq(mem_drop(&mem, 3 * MIB, 5 * PAGE), 0);
	asked.serve = true;
	create();
	ck_assert_uint_eq(peek(3 * MIB - 1), 1);
	ck_assert_uint_eq(peek(3 * MIB + 4 * PAGE), (3 * MIB / PAGE + 4) % 256);
	ck_assert_uint_eq(peek(3 * MIB + 5 * PAGE), 1);
	ck_assert_uint_eq(asked_count(), 1);
	finish();
}
END_TEST

START_TEST(test_discarded_pages_are_zero_and_asked_for_by_nobody)
{
	struct mem_region gone;
	uint64_t at = 0, len;

	init();
	memset(mem_ptr_rw(&mem, PAGE, PAGE), 1, PAGE);
	create();
	ck_assert_int_eq(mem_discard(&mem, 0, 3 * PAGE), 0);
	for (gpa_t gpa = 0; gpa < 3 * PAGE; gpa += PAGE)
		ck_assert(page_is_zero(mem_ptr(&mem, gpa, PAGE)));
	ck_assert_int_eq(mem_map_ram(&mem, "new", GIB, MIB, 0), 0);
	ck_assert_uint_eq(peek(GIB), 0);
	ck_assert_int_eq(mem_discard(&mem, GIB, MIB), 0);
	ck_assert_uint_eq(peek(GIB), 0);
	gone = *mem_map_at(mem_map(&mem), 2);
	ck_assert_int_eq(mem_unmap(&mem, 4 * GIB), 0);
	ck_assert_int_eq(mem_next_data(&mem, &gone, gone.size, &at, &len), 0);
	ck_assert_uint_eq(asked_count(), 0);
	finish();
}
END_TEST

START_TEST(test_only_one_pager_and_only_for_memory_of_its_own)
{
	struct pager *second = NULL;
	FILE *file = tmpfile();
	int fd = dup(fileno(file));

	init();
	create();
	ck_assert_int_eq(pager_create(&mem, fault, &asked, &second), -EBUSY);
	ck_assert_ptr_nonnull(strstr(error_text(-EBUSY), "has a pager already"));
	ck_assert_ptr_null(second);
	pager_destroy(pager);
	ck_assert_int_eq(ftruncate(fd, 5 * MIB), 0);
	ck_assert_int_eq(mem_adopt(&mem, fd, MEM_ADOPT_PRIVATE), 0);
	ck_assert_int_eq(pager_create(&mem, fault, &asked, &second), -EOPNOTSUPP);
	ck_assert_int_eq(mem_drop(&mem, 0, PAGE), -EOPNOTSUPP);
	mem_finish(&mem);
	fclose(file);
}
END_TEST

START_TEST(test_who_may_not_is_told_what_to_do)
{
	FILE *sysctl = fopen("/proc/sys/vm/unprivileged_userfaultfd", "r");
	int allowed = sysctl ? getc(sysctl) : '0';

	if (sysctl)
		fclose(sysctl);
	if (geteuid() != 0 || allowed == '1')
		return;
	init();
	ck_assert_int_eq(seteuid(65534), 0);
	ck_assert_int_eq(pager_create(&mem, fault, &asked, &pager), -EPERM);
	ck_assert_ptr_nonnull(strstr(error_text(-EPERM), "vm.unprivileged_userfaultfd"));
	ck_assert_int_eq(seteuid(0), 0);
	mem_finish(&mem);
}
END_TEST

/* Threads touch everything while others place everything: nobody stays behind, and nobody sees
 * wrong. */
static void *touch_all(void *arg)
{
	unsigned step = *(const unsigned *)arg;

	for (uint64_t i = 0; i < 1024; i++) {
		uint64_t page = i * step % 1024;

		if (peek(page * PAGE + 100) != page % 256)
			return (void *)1;
	}
	return NULL;
}

START_TEST(test_placing_and_touching_at_once_leaves_nobody_behind)
{
	static unsigned steps[THREADS] = { 1, 7, 13, 1023 };
	pthread_t threads[THREADS];
	uint8_t data[4 * PAGE];
	void *wrong;

	init();
	asked.serve = true;
	create();
	for (unsigned i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, touch_all, &steps[i]), 0);
	for (uint64_t page = 0; page < 1024; page += 4) {
		for (unsigned i = 0; i < 4; i++)
			memset(data + i * PAGE, (int)(page + i), PAGE);
		ck_assert_int_eq(pager_place(pager, page * PAGE, data, 4), 0);
	}
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(threads[i], &wrong);
		ck_assert_ptr_null(wrong);
	}
	finish();
}
END_TEST

CHECK_SUITE("pager", test_who_touches_a_missing_page_waits_for_it,
	    test_a_page_is_asked_for_once_however_many_wait, test_fault_may_place_the_page,
	    test_a_page_that_is_there_is_not_replaced, test_pages_that_are_not_memory_are_refused,
	    test_missing_pages_are_known, test_what_is_waited_for_can_be_asked_for_again,
	    test_who_waits_for_what_will_not_come_goes_on,
	   test_nobody_waits_when_the_pager_is_gone, test_dropped_pages_are_missing_again,
	    test_part_of_a_huge_page_is_dropped,
	    test_discarded_pages_are_zero_and_asked_for_by_nobody,
	    test_only_one_pager_and_only_for_memory_of_its_own, test_who_may_not_is_told_what_to_do,
	    test_placing_and_touching_at_once_leaves_nobody_behind)

/* Not everyone may have userfaultfd: exit status 77 then, and the reason. */
int main(void)
{
	struct mem_options options = { .name = "probe" };
	int r = mem_init(&mem, -1, 1, &options);

	if (r == 0)
		r = mem_map_ram(&mem, "probe", 0, PAGE, 0);
	if (r == 0)
		r = pager_create(&mem, fault, &asked, &pager);
	if (r < 0) {
		printf("skipped: %s\n", error_text(r));
		return 77;
	}
	finish();
	return run_suite();
}
