/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a guest is in the middle of when it is carried elsewhere, over and over; it checks itself, and
 * says a dot a round. The command line says what it does: string, mmio, timer, pit, cpus, clock.
 */
#include <abi/pvh.h>

#include "lib/guest.h"

#define SERIAL_PORT	0x3f8
#define SERIAL_FCR	(SERIAL_PORT + 2)
#define SERIAL_MCR	(SERIAL_PORT + 4)
#define SERIAL_LSR	(SERIAL_PORT + 5)
#define FIFO		16
#define FCR_ENABLE	0x01
#define FCR_CLEAR	0x06
#define MCR_LOOP	0x10
#define LSR_THRE	0x20

#define ECAM_INTERRUPT_LINE 0xe000003cUL

#define MSR_TSC_DEADLINE  0x6e0
#define MSR_X2APIC_EOI	  0x80b
#define MSR_X2APIC_SVR	  0x80f
#define MSR_X2APIC_TIMER  0x832
#define MSR_X2APIC_COUNT  0x838
#define MSR_X2APIC_DIVIDE 0x83e
#define MSR_SYSTEM_TIME	  0x4b564d01
#define TIMER_DEADLINE	  (2U << 17)
#define TIMER_VECTOR	  0x40 /* of a higher class than the next */
#define BEAT_VECTOR	  0x30
#define BEATS_MAX	  300 /* without a tick: three seconds */
#define CPUID_DEADLINE	  (1U << 24)

#define KVMCLOCK_STABLE 1

#define CPUS 4

extern uint32_t ap_count;

static uint64_t rdtsc(void)
{
	uint32_t low, high;

	__asm__ volatile("lfence; rdtsc" : "=a"(low), "=d"(high));
	return (uint64_t)high << 32 | low;
}

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

static void outsb(uint16_t port, const void *from, size_t count)
{
	__asm__ volatile("rep outsb" : "+S"(from), "+c"(count) : "d"(port) : "memory");
	check("count of rep outsb", 0, count);
}

static void insb(uint16_t port, void *to, size_t count)
{
	__asm__ volatile("rep insb" : "+D"(to), "+c"(count) : "d"(port) : "memory");
	check("count of rep insb", 0, count);
}

/* What goes into the serial port's loop comes out of it: no byte is lost or doubled. */
static void string_round(uint32_t n)
{
	uint8_t out[FIFO], in[FIFO] = { 0 };

	for (unsigned i = 0; i < FIFO; i++)
		out[i] = (uint8_t)(n * FIFO + i * 7 + 1);
	outb(SERIAL_FCR, FCR_ENABLE | FCR_CLEAR);
	outb(SERIAL_MCR, MCR_LOOP);
	outsb(SERIAL_PORT, out, FIFO);
	insb(SERIAL_PORT, in, FIFO);
	outb(SERIAL_MCR, 0);
	for (unsigned i = 0; i < FIFO; i++)
		check("byte in the loop", out[i], in[i]);
}

/* Stores and loads that are one instruction, on a register that is not memory. */
static void mmio_round(uint32_t n)
{
	volatile uint8_t *line = (volatile uint8_t *)ECAM_INTERRUPT_LINE;
	uint8_t bytes[8], before = *line;

	check("interrupt line", (uint8_t)(n * 3), before);
	__asm__ volatile("addb $3, %0" : "+m"(*line));
	check("sum", (uint8_t)(before + 3), *line);
	__asm__ volatile("rep movsb"
			 :
			 : "D"(bytes), "S"((uintptr_t)line & ~7UL), "c"(8)
			 : "memory");
}

struct interrupt_frame;

static volatile uint32_t ticks, beats;

/* Not by wrmsr(): clang wants no calls in an interrupt handler, not even inline ones. */
#define EOI() __asm__ volatile("wrmsr" : : "c"(MSR_X2APIC_EOI), "a"(0), "d"(0) : "memory")

static void __attribute__((interrupt)) timer_ticked(struct interrupt_frame *frame)
{
	(void)frame;
	ticks++;
	EOI();
}

static void __attribute__((interrupt)) pit_beat(struct interrupt_frame *frame)
{
	(void)frame;
	beats++;
	EOI();
}

struct gate {
	uint16_t low, selector, type, middle;
	uint32_t high, zero;
};

static void set_gate(struct gate *gate, void (*handler)(struct interrupt_frame *frame))
{
	uintptr_t at = (uintptr_t)handler;

	*gate = (struct gate){ .low = (uint16_t)at,
			       .selector = 8,
			       .type = 0x8e00,
			       .middle = (uint16_t)(at >> 16),
			       .high = (uint32_t)(at >> 32) };
}

static void prepare_timer(void)
{
	static struct gate idt[TIMER_VECTOR + 1];
	const struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) pointer = { sizeof(idt) - 1, (uintptr_t)idt };

	set_gate(&idt[TIMER_VECTOR], timer_ticked);
	set_gate(&idt[BEAT_VECTOR], pit_beat);
	__asm__ volatile("lidt %0" : : "m"(pointer));
	guest_x2apic();
	wrmsr(MSR_X2APIC_SVR, 0x1ff);
	wrmsr(MSR_X2APIC_DIVIDE, 0xb); /* by 1 */
}

static bool has_deadline(void)
{
	uint32_t eax = 1, ebx, ecx, edx;

	__asm__ volatile("cpuid" : "=b"(ebx), "=c"(ecx), "=d"(edx), "+a"(eax) :);
	return ecx & CPUID_DEADLINE;
}

/*
 * Sleeps until a timer fires: by count and by deadline in turn. The PIT wakes it as well, since QEMU's
 * SVM forgets, at times, that an interrupt must not come between STI and HLT; it is not what is waited
 * for.
 */
static void timer_round(uint32_t n)
{
	uint32_t seen = ticks, first = beats;

	if (n % 2 && has_deadline()) {
		wrmsr(MSR_X2APIC_TIMER, TIMER_DEADLINE | TIMER_VECTOR);
		__asm__ volatile("mfence" : : : "memory");
		wrmsr(MSR_TSC_DEADLINE, rdtsc() + 300000);
	} else {
		wrmsr(MSR_X2APIC_TIMER, TIMER_VECTOR);
		wrmsr(MSR_X2APIC_COUNT, 200000);
	}
	while (ticks == seen) {
		__asm__ volatile("sti; hlt; cli" : : : "memory");
		if (beats - first > BEATS_MAX)
			bad("timer", n, rdtsc());
	}
}

/* 100 beats a second, by pin 0 of the IOAPIC. */
static void prepare_pit(void)
{
	volatile uint32_t *ioapic = (volatile uint32_t *)0xfec00000;

	outb(0x21, 0xff); /* the PIC shall not have it as well */
	ioapic[0] = 0x11;
	ioapic[4] = 0;
	ioapic[0] = 0x10;
	ioapic[4] = BEAT_VECTOR;
	outb(0x43, 0x34); /* counter 0, both bytes, mode 2 */
	outb(0x40, 11932 & 0xff);
	outb(0x40, 11932 >> 8);
}

static void pit_round(uint32_t n)
{
	uint32_t seen = beats;

	(void)n;
	while (beats == seen)
		__asm__ volatile("sti; hlt; cli" : : : "memory");
}

static uint32_t arrived;

void guest_ap_main(uint32_t n)
{
	(void)n;
	__atomic_fetch_add(&arrived, 1, __ATOMIC_SEQ_CST);
}

/* INIT and SIPI, again and again, to CPUs that wait for them or have halted. */
static void cpus_round(uint32_t n)
{
	(void)n;
	ap_count = 0;
	arrived = 0;
	for (uint32_t id = 1; id < CPUS; id++) {
		guest_start_cpu(id);
		while (__atomic_load_n(&arrived, __ATOMIC_SEQ_CST) != id)
			cpu_relax();
	}
}

/* Documentation/virt/kvm/x86/msr.rst: MSR_KVM_SYSTEM_TIME_NEW */
static volatile struct {
	uint32_t version, pad0;
	uint64_t tsc, ns;
	uint32_t mul;
	int8_t shift;
	uint8_t flags, pad[2];
} kvmclock __attribute__((aligned(64)));

static uint64_t kvmclock_ns(uint64_t *ret_tsc)
{
	uint32_t version;
	uint64_t delta, ns;

	do {
		version = kvmclock.version;
		__asm__ volatile("lfence" : : : "memory");
		*ret_tsc = rdtsc();
		delta = *ret_tsc - kvmclock.tsc;
		delta = kvmclock.shift < 0 ? delta >> -kvmclock.shift : delta << kvmclock.shift;
		ns = kvmclock.ns + (uint64_t)((unsigned __int128)delta * kvmclock.mul >> 32);
		__asm__ volatile("lfence" : : : "memory");
	} while (version & 1 || version != kvmclock.version);
	return ns;
}

/*
 * Without that flag KVM's clock is good to a few milliseconds, and guests see to it themselves that it
 * does not go back (msr.rst, the same place).
 */
static uint64_t not_back(uint64_t ns, uint64_t last)
{
	if (ns < last && !(kvmclock.flags & KVMCLOCK_STABLE) && last - ns < 50000000)
		return last;
	return ns;
}

/* Neither clock goes back; a step of a second or more is told in milliseconds. */
static void clock_round(uint32_t n)
{
	static uint64_t last_ns, last_tsc, first_ns, first_tsc;
	uint64_t tsc, ns;

	for (unsigned i = 0; i < 200; i++) {
		ns = kvmclock_ns(&tsc);
		if (!first_ns) {
			last_ns = first_ns = ns;
			last_tsc = first_tsc = tsc;
		}
		ns = not_back(ns, last_ns);
		if (ns < last_ns)
			bad("kvmclock", last_ns, ns);
		if (tsc < last_tsc)
			bad("tsc", last_tsc, tsc);
		if (ns - last_ns > 1000000000) {
			guest_puts("\ngap ");
			guest_put_dec((ns - last_ns) / 1000000);
			guest_puts(" ");
			guest_put_dec((tsc - last_tsc) / 1000000);
			guest_puts("\n");
		}
		last_ns = ns;
		last_tsc = tsc;
	}
	(void)n;
}

void guest_main(const void *info)
{
	const struct hvm_start_info *start = info;
	const char *how = (const char *)(uintptr_t)start->cmdline_paddr;
	void (*round)(uint32_t n) = string_round;

	prepare_timer();
	if (how[0] == 'm')
		round = mmio_round;
	else if (how[0] == 't')
		round = timer_round;
	else if (how[0] == 'p')
		round = pit_round;
	else if (how[0] == 'c' && how[1] == 'p')
		round = cpus_round;
	else if (how[0] == 'c')
		round = clock_round;
	if (round == pit_round || round == timer_round)
		prepare_pit();
	if (round == clock_round)
		wrmsr(MSR_SYSTEM_TIME, (uintptr_t)&kvmclock | 1);
	for (uint32_t n = 0;; n++) {
		round(n);
		while (!(inb(SERIAL_LSR) & LSR_THRE))
			cpu_relax();
		guest_puts(".");
	}
}
