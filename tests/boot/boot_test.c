/* SPDX-License-Identifier: Apache-2.0 */
/* Whole boots: what lies in memory afterwards, and what is said of files that cannot be booted. */
#include "boot/boot.h"

#include <errno.h>

#include <abi/bootparams.h>
#include <abi/pvh.h>

#include "boot/boot_fixture.h"
#include "check_main.h"

static struct machine m;

/* Loads and compares all memory above 1 MiB with what the segments and the relocations say. */
static void boots_right(uint64_t ram, enum packing packing, bool table, bool kaslr)
{
	struct bytes elf = make_vmlinux(true), file, expected;
	struct relocs relocs;
	uint64_t delta;

	make_relocs(&relocs, true, 5);
	file = make_kernel(packing, true, table ? &relocs : NULL);
	machine_init(&m, ram);
	m.options.kaslr = kaslr;
	ck_assert_msg(machine_load(&m, &file) == 0, "%d: %s", packing, error_text(0));
	ck_assert_int_eq(m.entry.mode, BOOT_PVH);
	delta = m.entry.pc - PVH_ENTRY;
	ck_assert_uint_eq(delta % (2 * MIB_SIZE), 0);
	ck_assert((kaslr && table) || delta == 0);
	expected = expect_kernel(&elf, table ? &relocs : NULL, delta);
	check_memory(&m, MIB_SIZE, ram, LINK_START + delta, &expected);
	mem_finish(&m.mem);
	free(elf.data);
	free(file.data);
	free(expected.data);
}

START_TEST(test_every_format_loads_to_the_same_memory)
{
	for (int packing = 0; packing < PACKINGS; packing++) {
		boots_right(32 * MIB_SIZE, packing, true, false);
		boots_right(32 * MIB_SIZE, packing, true, true);
		boots_right(32 * MIB_SIZE, packing, false, true);
		/* No room to unpack in place: the table lies past the end of memory. */
		boots_right(LINK_END, packing, true, true);
	}
}
END_TEST

START_TEST(test_kaslr_uses_the_memory_there_is)
{
	struct bytes file;
	struct relocs relocs;
	unsigned seen = 0;

	make_relocs(&relocs, true, 5);
	file = make_kernel(PACK_GZIP, true, &relocs);
	for (int i = 0; i < 60; i++) {
		machine_init(&m, 24 * MIB_SIZE);
		m.options.kaslr = true;
		ck_assert_int_eq(machine_load(&m, &file), 0);
		seen |= 1u << (m.entry.pc - PVH_ENTRY) / (2 * MIB_SIZE);
		mem_finish(&m.mem);
	}
	/* Four places, of which 60 throws leave one out once in ten million times. */
	ck_assert_uint_eq(seen, 0xf);
	free(file.data);
}
END_TEST

START_TEST(test_nokaslr_on_the_command_line_is_obeyed)
{
	static const char *const off[] = { "nokaslr", "a nokaslr b", "a nokaslr" };
	struct bytes file;
	struct relocs relocs;
	unsigned moved = 0;

	make_relocs(&relocs, true, 5);
	file = make_kernel(PACK_GZIP, true, &relocs);
	for (int i = 0; i < 36; i++) {
		machine_init(&m, 64 * MIB_SIZE);
		m.options.kaslr = true;
		m.options.cmdline = i < 18 ? off[i % 3] : "nokaslrx xnokaslr";
		ck_assert_int_eq(machine_load(&m, &file), 0);
		ck_assert(i >= 18 || m.entry.pc == PVH_ENTRY);
		moved += m.entry.pc != PVH_ENTRY;
		mem_finish(&m.mem);
	}
	ck_assert_uint_gt(moved, 5);
	free(file.data);
}
END_TEST

START_TEST(test_pvh_finds_start_info_as_the_protocol_says)
{
	const struct hvm_memmap_table_entry *memmap;
	const struct hvm_start_info *info;
	struct bytes file = make_elf32(true);

	machine_init(&m, 16 * MIB_SIZE);
	ck_assert_int_eq(machine_load(&m, &file), 0);
	ck_assert_int_eq(m.entry.mode, BOOT_PVH);
	ck_assert_uint_eq(m.entry.pc, 0x200010);
	info = mem_ptr(&m.mem, m.entry.arg, sizeof(*info));
	ck_assert_uint_eq(info->magic, 0x336ec578);
	ck_assert_uint_eq(info->version, 1);
	ck_assert_uint_eq(info->nr_modules, 0);
	ck_assert_uint_eq(info->rsdp_paddr, 0xe0000);
	ck_assert_str_eq(mem_ptr(&m.mem, info->cmdline_paddr, 16), "console=ttyS0");
	ck_assert_uint_eq(info->memmap_entries, 3);
	memmap = mem_ptr(&m.mem, info->memmap_paddr, 3 * sizeof(*memmap));
	ck_assert_uint_eq(memmap[1].addr, 0xe0000);
	ck_assert_uint_eq(memmap[1].type, 2);
	ck_assert_uint_eq(memmap[2].size, 15 * MIB_SIZE);
	mem_finish(&m.mem);
	free(file.data);
}
END_TEST

START_TEST(test_initrds_are_joined_and_padded_at_the_top)
{
	char one[32], two[32];
	const char *paths[] = { path_of("abcde", 5, one), path_of("fgh", 3, two) };
	const struct hvm_modlist_entry *module;
	const struct hvm_start_info *info;
	struct bytes file = make_elf32(true);

	machine_init(&m, 16 * MIB_SIZE);
	m.options.initrds = paths;
	m.options.initrd_count = 2;
	ck_assert_int_eq(machine_load(&m, &file), 0);
	info = mem_ptr(&m.mem, m.entry.arg, sizeof(*info));
	ck_assert_uint_eq(info->nr_modules, 1);
	module = mem_ptr(&m.mem, info->modlist_paddr, sizeof(*module));
	ck_assert_uint_eq(module->paddr, 16 * MIB_SIZE - 4096);
	ck_assert_uint_eq(module->size, 11);
	ck_assert(memcmp(mem_ptr(&m.mem, module->paddr, 12), "abcde\0\0\0fgh\0", 12) == 0);
	mem_finish(&m.mem);
	free(file.data);
}
END_TEST

START_TEST(test_without_a_note_the_64_bit_protocol_is_used)
{
	struct bytes file;
	struct relocs relocs;
	const struct linux_boot_params *params;
	char initrd[32];
	const char *path = path_of("initrd", 6, initrd);

	make_relocs(&relocs, true, 5);
	file = make_kernel(PACK_LZ4, false, &relocs);
	for (int kaslr = 0; kaslr < 2; kaslr++) {
		machine_init(&m, 64 * MIB_SIZE);
		m.options.kaslr = kaslr;
		m.options.initrds = &path;
		m.options.initrd_count = 1;
		ck_assert_int_eq(machine_load(&m, &file), 0);
		ck_assert_int_eq(m.entry.mode, BOOT_LINUX64);
		ck_assert_uint_eq((m.entry.pc - START_ENTRY) % (2 * MIB_SIZE), 0);
		ck_assert_uint_ne(m.entry.scratch, 0);
		params = mem_ptr(&m.mem, m.entry.arg, sizeof(*params));
		ck_assert_uint_eq(params->acpi_rsdp_addr, 0xe0000);
		ck_assert_uint_eq(params->hdr.header, 0x53726448);
		ck_assert_uint_eq(params->hdr.version, 0x020f);
		ck_assert_uint_eq(params->hdr.type_of_loader, 0xff);
		ck_assert_uint_eq(params->hdr.loadflags, 1 | kaslr << 1);
		ck_assert_uint_eq(params->hdr.ramdisk_image, 64 * MIB_SIZE - 4096);
		ck_assert_uint_eq(params->hdr.ramdisk_size, 6);
		ck_assert_str_eq(mem_ptr(&m.mem, params->hdr.cmd_line_ptr, 16), "console=ttyS0");
		ck_assert_uint_eq(params->e820_entries, 3);
		ck_assert_uint_eq(params->e820_table[1].addr, 0xe0000);
		ck_assert_uint_eq(params->e820_table[2].type, 1);
		mem_finish(&m.mem);
	}
	free(file.data);
}
END_TEST

START_TEST(test_a_plain_vmlinux_boots_both_ways)
{
	for (int pvh = 0; pvh < 2; pvh++) {
		struct bytes file = make_vmlinux(pvh), expected = expect_kernel(&file, NULL, 0);

		machine_init(&m, 32 * MIB_SIZE);
		m.options.kaslr = true;
		ck_assert_int_eq(machine_load(&m, &file), 0);
		ck_assert_int_eq(m.entry.mode, pvh ? BOOT_PVH : BOOT_LINUX64);
		ck_assert_uint_eq(m.entry.pc, pvh ? PVH_ENTRY : START_ENTRY);
		check_memory(&m, MIB_SIZE, 32 * MIB_SIZE, LINK_START, &expected);
		mem_finish(&m.mem);
		free(file.data);
		free(expected.data);
	}
}
END_TEST

/* What is said of a kernel that is no kernel. */
static void refused(const void *data, size_t size, const char *word)
{
	struct bytes file = bytes_make(size > 64 ? size : 64);

	memcpy(file.data, data, size);
	machine_init(&m, 16 * MIB_SIZE);
	ck_assert_int_eq(machine_load(&m, &file), -ENOEXEC);
	ck_assert_msg(strstr(error_text(0), word), "%s", error_text(0));
	ck_assert_msg(strncmp(error_text(0), "kernel /proc/self/fd/", 21) == 0, "%s",
		      error_text(0));
	mem_finish(&m.mem);
	free(file.data);
}

START_TEST(test_foreign_files_are_named)
{
	uint8_t arm64[64] = "MZ";
	struct bytes elf32 = make_elf32(false);

	memcpy(arm64 + 0x38, "ARM\x64", 4);
	refused(arm64, sizeof(arm64), "arm64");
	refused("MZ\0\0zimg", 8, "another machine");
	refused("MZ", 2, "EFI program");
	refused("\x1f\x8b\x08", 3, "gzip");
	refused("070701", 6, "initrd");
	refused("#!/bin/sh", 9, "not a kernel");
	refused(elf32.data, elf32.size, "32-bit");
	free(elf32.data);
}
END_TEST

START_TEST(test_elf32_without_a_note_may_be_entered_flat)
{
	struct bytes file = make_elf32(false);

	machine_init(&m, 16 * MIB_SIZE);
	m.options.flat = true;
	ck_assert_int_eq(machine_load(&m, &file), 0);
	ck_assert_int_eq(m.entry.mode, BOOT_PVH);
	ck_assert_uint_ne(m.entry.pc, 0);
	mem_finish(&m.mem);
	free(file.data);
}
END_TEST

static void refused_path(const char *path, int err, const char *word)
{
	machine_init(&m, 16 * MIB_SIZE);
	m.options.kernel = path;
	ck_assert_int_eq(boot_load(&m.mem, &m.options, &m.entry), err);
	ck_assert_msg(strstr(error_text(0), word) && strstr(error_text(0), path), "%s",
		      error_text(0));
	mem_finish(&m.mem);
}

START_TEST(test_what_is_not_a_file_is_named)
{
	char path[32];

	refused_path("/", -EISDIR, "directory");
	refused_path("/nonexistent", -ENOENT, "No such file");
	refused_path("/dev/null", -EINVAL, "regular");
	refused_path(path_of("", 0, path), -ENOEXEC, "empty");
}
END_TEST

START_TEST(test_what_does_not_fit_is_refused)
{
	const char *initrd[] = { "/proc/self/exe" };
	struct bytes file = make_kernel(PACK_ZSTD, true, NULL), low = make_elf32(true);

	/* A kernel larger than memory, one below 1 MiB, an initrd larger than memory. */
	machine_init(&m, 16 * MIB_SIZE);
	ck_assert_int_eq(machine_load(&m, &file), -ENOSPC);
	ck_assert_ptr_nonnull(strstr(error_text(0), "more memory"));
	((Elf32_Phdr *)(low.data + sizeof(Elf32_Ehdr)))->p_paddr = 0x8000;
	put_note(&(uint8_t *){ low.data + 0x1800 }, "Xen", 18, &(uint32_t){ 0x8010 }, 4);
	ck_assert_int_eq(machine_load(&m, &low), -ENOSPC);
	ck_assert_ptr_nonnull(strstr(error_text(0), "below 1 MiB"));
	mem_finish(&m.mem);
	machine_init(&m, MIB_SIZE + 4096);
	m.options.initrds = initrd;
	m.options.initrd_count = 1;
	ck_assert_int_eq(machine_load(&m, &low), -ENOSPC);
	ck_assert_ptr_nonnull(strstr(error_text(0), "initrd"));
	initrd[0] = "/nonexistent";
	ck_assert_int_eq(machine_load(&m, &low), -ENOENT);
	ck_assert_ptr_nonnull(strstr(error_text(0), "initrd /nonexistent"));
	mem_finish(&m.mem);
	free(file.data);
	free(low.data);
}
END_TEST

START_TEST(test_a_command_line_longer_than_the_kernel_takes_is_refused)
{
	char cmdline[2049];
	struct bytes file = make_kernel(PACK_NONE, true, NULL);

	memset(cmdline, 'x', sizeof(cmdline));
	cmdline[2048] = '\0';
	machine_init(&m, 32 * MIB_SIZE);
	m.options.cmdline = cmdline;
	ck_assert_int_eq(machine_load(&m, &file), -E2BIG);
	mem_finish(&m.mem);
	machine_init(&m, 32 * MIB_SIZE);
	m.options.cmdline = cmdline + 1;
	ck_assert_int_eq(machine_load(&m, &file), 0);
	mem_finish(&m.mem);
	free(file.data);
}
END_TEST

/* FERRY_TEST_VMLINUX: what Linux scripts/extract-vmlinux makes of FERRY_TEST_KERNEL. */
static void compare_with_vmlinux(const char *path, uint64_t ram)
{
	struct bytes before = bytes_make(ram);

	memcpy(before.data, mem_ptr(&m.mem, 0, ram), ram);
	mem_finish(&m.mem);
	machine_init(&m, ram);
	m.options.kernel = path;
	ck_assert_msg(boot_load(&m.mem, &m.options, &m.entry) == 0, "%s", error_text(0));
	ck_assert(memcmp(before.data + MIB_SIZE, mem_ptr(&m.mem, MIB_SIZE, ram - MIB_SIZE),
			 ram - MIB_SIZE) == 0);
	free(before.data);
}

/* Without a kernel in the environment there is nothing to prove, and the lab boots real ones. */
START_TEST(test_the_kernel_in_the_environment_loads)
{
	const uint64_t ram = 256 * MIB_SIZE;
	const char *vmlinux = getenv("FERRY_TEST_VMLINUX");

	if (!getenv("FERRY_TEST_KERNEL"))
		return;
	for (int kaslr = 1; kaslr >= 0; kaslr--) {
		machine_init(&m, ram);
		m.options.kernel = getenv("FERRY_TEST_KERNEL");
		m.options.kaslr = kaslr;
		ck_assert_msg(boot_load(&m.mem, &m.options, &m.entry) == 0, "%s", error_text(0));
		if (vmlinux && !kaslr)
			compare_with_vmlinux(vmlinux, ram);
		mem_finish(&m.mem);
	}
}
END_TEST

CHECK_MAIN("boot", test_every_format_loads_to_the_same_memory, test_kaslr_uses_the_memory_there_is,
	   test_nokaslr_on_the_command_line_is_obeyed,
	   test_pvh_finds_start_info_as_the_protocol_says,
	   test_initrds_are_joined_and_padded_at_the_top,
	   test_without_a_note_the_64_bit_protocol_is_used, test_a_plain_vmlinux_boots_both_ways,
	   test_foreign_files_are_named, test_elf32_without_a_note_may_be_entered_flat, test_what_is_not_a_file_is_named,
	   test_what_does_not_fit_is_refused,
	   test_a_command_line_longer_than_the_kernel_takes_is_refused,
	   test_the_kernel_in_the_environment_loads)
