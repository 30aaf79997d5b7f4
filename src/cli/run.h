/* SPDX-License-Identifier: Apache-2.0 */
/* `ferry run`. */
#ifndef CLI_RUN_H
#define CLI_RUN_H

struct command;

int run_main(const struct command *self, int argc, char **argv);

#endif
