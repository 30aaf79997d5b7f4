/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest's counters, as one register: KVM gives all vCPUs the same offsets from the host's counter,
 * and each write of a counter by any vCPU's register sets them. So they are read and written
 * together, by vCPU 0, and KVM's own registers of them are not listed.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <ferry/error.h>

#include <abi/steal.h>

#include "kvm/kvm_arm64.h"
#include "regs.h"
#include "vm/vm.h"

/* asm/kvm.h: the ids of TIMER_CNT and TIMER_CVAL are swapped, by an old mistake. */
#define ID_TIMER_CNT  0x603000000013df1aULL
#define ID_PTIMER_CNT 0x603000000013df01ULL

#define MOMENT_ID REG_ID(REG_BANK_CLOCK, 2, 5, 0)

#define NS_PER_S 1000000000ULL

/* Arm ARM D24.10.1: CNTFRQ_EL0 is what firmware says of the counter. */
static uint64_t counter_frequency(void)
{
	uint64_t hz;

	__asm__ volatile("mrs %0, cntfrq_el0" : "=r"(hz));
	return hz;
}

static uint64_t realtime_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

/* Before Linux 6.4 the physical counter is the host's and no register. */
static int read_moment(const struct vm *vm, struct arm64_moment *ret_moment)
{
	struct arm64_moment now = { .realtime = realtime_ns(), .hz = counter_frequency() };
	int r = kvm_get_one_reg(vm->vcpus[0].fd, ID_TIMER_CNT, &now.cntvct);

	if (r == 0 && kvm_get_one_reg(vm->vcpus[0].fd, ID_PTIMER_CNT, &now.cntpct) < 0)
		now.cntpct = 0;
	if (r == 0)
		*ret_moment = now;
	return r;
}

int arm64_clock_tell_stolen(struct vm *vm, uint64_t gpa)
{
	int r = 0;

	for (uint32_t i = 0; i < vm->vcpu_count && r == 0; i++) {
		uint64_t at = gpa + i * PV_TIME_ALIGN;
		struct kvm_device_attr attr = {
			.group = KVM_ARM_VCPU_PVTIME_CTRL,
			.attr = KVM_ARM_VCPU_PVTIME_IPA,
			.addr = (uintptr_t)&at,
		};

		r = kvm_set_device_attr(vm->vcpus[i].fd, &attr);
	}
	return r < 0 ? because(r, "KVM_ARM_VCPU_PVTIME_IPA: %s", strerror(-r)) : 0;
}

int arm64_clock_hold(struct vm *vm)
{
	int r = vm->arch.clock.known ? 0 : read_moment(vm, &vm->arch.clock.moment);

	vm->arch.clock.held = r == 0;
	return r < 0 ? because(r, "cannot read the guest's counters: %s", strerror(-r)) : 0;
}

/* What has passed in transit counts, or it does not. */
static int write_moment(const struct vm *vm)
{
	struct arm64_moment moment = vm->arch.clock.moment;
	int fd = vm->vcpus[0].fd, r;
	uint64_t now = realtime_ns(), passed = 0;

	if (!vm->arch.clock.freeze && now > moment.realtime)
		passed = (uint64_t)((unsigned __int128)(now - moment.realtime) * moment.hz / NS_PER_S);
	moment.cntvct += passed;
	moment.cntpct += passed;
	r = kvm_set_one_reg(fd, ID_TIMER_CNT, &moment.cntvct);
	if (r == 0 && moment.cntpct && kvm_get_one_reg(fd, ID_PTIMER_CNT, &now) == 0)
		r = kvm_set_one_reg(fd, ID_PTIMER_CNT, &moment.cntpct);
	return r;
}

int arm64_clock_go_on(struct vm *vm, bool arrived)
{
	bool known = vm->arch.clock.known;
	int r;

	vm->arch.clock.held = vm->arch.clock.known = false;
	if (!arrived || !known)
		return 0;
	r = write_moment(vm);
	return r < 0 ? because(r, "cannot set the guest's counters: %s", strerror(-r)) : 0;
}

static int clock_list(void *self, uint32_t v, struct reg_list *out)
{
	(void)self;
	return reg_list_add(out, v, MOMENT_ID, REG_TIME);
}

static int unknown(struct reg_key key)
{
	return because(-ENOENT, "no clock register %#llx", (unsigned long long)key.id);
}

static int clock_get(void *self, struct reg_key key, void *val)
{
	struct vm *vm = self;
	struct arm64_moment moment = vm->arch.clock.moment;
	int r = 0;

	if (key.id != MOMENT_ID)
		return unknown(key);
	if (!vm->arch.clock.held && !vm->arch.clock.known)
		r = read_moment(vm, &moment);
	if (r == 0)
		memcpy(val, &moment, sizeof(moment));
	return r;
}

/* KVM is told when the guest goes on, which is later. */
static int clock_set(void *self, struct reg_key key, const void *val)
{
	struct vm *vm = self;
	struct arm64_moment moment;

	if (key.id != MOMENT_ID)
		return unknown(key);
	memcpy(&moment, val, sizeof(moment));
	if (moment.hz != counter_frequency())
		return because(-EINVAL,
			       "the guest's counter runs at %llu Hz, this host's at %llu Hz, and it "
			       "cannot be scaled",
			       (unsigned long long)moment.hz,
			       (unsigned long long)counter_frequency());
	vm->arch.clock.moment = moment;
	vm->arch.clock.known = true;
	return 0;
}

static int clock_name(void *self, struct reg_key key, char *name, size_t size)
{
	(void)self, (void)key;
	snprintf(name, size, "moment");
	return 0;
}

int arm64_clock_bank_add(struct vm *vm, bool freeze)
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
