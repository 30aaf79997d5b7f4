/* SPDX-License-Identifier: Apache-2.0 */
/* Synthetic MSRs: TLFS 2.6, 3.13, 7.8, 12. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <ferry/error.h>

#include "arch/x86/traps.h"
#include "base/log.h"
#include "base/util.h"
#include "kvm/kvm_x86.h"
#include "pv/hyperv/impl.h"
#include "vm/vm.h"

/* KVM's LAPIC counts nanoseconds (KVM_CAP_X86_APIC_BUS_CYCLES_NS is 1 unless changed). */
#define APIC_HZ 1000000000ULL

#define NS_PER_TICK 100

/* What a MSR needs of HV_CPUID_FEATURES: a guest that was not promised it takes #GP. */
static const struct {
	uint32_t first, last;
	uint32_t eax, edx;
} needs[] = {
	{ HV_MSR_VP_INDEX, HV_MSR_VP_INDEX, HV_FEATURE_A_VP_INDEX, 0 },
	{ HV_MSR_RESET, HV_MSR_RESET, HV_FEATURE_A_RESET, 0 },
	{ HV_MSR_VP_RUNTIME, HV_MSR_VP_RUNTIME, HV_FEATURE_A_VP_RUNTIME, 0 },
	{ HV_MSR_TIME_REF_COUNT, HV_MSR_TIME_REF_COUNT, HV_FEATURE_A_TIME_REF_COUNT, 0 },
	{ HV_MSR_REFERENCE_TSC, HV_MSR_REFERENCE_TSC, HV_FEATURE_A_REFERENCE_TSC, 0 },
	{ HV_MSR_TSC_FREQUENCY, HV_MSR_APIC_FREQUENCY, HV_FEATURE_A_FREQUENCIES, 0 },
	{ HV_MSR_CRASH_P0, HV_MSR_CRASH_CTL, 0, HV_FEATURE_D_CRASH },
};

static bool is_promised(const struct hyperv *hv, uint32_t index)
{
	const struct hyperv_leaf *leaf = &hv->promise.features;

	for (size_t i = 0; i < ARRAY_SIZE(needs); i++)
		if (index >= needs[i].first && index <= needs[i].last)
			return (leaf->eax & needs[i].eax) == needs[i].eax &&
			       (leaf->edx & needs[i].edx) == needs[i].edx;
	return true;
}

/* What the vCPU's thread has used of a CPU; before it is started, nothing. */
static uint64_t thread_time(const struct vcpu *vcpu)
{
	struct timespec used;
	clockid_t clock;

	if (!vcpu->has_thread || pthread_getcpuclockid(vcpu->thread, &clock) != 0 ||
	    clock_gettime(clock, &used) != 0)
		return 0;
	return ((uint64_t)used.tv_sec * 1000000000 + (uint64_t)used.tv_nsec) / NS_PER_TICK;
}

/* Those that VPs have in common. */
static uint64_t *find_common(struct hyperv *hv, uint32_t index)
{
	switch (index) {
	case HV_MSR_GUEST_OS_ID:
		return &hv->os_id;
	case HV_MSR_HYPERCALL:
		return &hv->hypercall;
	case HV_MSR_REFERENCE_TSC:
		return &hv->reference_tsc;
	default:
		return index >= HV_MSR_CRASH_P0 && index <= HV_MSR_CRASH_P4 ?
			       &hv->crash[index - HV_MSR_CRASH_P0] :
			       NULL;
	}
}

static int get_common(struct hyperv *hv, uint32_t index, uint64_t *ret_value)
{
	const uint64_t *common = find_common(hv, index);

	if (!common)
		return because(-ENOENT, "no Hyper-V MSR %#x", index);
	pthread_mutex_lock(&hv->msr_lock);
	*ret_value = *common;
	pthread_mutex_unlock(&hv->msr_lock);
	return 0;
}

/* Of one MSR: all that can be read without the guest being promised it, as a register. */
static int get_msr(void *self, struct vcpu *vcpu, uint32_t index, uint64_t *ret_value)
{
	struct hyperv *hv = self;
	const struct hyperv_vp *vp = hyperv_vp(hv, vcpu->index);

	switch (index) {
	case HV_MSR_VP_INDEX:
		*ret_value = vcpu->index;
		return 0;
	case HV_MSR_RESET:
		*ret_value = 0;
		return 0;
	case HV_MSR_VP_RUNTIME:
		*ret_value = vp->runtime + thread_time(vcpu);
		return 0;
	case HV_MSR_TIME_REF_COUNT:
		return hyperv_clock_read(hv, vcpu, ret_value);
	case HV_MSR_TSC_FREQUENCY:
		*ret_value = hyperv_clock_tsc_hz(hv);
		return 0;
	case HV_MSR_APIC_FREQUENCY:
		*ret_value = APIC_HZ;
		return 0;
	case HV_MSR_VP_ASSIST_PAGE:
		*ret_value = vp->assist;
		return 0;
	case HV_MSR_CRASH_CTL:
		*ret_value = HV_MSR_CRASH_NOTIFY | HV_MSR_CRASH_MESSAGE;
		return 0;
	default:
		break;
	}
	return get_common(hv, index, ret_value);
}

static int read_msr(void *self, struct vcpu *vcpu, uint32_t index, uint64_t *ret_value)
{
	return is_promised(self, index) ? get_msr(self, vcpu, index, ret_value) : -EINVAL;
}

/* TLFS 3.13: without an identity there are no hypercalls. */
static int write_os_id(struct hyperv *hv, uint64_t value)
{
	hv->os_id = value;
	if (!value)
		hv->hypercall &= ~HV_MSR_PAGE_ENABLE;
	return 0;
}

static int write_hypercall(struct hyperv *hv, uint64_t value)
{
	uint64_t old = hv->hypercall;
	int r = 0;

	if (old & HV_MSR_HYPERCALL_LOCK)
		return -EINVAL;
	hv->hypercall = hv->os_id ? value : value & ~HV_MSR_PAGE_ENABLE;
	if (hv->hypercall & HV_MSR_PAGE_ENABLE)
		r = hyperv_call_write_page(hv);
	if (r < 0)
		hv->hypercall = old;
	return r;
}

static int write_reference_tsc(struct hyperv *hv, struct vcpu *vcpu, uint64_t value)
{
	uint64_t old = hv->reference_tsc;
	int r = hyperv_clock_anchor(hv, vcpu);

	hv->reference_tsc = value;
	if (r == 0 && value & HV_MSR_PAGE_ENABLE)
		r = hyperv_clock_write_page(hv);
	if (r < 0)
		hv->reference_tsc = old;
	return r;
}

/* TLFS 7.8.7: the page is zero when it appears. */
static int write_assist(struct hyperv *hv, struct hyperv_vp *vp, uint64_t value)
{
	static const uint8_t zeros[HV_PAGE_SIZE];
	int r = 0;

	if (value & HV_MSR_PAGE_ENABLE)
		r = mem_write(&hv->vm->mem, value & HV_MSR_PAGE_ADDRESS, zeros, sizeof(zeros));
	if (r == 0)
		vp->assist = value;
	return r;
}

static void write_crash_control(struct hyperv *hv, uint64_t value)
{
	char text[192];

	if (!(value & HV_MSR_CRASH_NOTIFY))
		return;
	snprintf(text, sizeof(text), "Hyper-V crash MSRs %#llx %#llx %#llx %#llx %#llx",
		 (unsigned long long)hv->crash[0], (unsigned long long)hv->crash[1],
		 (unsigned long long)hv->crash[2], (unsigned long long)hv->crash[3],
		 (unsigned long long)hv->crash[4]);
	vm_end(hv->vm, VM_END_PANIC, text);
}

static int write_locked(struct hyperv *hv, struct vcpu *vcpu, uint32_t index, uint64_t value)
{
	uint64_t *common = find_common(hv, index);

	switch (index) {
	case HV_MSR_GUEST_OS_ID:
		return write_os_id(hv, value);
	case HV_MSR_HYPERCALL:
		return write_hypercall(hv, value);
	case HV_MSR_REFERENCE_TSC:
		return write_reference_tsc(hv, vcpu, value);
	case HV_MSR_VP_ASSIST_PAGE:
		return write_assist(hv, hyperv_vp(hv, vcpu->index), value);
	case HV_MSR_CRASH_CTL:
		write_crash_control(hv, value);
		return 0;
	case HV_MSR_RESET:
		if (value & HV_MSR_RESET_NOW)
			vm_end(hv->vm, VM_END_RESET, NULL);
		return 0;
	default: /* the crash's parameters; all others cannot be written */
		if (!common)
			return -EINVAL;
		*common = value;
		return 0;
	}
}

static int write_msr(void *self, struct vcpu *vcpu, uint32_t index, uint64_t value)
{
	struct hyperv *hv = self;
	int r;

	if (!is_promised(hv, index))
		return -EINVAL;
	pthread_mutex_lock(&hv->msr_lock);
	r = write_locked(hv, vcpu, index, value);
	pthread_mutex_unlock(&hv->msr_lock);
	error_clear();
	return r;
}

/* Before the VM has run its memory may be about to come, with pages that another engine has written. */
static void arrive(struct hyperv *hv)
{
	if (hv->vm->has_run || hv->is_arriving)
		return;
	hv->is_arriving = true;
	for (uint32_t i = 0; i < hv->vm->vcpu_count; i++)
		vcpu_request(&hv->vm->vcpus[i], VCPU_REQUEST_WORK);
}

/* A register: what it is set to has no effect on memory, which has its own way here. */
static int set_msr(void *self, struct vcpu *vcpu, uint32_t index, uint64_t value)
{
	struct hyperv *hv = self;
	uint64_t *common = find_common(hv, index);
	uint64_t now = 0;
	int r;

	if (common) {
		*common = value;
		if (index == HV_MSR_HYPERCALL || index == HV_MSR_REFERENCE_TSC)
			arrive(hv);
		return 0;
	}
	switch (index) {
	case HV_MSR_VP_ASSIST_PAGE:
		hyperv_vp(hv, vcpu->index)->assist = value;
		return 0;
	case HV_MSR_VP_RUNTIME:
		hyperv_vp(hv, vcpu->index)->runtime = value - thread_time(vcpu);
		return 0;
	case HV_MSR_TIME_REF_COUNT: /* the clock's affair */
		return 0;
	default:
		break;
	}
	r = get_msr(hv, vcpu, index, &now);
	if (r < 0 || now == value)
		return r;
	return because(-EINVAL, "the Hyper-V MSR %#x cannot be %#llx on this host", index,
		       (unsigned long long)value);
}

void hyperv_msr_work(struct hyperv *hv, struct vcpu *vcpu)
{
	pthread_mutex_lock(&hv->msr_lock);
	if (hv->is_arriving && hv->hypercall & HV_MSR_PAGE_ENABLE)
		hyperv_call_write_page(hv);
	if (hv->is_arriving && hv->reference_tsc & HV_MSR_PAGE_ENABLE &&
	    hyperv_clock_anchor(hv, vcpu) == 0)
		hyperv_clock_write_page(hv);
	hv->is_arriving = false;
	pthread_mutex_unlock(&hv->msr_lock);
	error_clear();
}

/* In the order of restoring, which is KVM's. */
static const uint32_t registers[] = {
	HV_MSR_GUEST_OS_ID,   HV_MSR_HYPERCALL,	    HV_MSR_TIME_REF_COUNT, HV_MSR_REFERENCE_TSC,
	HV_MSR_TSC_FREQUENCY, HV_MSR_APIC_FREQUENCY, HV_MSR_CRASH_P0,	   HV_MSR_CRASH_P0 + 1,
	HV_MSR_CRASH_P0 + 2,  HV_MSR_CRASH_P0 + 3,   HV_MSR_CRASH_P4,	   HV_MSR_CRASH_CTL,
	HV_MSR_RESET,	      HV_MSR_VP_INDEX,	    HV_MSR_VP_RUNTIME,	   HV_MSR_VP_ASSIST_PAGE,
};

int hyperv_msr_init(struct hyperv *hv)
{
	static const struct x86_msr_trap trap = {
		.first = HV_MSR_FIRST,
		.count = HV_MSR_COUNT,
		.read = read_msr,
		.write = write_msr,
		.get = get_msr,
		.set = set_msr,
		.registers = registers,
		.register_count = ARRAY_SIZE(registers),
	};

	return x86_msr_trap_add(hv->vm, &trap, hv);
}
