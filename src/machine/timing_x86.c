/* SPDX-License-Identifier: Apache-2.0 */
/* The tiny guests of timing.h on x86: one program; RSI holds its stack and, below, what to do. */
#include "machine/timing.h"

#include "base/util.h"
#include "kvm/kvm.h"
#include "mem/mem.h"
#include "vm/vm.h"

#define RAM_SIZE   MIB
#define CODE	   0x8000UL
#define STACKS	   0x9000UL
#define STACK_SIZE 256UL
#define TABLES	   0x10000UL /* BOOT_LINUX64's: PML4, PDPT, then the first PD; in the program, too */

extern const uint8_t timing_guest_x86[];
extern const uint64_t timing_guest_x86_size;

/*
 * Position-independent. For user mode the page tables' first entries get bit 2 (SDM 3, 4.6), and a
 * GDT adds user segments to those that arch_vcpu_set_entry() made; IRET enters it with interrupts
 * off.
 */
__asm__(".pushsection .rodata\n"
	".global timing_guest_x86, timing_guest_x86_size\n"
	"timing_guest_x86:\n"
	"	mov %esi, %ebx\n"
	"	and $-16, %ebx\n"
	"	mov %ebx, %esp\n"
	"	and $15, %esi\n"
	"	cmp $1, %esi\n"
	"	jb 1f\n"
	"	je 2f\n"
	"	cmp $3, %esi\n"
	"	je 3f\n"
	"	orq $4, 0x10000\n"
	"	orq $4, 0x11000\n"
	"	orq $4, 0x12000\n"
	"	mov %cr3, %rax\n"
	"	mov %rax, %cr3\n"
	"	lea 5f(%rip), %rax\n"
	"	push %rax\n"
	"	pushw $47\n"
	"	lgdt (%rsp)\n"
	"	mov %ebx, %esp\n"
	"	pushq $0x23\n"
	"	push %rbx\n"
	"	pushq $2\n"
	"	pushq $0x2b\n"
	"	lea 2f(%rip), %rax\n"
	"	push %rax\n"
	"	iretq\n"
	"1:	cli\n"
	"	hlt\n"
	"	jmp 1b\n"
	"2:	jmp 2b\n"
	"3:	mov $0x1000, %edx\n" /* a port that nobody answers for */
	"4:	in %dx, %al\n"
	"	jmp 4b\n"
	"	.balign 8\n"
	"5:	.quad 0, 0, 0x00af9b000000ffff, 0x00cf93000000ffff\n"
	"	.quad 0x00cff3000000ffff, 0x00affb000000ffff\n"
	"timing_guest_x86_size:\n"
	"	.quad . - timing_guest_x86\n"
	".popsection\n");

int timing_guest_load(struct vm *vm, enum timing_guest guest)
{
	struct boot_entry entry = { .mode = BOOT_LINUX64, .pc = CODE, .scratch = TABLES };
	struct kvm_mp_state state = { .mp_state = KVM_MP_STATE_RUNNABLE };
	int r = mem_map_ram(vm_mem(vm), "RAM", 0, RAM_SIZE, 0);

	if (r == 0)
		r = mem_write(vm_mem(vm), CODE, timing_guest_x86, timing_guest_x86_size);
	/* All but the first would wait for a SIPI otherwise. */
	for (uint32_t i = 0; i < vm->vcpu_count && r == 0; i++) {
		entry.arg = STACKS + (uint64_t)(i + 1) * STACK_SIZE + guest;
		r = arch_vcpu_set_entry(&vm->vcpus[i], &entry);
		if (r == 0)
			r = kvm_set_mp_state(vm->vcpus[i].fd, &state);
	}
	return r;
}
