/* SPDX-License-Identifier: Apache-2.0 */
/* Finds libraries at run time. */
#include "base/library.h"

#include <dlfcn.h>
#include <errno.h>

#include <ferry/error.h>

static int missing(const struct library *library)
{
	const char *why = dlerror();

	return because(-ENOENT, "%s (%s)", library->advice, why ? why : library->soname);
}

int library_load(const struct library *library, void *table)
{
	void *handle = dlopen(library->soname, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);

	if (!handle)
		return missing(library);
	for (size_t i = 0; i < library->count; i++) {
		void *function = dlsym(handle, library->functions[i].name);

		if (!function)
			return missing(library);
		*(void **)((char *)table + library->functions[i].offset) = function;
	}
	return 0;
}
