/* SPDX-License-Identifier: Apache-2.0 */
/* From the entry of a Linux Image to C, with the MMU on: and the same way for CPUs that are started. */

#define STACK_SIZE 16384

/* Arm ARM D24.2.109, MAIR_EL1: 0 write-back memory, 1 Device-nGnRnE */
#define MAIR 0x00ff
/* D24.2.176, TCR_EL1: 39 bits in, 40 out, 4 KiB granule, write-back, inner shareable; no TTBR1 */
#define TCR (25 | 1 << 8 | 1 << 10 | 3 << 12 | 1 << 23 | 2 << 32)
/* D24.2.161, SCTLR_EL1: M, C, I */
#define SCTLR (1 << 0 | 1 << 2 | 1 << 12)
/* D8.3.1: a block of 1 GiB, accessed; memory is inner shareable, devices cannot be executed */
#define BLOCK_MEMORY 0x701
#define BLOCK_DEVICE (0x405 | 1 << 53 | 1 << 54)

	.section .text.start, "ax"
	/* Linux Documentation/arch/arm64/booting.rst, 4 */
	.global guest_entry
guest_entry:
	b	1f
	.long	0
	.quad	0
	.quad	guest_end - guest_entry
	.quad	0
	.quad	0, 0, 0
	.ascii	"ARM\x64"
	.long	0
1:	mov	x19, x0
	ldr	x0, =stack_end
	mov	sp, x0
	ldr	x0, =table
	ldr	x1, =BLOCK_DEVICE
	str	x1, [x0], #8
	ldr	x1, =BLOCK_MEMORY
	mov	x2, #511
	mov	x3, #0x40000000
2:	add	x1, x1, x3
	str	x1, [x0], #8
	subs	x2, x2, #1
	b.ne	2b
	bl	mmu_on
	mov	x0, x19
	bl	guest_main
	bl	guest_poweroff

mmu_on:
	ldr	x0, =vectors
	msr	vbar_el1, x0
	mov	x0, #MAIR
	msr	mair_el1, x0
	ldr	x0, =TCR
	msr	tcr_el1, x0
	ldr	x0, =table
	msr	ttbr0_el1, x0
	mov	x0, #3 << 20 /* CPACR_EL1.FPEN */
	msr	cpacr_el1, x0
	dsb	sy
	isb
	tlbi	vmalle1
	dsb	sy
	isb
	mrs	x0, sctlr_el1
	ldr	x1, =SCTLR
	orr	x0, x0, x1
	msr	sctlr_el1, x0
	isb
	ret

/* PSCI CPU_ON comes here; x0 is the CPU's number, and the top of its stack lies accordingly. */
	.global cpu_entry
cpu_entry:
	mov	x19, x0
	bl	mmu_on
	ldr	x0, =cpu_stacks
	add	x1, x19, #1
	add	x0, x0, x1, lsl #12
	mov	sp, x0
	mov	x0, x19
	bl	guest_ap_main
3:	wfi
	b	3b

/*
 * Whatever comes is taken to guest_exception(number of the vector, where the interrupted registers
 * are), and back.
 */
	.macro vector number
	.balign 128
	sub	sp, sp, #256
	stp	x0, x1, [sp]
	mov	x0, #\number
	b	take
	.endm

	.balign 2048
vectors:
	.irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	vector \n
	.endr

take:
	stp	x2, x3, [sp, #16]
	stp	x4, x5, [sp, #32]
	stp	x6, x7, [sp, #48]
	stp	x8, x9, [sp, #64]
	stp	x10, x11, [sp, #80]
	stp	x12, x13, [sp, #96]
	stp	x14, x15, [sp, #112]
	stp	x16, x17, [sp, #128]
	stp	x18, x29, [sp, #144]
	str	x30, [sp, #160]
	mov	x1, sp
	bl	guest_exception
	ldp	x2, x3, [sp, #16]
	ldp	x4, x5, [sp, #32]
	ldp	x6, x7, [sp, #48]
	ldp	x8, x9, [sp, #64]
	ldp	x10, x11, [sp, #80]
	ldp	x12, x13, [sp, #96]
	ldp	x14, x15, [sp, #112]
	ldp	x16, x17, [sp, #128]
	ldp	x18, x29, [sp, #144]
	ldr	x30, [sp, #160]
	ldp	x0, x1, [sp]
	add	sp, sp, #256
	eret

	.bss
	.balign	4096
table:	.skip	4096
	.balign	16
stack:	.skip	STACK_SIZE
stack_end:

	.section .note.GNU-stack, "", %progbits
