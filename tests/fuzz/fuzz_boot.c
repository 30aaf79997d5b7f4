/* SPDX-License-Identifier: Apache-2.0 */
/* Kernel images, as somebody may hand them to `ferry run`. */
#include "fuzz/fuzz.h"

#include <check.h>
#include <errno.h>

#include "boot/boot_fixture.h"

/* Little, so that damaged addresses miss it. */
#define RAM (24 * MIB_SIZE)

/* Flags, whose lowest bit is KASLR; the image. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct machine m;
	struct bytes file = { (uint8_t *)data + 1, size - 1 };
	int err;

	if (size < 2)
		return 0;
	machine_init(&m, RAM);
	m.options.kaslr = data[0] & 1;
	err = machine_load(&m, &file);
	mem_finish(&m.mem);
	if (err && err != -ENOEXEC && err != -ENOSPC && err != -EINVAL)
		abort();
	return 0;
}
