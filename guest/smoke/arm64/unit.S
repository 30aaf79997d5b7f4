/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ends as programs of kvm-unit-tests do: a flat program at 512 KiB behind a multiple of 2 MiB, with the
 * device tree in x0. The digit behind "status=" on its command line is its status.
 */

#define UART 0x09000000
#define PSCI_SYSTEM_OFF 0x84000008

	.section .text.start, "ax"
	.global guest_entry
guest_entry:
	adr	x1, guest_entry
	and	x1, x1, #0x1fffff
	cmp	x1, #0x80000
	b.ne	off
	ldr	w1, [x0, #4] /* Devicetree Specification 5.2: totalsize */
	rev	w1, w1
	add	x1, x0, x1
1:	cmp	x0, x1
	b.hs	off
	adr	x2, word
	mov	x3, x0
2:	ldrb	w4, [x2], #1
	cbz	w4, 3f
	ldrb	w5, [x3], #1
	cmp	w4, w5
	b.eq	2b
	add	x0, x0, #1
	b	1b
3:	ldrb	w6, [x3] /* 0 to 4: what is printed has one digit */
	sub	w6, w6, #'0'
	lsl	w6, w6, #1
	add	w6, w6, #'1'
	mov	x7, #UART
	adr	x2, said
4:	ldrb	w4, [x2], #1
	cbz	w4, 5f
	strb	w4, [x7]
	b	4b
5:	strb	w6, [x7]
	mov	w4, #'\n'
	strb	w4, [x7]
off:	ldr	x0, =PSCI_SYSTEM_OFF
	hvc	#0
	b	off
word:	.asciz	"status="
said:	.asciz	"PASS: unit\n\nEXIT: STATUS="
