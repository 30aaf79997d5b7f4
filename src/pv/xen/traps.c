/* SPDX-License-Identifier: Apache-2.0 */
/* Where both engines meet the guest's CPU: the MSR of the hypercall page, its port, and MSIs. */
#include <errno.h>
#include <string.h>

#include "base/util.h"
#include "kvm/kvm_x86.h"
#include "pv/xen/hypercall.h"

/* One entry of the page: mov $n, %eax; the call; ret; the rest int3 (public/arch-x86/xen.h). */
#define ENTRY_SIZE 32
#define EFER_LMA   (1ULL << 10)

static bool is_longmode(const struct kvm_sregs *sregs)
{
	return sregs->efer & EFER_LMA;
}

int xen_write_hypercall_page(struct xen *xen, uint64_t gpa)
{
	uint8_t page[XEN_PAGE_SIZE], code[3];

	xen->engine->call_code(xen, code);
	memset(page, 0xcc, sizeof(page));
	for (uint32_t n = 0; n < XEN_PAGE_SIZE / ENTRY_SIZE; n++) {
		uint8_t *entry = page + (size_t)n * ENTRY_SIZE;

		entry[0] = 0xb8;
		memcpy(entry + 1, &n, sizeof(n));
		memcpy(entry + 5, code, sizeof(code));
		entry[8] = 0xc3;
	}
	return mem_write(&xen->vm->mem, gpa, page, sizeof(page));
}

/* A guest's write of the MSR is one of the two moments at which Xen looks at its width. */
static int write_page(struct xen *xen, struct vcpu *vcpu, uint64_t value)
{
	struct kvm_sregs sregs;
	int r;

	if (value % XEN_PAGE_SIZE)
		return -EINVAL;
	r = kvm_get_sregs(vcpu->fd, &sregs);
	if (r == 0)
		r = xen_write_hypercall_page(xen, value);
	if (r < 0)
		return r;
	xen_lock(xen);
	xen->hypercall_page = value;
	r = xen_set_longmode(xen, is_longmode(&sregs));
	xen_unlock(xen);
	return r;
}

static int msr_write(void *self, struct vcpu *vcpu, uint32_t index, uint64_t value)
{
	(void)index;
	return write_page(self, vcpu, value);
}

static int msr_read(void *self, struct vcpu *vcpu, uint32_t index, uint64_t *ret_value)
{
	(void)self, (void)vcpu, (void)index;
	*ret_value = 0;
	return 0;
}

/* public/arch-x86/xen-x86_64.h and xen-x86_32.h: where arguments are. */
static void fetch(struct xen_call *call, const struct kvm_regs *regs)
{
	if (call->longmode) {
		const uint64_t args[] = { regs->rdi, regs->rsi, regs->rdx,
					  regs->r10, regs->r8,	regs->r9 };

		memcpy(call->args, args, sizeof(args));
	} else {
		const uint32_t args[] = { (uint32_t)regs->rbx, (uint32_t)regs->rcx,
					  (uint32_t)regs->rdx, (uint32_t)regs->rsi,
					  (uint32_t)regs->rdi, (uint32_t)regs->rbp };

		for (size_t i = 0; i < ARRAY_SIZE(args); i++)
			call->args[i] = args[i];
	}
	call->op = regs->rax;
}

/* KVM starts vCPUs by INIT and SIPI and says nothing: one that calls is running. */
static void note_running(struct xen_vcpu *v)
{
	if (v->runstate.state != XEN_RUNSTATE_offline)
		return;
	xen_lock(v->xen);
	xen_runstate_set(v, XEN_RUNSTATE_running);
	xen_unlock(v->xen);
}

/*
 * KVM does not say either that a vCPU which ran has had an INIT. Then it sets up its timer, its areas or
 * whatever else is its own once more; what is often called is left out.
 */
static void note_init(const struct xen_call *call)
{
	if (call->op != HYPERVISOR_vcpu_op || call->args[0] == VCPUOP_set_singleshot_timer)
		return;
	xen_lock(call->xen);
	call->xen->engine->after_init(call->v);
	xen_unlock(call->xen);
}

static void port_call(void *self, struct vcpu *vcpu)
{
	struct xen *xen = self;
	struct xen_call call = { .xen = xen, .v = &xen->vcpus[vcpu->index] };
	struct kvm_sregs sregs;
	struct kvm_regs regs;
	int64_t result;

	if (kvm_get_regs(vcpu->fd, &regs) < 0 || kvm_get_sregs(vcpu->fd, &sregs) < 0)
		return;
	call.longmode = is_longmode(&sregs) && sregs.cs.l;
	fetch(&call, &regs);
	note_running(call.v);
	note_init(&call);
	result = xen_hypercall(&call, sregs.ss.dpl);
	regs.rax = call.longmode ? (uint64_t)result : (uint32_t)result;
	kvm_set_regs(vcpu->fd, &regs);
}

static void say_later(void *arg)
{
	struct xen_vcpu *v = arg;

	v->xen->say(v->xen->say_self, &v->said, 1);
}

/* Xen's debug port: a character at a time; whoever reads it finds its number there. */
static void debug_write(void *self, uint64_t offset, const void *data, unsigned len)
{
	struct xen *xen = self;
	struct xen_vcpu *v = &xen->vcpus[vcpu_current()->index];

	(void)offset, (void)len;
	v->said = *(const char *)data;
	if (xen->say)
		bus_defer(say_later, v);
}

static void debug_read(void *self, uint64_t offset, void *data, unsigned len)
{
	(void)self, (void)offset, (void)len;
	*(uint8_t *)data = XEN_DEBUG_PORT;
}

/* MSRs whose numbers do not change in a guest's life: CPUID tells them. */
static const struct x86_msr_trap msr_trap = {
	.first = XEN_HYPERCALL_MSR,
	.count = 1,
	.read = msr_read,
	.write = msr_write,
};

int xen_traps_add(struct xen *xen)
{
	static const struct bus_ops debug_ops = { .read = debug_read, .write = debug_write };
	int r = x86_msr_trap_add(xen->vm, &msr_trap, xen);

	if (r == 0)
		r = bus_add(&xen->vm->pio, "Xen's debug port", XEN_DEBUG_PORT, 1, &debug_ops, xen);
	return r < 0 ? r : x86_hypercall_port_add(xen->vm, XEN_PORT, port_call, xen);
}

/* Intel SDM 3, 11.11: fixed or NMI, edge; KVM_CAP_X2APIC_API takes the id's upper bits above. */
bool xen_send_msi(struct xen_vcpu *v, uint32_t data)
{
	struct kvm_msi msi = {
		.address_lo = 0xfee00000u | (v->id & 0xff) << 12,
		.address_hi = v->id & ~0xffu,
		.data = data,
	};

	return kvm_signal_msi(v->xen->vm->fd, &msi) > 0;
}
