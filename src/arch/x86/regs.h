/* SPDX-License-Identifier: Apache-2.0 */
/* x86's register banks. */
#ifndef ARCH_X86_REGS_H
#define ARCH_X86_REGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vm;
struct vcpu;

/*
 * Each adds one bank to the VM's register file. A machine adds them in this order, which is the order
 * of restoring:
 *   cpuid   fixes which of the others exist (x86_cpuid_bank_add() in ident.h)
 *   cpu     what other vCPU state depends on: TSC frequency, control registers and the APIC base
 *           before the LAPIC, XCR0 before XSAVE
 *   tsc     after its frequency; before a deadline that is reckoned by it
 *   msr     after the LAPIC: IA32_TSC_DEADLINE is lost in a LAPIC that is not enabled
 *   vcpu    what runs: general registers, nested state (needs EFER.SVME and VMX's MSRs), mp_state, and
 *           last the pending events, since KVM_SET_REGS forgets a pending exception
 */
int x86_cpu_bank_add(struct vm *vm);
int x86_tsc_bank_add(struct vm *vm);
int x86_msr_bank_add(struct vm *vm);
int x86_vcpu_bank_add(struct vm *vm);

/* PIC, IOAPIC and PIT; and the VM's clock (KVM_GET_CLOCK), before the vCPUs' MSRs. */
int x86_irqchip_bank_add(struct vm *vm);
int x86_clock_bank_add(struct vm *vm, bool freeze);

/*
 * Lets KVM do to a paused vCPU's registers what it still has to do: an INIT or a SIPI that was sent
 * to it is in none of them before. Whoever reads a register of a vCPU calls it first.
 */
int x86_vcpu_settle(struct vcpu *vcpu);

/*
 * MSRs first to last are registers too, if they can be read: state that KVM keeps for some guests, and
 * does not list. Before the bank is first listed; a VM has room for four such ranges.
 */
void x86_msr_keep(struct vm *vm, uint32_t first, uint32_t last);

/* One MSR. -ENOENT: this CPU has none of that number; -EINVAL: not that value. */
int x86_msr_read(struct vcpu *vcpu, uint32_t index, uint64_t *ret_value);
int x86_msr_write(struct vcpu *vcpu, uint32_t index, uint64_t value);

/* arch_vm_hold() and arch_vm_go_on() of the PIT, whose ticks would change the PIC and the IOAPIC. */
int x86_pit_hold(struct vm *vm);
int x86_pit_go_on(struct vm *vm, bool arrived);

/* The same of the clocks: those of a guest that has arrived are set as late as possible. */
int x86_clock_hold(struct vm *vm);
int x86_clock_go_on(struct vm *vm, bool arrived);

/* The manual's name of an MSR, or -ENOENT. */
int x86_msr_name(uint32_t msr, char *name, size_t size);

#endif
