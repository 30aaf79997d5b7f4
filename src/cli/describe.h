/* SPDX-License-Identifier: Apache-2.0 */
/* A machine as a text from which another ferry makes the same one. */
#ifndef CLI_DESCRIBE_H
#define CLI_DESCRIBE_H

struct run_options;

/*
 * What the options (complete, run_options_complete()) say of the machine, as a config file has it, with
 * nothing left to a default that could differ elsewhere. What it boots is left out: its guest is there
 * already. From malloc. -ENOMEM.
 */
int describe_machine(const struct run_options *options, char **ret_text);

/*
 * Takes such a text into fresh options, before any others are read, which replace it: a list of disks
 * or of networks replaces all of the text's, but a network without an address keeps the one that it had.
 * The text may be anybody's. -EINVAL.
 */
int describe_read(const char *text, struct run_options *options);

/*
 * Puts what the text had where nothing replaced it, and gives every network its address; for
 * run_options_complete().
 */
void describe_fill(struct run_options *options);

#endif
