/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walks SDEI's functions and the handler's states on one CPU, then signals another, which waits,
 * spins with interrupts masked, and accesses a device. Says what is not as DEN0054 has it, and
 * "sdei ok" at the end.
 */
#include <abi/sdei.h>

#include "lib/guest.h"

/* VBAR's entry of an IRQ at EL1 with its own stack: where Linux lets COMPLETE_AND_RESUME go. */
#define VBAR_IRQ 5

extern void handler_entry(void);

static volatile uint64_t hits, last_event, last_arg, last_pstate, resumed, bad;
static volatile uint32_t mode, stage;

enum {
	COMPLETE,
	RESUME,
	SIGNAL_SELF, /* and complete */
	STAY,	     /* CPU_OFF in the handler */
};

static uint64_t sdei(uint64_t function, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e)
{
	return hvc(function, a, b, c, d, e);
}

static void expect(const char *what, uint64_t got, int64_t wanted)
{
	if (got == (uint64_t)wanted)
		return;
	bad++;
	guest_puts("BAD ");
	guest_puts(what);
	guest_puts(": ");
	guest_put_hex(got);
	guest_puts(" instead of ");
	guest_put_hex((uint64_t)wanted);
	guest_puts("\n");
}

/* x0 event, x1 argument, x2 PC, x3 PSTATE. The rest of the context is asked for. */
__asm__(".global handler_entry\n"
	"handler_entry:\n"
	"	stp x18, x19, [sp, #-96]!\n"
	"	stp x29, x30, [sp, #16]\n"
	"	bl handle\n"
	"	ldp x29, x30, [sp, #16]\n"
	"	ldp x18, x19, [sp], #96\n"
	"	mov x1, x0\n"
	"	cbz x0, 1f\n"
	"	ldr x0, =0xc4000026\n"
	"	hvc #0\n"
	"	b .\n"
	"1:	ldr x0, =0xc4000025\n"
	"	hvc #0\n"
	"	b .\n"
	"	.ltorg\n");

/* Where to resume; 0: complete. */
uint64_t handle(uint64_t event, uint64_t arg, uint64_t pc, uint64_t pstate);
uint64_t handle(uint64_t event, uint64_t arg, uint64_t pc, uint64_t pstate)
{
	uint64_t now = read_sysreg(daif);

	(void)pc;
	expect("DAIF in the handler", now, 0x3c0);
	expect("SPSel in the handler", read_sysreg(spsel), 1);
	expect("STATUS in the handler", sdei(SDEI_EVENT_STATUS, event, 0, 0, 0, 0) & 4, 4);
	last_event = event;
	last_arg = arg;
	last_pstate = pstate;
	if (mode == SIGNAL_SELF) {
		mode = COMPLETE;
		expect("SIGNAL in the handler", sdei(SDEI_EVENT_SIGNAL, 0, guest_cpu_id(), 0, 0, 0), 0);
		expect("SIGNAL again", sdei(SDEI_EVENT_SIGNAL, 0, guest_cpu_id(), 0, 0, 0), 0);
	}
	hits++;
	if (mode == STAY)
		guest_stop_cpu();
	return mode == RESUME ? read_sysreg(vbar_el1) + VBAR_IRQ * 128 : 0;
}

void guest_exception(uint32_t vector, uint64_t *registers)
{
	(void)registers;
	if (vector == VBAR_IRQ) {
		resumed++;
		return;
	}
	guest_puts("exception\n");
	guest_reset();
}

#define ENTRY ((uint64_t)(uintptr_t)handler_entry)

/* The function table, with nothing registered. */
static void functions(void)
{
	expect("VERSION", sdei(SDEI_VERSION, 0, 0, 0, 0, 0), (int64_t)SDEI_VERSION_1_0);
	expect("FEATURES 0", sdei(SDEI_FEATURES, 0, 0, 0, 0, 0), 4 << 16);
	expect("FEATURES 1", sdei(SDEI_FEATURES, 1, 0, 0, 0, 0), -2);
	expect("PRIVATE_RESET", sdei(SDEI_PRIVATE_RESET, 0, 0, 0, 0, 0), 0);
	expect("SHARED_RESET", sdei(SDEI_SHARED_RESET, 0, 0, 0, 0, 0), 0);
	expect("PE_MASK", sdei(SDEI_PE_MASK, 0, 0, 0, 0, 0), 0);
	expect("PE_UNMASK", sdei(SDEI_PE_UNMASK, 0, 0, 0, 0, 0), 0);
	expect("PE_MASK", sdei(SDEI_PE_MASK, 0, 0, 0, 0, 0), 1);
	expect("REGISTER 0 at 0", sdei(SDEI_EVENT_REGISTER, 0, 0, 0, 0, 0), -2);
	expect("REGISTER unknown", sdei(SDEI_EVENT_REGISTER, 77, ENTRY, 0, 0, 0), -2);
	expect("REGISTER flags", sdei(SDEI_EVENT_REGISTER, 0, ENTRY, 0, 2, 0), -2);
	expect("REGISTER mpidr", sdei(SDEI_EVENT_REGISTER, 0, ENTRY, 0, 1, 99), -2);
	expect("ENABLE", sdei(SDEI_EVENT_ENABLE, 0, 0, 0, 0, 0), -3);
	expect("DISABLE", sdei(SDEI_EVENT_DISABLE, 0, 0, 0, 0, 0), -3);
	expect("UNREGISTER", sdei(SDEI_EVENT_UNREGISTER, 0, 0, 0, 0, 0), -3);
	expect("ENABLE unknown", sdei(SDEI_EVENT_ENABLE, 5, 0, 0, 0, 0), -2);
	expect("STATUS", sdei(SDEI_EVENT_STATUS, 0, 0, 0, 0, 0), 0);
	expect("CONTEXT 18", sdei(SDEI_EVENT_CONTEXT, 18, 0, 0, 0, 0), -2);
	expect("CONTEXT 0", sdei(SDEI_EVENT_CONTEXT, 0, 0, 0, 0, 0), -3);
	expect("COMPLETE", sdei(SDEI_EVENT_COMPLETE, 0, 0, 0, 0, 0), -3);
	expect("COMPLETE_AND_RESUME", sdei(SDEI_EVENT_COMPLETE_AND_RESUME, ENTRY, 0, 0, 0, 0), -3);
	expect("SIGNAL unregistered", sdei(SDEI_EVENT_SIGNAL, 0, 0, 0, 0, 0), -2);
	expect("SIGNAL 1", sdei(SDEI_EVENT_SIGNAL, 1, 0, 0, 0, 0), -2);
	expect("BIND SGI", sdei(SDEI_INTERRUPT_BIND, 3, 0, 0, 0, 0), -2);
	expect("BIND", sdei(SDEI_INTERRUPT_BIND, 27, 0, 0, 0, 0), -10);
	expect("BIND 9999", sdei(SDEI_INTERRUPT_BIND, 9999, 0, 0, 0, 0), -2);
	expect("RELEASE", sdei(SDEI_INTERRUPT_RELEASE, 0, 0, 0, 0, 0), -2);
	expect("GET_INFO type", sdei(SDEI_EVENT_GET_INFO, 0, 0, 0, 0, 0), 0);
	expect("GET_INFO routing", sdei(SDEI_EVENT_GET_INFO, 0, 3, 0, 0, 0), -2);
	expect("GET_INFO 5", sdei(SDEI_EVENT_GET_INFO, 0, 5, 0, 0, 0), -2);
	expect("0xc4000033", sdei(0xc4000033, 0, 0, 0, 0, 0), -1);
	expect("0xc400003f", sdei(0xc400003f, 0, 0, 0, 0, 0), -1);
}

static void states(void)
{
	expect("REGISTER", sdei(SDEI_EVENT_REGISTER, 0, ENTRY, 42, 0, 0), 0);
	expect("REGISTER twice", sdei(SDEI_EVENT_REGISTER, 0, ENTRY, 42, 0, 0), -3);
	expect("SIGNAL while disabled", sdei(SDEI_EVENT_SIGNAL, 0, 0, 0, 0, 0), 0);
	expect("ENABLE", sdei(SDEI_EVENT_ENABLE, 0, 0, 0, 0, 0), 0);
	expect("ENABLE twice", sdei(SDEI_EVENT_ENABLE, 0, 0, 0, 0, 0), 0);
	expect("hits while masked", hits, 0);
	expect("PE_UNMASK", sdei(SDEI_PE_UNMASK, 0, 0, 0, 0, 0), 0);
	expect("hits", hits, 1);
	expect("argument", last_arg, 42);
	mode = SIGNAL_SELF;
	expect("SIGNAL", sdei(SDEI_EVENT_SIGNAL, 0, 0, 0, 0, 0), 0);
	expect("hits: two signals while running are one", hits, 3);
	mode = RESUME;
	expect("SIGNAL", sdei(SDEI_EVENT_SIGNAL, 0, 0, 0, 0, 0), 0);
	expect("resumed", resumed, 1);
	expect("hits", hits, 4);
	mode = COMPLETE;
	expect("STATUS", sdei(SDEI_EVENT_STATUS, 0, 0, 0, 0, 0), 3);
	expect("DISABLE", sdei(SDEI_EVENT_DISABLE, 0, 0, 0, 0, 0), 0);
	expect("STATUS", sdei(SDEI_EVENT_STATUS, 0, 0, 0, 0, 0), 1);
	expect("UNREGISTER", sdei(SDEI_EVENT_UNREGISTER, 0, 0, 0, 0, 0), 0);
	expect("STATUS", sdei(SDEI_EVENT_STATUS, 0, 0, 0, 0, 0), 0);
}

static void shared(void)
{
	const uint64_t event = SDEI_EVENT_SHARED_NORMAL;

	expect("GET_INFO unregistered", sdei(SDEI_EVENT_GET_INFO, event, 3, 0, 0, 0), -3);
	expect("REGISTER shared", sdei(SDEI_EVENT_REGISTER, event, ENTRY, 7, 0, 0), 0);
	expect("GET_INFO type", sdei(SDEI_EVENT_GET_INFO, event, 0, 0, 0, 0), 1);
	expect("GET_INFO mode", sdei(SDEI_EVENT_GET_INFO, event, 3, 0, 0, 0), 0);
	expect("GET_INFO affinity", sdei(SDEI_EVENT_GET_INFO, event, 4, 0, 0, 0), -2);
	expect("ROUTING_SET", sdei(SDEI_EVENT_ROUTING_SET, event, 1, 1, 0, 0), 0);
	expect("GET_INFO affinity", sdei(SDEI_EVENT_GET_INFO, event, 4, 0, 0, 0), 1);
	expect("ENABLE", sdei(SDEI_EVENT_ENABLE, event, 0, 0, 0, 0), 0);
	expect("ROUTING_SET enabled", sdei(SDEI_EVENT_ROUTING_SET, event, 0, 0, 0, 0), -3);
	expect("ROUTING_SET private", sdei(SDEI_EVENT_ROUTING_SET, 0, 0, 0, 0, 0), -2);
	expect("SHARED_RESET", sdei(SDEI_SHARED_RESET, 0, 0, 0, 0, 0), 0);
	expect("STATUS", sdei(SDEI_EVENT_STATUS, event, 0, 0, 0, 0), 0);
}

/*
 * The serial port's interrupt (src/machine/arm64.c), and the bit that lets it tell that it is
 * empty.
 */
#define SERIAL_INTID 33
#define UART_IER     1
#define IER_THRI     2

static void wait_for(volatile uint64_t *what, uint64_t value)
{
	while (__atomic_load_n(what, __ATOMIC_SEQ_CST) < value)
		cpu_relax();
}

static void bound(void)
{
	const uint64_t event = SDEI_EVENT_BOUND;
	uint64_t before = hits;

	expect("REGISTER unbound", sdei(SDEI_EVENT_REGISTER, event, ENTRY, 55, 0, 0), -3);
	expect("BIND", sdei(SDEI_INTERRUPT_BIND, SERIAL_INTID, 0, 0, 0, 0), (int64_t)event);
	expect("BIND again", sdei(SDEI_INTERRUPT_BIND, SERIAL_INTID, 0, 0, 0, 0), (int64_t)event);
	expect("BIND another", sdei(SDEI_INTERRUPT_BIND, 34, 0, 0, 0, 0), (int64_t)event + 1);
	expect("RELEASE another", sdei(SDEI_INTERRUPT_RELEASE, event + 1, 0, 0, 0, 0), 0);
	expect("RELEASE again", sdei(SDEI_INTERRUPT_RELEASE, event + 1, 0, 0, 0, 0), -2);
	expect("REGISTER bound", sdei(SDEI_EVENT_REGISTER, event, ENTRY, 55, 0, 0), 0);
	expect("RELEASE registered", sdei(SDEI_INTERRUPT_RELEASE, event, 0, 0, 0, 0), -3);
	expect("ENABLE bound", sdei(SDEI_EVENT_ENABLE, event, 0, 0, 0, 0), 0);
	uart_write(UART_IER, IER_THRI);
	wait_for(&hits, before + 1);
	uart_write(UART_IER, 0);
	expect("event of the serial port", last_event, (int64_t)event);
	expect("its argument", last_arg, 55);
	expect("SHARED_RESET", sdei(SDEI_SHARED_RESET, 0, 0, 0, 0, 0), 0);
	expect("RELEASE after it", sdei(SDEI_INTERRUPT_RELEASE, event, 0, 0, 0, 0), -2);
}

/* What the other CPU is doing when it is signalled, by stage. */
void guest_ap_main(uint32_t n)
{
	uint32_t seen = stage;

	(void)n;
	expect("REGISTER there", sdei(SDEI_EVENT_REGISTER, 0, ENTRY, 1000 + seen, 0, 0), 0);
	expect("ENABLE there", sdei(SDEI_EVENT_ENABLE, 0, 0, 0, 0, 0), 0);
	expect("UNMASK there", sdei(SDEI_PE_UNMASK, 0, 0, 0, 0, 0), 0);
	__atomic_store_n(&stage, seen + 1, __ATOMIC_SEQ_CST);
	for (;;) {
		if (stage == 1)
			__asm__ volatile("wfi");
		else if (stage == 3)
			mmio_read32(GPIO_ADDRESS);
		else
			cpu_relax();
	}
}

static void wait_for_stage(uint32_t value)
{
	while (__atomic_load_n(&stage, __ATOMIC_SEQ_CST) != value)
		cpu_relax();
}

static void other_cpu(void)
{
	uint64_t before = hits;

	mode = COMPLETE;
	expect("SIGNAL of a CPU that is off", sdei(SDEI_EVENT_SIGNAL, 0, 1, 0, 0, 0), -2);
	guest_start_cpu(1);
	wait_for_stage(1);
	for (uint32_t i = 1; i <= 3; i++) {
		stage = i;
		expect("SIGNAL there", sdei(SDEI_EVENT_SIGNAL, 0, 1, 0, 0, 0), 0);
		wait_for(&hits, before + i);
	}
	expect("argument there", last_arg, 1000);
	/* It goes off in its handler, comes back, and registers again. */
	mode = STAY;
	expect("SIGNAL there", sdei(SDEI_EVENT_SIGNAL, 0, 1, 0, 0, 0), 0);
	wait_for(&hits, before + 4);
	mode = COMPLETE;
	stage = 10;
	while (hvc(0xc4000004, 1, 0, 0, 0, 0) != 1) /* PSCI AFFINITY_INFO: off */
		cpu_relax();
	guest_start_cpu(1);
	wait_for_stage(11);
	expect("SIGNAL there", sdei(SDEI_EVENT_SIGNAL, 0, 1, 0, 0, 0), 0);
	wait_for(&hits, before + 5);
	expect("argument there", last_arg, 1010);
}

void guest_main(const void *info)
{
	(void)info;
	functions();
	states();
	shared();
	bound();
	other_cpu();
	guest_puts(bad ? "sdei failed\n" : "sdei ok\n");
}
