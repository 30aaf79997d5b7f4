/* SPDX-License-Identifier: Apache-2.0 */
/* The port by which a test program ends its machine: what it writes is its status. */
#ifndef DEV_EXIT_PORT_H
#define DEV_EXIT_PORT_H

#include <stdint.h>

struct vm;
struct exit_port;

/*
 * Claims 4 bytes from port on: 0xf4 is where kvm-unit-tests looks for it. Writing 0 ends the VM with
 * VM_END_POWEROFF, and anything else with VM_END_TEST_FAILED. It keeps nothing, and so has no bank.
 * -EEXIST.
 */
int exit_port_create(struct vm *vm, uint16_t port, struct exit_port **ret_exit_port);
/* The vCPUs are stopped. NULL is fine. */
void exit_port_destroy(struct exit_port *exit_port);

#endif
