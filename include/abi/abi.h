/* SPDX-License-Identifier: Apache-2.0 */
/* Proof, at compile time, that a layout is the one its specification fixes. */
#ifndef ABI_ABI_H
#define ABI_ABI_H

#include <stddef.h>
#include <stdint.h>

#define ABI_SIZE(type, size) _Static_assert(sizeof(type) == (size), #type " is not " #size " bytes")
#define ABI_OFFSET(type, member, offset)                                                \
	_Static_assert(offsetof(type, member) == (offset), #type "." #member " is not " \
									     "at " #offset)

#endif
