/* SPDX-License-Identifier: Apache-2.0 */
/* What the programs of tools/bench begin and end with: PVH's 32-bit entry, and nothing else. */
#ifndef GUEST_BENCH_ENTRY_H
#define GUEST_BENCH_ENTRY_H

/* COM1; QEMU and ferry have it in the same place. */
#define SERIAL_PORT    0x3f8
#define SERIAL_SCRATCH 0x3ff

/* PCI configuration space: ferry and QEMU's microvm have it in the same place. */
#define ECAM 0xe0000000

/* ferry's sleep control register, ACPI 4.8.3.7: SLP_TYP 5, SLP_EN. QEMU has it elsewhere. */
#define SLEEP_CONTROL_PORT 0x600
#define SLEEP_S5           (5 << 2 | 1 << 5)

/* Exits from one mark to the next. tools/bench.d/measurements.py has the same number. */
#define BATCH 1000

	.macro entry
	.section .note.pvh, "a", @note
	.align 4
	.long 4, 4, 18 /* sizes of name and value; XEN_ELFNOTE_PHYS32_ENTRY */
	.asciz "Xen"
	.long guest_entry
	.section .note.GNU-stack, "", @progbits
	.section .text.start, "ax"
	.code32
	.global guest_entry
guest_entry:
	.endm

	/* Tells the watch on the other side of the console that a batch begins. */
	.macro mark
	mov $SERIAL_PORT, %dx
	mov $'m', %al
	out %al, %dx
	.endm

	.macro poweroff
	mov $SLEEP_CONTROL_PORT, %dx
	mov $SLEEP_S5, %al
	out %al, %dx
9:	cli
	hlt
	jmp 9b
	.endm

#endif
