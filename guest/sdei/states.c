/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gets into the state of SDEI that its command line names, says "in STATE" and waits there for a
 * character, which comes when it is elsewhere perhaps. Then it sees whether all is as it was, says
 * what is not, and "done". The states: idle, registered, pending, normal, critical, off; hotplug
 * goes on in rounds, a dot each.
 */
#include <abi/sdei.h>

#include "lib/guest.h"

#define UART_LSR       5
#define LSR_DATA_READY 1

#define PSCI_AFFINITY_INFO 0xc4000004
#define AFFINITY_OFF	   1

#define ARG 4242

/* What x4 to x17 are when the event interrupts: PATTERN + n. */
#define PATTERN		0x5a0
#define PATTERN_FIRST	4
#define CONTEXT_SIZE	18

extern void handler_entry(void);

static volatile uint64_t hits[2], criticals;
static volatile uint32_t rounds, leaves, bad;
static char state; /* the first letter of its name */

enum { STAYS, LEAVES, LEAVES_IN_HANDLER };

/* x18 and x30 are the handler's to keep, as are those that C keeps. */
__asm__(".global handler_entry\n"
	"handler_entry:\n"
	"	stp x18, x30, [sp, #-16]!\n"
	"	bl handle\n"
	"	ldp x18, x30, [sp], #16\n"
	"	mov x1, #0\n"
	"	ldr x0, =0xc4000025\n"
	"	hvc #0\n"
	"	b .\n"
	"	.ltorg\n");

static uint64_t sdei(uint64_t function, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e)
{
	return hvc(function, a, b, c, d, e);
}

static void expect(const char *what, uint64_t got, int64_t wanted)
{
	if (got == (uint64_t)wanted)
		return;
	bad = 1;
	guest_puts("bad ");
	guest_puts(what);
	guest_puts(": ");
	guest_put_hex(got);
	guest_puts(" instead of ");
	guest_put_hex((uint64_t)wanted);
	guest_puts("\n");
}

static bool is_pressed(void)
{
	if (!(uart_read(UART_LSR) & LSR_DATA_READY))
		return false;
	uart_read(0);
	return true;
}

static void stay(const char *where)
{
	guest_puts("in ");
	guest_puts(where);
	guest_puts("\n");
	while (!is_pressed())
		cpu_relax();
}

static void check_context(void)
{
	for (uint64_t n = PATTERN_FIRST; n < CONTEXT_SIZE; n++)
		expect("CONTEXT", sdei(SDEI_EVENT_CONTEXT, n, 0, 0, 0, 0), (int64_t)(PATTERN + n));
}

static void handle_software(uint32_t cpu, uint64_t arg)
{
	uint64_t before = criticals;

	expect("argument", arg, ARG + cpu);
	if (state == 'n')
		stay("normal");
	if (state == 'c') {
		guest_puts("in normal\n");
		while (criticals == before)
			cpu_relax();
	}
	if (cpu == 0)
		check_context();
	hits[cpu]++;
	if (cpu == 1 && leaves == LEAVES_IN_HANDLER)
		guest_stop_cpu();
}

void handle(uint64_t event, uint64_t arg);
void handle(uint64_t event, uint64_t arg)
{
	expect("STATUS in the handler", sdei(SDEI_EVENT_STATUS, event, 0, 0, 0, 0), 7);
	if (event == SDEI_EVENT_SOFTWARE) {
		handle_software(guest_cpu_id(), arg);
		return;
	}
	stay("critical");
	criticals++;
}

/* Signals its own CPU with known values in the registers that the handler may use. */
static void signal_self(void)
{
	register uint64_t mpidr __asm__("x20") = guest_cpu_address(guest_cpu_id());
	uint64_t after[CONTEXT_SIZE] = { 0 };
	register uint64_t *to __asm__("x19") = after;

	__asm__ volatile("	movz x0, #0x2f\n"
			 "	movk x0, #0xc400, lsl #16\n"
			 "	mov x1, #0\n"
			 "	mov x2, %1\n"
			 "	.irp n, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17\n"
			 "	mov x\\n, #0x5a0 + \\n\n"
			 "	.endr\n"
			 "	hvc #0\n"
			 "	.irp n, 0, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17\n"
			 "	str x\\n, [%0, #8 * \\n]\n"
			 "	.endr\n"
			 :
			 : "r"(to), "r"(mpidr)
			 : "x0", "x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11",
			   "x12", "x13", "x14", "x15", "x16", "x17", "memory");
	expect("SIGNAL of itself", after[0], 0);
	for (uint64_t n = PATTERN_FIRST; n < CONTEXT_SIZE; n++)
		expect("register after the event", after[n], (int64_t)(PATTERN + n));
}

static void register_event(uint64_t event)
{
	expect("REGISTER", sdei(SDEI_EVENT_REGISTER, event, (uintptr_t)handler_entry,
				ARG + guest_cpu_id(), 0, 0), 0);
	expect("ENABLE", sdei(SDEI_EVENT_ENABLE, event, 0, 0, 0, 0), 0);
}

static void unmask(void)
{
	expect("PE_UNMASK", sdei(SDEI_PE_UNMASK, 0, 0, 0, 0, 0), 0);
}

static void wait_for(volatile uint64_t *what, uint64_t value)
{
	while (__atomic_load_n(what, __ATOMIC_SEQ_CST) < value)
		cpu_relax();
}

void guest_ap_main(uint32_t n)
{
	(void)n;
	register_event(SDEI_EVENT_SOFTWARE);
	unmask();
	__atomic_fetch_add(&rounds, 1, __ATOMIC_SEQ_CST);
	while (leaves != LEAVES) {
		if (state == 'r')
			__asm__ volatile("wfi");
		cpu_relax();
	}
	guest_stop_cpu();
}

static void start_other(uint32_t how)
{
	uint32_t before = rounds;

	leaves = how;
	guest_start_cpu(1);
	while (__atomic_load_n(&rounds, __ATOMIC_SEQ_CST) == before)
		cpu_relax();
}

static void signal_other(void)
{
	uint64_t before = hits[1];

	expect("SIGNAL of the other", sdei(SDEI_EVENT_SIGNAL, 0, guest_cpu_address(1), 0, 0, 0), 0);
	wait_for(&hits[1], before + 1);
}

static bool other_is_off(void)
{
	return hvc(PSCI_AFFINITY_INFO, guest_cpu_address(1), 0, 0, 0, 0) == AFFINITY_OFF;
}

static void wait_until_off(void)
{
	while (!other_is_off())
		cpu_relax();
}

static void idle(void)
{
	stay("idle");
	expect("PE_MASK: it was masked", sdei(SDEI_PE_MASK, 0, 0, 0, 0, 0), 0);
	expect("STATUS", sdei(SDEI_EVENT_STATUS, 0, 0, 0, 0, 0), 0);
	register_event(SDEI_EVENT_SOFTWARE);
	unmask();
	signal_self();
	expect("hits", hits[0], 1);
}

/* A shared event that is routed to the other CPU is registered as well, and not enabled. */
static void registered(void)
{
	const uint64_t shared = SDEI_EVENT_SHARED_NORMAL;

	start_other(STAYS);
	register_event(SDEI_EVENT_SOFTWARE);
	unmask();
	expect("REGISTER shared", sdei(SDEI_EVENT_REGISTER, shared, (uintptr_t)handler_entry, ARG,
				       SDEI_REGISTER_RM_PE, guest_cpu_address(1)), 0);
	stay("registered");
	expect("STATUS", sdei(SDEI_EVENT_STATUS, 0, 0, 0, 0, 0), 3);
	expect("STATUS shared", sdei(SDEI_EVENT_STATUS, shared, 0, 0, 0, 0), 1);
	expect("GET_INFO affinity",
	       sdei(SDEI_EVENT_GET_INFO, shared, SDEI_INFO_ROUTING_AFF, 0, 0, 0),
	       (int64_t)guest_cpu_address(1));
	signal_self();
	signal_other();
	expect("hits", hits[0], 1);
}

/* With the registers that the handler looks for. */
static void unmask_with_pattern(void)
{
	__asm__ volatile("	movz x0, #0x2c\n"
			 "	movk x0, #0xc400, lsl #16\n"
			 "	.irp n, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17\n"
			 "	mov x\\n, #0x5a0 + \\n\n"
			 "	.endr\n"
			 "	hvc #0\n"
			 :
			 :
			 : "x0", "x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11",
			   "x12", "x13", "x14", "x15", "x16", "x17", "memory");
}

static void pending(void)
{
	register_event(SDEI_EVENT_SOFTWARE);
	signal_self();
	stay("pending");
	expect("hits while masked", hits[0], 0);
	expect("STATUS", sdei(SDEI_EVENT_STATUS, 0, 0, 0, 0, 0), 3);
	expect("SIGNAL again", sdei(SDEI_EVENT_SIGNAL, 0, guest_cpu_address(0), 0, 0, 0), 0);
	unmask_with_pattern();
	expect("hits after two signals while masked", hits[0], 1);
}

static void running(void)
{
	register_event(SDEI_EVENT_SOFTWARE);
	register_event(SDEI_EVENT_PRIVATE_CRITICAL);
	unmask();
	signal_self();
	expect("hits", hits[0], 1);
	expect("critical ones", criticals, state == 'c');
	expect("STATUS", sdei(SDEI_EVENT_STATUS, 0, 0, 0, 0, 0), 3);
	state = 'i';
	signal_self();
	expect("hits", hits[0], 2);
}

/* The other CPU went off in its handler: it comes back with nothing of it. */
static void off(void)
{
	start_other(LEAVES_IN_HANDLER);
	signal_other();
	wait_until_off();
	stay("off");
	expect("AFFINITY_INFO", other_is_off(), 1);
	expect("SIGNAL of who is off",
	       sdei(SDEI_EVENT_SIGNAL, 0, guest_cpu_address(1), 0, 0, 0), SDEI_INVALID_PARAMETERS);
	start_other(STAYS);
	signal_other();
}

static void hotplug(void)
{
	guest_puts("in hotplug\n");
	for (uint32_t n = 0; !is_pressed(); n++) {
		start_other(n % 2 ? LEAVES_IN_HANDLER : STAYS);
		signal_other();
		leaves = LEAVES;
		wait_until_off();
		guest_puts(".");
	}
	guest_puts("\n");
}

void guest_main(const void *info)
{
	state = guest_cmdline(info)[0];
	if (state == 'i')
		idle();
	else if (state == 'r')
		registered();
	else if (state == 'p')
		pending();
	else if (state == 'h')
		hotplug();
	else if (state == 'o')
		off();
	else
		running();
	if (!bad)
		guest_puts("done\n");
	for (;;)
		__asm__ volatile("wfi");
}
