/* SPDX-License-Identifier: Apache-2.0 */
/* Reads ELF kernels of both widths and copies them into guest memory. */
#include "boot/vmlinux.h"

#include <elf.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include <ferry/error.h>
#include <abi/pvh.h>

#include "base/util.h"

/* A vmlinux's notes are half a KiB. */
#define NOTES_SIZE_MAX (64 * KIB)

/* As many headers as a page of file holds, which is more than any kernel has. */
#define PHDRS_MAX 64

bool vmlinux_is(const struct image *image)
{
	uint8_t ident[SELFMAG];

	return image->size >= sizeof(ident) &&
	       image_read(image, 0, ident, sizeof(ident), "the ELF header") == 0 &&
	       memcmp(ident, ELFMAG, SELFMAG) == 0;
}

static const char *machine_name(uint16_t machine)
{
	switch (machine) {
	case EM_AARCH64:
		return "arm64";
	case EM_ARM:
		return "32-bit ARM";
	case EM_RISCV:
		return "RISC-V";
	case EM_PPC64:
		return "POWER";
	case EM_S390:
		return "s390";
	case EM_LOONGARCH:
		return "LoongArch";
	default:
		return "another machine";
	}
}

/* Widens a 32-bit header, so that one parser does for both widths. */
static Elf64_Ehdr widen_ehdr(const Elf32_Ehdr *narrow)
{
	return (Elf64_Ehdr){
		.e_type = narrow->e_type,
		.e_machine = narrow->e_machine,
		.e_entry = narrow->e_entry,
		.e_phoff = narrow->e_phoff,
		.e_shoff = narrow->e_shoff,
		.e_phentsize = narrow->e_phentsize,
		.e_phnum = narrow->e_phnum,
		.e_shentsize = narrow->e_shentsize,
		.e_shnum = narrow->e_shnum,
	};
}

static int check_ehdr(const Elf64_Ehdr *ehdr, bool elf64)
{
	uint16_t machine = elf64 ? EM_X86_64 : EM_386;

	/* Programs in ELF32 for x86_64 (x32) are entered in 32-bit mode, as i386 ones are. */
	if (ehdr->e_machine != machine && ehdr->e_machine != EM_X86_64)
		return because(-ENOEXEC, "is an ELF file for %s (e_machine %u), not for x86_64",
			       machine_name(ehdr->e_machine), ehdr->e_machine);
	if (ehdr->e_type != ET_EXEC && ehdr->e_type != ET_DYN)
		return because(-ENOEXEC, "is an ELF file of type %u (%s), not an executable",
			       ehdr->e_type,
			       ehdr->e_type == ET_REL	 ? "relocatable object"
			       : ehdr->e_type == ET_CORE ? "core dump"
							 : "unknown");
	if (ehdr->e_phnum == 0 || ehdr->e_phnum > PHDRS_MAX)
		return because(-ENOEXEC, "damaged: an ELF kernel with %u program headers",
			       ehdr->e_phnum);
	if (ehdr->e_phentsize != (elf64 ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr)))
		return because(-ENOEXEC, "damaged: ELF program headers of %u bytes",
			       ehdr->e_phentsize);
	return 0;
}

static int read_ehdr(const struct image *image, Elf64_Ehdr *ret_ehdr, bool *ret_elf64)
{
	uint8_t ident[EI_NIDENT];
	Elf32_Ehdr narrow;
	int err;

	err = image_read(image, 0, ident, sizeof(ident), "the ELF header");
	if (err < 0)
		return err;
	if (memcmp(ident, ELFMAG, SELFMAG) != 0)
		return because(-ENOEXEC, "damaged: the kernel inside is not an ELF file");
	if (ident[EI_DATA] != ELFDATA2LSB ||
	    (ident[EI_CLASS] != ELFCLASS64 && ident[EI_CLASS] != ELFCLASS32))
		return because(-ENOEXEC,
			       "is an ELF file for another machine (class %u, byte order %u)",
			       ident[EI_CLASS], ident[EI_DATA]);
	*ret_elf64 = ident[EI_CLASS] == ELFCLASS64;
	if (*ret_elf64) {
		err = image_read(image, 0, ret_ehdr, sizeof(*ret_ehdr), "the ELF header");
	} else {
		err = image_read(image, 0, &narrow, sizeof(narrow), "the ELF header");
		if (err == 0)
			*ret_ehdr = widen_ehdr(&narrow);
	}
	return err < 0 ? err : check_ehdr(ret_ehdr, *ret_elf64);
}

static int read_phdr(const struct image *image, uint64_t offset, bool elf64, Elf64_Phdr *ret_phdr)
{
	Elf32_Phdr narrow;
	int err;

	if (elf64)
		return image_read(image, offset, ret_phdr, sizeof(*ret_phdr), "a program header");
	err = image_read(image, offset, &narrow, sizeof(narrow), "a program header");
	if (err < 0)
		return err;
	*ret_phdr = (Elf64_Phdr){
		.p_type = narrow.p_type,
		.p_offset = narrow.p_offset,
		.p_vaddr = narrow.p_vaddr,
		.p_paddr = narrow.p_paddr,
		.p_filesz = narrow.p_filesz,
		.p_memsz = narrow.p_memsz,
		.p_align = narrow.p_align,
	};
	return 0;
}

static int check_phdr(const Elf64_Phdr *phdr, uint64_t file_size)
{
	if (!range_inside(phdr->p_offset, phdr->p_filesz, file_size))
		return because(-ENOEXEC,
			       "truncated: a segment at %#" PRIx64 " of %#" PRIx64
			       " bytes lies past the end (%#" PRIx64 ")",
			       phdr->p_offset, phdr->p_filesz, file_size);
	if (phdr->p_type == PT_LOAD && phdr->p_filesz > phdr->p_memsz)
		return because(-ENOEXEC,
			       "damaged: a segment has %#" PRIx64 " bytes in the file but %#" PRIx64
			       " in memory",
			       phdr->p_filesz, phdr->p_memsz);
	if (phdr->p_paddr + phdr->p_memsz < phdr->p_paddr)
		return because(-ENOEXEC, "damaged: a segment at %#" PRIx64 " of %#" PRIx64 " bytes",
			       phdr->p_paddr, phdr->p_memsz);
	return 0;
}

/* Keeps segments sorted by offset; there are few. */
static int add_segment(struct vmlinux *vmlinux, const Elf64_Phdr *phdr)
{
	size_t i = vmlinux->segment_count;

	if (phdr->p_memsz == 0)
		return 0;
	if (i == VMLINUX_SEGMENTS_MAX)
		return because(-ENOEXEC, "has more than %u segments", VMLINUX_SEGMENTS_MAX);
	for (; i > 0 && vmlinux->segments[i - 1].offset > phdr->p_offset; i--)
		vmlinux->segments[i] = vmlinux->segments[i - 1];
	vmlinux->segments[i] = (struct vmlinux_segment){
		.offset = phdr->p_offset,
		.file_size = phdr->p_filesz,
		.paddr = phdr->p_paddr,
		.vaddr = phdr->p_vaddr,
		.mem_size = phdr->p_memsz,
	};
	vmlinux->segment_count++;
	vmlinux->start = min_u64(vmlinux->start, phdr->p_paddr);
	vmlinux->end = max_u64(vmlinux->end, phdr->p_paddr + phdr->p_memsz);
	return 0;
}

static int add_phdr(struct vmlinux *vmlinux, const Elf64_Phdr *phdr, uint64_t file_size)
{
	int err = 0;

	if (phdr->p_type != PT_LOAD && phdr->p_type != PT_NOTE)
		return 0;
	err = check_phdr(phdr, file_size);
	if (err < 0)
		return err;
	vmlinux->elf_end = max_u64(vmlinux->elf_end, phdr->p_offset + phdr->p_filesz);
	if (phdr->p_type == PT_LOAD)
		return add_segment(vmlinux, phdr);
	if (vmlinux->note_count < ARRAY_SIZE(vmlinux->notes)) {
		vmlinux->notes[vmlinux->note_count].offset = phdr->p_offset;
		vmlinux->notes[vmlinux->note_count].size = phdr->p_filesz;
		vmlinux->notes[vmlinux->note_count++].align = phdr->p_align == 8 ? 8 : 4;
	}
	return 0;
}

static int check_segments(const struct vmlinux *vmlinux)
{
	const struct vmlinux_segment *a, *b;

	if (vmlinux->segment_count == 0)
		return because(-ENOEXEC, "damaged: an ELF kernel without a segment to load");
	for (size_t i = 0; i < vmlinux->segment_count; i++) {
		for (size_t j = i + 1; j < vmlinux->segment_count; j++) {
			a = &vmlinux->segments[i];
			b = &vmlinux->segments[j];
			if (a->paddr < b->paddr + b->mem_size && b->paddr < a->paddr + a->mem_size)
				return because(-ENOEXEC,
					       "damaged: segments at %#" PRIx64 " and %#" PRIx64
					       " overlap",
					       a->paddr, b->paddr);
		}
	}
	return 0;
}

/* e_entry of a vmlinux is physical; other ELF files give the virtual address. */
static void find_entry(struct vmlinux *vmlinux, uint64_t entry)
{
	const struct vmlinux_segment *s = vmlinux->segments;

	for (size_t i = 0; i < vmlinux->segment_count && !vmlinux->has_entry; i++) {
		vmlinux->has_entry = entry >= s[i].paddr && entry - s[i].paddr < s[i].file_size;
		vmlinux->entry = entry;
	}
	for (size_t i = 0; i < vmlinux->segment_count && !vmlinux->has_entry; i++) {
		vmlinux->has_entry = entry >= s[i].vaddr && entry - s[i].vaddr < s[i].file_size;
		vmlinux->entry = s[i].paddr + (entry - s[i].vaddr);
	}
}

int vmlinux_parse(const struct image *image, uint64_t file_size, struct vmlinux *ret_vmlinux)
{
	struct vmlinux vmlinux = { .start = UINT64_MAX };
	uint64_t sections;
	Elf64_Ehdr ehdr = { 0 };
	Elf64_Phdr phdr = { 0 };
	int err;

	err = read_ehdr(image, &ehdr, &vmlinux.elf64);
	if (err < 0)
		return err;
	for (unsigned i = 0; i < ehdr.e_phnum && err == 0; i++) {
		if (ehdr.e_phoff > file_size)
			return because(-ENOEXEC, "truncated: the program headers lie past the end");
		err = read_phdr(image, ehdr.e_phoff + (uint64_t)i * ehdr.e_phentsize, vmlinux.elf64, &phdr);
		if (err == 0)
			err = add_phdr(&vmlinux, &phdr, file_size);
	}
	if (err == 0)
		err = check_segments(&vmlinux);
	if (err < 0)
		return err;
	sections = (uint64_t)ehdr.e_shnum * ehdr.e_shentsize;
	if (ehdr.e_shoff && range_inside(ehdr.e_shoff, sections, file_size))
		vmlinux.elf_end = max_u64(vmlinux.elf_end, ehdr.e_shoff + sections);
	find_entry(&vmlinux, ehdr.e_entry);
	*ret_vmlinux = vmlinux;
	return 0;
}

static int take_pvh_entry(struct vmlinux *vmlinux, const uint8_t *desc, uint32_t size)
{
	uint64_t entry = 0;

	if (size != 4 && size != 8)
		return because(-ENOEXEC, "damaged: a PVH entry note of %u bytes", size);
	memcpy(&entry, desc, size);
	for (size_t i = 0; i < vmlinux->segment_count; i++) {
		const struct vmlinux_segment *s = &vmlinux->segments[i];

		if (entry < s->paddr || entry - s->paddr >= s->file_size)
			continue;
		vmlinux->has_pvh = true;
		vmlinux->pvh_entry = entry;
		return 0;
	}
	return because(-ENOEXEC, "damaged: its PVH entry %#" PRIx64 " lies outside of the kernel",
		       entry);
}

/* A note: name size, desc size, type, name, desc; both padded to align. */
static int scan_notes(const uint8_t *notes, uint64_t size, uint64_t align, struct vmlinux *vmlinux)
{
	Elf64_Nhdr note;
	uint64_t at = 0, name, desc;

	while (range_inside(at, sizeof(note), size)) {
		memcpy(&note, notes + at, sizeof(note));
		name = at + sizeof(note);
		desc = align_up(name + note.n_namesz, align);
		if (!range_inside(desc, note.n_descsz, size))
			return because(-ENOEXEC, "damaged: a note lies past the end of the notes");
		if (note.n_type == XEN_ELFNOTE_PHYS32_ENTRY &&
		    note.n_namesz == sizeof(XEN_ELFNOTE_NAME) &&
		    memcmp(notes + name, XEN_ELFNOTE_NAME, sizeof(XEN_ELFNOTE_NAME)) == 0)
			return take_pvh_entry(vmlinux, notes + desc, note.n_descsz);
		at = align_up(desc + note.n_descsz, align);
	}
	return 0;
}

int vmlinux_find_pvh(const struct image *image, struct vmlinux *vmlinux)
{
	uint8_t notes[NOTES_SIZE_MAX];
	int err = 0;

	vmlinux->has_pvh = false;
	for (size_t i = 0; i < vmlinux->note_count && !vmlinux->has_pvh && err == 0; i++) {
		uint64_t size = vmlinux->notes[i].size;

		if (size > sizeof(notes))
			return because(-ENOEXEC, "damaged: %" PRIu64 " bytes of ELF notes", size);
		err = image_read(image, vmlinux->notes[i].offset, notes, size, "the ELF notes");
		if (err == 0)
			err = scan_notes(notes, size, vmlinux->notes[i].align, vmlinux);
	}
	return err;
}

static bool all_zero(const uint8_t *data, uint64_t len)
{
	return len == 0 || (data[0] == 0 && memcmp(data, data + 1, len - 1) == 0);
}

static bool overlaps(const struct image *image, const uint8_t *dst, uint64_t len)
{
	return dst < image->data + image->size && image->data < dst + len;
}

/*
 * A vmlinux holds its .bss as zeros: skipping them spares the guest's pages, which are zero
 * already, unless the image itself lies there. A file is read in one go: looking at it would be a
 * copy.
 */
static int copy_segment(const struct image *image, const struct vmlinux_segment *s, uint8_t *dst)
{
	const uint8_t *src;

	if (image->fd >= 0 || overlaps(image, dst, s->file_size))
		return image_read(image, s->offset, dst, s->file_size, "a segment");
	src = image->data + s->offset;
	for (uint64_t at = 0, len; at < s->file_size; at += len) {
		len = min_u64(GUEST_PAGE_SIZE, s->file_size - at);
		if (!all_zero(src + at, len))
			memcpy(dst + at, src + at, len);
	}
	return 0;
}

int vmlinux_load(const struct image *image, const struct vmlinux *vmlinux, struct mem *mem,
		 uint64_t delta)
{
	int err = 0;

	for (size_t i = 0; i < vmlinux->segment_count && err == 0; i++) {
		const struct vmlinux_segment *s = &vmlinux->segments[i];
		uint8_t *dst = mem_ptr_rw(mem, s->paddr + delta, s->mem_size);

		if (!dst)
			return because(-ENOSPC,
				       "does not fit: its segment at %#" PRIx64 " … %#" PRIx64
				       " is not guest memory",
				       s->paddr + delta, s->paddr + delta + s->mem_size);
		if (s->file_size > 0)
			err = copy_segment(image, s, dst);
	}
	return err;
}

bool vmlinux_sinks(const struct vmlinux *vmlinux)
{
	const struct vmlinux_segment *s = vmlinux->segments;

	for (size_t i = 0; i + 1 < vmlinux->segment_count; i++) {
		if (s[i].file_size > s[i + 1].offset - s[i].offset)
			return false;
		/* One that lies lower in memory wraps to a huge distance. */
		if (s[i + 1].paddr - s[i].paddr > s[i + 1].offset - s[i].offset)
			return false;
	}
	return true;
}
