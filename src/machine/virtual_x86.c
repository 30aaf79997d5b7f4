/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory by a vCPU's own addresses: ferry has the guest's page tables walked, and what is found
 * there has to be true until it has read what it wants. The vCPU stands still meanwhile, so it
 * changes nothing itself. Another that takes a page away has to have the vCPU's TLB flushed before
 * it may use the page for something else; where it asks Hyper-V to, it waits until all is read.
 */
#include <errno.h>

#include <ferry/error.h>

#include "base/util.h"
#include "kvm/kvm_x86.h"
#include "machine/machine.h"
#include "mem/mem.h"
#include "pv/hyperv/hyperv.h"
#include "vm/vcpu_call.h"
#include "vm/vm.h"

#define PAGE_SIZE 4096U

struct reading {
	uint64_t at; /* at the end: where it is, or what it failed for */
	uint8_t *buf;
	size_t len;
	uint64_t physical;
};

static int translate(const struct vcpu *vcpu, uint64_t at, uint64_t *ret_physical)
{
	struct kvm_translation found = { .linear_address = at };
	int r = kvm_translate(vcpu->fd, &found);

	if (r == 0 && !found.valid)
		r = -EFAULT;
	if (r == 0)
		*ret_physical = found.physical_address;
	return r;
}

/* On the vCPU's thread, or for it, while it is outside the guest. */
static int read_here(void *arg, struct vcpu *vcpu)
{
	struct reading *reading = arg;
	int r = translate(vcpu, reading->at, &reading->physical);
	uint64_t physical = reading->physical;

	while (r == 0 && reading->len) {
		size_t len = min_u64(reading->len, PAGE_SIZE - reading->at % PAGE_SIZE);

		r = mem_read(&vcpu->vm->mem, physical, reading->buf, len);
		if (r < 0)
			break;
		reading->at += len;
		reading->buf += len;
		reading->len -= len;
		if (reading->len)
			r = translate(vcpu, reading->at, &physical);
	}
	error_clear();
	return r;
}

/* An inhibit that is the operator's stays as it is. */
static int read_inhibited(struct machine *machine, uint32_t vcpu, struct reading *reading)
{
	bool is_ours = machine->hyperv && !hyperv_is_inhibited(machine->hyperv, vcpu);
	int r = is_ours ? hyperv_tlb_flush_inhibit(machine->hyperv, vcpu, true) : 0;
	int released = 0;

	if (r < 0)
		return r;
	r = vcpu_call(&machine->vm->vcpus[vcpu], read_here, reading);
	if (is_ours)
		released = hyperv_tlb_flush_inhibit(machine->hyperv, vcpu, false);
	if (r == -EFAULT)
		return because(r, "vCPU %u has no memory at %#llx", vcpu,
			       (unsigned long long)reading->at);
	return r < 0 ? because(r, "vCPU %u: KVM_TRANSLATE failed", vcpu) : released;
}

int machine_read_virtual(struct machine *machine, uint32_t vcpu, uint64_t address, void *buf,
			 size_t len, uint64_t *ret_physical)
{
	struct reading reading = { .at = address, .buf = buf, .len = len };
	int r;

	if (vcpu >= machine->vm->vcpu_count)
		return because(-ENOENT, "there is no vCPU %u: they are 0 to %u", vcpu,
			       machine->vm->vcpu_count - 1);
	r = read_inhibited(machine, vcpu, &reading);
	if (r == 0)
		*ret_physical = reading.physical;
	return r;
}
