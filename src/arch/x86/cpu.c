/* SPDX-License-Identifier: Apache-2.0 */
/* x86's share of a VM and of its vCPUs: what is created, and what a pause leaves behind. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ferry/error.h>

#include "ident.h"
#include "kvm/kvm_x86.h"
#include "regs.h"
#include "traps.h"
#include "vm/vm.h"

/*
 * Four pages below 4 GiB that Intel's VMX needs for real mode (api.rst 4.35, 4.41). No machine has
 * RAM or devices there.
 */
#define IDENTITY_MAP_ADDRESS 0xfffbc000ULL
#define TSS_ADDRESS          0xfffbd000UL

/* With more vCPUs than this some have an APIC id that xAPIC mode does not have: 255 is broadcast. */
#define VCPUS_XAPIC 255

#define APIC_BASE_X2APIC (1UL << 10)
#define APIC_BASE_ENABLE (1UL << 11)

static int set_special_pages(struct vm *vm)
{
	__u64 identity = IDENTITY_MAP_ADDRESS;
	int r = 0;

	if (vm->caps.set_identity_map_addr)
		r = kvm_set_identity_map_addr(vm->fd, &identity);
	if (r == 0 && vm->caps.set_tss_addr)
		r = kvm_set_tss_addr(vm->fd, TSS_ADDRESS);
	return r < 0 ? because(r, "KVM_SET_TSS_ADDR: %s", strerror(-r)) : 0;
}

/* MSIs and the LAPIC's registers carry APIC ids of 32 bits. */
static int enable_wide_apic_ids(struct vm *vm)
{
	struct kvm_enable_cap cap = {
		.cap = KVM_CAP_X2APIC_API,
		.args = { KVM_X2APIC_API_USE_32BIT_IDS | KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK },
	};
	uint32_t vcpus = vm->regs.vcpus;
	int r;

	if (!vm->caps.x2apic_api && vcpus > VCPUS_XAPIC)
		return because(-EOPNOTSUPP, "%u vCPUs: this KVM has no APIC ids above 254", vcpus);
	if (!vm->caps.x2apic_api)
		return 0;
	r = kvm_enable_cap(vm->fd, &cap);
	if (r < 0)
		return because(r, "KVM_CAP_X2APIC_API: %s", strerror(-r));
	vm->arch.extended_destination = vcpus > VCPUS_XAPIC;
	return 0;
}

static int create_irqchip(struct vm *vm)
{
	struct kvm_pit_config pit = { .flags = KVM_PIT_SPEAKER_DUMMY };
	int r;

	if (!vm->caps.irqchip || !vm->caps.pit2)
		return because(-EOPNOTSUPP, "this KVM has no interrupt controllers of its own");
	r = kvm_create_irqchip(vm->fd);
	if (r == 0)
		r = kvm_create_pit2(vm->fd, &pit);
	return r < 0 ? because(r, "KVM_CREATE_IRQCHIP: %s", strerror(-r)) : 0;
}

long arch_vm_type(int kvm)
{
	(void)kvm;
	return 0;
}

int arch_vm_init(struct vm *vm, const char *cpu)
{
	int r = cpu ? because(-EINVAL, "--cpu: only arm64 machines have it") : set_special_pages(vm);

	if (r == 0)
		r = enable_wide_apic_ids(vm);
	if (r == 0)
		r = create_irqchip(vm);
	if (r == 0)
		r = x86_ident_init(vm);
	return r;
}

void arch_vm_finish(struct vm *vm)
{
	x86_ident_finish(vm);
	free(vm->arch.held_pit);
	vm->arch.held_pit = NULL;
	free(vm->arch.msrs);
	vm->arch.msrs = NULL;
}

/*
 * In xAPIC mode id 255 means everybody, and ids above it cannot be written. Where there is such an id,
 * firmware hands all CPUs over in x2APIC mode (Intel SDM 3, 11.12.8.1), and so does ferry: as long
 * as one CPU is in xAPIC mode, KVM takes an INIT for 255 as one for all.
 */
static int start_in_x2apic_mode(struct vcpu *vcpu)
{
	struct kvm_sregs sregs;
	int r = kvm_get_sregs(vcpu->fd, &sregs);

	if (r < 0)
		return because(r, "KVM_GET_SREGS: %s", strerror(-r));
	sregs.apic_base |= APIC_BASE_ENABLE | APIC_BASE_X2APIC;
	r = kvm_set_sregs(vcpu->fd, &sregs);
	return r < 0 ? because(r, "vCPU %u: x2APIC mode: %s", vcpu->index, strerror(-r)) : 0;
}

int arch_vcpu_init(struct vcpu *vcpu)
{
	int r = x86_ident_apply(vcpu);

	if (r == 0 && vcpu->vm->regs.vcpus > VCPUS_XAPIC)
		r = start_in_x2apic_mode(vcpu);
	return r;
}

void arch_vcpu_finish(struct vcpu *vcpu)
{
	free(vcpu->arch.cpuid);
	vcpu->arch.cpuid = NULL;
}

int arch_vcpu_exit(struct vcpu *vcpu)
{
	return x86_traps_exit(vcpu);
}

void arch_vcpu_resume(struct vcpu *vcpu)
{
	vcpu->arch.settled = false;
	vcpu->arch.gprs_read = false;
}

int arch_vm_hold(struct vm *vm)
{
	int r = x86_clock_hold(vm);

	return r < 0 ? r : x86_pit_hold(vm);
}

/* A guest without kvmclock has no watchdogs that look there: KVM says -EINVAL. */
static void tell_stood_still(const struct vm *vm)
{
	for (uint32_t i = 0; i < vm->vcpu_count; i++)
		kvm_kvmclock_ctrl(vm->vcpus[i].fd);
}

int arch_vm_go_on(struct vm *vm, bool arrived)
{
	int r = x86_clock_go_on(vm, arrived);

	if (r == 0)
		r = x86_pit_go_on(vm, arrived);
	if (r == 0)
		tell_stood_still(vm);
	return r;
}

void arch_vcpu_describe(struct vcpu *vcpu, char *buf, size_t size)
{
	struct kvm_sregs sregs;
	struct kvm_regs regs;

	if (kvm_get_regs(vcpu->fd, &regs) < 0 || kvm_get_sregs(vcpu->fd, &sregs) < 0) {
		snprintf(buf, size, "an unknown place");
		return;
	}
	snprintf(buf, size, "cs:rip=%#x:%#llx rsp=%#llx rflags=%#llx cr0=%#llx cr3=%#llx efer=%#llx",
		 sregs.cs.selector, regs.rip, regs.rsp, regs.rflags, sregs.cr0, sregs.cr3,
		 sregs.efer);
}
