/* SPDX-License-Identifier: Apache-2.0 */
/* Finds libarchive at run time. */
#include "smoke/archive_library.h"

#include <dlfcn.h>
#include <errno.h>
#include <stddef.h>

#include <ferry/error.h>

#include "base/util.h"

/* The ABI of the headers, by the soname of all 3.x; Debian's name of the package. */
#define SONAME	"libarchive.so.13"
#define PACKAGE "libarchive13"
_Static_assert(ARCHIVE_VERSION_NUMBER / 1000000 == 3, "another libarchive has another soname");

static const struct {
	const char *name;
	size_t offset;
} functions[] = {
#define FUNCTION(name) { "archive_" #name, offsetof(struct archive_library, name) },
	ARCHIVE_LIBRARY(FUNCTION)
#undef FUNCTION
};

static int missing(void)
{
	const char *why = dlerror();

	return because(-ENOENT, "tarballs need libarchive: apt install " PACKAGE " (%s)",
		       why ? why : SONAME);
}

int archive_library_load(struct archive_library *ret_library)
{
	struct archive_library library;
	void *handle = dlopen(SONAME, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);

	if (!handle)
		return missing();
	for (size_t i = 0; i < ARRAY_SIZE(functions); i++) {
		void *function = dlsym(handle, functions[i].name);

		if (!function)
			return missing();
		*(void **)((char *)&library + functions[i].offset) = function;
	}
	*ret_library = library;
	return 0;
}
