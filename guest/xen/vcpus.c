/* SPDX-License-Identifier: Apache-2.0 */
/* vCPUs begun by hypercall, in both widths, and what a domain may say and ask of itself (HVM params). */
#include <abi/pvh.h>

#include "lib/cmdline.h"
#include "lib/xen.h"

#define LIMIT 200000000U
#define EFER  0xc0000080

#define FLAT_CODE 0xc9b
#define FLAT_DATA 0xc93
#define TSS	  0x08b

static uint8_t stack[4096] __attribute__((aligned(16)));
static uint32_t arrived, beats;

static uint64_t cr(int n)
{
	uint64_t v;

	if (n == 0)
		__asm__ volatile("mov %%cr0, %0" : "=r"(v));
	else if (n == 3)
		__asm__ volatile("mov %%cr3, %0" : "=r"(v));
	else
		__asm__ volatile("mov %%cr4, %0" : "=r"(v));
	return v;
}

static int64_t vcpu_op(uint32_t op, uint32_t vcpu, const void *arg)
{
	return xen_call(HYPERVISOR_vcpu_op, op, vcpu, (uintptr_t)arg);
}

static void __attribute__((noreturn)) begin_64(void)
{
	__atomic_store_n(&arrived, 64, __ATOMIC_SEQ_CST);
	for (;;)
		__atomic_add_fetch(&beats, 1, __ATOMIC_SEQ_CST);
}

/* movl $32, arrived; hlt; jmp to the hlt: by physical addresses, which are the program's. */
static uint8_t begin_32[] = { 0xc7, 0x05, 0, 0, 0, 0, 32, 0, 0, 0, 0xf4, 0xeb, 0xfd };

static void wait_for(uint32_t which)
{
	uint32_t looks = 0;

	while (__atomic_load_n(&arrived, __ATOMIC_SEQ_CST) != which && looks++ < LIMIT)
		cpu_relax();
	xen_expect("it begins", arrived, which);
}

static void start(uint32_t vcpu, struct xen_vcpu_hvm_context *context)
{
	xen_expect("is not up", vcpu_op(VCPUOP_is_up, vcpu, NULL), 0);
	xen_expect("not before it is", vcpu_op(VCPUOP_up, vcpu, NULL), -XEN_EINVAL);
	context->pad = 1;
	xen_expect("padding", vcpu_op(VCPUOP_initialise, vcpu, context), -XEN_EINVAL);
	context->pad = 0;
	xen_expect("initialise", vcpu_op(VCPUOP_initialise, vcpu, context), 0);
	xen_expect("once", vcpu_op(VCPUOP_initialise, vcpu, context), -XEN_EEXIST);
	xen_expect("is not up yet", vcpu_op(VCPUOP_is_up, vcpu, NULL), 0);
	xen_expect("up", vcpu_op(VCPUOP_up, vcpu, NULL), 0);
	xen_expect("is up", vcpu_op(VCPUOP_is_up, vcpu, NULL), 1);
}

static uint32_t beats_now(void)
{
	return __atomic_load_n(&beats, __ATOMIC_SEQ_CST);
}

/* An event for one that is down waits until it is up again. */
static void down_and_up(void)
{
	uint32_t port = xen_bind_ipi(1), then, looks = 0;

	xen_expect("down", vcpu_op(VCPUOP_down, 1, NULL), 0);
	xen_expect("is down", vcpu_op(VCPUOP_is_up, 1, NULL), 0);
	then = beats_now();
	xen_expect("send", xen_send(port), 0);
	while (looks++ < 2000)
		cpu_relax();
	xen_expect("it does not run", beats_now(), then);
	xen_expect("up again", vcpu_op(VCPUOP_up, 1, NULL), 0);
	looks = 0;
	while (beats_now() == then && looks++ < LIMIT)
		cpu_relax();
	xen_expect("it runs", beats_now() != then, 1);
}

static void initialise(void)
{
	struct xen_vcpu_hvm_context wide = { .mode = XEN_VCPU_HVM_MODE_64B };
	struct xen_vcpu_hvm_context narrow = { .mode = XEN_VCPU_HVM_MODE_32B };
	struct xen_vcpu_hvm_x86_32 *regs = &narrow.cpu_regs.x86_32;
	uint32_t at = (uint32_t)(uintptr_t)&arrived;

	xen_expect("map", xen_map_shared_info(xen_shared), 0);
	xen_expect("nobody", vcpu_op(VCPUOP_initialise, 99, &wide), -XEN_ENOENT);
	xen_expect("without a vcpu_info", vcpu_op(VCPUOP_initialise, 32, &wide), -XEN_EINVAL);
	xen_expect("no handle", vcpu_op(VCPUOP_initialise, 1, (void *)0x7ffff0000000), -XEN_EFAULT);
	wide.cpu_regs.x86_64 = (struct xen_vcpu_hvm_x86_64){
		.rip = (uintptr_t)begin_64,
		.rsp = (uintptr_t)stack + sizeof(stack) - 8,
		.cr0 = cr(0), .cr3 = cr(3), .cr4 = cr(4), .efer = rdmsr(EFER),
	};
	start(1, &wide);
	wait_for(64);
	down_and_up();
	__builtin_memcpy(begin_32 + 2, &at, sizeof(at));
	*regs = (struct xen_vcpu_hvm_x86_32){
		.eip = (uint32_t)(uintptr_t)begin_32,
		.cr0 = 0x11,
		.limit = { UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX, 0x67 },
		.ar = { 0, FLAT_DATA, FLAT_DATA, FLAT_DATA, TSS },
	};
	xen_expect("no code", vcpu_op(VCPUOP_initialise, 2, &narrow), -XEN_EINVAL);
	regs->ar[0] = FLAT_CODE;
	regs->ar[2] = FLAT_CODE;
	xen_expect("a stack of code", vcpu_op(VCPUOP_initialise, 2, &narrow), -XEN_EINVAL);
	regs->ar[2] = FLAT_DATA;
	start(2, &narrow);
	wait_for(32);
}

static int64_t param(uint32_t op, uint32_t index, uint64_t *value)
{
	struct xen_hvm_param arg = { .domid = XEN_DOMID_SELF, .index = index, .value = *value };
	int64_t r = xen_call(HYPERVISOR_hvm_op, op, (uintptr_t)&arg, 0);

	*value = arg.value;
	return r;
}

static int64_t set(uint32_t index, uint64_t value)
{
	return param(HVMOP_set_param, index, &value);
}

static void expect_param(const char *what, uint32_t index, uint64_t wanted)
{
	uint64_t value = ~0ULL;

	xen_expect(what, param(HVMOP_get_param, index, &value), 0);
	xen_expect(what, (int64_t)value, (int64_t)wanted);
}

static void params(void)
{
	uint64_t value = 0;

	xen_expect("a store", param(HVMOP_get_param, HVM_PARAM_STORE_PFN, &value), 0);
	xen_expect("not set", set(HVM_PARAM_STORE_PFN, 5), -XEN_EPERM);
	xen_expect("a device model's", param(HVMOP_get_param, HVM_PARAM_DM_DOMAIN, &value),
		   -XEN_ENODATA);
	xen_expect("nor set", set(HVM_PARAM_DM_DOMAIN, 5), -XEN_EPERM);
	xen_expect("width", set(HVM_PARAM_X87_FIP_WIDTH, 8), 0);
	expect_param("width", HVM_PARAM_X87_FIP_WIDTH, 8);
	xen_expect("no width", set(HVM_PARAM_X87_FIP_WIDTH, 5), -XEN_EINVAL);
	xen_expect("ports", set(HVM_PARAM_ACPI_IOPORTS_LOCATION, 1), 0);
	xen_expect("no ports", set(HVM_PARAM_ACPI_IOPORTS_LOCATION, 2), -XEN_EINVAL);
	xen_expect("tss", set(HVM_PARAM_VM86_TSS, 0x9000), 0);
	expect_param("its size", HVM_PARAM_VM86_TSS_SIZED, 0x9000 | 128ULL << 32);
	xen_expect("sized", set(HVM_PARAM_VM86_TSS_SIZED, 0xa000 | 1ULL << 63), 0);
	expect_param("capped", HVM_PARAM_VM86_TSS_SIZED, 0xa000 | 8329ULL << 32);
	expect_param("its place", HVM_PARAM_VM86_TSS, 0xa000);
	xen_expect("too small", set(HVM_PARAM_VM86_TSS_SIZED, 0xa000 | 103ULL << 32), -XEN_EINVAL);
	xen_expect("too high", set(HVM_PARAM_VM86_TSS, 1ULL << 32), -XEN_EINVAL);
	xen_expect("no vector", set(HVM_PARAM_CALLBACK_IRQ, 2ULL << 56 | 3), -XEN_EINVAL);
	expect_param("as it was", HVM_PARAM_CALLBACK_IRQ, 0);
	xen_expect("no way", set(HVM_PARAM_CALLBACK_IRQ, 77ULL << 56), 0);
}

void guest_main(const void *info)
{
	const struct hvm_start_info *start_info = info;
	const char *name = cmdline_value((const char *)(uintptr_t)start_info->cmdline_paddr, "test");

	if (!xen_init() || !name)
		return;
	if (*name == 'p')
		params();
	else
		initialise();
	xen_verdict();
}
