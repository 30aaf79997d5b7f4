/* SPDX-License-Identifier: Apache-2.0 */
/* GICv2m: the frame that makes interrupts of PCI's messages where there is no ITS (SBSA 2.3, appendix E). */
#ifndef DEV_GICV2M_H
#define DEV_GICV2M_H

#include <stdint.h>

struct vm;
struct gicv2m;

#define GICV2M_SIZE 0x1000

/* Where a message is sent to, in the frame; what is said there is an INTID. */
#define GICV2M_SETSPI_NS 0x040

struct gicv2m_options {
	uint64_t address;
	uint32_t first, count; /* INTIDs that messages may say */
	/* Triggers one of them: a CPU wrote the message by itself. Any vCPU's thread. */
	void (*raise)(void *self, uint32_t intid);
	void *self;
};

/* Claims the address. It keeps nothing: messages of devices do not come by here, KVM routes them. -EEXIST. */
int gicv2m_create(struct vm *vm, const struct gicv2m_options *options, struct gicv2m **ret_gicv2m);
/* The vCPUs are stopped. NULL is fine. */
void gicv2m_destroy(struct gicv2m *gicv2m);

#endif
