/* SPDX-License-Identifier: Apache-2.0 */
/* arm64's share of a VM and of its vCPUs: what is created, and exits of its own. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <ferry/error.h>

#include "base/cleanup.h"
#include "kvm/kvm_arm64.h"
#include "regs.h"
#include "traps.h"
#include "vm/vm.h"

/* Loads and stores that the CPU does not describe come to us, instead of ending the VM. */
static int take_undescribed_accesses(struct vm *vm)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_ARM_NISV_TO_USER };

	if (!vm->caps.arm_nisv_to_user || !vm->caps.arm_inject_ext_dabt)
		return 0;
	return kvm_enable_cap(vm->fd, &cap);
}

#define SVE_BITS_MIN 128 /* and each vector is a multiple of it: Arm ARM A1.4.1 */
#define SVE_BITS_MAX 2048

static int want_sve(struct vm *vm, const char *bits)
{
	char *end = NULL;

	if (!vm->caps.arm_sve)
		return because(-EINVAL, "this host's KVM has no SVE for guests");
	if (bits)
		vm->arch.cpu.sve_bits = (unsigned)strtoul(bits, &end, 10);
	if (bits && (end == bits || *end || vm->arch.cpu.sve_bits % SVE_BITS_MIN ||
		     vm->arch.cpu.sve_bits < SVE_BITS_MIN || vm->arch.cpu.sve_bits > SVE_BITS_MAX))
		return because(-EINVAL, "sve=%s: not a length in bits, 128 to 2048", bits);
	vm->arch.cpu.has_sve = true;
	return 0;
}

static int want(struct vm *vm, char *word)
{
	char *value = strchr(word, '=');

	if (value)
		*value++ = '\0';
	if (strcmp(word, "sve") == 0)
		return want_sve(vm, value);
	if (strcmp(word, "pmu") != 0 || value)
		return because(-EINVAL, "'%s' is not one of pmu, sve, sve=BITS", word);
	if (!vm->caps.arm_pmu_v3)
		return because(-EINVAL, "this host's KVM has no PMU for guests");
	vm->arch.cpu.has_pmu = true;
	return 0;
}

static int choose_cpu(struct vm *vm, const char *cpu)
{
	AUTO_FREE char *copy = strdup(cpu);
	char *at = copy, *word;
	int r = copy ? 0 : -ENOMEM;

	while (r == 0 && (word = strsep(&at, ",")))
		r = want(vm, word);
	return r < 0 ? because_of(r, "--cpu") : 0;
}

int arch_vm_init(struct vm *vm, const char *cpu)
{
	int r;

	if (!vm->caps.one_reg || !vm->caps.arm_psci_0_2)
		return because(-EOPNOTSUPP, "this KVM has no PSCI for guests");
	r = take_undescribed_accesses(vm);
	if (r < 0)
		return because(r, "KVM_CAP_ARM_NISV_TO_USER: %s", strerror(-r));
	return cpu ? choose_cpu(vm, cpu) : 0;
}

void arch_vm_finish(struct vm *vm)
{
	if (vm->arch.has_its)
		close(vm->arch.its);
	if (vm->arch.has_gic)
		close(vm->arch.gic);
	vm->arch.has_its = vm->arch.has_gic = false;
	free(vm->arch.registers);
	vm->arch.registers = NULL;
}

static void choose_features(const struct vcpu *vcpu, struct kvm_vcpu_init *init)
{
	const struct kvm_caps *caps = &vcpu->vm->caps;

	init->features[0] |= 1U << KVM_ARM_VCPU_PSCI_0_2;
	if (vcpu->index > 0)
		init->features[0] |= 1U << KVM_ARM_VCPU_POWER_OFF;
	if (caps->arm_ptrauth_address && caps->arm_ptrauth_generic)
		init->features[0] |= 1U << KVM_ARM_VCPU_PTRAUTH_ADDRESS |
				     1U << KVM_ARM_VCPU_PTRAUTH_GENERIC;
	if (vcpu->vm->arch.cpu.has_pmu)
		init->features[0] |= 1U << KVM_ARM_VCPU_PMU_V3;
	if (vcpu->vm->arch.cpu.has_sve)
		init->features[0] |= 1U << KVM_ARM_VCPU_SVE;
}

/* api.rst, KVM_REG_ARM64_SVE_VLS: which lengths there are is chosen now, and is fixed then. */
static int finalize_sve(struct vcpu *vcpu)
{
	unsigned bits = vcpu->vm->arch.cpu.sve_bits;
	uint64_t lengths[KVM_ARM64_SVE_VLS_WORDS];
	int r = kvm_get_one_reg(vcpu->fd, KVM_REG_ARM64_SVE_VLS, lengths);

	for (unsigned n = bits / SVE_BITS_MIN; bits && n < 64 * KVM_ARM64_SVE_VLS_WORDS; n++)
		lengths[n / 64] &= ~(1ULL << n % 64);
	if (r == 0 && bits)
		r = kvm_set_one_reg(vcpu->fd, KVM_REG_ARM64_SVE_VLS, lengths);
	return r < 0 ? r : kvm_arm_vcpu_finalize(vcpu->fd, KVM_ARM_VCPU_SVE);
}

int arch_vcpu_init(struct vcpu *vcpu)
{
	struct kvm_vcpu_init init = { 0 };
	int r = kvm_arm_preferred_target(vcpu->vm->fd, &init);

	if (r == 0) {
		choose_features(vcpu, &init);
		r = kvm_arm_vcpu_init(vcpu->fd, &init);
	}
	if (r == 0 && vcpu->vm->arch.cpu.has_sve)
		r = finalize_sve(vcpu);
	if (r == 0)
		r = kvm_get_one_reg(vcpu->fd, ARM64_ID_MPIDR_EL1, &vcpu->arch.mpidr);
	return r < 0 ? because(r, "vCPU %u: KVM_ARM_VCPU_INIT: %s", vcpu->index, strerror(-r)) : 0;
}

void arch_vcpu_finish(struct vcpu *vcpu)
{
	(void)vcpu;
}

/*
 * An access outside of RAM by an instruction that the CPU does not describe (a pair, a write-back):
 * no device can serve it. The guest takes an external abort, as from a bus that cannot either.
 */
static int abort_access(struct vcpu *vcpu)
{
	struct kvm_vcpu_events events = { .exception.ext_dabt_pending = 1 };

	return kvm_set_vcpu_events(vcpu->fd, &events);
}

int arch_vcpu_exit(struct vcpu *vcpu)
{
	if (vcpu->run->exit_reason == KVM_EXIT_ARM_NISV)
		return abort_access(vcpu) < 0 ? -ENOSYS : 0;
	return arm64_traps_exit(vcpu);
}

void arch_vcpu_resume(struct vcpu *vcpu)
{
	(void)vcpu;
}

int arch_vm_hold(struct vm *vm)
{
	int r = arm64_clock_hold(vm);

	return r < 0 ? r : arm64_gic_hold(vm);
}

int arch_vm_go_on(struct vm *vm, bool arrived)
{
	int r = arm64_gic_go_on(vm, arrived);

	return r < 0 ? r : arm64_clock_go_on(vm, arrived);
}

void arch_vcpu_describe(struct vcpu *vcpu, char *buf, size_t size)
{
	uint64_t pc, pstate, sp, elr, esr;

	if (kvm_get_one_reg(vcpu->fd, ARM64_ID_PC, &pc) < 0 ||
	    kvm_get_one_reg(vcpu->fd, ARM64_ID_PSTATE, &pstate) < 0 ||
	    kvm_get_one_reg(vcpu->fd, ARM64_ID_SP_EL1, &sp) < 0 ||
	    kvm_get_one_reg(vcpu->fd, ARM64_ID_ELR_EL1, &elr) < 0 ||
	    kvm_get_one_reg(vcpu->fd, ARM64_SYSREG_ID(3, 0, 5, 2, 0), &esr) < 0) {
		snprintf(buf, size, "an unknown place");
		return;
	}
	snprintf(buf, size, "pc=%#llx pstate=%#llx sp_el1=%#llx elr_el1=%#llx esr_el1=%#llx",
		 (unsigned long long)pc, (unsigned long long)pstate, (unsigned long long)sp,
		 (unsigned long long)elr, (unsigned long long)esr);
}
