/* SPDX-License-Identifier: Apache-2.0 */
/* arm64's GIC and register banks. */
#ifndef ARCH_ARM64_REGS_H
#define ARCH_ARM64_REGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vm;
struct vcpu;
struct kvm_reg_list;

/* Shared peripheral interrupts that the machine has; number n is INTID 32 + n (GICv3 2.2). */
#define ARM64_SPIS 32

/* GICv2: those behind them are what messages make. Together with the private ones they are 256. */
#define ARM64_MSI_SPIS 192

/* The Aff fields of MPIDR_EL1, as an address of the CPU in tables and messages. */
#define ARM64_MPIDR_AFFINITY 0xff00ffffffULL

struct arm64_gic_options {
	uint64_t dist;	 /* guest addresses: 64 KiB */
	uint64_t redist; /* 128 KiB a vCPU, from redist to redist_end */
	uint64_t redist_end;
	uint64_t its; /* 128 KiB */
	/* Of a GICv2 instead, where the host has only that: its CPU interface, 8 KiB, and the frame of messages. */
	uint64_t cpu, frame;
};

/*
 * Makes the GICv3 and its ITS, or a GICv2. After the last vCPU, before the first interrupt of a device.
 * -EOPNOTSUPP: this KVM has none; -ENOSPC: more vCPUs than there is room for redistributors.
 */
int arm64_gic_create(struct vm *vm, const struct arm64_gic_options *options);

/* Triggers a shared interrupt; self is the VM. Any vCPU's thread. */
void arm64_gic_raise(void *self, uint32_t intid);

/* The PMU's overflow is that private interrupt; nothing if the vCPUs have none. After the GIC. */
int arm64_pmu_init(struct vm *vm, uint32_t ppi);

/*
 * Each adds one bank to the VM's register file. A machine adds them in this order, which is the order
 * of restoring (devices/arm-vgic-v3.rst, arm-vgic-its.rst, fw-pseudo-registers.rst):
 *   fw      what the guest was promised by firmware; fixed once it runs (ident.h)
 *   sysreg  ID registers first, which are fixed likewise and decide which of the others exist
 *   core    what runs
 *   sve     its vectors, where it has any; the lengths of them were chosen when the vCPUs were made
 *   vcpu    whether it runs; what is pending in it
 *   gic     after the vCPUs: distributor, then redistributors and CPU interfaces, then the ITS
 *   clock   the counters, once and last: any write of one is for all vCPUs
 */
int arm64_sysreg_bank_add(struct vm *vm);
int arm64_core_bank_add(struct vm *vm);
int arm64_sve_bank_add(struct vm *vm);
int arm64_vcpu_bank_add(struct vm *vm);
int arm64_gic_bank_add(struct vm *vm);
int arm64_clock_bank_add(struct vm *vm, bool freeze);

/*
 * arch_vm_hold() and arch_vm_go_on() of the GIC: its tables go to guest memory, and come from there
 * when all of it has arrived.
 */
int arm64_gic_hold(struct vm *vm);
int arm64_gic_go_on(struct vm *vm, bool arrived);

/* KVM's attribute of a redistributor's or CPU interface's register (arm-vgic-v3.rst). */
uint64_t arm64_gic_attr(const struct vcpu *vcpu, uint32_t number);

/*
 * Each vCPU's stolen time (DEN0057A) is told at gpa, one struct of PV_TIME_ALIGN bytes behind the
 * other. Before they run; there is memory, and vm->caps.steal_time.
 */
int arm64_clock_tell_stolen(struct vm *vm, uint64_t gpa);
/* The same of the clocks. */
int arm64_clock_hold(struct vm *vm);
int arm64_clock_go_on(struct vm *vm, bool arrived);

/* KVM_GET_REG_LIST, asked once: the VM's. */
int arm64_registers(struct vm *vm, const struct kvm_reg_list **ret_list);

/* One register of KVM's, with a text that names it when it cannot be had. */
int arm64_reg_get(struct vcpu *vcpu, uint64_t id, void *val);
/* Writing what is there already succeeds, whatever KVM says of it. */
int arm64_reg_set(struct vcpu *vcpu, uint64_t id, const void *val);

/* The manual's name of a KVM register, or one made of its encoding: always one. */
void arm64_reg_name(uint64_t id, char *name, size_t size);

/* Kinds of KVM's registers (asm/kvm.h: KVM_REG_ARM_COPROC): bits 27 … 16 of the id. */
#define ARM64_KIND(id)	   ((unsigned)((id) >> 16) & 0xfff)
#define ARM64_KIND_CORE	   0x10
#define ARM64_KIND_DEMUX   0x11
#define ARM64_KIND_SYSREG  0x13
#define ARM64_KIND_FW	   0x14
#define ARM64_KIND_SVE	   0x15
#define ARM64_KIND_FW_BMAP 0x16
#define ARM64_KIND_MASK	   0xff0fffff0fff0000ULL /* all but the size */
#define ARM64_KIND_ID(kind) (REG_OWNER_ARM64 << 56 | (uint64_t)(kind) << 16)

/* A system register's encoding in ids and in instructions. */
#define ARM64_SYSREG(op0, op1, crn, crm, op2)                                                      \
	((op0) << 14 | (op1) << 11 | (crn) << 7 | (crm) << 3 | (op2))
#define ARM64_SYSREG_ID(op0, op1, crn, crm, op2)                                                   \
	(0x6030000000130000ULL | ARM64_SYSREG(op0, op1, crn, crm, op2))

#define ARM64_ID_MPIDR_EL1 ARM64_SYSREG_ID(3, 0, 0, 0, 5)
/* Core registers: asm/kvm.h, KVM_REG_ARM_CORE_REG() of struct kvm_regs. */
#define ARM64_ID_X(n)	  (0x6030000000100000ULL + 2 * (n))
#define ARM64_ID_SP_EL0	  0x603000000010003eULL
#define ARM64_ID_PC	  0x6030000000100040ULL
#define ARM64_ID_PSTATE	  0x6030000000100042ULL
#define ARM64_ID_SP_EL1	  0x6030000000100044ULL
#define ARM64_ID_ELR_EL1  0x6030000000100046ULL
#define ARM64_ID_SPSR_EL1 0x6030000000100048ULL

#endif
