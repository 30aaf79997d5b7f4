/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The partition's reference time. It is kvmclock's, as in KVM's own Hyper-V, so that a guest finds
 * it the same on either engine. Where the TSCs of all vCPUs are one, it is told by the TSC from the
 * first look on, as the page tells it to the guest.
 */
#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include <ferry/error.h>

#include "arch/x86/regs.h"
#include "base/util.h"
#include "kvm/kvm_x86.h"
#include "pv/hyperv/impl.h"
#include "vm/vm.h"

#define MSR_IA32_TSC 0x10
#define NS_PER_TICK  100

/* Of the caller's own vCPU: KVM makes who asks for another's wait until that leaves the guest. */
uint64_t hyperv_clock_tsc_hz(const struct vcpu *vcpu)
{
	int khz = kvm_get_tsc_khz(vcpu->fd);

	return khz > 0 ? (uint64_t)khz * 1000 : 0;
}

static int64_t by_tsc(const struct hyperv *hv, uint64_t tsc)
{
	return (int64_t)((unsigned __int128)tsc * hv->scale >> 64) + hv->offset;
}

int hyperv_clock_anchor(struct hyperv *hv, struct vcpu *vcpu)
{
	struct kvm_clock_data data = { 0 };
	uint64_t hz, tsc = 0;
	int r;

	if (hv->is_anchored)
		return 0;
	hz = hyperv_clock_tsc_hz(vcpu);
	r = kvm_get_clock(hv->vm->fd, &data);
	if (r == 0)
		r = x86_msr_read(vcpu, MSR_IA32_TSC, &tsc);
	if (r < 0)
		return r;
	hv->is_tsc_stable = data.flags & KVM_CLOCK_TSC_STABLE && hz > HV_TIME_HZ;
	if (hv->is_tsc_stable) {
		hv->scale = (uint64_t)(((unsigned __int128)HV_TIME_HZ << 64) / hz);
		if (!hv->offset) /* else a register has said it */
			hv->offset = (int64_t)(data.clock / NS_PER_TICK) - by_tsc(hv, tsc);
	}
	hv->is_anchored = true;
	return 0;
}

int hyperv_clock_read(struct hyperv *hv, struct vcpu *vcpu, uint64_t *ret_time)
{
	struct kvm_clock_data data = { 0 };
	uint64_t tsc;
	int r;

	pthread_mutex_lock(&hv->msr_lock);
	r = hyperv_clock_anchor(hv, vcpu);
	pthread_mutex_unlock(&hv->msr_lock);
	if (r < 0)
		return r;
	if (hv->is_tsc_stable) {
		r = x86_msr_read(vcpu, MSR_IA32_TSC, &tsc);
		if (r == 0)
			*ret_time = (uint64_t)by_tsc(hv, tsc);
		return r;
	}
	r = kvm_get_clock(hv->vm->fd, &data);
	if (r == 0)
		*ret_time = data.clock / NS_PER_TICK;
	return r;
}

/*
 * Readers compare the sequence before and after: 0 while the rest is written, then one that is new.
 */
int hyperv_clock_write_page(struct hyperv *hv)
{
	struct hv_reference_tsc_page page = { 0 }, old;
	gpa_t at = hv->reference_tsc & HV_MSR_PAGE_ADDRESS;
	int r = mem_read(&hv->vm->mem, at, &old, sizeof(old));

	if (r == 0)
		r = mem_write(&hv->vm->mem, at, &page.sequence, sizeof(page.sequence));
	if (r < 0 || !hv->is_tsc_stable)
		return r;
	page.scale = hv->scale;
	page.offset = hv->offset;
	mem_write(&hv->vm->mem, at + offsetof(struct hv_reference_tsc_page, scale), &page.scale,
		  sizeof(page) - offsetof(struct hv_reference_tsc_page, scale));
	atomic_thread_fence(memory_order_seq_cst);
	page.sequence = old.sequence < UINT32_MAX - 1 ? old.sequence + 1 : 1;
	return mem_write(&hv->vm->mem, at, &page.sequence, sizeof(page.sequence));
}
