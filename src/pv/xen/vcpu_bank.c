/* SPDX-License-Identifier: Apache-2.0 */
/* The registers of a domain's vCPUs. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <ferry/error.h>

#include "base/util.h"
#include "kvm/kvm_x86.h"
#include "pv/xen/xen_impl.h"
#include "reg/reg_file.h"

/* KVM's numbers (field 0), and what KVM has none for. */
enum {
	FIELD_ATTR = 0,
	FIELD_PERIODIC = 1, /* period and next moment */
	FIELD_CONTROL = 2,  /* gfn and offset of the FIFO's control block */
	FIELD_TAILS = 3,
	FIELD_DOWN = 4, /* by VCPUOP_down */
};

/* A register is set behind those that it depends on. */
static const struct vcpu_reg {
	const char *name;
	uint8_t field, size;
	uint32_t number;
	unsigned flags;
} regs[] = {
	{ "vcpu_info", FIELD_ATTR, 3, KVM_XEN_VCPU_ATTR_TYPE_VCPU_INFO, 0 },
	{ "time_info", FIELD_ATTR, 3, KVM_XEN_VCPU_ATTR_TYPE_VCPU_TIME_INFO, 0 },
	{ "runstate_data", FIELD_ATTR, 6, KVM_XEN_VCPU_ATTR_TYPE_RUNSTATE_DATA, REG_TIME },
	{ "runstate_addr", FIELD_ATTR, 3, KVM_XEN_VCPU_ATTR_TYPE_RUNSTATE_ADDR, 0 },
	{ "upcall_vector", FIELD_ATTR, 0, KVM_XEN_VCPU_ATTR_TYPE_UPCALL_VECTOR, 0 },
	{ "timer", FIELD_ATTR, 3, KVM_XEN_VCPU_ATTR_TYPE_TIMER, 0 },
	{ "periodic", FIELD_PERIODIC, 4, 0, REG_TIME },
	{ "control_block", FIELD_CONTROL, 4, 0, 0 },
	{ "tails", FIELD_TAILS, 6, 0, 0 },
	{ "down", FIELD_DOWN, 0, 0, 0 },
};

static uint64_t id_of(const struct vcpu_reg *reg)
{
	return REG_ID(REG_BANK_XEN_VCPU, reg->field, reg->size, reg->number);
}

static const struct vcpu_reg *find(uint64_t id)
{
	for (size_t i = 0; i < ARRAY_SIZE(regs); i++)
		if (id_of(&regs[i]) == id)
			return &regs[i];
	return NULL;
}

static int list(void *self, uint32_t vcpu, struct reg_list *out)
{
	int r = 0;

	(void)self;
	for (size_t i = 0; i < ARRAY_SIZE(regs) && r == 0; i++)
		r = reg_list_add(out, vcpu, id_of(&regs[i]), regs[i].flags);
	return r;
}

static void get_attr(struct xen_vcpu *v, uint32_t number, void *val)
{
	struct xen_vcpu_runstate_info_64 info;
	uint8_t data[64] = { 0 };

	switch (number) {
	case KVM_XEN_VCPU_ATTR_TYPE_VCPU_INFO:
		memcpy(val, &v->info_gpa, 8);
		break;
	case KVM_XEN_VCPU_ATTR_TYPE_VCPU_TIME_INFO:
		memcpy(val, &v->time_gpa, 8);
		break;
	case KVM_XEN_VCPU_ATTR_TYPE_RUNSTATE_ADDR:
		memcpy(val, &v->runstate_gpa, 8);
		break;
	case KVM_XEN_VCPU_ATTR_TYPE_RUNSTATE_DATA:
		xen_runstate_get(v, &info);
		memcpy(data, &info, sizeof(info));
		memcpy(val, data, sizeof(data));
		break;
	case KVM_XEN_VCPU_ATTR_TYPE_UPCALL_VECTOR:
		memcpy(val, &v->vector, 1);
		break;
	default: /* TIMER */
		v->xen->engine->get_timer(v);
		memcpy(val, &v->timer.single, 8);
		break;
	}
}

static int get(void *self, struct reg_key key, void *val)
{
	struct xen *xen = self;
	const struct vcpu_reg *reg = find(key.id);
	struct xen_vcpu *v = xen_vcpu(xen, key.vcpu);

	if (!reg || !v)
		return because(-ENOENT, "no register %#llx of a Xen vCPU",
			       (unsigned long long)key.id);
	xen_lock(xen);
	switch (reg->field) {
	case FIELD_ATTR:
		get_attr(v, reg->number, val);
		break;
	case FIELD_PERIODIC:
		memcpy(val, (uint64_t[]){ v->timer.period, v->timer.next }, 16);
		break;
	case FIELD_CONTROL:
		memcpy(val, (uint64_t[]){ v->fifo.gfn, v->fifo.offset }, 16);
		break;
	case FIELD_TAILS:
		memcpy(val, v->fifo.tail, sizeof(v->fifo.tail));
		break;
	default:
		*(uint8_t *)val = v->down;
		break;
	}
	xen_unlock(xen);
	return 0;
}

/* A place that KVM or ferry will write: all of it is memory, or there is none. */
static int set_place(struct xen_vcpu *v, uint64_t *place, const void *val, unsigned stale)
{
	uint64_t gpa;

	memcpy(&gpa, val, sizeof(gpa));
	if (gpa == *place)
		return 0;
	if (gpa != XEN_NO_GPA && !mem_ptr_rw(&v->xen->vm->mem, gpa, 1))
		return because(-EINVAL, "xen: no memory at %#llx", (unsigned long long)gpa);
	*place = gpa;
	v->stale |= stale;
	return 0;
}

static int set_runstate(struct xen_vcpu *v, const void *val)
{
	struct kvm_xen_vcpu_attr attr = { .type = KVM_XEN_VCPU_ATTR_TYPE_RUNSTATE_DATA };
	struct xen_vcpu_runstate_info_64 info;
	int r;

	memcpy(&info, val, sizeof(info));
	if (info.state > XEN_RUNSTATE_offline)
		return because(-EINVAL, "xen: runstate %u", info.state);
	v->runstate.state = info.state;
	v->runstate.since = info.state_entry_time;
	memcpy(v->runstate.time, info.time, sizeof(info.time));
	/* One that never ran has no account. */
	if (v->xen->engine != &xen_engine_kernel || !info.state_entry_time)
		return 0;
	attr.u.runstate.state = info.state;
	attr.u.runstate.time_running = info.time[XEN_RUNSTATE_running];
	attr.u.runstate.time_runnable = info.time[XEN_RUNSTATE_runnable];
	attr.u.runstate.time_blocked = info.time[XEN_RUNSTATE_blocked];
	attr.u.runstate.time_offline = info.time[XEN_RUNSTATE_offline];
	for (size_t i = 0; i < ARRAY_SIZE(info.time); i++)
		attr.u.runstate.state_entry_time += info.time[i];
	r = kvm_xen_vcpu_set_attr(v->vcpu->fd, &attr);
	return r == -EOPNOTSUPP ? 0 : r;
}

static int set_attr(struct xen_vcpu *v, uint32_t number, const void *val)
{
	uint64_t word = 0;

	switch (number) {
	case KVM_XEN_VCPU_ATTR_TYPE_VCPU_INFO:
		memcpy(&word, val, sizeof(word));
		return xen_info_restore(v, word);
	case KVM_XEN_VCPU_ATTR_TYPE_VCPU_TIME_INFO:
		return set_place(v, &v->time_gpa, val, XEN_STALE_TIME);
	case KVM_XEN_VCPU_ATTR_TYPE_RUNSTATE_ADDR:
		return set_place(v, &v->runstate_gpa, val, XEN_STALE_RUNSTATE);
	case KVM_XEN_VCPU_ATTR_TYPE_RUNSTATE_DATA:
		return set_runstate(v, val);
	case KVM_XEN_VCPU_ATTR_TYPE_UPCALL_VECTOR:
		memcpy(&word, val, 1);
		if (word && word < 16)
			return because(-EINVAL, "xen: upcall vector %#llx is an exception",
				       (unsigned long long)word);
		v->vector = (uint8_t)word;
		v->stale |= XEN_STALE_VECTOR;
		return 0;
	default: /* TIMER */
		memcpy(&v->timer.single, val, sizeof(v->timer.single));
		v->xen->engine->restore_timer(v);
		return 0;
	}
}

static int set_control(struct xen_vcpu *v, const void *val)
{
	uint64_t words[2];

	memcpy(words, val, sizeof(words));
	if (words[1] > XEN_PAGE_SIZE)
		return because(-EINVAL, "xen: a control block at %#llx of its page",
			       (unsigned long long)words[1]);
	return xen_fifo_restore_block(v, words[0], (uint32_t)words[1]);
}

static int set_tails(struct xen_vcpu *v, const void *val)
{
	uint32_t tails[XEN_EVTCHN_FIFO_QUEUES];

	memcpy(tails, val, sizeof(tails));
	for (size_t i = 0; i < ARRAY_SIZE(tails); i++)
		if (tails[i] >= XEN_EVTCHN_FIFO_CHANNELS)
			return because(-EINVAL, "xen: a queue that ends in port %u", tails[i]);
	memcpy(v->fifo.tail, tails, sizeof(tails));
	return 0;
}

static int set_down(struct xen_vcpu *v, uint8_t value)
{
	if (value > 1)
		return because(-EINVAL, "xen: down is %u", value);
	if (value && !v->down)
		vcpu_block(v->vcpu);
	else if (!value && v->down)
		vcpu_unblock(v->vcpu);
	v->down = value;
	return 0;
}

static int set_locked(struct xen_vcpu *v, const struct vcpu_reg *reg, const void *val)
{
	uint64_t words[2];

	switch (reg->field) {
	case FIELD_ATTR:
		return set_attr(v, reg->number, val);
	case FIELD_PERIODIC:
		memcpy(words, val, sizeof(words));
		v->timer.period = words[0];
		v->timer.next = words[1];
		xen_timers_changed(v->xen);
		return 0;
	case FIELD_CONTROL:
		return set_control(v, val);
	case FIELD_TAILS:
		return set_tails(v, val);
	default:
		return set_down(v, *(const uint8_t *)val);
	}
}

static int set(void *self, struct reg_key key, const void *val)
{
	struct xen *xen = self;
	const struct vcpu_reg *reg = find(key.id);
	struct xen_vcpu *v = xen_vcpu(xen, key.vcpu);
	int r;

	if (!reg || !v)
		return because(-ENOENT, "no register %#llx of a Xen vCPU",
			       (unsigned long long)key.id);
	xen_lock(xen);
	r = set_locked(v, reg, val);
	xen_unlock(xen);
	return r;
}

static int name_of(void *self, struct reg_key key, char *name, size_t size)
{
	const struct vcpu_reg *reg = find(key.id);

	(void)self;
	if (!reg)
		return -ENOENT;
	snprintf(name, size, "%s", reg->name);
	return 0;
}

int xen_vcpu_bank_add(struct xen *xen)
{
	static const struct reg_bank bank = {
		.name = "xen_vcpu",
		.mask = REG_BANK_MASK,
		.match = REG_BANK(REG_BANK_XEN_VCPU),
		.per_vcpu = 1,
		.list = list,
		.get = get,
		.set = set,
		.name_of = name_of,
	};

	return reg_file_add(&xen->vm->regs, &bank, 0, 0, xen);
}
