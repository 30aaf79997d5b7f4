/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The synthetic interrupt controller and the synthetic timers, CPU by CPU: everything that
 * kvm-unit-tests' hyperv_synic and hyperv_stimer look at, as far as it takes no device of QEMU's.
 *
 * cpus=N rounds=N (ticks of each periodic timer)
 * direct=1: timers that interrupt without a message, too
 * tick=1: nothing but a timer that goes on, with a line for each ten ticks
 */
#include <abi/pvh.h>

#include "lib/cmdline.h"
#include "lib/fault.h"
#include "lib/guest.h"
#include "lib/hyperv.h"
#include "lib/irq.h"

#define VECTOR	      0x50u /* and the SINT */
#define DIRECT_VECTOR 0x70u
#define MS	      10000u /* 100 ns */
#define X2APIC_EOI    0x80b
#define X2APIC_ICR    0x830
#define X2APIC_SPURIOUS 0x80f

struct slots {
	struct hv_message message[HV_SYNIC_SINTS];
};

/* What has come, for each SINT; direct for none. */
struct arrived {
	uint32_t interrupts, messages;
	struct hv_timer_message last;
};

static struct slots slots[HYPERV_CPUS] __attribute__((aligned(4096)));
static uint8_t events[HYPERV_CPUS][HV_PAGE_SIZE] __attribute__((aligned(4096)));
static struct arrived arrived[HV_SYNIC_SINTS];
static uint32_t direct;
static uint32_t cpu, done;
static uint64_t cpus, rounds, has_direct, only_ticks;

static void say(const char *what, uint64_t value)
{
	hyperv_say(cpu, what, value);
}

static volatile struct hv_message *slot(unsigned sint)
{
	return &slots[cpu].message[sint];
}

/* TLFS 11.10: the slot is emptied, and who waits for it is told so. */
static void take_message(unsigned sint)
{
	volatile struct hv_message *message = slot(sint);

	if (message->type == HV_MESSAGE_NONE)
		return;
	if (message->type == HV_MESSAGE_TIMER_EXPIRED) {
		arrived[sint].last = *(const struct hv_timer_message *)(uintptr_t)message->payload;
		arrived[sint].messages++;
	}
	message->type = HV_MESSAGE_NONE;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (message->flags & HV_MESSAGE_PENDING)
		wrmsr(HV_MSR_EOM, 0);
}

static void take(unsigned vector)
{
	arrived[vector - VECTOR].interrupts++;
	take_message(vector - VECTOR);
	wrmsr(X2APIC_EOI, 0);
}

static void take_directly(unsigned vector)
{
	(void)vector;
	direct++;
	wrmsr(X2APIC_EOI, 0);
}

static void sleep(void)
{
	__asm__ volatile("sti; hlt; cli" : : : "memory");
}

/* Lets pass what has come, and a moment. */
static void pass(uint64_t ticks)
{
	uint64_t end = rdmsr(HV_MSR_TIME_REF_COUNT) + ticks;

	__asm__ volatile("sti" : : : "memory");
	while (rdmsr(HV_MSR_TIME_REF_COUNT) < end)
		cpu_relax();
	__asm__ volatile("cli" : : : "memory");
}

static uint64_t read_config(unsigned timer)
{
	return rdmsr(HV_MSR_STIMER0_CONFIG + 2 * timer);
}

static void set_config(unsigned timer, uint64_t value)
{
	wrmsr(HV_MSR_STIMER0_CONFIG + 2 * timer, value);
}

static void set_count(unsigned timer, uint64_t value)
{
	wrmsr(HV_MSR_STIMER0_CONFIG + 2 * timer + 1, value);
}

static uint64_t config_of(unsigned sint, uint64_t flags)
{
	return (uint64_t)sint << HV_STIMER_SINT_SHIFT | flags;
}

static void switch_on(void)
{
	wrmsr(HV_MSR_SIMP, (uintptr_t)&slots[cpu] | HV_MSR_PAGE_ENABLE);
	wrmsr(HV_MSR_SIEFP, (uintptr_t)events[cpu] | HV_MSR_PAGE_ENABLE);
	wrmsr(HV_MSR_SCONTROL, HV_SCONTROL_ENABLE);
	for (unsigned i = 0; i < HV_SYNIC_SINTS; i++)
		wrmsr(HV_MSR_SINT0 + i, VECTOR + i);
}

static void registers(void)
{
	uint64_t value, masked = 0;

	fault_init();
	say("version", rdmsr(HV_MSR_SVERSION));
	say("eom", rdmsr(HV_MSR_EOM));
	for (unsigned i = 0; i < HV_SYNIC_SINTS; i++)
		masked += rdmsr(HV_MSR_SINT0 + i) == HV_SINT_MASKED;
	say("masked", masked);
	say("off", !rdmsr(HV_MSR_SCONTROL) && !rdmsr(HV_MSR_SIMP) && !rdmsr(HV_MSR_SIEFP));
	say("an exception's vector", fault_wrmsr(HV_MSR_SINT0 + 1, 8));
	say("the same, masked", fault_wrmsr(HV_MSR_SINT0 + 1, HV_SINT_MASKED | 8));
	say("an end by itself", fault_wrmsr(HV_MSR_SINT0 + 1, HV_SINT_AUTO_EOI | VECTOR));
	wrmsr(HV_MSR_SINT0 + 1, HV_SINT_MASKED);
	say("another version", fault_wrmsr(HV_MSR_SVERSION, 2));
	set_config(0, HV_STIMER_ENABLE);
	say("no sint", read_config(0));
	set_config(0, 0);
	say("no such timer", fault_rdmsr(HV_MSR_STIMER0_CONFIG + 8, &value));
	switch_on();
	say("on", rdmsr(HV_MSR_SIMP) == ((uintptr_t)&slots[cpu] | HV_MSR_PAGE_ENABLE));
	irq_init();
}

/* Once, by a timer whose message goes to that SINT; it is all that it says. */
static void once(const char *what, unsigned timer, unsigned sint, uint64_t flags, uint64_t when)
{
	struct arrived before = arrived[sint];
	const struct arrived *now = &arrived[sint];

	set_config(timer, config_of(sint, flags & HV_STIMER_AUTO_ENABLE));
	set_count(timer, when);
	if (flags & HV_STIMER_ENABLE)
		set_config(timer, config_of(sint, flags));
	while (now->messages == before.messages)
		sleep();
	pass(MS / 10);
	say(what, now->messages - before.messages == 1 &&
			  now->interrupts - before.interrupts == 1 && now->last.timer == timer &&
			  now->last.expiration == when && now->last.delivery >= when &&
			  !(read_config(timer) & HV_STIMER_ENABLE));
}

static uint64_t in(uint64_t ticks)
{
	return rdmsr(HV_MSR_TIME_REF_COUNT) + ticks;
}

static void every_sint(void)
{
	for (unsigned i = 1; i < HV_SYNIC_SINTS; i++)
		once("sint", i % HV_STIMERS, i, HV_STIMER_ENABLE, in(MS / 10));
}

/* Two at once, each with its own SINT. */
static void periodic(const char *what, uint64_t flags)
{
	uint32_t first = arrived[2].messages, second = arrived[3].messages;

	for (unsigned timer = 0; timer < 2; timer++) {
		set_config(timer, config_of(2 + timer, flags & ~HV_STIMER_ENABLE));
		set_count(timer, MS);
		if (flags & HV_STIMER_ENABLE)
			set_config(timer, config_of(2 + timer, flags));
	}
	while (arrived[2].messages - first < rounds || arrived[3].messages - second < rounds)
		sleep();
	say(what, !!(read_config(0) & read_config(1) & HV_STIMER_ENABLE));
	set_count(0, 0);
	set_config(1, 0);
	pass(MS);
	first = arrived[2].messages + arrived[3].messages;
	pass(2 * MS);
	say("stopped", first == arrived[2].messages + arrived[3].messages &&
			       !(read_config(0) & HV_STIMER_ENABLE));
}

/* Nothing comes while the slot is full; the message comes when it is not. */
static void busy(void)
{
	uint32_t before = arrived[4].messages, early;

	slot(4)->flags = 0;
	slot(4)->type = HV_MESSAGE_TIMER_EXPIRED;
	set_count(1, in(MS / 10));
	set_config(1, config_of(4, HV_STIMER_ENABLE));
	while (!(slot(4)->flags & HV_MESSAGE_PENDING))
		pass(MS / 10);
	early = arrived[4].messages - before;
	slot(4)->type = HV_MESSAGE_NONE;
	wrmsr(HV_MSR_EOM, 0);
	while (arrived[4].messages == before)
		sleep();
	say("busy", !early && arrived[4].messages - before == 1);
}

/* A SINT that is masked has its message, and no interrupt. */
static void masked(void)
{
	uint32_t before = arrived[5].interrupts;

	wrmsr(HV_MSR_SINT0 + 5, HV_SINT_MASKED | (VECTOR + 5));
	set_count(2, in(MS / 10));
	set_config(2, config_of(5, HV_STIMER_ENABLE));
	while (slot(5)->type == HV_MESSAGE_NONE)
		pass(MS / 10);
	say("message without interrupt", arrived[5].interrupts == before);
	take_message(5);
	wrmsr(HV_MSR_SINT0 + 5, VECTOR + 5);
}

static void directly_timed(void)
{
	uint64_t config = HV_STIMER_DIRECT | HV_STIMER_ENABLE |
			  (uint64_t)DIRECT_VECTOR << HV_STIMER_VECTOR_SHIFT;
	uint32_t before = direct;

	set_count(3, in(MS));
	set_config(3, config);
	while (direct == before)
		sleep();
	pass(MS / 10);
	say("direct", direct - before == 1 && !(read_config(3) & HV_STIMER_ENABLE));
	before = direct;
	set_config(3, config | HV_STIMER_PERIODIC);
	set_count(3, MS);
	while (direct - before < rounds)
		sleep();
	say("direct periodic", 1);
	set_count(3, 0);
}

static void switch_off(void)
{
	for (unsigned i = 0; i < HV_SYNIC_SINTS; i++)
		wrmsr(HV_MSR_SINT0 + i, 0xff | HV_SINT_MASKED);
	wrmsr(HV_MSR_SCONTROL, 0);
	wrmsr(HV_MSR_SIMP, 0);
	wrmsr(HV_MSR_SIEFP, 0);
	say("over", !rdmsr(HV_MSR_SCONTROL) && !rdmsr(HV_MSR_SIMP) && !rdmsr(HV_MSR_SIEFP));
}

static void tick(void)
{
	set_count(0, MS);
	set_config(0, config_of(2, HV_STIMER_ENABLE | HV_STIMER_PERIODIC));
	for (uint32_t seen = 0;; seen += 10) {
		while (arrived[2].messages - seen < 10)
			sleep();
		guest_puts("ten ticks\n");
	}
}

static void run(void)
{
	guest_x2apic();
	wrmsr(X2APIC_SPURIOUS, 0x1ff);
	registers();
	if (only_ticks)
		tick();
	once("once", 0, 2, HV_STIMER_ENABLE, in(MS));
	once("by itself", 1, 3, HV_STIMER_AUTO_ENABLE, in(MS));
	once("in the past", 0, 2, HV_STIMER_ENABLE, in(0) - 1);
	every_sint();
	periodic("periodic", HV_STIMER_PERIODIC | HV_STIMER_ENABLE);
	periodic("periodic by itself", HV_STIMER_PERIODIC | HV_STIMER_AUTO_ENABLE);
	busy();
	masked();
	if (has_direct)
		directly_timed();
	switch_off();
}

void guest_ap_main(uint32_t n)
{
	(void)n;
	run();
	__atomic_store_n(&done, 1, __ATOMIC_SEQ_CST);
	wrmsr(X2APIC_ICR, DIRECT_VECTOR); /* of the first CPU, which sleeps */
	for (;;)
		__asm__ volatile("cli; hlt");
}

void guest_main(const void *info)
{
	const char *cmdline = guest_cmdline(info);

	cpus = cmdline_number(cmdline, "cpus", 1);
	rounds = cmdline_number(cmdline, "rounds", 5);
	has_direct = cmdline_number(cmdline, "direct", 0);
	only_ticks = cmdline_number(cmdline, "tick", 0);
	for (unsigned i = 0; i < HV_SYNIC_SINTS; i++)
		irq_set(VECTOR + i, take);
	irq_set(DIRECT_VECTOR, take_directly);
	hyperv_init();
	run();
	for (uint32_t id = 1; id < cpus; id++) {
		cpu = id;
		__atomic_store_n(&done, 0, __ATOMIC_SEQ_CST);
		guest_start_cpu(id);
		while (!__atomic_load_n(&done, __ATOMIC_SEQ_CST))
			sleep();
	}
	guest_puts("all done\n");
}
