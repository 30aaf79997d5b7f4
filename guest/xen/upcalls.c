/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How upcalls reach a CPU: by its own vector, also when its LAPIC was off meanwhile, by the domain's, which
 * nobody acknowledges, by a GSI and by a PCI device's INTx. The command line is test= and the name of one way.
 */
#include <abi/pvh.h>

#include "lib/cmdline.h"
#include "lib/xen.h"

#define MSR_X2APIC_EOI 0x80b
#define MSR_X2APIC_SVR 0x80f

#define IOAPIC	     0xfec00000UL
#define IOAPIC_LEVEL (1U << 15)

#define GATE_PRESENT 0x8e00 /* an interrupt gate */

#define LINE_VECTOR   0x50
#define DOMAIN_VECTOR 0x60
#define OWN_VECTOR    0x70
#define GSI	      11
#define SLOT	      31
#define SLOT_GSI      23 /* of its INTA */

#define LIMIT 200000000U
#define NS_PER_MS 1000000ULL

struct gate {
	uint16_t low, selector, attributes, middle;
	uint32_t high, reserved;
};

static struct gate idt[256];
static volatile uint32_t upcalls, left; /* left: so often the handler leaves what is pending */
static uint32_t port;
static uint64_t rounds;

void take(void);
void take_and_acknowledge(void);

/* Called by the gates, with interrupts off. A line may be up a moment longer than what is pending. */
void take(void)
{
	struct xen_vcpu_info_64 *info = &xen_info_64()->vcpu_info[0];

	if (!__atomic_load_n(&info->evtchn_upcall_pending, __ATOMIC_SEQ_CST))
		return;
	upcalls++;
	if (left) {
		left--;
		return;
	}
	__atomic_store_n(&info->evtchn_upcall_pending, 0, __ATOMIC_SEQ_CST);
	__atomic_exchange_n(&info->evtchn_pending_sel, 0, __ATOMIC_SEQ_CST);
	__atomic_exchange_n(&xen_info_64()->evtchn_pending[0], 0, __ATOMIC_SEQ_CST);
}

void take_and_acknowledge(void)
{
	take();
	wrmsr(MSR_X2APIC_EOI, 0);
}

void gate_with_eoi(void);
void gate_without_eoi(void);

#define GATE(name, fn)                                                                             \
	name ":\n"                                                                                 \
	"	push %rax; push %rcx; push %rdx; push %rsi; push %rdi\n"                           \
	"	push %r8; push %r9; push %r10; push %r11\n"                                        \
	"	call " fn "\n"                                                                     \
	"	pop %r11; pop %r10; pop %r9; pop %r8\n"                                            \
	"	pop %rdi; pop %rsi; pop %rdx; pop %rcx; pop %rax\n"                                \
	"	iretq\n"
__asm__(".text\n" GATE("gate_with_eoi", "take_and_acknowledge") GATE("gate_without_eoi", "take"));

static void set_gate(uint8_t vector, void (*handler)(void))
{
	uint64_t to = (uintptr_t)handler;
	uint16_t code;

	__asm__("mov %%cs, %0" : "=r"(code));
	idt[vector] = (struct gate){ (uint16_t)to, code, GATE_PRESENT, (uint16_t)(to >> 16),
				     (uint32_t)(to >> 32), 0 };
}

static void init(void)
{
	const struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) pointer = { sizeof(idt) - 1, (uintptr_t)idt };

	set_gate(LINE_VECTOR, gate_with_eoi);
	set_gate(OWN_VECTOR, gate_with_eoi);
	set_gate(DOMAIN_VECTOR, gate_without_eoi);
	__asm__ volatile("lidt %0" : : "m"(pointer) : "memory");
	/* The first lines are the PIC's as well. */
	outb(0x21, 0xff);
	outb(0xa1, 0xff);
	guest_x2apic();
	wrmsr(MSR_X2APIC_SVR, 0x1ff);
	xen_expect("map", xen_map_shared_info(xen_shared), 0);
	port = xen_bind_ipi(0);
}

static void route(uint32_t gsi)
{
	volatile uint32_t *ioapic = (volatile uint32_t *)IOAPIC;

	ioapic[0] = 0x11 + 2 * gsi;
	ioapic[4] = 0;
	ioapic[0] = 0x10 + 2 * gsi;
	ioapic[4] = LINE_VECTOR | IOAPIC_LEVEL;
}

static int64_t set_callback(uint64_t value)
{
	struct xen_hvm_param param = { .domid = XEN_DOMID_SELF, .index = HVM_PARAM_CALLBACK_IRQ,
				       .value = value };

	return xen_call(HYPERVISOR_hvm_op, HVMOP_set_param, (uintptr_t)&param, 0);
}

static void wait_for(const char *what, uint32_t count)
{
	uint32_t looks = 0;

	__asm__ volatile("sti" : : : "memory");
	while (upcalls < count && looks++ < LIMIT)
		cpu_relax();
	__asm__ volatile("cli" : : : "memory");
	xen_expect(what, upcalls, count);
}

/* A CPU that sleeps is woken, by the timer's event. */
static void sleep_until(uint32_t count)
{
	struct xen_evtchn_bind_virq virq = { .virq = XEN_VIRQ_TIMER };
	struct xen_hvm_get_time now = { 0 };

	xen_expect("bind", xen_evtchn(EVTCHNOP_bind_virq, &virq), 0);
	xen_call(HYPERVISOR_hvm_op, HVMOP_get_time, (uintptr_t)&now, 0);
	xen_expect("timer", xen_call(HYPERVISOR_set_timer_op, now.now + 5 * NS_PER_MS, 0, 0), 0);
	while (upcalls < count)
		__asm__ volatile("sti; hlt; cli" : : : "memory");
	xen_expect("the sleeper", upcalls, count);
}

/* One a send, none while interrupts are off, and one for what came while they were. */
static void check_upcalls(bool by_line)
{
	uint32_t count = 0;

	for (int i = 0; i < 20; i++) {
		xen_expect("send", xen_send(port), 0);
		xen_expect("interrupts are off", upcalls, count);
		wait_for("an upcall", ++count);
	}
	if (by_line) {
		left = 3;
		xen_expect("send", xen_send(port), 0);
		count += 4;
		wait_for("the line stays up", count);
	}
	sleep_until(count + 1);
	xen_send(port);
	wait_for("the last", count + 2);
}

static void set_own_vector(void)
{
	struct xen_hvm_evtchn_upcall_vector vector = { .vcpu = 0, .vector = OWN_VECTOR };

	xen_expect("vector", xen_call(HYPERVISOR_hvm_op, HVMOP_set_evtchn_upcall_vector,
				      (uintptr_t)&vector, 0), 0);
}

static void own(void)
{
	set_own_vector();
	check_upcalls(false);
}

/* The selector's bit is set already: whoever raises the port's word makes no upcall any more. */
static void late(void)
{
	set_own_vector();
	for (uint32_t i = 1; i <= 5; i++) {
		wrmsr(MSR_X2APIC_SVR, 0xff);
		xen_expect("send", xen_send(port), 0);
		wrmsr(MSR_X2APIC_SVR, 0x1ff);
		wait_for("the upcall of an event that came while the LAPIC was off", i);
	}
}

static void domain(void)
{
	xen_expect("callback", set_callback(2ULL << XEN_CALLBACK_TYPE_SHIFT | DOMAIN_VECTOR), 0);
	check_upcalls(false);
}

static void let_in(void)
{
	for (uint32_t i = 0; i < 1000; i++)
		__asm__ volatile("sti; nop; cli" : : : "memory");
}

static void gsi(void)
{
	route(GSI);
	xen_expect("callback", set_callback(GSI), 0);
	check_upcalls(true);
	/* Another one from now on, and none. */
	route(SLOT_GSI);
	xen_expect("another", set_callback(SLOT_GSI), 0);
	upcalls = 0;
	xen_send(port);
	wait_for("by it", 1);
	xen_expect("none", set_callback(0), 0);
	let_in(); /* one that is too late */
	xen_send(port);
	let_in();
	xen_expect("nothing comes", upcalls, 1);
}

static void intx(void)
{
	outl(0xcf8, 1U << 31 | SLOT << 11);
	xen_expect("the platform device", inl(0xcfc), 0x00015853);
	outl(0xcf8, 1U << 31 | SLOT << 11 | 0x3c);
	xen_expect("its pin", inl(0xcfc) >> 8 & 0xff, 1);
	route(SLOT_GSI);
	xen_expect("callback", set_callback(1ULL << XEN_CALLBACK_TYPE_SHIFT | SLOT << 11), 0);
	check_upcalls(true);
}

/* The other CPU's: an event to this one, and again when it has come. */
void guest_ap_main(uint32_t n)
{
	(void)n;
	for (uint32_t i = 1; i <= rounds; i++) {
		xen_send(port);
		while (__atomic_load_n(&upcalls, __ATOMIC_SEQ_CST) < i)
			cpu_relax();
	}
}

/* Who counts exits compares two numbers of rounds: nothing else depends on it. */
static void ipi(void)
{
	set_own_vector();
	guest_start_cpu(1);
	wait_for("an IPI", (uint32_t)rounds);
}

static const struct {
	const char *name;
	void (*fn)(void);
} tests[] = { { "own", own }, { "late", late }, { "domain", domain }, { "gsi", gsi },
	      { "intx", intx }, { "ipi", ipi } };

static bool is(const char *a, const char *b)
{
	while (*b && *a == *b) {
		a++;
		b++;
	}
	return !*b && (!*a || *a == ' ');
}

void guest_main(const void *info)
{
	const struct hvm_start_info *start = info;
	const char *cmdline = (const char *)(uintptr_t)start->cmdline_paddr;
	const char *name = cmdline_value(cmdline, "test");

	rounds = cmdline_number(cmdline, "rounds", 0);
	if (!xen_init())
		return;
	init();
	for (size_t i = 0; name && i < sizeof(tests) / sizeof(tests[0]); i++)
		if (is(name, tests[i].name))
			tests[i].fn();
	xen_verdict();
}
