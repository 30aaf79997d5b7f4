/* SPDX-License-Identifier: Apache-2.0 */
/* What `ferry run` was asked to do. */
#ifndef CLI_RUN_OPTIONS_H
#define CLI_RUN_OPTIONS_H

#include <ferry/machine.h>

#include <stdbool.h>
#include <stddef.h>

enum run_console {
	RUN_CONSOLE_SERIAL,
	RUN_CONSOLE_VIRTIO,
	RUN_CONSOLE_XEN,
	RUN_CONSOLE_NONE,
};

enum run_sandbox {
	RUN_SANDBOX_AUTO, /* what of it the host has */
	RUN_SANDBOX_ON,
	RUN_SANDBOX_OFF,
};

/* What a description had, put aside: describe.h. */
struct run_described {
	struct machine_disk *disks;
	size_t disk_count;
	struct machine_net *nets;
	size_t net_count;
	const char *name; /* the options', until another is given */
};

/* The strings and arrays that machine points to belong to this; run_options_finish() frees them. */
struct run_options {
	struct machine_options machine;
	struct machine_disk *disks;
	struct machine_net *nets;
	const char **initrds;
	struct run_described described;
	const char *incoming; /* a URI; NULL: the guest does not come from another host */
	const char *restore;  /* a directory; NULL: nor from a snapshot */
	const char *like;     /* a snapshot whose guest has the CPU that is wanted; NULL: the host's */
	const char *tls;
	bool insecure_plaintext;
	bool has_clock;	     /* --clock was given */
	const char *cmdline; /* NULL: the console's default */
	const char *append;  /* NULL: nothing */
	enum run_console console;
	const char *console_output; /* NULL: no copy */
	bool trace_kvm;
	const char *trace_file; /* NULL: standard error */
	enum log_level log_level;
	enum run_sandbox sandbox;
	const char *cgroup; /* NULL: where it is */
	bool dry_run;
	bool dies_with_parent;
	char **kept;
	size_t kept_count;
};

/* The defaults. */
void run_options_init(struct run_options *options);
void run_options_finish(struct run_options *options);

/* Whether the guest comes from elsewhere, and the machine begins blank. */
static inline bool run_options_arrives(const struct run_options *options)
{
	return options->incoming || options->restore;
}

/* Whether its name is the one that its source gave it. */
static inline bool run_options_has_described_name(const struct run_options *options)
{
	return options->described.name && options->machine.vm.name == options->described.name;
}

/* Whether the options go together, as far as is known without a description. -EINVAL. */
int run_options_check(const struct run_options *options);

/*
 * What no option can see alone: defaults made from others, and their agreement; run_options_check()
 * included. -EINVAL, -ENOMEM.
 */
int run_options_complete(struct run_options *options);

/* For the setters. A copy of text that lives as long as the options; NULL: no memory. */
char *run_options_keep(struct run_options *options, const char *text);
/* The same into *where, as 0 or -ENOMEM; _path() refuses an empty name. */
int run_options_keep_in(struct run_options *options, const char **where, const char *text);
int run_options_keep_path(struct run_options *options, const char **where, const char *path);
/* Room for one more zeroed element of *array; NULL: no memory. */
void *run_options_grow(void **array, size_t *count, size_t size);

/* The setters of --memory, --disk, --net and --shmem (struct command_option). */
int run_set_memory(void *target, const char *value, bool on);
int run_set_disk(void *target, const char *value, bool on);
int run_set_net(void *target, const char *value, bool on);
int run_set_shmem(void *target, const char *value, bool on);

#endif
