/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages and events by connections, to each CPU from the first one, and every SINT: what
 * kvm-unit-tests' hyperv_connections and hyperv_synic look at, with the device that they take.
 *
 * cpus=N auto=1: some SINTs end their interrupts by themselves
 */
#include "lib/cmdline.h"
#include "lib/guest.h"
#include "lib/hyperv.h"
#include "lib/irq.h"

/* QEMU's hyperv-testdev: connection, operation, VP and SINT, from the highest byte on. */
#define TEST_DEVICE   0x3000
#define SET_SINT      3u
#define MAKE_MESSAGE  4u
#define END_MESSAGE   5u
#define MAKE_EVENT    6u
#define END_EVENT     7u

#define MESSAGE_SINT 8u
#define EVENT_SINT   9u
#define MESSAGES     0x10u /* connections: and the VP's index */
#define EVENTS	     0x20u
#define TYPE	     0x12345678u

#define VECTOR	       0x70u /* and the SINT */
#define ASK_VECTOR     0x50u /* lower than all of them: who has taken this one has taken those */
#define AUTO_EOI_SINTS 0x4508u
#define X2APIC_EOI     0x80b
#define X2APIC_ICR     0x830
#define X2APIC_SPURIOUS 0x80f

struct slots {
	struct hv_message message[HV_SYNIC_SINTS];
};

static struct slots slots[HYPERV_CPUS] __attribute__((aligned(4096)));
static uint64_t flags[HYPERV_CPUS][HV_SYNIC_SINTS][HV_EVENT_FLAGS / 64]
	__attribute__((aligned(4096)));
static struct hv_post_message post __attribute__((aligned(4096)));
static struct hv_signal_event event __attribute__((aligned(8)));
static uint32_t interrupts[HYPERV_CPUS][HV_SYNIC_SINTS], asked[HYPERV_CPUS], ready;
static uint32_t auto_sints, take_messages;

static uint32_t index(void)
{
	return (uint32_t)rdmsr(HV_MSR_VP_INDEX);
}

static uint32_t load(const uint32_t *at)
{
	return __atomic_load_n(at, __ATOMIC_SEQ_CST);
}

static void await(const uint32_t *at, uint32_t value)
{
	while (load(at) != value)
		cpu_relax();
}

static void take(unsigned vector)
{
	unsigned sint = vector - VECTOR;

	__atomic_fetch_add(&interrupts[index()][sint], 1, __ATOMIC_SEQ_CST);
	if (!(auto_sints >> sint & 1))
		wrmsr(X2APIC_EOI, 0);
}

/* TLFS 11.10: the slot is emptied, and who waits for it is told so. */
static void empty_slot(volatile struct hv_message *slot)
{
	slot->type = HV_MESSAGE_NONE;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (slot->flags & HV_MESSAGE_PENDING)
		wrmsr(HV_MSR_EOM, 0);
}

static void answer(unsigned vector)
{
	(void)vector;
	if (load(&take_messages))
		empty_slot(&slots[index()].message[MESSAGE_SINT]);
	wrmsr(X2APIC_EOI, 0);
	__atomic_fetch_add(&asked[index()], 1, __ATOMIC_SEQ_CST);
}

/* Has that CPU take whatever came before, and its message if it shall. */
static void ask(uint32_t cpu, uint32_t takes)
{
	uint32_t before = load(&asked[cpu]);

	__atomic_store_n(&take_messages, takes, __ATOMIC_SEQ_CST);
	__asm__ volatile("sti" : : : "memory");
	wrmsr(X2APIC_ICR, (uint64_t)cpu << 32 | ASK_VECTOR);
	await(&asked[cpu], before + 1);
	__asm__ volatile("cli" : : : "memory");
}

static void control(uint32_t operation, uint32_t cpu, uint32_t sint, uint32_t connection)
{
	outl(TEST_DEVICE, connection << 24 | operation << 16 | cpu << 8 | sint);
}

static void set_up(void)
{
	uint32_t cpu = index();

	guest_x2apic();
	wrmsr(X2APIC_SPURIOUS, 0x1ff);
	irq_init();
	wrmsr(HV_MSR_SIMP, (uintptr_t)&slots[cpu] | HV_MSR_PAGE_ENABLE);
	wrmsr(HV_MSR_SIEFP, (uintptr_t)flags[cpu] | HV_MSR_PAGE_ENABLE);
	wrmsr(HV_MSR_SCONTROL, HV_SCONTROL_ENABLE);
	for (unsigned i = 0; i < HV_SYNIC_SINTS; i++)
		wrmsr(HV_MSR_SINT0 + i,
		      (VECTOR + i) | (auto_sints >> i & 1 ? HV_SINT_AUTO_EOI : 0));
	control(MAKE_MESSAGE, cpu, MESSAGE_SINT, MESSAGES + cpu);
	control(MAKE_EVENT, cpu, EVENT_SINT, EVENTS + cpu);
	__atomic_fetch_add(&ready, 1, __ATOMIC_SEQ_CST);
}

static uint16_t send(uint32_t cpu, uint64_t word)
{
	post.connection = MESSAGES + cpu;
	post.type = TYPE;
	post.payload_size = 8;
	post.payload[0] = word;
	return (uint16_t)hyperv_call(HV_CALL_POST_MESSAGE, (uintptr_t)&post, 0);
}

static int has(uint32_t cpu, uint64_t word, uint8_t pending)
{
	const volatile struct hv_message *slot = &slots[cpu].message[MESSAGE_SINT];

	return slot->type == TYPE && slot->payload_size == 8 && slot->payload[0] == word &&
	       (slot->flags & HV_MESSAGE_PENDING) == pending;
}

static void messages(uint32_t cpu)
{
	const uint32_t *taken = &interrupts[cpu][MESSAGE_SINT];
	uint16_t status = send(cpu, 1);

	ask(cpu, 0);
	hyperv_say(cpu, "message", !status && load(taken) == 1 && has(cpu, 1, 0));
	status = send(cpu, 2);
	ask(cpu, 0);
	hyperv_say(cpu, "busy", !status && load(taken) == 1 && has(cpu, 1, HV_MESSAGE_PENDING));
	hyperv_say(cpu, "too many", send(cpu, 3));
	ask(cpu, 1);
	ask(cpu, 0);
	hyperv_say(cpu, "pending", load(taken) == 2 && has(cpu, 2, 0));
	ask(cpu, 1);
	status = send(cpu, 4);
	ask(cpu, 1);
	hyperv_say(cpu, "again", !status && load(taken) == 3);
}

/* Fast, or by memory. */
static uint16_t signal(uint32_t cpu, uint16_t flag, int is_fast)
{
	event.connection = EVENTS + cpu;
	event.flag = flag;
	if (!is_fast)
		return (uint16_t)hyperv_call(HV_CALL_SIGNAL_EVENT, (uintptr_t)&event, 0);
	return (uint16_t)hyperv_call(HV_CALL_SIGNAL_EVENT | HV_CALL_FAST,
				     event.connection | (uint64_t)flag << 32, 0);
}

static int is_set(uint32_t cpu, uint32_t flag)
{
	uint64_t *word = &flags[cpu][EVENT_SINT][flag / 64], bit = 1ull << flag % 64;

	return __atomic_fetch_and(word, ~bit, __ATOMIC_SEQ_CST) == bit;
}

static void events(uint32_t cpu)
{
	const uint32_t *taken = &interrupts[cpu][EVENT_SINT];
	uint16_t status = signal(cpu, 0, 1);

	ask(cpu, 0);
	hyperv_say(cpu, "event", !status && load(taken) == 1);
	status = signal(cpu, 0, 0);
	ask(cpu, 0);
	hyperv_say(cpu, "set already", !status && load(taken) == 1 && is_set(cpu, EVENTS + cpu));
	status = signal(cpu, 0x700, 0);
	ask(cpu, 0);
	hyperv_say(cpu, "other flag",
		   !status && load(taken) == 2 && is_set(cpu, 0x700 + EVENTS + cpu));
	hyperv_say(cpu, "reserved", signal(cpu, 0, 1) ||
			     !(uint16_t)hyperv_call(HV_CALL_SIGNAL_EVENT | HV_CALL_FAST,
						    EVENTS | 1ull << 48, 0));
}

static void every_sint(uint32_t cpu)
{
	uint32_t before, once = 0;

	for (unsigned i = 0; i < HV_SYNIC_SINTS; i++) {
		before = load(&interrupts[cpu][i]);
		control(SET_SINT, cpu, i, 0);
		ask(cpu, 0);
		once += load(&interrupts[cpu][i]) - before == 1;
	}
	hyperv_say(cpu, "sints", once);
}

static void ends(uint32_t cpu)
{
	control(END_MESSAGE, cpu, MESSAGE_SINT, MESSAGES + cpu);
	control(END_EVENT, cpu, EVENT_SINT, EVENTS + cpu);
	hyperv_say(cpu, "no message", send(cpu, 5));
	hyperv_say(cpu, "no event", signal(cpu, 0, 1));
}

void guest_ap_main(uint32_t n)
{
	(void)n;
	set_up();
	for (;;)
		__asm__ volatile("sti; hlt" : : : "memory");
}

void guest_main(const void *info)
{
	const char *cmdline = guest_cmdline(info);
	uint32_t cpus = (uint32_t)cmdline_number(cmdline, "cpus", 1);

	auto_sints = cmdline_number(cmdline, "auto", 0) ? AUTO_EOI_SINTS : 0;
	for (unsigned i = 0; i < HV_SYNIC_SINTS; i++)
		irq_set(VECTOR + i, take);
	irq_set(ASK_VECTOR, answer);
	hyperv_init();
	set_up();
	for (uint32_t id = 1; id < cpus; id++)
		guest_start_cpu(id);
	await(&ready, cpus);
	for (uint32_t cpu = 0; cpu < cpus; cpu++) {
		messages(cpu);
		events(cpu);
		every_sint(cpu);
		ends(cpu);
	}
	guest_puts("all done\n");
}
