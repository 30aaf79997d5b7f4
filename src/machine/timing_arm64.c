/* SPDX-License-Identifier: Apache-2.0 */
/* The tiny guests of timing.h on arm64: one program, which finds in X0 what to do. */
#include "machine/timing.h"

#include "base/util.h"
#include "kvm/kvm.h"
#include "mem/mem.h"
#include "vm/vm.h"

#define RAM_BASE 0x40000000UL
#define RAM_SIZE MIB

extern const uint8_t timing_guest_arm64[];
extern const uint64_t timing_guest_arm64_size;

/*
 * Position-independent, with the MMU off: EL0 may then execute what EL1 does. SPSR_EL1 0x3c0 is EL0 with
 * all exceptions masked (Arm ARM C5.2.18).
 */
__asm__(".pushsection .rodata\n"
	".balign 8\n"
	".global timing_guest_arm64, timing_guest_arm64_size\n"
	"timing_guest_arm64:\n"
	"	cmp	x0, #1\n"
	"	b.lo	1f\n"
	"	b.eq	2f\n"
	"	cmp	x0, #3\n"
	"	b.eq	3f\n"
	"	adr	x1, 2f\n"
	"	msr	elr_el1, x1\n"
	"	mov	x1, #0x3c0\n"
	"	msr	spsr_el1, x1\n"
	"	isb\n"
	"	eret\n"
	"1:	wfi\n"
	"	b	1b\n"
	"2:	b	2b\n"
	"3:	mov	x1, #0x10000000\n" /* an address that nobody answers for */
	"4:	ldr	w2, [x1]\n"
	"	b	4b\n"
	".balign 8\n"
	"timing_guest_arm64_size:\n"
	"	.quad . - timing_guest_arm64\n"
	".popsection\n");

int timing_guest_load(struct vm *vm, enum timing_guest guest)
{
	const struct boot_entry entry = { .mode = BOOT_LINUX_A64, .pc = RAM_BASE, .arg = guest };
	struct kvm_mp_state state = { .mp_state = KVM_MP_STATE_RUNNABLE };
	int r = mem_map_ram(vm_mem(vm), "RAM", RAM_BASE, RAM_SIZE, 0);

	if (r == 0)
		r = mem_write(vm_mem(vm), RAM_BASE, timing_guest_arm64, timing_guest_arm64_size);
	/* All but the first would wait for PSCI's CPU_ON otherwise. */
	for (uint32_t i = 0; i < vm->vcpu_count && r == 0; i++) {
		r = arch_vcpu_set_entry(&vm->vcpus[i], &entry);
		if (r == 0)
			r = kvm_set_mp_state(vm->vcpus[i].fd, &state);
	}
	return r;
}
