/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Knows what each page of its memory must hold, and what time it may be: the oracle of a migration.
 *
 * Command line, all of it optional:
 *   mem=SIZE   the working set, whose pages are written again and again (16M)
 *   fill=N%    how much of the RAM holds noise, the working set included (0%)
 *   rate=N     pages written a second by all CPUs together; 0: as many as can be; idle: none (1000)
 *   scan=N     pages read and compared a second by each CPU (10000)
 *   cpus=N     how many CPUs take part, those with the APIC ids below N (1)
 *   seed=N     another seed, other noise (1)
 *   plant=N    one wrong bit, in the Nth page of CPU 0, that is to be found
 *
 * It says "oracle ready …", and then answers what comes on the serial port with a line:
 *   c      every page is compared: "check ok …", or "check FAILED …" with what is wrong
 *   a      likewise, and what was never written must be zero (not so where firmware has been)
 *   g      "gap_ns=…": the longest time for which a CPU stood still; begins anew
 *   s      "status …", at once
 *   rN.    nothing; N is the new rate
 *   ri     nothing; it is idle from now on
 *   p      dots, one after the other, until the next p, and then the end of the line
 *   q      nothing: it ends. ferry and QEMU's q35 switch off; QEMU's microvm, which has no port
 *          for that, takes a triple fault: use -no-reboot.
 * Meanwhile it writes, and says "check FAILED …" unasked when it comes across something.
 */
#include "lib/clock.h"
#include "lib/cmdline.h"
#include "lib/guest.h"
#include "lib/line.h"
#include "lib/pages.h"
#include "lib/ram.h"
#include "lib/user.h"

#define UART_LSR    5
#define LSR_READY   0x01
#define Q35_PM1_CNT 0x604
#define PM1_SLP_EN  (1 << 13)

#define SECOND	    1000000000UL
#define SETTLE_NS   1000000UL
#define LISTEN_NS   10000000UL
#define CATCH_UP_NS 10000000UL
#define NEVER	    UINT64_MAX

static struct {
	uint64_t working, filled; /* pages; those filled do not include the working set */
	uint64_t total;
	uint64_t write_interval; /* ns from one write to the next by one CPU, or NEVER; atomic */
	uint64_t scan_interval;
	uint64_t seed;
	uint64_t plant;
	uint32_t cpus;
} config;

struct cpu {
	struct pages pages;
	struct clock_watch watch;
	uint64_t next_write, next_scan, next_settle;
	uint64_t scanned;
	uint64_t checked;  /* pages compared for the present question */
	uint64_t gap;	   /* valid once "answered" says so */
	uint32_t answered; /* number of the last question answered; atomic */
} __attribute__((aligned(128)));

static struct cpu cpus[USER_CPUS];
static uint32_t cpus_ready; /* atomic */

/* What CPU 0 asks all of them; "number" is written last, atomic. */
static struct {
	uint32_t number;
	char what;
} question;

/* The first thing that was found wrong. */
static struct pages_failure failure;
/* How far "failure" is: atomic. */
enum {
	NOTHING,
	BEING_WRITTEN,
	COMPLETE,
};
static int failed;

/* Of CPU 0, like all that speaks. */
static struct line line;
static bool told, dotting;

static void compare(const struct cpu *cpu, uint64_t n, uint32_t first, uint32_t step)
{
	struct pages_failure found;
	int none = NOTHING;

	if (pages_compare(&cpu->pages, n, first, step, &found) ||
	    !__atomic_compare_exchange_n(&failed, &none, BEING_WRITTEN, false, __ATOMIC_ACQUIRE,
					 __ATOMIC_RELAXED))
		return;
	failure = found;
	__atomic_store_n(&failed, COMPLETE, __ATOMIC_RELEASE);
}

/* Whether it is time; *NEXT is then when it is time again. Much that is late is left out. */
static bool is_due(uint64_t *next, uint64_t interval, uint64_t now)
{
	if (interval == NEVER || now < *next)
		return false;
	*next = now - *next > CATCH_UP_NS ? now + interval : *next + interval;
	return true;
}

static uint64_t known_pages(const struct cpu *cpu)
{
	return cpu->pages.working.pages + cpu->pages.filled.pages;
}

static void scan(struct cpu *cpu)
{
	uint64_t pages = known_pages(cpu);

	/* Another word each time round. */
	compare(cpu, cpu->scanned % pages, cpu->scanned / pages % PAGE_WORDS, PAGE_WORDS);
	cpu->scanned++;
}

/* This CPU's share of the answer, a page at a time. */
static void answer(struct cpu *cpu, uint32_t n)
{
	uint32_t number = __atomic_load_n(&question.number, __ATOMIC_ACQUIRE);
	uint64_t pages = 0;

	if (number == cpu->answered)
		return;
	if (question.what != 'g')
		pages = known_pages(cpu);
	if (question.what == 'a')
		pages += cpu->pages.rest.pages;
	if (cpu->checked < pages) {
		compare(cpu, cpu->checked++, 0, 1);
		return;
	}
	clock_settle(&cpu->watch, n);
	cpu->gap = cpu->watch.gap;
	if (question.what == 'g')
		cpu->watch.gap = 0;
	cpu->checked = 0;
	__atomic_store_n(&cpu->answered, number, __ATOMIC_RELEASE);
}

static void say_failure(void)
{
	told = true;
	line_add(&line, "check FAILED");
	line_add_hex(&line, " page=", failure.page);
	line_add_dec(&line, " word=", failure.word);
	line_add_hex(&line, " expected=", failure.expected);
	line_add_hex(&line, " found=", failure.found);
	line_add(&line, "\n");
}

/* What follows "ready", "check ok" and "status". The gap is that of the last answer. */
static void say_state(void)
{
	uint64_t written = 0, iterations = cpus[0].pages.iteration, gap = 0, back = 0, leap = 0;

	for (uint32_t n = 0; n < config.cpus; n++) {
		const struct cpu *cpu = &cpus[n];

		written += cpu->pages.written;
		if (cpu->pages.iteration < iterations)
			iterations = cpu->pages.iteration;
		gap = cpu->gap > gap ? cpu->gap : gap;
		back += cpu->watch.back;
		leap = cpu->watch.leap > leap ? cpu->watch.leap : leap;
	}
	line_add_dec(&line, " pages=", config.working + config.filled);
	line_add_dec(&line, " iterations=", iterations);
	line_add_dec(&line, " maxgap_ns=", gap);
	line_add_dec(&line, " back=", back);
	line_add_dec(&line, " leap_ns=", leap);
	line_add_dec(&line, " written=", written);
	line_add_dec(&line, " time_ns=", cpus[0].watch.now);
	line_add_dec(&line, " common=", clock_is_common() ? 1 : 0);
	line_add(&line, "\n");
}

static void say_gap(void)
{
	uint64_t gap = 0;

	for (uint32_t n = 0; n < config.cpus; n++)
		gap = cpus[n].gap > gap ? cpus[n].gap : gap;
	line_add_dec(&line, "gap_ns=", gap);
	line_add(&line, "\n");
}

static void say_answer(void)
{
	if (question.what == 'g') {
		say_gap();
	} else if (failed) {
		say_failure();
	} else {
		line_add(&line, "check ok");
		say_state();
	}
}

static uint64_t listen(uint64_t a, uint64_t b)
{
	(void)a;
	(void)b;
	return uart_read(UART_LSR) & LSR_READY ? uart_read(0) : 0;
}

static uint64_t put(uint64_t c, uint64_t b)
{
	(void)b;
	uart_write(0, (uint8_t)c);
	return 0;
}

static uint64_t end(uint64_t a, uint64_t b)
{
	(void)a;
	(void)b;
#ifdef __aarch64__
	guest_poweroff();
#else
	guest_try_poweroff();
	outw(Q35_PM1_CNT, PM1_SLP_EN);
	guest_triple_fault();
#endif
}

/* ns from one to the next, when all CPUs together do RATE a second. */
static uint64_t interval_of(uint64_t rate, uint64_t all)
{
	return rate == NEVER ? NEVER : rate ? all * SECOND / rate : 0;
}

static void set_rate(uint64_t rate)
{
	__atomic_store_n(&config.write_interval, interval_of(rate, config.cpus), __ATOMIC_RELAXED);
}

/* What follows an r; returns whether there is more of it. */
static bool obey_rate(char c)
{
	static uint64_t rate;

	if (c >= '0' && c <= '9') {
		rate = rate * 10 + (uint64_t)(c - '0');
		return true;
	}
	set_rate(c == 'i' ? NEVER : rate);
	rate = 0;
	return false;
}

static void obey(char c)
{
	static bool rate_follows;

	if (rate_follows) {
		rate_follows = obey_rate(c);
	} else if (c == 'r') {
		rate_follows = true;
	} else if (c == 'c' || c == 'a' || c == 'g') {
		question.what = c;
		__atomic_store_n(&question.number, question.number + 1, __ATOMIC_RELEASE);
	} else if (c == 'p') {
		dotting = !dotting;
		line_add(&line, dotting ? "" : "\n");
	} else if (c == 's') {
		line_add(&line, "status");
		say_state();
	} else if (c == 'q') {
		user_call(end, 0, 0);
	}
}

static bool is_answered(void)
{
	for (uint32_t n = 0; n < config.cpus; n++) {
		if (__atomic_load_n(&cpus[n].answered, __ATOMIC_ACQUIRE) != question.number)
			return false;
	}
	return true;
}

/*
 * CPU 0 speaks for all: a character of the present line, an answer, or a look at the serial port;
 * never more at a time, so that no clock sees a gap over it.
 */
static void talk(uint64_t now)
{
	static bool asked;
	static uint64_t next;
	char c = line_next(&line);

	if (c) {
		user_call(put, (uint8_t)c, 0);
	} else if (asked && is_answered()) {
		asked = false;
		say_answer();
	} else if (!told && __atomic_load_n(&failed, __ATOMIC_ACQUIRE) == COMPLETE) {
		say_failure();
	} else if (!asked && is_due(&next, LISTEN_NS, now)) {
		c = (char)user_call(listen, 0, 0);
		if (!c)
			return;
		obey(c);
		asked = !is_answered();
		next = now;
	} else if (dotting) {
		line_add(&line, ".");
	}
}

static void __attribute__((noreturn)) run(struct cpu *cpu, uint32_t n)
{
	for (;;) {
		uint64_t now = clock_look(&cpu->watch, n);

		if (is_due(&cpu->next_settle, SETTLE_NS, now))
			clock_settle(&cpu->watch, n);
		if (is_due(&cpu->next_write,
			   __atomic_load_n(&config.write_interval, __ATOMIC_RELAXED), now))
			pages_write(&cpu->pages);
		if (is_due(&cpu->next_scan, config.scan_interval, now))
			scan(cpu);
		answer(cpu, n);
		if (n == 0)
			talk(now);
	}
}

/* CPU N's share of COUNT pages from FIRST on. */
static struct row share(uint64_t first, uint64_t count, uint32_t n)
{
	uint64_t begin = count * n / config.cpus, next = count * (n + 1) / config.cpus;

	return (struct row){ first + begin, next - begin };
}

/* The working set lies at the end of RAM, what is filled at its beginning, and the rest between. */
static void prepare(struct pages *pages, uint32_t n)
{
	uint64_t rest = config.total - config.working - config.filled;

	pages->filled = share(0, config.filled, n);
	pages->rest = share(config.filled, rest, n);
	pages->working = share(config.filled + rest, config.working, n);
	pages->seed = config.seed;
	pages_init(pages);
	if (n == 0 && config.plant != NEVER)
		pages_spoil(pages, config.plant);
}

static void __attribute__((noreturn)) take_part(uint32_t n)
{
	struct cpu *cpu = &cpus[n];

	if (clock_init(n)) {
		guest_puts("oracle: no kvmclock\n");
		guest_panic();
	}
	user_enter(n);
	prepare(&cpu->pages, n);
	__atomic_fetch_add(&cpus_ready, 1, __ATOMIC_RELEASE);
	while (__atomic_load_n(&cpus_ready, __ATOMIC_ACQUIRE) < config.cpus)
		cpu_relax();
	clock_begin(&cpu->watch, n);
	if (n == 0) {
		line_add_dec(&line, "oracle ready cpus=", config.cpus);
		line_add_dec(&line, " ram=", config.total);
		say_state();
	}
	run(cpu, n);
}

/* x86 counts those that arrive, arm64 knows them by their numbers. */
void guest_ap_main(uint32_t n)
{
	ram_map();
#ifdef __aarch64__
	take_part(n);
#else
	take_part(n + 1);
#endif
}

static void configure(const char *cmdline)
{
	const char *rate = cmdline_value(cmdline, "rate");
	uint64_t filled = config.total * cmdline_number(cmdline, "fill", 0) / 100;
	uint64_t scans = cmdline_number(cmdline, "scan", 10000);

	config.cpus = (uint32_t)cmdline_number(cmdline, "cpus", 1);
	config.working = cmdline_number(cmdline, "mem", 16UL << 20) / RAM_PAGE;
	config.filled = filled > config.working ? filled - config.working : 0;
	set_rate(rate && *rate == 'i' ? NEVER : cmdline_number(cmdline, "rate", 1000));
	config.scan_interval = interval_of(scans ? scans : NEVER, 1);
	config.seed = cmdline_number(cmdline, "seed", 1);
	config.plant = cmdline_number(cmdline, "plant", NEVER);
	if (config.cpus == 0 || config.cpus > USER_CPUS || config.working < 2 * config.cpus ||
	    config.working + config.filled > config.total) {
		guest_puts("oracle: not so many CPUs or pages here\n");
		guest_panic();
	}
}

void guest_main(const void *info)
{
	config.total = ram_init(info);
	configure(guest_cmdline(info));
#ifndef __aarch64__
	if (config.cpus > 1)
		guest_x2apic();
#endif
	for (uint32_t id = 1; id < config.cpus; id++)
		guest_start_cpu(id);
	take_part(0);
}
