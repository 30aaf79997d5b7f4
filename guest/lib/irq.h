/* SPDX-License-Identifier: Apache-2.0 */
/* Interrupts and NMIs, of every CPU alike. */
#ifndef GUEST_LIB_IRQ_H
#define GUEST_LIB_IRQ_H

/* Called with interrupts off, on whichever CPU it came to; the EOI is its own affair. */
typedef void irq_handler(unsigned vector);

void irq_set(unsigned vector, irq_handler *handler);
/* From here on this CPU has nothing else: an exception that was not set ends it. */
void irq_init(void);

#endif
