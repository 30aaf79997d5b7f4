/* SPDX-License-Identifier: Apache-2.0 */
/* Check's assertions for what the unit tests share with programs that no test runner started. */
#ifndef TESTS_FUZZ_STUB_CHECK_H
#define TESTS_FUZZ_STUB_CHECK_H

#include <stdlib.h>

#define ck_assert(condition)	    ((condition) ? (void)0 : abort())
#define ck_assert_int_eq(a, b)	    ck_assert((a) == (b))
#define ck_assert_int_ge(a, b)	    ck_assert((a) >= (b))
#define ck_assert_uint_eq(a, b)	    ck_assert((a) == (b))
#define ck_assert_ptr_nonnull(p)    ck_assert(p)

#endif
