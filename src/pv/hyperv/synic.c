/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The synthetic interrupt controller of each VP: TLFS 11. Its messages are the timers' and the
 * ports'.
 *
 * KVM's LAPIC takes the interrupts, and it takes their EOI from nobody but the guest: SINTs that
 * end their interrupts by themselves (AutoEOI) cannot be had. CPUID recommends against them.
 */
#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include <ferry/error.h>

#include "kvm/kvm_x86.h"
#include "mem/dirty.h"
#include "pv/hyperv/impl.h"
#include "vm/vm.h"

/* Intel SDM 3, 11.11.1: an MSI's address and the APIC id in it; KVM takes the id's rest above. */
#define MSI_ADDRESS  0xfee00000U
#define MSI_ID_SHIFT 12
#define MSI_ID_LOW   0xffU

void hyperv_interrupt(const struct hyperv *hv, uint32_t vp, uint32_t vector)
{
	struct kvm_msi msi = {
		.address_lo = MSI_ADDRESS | (vp & MSI_ID_LOW) << MSI_ID_SHIFT,
		.address_hi = vp & ~MSI_ID_LOW,
		.data = vector,
	};

	/* Whoever has switched his APIC off gets none, which is no failure. */
	kvm_signal_msi(hv->vm->fd, &msi);
}

void hyperv_synic_init(struct hyperv_synic *synic)
{
	for (unsigned i = 0; i < HV_SYNIC_SINTS; i++)
		synic->sint[i] = HV_SINT_MASKED;
}

bool hyperv_synic_has(uint32_t index)
{
	return (index >= HV_MSR_SCONTROL && index <= HV_MSR_EOM) ||
	       (index >= HV_MSR_SINT0 && index < HV_MSR_SINT0 + HV_SYNIC_SINTS);
}

static uint64_t *msr_of(struct hyperv_synic *synic, uint32_t index)
{
	switch (index) {
	case HV_MSR_SCONTROL:
		return &synic->control;
	case HV_MSR_SIEFP:
		return &synic->siefp;
	case HV_MSR_SIMP:
		return &synic->simp;
	case HV_MSR_SVERSION:
	case HV_MSR_EOM:
		return NULL;
	default:
		return &synic->sint[index - HV_MSR_SINT0];
	}
}

uint64_t hyperv_synic_get(struct hyperv *hv, uint32_t vp, uint32_t index)
{
	const uint64_t *msr = msr_of(&hyperv_vp(hv, vp)->synic, index);
	uint64_t value = index == HV_MSR_SVERSION ? HV_SYNIC_VERSION : 0;

	pthread_mutex_lock(&hv->synic_lock);
	if (msr)
		value = *msr;
	pthread_mutex_unlock(&hv->synic_lock);
	return value;
}

/* A page is zero when it appears. */
static int check_page(struct hyperv *hv, uint64_t old, uint64_t value)
{
	static const uint8_t zeros[HV_PAGE_SIZE];
	bool was_there = old & HV_MSR_PAGE_ENABLE &&
			 !((old ^ value) & HV_MSR_PAGE_ADDRESS);

	if (!(value & HV_MSR_PAGE_ENABLE) || was_there)
		return 0;
	return mem_write(&hv->vm->mem, value & HV_MSR_PAGE_ADDRESS, zeros, sizeof(zeros));
}

static int check_sint(uint64_t value)
{
	bool is_masked = value & HV_SINT_MASKED;

	if (!is_masked && (value & HV_SINT_VECTOR) < HV_SINT_VECTOR_MIN)
		return -EINVAL;
	return !is_masked && value & HV_SINT_AUTO_EOI ? -EINVAL : 0;
}

static int check(struct hyperv *hv, uint32_t index, uint64_t old, uint64_t value)
{
	if (index == HV_MSR_SIEFP || index == HV_MSR_SIMP)
		return check_page(hv, old, value);
	return index >= HV_MSR_SINT0 ? check_sint(value) : 0;
}

/* Whatever is written may be what a message has waited for. */
int hyperv_synic_write(struct hyperv *hv, struct vcpu *vcpu, uint32_t index, uint64_t value)
{
	uint64_t *msr = msr_of(&hyperv_vp(hv, vcpu->index)->synic, index);
	int r = index == HV_MSR_SVERSION ? -EINVAL : 0;

	pthread_mutex_lock(&hv->synic_lock);
	if (msr)
		r = check(hv, index, *msr, value);
	if (msr && r == 0)
		*msr = value;
	pthread_mutex_unlock(&hv->synic_lock);
	if (r == 0)
		hyperv_stimer_retry(hv, vcpu);
	if (r == 0 && index == HV_MSR_EOM)
		hyperv_port_emptied(hv, vcpu->index);
	return r;
}

int hyperv_synic_set(struct hyperv *hv, uint32_t vp, uint32_t index, uint64_t value)
{
	uint64_t *msr = msr_of(&hyperv_vp(hv, vp)->synic, index);

	if (!msr)
		return value == hyperv_synic_get(hv, vp, index) ? 0 : -EINVAL;
	if (index >= HV_MSR_SINT0 && check_sint(value) < 0)
		return because(-EINVAL, "SINT%u cannot be %#llx here", index - HV_MSR_SINT0,
			       (unsigned long long)value);
	pthread_mutex_lock(&hv->synic_lock);
	*msr = value;
	pthread_mutex_unlock(&hv->synic_lock);
	return 0;
}

/*
 * Whether the slot is free. One that is not is told that somebody waits; who empties it looks at
 * that afterwards, and this looks again after having said it: one of the two sees the other.
 */
static int claim(struct mem *mem, gpa_t slot)
{
	struct hv_message old;
	int r = mem_read(mem, slot, &old, offsetof(struct hv_message, origin));

	if (r < 0 || old.type == HV_MESSAGE_NONE)
		return r;
	old.flags |= HV_MESSAGE_PENDING;
	r = mem_write(mem, slot + offsetof(struct hv_message, flags), &old.flags, 1);
	atomic_thread_fence(memory_order_seq_cst);
	if (r == 0)
		r = mem_read(mem, slot, &old.type, sizeof(old.type));
	return r < 0 || old.type == HV_MESSAGE_NONE ? r : -EAGAIN;
}

/* The type comes last: it is what says that there is a message. */
static int put(struct mem *mem, gpa_t slot, const struct hv_message *message)
{
	const size_t type = sizeof(message->type);
	int r = mem_write(mem, slot + type, (const uint8_t *)message + type,
			  sizeof(*message) - type);

	atomic_thread_fence(memory_order_seq_cst);
	return r < 0 ? r : mem_write(mem, slot, message, type);
}

static void interrupt(const struct hyperv *hv, const struct hyperv_synic *synic, uint32_t vp,
		      unsigned sint)
{
	if (!(synic->sint[sint] & HV_SINT_MASKED))
		hyperv_interrupt(hv, vp, synic->sint[sint] & HV_SINT_VECTOR);
}

int hyperv_synic_post(struct hyperv *hv, const struct hyperv_synic *synic, uint32_t vp,
		      unsigned sint, const struct hv_message *message)
{
	gpa_t slot = (synic->simp & HV_MSR_PAGE_ADDRESS) + sint * sizeof(*message);
	int r;

	if (!(synic->control & HV_SCONTROL_ENABLE) || !(synic->simp & HV_MSR_PAGE_ENABLE))
		return -ENOENT;
	r = claim(&hv->vm->mem, slot);
	if (r == 0)
		r = put(&hv->vm->mem, slot, message);
	if (r == 0)
		interrupt(hv, synic, vp, sint);
	return r;
}

/* The guest clears flags meanwhile: with one instruction. 1: it was set already. */
static int set_flag(struct mem *mem, gpa_t at, uint8_t bit)
{
	unsigned look = mem_look_begin(mem);
	uint8_t *byte = mem_ptr_rw(mem, at, 1);
	int r = -EFAULT;

	if (byte)
		r = (__atomic_fetch_or(byte, bit, __ATOMIC_SEQ_CST) & bit) != 0;
	if (r == 0)
		mem_mark_dirty(mem, at, 1);
	mem_look_end(mem, look);
	return r;
}

int hyperv_synic_signal(struct hyperv *hv, const struct hyperv_synic *synic, uint32_t vp,
			unsigned sint, uint32_t flag)
{
	gpa_t flags = (synic->siefp & HV_MSR_PAGE_ADDRESS) + sint * (HV_EVENT_FLAGS / 8ULL);
	int r;

	if (!(synic->control & HV_SCONTROL_ENABLE) || !(synic->siefp & HV_MSR_PAGE_ENABLE))
		return -ENOENT;
	r = set_flag(&hv->vm->mem, flags + flag / 8, (uint8_t)(1U << flag % 8));
	if (r == 0)
		interrupt(hv, synic, vp, sint);
	return r < 0 ? r : 0;
}
