/* SPDX-License-Identifier: Apache-2.0 */
/* Memory behind a PCI BAR: where the guest puts it, and where it is in a machine that takes it over. */
#include "dev/shmem.h"

#include "machine/machine_for_test.h"

#include <sys/mman.h>
#include <sys/stat.h>

#include "machine/image.h"
#include "mem/dirty.h"
#include "mem/tree.h"
#include "mem/txn.h"
#include "mem/window.h"
#include "vm/vm.h"

#define SIZE	MIB
#ifdef __aarch64__
#define PLACE_A 0x18000000U /* guest/pci/bar.c */
#define RAM	GIB
#else
#define RAM	0
#define PLACE_A 0xc8000000U
#endif
#define WORD	0x600dda7aU

static struct test_machine t;
static char path[64];
static uint32_t *words; /* the file, as another program has it */

static struct machine_options options_of(const char *cmdline)
{
	return (struct machine_options){
		.kernel = GUEST_DIR "/pci/bar",
		.cmdline = cmdline,
		.vm.vcpus = 2,
		.shmem = path,
		.shmem_size = SIZE,
	};
}

static void begin(void)
{
	int fd;

	strcpy(path, "/tmp/ferry-shmem-XXXXXX");
	fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, SIZE), 0);
	words = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ck_assert_ptr_ne(words, MAP_FAILED);
	close(fd);
	words[0] = WORD;
}

static void finish(void)
{
	munmap(words, SIZE);
	unlink(path);
}

static const struct mem_region *memory_of(struct test_machine *machine)
{
	const struct mem_map *map = mem_map(vm_mem(machine->vm));

	return mem_tree_at(map->foreign, 0);
}

static unsigned moves(void)
{
	const char *text = getenv("FERRY_TEST_SLOWDOWN");

	return text && atoi(text) > 1 ? 20 : 500;
}

START_TEST(test_the_memory_is_where_the_bar_says_while_another_cpu_reads_it)
{
	char cmdline[32];

	begin();
	snprintf(cmdline, sizeof(cmdline), "moves=%u", moves());
	test_machine_create_with(&t, options_of(cmdline));
	test_machine_run(&t, NULL, true);
	ck_assert_str_eq(t.console, "moved\n");
	ck_assert_uint_eq(words[0], WORD);
	ck_assert_uint_eq(words[1], 2 * moves());
	ck_assert_uint_eq(memory_of(&t)->gpa, PLACE_A);
	/* It is nobody's but the guest's and the file's. */
	ck_assert_ptr_null(mem_map_find(mem_map(vm_mem(t.vm)), PLACE_A));
	ck_assert_ptr_null(mem_ptr(vm_mem(t.vm), PLACE_A, 1));
	ck_assert_int_eq(mem_discard(vm_mem(t.vm), PLACE_A, SIZE), -EFAULT);
	ck_assert_uint_lt(mem_total(vm_mem(t.vm)), 16 * MIB + SIZE);
	test_machine_finish(&t);
	finish();
}
END_TEST

START_TEST(test_a_machine_that_takes_it_over_has_the_memory_there)
{
	struct test_machine there;
	struct image image;

	begin();
	test_machine_create_with(&t, options_of("moves=1"));
	test_machine_run(&t, NULL, true);
	image_save(vm_regs(t.vm), &image);
	test_machine_create_with(&there, options_of(""));
	ck_assert_uint_ne(memory_of(&there)->gpa, PLACE_A);
	/* As whoever carries a guest does: the guest's own memory stays where it is from now on. */
	mem_pin(vm_mem(there.vm));
	image_restore(vm_regs(there.vm), &image);
	mem_unpin(vm_mem(there.vm));
	ck_assert_uint_eq(memory_of(&there)->gpa, PLACE_A);
	ck_assert_uint_eq(*(uint32_t *)memory_of(&there)->hva, WORD);
	image_finish(&image);
	test_machine_finish(&there);
	test_machine_finish(&t);
	finish();
}
END_TEST

START_TEST(test_it_moves_while_memory_is_copied_and_the_rest_does_not)
{
	struct mem *mem;
	struct mem_txn txn;
	const struct mem_map *pinned;
	gpa_t gpa;

	begin();
	test_machine_create_with(&t, options_of(""));
	mem = vm_mem(t.vm);
	gpa = memory_of(&t)->gpa;
	ck_assert_int_eq(mem_dirty_start(mem), 0);
	mem_pin(mem);
	pinned = mem_map_pinned(mem);
	for (unsigned i = 0; i < 10; i++) {
		mem_txn_begin(&txn, mem);
		mem_txn_move(&txn, gpa, PLACE_A);
		mem_txn_move(&txn, PLACE_A, gpa);
		ck_assert_int_eq(mem_txn_commit(&txn), 0);
		ck_assert_ptr_eq(mem_map_pinned(mem), pinned);
	}
	ck_assert_ptr_ne(mem_map(mem), pinned);
	ck_assert_int_eq(mem_unmap(mem, RAM), -EBUSY);
	mem_unpin(mem);
	ck_assert_int_eq(mem_dirty_stop(mem), 0);
	test_machine_finish(&t);
	finish();
}
END_TEST

static int create(uint64_t size)
{
	struct machine_options options = options_of("");
	struct machine *machine = NULL;
	int r;

	options.vm.name = "test";
	options.memory = 16 * MIB;
	options.shmem_size = size;
	r = machine_create(&options, &machine);
	machine_destroy(machine);
	return r;
}

START_TEST(test_a_file_that_does_not_fit_is_refused)
{
	struct stat st;

	begin();
	ck_assert_int_eq(create(SIZE), 0);
	ck_assert_int_eq(create(SIZE / 2), 0);
	ck_assert_int_eq(create(2 * SIZE), -EINVAL);
	ck_assert_ptr_nonnull(strstr(error_text(-EINVAL), "1048576 bytes"));
	ck_assert_int_eq(create(3 * GUEST_PAGE_SIZE), -EINVAL);
	ck_assert_int_eq(create(128 * GIB), -EINVAL);
	unlink(path);
	ck_assert_int_eq(create(SIZE), 0);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_size, SIZE);
	finish();
}
END_TEST

CHECK_MAIN_KVM("shared memory", test_the_memory_is_where_the_bar_says_while_another_cpu_reads_it,
	       test_a_machine_that_takes_it_over_has_the_memory_there,
	       test_it_moves_while_memory_is_copied_and_the_rest_does_not,
	       test_a_file_that_does_not_fit_is_refused)
