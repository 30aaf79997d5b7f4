/* SPDX-License-Identifier: Apache-2.0 */
/* ELF kernels, sound and damaged. */
#include "boot/vmlinux.h"

#include <errno.h>

#include <ferry/error.h>

#include "boot/images.h"
#include "check_main.h"

static struct vmlinux vmlinux;

static int parse(const struct bytes *file)
{
	struct image image;

	image_init_memory(&image, file->data, file->size);
	return vmlinux_parse(&image, image.size, &vmlinux);
}

static int find_pvh(const struct bytes *file)
{
	struct image image;
	int err = parse(file);

	image_init_memory(&image, file->data, file->size);
	return err < 0 ? err : vmlinux_find_pvh(&image, &vmlinux);
}

static Elf64_Phdr *phdr(struct bytes *file, unsigned i)
{
	return (Elf64_Phdr *)(file->data + sizeof(Elf64_Ehdr)) + i;
}

/* What find_pvh() says of a kernel with one header changed; the text must hold the word. */
#define REFUSED(change, word)                                                                 \
	do {                                                                                  \
		struct bytes file = make_vmlinux(true);                                       \
		Elf64_Ehdr *ehdr = (Elf64_Ehdr *)file.data;                                   \
		Elf64_Phdr *p = phdr(&file, 0);                                               \
                                                                                              \
		(void)ehdr;                                                                   \
		(void)p;                                                                      \
		change;                                                                       \
		ck_assert_int_eq(find_pvh(&file), -ENOEXEC);                                  \
		ck_assert_msg(strstr(error_text(0), word), "%s: %s", #change, error_text(0)); \
		free(file.data);                                                              \
	} while (0)

START_TEST(test_segments_entries_and_the_end_of_the_file_are_found)
{
	struct bytes file = make_vmlinux(true);

	ck_assert_int_eq(find_pvh(&file), 0);
	ck_assert_uint_eq(vmlinux.segment_count, PARTS);
	ck_assert_uint_eq(vmlinux.start, LINK_START);
	ck_assert_uint_eq(vmlinux.end, LINK_END);
	ck_assert(vmlinux.elf64 && vmlinux.has_pvh && vmlinux.has_entry);
	ck_assert_uint_eq(vmlinux.entry, START_ENTRY);
	ck_assert_uint_eq(vmlinux.pvh_entry, PVH_ENTRY);
	ck_assert_uint_eq(vmlinux.elf_end, ELF_SIZE);
	ck_assert(vmlinux_sinks(&vmlinux));
	free(file.data);
}
END_TEST

START_TEST(test_elf32_is_read_like_elf64)
{
	struct bytes file = make_elf32(true);

	ck_assert_int_eq(find_pvh(&file), 0);
	ck_assert(!vmlinux.elf64 && vmlinux.has_pvh);
	ck_assert_uint_eq(vmlinux.pvh_entry, 0x200010);
	ck_assert_uint_eq(vmlinux.end, 0x203000);
	free(file.data);
}
END_TEST

START_TEST(test_a_kernel_without_the_note_has_no_pvh_entry)
{
	struct bytes file = make_vmlinux(false);

	ck_assert_int_eq(find_pvh(&file), 0);
	ck_assert(!vmlinux.has_pvh);
	free(file.data);
}
END_TEST

START_TEST(test_a_virtual_entry_is_made_physical_and_a_foreign_one_is_none)
{
	struct bytes file = make_vmlinux(true);
	Elf64_Ehdr *ehdr = (Elf64_Ehdr *)file.data;

	ehdr->e_entry = VIRTUAL + START_ENTRY;
	ck_assert_int_eq(parse(&file), 0);
	ck_assert_uint_eq(vmlinux.entry, START_ENTRY);
	ehdr->e_entry = 0x40;
	ck_assert_int_eq(parse(&file), 0);
	ck_assert(!vmlinux.has_entry);
	free(file.data);
}
END_TEST

START_TEST(test_files_for_other_machines_are_refused_by_name)
{
	REFUSED(ehdr->e_machine = EM_AARCH64, "arm64");
	REFUSED(ehdr->e_machine = EM_RISCV, "RISC-V");
	REFUSED(ehdr->e_machine = 0x1234, "another machine");
	REFUSED(ehdr->e_machine = EM_386, "not for x86_64");
	REFUSED(ehdr->e_ident[EI_DATA] = ELFDATA2MSB, "another machine");
	REFUSED(ehdr->e_ident[EI_CLASS] = 3, "another machine");
	REFUSED(ehdr->e_type = ET_REL, "relocatable object");
	REFUSED(ehdr->e_type = ET_CORE, "core dump");
}
END_TEST

START_TEST(test_damaged_headers_are_refused)
{
	REFUSED(ehdr->e_ident[0] = 0, "not an ELF");
	REFUSED(ehdr->e_phnum = 0, "damaged");
	REFUSED(ehdr->e_phnum = 0xffff, "damaged");
	REFUSED(ehdr->e_phentsize = 8, "damaged");
	REFUSED(ehdr->e_phoff = file.size - 8, "truncated");
	REFUSED(ehdr->e_phoff = UINT64_MAX - 8, "truncated");
	REFUSED(p->p_filesz = file.size, "truncated");
	REFUSED(p->p_offset = UINT64_MAX - 4, "truncated");
	REFUSED(p->p_memsz = p->p_filesz - 1, "damaged");
	REFUSED(p->p_memsz = UINT64_MAX, "damaged");
	REFUSED(p->p_paddr = UINT64_MAX - 8, "damaged");
	REFUSED(p[1].p_paddr = p->p_paddr + p->p_memsz - 1, "overlap");
	REFUSED((p[0].p_type = p[1].p_type = p[2].p_type = PT_NULL), "without a segment");
	REFUSED((p[0].p_memsz = p[0].p_filesz = 0, p[1].p_type = p[2].p_type = PT_NULL),
		"without a segment");
}
END_TEST

START_TEST(test_damaged_notes_are_refused)
{
	uint32_t past = 0x1000000, three = 3, huge = UINT32_MAX;
	uint64_t outside = LINK_END, bss = LINK_END - 1;
	/* "GNU" takes 12 + 4 + 12 bytes, "Xen" 6 takes 12 + 4 + 8. */
	uint8_t *xen;

#define XEN (xen = file.data + NOTES_OFFSET + 52)
	REFUSED(memcpy(XEN, &huge, 4), "past the end");
	REFUSED(memcpy(XEN + 4, &huge, 4), "past the end");
	REFUSED(memcpy(XEN + 4, &past, 4), "past the end");
	REFUSED(memcpy(XEN + 4, &three, 4), "note of 3 bytes");
	REFUSED(memcpy(XEN + 16, &outside, 8), "outside");
	REFUSED(memcpy(XEN + 16, &bss, 8), "outside");
	REFUSED(phdr(&file, PARTS)->p_filesz = file.size, "truncated");
	REFUSED((p[0].p_filesz = 0x10, p[0].p_memsz = 0x100000,
		 p[1].p_type = p[2].p_type = PT_NULL),
		"outside");
}
END_TEST

START_TEST(test_notes_larger_than_any_kernels_are_refused)
{
	struct bytes file = make_vmlinux(true), more = bytes_make(0x20000);

	bytes_grow(&file, more.data, more.size);
	phdr(&file, PARTS)->p_offset = ELF_SIZE;
	phdr(&file, PARTS)->p_filesz = more.size;
	ck_assert_int_eq(find_pvh(&file), -ENOEXEC);
	ck_assert_ptr_nonnull(strstr(error_text(0), "bytes of ELF notes"));
	free(file.data);
	free(more.data);
}
END_TEST

START_TEST(test_only_segments_that_move_down_in_order_sink)
{
	struct bytes file = make_vmlinux(true);
	Elf64_Phdr *p = phdr(&file, 0);

	p[2].p_paddr = p[1].p_paddr + (p[2].p_offset - p[1].p_offset);
	ck_assert(parse(&file) == 0 && vmlinux_sinks(&vmlinux));
	p[2].p_paddr++;
	ck_assert(parse(&file) == 0 && !vmlinux_sinks(&vmlinux));
	p[2].p_paddr = p[0].p_paddr - 0x10000;
	ck_assert(parse(&file) == 0 && !vmlinux_sinks(&vmlinux));
	p[2].p_paddr = parts[2].paddr;
	p[2].p_offset = p[1].p_offset + 0x800;
	ck_assert(parse(&file) == 0 && !vmlinux_sinks(&vmlinux));
	free(file.data);
}
END_TEST

START_TEST(test_load_copies_segments_and_refuses_what_is_not_memory)
{
	struct mem_options options = { .name = "vmlinux-test" };
	struct bytes file = make_vmlinux(true);
	struct image image;
	struct mem mem;

	ck_assert_int_eq(mem_init(&mem, -1, 4, &options), 0);
	ck_assert_int_eq(mem_map_ram(&mem, "ram", 0, 32 << 20, 0), 0);
	ck_assert_int_eq(parse(&file), 0);
	image_init_memory(&image, file.data, file.size);
	ck_assert_int_eq(vmlinux_load(&image, &vmlinux, &mem, 0x400000), 0);
	for (int i = 0; i < PARTS; i++)
		ck_assert(memcmp(mem_ptr(&mem, parts[i].paddr + 0x400000, parts[i].file_size),
				 file.data + parts[i].offset, parts[i].file_size) == 0);
	ck_assert_int_eq(vmlinux_load(&image, &vmlinux, &mem, (32 << 20) - LINK_END + 1), -ENOSPC);
	mem_finish(&mem);
	free(file.data);
}
END_TEST

CHECK_MAIN("vmlinux", test_segments_entries_and_the_end_of_the_file_are_found,
	   test_elf32_is_read_like_elf64, test_a_kernel_without_the_note_has_no_pvh_entry,
	   test_a_virtual_entry_is_made_physical_and_a_foreign_one_is_none,
	   test_files_for_other_machines_are_refused_by_name, test_damaged_headers_are_refused,
	   test_damaged_notes_are_refused, test_notes_larger_than_any_kernels_are_refused,
	   test_only_segments_that_move_down_in_order_sink,
	   test_load_copies_segments_and_refuses_what_is_not_memory)
