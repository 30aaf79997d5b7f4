/* SPDX-License-Identifier: Apache-2.0 */
/* ferry: finds the subcommand and exits with its status. */
#include <ferry/error.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "cli/command.h"

static int unknown_command(const char *name, const char *nearest)
{
	if (name[0] == '-')
		because(-EINVAL,
			"%s comes after the command: ferry COMMAND %s; "
			"'ferry help' lists the commands",
			name, name);
	else if (nearest)
		because(-EINVAL,
			"there is no command \"%s\"; did you mean %s? "
			"'ferry help' lists them",
			name, nearest);
	else
		because(-EINVAL, "there is no command \"%s\"; 'ferry help' lists them", name);
	return command_failed(STATUS_USAGE, -EINVAL);
}

static int dispatch(int argc, char **argv)
{
	const struct command *command;
	const char *nearest = NULL;
	const char *name = argc > 1 ? argv[1] : "";

	if (argc < 2)
		return command_failed(STATUS_USAGE,
				      because(-EINVAL, "no command; try 'ferry help', or "
						       "'ferry run KERNEL' to boot one"));
	if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
		name = "help";
	else if (strcmp(name, "--version") == 0)
		name = "version";
	command = command_find(name, &nearest);
	if (!command)
		return unknown_command(name, nearest);
	return command->run(command, argc - 2, argv + 2);
}

int main(int argc, char **argv)
{
	int status;

	/* A reader that goes away is an error of write(2) like any other. */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* a full file is an error like any other */
	status = dispatch(argc, argv);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		error_clear();
		if (errno != EPIPE && status == STATUS_OK)
			status = command_failed(STATUS_FAILED,
						because_of(-errno, "standard output"));
	}
	return status;
}
