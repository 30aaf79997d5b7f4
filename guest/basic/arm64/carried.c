/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a guest is in the middle of when it is carried elsewhere, over and over; it checks itself,
 * and says a dot a round. The command line says what it does: mmio, timer, cpus, clock.
 */
#include "lib/guest.h"

/* src/machine/arm64.c: configuration space of the host bridge (PCI 3.0, 6.1) */
#define ECAM		    0x3f000000UL
#define ECAM_INTERRUPT_LINE (ECAM + 0x3c)

/* GICv3 (IHI 0069H) 12.9, 12.10 */
#define GICD_CTLR	 (GICD_ADDRESS + 0x000)
#define GICR_SGI	 (GICR_ADDRESS + 0x10000)
#define GICR_IGROUPR0	 (GICR_SGI + 0x080)
#define GICR_ISENABLER0	 (GICR_SGI + 0x100)
#define GICR_IPRIORITYR6 (GICR_SGI + 0x400 + 24)
#define GICD_ENABLE_G1	 2
#define SPURIOUS	 1020

#define INTID_TIMER 27 /* BSA 1.0, 3.6: the virtual timer */
#define VBAR_IRQ    5  /* at EL1, with its own stack */

#define PSCI_AFFINITY_INFO 0xc4000004
#define AFFINITY_OFF	   1

#define CPUS 4

static void __attribute__((noreturn)) bad(const char *what, uint64_t expected, uint64_t found)
{
	guest_puts("\nbad ");
	guest_puts(what);
	guest_puts(": ");
	guest_put_hex(expected);
	guest_puts(" ");
	guest_put_hex(found);
	guest_puts("\n");
	guest_panic();
}

static void check(const char *what, uint64_t expected, uint64_t found)
{
	if (expected != found)
		bad(what, expected, found);
}

/* Loads and stores of a register that is not memory. */
static void mmio_round(uint32_t n)
{
	uint8_t before = mmio_read8(ECAM_INTERRUPT_LINE);

	check("interrupt line", (uint8_t)(n * 3), before);
	mmio_write8(ECAM_INTERRUPT_LINE, (uint8_t)(before + 3));
	check("sum", (uint8_t)(before + 3), mmio_read8(ECAM_INTERRUPT_LINE));
	check("its word", (uint8_t)(before + 3), mmio_read32(ECAM_INTERRUPT_LINE) & 0xff);
}

static volatile uint32_t ticks;

void guest_exception(uint32_t vector, uint64_t *registers)
{
	uint64_t intid = read_sysreg(S3_0_C12_C12_0); /* ICC_IAR1_EL1 */

	(void)registers;
	if (vector != VBAR_IRQ)
		bad("exception", read_sysreg(esr_el1), read_sysreg(elr_el1));
	if (intid >= SPURIOUS)
		return;
	check("interrupt", INTID_TIMER, intid);
	write_sysreg(cntv_ctl_el0, 0);
	ticks++;
	write_sysreg(S3_0_C12_C12_1, intid); /* ICC_EOIR1_EL1 */
}

static void prepare_timer(void)
{
	mmio_write32(GICD_CTLR, GICD_ENABLE_G1);
	mmio_write32(GICR_IGROUPR0, 0xffffffff);
	mmio_write32(GICR_IPRIORITYR6, 0xa0a0a0a0);
	mmio_write32(GICR_ISENABLER0, 1U << INTID_TIMER);
	write_sysreg(S3_0_C4_C6_0, 0xf0); /* ICC_PMR_EL1 */
	write_sysreg(S3_0_C12_C12_7, 1);  /* ICC_IGRPEN1_EL1 */
}

/* Sleeps until the timer fires. An interrupt that is masked wakes it, and is taken afterwards. */
static void timer_round(uint32_t n)
{
	uint32_t seen = ticks;

	(void)n;
	write_sysreg(cntv_tval_el0, read_sysreg(cntfrq_el0) / 2000);
	write_sysreg(cntv_ctl_el0, 1);
	while (ticks == seen)
		__asm__ volatile("wfi\n\tmsr daifclr, #2\n\tisb\n\tmsr daifset, #2" : : : "memory");
}

static uint32_t arrived;

void guest_ap_main(uint32_t n)
{
	(void)n;
	__atomic_fetch_add(&arrived, 1, __ATOMIC_SEQ_CST);
	guest_stop_cpu();
}

/* On and off, again and again. */
static void cpus_round(uint32_t n)
{
	(void)n;
	arrived = 0;
	for (uint32_t id = 1; id < CPUS; id++) {
		while (hvc(PSCI_AFFINITY_INFO, guest_cpu_address(id), 0, 0, 0, 0) != AFFINITY_OFF)
			cpu_relax();
		guest_start_cpu(id);
		while (__atomic_load_n(&arrived, __ATOMIC_SEQ_CST) != id)
			cpu_relax();
	}
}

/*
 * The counter does not go back; a step of a second or more is told in milliseconds and 10^6 ticks.
 */
static void clock_round(uint32_t n)
{
	static uint64_t last;
	uint64_t now, khz = read_sysreg(cntfrq_el0) / 1000;

	(void)n;
	for (unsigned i = 0; i < 200; i++) {
		__asm__ volatile("isb");
		now = read_sysreg(cntvct_el0);
		if (!last)
			last = now;
		if (now < last)
			bad("counter", last, now);
		if (now - last > 1000 * khz) {
			guest_puts("\ngap ");
			guest_put_dec((now - last) / khz);
			guest_puts(" ");
			guest_put_dec((now - last) / 1000000);
			guest_puts("\n");
		}
		last = now;
	}
}

void guest_main(const void *info)
{
	const char *how = guest_cmdline(info);
	void (*round)(uint32_t n) = mmio_round;

	if (how[0] == 't')
		round = timer_round;
	else if (how[0] == 'c' && how[1] == 'p')
		round = cpus_round;
	else if (how[0] == 'c')
		round = clock_round;
	if (round == timer_round)
		prepare_timer();
	for (uint32_t n = 0;; n++) {
		round(n);
		guest_puts(".");
	}
}
