/* SPDX-License-Identifier: Apache-2.0 */
/* A vCPU's registers besides its MSRs: one wide register for each thing that KVM reads whole. */
#include "regs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ferry/error.h>

#include "base/cleanup.h"
#include "base/util.h"
#include "kvm/kvm_x86.h"
#include "vm/vm.h"

/* field of the ids: the number is the ioctl's in linux/kvm.h, or psABI's for a general register. */
enum {
	FIELD_WIDE = 0,
	FIELD_GPR = 1,
};

/*
 * One thing that KVM reads and writes whole (DESIGN 4, rule 4). size is what the ioctl takes; the
 * register is that rounded up to a power of two, the rest zero. offer: the size on this host, 0 when
 * it has no such thing; NULL: always there.
 */
struct wide {
	const char *name;
	enum reg_bank_number bank;
	uint32_t number;
	size_t (*size)(const struct kvm_caps *caps);
	int (*get)(struct vcpu *vcpu, void *buf);
	int (*set)(struct vcpu *vcpu, void *buf);
};

/* Intel SDM 3, table 11-1: offsets in struct kvm_lapic_state too */
#define LAPIC_LVT_TIMER	 0x320
#define LAPIC_LVT_MASKED (1U << 16)

#define SIZE_OF(name, type, condition)                                                             \
	static size_t name##_size(const struct kvm_caps *caps)                                     \
	{                                                                                          \
		(void)caps;                                                                        \
		return (condition) ? sizeof(type) : 0;                                             \
	}

#define IOCTL_PAIR(name)                                                                           \
	static int name##_get(struct vcpu *vcpu, void *buf)                                        \
	{                                                                                          \
		return kvm_get_##name(vcpu->fd, buf);                                              \
	}                                                                                          \
	static int name##_set(struct vcpu *vcpu, void *buf)                                        \
	{                                                                                          \
		return kvm_set_##name(vcpu->fd, buf);                                              \
	}

SIZE_OF(tsc_khz, uint32_t, caps->get_tsc_khz)
SIZE_OF(sregs, struct kvm_sregs, !caps->sregs2)
SIZE_OF(sregs2, struct kvm_sregs2, caps->sregs2)
SIZE_OF(xcrs, struct kvm_xcrs, caps->xcrs)
SIZE_OF(debugregs, struct kvm_debugregs, caps->debugregs)
SIZE_OF(lapic, struct kvm_lapic_state, true)
SIZE_OF(mp_state, struct kvm_mp_state, caps->mp_state)
SIZE_OF(vcpu_events, struct kvm_vcpu_events, caps->vcpu_events)
IOCTL_PAIR(sregs)
IOCTL_PAIR(sregs2)
IOCTL_PAIR(xcrs)
IOCTL_PAIR(debugregs)
IOCTL_PAIR(lapic)
IOCTL_PAIR(mp_state)
IOCTL_PAIR(vcpu_events)

static int tsc_khz_get(struct vcpu *vcpu, void *buf)
{
	int khz = kvm_get_tsc_khz(vcpu->fd);

	if (khz < 0)
		return khz;
	*(uint32_t *)buf = (uint32_t)khz;
	return 0;
}

/*
 * Hosts measure the same crystal a little differently: KVM takes 250 ppm (its tsc_tolerance_ppm) for
 * the same frequency. More needs scaling; without, the guest's sense of time would be wrong.
 */
static int tsc_khz_set(struct vcpu *vcpu, void *buf)
{
	int64_t khz = *(uint32_t *)buf, here = kvm_get_tsc_khz(vcpu->fd);

	if (here == khz)
		return 0;
	if (!vcpu->vm->caps.tsc_control && llabs(khz - here) > here / 4000)
		return because(-EINVAL,
			       "the guest's TSC runs at %lld kHz, this host's at %lld kHz, and it "
			       "cannot be scaled here",
			       (long long)khz, (long long)here);
	return kvm_set_tsc_khz(vcpu->fd, (long)khz);
}

/* KVM_GET_XSAVE2 gives as much as the guest's XCR0 can grow to; without it, it is 4096 bytes. */
static size_t xsave_size(const struct kvm_caps *caps)
{
	return max_u64((uint64_t)caps->xsave2, sizeof(struct kvm_xsave));
}

static int xsave_get(struct vcpu *vcpu, void *buf)
{
	return vcpu->vm->caps.xsave2 ? kvm_get_xsave2(vcpu->fd, buf) : kvm_get_xsave(vcpu->fd, buf);
}

static int xsave_set(struct vcpu *vcpu, void *buf)
{
	return kvm_set_xsave(vcpu->fd, buf);
}

static size_t nested_state_size(const struct kvm_caps *caps)
{
	return (size_t)caps->nested_state;
}

static int nested_state_get(struct vcpu *vcpu, void *buf)
{
	struct kvm_nested_state *state = buf;

	state->size = (uint32_t)vcpu->vm->caps.nested_state;
	return kvm_get_nested_state(vcpu->fd, state);
}

static int nested_state_set(struct vcpu *vcpu, void *buf)
{
	const struct kvm_nested_state *state = buf;

	if (state->size < sizeof(*state) || state->size > (uint32_t)vcpu->vm->caps.nested_state)
		return because(-EINVAL, "nested state of %u bytes", state->size);
	return kvm_set_nested_state(vcpu->fd, buf);
}

#define WIDE(bank, cmd, name) { #name, bank, _IOC_NR(cmd), name##_size, name##_get, name##_set }

/* In the order of restoring; see regs.h for why. */
static const struct wide wides[] = {
	WIDE(REG_BANK_CPU, KVM_GET_TSC_KHZ, tsc_khz),
	WIDE(REG_BANK_CPU, KVM_GET_SREGS, sregs),
	WIDE(REG_BANK_CPU, KVM_GET_SREGS2, sregs2),
	WIDE(REG_BANK_CPU, KVM_GET_XCRS, xcrs),
	WIDE(REG_BANK_CPU, KVM_GET_XSAVE, xsave),
	WIDE(REG_BANK_CPU, KVM_GET_DEBUGREGS, debugregs),
	WIDE(REG_BANK_CPU, KVM_GET_LAPIC, lapic),
	WIDE(REG_BANK_VCPU, KVM_GET_NESTED_STATE, nested_state),
	WIDE(REG_BANK_VCPU, KVM_GET_MP_STATE, mp_state),
	WIDE(REG_BANK_VCPU, KVM_GET_VCPU_EVENTS, vcpu_events),
};

static unsigned log2_up(size_t size)
{
	return size > 1 ? 64 - (unsigned)__builtin_clzll(size - 1) : 0;
}

static uint64_t wide_id(const struct wide *wide, size_t size)
{
	return REG_ID(wide->bank, FIELD_WIDE, log2_up(size), wide->number);
}

/* Intel SDM 3, figure 11-8: with the timer unmasked the LAPIC counts, and may interrupt. */
static unsigned flags_of(struct vcpu *vcpu, const struct wide *wide)
{
	struct kvm_lapic_state lapic;
	uint32_t timer;

	if (wide->get != lapic_get || kvm_get_lapic(vcpu->fd, &lapic) < 0)
		return 0;
	memcpy(&timer, lapic.regs + LAPIC_LVT_TIMER, sizeof(timer));
	return (timer & LAPIC_LVT_MASKED) ? 0 : REG_TIME;
}

static int list_wides(struct vm *vm, uint32_t v, enum reg_bank_number bank,
		      struct reg_list *out)
{
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(wides) && r == 0; i++) {
		size_t size = wides[i].size(&vm->caps);

		if (wides[i].bank == bank && size)
			r = reg_list_add(out, v, wide_id(&wides[i], size),
					 flags_of(&vm->vcpus[v], &wides[i]));
	}
	return r;
}

int x86_vcpu_settle(struct vcpu *vcpu)
{
	struct kvm_mp_state state;
	int r = 0;

	if (!vcpu->arch.settled && vcpu->vm->caps.mp_state)
		r = kvm_get_mp_state(vcpu->fd, &state);
	vcpu->arch.settled = r == 0;
	return r;
}

static const struct wide *find_wide(const struct vm *vm, uint64_t id)
{
	for (size_t i = 0; i < ARRAY_SIZE(wides); i++) {
		size_t size = wides[i].size(&vm->caps);

		if (size && wide_id(&wides[i], size) == id)
			return &wides[i];
	}
	return NULL;
}

static int no_such(uint64_t id)
{
	return because(-ENOENT, "no CPU register %#llx", (unsigned long long)id);
}

static int get_wide(void *self, struct reg_key key, void *val)
{
	struct vm *vm = self;
	const struct wide *wide = find_wide(vm, key.id);
	AUTO_FREE void *aligned = calloc(1, reg_size(key.id));
	int r;

	if (!wide)
		return no_such(key.id);
	if (!aligned)
		return -ENOMEM;
	r = x86_vcpu_settle(&vm->vcpus[key.vcpu]);
	if (r == 0)
		r = wide->get(&vm->vcpus[key.vcpu], aligned);
	if (r == 0)
		memcpy(val, aligned, reg_size(key.id));
	return r < 0 ? because(r, "cannot read %s: %s", wide->name, strerror(-r)) : 0;
}

static int set_wide(void *self, struct reg_key key, const void *val)
{
	struct vm *vm = self;
	const struct wide *wide = find_wide(vm, key.id);
	struct vcpu *vcpu = &vm->vcpus[key.vcpu];
	AUTO_FREE void *aligned = malloc(reg_size(key.id));
	int r;

	if (!wide)
		return no_such(key.id);
	if (!aligned)
		return -ENOMEM;
	memcpy(aligned, val, reg_size(key.id));
	vcpu->arch.gprs_read = false;
	error_clear();
	r = wide->set(vcpu, aligned);
	return r < 0 ? because_of(r, "cannot set %s", wide->name) : 0;
}

/* System V psABI x86-64, figure 3.36: DWARF register numbers; 49 is RFLAGS, 16 the return address. */
static const struct gpr {
	const char *name;
	uint32_t number;
	size_t offset; /* in struct kvm_regs */
} gprs[] = {
#define GPR(name, number) { #name, number, offsetof(struct kvm_regs, name) }
	GPR(rax, 0),  GPR(rdx, 1),  GPR(rcx, 2),  GPR(rbx, 3),  GPR(rsi, 4),   GPR(rdi, 5),
	GPR(rbp, 6),  GPR(rsp, 7),  GPR(r8, 8),   GPR(r9, 9),   GPR(r10, 10),  GPR(r11, 11),
	GPR(r12, 12), GPR(r13, 13), GPR(r14, 14), GPR(r15, 15), GPR(rip, 16), GPR(rflags, 49),
};

static const struct gpr *find_gpr(uint64_t id)
{
	for (size_t i = 0; i < ARRAY_SIZE(gprs); i++)
		if (REG_ID(REG_BANK_VCPU, FIELD_GPR, 3, gprs[i].number) == id)
			return &gprs[i];
	return NULL;
}

static int read_gprs(struct vcpu *vcpu, struct kvm_regs *regs)
{
	struct kvm_regs *kept = &vcpu->run->s.regs.regs;
	int r = x86_vcpu_settle(vcpu);

	if (r == 0 && !vcpu->arch.gprs_read)
		r = kvm_get_regs(vcpu->fd, kept);
	if (r < 0)
		return r;
	vcpu->arch.gprs_read = true;
	*regs = *kept;
	return 0;
}

static int get_gpr(struct vm *vm, struct reg_key key, void *val)
{
	const struct gpr *gpr = find_gpr(key.id);
	struct kvm_regs regs;
	int r;

	if (!gpr)
		return no_such(key.id);
	r = read_gprs(&vm->vcpus[key.vcpu], &regs);
	if (r == 0)
		memcpy(val, (const char *)&regs + gpr->offset, sizeof(uint64_t));
	return r;
}

static int set_gpr(struct vm *vm, struct reg_key key, const void *val)
{
	const struct gpr *gpr = find_gpr(key.id);
	struct vcpu *vcpu = &vm->vcpus[key.vcpu];
	struct kvm_regs regs;
	int r;

	if (!gpr)
		return no_such(key.id);
	r = read_gprs(vcpu, &regs);
	if (r < 0)
		return r;
	memcpy((char *)&regs + gpr->offset, val, sizeof(uint64_t));
	vcpu->arch.gprs_read = false;
	return kvm_set_regs(vcpu->fd, &regs);
}

static int cpu_list(void *self, uint32_t v, struct reg_list *out)
{
	return list_wides(self, v, REG_BANK_CPU, out);
}

static int cpu_name(void *self, struct reg_key key, char *name, size_t size)
{
	const struct wide *wide = find_wide(self, key.id);
	const struct gpr *gpr = find_gpr(key.id);

	if (!wide && !gpr)
		return -ENOENT;
	snprintf(name, size, "%s", wide ? wide->name : gpr->name);
	return 0;
}

static int vcpu_list(void *self, uint32_t v, struct reg_list *out)
{
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(gprs) && r == 0; i++)
		r = reg_list_add(out, v, REG_ID(REG_BANK_VCPU, FIELD_GPR, 3, gprs[i].number), 0);
	return r < 0 ? r : list_wides(self, v, REG_BANK_VCPU, out);
}

static int vcpu_get(void *self, struct reg_key key, void *val)
{
	return REG_ID_FIELD(key.id) == FIELD_GPR ? get_gpr(self, key, val) : get_wide(self, key, val);
}

static int vcpu_set(void *self, struct reg_key key, const void *val)
{
	return REG_ID_FIELD(key.id) == FIELD_GPR ? set_gpr(self, key, val) : set_wide(self, key, val);
}

/* KVM_SET_REGS takes all of them; KVM_GET_REGS' answer is kept anyway. */
static size_t vcpu_set_many(void *self, const struct reg_value *values, size_t count)
{
	struct vm *vm = self;
	struct vcpu *vcpu = &vm->vcpus[values[0].key.vcpu];
	const struct gpr *gpr;
	struct kvm_regs regs;
	size_t n = 0;

	if (!find_gpr(values[0].key.id) || read_gprs(vcpu, &regs) < 0)
		return 0;
	for (; n < count && (gpr = find_gpr(values[n].key.id)); n++)
		memcpy((char *)&regs + gpr->offset, values[n].value, sizeof(uint64_t));
	vcpu->arch.gprs_read = false;
	return kvm_set_regs(vcpu->fd, &regs) < 0 ? 0 : n;
}

int x86_cpu_bank_add(struct vm *vm)
{
	static const struct reg_bank bank = {
		.name = "cpu",
		.mask = REG_BANK_MASK,
		.match = REG_BANK(REG_BANK_CPU),
		.per_vcpu = 1,
		.list = cpu_list,
		.get = get_wide,
		.set = set_wide,
		.name_of = cpu_name,
	};

	return reg_file_add(&vm->regs, &bank, 0, 0, vm);
}

int x86_vcpu_bank_add(struct vm *vm)
{
	static const struct reg_bank bank = {
		.name = "vcpu",
		.mask = REG_BANK_MASK,
		.match = REG_BANK(REG_BANK_VCPU),
		.per_vcpu = 1,
		.list = vcpu_list,
		.get = vcpu_get,
		.set = vcpu_set,
		.set_many = vcpu_set_many,
		.name_of = cpu_name,
	};

	return reg_file_add(&vm->regs, &bank, 0, 0, vm);
}
