/* SPDX-License-Identifier: Apache-2.0 */
/* x86's register banks. */
#ifndef ARCH_X86_REGS_H
#define ARCH_X86_REGS_H

#include <stddef.h>
#include <stdint.h>

struct vm;

/*
 * Each adds one bank to the VM's register file. A machine adds them in this order, which is the order
 * of restoring:
 *   cpuid   fixes which of the others exist (x86_cpuid_bank_add() in ident.h)
 *   cpu     what other vCPU state depends on: TSC frequency, control registers and the APIC base
 *           before the LAPIC, XCR0 before XSAVE
 *   msr     after the LAPIC: IA32_TSC_DEADLINE is lost in a LAPIC that is not enabled
 *   vcpu    what runs: general registers, nested state (needs EFER.SVME and VMX's MSRs), mp_state, and
 *           last the pending events, since KVM_SET_REGS forgets a pending exception
 */
int x86_cpu_bank_add(struct vm *vm);
int x86_msr_bank_add(struct vm *vm);
int x86_vcpu_bank_add(struct vm *vm);

/* PIC, IOAPIC and PIT; and the VM's clock (KVM_GET_CLOCK), before the vCPUs' MSRs. */
int x86_irqchip_bank_add(struct vm *vm);
int x86_clock_bank_add(struct vm *vm);

/* The manual's name of an MSR, or -ENOENT. */
int x86_msr_name(uint32_t msr, char *name, size_t size);

#endif
