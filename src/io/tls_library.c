/* SPDX-License-Identifier: Apache-2.0 */
/* Finds GnuTLS at run time. */
#include "io/tls_library.h"

#include <stddef.h>

#include "base/library.h"
#include "base/util.h"

/* The ABI of the headers, by GnuTLS's soname of all 3.x since 3.4; Debian's name of the package. */
#define SONAME	"libgnutls.so.30"
#define PACKAGE "libgnutls30"
_Static_assert(GNUTLS_VERSION_MAJOR == 3, "another GnuTLS has another soname");

static const struct library_function functions[] = {
#define FUNCTION(name) { "gnutls_" #name, offsetof(struct tls_library, name) },
	TLS_LIBRARY(FUNCTION)
#undef FUNCTION
};

int tls_library_load(struct tls_library *ret_library)
{
	const struct library wanted = {
		.soname = SONAME,
		.advice = "TLS needs GnuTLS: apt install " PACKAGE,
		.functions = functions,
		.count = ARRAY_SIZE(functions),
	};
	struct tls_library library;
	int err = library_load(&wanted, &library);

	if (!err)
		*ret_library = library;
	return err;
}
