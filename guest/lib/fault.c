/* SPDX-License-Identifier: Apache-2.0 */
/* One handler for every exception: it goes on where the tried instruction has said. */
#include "lib/fault.h"

/* SDM 7.15: those that push an error code. */
#define WITH_ERROR_CODE (1U << 8 | 1U << 10 | 1U << 11 | 1U << 12 | 1U << 13 | 1U << 14 | 1U << 17)
#define VECTORS		32
#define GATE_PRESENT	0x8e00 /* an interrupt gate */

struct gate {
	uint16_t low, selector, attributes, middle;
	uint32_t high, reserved;
};

static struct gate idt[VECTORS];
uint64_t fault_resume;

void fault_plain(void);
void fault_with_error(void);

__asm__(".text\n"
	"fault_with_error:\n"
	"	addq $8, %rsp\n"
	"fault_plain:\n"
	"	movq fault_resume, %r11\n"
	"	movq %r11, (%rsp)\n"
	"	iretq\n");

void fault_init(void)
{
	const struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) pointer = { sizeof(idt) - 1, (uintptr_t)idt };
	uint16_t code;

	__asm__("mov %%cs, %0" : "=r"(code));
	for (unsigned i = 0; i < VECTORS; i++) {
		uint64_t to = (uintptr_t)(WITH_ERROR_CODE >> i & 1 ? fault_with_error : fault_plain);

		idt[i] = (struct gate){ (uint16_t)to, code, GATE_PRESENT, (uint16_t)(to >> 16),
					(uint32_t)(to >> 32), 0 };
	}
	__asm__ volatile("lidt %0" : : "m"(pointer) : "memory");
}

/* INSTRUCTION, and whether it got through. */
#define TRY(instruction, outputs, ...)                                                             \
	({                                                                                         \
		uint64_t done_;                                                                    \
                                                                                                   \
		__asm__ volatile("movq $1f, fault_resume\n\t"                                      \
				 "xorl %%r10d, %%r10d\n\t" instruction "\n\t"                      \
				 "movl $1, %%r10d\n"                                               \
				 "1:	movq %%r10, %[done]"                                       \
				 : [done] "=&r"(done_) outputs                                     \
				 : __VA_ARGS__                                                     \
				 : "r10", "r11", "memory", "cc");                                  \
		done_ != 0;                                                                        \
	})
#define OUT(...) , __VA_ARGS__

bool fault_rdmsr(uint32_t msr, uint64_t *ret_value)
{
	uint32_t low = 0, high = 0;
	bool done = TRY("rdmsr", OUT("+a"(low), "+d"(high)), "c"(msr));

	*ret_value = (uint64_t)high << 32 | low;
	return done;
}

bool fault_wrmsr(uint32_t msr, uint64_t value)
{
	return TRY("wrmsr", , "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)));
}

bool fault_load(uint64_t address, unsigned size, uint64_t *ret_value)
{
	uint64_t v = 0;
	bool done;

	switch (size) {
	case 1:
		done = TRY("movb (%[at]), %b[v]", OUT([v] "+q"(v)), [at] "r"(address));
		break;
	case 2:
		done = TRY("movw (%[at]), %w[v]", OUT([v] "+r"(v)), [at] "r"(address));
		break;
	case 4:
		done = TRY("movl (%[at]), %k[v]", OUT([v] "+r"(v)), [at] "r"(address));
		break;
	default:
		done = TRY("movq (%[at]), %[v]", OUT([v] "+r"(v)), [at] "r"(address));
		break;
	}
	*ret_value = v;
	return done;
}

bool fault_store(uint64_t address, unsigned size, uint64_t value)
{
	switch (size) {
	case 1:
		return TRY("movb %b[v], (%[at])", , [v] "q"(value), [at] "r"(address));
	case 2:
		return TRY("movw %w[v], (%[at])", , [v] "r"(value), [at] "r"(address));
	case 4:
		return TRY("movl %k[v], (%[at])", , [v] "r"(value), [at] "r"(address));
	default:
		return TRY("movq %[v], (%[at])", , [v] "r"(value), [at] "r"(address));
	}
}
