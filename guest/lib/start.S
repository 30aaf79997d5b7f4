/* SPDX-License-Identifier: Apache-2.0 */
/* From PVH's 32-bit entry to 64-bit C; and the same way for application processors. */

#define CR0_PE 0x1
#define CR0_PG 0x80000000
#define CR4_PAE 0x20
#define EFER 0xc0000080
#define EFER_LME 0x100

	.section .note.pvh, "a", @note
	.align 4
	.long 4, 4, 18 /* sizes of name and value; XEN_ELFNOTE_PHYS32_ENTRY */
	.asciz "Xen"
	.long guest_entry

	.section .text.start, "ax"
	.code32
	.global guest_entry
guest_entry:
	mov %ebx, start_info
	mov $stack_end, %esp
	/* PML4 -> PDPT -> four PDs of 2 MiB pages: 4 GiB one to one. */
	movl $pdpt + 3, pml4
	mov $pds + 3, %eax
	mov $pdpt, %edi
	mov $4, %ecx
1:	mov %eax, (%edi)
	add $0x1000, %eax
	add $8, %edi
	loop 1b
	mov $0x83, %eax
	mov $pds, %edi
	mov $2048, %ecx
2:	mov %eax, (%edi)
	movl $0, 4(%edi)
	add $0x200000, %eax
	add $8, %edi
	loop 2b
	mov $long_mode, %esi
	/* fall through */

/* esi: where to go on in long mode */
enter_long:
	mov $pml4, %eax
	mov %eax, %cr3
	mov $CR4_PAE, %eax
	mov %eax, %cr4
	mov $EFER, %ecx
	mov $EFER_LME, %eax
	xor %edx, %edx
	wrmsr
	lgdt gdt_pointer
	mov $(CR0_PG | CR0_PE | 0x10), %eax
	mov %eax, %cr0
	ljmp $8, $reload

	.code64
reload:
	mov $16, %eax
	mov %eax, %ds
	mov %eax, %es
	mov %eax, %ss
	xor %eax, %eax
	mov %eax, %fs
	mov %eax, %gs
	jmp *%rsi

long_mode:
	mov $stack_end, %rsp
	mov start_info, %edi
	call guest_main
	call guest_poweroff
3:	hlt
	jmp 3b

/*
 * What an application processor runs in real mode, copied to AP_TRAMPOLINE (0x8000): CS is 0x800.
 */
	.code16
	.global ap_trampoline, ap_trampoline_end
ap_trampoline:
	cli
	xor %ax, %ax
	mov %ax, %ds
	lgdtl gdt_pointer_low - ap_trampoline + 0x8000
	mov $(CR0_PE | 0x10), %eax
	mov %eax, %cr0
	ljmpl $24, $ap_protected
gdt_pointer_low:
	.word gdt_end - gdt - 1
	.long gdt
ap_trampoline_end:

	.code32
ap_protected:
	mov $16, %eax
	mov %eax, %ds
	mov %eax, %es
	mov %eax, %ss
	mov $ap_long, %esi
	jmp enter_long

	.code64
ap_long:
	/* Each takes the next number and the stack of that number. */
	mov $1, %edi
	lock xadd %edi, ap_count
	mov %rdi, %rax
	shl $12, %rax
	lea ap_stacks + 4096(%rax), %rsp
	call guest_ap_main
4:	cli
	hlt
	jmp 4b

	.section .rodata
	.align 8
gdt:
	.quad 0
	.quad 0x00af9b000000ffff /* 0x08: 64-bit code */
	.quad 0x00cf93000000ffff /* 0x10: data */
	.quad 0x00cf9b000000ffff /* 0x18: 32-bit code */
gdt_end:
gdt_pointer:
	.word gdt_end - gdt - 1
	.long gdt

	.bss
	.align 4096
pml4:	.skip 4096
pdpt:	.skip 4096
pds:	.skip 4 * 4096
stack:	.skip 16384
stack_end:
	.global start_info
start_info: .skip 8

	.section .note.GNU-stack, "", @progbits
