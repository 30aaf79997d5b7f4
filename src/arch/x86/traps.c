/* SPDX-License-Identifier: Apache-2.0 */
/* The MSR filter, hypercall ports, and exits of one personality: whoever registered is called. */
#include "traps.h"

#include <errno.h>
#include <string.h>

#include <ferry/error.h>

#include "base/util.h"
#include "kvm/kvm_x86.h"
#include "vm/vm.h"

/* An index in the filter's bitmap: KVM takes bitmaps of this size at the most (kvm_host.h). */
#define FILTER_MSRS_MAX (0x600 * 8U)

static bool overlaps(const struct x86_msr_trap *a, const struct x86_msr_trap *b)
{
	return a->first < b->first + b->count && b->first < a->first + a->count;
}

/* Bits that are zero deny, and what is denied leaves the guest; one bitmap of zeros serves all. */
static int set_filter(struct vm *vm)
{
	static uint8_t none[FILTER_MSRS_MAX / 8] = { 0 };
	struct kvm_enable_cap exits = {
		.cap = KVM_CAP_X86_USER_SPACE_MSR,
		.args = { KVM_MSR_EXIT_REASON_FILTER },
	};
	struct kvm_msr_filter filter = { .flags = KVM_MSR_FILTER_DEFAULT_ALLOW };
	int r;

	for (unsigned i = 0; i < vm->arch.msr_trap_count; i++)
		filter.ranges[i] = (struct kvm_msr_filter_range){
			.flags = KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE,
			.base = vm->arch.msr_traps[i].trap->first,
			.nmsrs = vm->arch.msr_traps[i].trap->count,
			.bitmap = none,
		};
	r = kvm_enable_cap(vm->fd, &exits);
	if (r < 0)
		return because(r, "KVM_CAP_X86_USER_SPACE_MSR: %s", strerror(-r));
	r = kvm_x86_set_msr_filter(vm->fd, &filter);
	return r < 0 ? because(r, "KVM_X86_SET_MSR_FILTER: %s", strerror(-r)) : 0;
}

int x86_msr_trap_add(struct vm *vm, const struct x86_msr_trap *trap, void *self)
{
	unsigned n = vm->arch.msr_trap_count;
	int r;

	if (!vm->caps.x86_msr_filter)
		return because(-EOPNOTSUPP, "this KVM cannot leave MSRs to user space");
	for (unsigned i = 0; i < n; i++)
		if (overlaps(vm->arch.msr_traps[i].trap, trap))
			return because(-EEXIST, "MSR %#x has an owner", trap->first);
	if (n == ARRAY_SIZE(vm->arch.msr_traps) || trap->count > FILTER_MSRS_MAX)
		return because(-ENOSPC, "no more MSRs can be left to user space");
	vm->arch.msr_traps[n].trap = trap;
	vm->arch.msr_traps[n].self = self;
	vm->arch.msr_trap_count++;
	r = set_filter(vm);
	if (r < 0)
		vm->arch.msr_trap_count--;
	return r;
}

static void call_hypercall(void *arg)
{
	const struct x86_trap *port = arg;

	port->fn(port->self, vcpu_current());
}

static void hypercall_write(void *self, uint64_t offset, const void *data, unsigned len)
{
	(void)offset, (void)data, (void)len;
	/* A hypercall may wait, and change the buses. */
	bus_defer(call_hypercall, self);
}

static void hypercall_read(void *self, uint64_t offset, void *data, unsigned len)
{
	(void)self, (void)offset, (void)data, (void)len;
}

/* The free or the same entry of one of the VM's two tables. */
static int trap_add(struct x86_trap *traps, size_t count, uint32_t number,
		    void (*fn)(void *self, struct vcpu *vcpu), void *self, struct x86_trap **ret)
{
	for (size_t i = 0; i < count; i++) {
		if (traps[i].fn && traps[i].number == number)
			return because(-EEXIST, "exit or port %#x has an owner", number);
		if (traps[i].fn)
			continue;
		traps[i] = (struct x86_trap){ number, fn, self };
		*ret = &traps[i];
		return 0;
	}
	return because(-ENOSPC, "no more exits or ports of hypercalls");
}

int x86_hypercall_port_add(struct vm *vm, uint16_t port, void (*fn)(void *self, struct vcpu *vcpu),
			   void *self)
{
	static const struct bus_ops ops = { .read = hypercall_read, .write = hypercall_write };
	struct x86_trap *trap = NULL;
	int r = trap_add(vm->arch.ports, ARRAY_SIZE(vm->arch.ports), port, fn, self, &trap);

	if (r < 0)
		return r;
	r = bus_add(&vm->pio, "hypercalls", port, 1, &ops, trap);
	if (r < 0)
		trap->fn = NULL;
	return r;
}

int x86_exit_trap_add(struct vm *vm, uint32_t reason, void (*fn)(void *self, struct vcpu *vcpu),
		      void *self)
{
	struct x86_trap *trap = NULL;

	return trap_add(vm->arch.exits, ARRAY_SIZE(vm->arch.exits), reason, fn, self, &trap);
}

const struct x86_msr_trap *x86_msr_trap_find(const struct vm *vm, uint32_t index, void **ret_self)
{
	const struct arch_vm *arch = &vm->arch;

	for (unsigned i = 0; i < arch->msr_trap_count; i++) {
		if (index - arch->msr_traps[i].trap->first >= arch->msr_traps[i].trap->count)
			continue;
		*ret_self = arch->msr_traps[i].self;
		return arch->msr_traps[i].trap;
	}
	return NULL;
}

static void exit_msr(struct vcpu *vcpu, bool write)
{
	struct kvm_run *run = vcpu->run;
	uint64_t value = run->msr.data;
	void *self = NULL;
	const struct x86_msr_trap *trap = x86_msr_trap_find(vcpu->vm, run->msr.index, &self);
	int r = -ENOENT;

	if (trap && write)
		r = trap->write(self, vcpu, run->msr.index, value);
	else if (trap)
		r = trap->read(self, vcpu, run->msr.index, &value);
	run->msr.data = value;
	run->msr.error = r < 0;
}

int x86_traps_exit(struct vcpu *vcpu)
{
	const struct arch_vm *arch = &vcpu->vm->arch;
	uint32_t reason = vcpu->run->exit_reason;

	if (reason == KVM_EXIT_X86_RDMSR || reason == KVM_EXIT_X86_WRMSR) {
		exit_msr(vcpu, reason == KVM_EXIT_X86_WRMSR);
		return 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(arch->exits); i++) {
		if (!arch->exits[i].fn || arch->exits[i].number != reason)
			continue;
		arch->exits[i].fn(arch->exits[i].self, vcpu);
		return 0;
	}
	return -ENOSYS;
}
