/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SDEI for arm64 guests: events that reach a CPU whether it has masked interrupts or not. A guest
 * calls it by HVC, which KVM's SMCCC filter forwards; /firmware/sdei in the device tree tells of
 * it.
 */
#ifndef PV_SDEI_SDEI_H
#define PV_SDEI_SDEI_H

#include <stdint.h>

struct vm;
struct sdei;
struct reg_file;

/*
 * Before the VM first runs, after the last vCPU. interrupts: INTIDs below it exist. -EOPNOTSUPP
 * with a text: this kernel cannot.
 */
int sdei_create(struct vm *vm, uint32_t interrupts, struct sdei **ret_sdei);
/* The vCPUs are stopped. NULL is fine. */
void sdei_destroy(struct sdei *sdei);

/* Banks REG_BANK_SDEI and REG_BANK_SDEI_SHARED, after the vCPUs' own. -errno of reg_file_add(). */
int sdei_add_banks(struct sdei *sdei, struct reg_file *file);

/*
 * Triggers an event; a private one on that vCPU. Any thread.
 *   -ENOENT  ferry has no such event
 *   -EINVAL  no such vCPU
 *   -ENXIO   nobody has registered it (there)
 */
int sdei_inject(struct sdei *sdei, uint32_t event, uint32_t vcpu);

#endif
