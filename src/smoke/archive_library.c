/* SPDX-License-Identifier: Apache-2.0 */
/* Finds libarchive at run time. */
#include "smoke/archive_library.h"

#include <stddef.h>

#include "base/library.h"
#include "base/util.h"

/* The ABI of the headers, by the soname of all 3.x; Debian's name of the package. */
#define SONAME	"libarchive.so.13"
#define PACKAGE "libarchive13"
_Static_assert(ARCHIVE_VERSION_NUMBER / 1000000 == 3, "another libarchive has another soname");

static const struct library_function functions[] = {
#define FUNCTION(name) { "archive_" #name, offsetof(struct archive_library, name) },
	ARCHIVE_LIBRARY(FUNCTION)
#undef FUNCTION
};

int archive_library_load(struct archive_library *ret_library)
{
	const struct library wanted = {
		.soname = SONAME,
		.advice = "tarballs need libarchive: apt install " PACKAGE,
		.functions = functions,
		.count = ARRAY_SIZE(functions),
	};
	struct archive_library library;
	int err = library_load(&wanted, &library);

	if (!err)
		*ret_library = library;
	return err;
}
