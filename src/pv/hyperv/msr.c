/* SPDX-License-Identifier: Apache-2.0 */
/* Synthetic MSRs: TLFS 2.6, 3.13, 7.8, 12. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <ferry/error.h>

#include "arch/x86/regs.h"
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
	{ HV_MSR_SCONTROL, HV_MSR_EOM, HV_FEATURE_A_SYNIC, 0 },
	{ HV_MSR_SINT0, HV_MSR_SINT0 + HV_SYNIC_SINTS - 1, HV_FEATURE_A_SYNIC, 0 },
	{ HV_MSR_STIMER0_CONFIG, HV_MSR_STIMER0_CONFIG + 2 * HV_STIMERS - 1, HV_FEATURE_A_STIMER,
	  0 },
	{ HV_MSR_CRASH_P0, HV_MSR_CRASH_CTL, 0, HV_FEATURE_D_CRASH },
	{ HV_MSR_REENLIGHTENMENT_CONTROL, HV_MSR_TSC_EMULATION_STATUS,
	  HV_FEATURE_A_REENLIGHTENMENT, 0 },
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

/*
 * A guest has itself told when it comes to a host whose TSC differs. It never does: KVM takes the
 * source's frequency, or the move is refused.
 */
static bool is_reenlightenment(uint32_t index)
{
	return index >= HV_MSR_REENLIGHTENMENT_CONTROL && index <= HV_MSR_TSC_EMULATION_STATUS;
}

/* What VPs have in common. */
static bool is_common(uint32_t index)
{
	return index == HV_MSR_GUEST_OS_ID || index == HV_MSR_HYPERCALL ||
	       index == HV_MSR_REFERENCE_TSC ||
	       (index >= HV_MSR_CRASH_P0 && index <= HV_MSR_CRASH_P4) || is_reenlightenment(index);
}

static uint64_t *common_of(struct hyperv *hv, uint32_t index)
{
	switch (index) {
	case HV_MSR_GUEST_OS_ID:
		return &hv->os_id;
	case HV_MSR_HYPERCALL:
		return &hv->hypercall;
	case HV_MSR_REFERENCE_TSC:
		return &hv->reference_tsc;
	default:
		return is_reenlightenment(index)
			       ? &hv->reenlightenment[index - HV_MSR_REENLIGHTENMENT_CONTROL]
			       : &hv->crash[index - HV_MSR_CRASH_P0];
	}
}

static int no_such(uint32_t index)
{
	return because(-ENOENT, "no Hyper-V MSR %#x", index);
}

static int get_common(struct hyperv *hv, uint32_t index, uint64_t *ret_value)
{
	if (!is_common(index))
		return no_such(index);
	pthread_mutex_lock(&hv->msr_lock);
	*ret_value = *common_of(hv, index);
	pthread_mutex_unlock(&hv->msr_lock);
	return 0;
}

/* MSRs that are registers only of a guest that was promised them. */
static bool is_optional(uint32_t index)
{
	return hyperv_synic_has(index) || hyperv_stimer_has(index) || is_reenlightenment(index);
}

/* Of one MSR: most can be read without the guest being promised it, as a register. */
static int get_msr(void *self, struct vcpu *vcpu, uint32_t index, uint64_t *ret_value)
{
	struct hyperv *hv = self;
	const struct hyperv_vp *vp = hyperv_vp(hv, vcpu->index);

	if (is_optional(index) && !is_promised(hv, index))
		return no_such(index);
	if (hyperv_synic_has(index)) {
		*ret_value = hyperv_synic_get(hv, vcpu->index, index);
		return 0;
	}
	if (hyperv_stimer_has(index)) {
		*ret_value = hyperv_stimer_get(hv, vcpu->index, index);
		return 0;
	}
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
		*ret_value = hyperv_clock_tsc_hz(vcpu);
		return 0;
	case HV_MSR_APIC_FREQUENCY:
		*ret_value = APIC_HZ;
		return 0;
	case HV_MSR_VP_ASSIST_PAGE:
		*ret_value = vp->assist;
		return 0;
	case HV_MSR_CRASH_CTL: /* what a crash can tell: as KVM's Hyper-V has it */
		*ret_value = is_promised(hv, index) ? HV_MSR_CRASH_NOTIFY : 0;
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

int hyperv_publish(struct hyperv *hv, struct vcpu *vcpu)
{
	if (hv->engine == HYPERV_ENGINE_KERNEL && !hv->has_taken)
		return hyperv_kernel_push(hv, vcpu);
	return (hv->hypercall & HV_MSR_PAGE_ENABLE) ? hyperv_call_write_page(hv) : 0;
}

/* TLFS 3.13: without an identity there are no hypercalls. */
static int write_os_id(struct hyperv *hv, struct vcpu *vcpu, uint64_t value)
{
	hv->os_id = value;
	if (!value)
		hv->hypercall &= ~HV_MSR_PAGE_ENABLE;
	return hv->engine == HYPERV_ENGINE_KERNEL ? hyperv_publish(hv, vcpu) : 0;
}

static int write_hypercall(struct hyperv *hv, struct vcpu *vcpu, uint64_t value)
{
	uint64_t old = hv->hypercall;
	int r;

	if (old & HV_MSR_HYPERCALL_LOCK)
		return -EINVAL;
	hv->hypercall = hv->os_id ? value : value & ~HV_MSR_PAGE_ENABLE;
	r = hyperv_publish(hv, vcpu);
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
	switch (index) {
	case HV_MSR_GUEST_OS_ID:
		return write_os_id(hv, vcpu, value);
	case HV_MSR_HYPERCALL:
		return write_hypercall(hv, vcpu, value);
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
	case HV_MSR_TSC_EMULATION_STATUS: /* nothing is being emulated */
		return value ? -EINVAL : 0;
	default: /* the crash's parameters and the like; all others cannot be written */
		if (!is_common(index))
			return -EINVAL;
		*common_of(hv, index) = value;
		return 0;
	}
}

static int write_msr(void *self, struct vcpu *vcpu, uint32_t index, uint64_t value)
{
	struct hyperv *hv = self;
	int r;

	if (!is_promised(hv, index))
		return -EINVAL;
	if (hyperv_synic_has(index)) {
		r = hyperv_synic_write(hv, vcpu, index, value);
	} else if (hyperv_stimer_has(index)) {
		r = hyperv_stimer_write(hv, vcpu, index, value);
	} else {
		pthread_mutex_lock(&hv->msr_lock);
		r = write_locked(hv, vcpu, index, value);
		pthread_mutex_unlock(&hv->msr_lock);
	}
	error_clear();
	return r;
}

/*
 * Before the VM has run its memory may be about to come, with pages that another engine has
 * written.
 */
void hyperv_msr_arrive(struct hyperv *hv)
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
	uint64_t now = 0;
	int r;

	if (is_optional(index) && !is_promised(hv, index))
		return no_such(index);
	if (hyperv_synic_has(index))
		return hyperv_synic_set(hv, vcpu->index, index, value);
	if (hyperv_stimer_has(index)) {
		hyperv_stimer_set(hv, vcpu->index, index, value);
		return 0;
	}
	if (is_common(index)) {
		*common_of(hv, index) = value;
		if (index == HV_MSR_HYPERCALL || index == HV_MSR_REFERENCE_TSC)
			hyperv_msr_arrive(hv);
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
	bool is_portable = hv->engine == HYPERV_ENGINE_PORTABLE;
	bool is_any = hyperv_is_any_inhibited(hv);

	pthread_mutex_lock(&hv->msr_lock);
	if (hv->is_arriving) {
		hv->has_taken = !is_portable && !hv->has_ioctl && is_any;
		hyperv_publish(hv, vcpu);
		if (is_portable && hv->reference_tsc & HV_MSR_PAGE_ENABLE &&
		    hyperv_clock_anchor(hv, vcpu) == 0)
			hyperv_clock_write_page(hv);
		hv->is_arriving = false;
	}
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

/* Those that depend on what was promised: first, last. A timer's messages take a SynIC. */
static const struct {
	uint32_t first, last;
} optional[] = {
	{ HV_MSR_SCONTROL, HV_MSR_SCONTROL },
	{ HV_MSR_SIEFP, HV_MSR_SIMP },
	{ HV_MSR_SINT0, HV_MSR_SINT0 + HV_SYNIC_SINTS - 1 },
	{ HV_MSR_STIMER0_CONFIG, HV_MSR_STIMER0_CONFIG + 2 * HV_STIMERS - 1 },
	{ HV_MSR_REENLIGHTENMENT_CONTROL, HV_MSR_TSC_EMULATION_STATUS },
};

static uint32_t list_registers(struct hyperv *hv)
{
	uint32_t n = ARRAY_SIZE(registers);

	memcpy(hv->registers, registers, sizeof(registers));
	for (size_t i = 0; i < ARRAY_SIZE(optional); i++)
		for (uint32_t msr = optional[i].first; msr <= optional[i].last; msr++)
			if (is_promised(hv, msr))
				hv->registers[n++] = msr;
	return n;
}

static struct x86_msr_trap make_trap(uint32_t first, uint32_t count, const uint32_t *list,
				     uint32_t list_count)
{
	return (struct x86_msr_trap){
		.first = first,
		.count = count,
		.read = read_msr,
		.write = write_msr,
		.get = get_msr,
		.set = set_msr,
		.registers = list,
		.register_count = list_count,
	};
}

/* KVM tells nobody that a slot was emptied. It has timers that wait for one, too. */
static int write_eom(void *self, struct vcpu *vcpu, uint32_t index, uint64_t value)
{
	int r = x86_msr_write(vcpu, index, value);

	if (r == 0)
		hyperv_port_emptied(self, vcpu->index);
	return r;
}

static int read_eom(void *self, struct vcpu *vcpu, uint32_t index, uint64_t *ret_value)
{
	(void)self, (void)vcpu, (void)index;
	*ret_value = 0;
	return 0;
}

static int trap_eom(struct hyperv *hv)
{
	hv->traps[2] = (struct x86_msr_trap){
		.first = HV_MSR_EOM, .count = 1, .read = read_eom, .write = write_eom,
	};
	return x86_msr_trap_add(hv->vm, &hv->traps[2], hv);
}

/* KVM would tell that there was a crash, and not what the guest says of it. */
static int trap_crash(struct hyperv *hv)
{
	static const uint32_t crash[] = { HV_MSR_CRASH_P0,     HV_MSR_CRASH_P0 + 1,
					  HV_MSR_CRASH_P0 + 2, HV_MSR_CRASH_P0 + 3,
					  HV_MSR_CRASH_P4,     HV_MSR_CRASH_CTL };

	hv->traps[3] = make_trap(HV_MSR_CRASH_P0, ARRAY_SIZE(crash), crash, ARRAY_SIZE(crash));
	return x86_msr_trap_add(hv->vm, &hv->traps[3], hv);
}

/*
 * Of KVM's Hyper-V, those that let hypercalls through. And the assist page: Linux has one whatever
 * it was promised, and KVM, when CPUID counts, takes it only from who has its APIC's MSRs as well.
 */
static int trap_few(struct hyperv *hv)
{
	static const uint32_t calls[] = { HV_MSR_GUEST_OS_ID, HV_MSR_HYPERCALL };
	static const uint32_t assist[] = { HV_MSR_VP_ASSIST_PAGE };
	int r;

	hv->traps[0] = make_trap(HV_MSR_GUEST_OS_ID, 2, calls, 2);
	hv->traps[1] = make_trap(HV_MSR_VP_ASSIST_PAGE, 1, assist, 1);
	r = x86_msr_trap_add(hv->vm, &hv->traps[0], hv);
	if (r == 0 && !(hv->promise.features.eax & HV_FEATURE_A_APIC))
		r = x86_msr_trap_add(hv->vm, &hv->traps[1], hv);
	if (r == 0 && hv->promise.features.eax & HV_FEATURE_A_SYNIC)
		r = trap_eom(hv);
	if (r == 0 && hv->promise.features.edx & HV_FEATURE_D_CRASH)
		r = trap_crash(hv);
	return r;
}

int hyperv_msr_init(struct hyperv *hv)
{
	if (hv->engine == HYPERV_ENGINE_KERNEL)
		return trap_few(hv);
	hv->traps[0] = make_trap(HV_MSR_FIRST, HV_MSR_COUNT, hv->registers, list_registers(hv));
	return x86_msr_trap_add(hv->vm, &hv->traps[0], hv);
}
