/* SPDX-License-Identifier: Apache-2.0 */
/* Finds GnuTLS at run time. */
#include "io/tls_library.h"

#include <dlfcn.h>
#include <errno.h>
#include <stddef.h>

#include <ferry/error.h>

#include "base/util.h"

/* The ABI of the headers, by GnuTLS's soname of all 3.x since 3.4; Debian's name of the package. */
#define SONAME	"libgnutls.so.30"
#define PACKAGE "libgnutls30"
_Static_assert(GNUTLS_VERSION_MAJOR == 3, "another GnuTLS has another soname");

static const struct {
	const char *name;
	size_t offset;
} functions[] = {
#define FUNCTION(name) { "gnutls_" #name, offsetof(struct tls_library, name) },
	TLS_LIBRARY(FUNCTION)
#undef FUNCTION
};

static int missing(void)
{
	const char *why = dlerror();

	return because(-ENOENT, "TLS needs GnuTLS: apt install " PACKAGE " (%s)",
		       why ? why : SONAME);
}

int tls_library_load(struct tls_library *ret_library)
{
	struct tls_library library;
	/* GnuTLS and those it brings keep state of the thread and of the process: never unloaded.
	 */
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
