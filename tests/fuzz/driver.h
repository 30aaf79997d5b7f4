/* SPDX-License-Identifier: Apache-2.0 */
/* What a guest's drivers do: fuzz_machine.c makes its accesses by this. */
#ifndef TESTS_FUZZ_DRIVER_H
#define TESTS_FUZZ_DRIVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fuzz/ops.h"

#define MEMORY (32U << 20)
#define ECAM   0xe0000000UL
#define SLOTS  8
#define QUEUES 8

struct bus;
struct vm;

/* The machine that all of these are about; nothing in it has been started. */
void driver_attach(struct vm *vm);

void driver_touch(struct bus *bus, bool write, uint64_t address, unsigned len, uint64_t value);
void driver_put(uint64_t where, const void *data, size_t len);
uint64_t driver_config(unsigned slot, unsigned offset, unsigned len);
/* Where the device's registers are now: the guest moves them. */
uint64_t driver_bar(unsigned slot);

/* What is ready on the loop now, and what came of that. */
void driver_turn(void);
void driver_stop_loop(void *loop);

/* As a driver begins; queue is the one at base, the others lie behind it. */
void driver_start(unsigned slot, unsigned queue, uint64_t base, uint64_t features);
void driver_kick(unsigned slot, unsigned queue);
void driver_request(const struct fuzz_op *op);
void driver_reset(unsigned slot);

#endif
