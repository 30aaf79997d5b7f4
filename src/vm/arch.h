/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The contract between vm and the architecture: everything that vm asks of src/arch/x86 or
 * src/arch/arm64 stands here. CMake chooses the directory; its arch_types.h defines struct arch_vm,
 * struct arch_vcpu, and inline uint64_t arch_ticks(): a counter of constant rate that user space reads
 * without a system call.
 */
#ifndef VM_ARCH_H
#define VM_ARCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arch_types.h"
#include "vm/boot_entry.h"

struct vm;
struct vcpu;
struct kvm_irq_routing_entry;

/* The type that KVM_CREATE_VM is given, by what /dev/kvm offers. */
long arch_vm_type(int kvm);

/*
 * Before any vCPU: what a VM needs besides its descriptor (irqchip, special pages). -EOPNOTSUPP with
 * a text when this KVM lacks something that ferry cannot do without. Finish takes what init left.
 * cpu: what vCPUs shall have beyond what they have anyway, in words of the architecture; NULL: nothing;
 * -EINVAL with a text.
 */
int arch_vm_init(struct vm *vm, const char *cpu);
void arch_vm_finish(struct vm *vm);

/* A vCPU in its architectural reset state, with the features that the VM offers. */
int arch_vcpu_init(struct vcpu *vcpu);
void arch_vcpu_finish(struct vcpu *vcpu);

/*
 * Puts the first vCPU where the kernel wants to be entered. Before vm_start(). -EINVAL for a mode
 * of the other architecture; -EFAULT when scratch is not RAM.
 */
int arch_vcpu_set_entry(struct vcpu *vcpu, const struct boot_entry *entry);

/* An exit that only this architecture has, on the vCPU's thread. -ENOSYS: not one of its own. */
int arch_vcpu_exit(struct vcpu *vcpu);

/* A pause is over: what was remembered of the vCPU's registers is forgotten. On its thread. */
void arch_vcpu_resume(struct vcpu *vcpu);

/*
 * Around the time in which registers are read to be carried elsewhere, or come from elsewhere; the
 * vCPUs are paused. Hold notes the time, and stops what KVM would go on to change by itself;
 * go_on starts it again, tells the guest that it stood still, and when it has arrived here, sets
 * its clocks as the VM's policy says. Any thread.
 */
int arch_vm_hold(struct vm *vm);
int arch_vm_go_on(struct vm *vm, bool arrived);

/* How many bits a guest physical address has at the most, by what KVM offers. After arch_vm_init(). */
unsigned arch_address_bits(const struct vm *vm);

/* One line for a person: where the vCPU was ("rip=… cr0=…"). On its thread, outside KVM_RUN. */
void arch_vcpu_describe(struct vcpu *vcpu, char *buf, size_t size);

/*
 * The routes that KVM_CREATE_IRQCHIP would have made; KVM_SET_GSI_ROUTING replaces them all, so they
 * head every table. Writes at most max entries and returns their number.
 */
uint32_t arch_irq_default_routes(struct vm *vm, struct kvm_irq_routing_entry *entries, uint32_t max);
/* GSIs below this belong to the irqchip's pins. */
uint32_t arch_irq_first_msi_gsi(struct vm *vm);
/*
 * A device's MSI as KVM wants it: type, flags and message of a route. device: the requester id by
 * which an interrupt controller tells devices apart (PCIe: bus, device, function).
 */
void arch_irq_msi(struct vm *vm, uint32_t device, uint64_t address, uint32_t data,
		  struct kvm_irq_routing_entry *ret_entry);

#endif
