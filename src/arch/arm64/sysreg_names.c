/* SPDX-License-Identifier: Apache-2.0 */
/* The names by which people know KVM's arm64 registers. */
#include <stdio.h>

#include "base/util.h"
#include "regs.h"
#include "vm/arch.h"
#include "vm/vm.h"

/* Arm ARM D24.2. KVM swaps the encodings of two of a timer's (asm/kvm.h). */
static const struct {
	uint16_t encoding;
	const char *name;
} sysregs[] = {
	{ ARM64_SYSREG(3, 0, 0, 0, 0), "MIDR_EL1" },
	{ ARM64_SYSREG(3, 0, 0, 0, 5), "MPIDR_EL1" },
	{ ARM64_SYSREG(3, 0, 0, 0, 6), "REVIDR_EL1" },
	{ ARM64_SYSREG(3, 0, 0, 4, 0), "ID_AA64PFR0_EL1" },
	{ ARM64_SYSREG(3, 0, 0, 4, 1), "ID_AA64PFR1_EL1" },
	{ ARM64_SYSREG(3, 0, 0, 4, 4), "ID_AA64ZFR0_EL1" },
	{ ARM64_SYSREG(3, 0, 0, 5, 0), "ID_AA64DFR0_EL1" },
	{ ARM64_SYSREG(3, 0, 0, 5, 1), "ID_AA64DFR1_EL1" },
	{ ARM64_SYSREG(3, 0, 0, 6, 0), "ID_AA64ISAR0_EL1" },
	{ ARM64_SYSREG(3, 0, 0, 6, 1), "ID_AA64ISAR1_EL1" },
	{ ARM64_SYSREG(3, 0, 0, 6, 2), "ID_AA64ISAR2_EL1" },
	{ ARM64_SYSREG(3, 0, 0, 7, 0), "ID_AA64MMFR0_EL1" },
	{ ARM64_SYSREG(3, 0, 0, 7, 1), "ID_AA64MMFR1_EL1" },
	{ ARM64_SYSREG(3, 0, 0, 7, 2), "ID_AA64MMFR2_EL1" },
	{ ARM64_SYSREG(3, 0, 0, 7, 3), "ID_AA64MMFR3_EL1" },
	{ ARM64_SYSREG(3, 0, 1, 0, 0), "SCTLR_EL1" },
	{ ARM64_SYSREG(3, 0, 1, 0, 1), "ACTLR_EL1" },
	{ ARM64_SYSREG(3, 0, 1, 0, 2), "CPACR_EL1" },
	{ ARM64_SYSREG(3, 0, 2, 0, 0), "TTBR0_EL1" },
	{ ARM64_SYSREG(3, 0, 2, 0, 1), "TTBR1_EL1" },
	{ ARM64_SYSREG(3, 0, 2, 0, 2), "TCR_EL1" },
	{ ARM64_SYSREG(3, 0, 2, 0, 3), "TCR2_EL1" },
	{ ARM64_SYSREG(3, 0, 5, 1, 0), "AFSR0_EL1" },
	{ ARM64_SYSREG(3, 0, 5, 1, 1), "AFSR1_EL1" },
	{ ARM64_SYSREG(3, 0, 5, 2, 0), "ESR_EL1" },
	{ ARM64_SYSREG(3, 0, 6, 0, 0), "FAR_EL1" },
	{ ARM64_SYSREG(3, 0, 7, 4, 0), "PAR_EL1" },
	{ ARM64_SYSREG(3, 0, 10, 2, 0), "MAIR_EL1" },
	{ ARM64_SYSREG(3, 0, 10, 2, 2), "PIRE0_EL1" },
	{ ARM64_SYSREG(3, 0, 10, 2, 3), "PIR_EL1" },
	{ ARM64_SYSREG(3, 0, 10, 3, 0), "AMAIR_EL1" },
	{ ARM64_SYSREG(3, 0, 12, 0, 0), "VBAR_EL1" },
	{ ARM64_SYSREG(3, 0, 12, 1, 1), "DISR_EL1" },
	{ ARM64_SYSREG(3, 0, 13, 0, 1), "CONTEXTIDR_EL1" },
	{ ARM64_SYSREG(3, 0, 13, 0, 4), "TPIDR_EL1" },
	{ ARM64_SYSREG(3, 0, 14, 1, 0), "CNTKCTL_EL1" },
	{ ARM64_SYSREG(3, 1, 0, 0, 1), "CLIDR_EL1" },
	{ ARM64_SYSREG(3, 1, 0, 0, 7), "AIDR_EL1" },
	{ ARM64_SYSREG(3, 2, 0, 0, 0), "CSSELR_EL1" },
	{ ARM64_SYSREG(3, 3, 0, 0, 1), "CTR_EL0" },
	{ ARM64_SYSREG(3, 3, 13, 0, 2), "TPIDR_EL0" },
	{ ARM64_SYSREG(3, 3, 13, 0, 3), "TPIDRRO_EL0" },
	{ ARM64_SYSREG(3, 3, 14, 0, 2), "CNTV_CVAL_EL0" },
	{ ARM64_SYSREG(3, 3, 14, 2, 1), "CNTP_CTL_EL0" },
	{ ARM64_SYSREG(3, 3, 14, 2, 2), "CNTP_CVAL_EL0" },
	{ ARM64_SYSREG(3, 3, 14, 3, 1), "CNTV_CTL_EL0" },
	{ ARM64_SYSREG(3, 4, 3, 0, 0), "DACR32_EL2" },
	{ ARM64_SYSREG(3, 4, 5, 0, 1), "IFSR32_EL2" },
	{ ARM64_SYSREG(3, 4, 5, 3, 0), "FPEXC32_EL2" },
};

/* fw-pseudo-registers.rst */
static const char *const fw_names[] = { "psci_version", "arch_workaround_1", "arch_workaround_2",
					"arch_workaround_3" };
static const char *const bmap_names[] = { "std_bmap", "std_hyp_bmap", "vendor_hyp_bmap",
					  "vendor_hyp_bmap_2" };

static void name_sysreg(unsigned encoding, char *name, size_t size)
{
	for (size_t i = 0; i < ARRAY_SIZE(sysregs); i++)
		if (sysregs[i].encoding == encoding) {
			snprintf(name, size, "%s", sysregs[i].name);
			return;
		}
	/* As assemblers write what has no name: Arm ARM C5.1.1. */
	snprintf(name, size, "S%u_%u_C%u_C%u_%u", encoding >> 14, encoding >> 11 & 7,
		 encoding >> 7 & 15, encoding >> 3 & 15, encoding & 7);
}

/* The number is the register's offset in struct kvm_regs, in words of 32 bits. */
enum {
	CORE_SP = 62,
	CORE_SPSR = 72,
	CORE_V0 = 84,
	CORE_FPSR = 212,
	CORE_FPCR = 213,
};

static void name_core(unsigned word, char *name, size_t size)
{
	static const char *const others[] = { "sp",	  "pc",	      "pstate",	  "SP_EL1",
					      "ELR_EL1",  "SPSR_EL1", "SPSR_abt", "SPSR_und",
					      "SPSR_irq", "SPSR_fiq" };

	_Static_assert(CORE_SP + 2 * 5 == CORE_SPSR, "the names lie side by side");
	if (word < CORE_SP)
		snprintf(name, size, "x%u", word / 2);
	else if (word < CORE_SP + 2 * ARRAY_SIZE(others))
		snprintf(name, size, "%s", others[(word - CORE_SP) / 2]);
	else if (word >= CORE_V0 && word < CORE_FPSR)
		snprintf(name, size, "v%u", (word - CORE_V0) / 4);
	else if (word == CORE_FPSR || word == CORE_FPCR)
		snprintf(name, size, "%s", word == CORE_FPSR ? "fpsr" : "fpcr");
	else
		snprintf(name, size, "%#x", word);
}

/* asm/kvm.h: KVM_REG_ARM64_SVE_ZREG() and its neighbours; registers are in one slice each. */
static void name_sve(uint64_t id, char *name, size_t size)
{
	unsigned number = (unsigned)id & 0xffff;

	if (id == KVM_REG_ARM64_SVE_VLS)
		snprintf(name, size, "sve_lengths");
	else if (number >= (KVM_REG_ARM64_SVE_FFR_BASE & 0xffff))
		snprintf(name, size, "ffr");
	else if (number >= (KVM_REG_ARM64_SVE_PREG_BASE & 0xffff))
		snprintf(name, size, "p%u", number >> 5 & 15);
	else
		snprintf(name, size, "z%u", number >> 5 & 31);
}

void arm64_reg_name(uint64_t id, char *name, size_t size)
{
	unsigned number = (unsigned)id & 0xffff;

	if (ARM64_KIND(id) == ARM64_KIND_CORE)
		name_core(number, name, size);
	else if (ARM64_KIND(id) == ARM64_KIND_SYSREG)
		name_sysreg(number, name, size);
	else if (ARM64_KIND(id) == ARM64_KIND_SVE)
		name_sve(id, name, size);
	else if (ARM64_KIND(id) == ARM64_KIND_DEMUX)
		snprintf(name, size, "CCSIDR_EL1.%u", number & 0xff);
	else if (ARM64_KIND(id) == ARM64_KIND_FW && number < ARRAY_SIZE(fw_names))
		snprintf(name, size, "%s", fw_names[number]);
	else if (ARM64_KIND(id) == ARM64_KIND_FW_BMAP && number < ARRAY_SIZE(bmap_names))
		snprintf(name, size, "%s", bmap_names[number]);
	else
		snprintf(name, size, "%#llx", (unsigned long long)id);
}
