/* SPDX-License-Identifier: Apache-2.0 */
/* What the fuzz targets share: a stream that is read from a buffer, and one that writes a seed. */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* libFuzzer's entry: 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Below this the library may do what it likes; a seed of each target is a little larger. */
#define FUZZ_SIZE_MAX 65536

/*
 * The first byte of an input: what is not to be put right. So the checks of what the others get
 * past by that are tried as well.
 */
enum fuzz_flags {
	FUZZ_RAW_HEADER = 1 << 0,
	FUZZ_RAW_RECORDS = 1 << 1,
};

#endif
