/* SPDX-License-Identifier: Apache-2.0 */
/* The config file: the names and values of a command's options, in JSON, or in TOML where its name ends so. */
#ifndef CLI_CONFIG_H
#define CLI_CONFIG_H

#include <stdbool.h>

struct command;
struct command_option;
struct json_object;

/*
 * Sets every option of the file at path, in the file's order, but those for which skip() is true. A
 * switch is true or false, or its argument; what may be repeated is one value or an array; a value
 * of several keys ("path=x.img,readonly") may be an object. -EINVAL, or that of open(2), with a
 * text that says where in the file.
 */
int config_read(const char *path, const struct command *command,
		bool (*skip)(const void *arg, const struct command_option *option), const void *arg,
		void *target);

/*
 * The same of a text that came from elsewhere, whatever it is: only options that describe a machine
 * (OPTION_MACHINE) may stand in it. Those that are not known here are all named at once.
 */
int config_read_machine(const char *text, const struct command *command, void *target);

/* For files of another shape: the object that the file is, and one of its values. As config_read(). */
int config_load(const char *path, struct json_object **ret_root);
int config_set(const struct command *command, const char *key, struct json_object *value,
	       void *target);

#endif
