/* SPDX-License-Identifier: Apache-2.0 */
/* Leaves traces in as many registers as it can, says so, and spins: something worth saving. */
#include "lib/guest.h"

/* GICv3 (IHI 0069H) 12.9, 12.10 */
#define GICD_CTLR	  (GICD_ADDRESS + 0x000)
#define GICD_IGROUPR1	  (GICD_ADDRESS + 0x084)
#define GICD_ISENABLER1	  (GICD_ADDRESS + 0x104)
#define GICD_ISPENDR1	  (GICD_ADDRESS + 0x204)
#define GICD_IPRIORITYR8  (GICD_ADDRESS + 0x420)
#define GICD_ICFGR2	  (GICD_ADDRESS + 0xc08)
#define GICD_IROUTER36	  (GICD_ADDRESS + 0x6000 + 8 * 36)
#define GICR_SGI	  (GICR_ADDRESS + 0x10000)
#define GICR_IGROUPR0	  (GICR_SGI + 0x080)
#define GICR_ISENABLER0	  (GICR_SGI + 0x100)
#define GICR_ISPENDR0	  (GICR_SGI + 0x200)
#define GICR_IPRIORITYR0  (GICR_SGI + 0x400)

#define PL031_MR   0x04
#define PL061_IBE  0x408
#define PL061_DIR  0x400
#define PL061_DATA 0x000

static void program_gic(void)
{
	mmio_write32(GICD_CTLR, 2);
	mmio_write32(GICD_IGROUPR1, 0xffffffff);
	mmio_write32(GICD_ISENABLER1, 0x0000a5a0);
	mmio_write32(GICD_ICFGR2, 0xaaaa0000);
	mmio_write32(GICD_ISPENDR1, 0x00000520);
	mmio_write32(GICD_IPRIORITYR8, 0xa0908070);
	mmio_write32(GICD_IROUTER36, 1);
	mmio_write32(GICR_IGROUPR0, 0xffffffff);
	mmio_write32(GICR_ISENABLER0, 0x00ff);
	mmio_write32(GICR_ISPENDR0, 0x0014);
	mmio_write32(GICR_IPRIORITYR0, 0xf0e0d0c0);
	write_sysreg(S3_0_C4_C6_0, 0xb0); /* ICC_PMR_EL1 */
	write_sysreg(S3_0_C12_C12_3, 3);  /* ICC_BPR1_EL1 */
	write_sysreg(S3_0_C12_C12_7, 1);  /* ICC_IGRPEN1_EL1 */
}

static void program_devices(void)
{
	uart_write(7, 0x5a); /* scratch */
	uart_write(3, 0x83);
	uart_write(0, 0x0c); /* divisor 12 */
	uart_write(3, 0x03);
	mmio_write32(RTC_ADDRESS + PL031_MR, 0x12345678);
	mmio_write32(GPIO_ADDRESS + PL061_IBE, 0x08);
	mmio_write32(GPIO_ADDRESS + PL061_DIR, 0x40);
	mmio_write32(GPIO_ADDRESS + PL061_DATA + (0x40 << 2), 0x40);
}

static void program_cpu(void)
{
	write_sysreg(tpidr_el0, 0x1122334455667788);
	write_sysreg(tpidr_el1, 0x8877665544332211);
	write_sysreg(contextidr_el1, 0x1234);
	write_sysreg(cntv_cval_el0, read_sysreg(cntvct_el0) + (1ULL << 50));
	write_sysreg(cntv_ctl_el0, 1);
	write_sysreg(spsr_el1, 0x600003c5);
	write_sysreg(elr_el1, 0x40001234);
	__asm__ volatile("fmov d8, #1.5\n\tmsr fpcr, %0" : : "r"(1UL << 22));
}

void guest_main(const void *info)
{
	(void)info;
	program_gic();
	program_devices();
	program_cpu();
	guest_puts("ready\n");
	for (;;)
		cpu_relax();
}
