/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signals another CPU a hundred times, in two ways, and tells a register of the test's before and
 * after each: how much an event costs. The first handler only completes; the second asks for what
 * Linux asks for, and completes as Linux does.
 */
#include <abi/sdei.h>

#include "lib/guest.h"

#define REGISTER_STEP 0x0f000000UL

#define EVENTS	 100
#define CONTEXTS 5 /* Linux 6.12 arch/arm64/kernel/sdei.c: x0 to x3, x4 by its trampoline */
#define VBAR_IRQ 5

extern void handler_entry(void);

static volatile uint64_t hits, turns;
static volatile uint32_t ready, is_as_linux;

/* Where to resume; 0: complete. */
__asm__(".global handler_entry\n"
	"handler_entry:\n"
	"	stp x18, x30, [sp, #-16]!\n"
	"	bl handle\n"
	"	ldp x18, x30, [sp], #16\n"
	"	mov x1, x0\n"
	"	ldr x2, =0xc4000025\n"
	"	ldr x3, =0xc4000026\n"
	"	cmp x1, #0\n"
	"	csel x0, x2, x3, eq\n"
	"	hvc #0\n"
	"	b .\n"
	"	.ltorg\n");

uint64_t handle(void);
uint64_t handle(void)
{
	hits++;
	if (!is_as_linux)
		return 0;
	for (uint64_t n = 0; n < CONTEXTS; n++)
		hvc(SDEI_EVENT_CONTEXT, n, 0, 0, 0, 0);
	return read_sysreg(vbar_el1) + VBAR_IRQ * 128;
}

void guest_exception(uint32_t vector, uint64_t *registers)
{
	(void)registers;
	if (vector != VBAR_IRQ)
		guest_panic();
}

void guest_ap_main(uint32_t n)
{
	(void)n;
	hvc(SDEI_EVENT_REGISTER, 0, (uintptr_t)handler_entry, 0, 0, 0);
	hvc(SDEI_EVENT_ENABLE, 0, 0, 0, 0, 0);
	hvc(SDEI_PE_UNMASK, 0, 0, 0, 0, 0);
	__atomic_store_n(&ready, 1, __ATOMIC_SEQ_CST);
	for (;;)
		turns++;
}

/* Until the other CPU is back in its loop. */
static void signal_other(void)
{
	uint64_t before = hits, turn;

	hvc(SDEI_EVENT_SIGNAL, 0, guest_cpu_address(1), 0, 0, 0);
	while (hits == before)
		cpu_relax();
	turn = turns;
	while (turns < turn + 2)
		cpu_relax();
}

void guest_main(const void *info)
{
	uint32_t step = 0;

	(void)info;
	guest_start_cpu(1);
	while (!ready)
		cpu_relax();
	for (is_as_linux = 0; is_as_linux < 2; is_as_linux++) {
		mmio_write32(REGISTER_STEP, step++);
		for (unsigned i = 0; i < EVENTS; i++)
			signal_other();
		mmio_write32(REGISTER_STEP, step++);
	}
}
