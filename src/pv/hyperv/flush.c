/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Remote TLB flushes, and their inhibit.
 *
 * A flush looks for inhibited targets, and announces itself to all of them (flights), in one piece
 * under the lock; to inhibit is to set the flag under the same lock, and to wait until nobody flies
 * to the VP. So there is no time between look and flush in which the flag could change unseen,
 * which is what the review of KVM_HYPERV_SET_TLB_FLUSH_INHIBIT asks about: a flush whose look came
 * first has announced itself, and the inhibit waits for it; one whose look comes later sees the
 * flag. A caller that waits has announced itself to nobody, so two of them never hold up an
 * inhibit.
 *
 * The same lock covers the caller's note whom it waits on, and its block. Who takes the inhibit
 * away finds both or neither: with neither, the caller has yet to look, and sees no inhibit.
 */
#include <errno.h>
#include <time.h>

#include <ferry/error.h>

#include "kvm/kvm_x86.h"
#include "pv/hyperv/impl.h"
#include "vm/vm.h"

/* How long a caller sleeps before it looks whether a target left the guest for another reason. */
#define LOOK_AGAIN_NS 1000000

#define CR4_PGE (1ULL << 7)

/*
 * KVM_SET_SREGS flushes the vCPU's TLB, guest-physical part included, when a paging bit differs
 * (__set_sregs_common() in arch/x86/kvm/x86.c): once differently, once as it was. What is read is
 * fresh, since setting also puts back the vector that is being injected.
 */
static void flush_here(struct vcpu *vcpu)
{
	struct kvm_sregs sregs;
	int r = kvm_get_sregs(vcpu->fd, &sregs);

	sregs.cr4 ^= CR4_PGE;
	if (r == 0)
		r = kvm_set_sregs(vcpu->fd, &sregs);
	sregs.cr4 ^= CR4_PGE;
	if (r == 0)
		r = kvm_set_sregs(vcpu->fd, &sregs);
	if (r < 0)
		vm_end(vcpu->vm, VM_END_FAILED, "hyperv: a TLB cannot be flushed: KVM_SET_SREGS");
}

static bool is_target(const struct hcall_targets *targets, const struct vcpu *caller, uint32_t vp)
{
	return vp != caller->index && hcall_targets_has(targets, vp);
}

/* The first that holds the caller up, or HYPERV_NOBODY. lock. */
static uint32_t find_inhibited(struct hyperv *hv, const struct vcpu *caller,
			       const struct hcall_targets *targets)
{
	for (uint32_t i = 0; i < hv->vm->vcpu_count; i++)
		if (is_target(targets, caller, i) && hyperv_vp(hv, i)->is_inhibited)
			return i;
	return HYPERV_NOBODY;
}

static void add_flights(struct hyperv *hv, const struct vcpu *caller,
			const struct hcall_targets *targets, int by)
{
	for (uint32_t i = 0; i < hv->vm->vcpu_count; i++)
		if (is_target(targets, caller, i))
			hyperv_vp(hv, i)->flights += (uint32_t)by;
}

/*
 * Whether the vCPU may be running its guest with the old TLB. flush and its request were set
 * before. KVM_RUN takes the vCPU's mutex, a locked instruction, between the time class here and its
 * look at immediate_exit: either this sees the class, or KVM_RUN sees that it must not enter. Out
 * there it serves its requests before it enters, and then the flush has happened as far as any
 * guest can tell.
 */
static bool is_exposed(struct hyperv *hv, uint32_t vp)
{
	return atomic_load(&hyperv_vp(hv, vp)->flush) &&
	       atomic_load(&hv->vm->vcpus[vp].time.class) == VCPU_TIME_RUN;
}

static void await(struct hyperv *hv, uint32_t vp)
{
	struct timespec until;

	pthread_mutex_lock(&hv->lock);
	while (is_exposed(hv, vp)) {
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_nsec += LOOK_AGAIN_NS;
		until.tv_sec += until.tv_nsec / 1000000000;
		until.tv_nsec %= 1000000000;
		pthread_cond_timedwait(&hv->changed, &hv->lock, &until);
	}
	pthread_mutex_unlock(&hv->lock);
}

static void flush_all(struct hyperv *hv, struct vcpu *caller, const struct hcall_targets *targets)
{
	for (uint32_t i = 0; i < hv->vm->vcpu_count; i++) {
		if (!is_target(targets, caller, i))
			continue;
		atomic_store(&hyperv_vp(hv, i)->flush, true);
		vcpu_request(&hv->vm->vcpus[i], VCPU_REQUEST_WORK);
	}
	if (hcall_targets_has(targets, caller->index))
		flush_here(caller);
	for (uint32_t i = 0; i < hv->vm->vcpu_count; i++)
		if (is_target(targets, caller, i))
			await(hv, i);
}

bool hyperv_flush(struct hyperv *hv, struct vcpu *caller, const struct hcall_targets *targets)
{
	uint32_t blocker;

	pthread_mutex_lock(&hv->lock);
	blocker = find_inhibited(hv, caller, targets);
	hyperv_vp(hv, caller->index)->waits_on = blocker;
	if (blocker == HYPERV_NOBODY)
		add_flights(hv, caller, targets, 1);
	pthread_mutex_unlock(&hv->lock);
	if (blocker != HYPERV_NOBODY)
		return false;
	flush_all(hv, caller, targets);
	pthread_mutex_lock(&hv->lock);
	add_flights(hv, caller, targets, -1);
	pthread_cond_broadcast(&hv->changed);
	pthread_mutex_unlock(&hv->lock);
	return true;
}

/*
 * A VP that waits on one that is not inhibited: registers may say so, and an inhibit may have
 * ended.
 */
static bool must_wait(struct hyperv *hv, struct hyperv_vp *vp)
{
	if (vp->waits_on != HYPERV_NOBODY && !hyperv_vp(hv, vp->waits_on)->is_inhibited)
		vp->waits_on = HYPERV_NOBODY;
	return vp->waits_on != HYPERV_NOBODY;
}

/*
 * An NMI and an INIT are taken at once: the VP stands in front of its hypercall, as if it had not
 * made it yet, and afterwards it makes it and waits again. KVM gives an INIT to a vCPU that is
 * outside KVM_RUN when it is asked for its state.
 */
static bool is_called_away(const struct vcpu *vcpu)
{
	struct kvm_mp_state state = { 0 };
	struct kvm_vcpu_events events = { 0 };

	return (kvm_get_mp_state(vcpu->fd, &state) == 0 &&
		state.mp_state != KVM_MP_STATE_RUNNABLE) ||
	       (kvm_get_vcpu_events(vcpu->fd, &events) == 0 &&
		events.nmi.pending && !events.nmi.masked);
}

static void wait_or_go(struct hyperv *hv, struct vcpu *vcpu, bool is_called)
{
	struct hyperv_vp *vp = hyperv_vp(hv, vcpu->index);

	pthread_mutex_lock(&hv->lock);
	if (must_wait(hv, vp) && !is_called) {
		vcpu_block(vcpu);
	} else {
		vp->waits_on = HYPERV_NOBODY;
		vcpu_unblock(vcpu);
	}
	pthread_mutex_unlock(&hv->lock);
}

void hyperv_flush_work(struct hyperv *hv, struct vcpu *vcpu)
{
	struct hyperv_vp *vp = hyperv_vp(hv, vcpu->index);
	uint32_t whom;

	/* Told first: who waits for it need not wait for KVM. */
	if (atomic_exchange(&vp->flush, false)) {
		pthread_mutex_lock(&hv->lock);
		pthread_cond_broadcast(&hv->changed);
		pthread_mutex_unlock(&hv->lock);
		flush_here(vcpu);
	}
	if (hyperv_waits_on(hv, vcpu->index, &whom))
		wait_or_go(hv, vcpu, is_called_away(vcpu));
}

/* Its work looks whether it really has to: the other one's registers may come later. */
void hyperv_wait(struct hyperv *hv, uint32_t vp, uint32_t whom)
{
	pthread_mutex_lock(&hv->lock);
	hyperv_vp(hv, vp)->waits_on = whom;
	pthread_mutex_unlock(&hv->lock);
	vcpu_request(&hv->vm->vcpus[vp], VCPU_REQUEST_WORK);
}

void hyperv_stop_waiting(struct hyperv *hv, uint32_t vp)
{
	pthread_mutex_lock(&hv->lock);
	hyperv_vp(hv, vp)->waits_on = HYPERV_NOBODY;
	vcpu_unblock(&hv->vm->vcpus[vp]);
	pthread_mutex_unlock(&hv->lock);
}

static void release_waiters(struct hyperv *hv, uint32_t vp)
{
	for (uint32_t i = 0; i < hv->vm->vcpu_count; i++) {
		if (hyperv_vp(hv, i)->waits_on != vp)
			continue;
		hyperv_vp(hv, i)->waits_on = HYPERV_NOBODY;
		vcpu_unblock(&hv->vm->vcpus[i]);
	}
}

void hyperv_set_inhibited(struct hyperv *hv, uint32_t vp, bool on)
{
	pthread_mutex_lock(&hv->lock);
	hyperv_vp(hv, vp)->is_inhibited = on;
	while (on && hyperv_vp(hv, vp)->flights)
		pthread_cond_wait(&hv->changed, &hv->lock);
	if (!on)
		release_waiters(hv, vp);
	pthread_mutex_unlock(&hv->lock);
}

int hyperv_tlb_flush_inhibit(struct hyperv *hv, uint32_t vp, bool on)
{
	if (vp >= hv->vm->vcpu_count)
		return because(-ENOENT, "there is no vCPU %u: they are 0 to %u", vp,
			       hv->vm->vcpu_count - 1);
	if (hv->engine == HYPERV_ENGINE_KERNEL)
		return hyperv_kernel_inhibit(hv, vp, on);
	hyperv_set_inhibited(hv, vp, on);
	return 0;
}

bool hyperv_is_inhibited(struct hyperv *hv, uint32_t vp)
{
	bool on;

	pthread_mutex_lock(&hv->lock);
	on = vp < hv->vm->vcpu_count && hyperv_vp(hv, vp)->is_inhibited;
	pthread_mutex_unlock(&hv->lock);
	return on;
}

bool hyperv_waits_on(struct hyperv *hv, uint32_t vp, uint32_t *ret_vp)
{
	uint32_t on = HYPERV_NOBODY;

	pthread_mutex_lock(&hv->lock);
	if (vp < hv->vm->vcpu_count)
		on = hyperv_vp(hv, vp)->waits_on;
	pthread_mutex_unlock(&hv->lock);
	if (on != HYPERV_NOBODY)
		*ret_vp = on;
	return on != HYPERV_NOBODY;
}
