/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What ThreadSanitizer has to be told (preset tsan). A guest writes its memory whenever it likes: ferry reads what
 * is under way, copies once and judges the copy, and no order of ours could make it otherwise.
 */
#ifndef BASE_TSAN_H
#define BASE_TSAN_H

#include <stddef.h>

#ifdef __has_feature
#if __has_feature(thread_sanitizer)
#define BASE_TSAN 1
#endif
#endif

#ifdef BASE_TSAN
/* compiler-rt's, which has no header for it. */
void AnnotateBenignRaceSized(const char *file, int line, const volatile void *at, size_t size, const char *why);
#define tsan_expect_races(at, size, why) AnnotateBenignRaceSized(__FILE__, __LINE__, at, size, why)
#else
#define tsan_expect_races(at, size, why) ((void)(at), (void)(size), (void)(why))
#endif

#endif
