/* SPDX-License-Identifier: Apache-2.0 */
/* The tests that every register bank passes, present and future. */
#include "machine_for_test.h"

#include "image.h"
#include "vm/vm.h"

/* Where the machine's 32-bit BARs and its RAM begin, and where its MSIs go (src/machine). */
#ifdef __aarch64__
#define BARS 0x10000000U
#define RAM  0x40000000U
#define MSIS 0x08090040U
#define BLESSED BLESSED_DIR "/arm64-0.1"
#define HYPERV NULL
#else
#define BARS 0xc0000000U
#define RAM  0U
#define MSIS 0xfee00000U
#define BLESSED BLESSED_DIR "/x86-0.1"
#define HYPERV "default,stimer-direct,reenlightenment" /* all that adds registers */
#endif

static struct test_machine t;

/* hyperv: what the guest sees of it, or NULL. */
static void create_machine(struct test_machine *machine, const char *hyperv)
{
	test_machine_create_with(machine, (struct machine_options){
						  .kernel = GUEST_DIR "/basic/state",
						  .cmdline = "",
						  .vm.vcpus = 2,
						  .hyperv = hyperv,
						  .hyperv_engine = MACHINE_HYPERV_PORTABLE,
					  });
}

/* A machine whose guest has left traces and now spins, paused. */
static void create_used_machine(const char *hyperv)
{
	create_machine(&t, hyperv);
	test_machine_run(&t, "ready", true);
	vm_pause(t.vm);
}

static void check_every_register(const char *hyperv)
{
	static uint8_t value[REG_SIZE_MAX], again[REG_SIZE_MAX];
	struct reg_list list = { 0 };
	struct reg_file *regs;
	int r;

	create_used_machine(hyperv);
	regs = vm_regs(t.vm);
	ck_assert_int_eq(reg_file_list(regs, &list), 0);
	ck_assert_uint_gt(list.count, 100);
	for (size_t i = 0; i < list.count; i++) {
		struct reg_key key = list.entries[i].key;

		r = reg_file_get(regs, key, value);
		ck_assert_msg(r == 0, "get %s: %s", image_name_of(regs, key), error_text(r));
		r = reg_file_set(regs, key, value);
		ck_assert_msg(r == 0, "set %s: %s", image_name_of(regs, key), error_text(r));
		if (list.entries[i].flags & REG_TIME)
			continue;
		r = reg_file_get(regs, key, again);
		ck_assert_int_eq(r, 0);
		ck_assert_msg(memcmp(value, again, reg_size(key.id)) == 0,
			      "%s changed by writing what was read", image_name_of(regs, key));
	}
	reg_list_finish(&list);
	test_machine_finish(&t);
}

START_TEST(test_every_listed_register_is_read_and_written_back)
{
	check_every_register(NULL);
	if (HYPERV)
		check_every_register(HYPERV);
}
END_TEST

/* Of a list's registers, in its order. */
static char (*names_of(struct reg_file *regs, const struct reg_list *list))[128]
{
	char (*names)[128] = calloc(list->count, sizeof(*names));

	ck_assert_ptr_nonnull(names);
	for (size_t i = 0; i < list->count; i++)
		reg_file_name(regs, list->entries[i].key, names[i], sizeof(names[i]));
	return names;
}

START_TEST(test_names_are_unique_and_unknown_ids_are_refused)
{
	struct reg_list list = { 0 };
	struct reg_file *regs;
	char (*names)[128];
	uint64_t value[4];

	create_used_machine(HYPERV);
	regs = vm_regs(t.vm);
	ck_assert_int_eq(reg_file_list(regs, &list), 0);
	names = names_of(regs, &list);
	for (size_t i = 0; i < list.count; i++)
		for (size_t j = 0; j < i; j++)
			if (list.entries[i].key.vcpu == list.entries[j].key.vcpu &&
			    strcmp(names[i], names[j]) == 0)
				ck_abort_msg("two registers are called %s", names[i]);
	free(names);
	reg_list_finish(&list);
	ck_assert_int_eq(reg_file_get(regs, (struct reg_key){ REG_VM, ~0ULL }, value), -ENOENT);
	ck_assert_int_eq(reg_file_set(regs, (struct reg_key){ 99, REG_BANK(REG_BANK_CPU) }, value),
			 -ENOENT);
	test_machine_finish(&t);
}
END_TEST

static void check_saved_restored(const char *hyperv)
{
	struct image first, second;
	struct test_machine fresh;

	create_used_machine(hyperv);
	image_save(vm_regs(t.vm), &first);
	create_machine(&fresh, hyperv);
	image_restore(vm_regs(fresh.vm), &first);
	image_save(vm_regs(fresh.vm), &second);
	image_compare(vm_regs(fresh.vm), &first, &second);
	image_finish(&first);
	image_finish(&second);
	test_machine_finish(&fresh);
	test_machine_finish(&t);
}

START_TEST(test_saved_restored_saved_gives_identical_bytes)
{
	check_saved_restored(NULL);
	if (HYPERV)
		check_saved_restored(HYPERV);
}
END_TEST

/* Set B over A, in a machine that nothing has run in: what a preflight and a move do. */
static void check_replaced(struct reg_file *regs, const struct image *a, const struct image *b)
{
	struct image now;

	image_restore(regs, a);
	image_restore(regs, b);
	image_save(regs, &now);
	image_compare(regs, b, &now);
	image_finish(&now);
}

static struct machine_options everything(const struct machine_disk *disk)
{
	return (struct machine_options){
		.kernel = GUEST_DIR "/basic/state",
		.cmdline = "",
		.vm.vcpus = 2,
		.disks = disk,
		.disk_count = 1,
		.balloon = true,
		.memory = 16 * MIB,
		.memory_max = 80 * MIB,
		.console = MACHINE_CONSOLE_VIRTIO,
		.hyperv = HYPERV,
		.hyperv_engine = MACHINE_HYPERV_PORTABLE,
	};
}

/* As a driver leaves them: rings in memory, queues on, vectors routed and some pending. */
static void bring_drivers_up(struct reg_file *regs, const struct image *image)
{
	static const struct {
		const char *name;
		uint64_t value;
	} registers[] = {
		{ "pci.00:01.0.bar0", BARS + 0x8000 }, /* they have exchanged their places */
		{ "pci.00:02.0.bar0", BARS },
		{ "pci.00:02.0.bar1", BARS + 0x1000000 },
		{ "pci.00:02.0.command", 0x00100406 },
		{ "pci.00:02.0.msix_control", 0x80028811 },
		{ "msix.00:02.0.vector1", MSIS }, /* unmasked; but it may not interrupt */
		{ "msix.00:02.0.pending0", 2 },
#ifdef __aarch64__
		{ "sdei.unmasked", 1 },
		{ "sdei.event0x40000000.status", 0xb },
		{ "sdei.event0x40000000.entry", 0x40000000 },
		{ "sdei.normal.event", 0x140000000 },
		{ "sdei.normal.x17", 17 },
		{ "sdei_shared.event0x40000002.status", 1 },
		{ "sdei_shared.event0x40000002.flags", 1 },
#else
		{ "hyperv_vp.intercept_suspend", 2 },
#endif
		{ "virtio.00:01.0.queue0.size", 16 },
		{ "virtio.00:01.0.queue0.msix_vector", 1 },
		{ "virtio.00:01.0.queue0.desc", RAM + 0x100000 },
		{ "virtio.00:01.0.queue0.driver", RAM + 0x101000 },
		{ "virtio.00:01.0.queue0.device", RAM + 0x102000 },
		{ "virtio.00:01.0.queue0.last_avail", 7 },
		{ "virtio.00:01.0.queue0.used_idx", 6 },
		{ "virtio.00:01.0.queue0.enable", 1 },
		{ "virtio.00:01.0.driver_feature", 1ULL << 32 },
		{ "virtio.00:01.0.isr", 1 },
		{ "virtio.00:01.0.status", 0xf },
		{ "virtio.00:02.0.driver_feature", 1ULL << 32 },
		{ "virtio.00:02.0.status", 0x4b },
		{ "msix.00:01.0.pending0", 2 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(registers); i++) {
		struct reg_key key;
		void *at = image_find(regs, image, registers[i].name, &key);

		memcpy(at, &registers[i].value, min_u64(reg_size(key.id), 8));
	}
}

START_TEST(test_a_second_image_replaces_the_first)
{
	char path[] = "/tmp/ferry-banks-XXXXXX";
	int fd = mkstemp(path);
	const struct machine_disk disk = { .path = path };
	struct machine_options options = everything(&disk);
	struct image created, used, running;
	struct test_machine blank;

	ck_assert_int_eq(ftruncate(fd, MIB), 0);
	test_machine_create_with(&t, options);
	image_save(vm_regs(t.vm), &created);
	test_machine_run(&t, "ready", true);
	vm_pause(t.vm);
	image_save(vm_regs(t.vm), &used);
	image_save(vm_regs(t.vm), &running);
	bring_drivers_up(vm_regs(t.vm), &running);
	test_machine_finish(&t);

	options.blank = true;
	test_machine_create_with(&blank, options);
	check_replaced(vm_regs(blank.vm), &created, &used);
	check_replaced(vm_regs(blank.vm), &used, &created);
	check_replaced(vm_regs(blank.vm), &created, &running);
	check_replaced(vm_regs(blank.vm), &running, &used);
	check_replaced(vm_regs(blank.vm), &running, &created);
	test_machine_finish(&blank);
	image_finish(&created);
	image_finish(&used);
	image_finish(&running);
	close(fd);
	unlink(path);
}
END_TEST

static bool has(char (*names)[128], size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

/* The lists are of machines with a GICv3. */
static bool is_of_another_gic(const char *name)
{
#ifdef __aarch64__
	return t.vm->arch.is_gicv2 && (strncmp(name, "gic", 3) == 0 || strncmp(name, "its.", 4) == 0);
#else
	(void)name;
	return false;
#endif
}

/* A register that a release had stays, or its streams could not be restored (DESIGN 12). */
START_TEST(test_list_contains_the_blessed_list_of_each_release)
{
	struct reg_list list = { 0 };
	char line[128], (*names)[128];
	FILE *blessed = fopen(BLESSED, "r");

	ck_assert_ptr_nonnull(blessed);
	create_used_machine(NULL);
	ck_assert_int_eq(reg_file_list(vm_regs(t.vm), &list), 0);
	names = names_of(vm_regs(t.vm), &list);
	while (fgets(line, sizeof(line), blessed)) {
		line[strcspn(line, "\n")] = '\0';
		if (line[0] == '#' || line[0] == '\0')
			continue;
		ck_assert_msg(is_of_another_gic(line) || has(names, list.count, line),
			      "%s is gone", line);
	}
	fclose(blessed);
	free(names);
	reg_list_finish(&list);
	test_machine_finish(&t);
}
END_TEST

CHECK_MAIN_KVM("banks", test_every_listed_register_is_read_and_written_back,
	       test_names_are_unique_and_unknown_ids_are_refused,
	       test_saved_restored_saved_gives_identical_bytes,
	       test_a_second_image_replaces_the_first,
	       test_list_contains_the_blessed_list_of_each_release)
