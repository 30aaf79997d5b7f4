/* SPDX-License-Identifier: Apache-2.0 */
/* Keeps a console's lines. */
#include "smoke/console.h"

#include <ferry/error.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int smoke_console_init(struct smoke_console *console, const char *path, uint64_t now)
{
	*console = (struct smoke_console){ .fd = -1, .started = now };
	if (!path)
		return 0;
	console->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	return console->fd < 0 ? because(-errno, "cannot write %s: %s", path, strerror(errno)) : 0;
}

void smoke_console_finish(struct smoke_console *console)
{
	if (console->fd >= 0)
		close(console->fd);
	for (unsigned i = 0; i < SMOKE_TAIL; i++)
		free(console->tail[i]);
	*console = (struct smoke_console){ .fd = -1 };
}

static void write_all(struct smoke_console *console, const char *text, size_t len)
{
	while (len && !console->error) {
		ssize_t n = write(console->fd, text, len);

		if (n < 0 && errno != EINTR)
			console->error = -errno;
		if (n > 0) {
			text += n;
			len -= (size_t)n;
		}
	}
}

static void write_line(struct smoke_console *console, const char *line)
{
	static const char full[] = "(there was more: the file is full)\n";
	size_t len = strlen(line);

	if (console->fd < 0 || console->written > SMOKE_CONSOLE_MAX)
		return;
	console->written += len;
	write_all(console, line, len);
	if (console->written > SMOKE_CONSOLE_MAX)
		write_all(console, full, sizeof(full) - 1);
}

void smoke_console_line(struct smoke_console *console, uint64_t at, const char *line)
{
	char **slot = &console->tail[console->lines % SMOKE_TAIL];
	uint64_t us = at > console->started ? (at - console->started) / 1000 : 0;
	char *stamped;

	if (asprintf(&stamped, "[%4llu.%06llu] %s\n", (unsigned long long)(us / 1000000),
		     (unsigned long long)(us % 1000000), line) < 0)
		return;
	write_line(console, stamped);
	free(*slot);
	*slot = stamped;
	console->lines++;
}

void smoke_console_tail(const struct smoke_console *console, struct text *text)
{
	unsigned first = console->lines > SMOKE_TAIL ? console->lines - SMOKE_TAIL : 0;

	for (unsigned i = first; i < console->lines; i++)
		text_add(text, "%s", console->tail[i % SMOKE_TAIL]);
}

const char *smoke_console_last(const struct smoke_console *console)
{
	const char *line;

	if (!console->lines)
		return "";
	line = strstr(console->tail[(console->lines - 1) % SMOKE_TAIL], "] ");
	return line ? line + 2 : "";
}
