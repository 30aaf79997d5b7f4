/* SPDX-License-Identifier: Apache-2.0 */
/* Connects for a VM. */
#include "cli/dial.h"

#include <unistd.h>

static int open_next(struct dial *dial, const char *uri, const struct channel_options *options)
{
	struct channel *channel;
	int err = channel_connect(uri, options, &channel);

	if (err)
		return err;
	if (channel_can_repeat(channel)) {
		dial->fds[dial->count++] = channel_release(channel);
		return 0;
	}
	dial->command = channel;
	return 0;
}

int dial_open(struct dial *dial, const char *uri, unsigned connections,
	      const struct channel_options *options)
{
	/* One more for what a guest in post-copy cannot wait for. */
	unsigned count = connections + 1;
	int err = 0;

	*dial = (struct dial){ 0 };
	if (options->tls) {
		err = channel_check_keys(options->tls);
		if (!err)
			err = relay_open(uri, options, dial->fds, count);
		dial->count = err ? 0 : count;
		return err;
	}
	while (!err && dial->count < count && !dial->command)
		err = open_next(dial, uri, options);
	if (dial->command)
		dial->fds[dial->count++] = channel_socket(dial->command);
	return err;
}

void dial_tell(const struct dial *dial, char *text, size_t size)
{
	text[0] = '\0';
	if (dial->command)
		channel_command_ended(dial->command, text, size);
}

void dial_finish(struct dial *dial)
{
	if (dial->command)
		dial->count = 0;
	for (unsigned i = 0; i < dial->count; i++)
		close(dial->fds[i]);
	channel_destroy(dial->command);
	*dial = (struct dial){ 0 };
}
