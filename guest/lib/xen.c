/* SPDX-License-Identifier: Apache-2.0 */
/* Hypercalls by the page, in both widths. */
#include "lib/xen.h"

static uint8_t calls[4096] __attribute__((aligned(4096)));
uint8_t xen_shared[4096] __attribute__((aligned(4096)));
static uint32_t base, failed;

static void cpuid(uint32_t leaf, uint32_t r[4])
{
	__asm__ volatile("cpuid" : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]), "=d"(r[3]) : "a"(leaf), "c"(0));
}

bool xen_init(void)
{
	uint32_t r[4];

	for (base = XEN_CPUID_BASE; base < XEN_CPUID_BASE + 0x10000; base += 0x100) {
		cpuid(base, r);
		if (r[1] != XEN_CPUID_SIGNATURE_EBX || r[2] != XEN_CPUID_SIGNATURE_ECX ||
		    r[3] != XEN_CPUID_SIGNATURE_EDX)
			continue;
		cpuid(base + 2, r);
		wrmsr(r[1], (uintptr_t)calls);
		return true;
	}
	guest_puts("no Xen here\n");
	return false;
}

uint32_t xen_version(void)
{
	uint32_t r[4];

	cpuid(base + 1, r);
	return r[0];
}

uint32_t xen_vcpu_id(void)
{
	uint32_t r[4];

	cpuid(base + 4, r);
	return r[1];
}

int64_t xen_call(uint64_t op, uint64_t a, uint64_t b, uint64_t c)
{
	const uint8_t *entry = calls + op * 32;
	int64_t result;

	__asm__ volatile("call *%[entry]"
			 : "=a"(result), "+D"(a), "+S"(b), "+d"(c)
			 : [entry] "r"(entry)
			 : "rcx", "r8", "r9", "r10", "r11", "memory", "cc");
	return result;
}

/*
 * Through the 32-bit code segment of start.S and back; the program and its stack lie below 4 GiB, and
 * interrupts are off.
 */
int32_t xen_call_32(uint32_t op, uint32_t a, uint32_t b, uint32_t c)
{
	uint32_t entry = (uint32_t)(uintptr_t)(calls + (uint64_t)op * 32);
	int32_t result;

	__asm__ volatile("push %%rbx\n"
			 "mov %[a], %%ebx\n"
			 "mov %%rsp, %%r12\n"
			 "pushq $0x18\n"
			 "lea 1f(%%rip), %%rax\n"
			 "push %%rax\n"
			 "lretq\n"
			 ".code32\n"
			 "1: call *%%edi\n"
			 "pushl $0x08\n"
			 "pushl $2f\n"
			 "lretl\n"
			 ".code64\n"
			 "2: mov %%r12, %%rsp\n"
			 "pop %%rbx\n"
			 : "=&a"(result), "+c"(b), "+d"(c), "+D"(entry)
			 : [a] "r"(a)
			 : "r8", "r9", "r10", "r11", "r12", "rsi", "memory", "cc");
	return result;
}

static void put_signed(int64_t v)
{
	if (v < 0)
		guest_puts("-");
	guest_put_dec((uint64_t)(v < 0 ? -v : v));
}

void xen_expect(const char *what, int64_t got, int64_t wanted)
{
	if (got == wanted)
		return;
	failed++;
	guest_puts("not ok ");
	guest_puts(what);
	guest_puts(": ");
	put_signed(got);
	guest_puts(", not ");
	put_signed(wanted);
	guest_puts("\n");
}

void xen_verdict(void)
{
	guest_puts(failed ? "failed\n" : "ok\n");
}

int64_t xen_map_shared_info(void *page)
{
	struct xen_add_to_physmap_64 op = {
		.domid = XEN_DOMID_SELF,
		.space = XENMAPSPACE_shared_info,
		.gpfn = (uintptr_t)page / 4096,
	};

	return xen_call(HYPERVISOR_memory_op, XENMEM_add_to_physmap, (uintptr_t)&op, 0);
}

int64_t xen_register_vcpu_info(uint32_t vcpu, void *info)
{
	struct xen_vcpu_register_vcpu_info op = {
		.mfn = (uintptr_t)info / 4096,
		.offset = (uintptr_t)info % 4096,
	};

	return xen_call(HYPERVISOR_vcpu_op, VCPUOP_register_vcpu_info, vcpu, (uintptr_t)&op);
}

int64_t xen_evtchn(uint32_t op, void *arg)
{
	return xen_call(HYPERVISOR_event_channel_op, op, (uintptr_t)arg, 0);
}

uint32_t xen_bind_ipi(uint32_t vcpu)
{
	struct xen_evtchn_bind_ipi op = { .vcpu = vcpu };

	xen_expect("bind_ipi", xen_evtchn(EVTCHNOP_bind_ipi, &op), 0);
	return op.port;
}

int64_t xen_send(uint32_t port)
{
	struct xen_evtchn_port op = { .port = port };

	return xen_evtchn(EVTCHNOP_send, &op);
}
