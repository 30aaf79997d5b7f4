/* SPDX-License-Identifier: Apache-2.0 */
/* Makes kernel images: an ELF file shaped like vmlinux, a relocation table, a bzImage around them.
 */
#ifndef TESTS_BOOT_IMAGES_H
#define TESTS_BOOT_IMAGES_H

#include <check.h>
#include <elf.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <lz4.h>
#include <lz4hc.h>
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>

struct bytes {
	uint8_t *data;
	size_t size;
};

static inline struct bytes bytes_make(size_t size)
{
	struct bytes b = { calloc(1, size), size };

	ck_assert_ptr_nonnull(b.data);
	return b;
}

static inline void bytes_grow(struct bytes *b, const void *data, size_t len)
{
	b->data = realloc(b->data, b->size + len);
	ck_assert_ptr_nonnull(b->data);
	memcpy(b->data + b->size, data, len);
	b->size += len;
}

/* A reproducible, compressible filling. */
static inline uint32_t next_random(uint64_t *state)
{
	*state = *state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)(*state >> 33);
}

static inline void fill(uint8_t *data, size_t len, uint64_t seed)
{
	for (size_t i = 0; i < len; i++)
		data[i] = next_random(&seed) % 4 ? 0x90 : (uint8_t)next_random(&seed);
}

/*
 * Like vmlinux: text with the notes in it, data right behind, and one more whose place in the file
 * is further from its predecessor than its place in memory, followed by .bss.
 */
struct part {
	uint64_t offset, file_size, paddr, mem_size;
};
static const struct part parts[] = {
	{ 0x1000, 0x6000, 0x1000000, 0x6000 },
	{ 0x8000, 0x1000, 0x1007000, 0x1000 },
	{ 0xb000, 0x3804, 0x1008000, 0x6000 },
};
#define PARTS 3
/* A page of zeros that lands where the image held something else, when it is unpacked in place. */
#define ZERO_PAGE    0xd000
#define NOTES_OFFSET 0x2000
#define NOTES_SIZE   0x60
#define SHDRS_OFFSET 0xe808
#define ELF_SIZE     (SHDRS_OFFSET + 2 * sizeof(Elf64_Shdr))
#define LINK_START   0x1000000ULL
#define LINK_END     0x100e000ULL
#define VIRTUAL	     0xffffffff80000000ULL
#define PVH_ENTRY    0x1000123ULL
#define START_ENTRY  0x1000040ULL

static inline void put_note(uint8_t **at, const char *name, uint32_t type, const void *desc,
			    uint32_t size)
{
	Elf64_Nhdr note = { (uint32_t)strlen(name) + 1, size, type };

	memcpy(*at, &note, sizeof(note));
	*at += sizeof(note);
	memcpy(*at, name, note.n_namesz);
	*at += (note.n_namesz + 3) & ~3u;
	memcpy(*at, desc, size);
	*at += (size + 3) & ~3u;
}

static inline void put_notes(uint8_t *at, bool pvh)
{
	uint64_t entry = PVH_ENTRY;

	memset(at, 0, NOTES_SIZE);
	put_note(&at, "GNU", 3, "0123456789", 10);
	put_note(&at, "Xen", 6, "linux", 6);
	put_note(&at, "Xen", pvh ? 18 : 17, &entry, sizeof(entry));
}

static inline struct bytes make_vmlinux(bool pvh)
{
	struct bytes b = bytes_make(ELF_SIZE);
	Elf64_Ehdr *ehdr = (Elf64_Ehdr *)b.data;
	Elf64_Phdr *phdr = (Elf64_Phdr *)(b.data + sizeof(*ehdr));

	memcpy(ehdr->e_ident, ELFMAG "\2\1\1", 7);
	ehdr->e_type = ET_EXEC;
	ehdr->e_machine = EM_X86_64;
	ehdr->e_entry = START_ENTRY;
	ehdr->e_phoff = sizeof(*ehdr);
	ehdr->e_phnum = PARTS + 1;
	ehdr->e_phentsize = sizeof(*phdr);
	ehdr->e_shoff = SHDRS_OFFSET;
	ehdr->e_shnum = 2;
	ehdr->e_shentsize = sizeof(Elf64_Shdr);
	for (int i = 0; i < PARTS; i++) {
		phdr[i] = (Elf64_Phdr){ PT_LOAD,	   7,
					parts[i].offset,   parts[i].paddr + VIRTUAL,
					parts[i].paddr,	   parts[i].file_size,
					parts[i].mem_size, 0x1000 };
		fill(b.data + parts[i].offset, parts[i].file_size, (uint64_t)i + 7);
	}
	memset(b.data + ZERO_PAGE, 0, 0x1000);
	phdr[PARTS] = (Elf64_Phdr){ PT_NOTE, 4, NOTES_OFFSET, 0, 0, NOTES_SIZE, NOTES_SIZE, 4 };
	put_notes(b.data + NOTES_OFFSET, pvh);
	memset(b.data + SHDRS_OFFSET, 0x5d, ELF_SIZE - SHDRS_OFFSET);
	return b;
}

/* The same for 32 bits, one segment at 2 MiB: a test guest. */
static inline struct bytes make_elf32(bool pvh)
{
	struct bytes b = bytes_make(0x2000);
	Elf32_Ehdr *ehdr = (Elf32_Ehdr *)b.data;
	Elf32_Phdr *phdr = (Elf32_Phdr *)(b.data + sizeof(*ehdr));
	uint8_t *at = b.data + 0x1800;
	uint32_t entry = 0x200010;

	memcpy(ehdr->e_ident, ELFMAG "\1\1\1", 7);
	ehdr->e_type = ET_EXEC;
	ehdr->e_machine = EM_386;
	ehdr->e_entry = entry;
	ehdr->e_phoff = sizeof(*ehdr);
	ehdr->e_phnum = 2;
	ehdr->e_phentsize = sizeof(*phdr);
	phdr[0] = (Elf32_Phdr){ PT_LOAD, 0x1000, 0x200000, 0x200000, 0x1000, 0x3000, 7, 0x1000 };
	phdr[1] = (Elf32_Phdr){ PT_NOTE, 0x1800, 0, 0, 20, 20, 4, 4 };
	fill(b.data + 0x1000, 0x1000, 3);
	put_note(&at, "Xen", pvh ? 18 : 17, &entry, sizeof(entry));
	return b;
}

enum packing {
	PACK_ZSTD,
	PACK_LZ4,
	PACK_XZ,
	PACK_LZMA,
	PACK_GZIP,
	PACK_NONE,
	PACKINGS
};

static inline struct bytes pack_lzma(const struct bytes *in, lzma_ret (*open)(lzma_stream *))
{
	lzma_stream stream = LZMA_STREAM_INIT;
	struct bytes out = bytes_make(in->size * 2 + 4096);

	ck_assert_int_eq(open(&stream), LZMA_OK);
	stream.next_in = in->data;
	stream.avail_in = in->size;
	stream.next_out = out.data;
	stream.avail_out = out.size;
	ck_assert_int_eq(lzma_code(&stream, LZMA_FINISH), LZMA_STREAM_END);
	out.size -= stream.avail_out;
	lzma_end(&stream);
	return out;
}

/* Linux scripts/xz_wrap.sh: --check=crc32 --x86 --lzma2 */
static inline lzma_ret open_xz_encoder(lzma_stream *stream)
{
	static lzma_options_lzma options;
	lzma_filter filters[] = { { LZMA_FILTER_X86, NULL },
				  { LZMA_FILTER_LZMA2, &options },
				  { LZMA_VLI_UNKNOWN, NULL } };

	lzma_lzma_preset(&options, 0);
	return lzma_stream_encoder(stream, filters, LZMA_CHECK_CRC32);
}

static inline lzma_ret open_lzma_encoder(lzma_stream *stream)
{
	static lzma_options_lzma options;

	lzma_lzma_preset(&options, 0);
	/* The kernel's decoder, and Linux's build, know the magic of this dictionary size. */
	return lzma_alone_encoder(stream, &options);
}

static inline struct bytes pack_gzip(const struct bytes *in)
{
	struct bytes out = bytes_make(in->size * 2 + 4096);
	z_stream stream = { .next_in = in->data,
			    .avail_in = (uInt)in->size,
			    .next_out = out.data,
			    .avail_out = (uInt)out.size };

	ck_assert_int_eq(deflateInit2(&stream, 6, Z_DEFLATED, 16 + 15, 8, 0), Z_OK);
	ck_assert_int_eq(deflate(&stream, Z_FINISH), Z_STREAM_END);
	out.size = stream.total_out;
	deflateEnd(&stream);
	return out;
}

static inline struct bytes pack_lz4(const struct bytes *in)
{
	const size_t block = 8 << 20;
	struct bytes out = { 0 };

	bytes_grow(&out, "\x02\x21\x4c\x18", 4);
	for (size_t at = 0; at < in->size; at += block) {
		size_t len = in->size - at < block ? in->size - at : block;
		struct bytes packed = bytes_make((size_t)LZ4_compressBound((int)len));
		uint32_t size =
			(uint32_t)LZ4_compress_HC((const char *)in->data + at, (char *)packed.data,
						  (int)len, (int)packed.size, 3);

		bytes_grow(&out, &size, sizeof(size));
		bytes_grow(&out, packed.data, size);
		free(packed.data);
	}
	return out;
}

static inline struct bytes pack_zstd(const struct bytes *in)
{
	struct bytes out = bytes_make(ZSTD_compressBound(in->size));
	ZSTD_CCtx *ctx = ZSTD_createCCtx();

	ZSTD_CCtx_setParameter(ctx, ZSTD_c_checksumFlag, 1);
	out.size = ZSTD_compress2(ctx, out.data, out.size, in->data, in->size);
	ck_assert(!ZSTD_isError(out.size));
	ZSTD_freeCCtx(ctx);
	return out;
}

/* A payload as the kernel's build makes it, with the size at its end. */
static inline struct bytes pack(const struct bytes *in, enum packing packing)
{
	uint32_t size = (uint32_t)in->size;
	struct bytes out = { 0 };

	switch (packing) {
	case PACK_ZSTD:
		out = pack_zstd(in);
		break;
	case PACK_LZ4:
		out = pack_lz4(in);
		break;
	case PACK_XZ:
		out = pack_lzma(in, open_xz_encoder);
		break;
	case PACK_LZMA:
		out = pack_lzma(in, open_lzma_encoder);
		break;
	case PACK_GZIP:
		return pack_gzip(in);
	default:
		bytes_grow(&out, in->data, in->size);
		return out;
	}
	bytes_grow(&out, &size, sizeof(size));
	return out;
}

static inline void put32(uint8_t *at, uint32_t v)
{
	memcpy(at, &v, sizeof(v));
}

#define SETUP_SIZE 0x600 /* of two sectors behind the boot sector */
#define PAYLOAD_AT 0x240 /* from the end of the setup part */

static inline struct bytes make_bzimage(const struct bytes *payload)
{
	struct bytes b = bytes_make(SETUP_SIZE + PAYLOAD_AT);

	b.data[0x1f1] = 2;
	memcpy(b.data + 0x1fe, "\x55\xaa\xeb\x6aHdrS\x0f\x02", 10);
	b.data[0x211] = 1;
	put32(b.data + 0x22c, 0x7fffffff);
	put32(b.data + 0x230, 0x200000);
	b.data[0x234] = 1;
	put32(b.data + 0x238, 2047);
	put32(b.data + 0x248, PAYLOAD_AT);
	put32(b.data + 0x24c, (uint32_t)payload->size);
	bytes_grow(&b, payload->data, payload->size);
	bytes_grow(&b, "\0\0\0\0\0\0\0\0", 8);
	return b;
}

/* A path that leads to a file with these bytes, until the process ends. */
static inline const char *path_of(const void *data, size_t size, char path[32])
{
	int fd = memfd_create("image", MFD_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, data, size), (ssize_t)size);
	snprintf(path, 32, "/proc/self/fd/%d", fd);
	return path;
}

static inline void close_path(const char *path)
{
	close(atoi(path + strlen("/proc/self/fd/")));
}

#endif
