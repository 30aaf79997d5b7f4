/* SPDX-License-Identifier: Apache-2.0 */
/* The entry of a handler that completes: it calls handle() with the event, its argument, PC and PSTATE. */
#ifndef GUEST_ARM64_SDEI_HANDLER_H
#define GUEST_ARM64_SDEI_HANDLER_H

extern void handler_entry(void);

__asm__(".global handler_entry\n"
	"handler_entry:\n"
	"	stp x18, x19, [sp, #-96]!\n"
	"	stp x29, x30, [sp, #16]\n"
	"	bl handle\n"
	"	ldp x29, x30, [sp, #16]\n"
	"	ldp x18, x19, [sp], #96\n"
	"	mov x1, #0\n"
	"	ldr x0, =0xc4000025\n"
	"	hvc #0\n"
	"	b .\n"
	"	.ltorg\n");

#endif
