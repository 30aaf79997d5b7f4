/* SPDX-License-Identifier: Apache-2.0 */
/* Libraries that are loaded when they are needed: their weight is not every start's. */
#ifndef BASE_LIBRARY_H
#define BASE_LIBRARY_H

#include <stddef.h>

struct library {
	const char *soname;
	const char *advice; /* who needs it, and what to install */
	const struct library_function {
		const char *name;
		size_t offset; /* of its pointer, in the table that is filled */
	} *functions;
	size_t count;
};

/*
 * Loads the library, if this process has not yet, and looks its functions up. It stays loaded, for the state
 * that it keeps of threads and of the process.
 *   -ENOENT  it is not installed, or too old; the text gives the advice
 */
int library_load(const struct library *library, void *table);

#endif
