/* SPDX-License-Identifier: Apache-2.0 */
/* Entered by Multiboot: prints command line and module; the last digit of the former is its status. */

#define UART 0x3f8
#define EXIT_PORT 0xf4
#define MAGIC 0x1badb002

	.section .text.start, "ax"
	.code32
	.align 4
	.long MAGIC, 0, -MAGIC

	.global guest_entry
guest_entry:
	cmp $0x2badb002, %eax
	jne wrong
	mov (%ebx), %eax
	and $0x4d, %eax /* memory, command line, modules, memory map */
	cmp $0x4d, %eax
	jne wrong
	mov $UART, %edx
	mov 16(%ebx), %esi /* cmdline */
1:	lodsb
	test %al, %al
	jz 2f
	movzbl %al, %edi
	out %al, %dx
	jmp 1b
2:	mov $'\n', %al
	out %al, %dx
	mov 24(%ebx), %ebp /* mods_addr */
	mov (%ebp), %esi
3:	cmp 4(%ebp), %esi
	jae 4f
	lodsb
	out %al, %dx
	jmp 3b
4:	lea -'0'(%edi), %eax
	out %eax, $EXIT_PORT
	hlt
wrong:
	mov $99, %eax
	out %eax, $EXIT_PORT
	hlt
