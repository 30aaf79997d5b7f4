/* SPDX-License-Identifier: Apache-2.0 */
/* The list of all subcommands. */
#include "cli/command.h"

const struct command *const commands[] = {
	&command_run,	  &command_ctl,	  &command_list, &command_migrate, &command_snapshot,
	&command_inspect, &command_smoke, &command_stat, &command_doctor,  &command_help,
	&command_version, NULL,
};
