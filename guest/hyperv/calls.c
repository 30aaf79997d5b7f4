/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the first vCPU finds of Hyper-V: leaves, MSRs, and the answers to hypercalls right and
 * wrong.
 */
#include <abi/pvh.h>

#include "lib/cmdline.h"
#include "lib/guest.h"
#include "lib/hyperv.h"

#define OUTSIDE 0x80000000ull /* beyond the machine's memory */

static uint64_t words[1024] __attribute__((aligned(4096)));
static struct hv_reference_tsc_page tsc_page __attribute__((aligned(4096)));

static void say(const char *what, uint64_t value)
{
	guest_puts(what);
	guest_puts(" ");
	guest_put_hex(value);
	guest_puts("\n");
}

static uint64_t at(unsigned word)
{
	return (uintptr_t)&words[word];
}

static void say_leaves(void)
{
	uint32_t a, b, c, d;

	__asm__ volatile("cpuid" : "=a"(a), "=b"(b), "=c"(c), "=d"(d) : "a"(HV_CPUID_VENDOR));
	say("vendor", (uint64_t)b << 32 | c);
	__asm__ volatile("cpuid" : "=a"(a), "=b"(b), "=c"(c), "=d"(d) : "a"(HV_CPUID_INTERFACE));
	say("interface", a);
}

static void say_msrs(void)
{
	uint64_t before = rdmsr(HV_MSR_TIME_REF_COUNT);

	say("index", rdmsr(HV_MSR_VP_INDEX));
	say("page before an identity", rdmsr(HV_MSR_HYPERCALL));
	say("time goes on", rdmsr(HV_MSR_TIME_REF_COUNT) >= before && before);
	say("has run", rdmsr(HV_MSR_VP_RUNTIME) > 0);
	say("frequencies", rdmsr(HV_MSR_TSC_FREQUENCY) > 1000000 &&
				   rdmsr(HV_MSR_APIC_FREQUENCY) == 1000000000);
	wrmsr(HV_MSR_VP_ASSIST_PAGE, at(512) | HV_MSR_PAGE_ENABLE);
	say("assist", words[512]);
}

static uint64_t read_tsc(void)
{
	uint32_t low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return (uint64_t)high << 32 | low;
}

/* Between two looks at the counter, unless the page says that it knows nothing. */
static void say_tsc_page(void)
{
	uint64_t before, now, after;

	wrmsr(HV_MSR_REFERENCE_TSC, (uintptr_t)&tsc_page | HV_MSR_PAGE_ENABLE);
	before = rdmsr(HV_MSR_TIME_REF_COUNT);
	now = (uint64_t)((unsigned __int128)read_tsc() * tsc_page.scale >> 64) +
	      (uint64_t)tsc_page.offset;
	after = rdmsr(HV_MSR_TIME_REF_COUNT);
	say("the page and the counter agree",
	    !tsc_page.sequence || (before <= now && now <= after));
}

static void flush_space(void)
{
	words[0] = 0;
	words[1] = HV_FLUSH_ALL_SPACES;
	words[2] = 1;
	say("space", hyperv_call(HV_CALL_FLUSH_SPACE, at(0), 0));
	say("not aligned", hyperv_call(HV_CALL_FLUSH_SPACE, at(0) + 4, 0));
	say("across pages", hyperv_call(HV_CALL_FLUSH_SPACE, at(510), 0));
	say("no memory", hyperv_call(HV_CALL_FLUSH_SPACE, OUTSIDE, 0));
	say("reserved", hyperv_call(HV_CALL_FLUSH_SPACE | 1ull << 27, at(0), 0));
	say("simple with reps", hyperv_call(hyperv_input(HV_CALL_FLUSH_SPACE, 0, 1), at(0), 0));
	say("no header", hyperv_call(hyperv_input(HV_CALL_FLUSH_SPACE, 1, 0), at(0), 0));
	words[1] = 1 << 4;
	say("flag", hyperv_call(HV_CALL_FLUSH_SPACE, at(0), 0));
}

static void flush_list(void)
{
	words[1] = HV_FLUSH_ALL_PROCESSORS;
	words[3] = 0x1000;
	words[4] = 0x8000000000000000;
	say("list", hyperv_call(hyperv_input(HV_CALL_FLUSH_LIST, 0, 2), at(0), 0));
	say("from the second on",
	    hyperv_call(hyperv_input(HV_CALL_FLUSH_LIST, 0, 2) | 1ull << HV_CALL_START_SHIFT, at(0), 0));
	say("from the third on",
	    hyperv_call(hyperv_input(HV_CALL_FLUSH_LIST, 0, 2) | 2ull << HV_CALL_START_SHIFT, at(0), 0));
	say("none", hyperv_call(hyperv_input(HV_CALL_FLUSH_LIST, 0, 0), at(0), 0));
	say("too many", hyperv_call(hyperv_input(HV_CALL_FLUSH_LIST, 0, 510), at(0), 0));
	words[1] = HV_FLUSH_NON_GLOBAL_ONLY;
	say("not of lists", hyperv_call(hyperv_input(HV_CALL_FLUSH_LIST, 0, 1), at(0), 0));
}

static void flush_ex(void)
{
	words[1] = 0;
	words[2] = HV_VP_SET_SPARSE;
	words[3] = 1ull << 0 | 1ull << 63;
	words[4] = words[5] = ~0ull;
	words[6] = 0x1000;
	say("sparse", hyperv_call(hyperv_input(HV_CALL_FLUSH_SPACE_EX, 2, 0), at(0), 0));
	say("sparse list", hyperv_call(hyperv_input(HV_CALL_FLUSH_LIST_EX, 2, 1), at(0), 0));
	say("banks", hyperv_call(hyperv_input(HV_CALL_FLUSH_SPACE_EX, 1, 0), at(0), 0));
	say("more than there can be",
	    hyperv_call(hyperv_input(HV_CALL_FLUSH_SPACE_EX, 65, 0), at(0), 0));
	words[2] = 2;
	say("format", hyperv_call(hyperv_input(HV_CALL_FLUSH_SPACE_EX, 2, 0), at(0), 0));
	words[2] = HV_VP_SET_ALL;
	words[3] = 0;
	say("all", hyperv_call(HV_CALL_FLUSH_SPACE_EX, at(0), 0));
}

static void others(void)
{
	say("unknown", hyperv_call(0x7fff, at(0), 0));
	say("ipi", hyperv_call(HV_CALL_SEND_IPI | HV_CALL_FAST, 0x40, 1));
	say("vector", hyperv_call(HV_CALL_SEND_IPI | HV_CALL_FAST, 0x0f, 1));
	say("vtl", hyperv_call(HV_CALL_SEND_IPI | HV_CALL_FAST, 0x40 | 1ull << 32, 1));
	words[0] = 0x41;
	words[1] = HV_VP_SET_SPARSE;
	words[2] = 1;
	words[3] = 1;
	say("ipi ex", hyperv_call(hyperv_input(HV_CALL_SEND_IPI_EX, 1, 0), at(0), 0));
	say("spin", hyperv_call(HV_CALL_LONG_SPIN_WAIT | HV_CALL_FAST, 0, 0));
	say("post", hyperv_call(HV_CALL_POST_MESSAGE, at(0), 0));
}

#define VECTOR_UD 6

/* Where an invalid opcode was taken: the bytes there. Then it is over. */
void say_invalid(const uint32_t *at);
void say_invalid(const uint32_t *at)
{
	say("invalid opcode", *at);
	guest_poweroff();
}

void invalid_opcode(void);
__asm__(".text\n"
	"invalid_opcode:\n"
	"	mov (%rsp), %rdi\n"
	"	call say_invalid\n");

/* Parameters in XMM registers, which were not promised. */
static void call_wrongly(void)
{
	static struct {
		uint16_t low, selector, attributes, middle;
		uint32_t high, reserved;
	} idt[VECTOR_UD + 1];
	const uint64_t to = (uintptr_t)invalid_opcode;
	const struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) pointer = { sizeof(idt) - 1, (uintptr_t)idt };

	idt[VECTOR_UD].low = (uint16_t)to;
	idt[VECTOR_UD].selector = 8;
	idt[VECTOR_UD].attributes = 0x8e00;
	idt[VECTOR_UD].middle = (uint16_t)(to >> 16);
	idt[VECTOR_UD].high = (uint32_t)(to >> 32);
	__asm__ volatile("lidt %0" : : "m"(pointer) : "memory");
	hyperv_call(HV_CALL_FLUSH_SPACE | HV_CALL_FAST, 0, 0);
}

/* 0x40 and 0x41 are pending in the LAPIC, if it is on: interrupts are off. */
static void say_pending(void)
{
	say("pending", rdmsr(0x822) & 3);
}

void guest_main(const void *info)
{
	const struct hvm_start_info *start = info;
	const char *cmdline = (const char *)(uintptr_t)start->cmdline_paddr;

	guest_x2apic();
	wrmsr(0x80f, 0x1ff); /* the LAPIC is on */
	say_leaves();
	wrmsr(HV_MSR_HYPERCALL, HV_MSR_PAGE_ENABLE);
	say_msrs();
	hyperv_init();
	say("lands", (uint32_t)*hyperv_page());
	say("calls", *hyperv_page() >> 32);
	say_tsc_page();
	flush_space();
	flush_list();
	flush_ex();
	others();
	say_pending();
	for (unsigned form = 0; cmdline_number(cmdline, "xmm", 0) && form < FORMS; form++)
		say("xmm", hyperv_flush_by(0, FORM_XMM + form, 1));
	switch (cmdline_number(cmdline, "end", 0)) {
	case 1:
		wrmsr(HV_MSR_RESET, HV_MSR_RESET_NOW);
		break;
	case 2:
		wrmsr(HV_MSR_CRASH_P0, 0xdead);
		wrmsr(HV_MSR_CRASH_CTL, HV_MSR_CRASH_NOTIFY);
		break;
	case 3: /* not promised: a fault, and there is no handler */
		wrmsr(HV_MSR_SCONTROL, 1);
		break;
	case 4:
		call_wrongly();
		break;
	default:
		break;
	}
}
