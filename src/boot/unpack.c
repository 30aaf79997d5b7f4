/* SPDX-License-Identifier: Apache-2.0 */
/* The formats in which a bzImage carries its kernel. */
#include "boot/unpack.h"

#include <errno.h>
#include <string.h>

#include <lz4.h>
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include <ferry/error.h>

#include "base/util.h"

/* xz and lzma ask for their dictionary; kernels are built with 32 MiB, presets know up to 64. */
#define LZMA_MEMORY_MAX (256 * MIB)

/*
 * unpack: src to dst, until dst is full. whole: src must end there too, and its checksum is
 * verified; otherwise what follows is left alone. *ret_len: bytes put to dst.
 */
struct codec {
	const char *name;
	const char *magic;
	uint8_t magic_size;
	bool size_appended; /* gzip ends with it anyway */
	int (*unpack)(const uint8_t *src, size_t src_len, void *dst, size_t dst_len, bool whole,
		      size_t *ret_len);
};

static int damaged(const char *name, const char *how)
{
	return because(-ENOEXEC, "damaged: the kernel's %s payload: %s", name, how);
}

static int zstd_failed(size_t code)
{
	if (ZSTD_getErrorCode(code) == ZSTD_error_memory_allocation)
		return -ENOMEM;
	if (ZSTD_getErrorCode(code) == ZSTD_error_checksum_wrong)
		return damaged("zstd", "its checksum does not match");
	return damaged("zstd", ZSTD_getErrorName(code));
}

static int unzstd_head(const uint8_t *src, size_t src_len, void *dst, size_t dst_len,
		       size_t *ret_len)
{
	ZSTD_DStream *stream = ZSTD_createDStream();
	ZSTD_inBuffer in = { src, src_len, 0 };
	ZSTD_outBuffer out = { dst, dst_len, 0 };
	size_t code = 1;

	if (!stream)
		return -ENOMEM;
	/* The build compresses with --ultra, whose window is larger than the default limit allows.
	 */
	ZSTD_DCtx_setParameter(stream, ZSTD_d_windowLogMax, 30);
	while (out.pos < dst_len && in.pos < src_len && code != 0 && !ZSTD_isError(code))
		code = ZSTD_decompressStream(stream, &out, &in);
	ZSTD_freeDStream(stream);
	if (ZSTD_isError(code))
		return zstd_failed(code);
	*ret_len = out.pos;
	return 0;
}

/* One shot needs no window: matches are copied from dst itself. */
static int unzstd(const uint8_t *src, size_t src_len, void *dst, size_t dst_len, bool whole,
		  size_t *ret_len)
{
	size_t code;

	if (!whole)
		return unzstd_head(src, src_len, dst, dst_len, ret_len);
	code = ZSTD_decompress(dst, dst_len, src, src_len);
	if (ZSTD_isError(code))
		return zstd_failed(code);
	*ret_len = code;
	return 0;
}

static int lzma_run(lzma_stream *stream, const char *name, bool whole)
{
	lzma_ret ret = LZMA_OK;

	/* The last call may be one that consumes only the end mark: a full dst is not the end. */
	while (ret == LZMA_OK && (whole || stream->avail_out > 0))
		ret = lzma_code(stream, LZMA_FINISH);
	switch (ret) {
	case LZMA_STREAM_END:
		return whole && stream->avail_in > 0 ? damaged(name, "bytes follow its end") : 0;
	case LZMA_OK:
		return 0;
	case LZMA_MEM_ERROR:
		return -ENOMEM;
	case LZMA_MEMLIMIT_ERROR:
		return damaged(name, "its dictionary is larger than any kernel's");
	case LZMA_BUF_ERROR:
		return damaged(name,
			       stream->avail_out ? "it ends early" : "it is longer than said");
	default:
		return damaged(name, "its data or checksum is wrong");
	}
}

static int unlzma_any(lzma_ret (*open)(lzma_stream *stream), const char *name, const uint8_t *src,
		      size_t src_len, void *dst, size_t dst_len, bool whole, size_t *ret_len)
{
	lzma_stream stream = LZMA_STREAM_INIT;
	int err;

	if (open(&stream) != LZMA_OK)
		return -ENOMEM;
	stream.next_in = src;
	stream.avail_in = src_len;
	stream.next_out = dst;
	stream.avail_out = dst_len;
	err = lzma_run(&stream, name, whole);
	*ret_len = dst_len - stream.avail_out;
	lzma_end(&stream);
	return err;
}

static lzma_ret open_xz(lzma_stream *stream)
{
	return lzma_stream_decoder(stream, LZMA_MEMORY_MAX, 0);
}

static lzma_ret open_lzma(lzma_stream *stream)
{
	return lzma_alone_decoder(stream, LZMA_MEMORY_MAX);
}

static int unxz(const uint8_t *src, size_t src_len, void *dst, size_t dst_len, bool whole,
		size_t *ret_len)
{
	return unlzma_any(open_xz, "xz", src, src_len, dst, dst_len, whole, ret_len);
}

static int unlzma(const uint8_t *src, size_t src_len, void *dst, size_t dst_len, bool whole,
		  size_t *ret_len)
{
	return unlzma_any(open_lzma, "lzma", src, src_len, dst, dst_len, whole, ret_len);
}

static int ungzip(const uint8_t *src, size_t src_len, void *dst, size_t dst_len, bool whole,
		  size_t *ret_len)
{
	/* Sizes are below 4 GiB: the payload's is 32 bits, dst is at most PAYLOAD_SIZE_MAX. */
	z_stream stream = { .next_in = (uint8_t *)src,
			    .avail_in = (uInt)src_len,
			    .next_out = dst,
			    .avail_out = (uInt)dst_len };
	int code, err = 0;

	/* 16: a gzip header, and no other, is expected. */
	if (inflateInit2(&stream, 16 + MAX_WBITS) != Z_OK)
		return -ENOMEM;
	code = inflate(&stream, whole ? Z_FINISH : Z_SYNC_FLUSH);
	if (code == Z_MEM_ERROR)
		err = -ENOMEM;
	else if (code == Z_DATA_ERROR || code == Z_NEED_DICT || code == Z_STREAM_ERROR)
		err = damaged("gzip", stream.msg ? stream.msg : "its data is wrong");
	else if (whole && code != Z_STREAM_END)
		err = damaged("gzip",
			      stream.avail_out ? "it ends early" : "it is longer than said");
	*ret_len = dst_len - stream.avail_out;
	inflateEnd(&stream);
	return err;
}

/* The legacy frame: after the magic, blocks of at most 8 MiB unpacked, each after its packed size.
 */
#define LZ4_LEGACY_BLOCK (8 * MIB)

static int unlz4(const uint8_t *src, size_t src_len, void *dst, size_t dst_len, bool whole,
		 size_t *ret_len)
{
	size_t at = 4, done = 0;

	while (at < src_len && (whole || done < dst_len)) {
		size_t room = min_u64(dst_len - done, LZ4_LEGACY_BLOCK);
		uint32_t packed;
		int got;

		if (src_len - at < sizeof(packed))
			return damaged("lz4", "it ends inside a block's size");
		memcpy(&packed, src + at, sizeof(packed));
		at += sizeof(packed);
		if (packed == 0 || packed > LZ4_COMPRESSBOUND(LZ4_LEGACY_BLOCK))
			return damaged("lz4", "a block's size is wrong");
		if (packed > src_len - at)
			return damaged("lz4", "it ends inside a block");
		if (whole)
			got = LZ4_decompress_safe((const char *)src + at, (char *)dst + done,
						  (int)packed, (int)room);
		else
			got = LZ4_decompress_safe_partial((const char *)src + at,
							  (char *)dst + done, (int)packed,
							  (int)room, (int)room);
		if (got < 0)
			return damaged("lz4", "a block's data is wrong");
		at += packed;
		done += (size_t)got;
	}
	*ret_len = done;
	return 0;
}

static int copy(const uint8_t *src, size_t src_len, void *dst, size_t dst_len, bool whole,
		size_t *ret_len)
{
	(void)whole; /* the size was made to fit when the payload was identified */
	*ret_len = min_u64(src_len, dst_len);
	memcpy(dst, src, *ret_len);
	return 0;
}

/* Linux lib/decompress.c; the last two are known by name only. */
static const struct codec codecs[] = {
	{ "zstd", "\x28\xb5\x2f\xfd", 4, true, unzstd },
	{ "lz4", "\x02\x21\x4c\x18", 4, true, unlz4 },
	{ "xz", "\xfd\x37\x7a\x58\x5a\x00", 6, true, unxz },
	{ "lzma", "\x5d\x00\x00", 3, true, unlzma },
	{ "gzip", "\x1f\x8b", 2, false, ungzip },
	{ "uncompressed", "\x7f\x45\x4c\x46", 4, false, copy },
	{ "bzip2", "BZh", 3, true, NULL },
	{ "lzo", "\x89\x4c\x5a\x4f", 4, true, NULL },
};

int payload_identify(const uint8_t *data, size_t size, struct payload *ret_payload)
{
	const struct codec *codec = NULL;
	uint32_t unpacked;

	for (size_t i = 0; i < ARRAY_SIZE(codecs) && !codec; i++) {
		if (size >= 12 && memcmp(data, codecs[i].magic, codecs[i].magic_size) == 0)
			codec = &codecs[i];
	}
	if (!codec)
		return because(-ENOEXEC, "the kernel's payload is in no format that is known");
	if (!codec->unpack)
		return because(-ENOEXEC,
			       "the kernel's payload is compressed with %s; "
			       "zstd, xz, lzma, gzip and lz4 can be unpacked",
			       codec->name);
	memcpy(&unpacked, data + size - sizeof(unpacked), sizeof(unpacked));
	if (codec->unpack == copy)
		unpacked = (uint32_t)(unpacked == size - 4 ? size - 4 : size);
	if (unpacked == 0 || unpacked > PAYLOAD_SIZE_MAX)
		return because(-ENOEXEC, "damaged: the payload claims to unpack to %u bytes",
			       unpacked);
	*ret_payload = (struct payload){
		.codec = codec,
		.packed = data,
		.packed_size = size - (codec->size_appended ? sizeof(unpacked) : 0),
		.size = unpacked,
	};
	return 0;
}

static int unpack(const struct payload *payload, void *dst, size_t len, bool whole)
{
	const struct codec *codec = payload->codec;
	size_t got = 0;
	int err;

	err = codec->unpack(payload->packed, payload->packed_size, dst, len, whole, &got);
	if (err == -ENOMEM)
		return because(err, "not enough memory on the host to unpack %s", codec->name);
	if (err < 0)
		return err;
	if (got != len && whole)
		return because(-ENOEXEC,
			       "damaged: the %s payload unpacks to %zu bytes instead of %zu",
			       codec->name, got, len);
	return got == len ? 0 : -ENODATA;
}

int payload_unpack(const struct payload *payload, void *dst)
{
	return unpack(payload, dst, payload->size, true);
}

int payload_peek(const struct payload *payload, void *dst, size_t len)
{
	return unpack(payload, dst, len, false);
}
