/* SPDX-License-Identifier: Apache-2.0 */
/* The names of MSRs, as Intel's SDM volume 4, AMD's APM, KVM's msr.rst and Hyper-V's TLFS have them. */
#include <errno.h>
#include <stdio.h>

#include "base/util.h"
#include "regs.h"

static const struct {
	uint32_t index;
	const char *name;
} names[] = {
	{ 0x00000010, "IA32_TIME_STAMP_COUNTER" },
	{ 0x0000001b, "IA32_APIC_BASE" },
	{ 0x00000034, "SMI_COUNT" },
	{ 0x0000003a, "IA32_FEATURE_CONTROL" },
	{ 0x0000003b, "IA32_TSC_ADJUST" },
	{ 0x00000048, "IA32_SPEC_CTRL" },
	{ 0x0000008b, "IA32_BIOS_SIGN_ID" },
	{ 0x0000009e, "IA32_SMBASE" },
	{ 0x000000ce, "PLATFORM_INFO" },
	{ 0x000000e1, "IA32_UMWAIT_CONTROL" },
	{ 0x0000010a, "IA32_ARCH_CAPABILITIES" },
	{ 0x00000122, "IA32_TSX_CTRL" },
	{ 0x00000140, "MISC_FEATURE_ENABLES" },
	{ 0x00000174, "IA32_SYSENTER_CS" },
	{ 0x00000175, "IA32_SYSENTER_ESP" },
	{ 0x00000176, "IA32_SYSENTER_EIP" },
	{ 0x00000179, "IA32_MCG_CAP" },
	{ 0x0000017a, "IA32_MCG_STATUS" },
	{ 0x0000017b, "IA32_MCG_CTL" },
	{ 0x000001a0, "IA32_MISC_ENABLE" },
	{ 0x000001c4, "IA32_XFD" },
	{ 0x000001c5, "IA32_XFD_ERR" },
	{ 0x000001d9, "IA32_DEBUGCTL" },
	{ 0x000001db, "LASTBRANCHFROMIP" },
	{ 0x000001dc, "LASTBRANCHTOIP" },
	{ 0x000001dd, "LASTINTFROMIP" },
	{ 0x000001de, "LASTINTTOIP" },
	{ 0x000001fc, "MSR_POWER_CTL" },
	{ 0x00000277, "IA32_PAT" },
	{ 0x000002ff, "IA32_MTRR_DEF_TYPE" },
	{ 0x00000309, "IA32_FIXED_CTR0" },
	{ 0x0000030a, "IA32_FIXED_CTR1" },
	{ 0x0000030b, "IA32_FIXED_CTR2" },
	{ 0x00000345, "IA32_PERF_CAPABILITIES" },
	{ 0x0000038d, "IA32_FIXED_CTR_CTRL" },
	{ 0x0000038e, "IA32_PERF_GLOBAL_STATUS" },
	{ 0x0000038f, "IA32_PERF_GLOBAL_CTRL" },
	{ 0x00000390, "IA32_PERF_GLOBAL_OVF_CTRL" },
	{ 0x000003f1, "IA32_PEBS_ENABLE" },
	{ 0x00000600, "IA32_DS_AREA" },
	{ 0x000006e0, "IA32_TSC_DEADLINE" },
	{ 0x00000d90, "IA32_BNDCFGS" },
	{ 0x00000da0, "IA32_XSS" },
	{ 0x40000000, "HV_X64_MSR_GUEST_OS_ID" },
	{ 0x40000001, "HV_X64_MSR_HYPERCALL" },
	{ 0x40000002, "HV_X64_MSR_VP_INDEX" },
	{ 0x40000003, "HV_X64_MSR_RESET" },
	{ 0x40000010, "HV_X64_MSR_VP_RUNTIME" },
	{ 0x40000020, "HV_X64_MSR_TIME_REF_COUNT" },
	{ 0x40000021, "HV_X64_MSR_REFERENCE_TSC" },
	{ 0x40000022, "HV_X64_MSR_TSC_FREQUENCY" },
	{ 0x40000023, "HV_X64_MSR_APIC_FREQUENCY" },
	{ 0x40000073, "HV_X64_MSR_VP_ASSIST_PAGE" },
	{ 0x40000080, "HV_X64_MSR_SCONTROL" },
	{ 0x40000082, "HV_X64_MSR_SIEFP" },
	{ 0x40000083, "HV_X64_MSR_SIMP" },
	{ 0x400000f1, "HV_X64_MSR_SYNDBG_CONTROL" },
	{ 0x400000f2, "HV_X64_MSR_SYNDBG_STATUS" },
	{ 0x400000f3, "HV_X64_MSR_SYNDBG_SEND_BUFFER" },
	{ 0x400000f4, "HV_X64_MSR_SYNDBG_RECV_BUFFER" },
	{ 0x400000f5, "HV_X64_MSR_SYNDBG_PENDING_BUFFER" },
	{ 0x400000ff, "HV_X64_MSR_SYNDBG_OPTIONS" },
	{ 0x40000105, "HV_X64_MSR_CRASH_CTL" },
	{ 0x40000106, "HV_X64_MSR_REENLIGHTENMENT_CONTROL" },
	{ 0x40000107, "HV_X64_MSR_TSC_EMULATION_CONTROL" },
	{ 0x40000108, "HV_X64_MSR_TSC_EMULATION_STATUS" },
	{ 0x40000118, "HV_X64_MSR_TSC_INVARIANT_CONTROL" },
	{ 0x00000011, "MSR_KVM_WALL_CLOCK" },
	{ 0x00000012, "MSR_KVM_SYSTEM_TIME" },
	{ 0x4b564d00, "MSR_KVM_WALL_CLOCK_NEW" },
	{ 0x4b564d01, "MSR_KVM_SYSTEM_TIME_NEW" },
	{ 0x4b564d02, "MSR_KVM_ASYNC_PF_EN" },
	{ 0x4b564d03, "MSR_KVM_STEAL_TIME" },
	{ 0x4b564d04, "MSR_KVM_PV_EOI_EN" },
	{ 0x4b564d05, "MSR_KVM_POLL_CONTROL" },
	{ 0x4b564d06, "MSR_KVM_ASYNC_PF_INT" },
	{ 0x4b564d07, "MSR_KVM_ASYNC_PF_ACK" },
	{ 0x4b564d08, "MSR_KVM_MIGRATION_CONTROL" },
	{ 0xc0000080, "EFER" },
	{ 0xc0000081, "STAR" },
	{ 0xc0000082, "LSTAR" },
	{ 0xc0000083, "CSTAR" },
	{ 0xc0000084, "SFMASK" },
	{ 0xc0000100, "FS_BASE" },
	{ 0xc0000101, "GS_BASE" },
	{ 0xc0000102, "KERNEL_GS_BASE" },
	{ 0xc0000103, "TSC_AUX" },
	{ 0xc0000104, "AMD64_TSC_RATIO" },
	{ 0xc0000300, "AMD64_PERF_CNTR_GLOBAL_STATUS" },
	{ 0xc0000301, "AMD64_PERF_CNTR_GLOBAL_CTL" },
	{ 0xc0000302, "AMD64_PERF_CNTR_GLOBAL_STATUS_CLR" },
	{ 0xc0010015, "HWCR" },
	{ 0xc001011f, "VIRT_SPEC_CTRL" },
	{ 0xc0010117, "VM_HSAVE_PA" },
	{ 0xc0010140, "OSVW_ID_LENGTH" },
	{ 0xc0010141, "OSVW_STATUS" },
	{ 0xc0011029, "DE_CFG" },
};

/* MSRs of which a row stands for an array: first, number of them, distance, name. */
static const struct {
	uint32_t first, count, step;
	const char *name;
} arrays[] = {
	{ 0x000000c1, 18, 1, "IA32_PMC%u" },
	{ 0x00000186, 18, 1, "IA32_PERFEVTSEL%u" },
	{ 0x00000200, 10, 2, "IA32_MTRR_PHYSBASE%u" },
	{ 0x00000201, 10, 2, "IA32_MTRR_PHYSMASK%u" },
	{ 0x00000250, 1, 1, "IA32_MTRR_FIX64K_00000" },
	{ 0x00000258, 2, 1, "IA32_MTRR_FIX16K_%u" },
	{ 0x00000268, 8, 1, "IA32_MTRR_FIX4K_%u" },
	{ 0x00000280, 32, 1, "IA32_MC%u_CTL2" },
	{ 0x00000400, 32, 4, "IA32_MC%u_CTL" },
	{ 0x00000401, 32, 4, "IA32_MC%u_STATUS" },
	{ 0x00000402, 32, 4, "IA32_MC%u_ADDR" },
	{ 0x00000403, 32, 4, "IA32_MC%u_MISC" },
	{ 0x00000480, 18, 1, "IA32_VMX_CAPABILITY%u" },
	{ 0x00000580, 4, 2, "IA32_RTIT_ADDR%u_A" },
	{ 0x00000581, 4, 2, "IA32_RTIT_ADDR%u_B" },
	{ 0x40000090, 16, 1, "HV_X64_MSR_SINT%u" },
	{ 0x400000b0, 4, 2, "HV_X64_MSR_STIMER%u_CONFIG" },
	{ 0x400000b1, 4, 2, "HV_X64_MSR_STIMER%u_COUNT" },
	{ 0x40000100, 5, 1, "HV_X64_MSR_CRASH_P%u" },
	{ 0xc0010000, 4, 1, "K7_EVNTSEL%u" },
	{ 0xc0010004, 4, 1, "K7_PERFCTR%u" },
	{ 0xc0010200, 6, 2, "F15H_PERF_CTL%u" },
	{ 0xc0010201, 6, 2, "F15H_PERF_CTR%u" },
};

int x86_msr_name(uint32_t msr, char *name, size_t size)
{
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (names[i].index != msr)
			continue;
		snprintf(name, size, "%s", names[i].name);
		return 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(arrays); i++) {
		uint32_t distance = msr - arrays[i].first;

		if (msr < arrays[i].first || distance % arrays[i].step ||
		    distance / arrays[i].step >= arrays[i].count)
			continue;
		snprintf(name, size, arrays[i].name, distance / arrays[i].step);
		return 0;
	}
	return -ENOENT;
}
