/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bits of CPUID that say what a CPU can do. Intel SDM volume 2, CPUID; AMD APM volume 3, appendix E;
 * Documentation/virt/kvm/x86/cpuid.rst. The names are those of the manuals, as Linux spells them.
 */
#ifndef ABI_CPUID_H
#define ABI_CPUID_H

#include <stdint.h>

#define CPUID_FEATURE_BITS 32

/* One register of one leaf: a name for each of its bits from the lowest on, "" for those without. */
struct cpuid_features {
	uint32_t leaf, index;
	char reg; /* 'a', 'b', 'c' or 'd' */
	const char *names[CPUID_FEATURE_BITS];
};

/* clang-format off */
#define CPUID_FEATURES { \
	{ 0x1, 0, 'c', { \
		"sse3", "pclmulqdq", "dtes64", "monitor", "ds_cpl", "vmx", "smx", "eist", \
		"tm2", "ssse3", "cnxt_id", "sdbg", "fma", "cx16", "xtpr", "pdcm", "", "pcid", \
		"dca", "sse4_1", "sse4_2", "x2apic", "movbe", "popcnt", "tsc_deadline", \
		"aes", "xsave", "", "avx", "f16c", "rdrand", "hypervisor", \
	} }, \
	{ 0x1, 0, 'd', { \
		"fpu", "vme", "de", "pse", "tsc", "msr", "pae", "mce", "cx8", "apic", "", \
		"sep", "mtrr", "pge", "mca", "cmov", "pat", "pse36", "psn", "clflush", "", \
		"ds", "acpi", "mmx", "fxsr", "sse", "sse2", "ss", "", "tm", "ia64", "pbe", \
	} }, \
	{ 0x7, 0, 'b', { \
		"fsgsbase", "tsc_adjust", "sgx", "bmi1", "hle", "avx2", "fdp_excptn_only", \
		"smep", "bmi2", "erms", "invpcid", "rtm", "pqm", "zero_fcs_fds", "mpx", \
		"pqe", "avx512f", "avx512dq", "rdseed", "adx", "smap", "avx512ifma", "", \
		"clflushopt", "clwb", "intel_pt", "avx512pf", "avx512er", "avx512cd", "sha", \
		"avx512bw", "avx512vl", \
	} }, \
	{ 0x7, 0, 'c', { \
		"prefetchwt1", "avx512vbmi", "umip", "pku", "", "waitpkg", "avx512vbmi2", \
		"cet_ss", "gfni", "vaes", "vpclmulqdq", "avx512vnni", "avx512bitalg", "tme", \
		"avx512vpopcntdq", "", "la57", "", "", "", "", "", "rdpid", "kl", \
		"bus_lock_detect", "cldemote", "", "movdiri", "movdir64b", "enqcmd", \
		"sgx_lc", "pks", \
	} }, \
	{ 0x7, 0, 'd', { \
		"", "sgx_keys", "avx512_4vnniw", "avx512_4fmaps", "fsrm", "uintr", "", "", \
		"avx512_vp2intersect", "srbds_ctrl", "md_clear", "rtm_always_abort", "", \
		"rtm_force_abort", "serialize", "hybrid", "tsxldtrk", "", "pconfig", "lbr", \
		"cet_ibt", "", "amx_bf16", "avx512fp16", "amx_tile", "amx_int8", "spec_ctrl", \
		"stibp", "flush_l1d", "arch_capabilities", "core_capabilities", "ssbd", \
	} }, \
	{ 0x7, 1, 'a', { \
		"sha512", "sm3", "sm4", "rao_int", "avx_vnni", "avx512bf16", "lass", \
		"cmpccxadd", "archperfmonext", "", "fzrm", "fsrs", "fsrc", "", "", "", "", \
		"fred", "lkgs", "wrmsrns", "nmi_src", "amx_fp16", "hreset", "avx_ifma", "", \
		"", "lam", "msrlist", "", "", "", "movrs", \
	} }, \
	{ 0x7, 2, 'd', { \
		"psfd", "ipred_ctrl", "rrsba_ctrl", "ddpd_u", "bhi_ctrl", "mcdt_no", \
		"uc_lock_dis", "monitor_mitg_no", \
	} }, \
	{ 0xd, 1, 'a', { \
		"xsaveopt", "xsavec", "xgetbv1", "xsaves", "xfd", \
	} }, \
	{ 0x80000001, 0, 'c', { \
		"lahf_lm", "cmp_legacy", "svm", "extapic", "cr8_legacy", "abm", "sse4a", \
		"misalignsse", "3dnowprefetch", "osvw", "ibs", "xop", "skinit", "wdt", "", \
		"lwp", "fma4", "tce", "", "nodeid_msr", "", "tbm", "topoext", "perfctr_core", \
		"perfctr_nb", "", "bpext", "ptsc", "perfctr_llc", "mwaitx", \
	} }, \
	{ 0x80000001, 0, 'd', { \
		"", "", "", "", "", "", "", "", "", "", "", "syscall", "", "", "", "", "", \
		"", "", "mp", "nx", "", "mmxext", "", "", "fxsr_opt", "pdpe1gb", "rdtscp", \
		"", "lm", "3dnowext", "3dnow", \
	} }, \
	{ 0x80000007, 0, 'd', { \
		"ts", "fid", "vid", "ttp", "tm", "stc", "100mhzsteps", "hwpstate", \
		"invariant_tsc", \
	} }, \
	{ 0x80000008, 0, 'b', { \
		"clzero", "irperf", "xsaveerptr", "invlpgb", "rdpru", "", "", "", "", \
		"wbnoinvd", "", "", "amd_ibpb", "", "amd_ibrs", "amd_stibp", "", \
		"amd_stibp_always_on", "ibrs_same_mode", "", "", "", "", "amd_ppin", \
		"amd_ssbd", "virt_ssbd", "amd_ssb_no", "cppc", "amd_psfd", "btc_no", \
		"ibpb_ret", \
	} }, \
	{ 0x8000000a, 0, 'd', { \
		"npt", "lbrv", "svm_lock", "nrip_save", "tsc_scale", "vmcb_clean", \
		"flushbyasid", "decodeassists", "", "", "pausefilter", "", "pfthreshold", \
		"avic", "", "v_vmsave_vmload", "vgif", "gmet", "x2avic", "", "v_spec_ctrl", \
		"", "", "", "tlbictl", "vnmi", \
	} }, \
	{ 0x80000021, 0, 'a', { \
		"no_nested_data_bp", "", "lfence_rdtsc", "", "", "", "null_sel_clr_base", "", \
		"auto_ibrs", "no_smm_ctl_msr", "fsrs_amd", "fsrc_amd", "", "prefetchctl_msr", \
		"", "", "", "", "", "", "", "", "", "", "", "", "", "sbpb", "ibpb_brtype", \
		"srso_no", \
	} }, \
	{ 0x40000001, 0, 'a', { \
		"kvmclock", "kvm_nop_io_delay", "kvm_mmu_op", "kvmclock2", "kvm_asyncpf", \
		"kvm_steal_time", "kvm_pv_eoi", "kvm_pv_unhalt", "", "kvm_pv_tlb_flush", \
		"kvm_asyncpf_vmexit", "kvm_pv_send_ipi", "kvm_poll_control", \
		"kvm_pv_sched_yield", "kvm_asyncpf_int", "kvm_msi_ext_dest_id", \
		"kvm_hc_map_gpa_range", "kvm_migration_control", "", "", "", "", "", "", \
		"kvmclock_stable", \
	} }, \
}
/* clang-format on */

#endif
