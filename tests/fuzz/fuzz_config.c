/* SPDX-License-Identifier: Apache-2.0 */
/* Config files of `ferry run`, and descriptions of machines that a peer or a snapshot brings. */
#include "fuzz/fuzz.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/config.h"
#include "cli/describe.h"
#include "cli/run_options.h"

static bool skip_none(const void *arg, const struct command_option *option)
{
	(void)arg;
	(void)option;
	return false;
}

static void read_file(const uint8_t *data, size_t size)
{
	struct run_options options;
	char path[32];
	int err, fd = memfd_create("config", MFD_CLOEXEC);

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	run_options_init(&options);
	err = config_read(path, &command_run, skip_none, NULL, &options);
	if (!err)
		run_options_complete(&options);
	run_options_finish(&options);
	close(fd);
}

static void read_description(const uint8_t *data, size_t size)
{
	struct run_options options;
	char *text = strndup((const char *)data, size);

	if (!text)
		abort();
	run_options_init(&options);
	if (describe_read(text, &options) == 0)
		run_options_complete(&options);
	run_options_finish(&options);
	free(text);
}

/* Which of the two, and the text. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1 || size > FUZZ_SIZE_MAX)
		return 0;
	if (data[0] & 1)
		read_description(data + 1, size - 1);
	else
		read_file(data + 1, size - 1);
	return 0;
}
