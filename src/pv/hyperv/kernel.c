/* SPDX-License-Identifier: Apache-2.0 */
/*
 * KVM's own Hyper-V, and what it lacks. ferry keeps the two MSRs that let hypercalls through, and
 * tells KVM what it has of them: as long as a VP is inhibited, and KVM does not know inhibits, that
 * is that there is no guest, so that KVM carries out no hypercall at all, however it is made; the
 * page leads to ferry's decoder meanwhile.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <ferry/error.h>

#include "arch/x86/regs.h"
#include "arch/x86/traps.h"
#include "base/log.h"
#include "base/util.h"
#include "kvm/kvm_x86.h"
#include "pv/hyperv/impl.h"
#include "vm/vcpu_call.h"
#include "vm/vm.h"

/* KVM knows ten leaves (kvm_get_hv_cpuid() in arch/x86/kvm/hyperv.c). */
#define LEAVES_MAX 32

int hyperv_kernel_offer(const struct vm *vm, struct hyperv_promise *ret_offer)
{
	struct kvm_cpuid2 *table;
	int r = -EOPNOTSUPP;

	if (!vm->caps.hyperv_cpuid || !vm->caps.hyperv_enforce_cpuid)
		return because(r, "this KVM has no Hyper-V whose CPUID counts (Linux 5.14)");
	table = calloc(1, sizeof(*table) + LEAVES_MAX * sizeof(table->entries[0]));
	if (!table)
		return -ENOMEM;
	table->nent = LEAVES_MAX;
	r = kvm_get_supported_hv_cpuid(vm->vcpus[0].fd, table);
	for (uint32_t i = 0; r == 0 && i < table->nent; i++) {
		const struct kvm_cpuid_entry2 *entry = &table->entries[i];
		struct hyperv_leaf leaf = { entry->eax, entry->ebx, entry->ecx, entry->edx };

		if (entry->function == HV_CPUID_FEATURES)
			ret_offer->features = leaf;
		if (entry->function == HV_CPUID_HINTS)
			ret_offer->hints = leaf;
	}
	free(table);
	return r < 0 ? because(r, "KVM_GET_SUPPORTED_HV_CPUID: %s", strerror(-r)) : 0;
}

/*
 * Issued, since its capability's number has become another's. Nobody is inhibited yet: no change.
 */
static bool has_inhibit(const struct vm *vm)
{
	struct kvm_hyperv_tlb_flush_inhibit none = { 0 };

	return kvm_hyperv_set_tlb_flush_inhibit(vm->vcpus[0].fd, &none) == 0;
}

/* TLFS 11.8.1: a SynIC is off until the guest switches it on. KVM makes one that is on. */
static int enable_synic(struct vcpu *vcpu)
{
	struct kvm_enable_cap synic = { .cap = KVM_CAP_HYPERV_SYNIC2 };
	int r = kvm_enable_cap(vcpu->fd, &synic);

	return r < 0 ? r : x86_msr_write(vcpu, HV_MSR_SCONTROL, 0);
}

static int enable(const struct hyperv *hv, struct vcpu *vcpu)
{
	struct kvm_enable_cap enforce = { .cap = KVM_CAP_HYPERV_ENFORCE_CPUID, .args = { 1 } };
	int r = kvm_enable_cap(vcpu->fd, &enforce);

	if (r == 0 && hv->promise.features.eax & HV_FEATURE_A_SYNIC)
		r = enable_synic(vcpu);
	return r < 0 ? because(r, "KVM's Hyper-V cannot be switched on: %s", strerror(-r)) : 0;
}

/*
 * A hypercall that KVM leaves to user space is about a connection. Of HvCallSignalEvent it has read
 * the parameters already, wherever they were (kvm_hvcall_signal_event() in arch/x86/kvm/hyperv.c).
 */
static uint32_t call_port(struct hyperv *hv, uint64_t input, const __u64 *params)
{
	struct hcall_regs regs = { .input = input, .in = params[0], .out = params[1] };
	struct hcall call;
	uint32_t status;

	if ((input & HV_CALL_CODE) == HV_CALL_SIGNAL_EVENT)
		regs.input |= HV_CALL_FAST;
	status = hcall_decode(&hv->vm->mem, &hv->rights, &regs, &call);
	if (status == HV_STATUS_SUCCESS && (call.kind == HCALL_POST || call.kind == HCALL_SIGNAL))
		status = hyperv_port_call(hv, &call);
	return status == HCALL_UD ? HV_STATUS_INVALID_HYPERCALL_INPUT : status;
}

static void exit_hyperv(void *self, struct vcpu *vcpu)
{
	struct kvm_hyperv_exit *hyperv = &vcpu->run->hyperv;

	if (hyperv->type == KVM_EXIT_HYPERV_HCALL)
		hyperv->u.hcall.result =
			call_port(self, hyperv->u.hcall.input, hyperv->u.hcall.params);
}

int hyperv_kernel_init(struct hyperv *hv)
{
	int r = 0;

	for (uint32_t i = 0; i < hv->vm->vcpu_count && r == 0; i++)
		r = enable(hv, &hv->vm->vcpus[i]);
	if (r < 0)
		return r;
	if (hv->promise.features.eax & HV_FEATURE_A_SYNIC) {
		x86_msr_keep(hv->vm, HV_MSR_SIEFP, HV_MSR_SIMP);
		x86_msr_keep(hv->vm, HV_MSR_SINT0, HV_MSR_SINT0 + 15);
		x86_msr_keep(hv->vm, HV_MSR_STIMER0_CONFIG, HV_MSR_STIMER0_CONFIG + 7);
	}
	hv->has_ioctl = has_inhibit(hv->vm);
	return x86_exit_trap_add(hv->vm, KVM_EXIT_HYPERV, exit_hyperv, hv);
}

int hyperv_kernel_push(struct hyperv *hv, struct vcpu *vcpu)
{
	int r = x86_msr_write(vcpu, HV_MSR_GUEST_OS_ID, hv->os_id);

	if (r == 0 && hv->os_id)
		r = x86_msr_write(vcpu, HV_MSR_HYPERCALL, hv->hypercall);
	if (r == 0 && hv->os_id && hv->hypercall & HV_MSR_PAGE_ENABLE)
		r = hyperv_call_move_code(hv);
	return r;
}

bool hyperv_is_any_inhibited(struct hyperv *hv)
{
	bool is = false;

	for (uint32_t i = 0; i < hv->vm->vcpu_count; i++)
		is = is || hyperv_is_inhibited(hv, i);
	return is;
}

/* The vCPUs are paused: none is in a hypercall of KVM's, nor in the middle of the page's code. */
static int take_over(struct hyperv *hv, bool on)
{
	struct vcpu *vcpu = &hv->vm->vcpus[0];
	int r = 0;

	pthread_mutex_lock(&hv->msr_lock);
	if (on != hv->has_taken) {
		log_write(vm_log(hv->vm), LOG_LEVEL_INFO, "hyperv: hypercalls are %s",
			  on ? "ferry's: this KVM knows no inhibit" : "KVM's again");
		hv->has_taken = on;
		if (on)
			r = x86_msr_write(vcpu, HV_MSR_GUEST_OS_ID, 0);
		if (r == 0)
			r = hyperv_publish(hv, vcpu);
	}
	pthread_mutex_unlock(&hv->msr_lock);
	return r;
}

/* KVM takes it from the vCPU's thread at once, from others when the vCPU leaves the guest. */
static int set_here(void *arg, struct vcpu *vcpu)
{
	return kvm_hyperv_set_tlb_flush_inhibit(vcpu->fd, arg);
}

/* Who has come here waiting does so outside KVM. */
static int set_by_ioctl(struct hyperv *hv, uint32_t vp, bool on)
{
	struct kvm_hyperv_tlb_flush_inhibit set = { .inhibit = on };
	int r = vcpu_call(&hv->vm->vcpus[vp], set_here, &set);

	if (r == 0)
		hyperv_set_inhibited(hv, vp, on);
	return r;
}

static int set_paused(struct hyperv *hv, uint32_t vp, bool on)
{
	int r = on ? take_over(hv, true) : 0;

	if (r == 0)
		hyperv_set_inhibited(hv, vp, on);
	if (!on && !hyperv_is_any_inhibited(hv))
		r = take_over(hv, false);
	return r;
}

/* Before the VM has run its memory may be about to come: the page is written when it is there. */
static int set_by_takeover(struct hyperv *hv, uint32_t vp, bool on)
{
	int r = 0;

	vm_pause(hv->vm);
	if (hv->vm->has_run) {
		r = set_paused(hv, vp, on);
	} else {
		hyperv_set_inhibited(hv, vp, on);
		hyperv_msr_arrive(hv);
	}
	vm_resume(hv->vm);
	return r;
}

int hyperv_kernel_inhibit(struct hyperv *hv, uint32_t vp, bool on)
{
	int r = 0;

	pthread_mutex_lock(&hv->takeover_lock);
	if (hyperv_is_inhibited(hv, vp) != on)
		r = hv->has_ioctl ? set_by_ioctl(hv, vp, on) : set_by_takeover(hv, vp, on);
	pthread_mutex_unlock(&hv->takeover_lock);
	return r < 0 ? because(r, "KVM's Hyper-V cannot be inhibited: %s", strerror(-r)) : 0;
}
