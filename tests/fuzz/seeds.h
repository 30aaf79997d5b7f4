/* SPDX-License-Identifier: Apache-2.0 */
/* What the files that write seeds share. */
#ifndef TESTS_FUZZ_SEEDS_H
#define TESTS_FUZZ_SEEDS_H

#include <stddef.h>

/* As DIR/TARGET/NAME; ends the program where that cannot be. */
void write_bytes(const char *dir, const char *target, const char *name, const void *data, size_t size);

/* seeds_machine.c */
void make_machine_seeds(const char *dir);

/* seeds_xen.c */
void make_xen_seeds(const char *dir);

/* seeds_boot.c */
void make_boot_seeds(const char *dir);

#endif
