/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libarchive, as it is loaded when the first tarball is read: with what it needs it would cost every
 * start more than all other libraries together.
 */
#ifndef SMOKE_ARCHIVE_LIBRARY_H
#define SMOKE_ARCHIVE_LIBRARY_H

#include <archive.h>
#include <archive_entry.h>

/* The functions that are used, without archive_. */
#define ARCHIVE_LIBRARY(X)         \
	X(entry_filetype)          \
	X(entry_gid)               \
	X(entry_hardlink)          \
	X(entry_mode)              \
	X(entry_pathname)          \
	X(entry_rdev)              \
	X(entry_size)              \
	X(entry_symlink)           \
	X(entry_uid)               \
	X(error_string)            \
	X(read_data)               \
	X(read_free)               \
	X(read_new)                \
	X(read_next_header)        \
	X(read_open_filename)      \
	X(read_support_filter_all) \
	X(read_support_format_tar)

struct archive_library {
/* NOLINTNEXTLINE(bugprone-macro-parentheses): it is a member's name */
#define ARCHIVE_LIBRARY_FIELD(name) __typeof__(archive_##name) *name;
	ARCHIVE_LIBRARY(ARCHIVE_LIBRARY_FIELD)
#undef ARCHIVE_LIBRARY_FIELD
};

/* It stays loaded. -ENOENT: it is not installed; the text says what to install. */
int archive_library_load(struct archive_library *ret_library);

#endif
