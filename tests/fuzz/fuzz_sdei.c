/* SPDX-License-Identifier: Apache-2.0 */
/* SDEI calls, as a guest may make them, beside an independent model. */
#include "fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>

#include "pv/sdei/walk.h"

/* A step takes four bytes at the most. */
#define STEP_BYTES 4

struct input {
	const uint8_t *data;
	size_t size, at;
};

static unsigned pick(void *self, unsigned n)
{
	struct input *input = self;

	return input->at < input->size ? input->data[input->at++] % n : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = { data, size, 0 };
	char failure[SDEI_WALK_TEXT];

	if (sdei_walk((unsigned)(size / STEP_BYTES), pick, &input, failure))
		return 0;
	fprintf(stderr, "%s\n", failure);
	abort();
}
