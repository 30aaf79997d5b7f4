/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The VM's clocks as registers: kvmclock's system time, and each vCPU's TSC. They are of one piece:
 * what a move does to the one it does to the other, since guests take either for their time.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <ferry/error.h>

#include "base/util.h"
#include "kvm/kvm_x86.h"
#include "regs.h"
#include "vm/vm.h"

#define FIELD_NS     0
#define FIELD_MOMENT 1

#define NS_ID	  REG_ID(REG_BANK_CLOCK, FIELD_NS, 3, _IOC_NR(KVM_GET_CLOCK))
#define MOMENT_ID REG_ID(REG_BANK_CLOCK, FIELD_MOMENT, 5, _IOC_NR(KVM_GET_CLOCK))
#define OFFSET_ID REG_ID(REG_BANK_TSC, 0, 3, KVM_VCPU_TSC_OFFSET)

#define MSR_IA32_TSC	      0x10
#define MSR_IA32_TSC_DEADLINE 0x6e0

#define NS_PER_MS 1000000

/* Two clocks are read one after the other; tighter than this is good enough. */
#define READ_TRIES    8
#define READ_CLOSE_NS 5000

static uint64_t realtime_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static int read_ns(const struct vm *vm, uint64_t *ret_ns)
{
	struct kvm_clock_data data = { 0 };
	int r = kvm_get_clock(vm->fd, &data);

	if (r == 0)
		*ret_ns = data.clock;
	return r;
}

/* The other two clocks between two looks at the first, which may be far apart on a busy host. */
static int read_moment(const struct vm *vm, struct x86_moment *ret_moment)
{
	uint64_t before = 0, after = 0, best = UINT64_MAX;

	for (int i = 0; i < READ_TRIES && best > READ_CLOSE_NS; i++) {
		struct x86_moment now = { 0 };
		int r = read_ns(vm, &before);

		if (r == 0)
			r = x86_msr_read(&vm->vcpus[0], MSR_IA32_TSC, &now.tsc);
		now.realtime = realtime_ns();
		if (r == 0)
			r = read_ns(vm, &after);
		if (r < 0)
			return r;
		if (after - before >= best)
			continue;
		best = after - before;
		now.ns = before + best / 2;
		*ret_moment = now;
	}
	return 0;
}

/* Guest time at a moment elsewhere, and what has become of it since. */
static int set_clock(const struct vm *vm, uint64_t ns, uint64_t realtime)
{
	struct kvm_clock_data data = { .clock = ns };
	uint64_t now = realtime_ns();

	if (realtime && vm->caps.adjust_clock & KVM_CLOCK_REALTIME) {
		data.flags = KVM_CLOCK_REALTIME;
		data.realtime = realtime;
	} else if (realtime && now > realtime) {
		data.clock += now - realtime;
	}
	return kvm_set_clock(vm->fd, &data);
}

static int set_moment(struct vm *vm, const void *val)
{
	struct x86_moment *moment = &vm->arch.clock.moment;

	memcpy(moment, val, sizeof(*moment));
	vm->arch.clock.known = true;
	return set_clock(vm, moment->ns, vm->arch.clock.freeze ? 0 : moment->realtime);
}

/* The guest has stood still since it was held, not since somebody asked for the time. */
static int get_moment(const struct vm *vm, struct x86_moment *ret_moment)
{
	if (!vm->arch.clock.held)
		return read_moment(vm, ret_moment);
	*ret_moment = vm->arch.clock.moment;
	return 0;
}

int x86_clock_hold(struct vm *vm)
{
	int r = read_moment(vm, &vm->arch.clock.moment);

	vm->arch.clock.held = r == 0;
	return r < 0 ? because(r, "cannot read the guest's clocks: %s", strerror(-r)) : 0;
}

static int clock_list(void *self, uint32_t v, struct reg_list *out)
{
	int r = reg_list_add(out, v, NS_ID, REG_TIME);

	(void)self;
	return r < 0 ? r : reg_list_add(out, v, MOMENT_ID, REG_TIME);
}

static int unknown(struct reg_key key)
{
	return because(-ENOENT, "no clock register %#llx", (unsigned long long)key.id);
}

static int clock_get(void *self, struct reg_key key, void *val)
{
	struct x86_moment moment = { 0 };
	int r;

	if (key.id != NS_ID && key.id != MOMENT_ID)
		return unknown(key);
	r = get_moment(self, &moment);
	if (r == 0)
		memcpy(val, key.id == NS_ID ? (void *)&moment.ns : &moment, reg_size(key.id));
	return r;
}

static int clock_set(void *self, struct reg_key key, const void *val)
{
	struct vm *vm = self;
	uint64_t ns;

	if (key.id == MOMENT_ID)
		return set_moment(vm, val);
	if (key.id != NS_ID)
		return unknown(key);
	memcpy(&ns, val, sizeof(ns));
	vm->arch.clock.moment.ns = ns;
	return set_clock(vm, ns, 0);
}

static int clock_name(void *self, struct reg_key key, char *name, size_t size)
{
	(void)self;
	snprintf(name, size, "%s", key.id == NS_ID ? "kvm_ns" : "moment");
	return 0;
}

int x86_clock_bank_add(struct vm *vm, bool freeze)
{
	static const struct reg_bank bank = {
		.name = "clock",
		.mask = REG_BANK_MASK,
		.match = REG_BANK(REG_BANK_CLOCK),
		.list = clock_list,
		.get = clock_get,
		.set = clock_set,
		.name_of = clock_name,
	};

	vm->arch.clock.freeze = freeze;
	return reg_file_add(&vm->regs, &bank, 0, 0, vm);
}

/* Documentation/virt/kvm/devices/vcpu.rst, 4.1. Linux 5.16; older ones say -ENXIO or -EINVAL. */
static struct kvm_device_attr offset_attr(const void *offset)
{
	return (struct kvm_device_attr){
		.group = KVM_VCPU_TSC_CTRL,
		.attr = KVM_VCPU_TSC_OFFSET,
		.addr = (uintptr_t)offset,
	};
}

static int get_tsc_offset(const struct vcpu *vcpu, uint64_t *ret_offset)
{
	struct kvm_device_attr attr = offset_attr(ret_offset);

	return kvm_get_device_attr(vcpu->fd, &attr);
}

static int set_tsc_offset(const struct vcpu *vcpu, uint64_t offset)
{
	struct kvm_device_attr attr = offset_attr(&offset);

	return kvm_set_device_attr(vcpu->fd, &attr);
}

/*
 * Moves a TSC by so much. Without offsets it is written: KVM takes what is written to several vCPUs
 * within a second for the same TSC.
 */
static int shift_tsc(struct vcpu *vcpu, uint64_t by)
{
	uint64_t value;
	int r;

	if (get_tsc_offset(vcpu, &value) == 0)
		return set_tsc_offset(vcpu, value + by);
	r = x86_msr_read(vcpu, MSR_IA32_TSC, &value);
	return r < 0 ? r : x86_msr_write(vcpu, MSR_IA32_TSC, value + by);
}

/* By how much vCPU 0's TSC is behind what belongs to the guest's time. */
static int tsc_behind(const struct vm *vm, uint64_t *ret_by)
{
	int khz = kvm_get_tsc_khz(vm->vcpus[0].fd);
	struct x86_moment now = { 0 };
	int64_t since;
	int r = read_moment(vm, &now);

	if (r < 0 || khz < 0)
		return r < 0 ? r : khz;
	since = (int64_t)(now.ns - vm->arch.clock.moment.ns);
	*ret_by = vm->arch.clock.moment.tsc + (uint64_t)((__int128)since * khz / NS_PER_MS) - now.tsc;
	return 0;
}

/* What a vCPU's TSC is ahead of vCPU 0's, exactly: reading one after the other would not tell. */
static int tsc_get(void *self, struct reg_key key, void *val)
{
	struct vm *vm = self;
	uint64_t first, offset, ahead = 0;

	if (key.id != OFFSET_ID)
		return unknown(key);
	if (key.vcpu && get_tsc_offset(&vm->vcpus[0], &first) == 0 &&
	    get_tsc_offset(&vm->vcpus[key.vcpu], &offset) == 0)
		ahead = offset - first;
	memcpy(val, &ahead, sizeof(ahead));
	return 0;
}

/* vCPU 0 first: the others are set by it. */
static int tsc_set(void *self, struct reg_key key, const void *val)
{
	struct vm *vm = self;
	struct vcpu *vcpu = &vm->vcpus[key.vcpu];
	uint64_t ahead, offset = 0;
	int r;

	if (key.id != OFFSET_ID)
		return unknown(key);
	memcpy(&ahead, val, sizeof(ahead));
	vcpu->arch.tsc_set = vm->arch.clock.known;
	if (!vm->arch.clock.known)
		return 0;
	if (vcpu->index && get_tsc_offset(&vm->vcpus[0], &offset) == 0)
		return set_tsc_offset(vcpu, offset + ahead);
	r = tsc_behind(vm, &offset);
	return r < 0 ? r : shift_tsc(vcpu, offset);
}

/* Where the host's TSC is not stable, KVM makes a new offset whenever it has the vCPU in hand. */
static int tsc_list(void *self, uint32_t v, struct reg_list *out)
{
	(void)self;
	return reg_list_add(out, v, OFFSET_ID, REG_TIME);
}

static int tsc_name(void *self, struct reg_key key, char *name, size_t size)
{
	(void)self, (void)key;
	snprintf(name, size, "ahead");
	return 0;
}

int x86_tsc_bank_add(struct vm *vm)
{
	static const struct reg_bank bank = {
		.name = "tsc",
		.mask = REG_BANK_MASK,
		.match = REG_BANK(REG_BANK_TSC),
		.per_vcpu = 1,
		.list = tsc_list,
		.get = tsc_get,
		.set = tsc_set,
		.name_of = tsc_name,
	};

	return reg_file_add(&vm->regs, &bank, 0, 0, vm);
}

/* The timer was set by the TSC as it was: it is set again. */
static int renew_deadline(struct vcpu *vcpu)
{
	uint64_t deadline = 0;

	if (x86_msr_read(vcpu, MSR_IA32_TSC_DEADLINE, &deadline) < 0 || !deadline)
		return 0;
	return x86_msr_write(vcpu, MSR_IA32_TSC_DEADLINE, deadline);
}

/*
 * A clock that has advanced since it was set is right. One that shall have stood still has gone on
 * since then, and begins again.
 */
int x86_clock_go_on(struct vm *vm, bool arrived)
{
	uint64_t by = 0;
	int r;

	vm->arch.clock.held = false;
	if (!arrived || !vm->arch.clock.known || !vm->arch.clock.freeze)
		return 0;
	r = set_clock(vm, vm->arch.clock.moment.ns, 0);
	if (r == 0)
		r = tsc_behind(vm, &by);
	for (uint32_t i = 0; r == 0 && i < vm->vcpu_count; i++) {
		r = shift_tsc(&vm->vcpus[i], by);
		if (r == 0)
			r = renew_deadline(&vm->vcpus[i]);
	}
	return r < 0 ? because(r, "cannot set the guest's clocks: %s", strerror(-r)) : 0;
}
