/* SPDX-License-Identifier: Apache-2.0 */
/* One handler for every exception: it goes on where the tried instruction has said. */
#include "lib/fault.h"

#include "lib/guest.h"

/* Arm ARM C5.2.18: EL1 with its own stack, everything masked. */
#define SPSR_EL1H_MASKED 0x3c5

static uint64_t resume;
static volatile bool is_taken;

void guest_exception(uint32_t vector, uint64_t *registers)
{
	(void)vector, (void)registers;
	is_taken = true;
	write_sysreg(elr_el1, resume);
	write_sysreg(spsr_el1, SPSR_EL1H_MASKED);
}

void fault_init(void)
{
}

/* INSTRUCTION, and whether it got through. */
#define TRY(instruction, outputs, ...)                                                             \
	({                                                                                         \
		is_taken = false;                                                                  \
		__asm__ volatile("adr x9, 1f\n\t"                                                  \
				 "str x9, %[resume]\n\t" instruction "\n"                          \
				 "1:"                                                              \
				 : [resume] "=m"(resume) outputs                                   \
				 : __VA_ARGS__                                                     \
				 : "x9", "x10", "memory");                                         \
		!is_taken;                                                                         \
	})
#define OUT(...) , __VA_ARGS__

bool fault_load(uint64_t address, unsigned size, uint64_t *ret_value)
{
	uint64_t v = 0;
	bool done;

	switch (size) {
	case 1:
		done = TRY("ldrb %w[v], [%[at]]", OUT([v] "+r"(v)), [at] "r"(address));
		break;
	case 2:
		done = TRY("ldrh %w[v], [%[at]]", OUT([v] "+r"(v)), [at] "r"(address));
		break;
	case 4:
		done = TRY("ldr %w[v], [%[at]]", OUT([v] "+r"(v)), [at] "r"(address));
		break;
	default:
		done = TRY("ldr %[v], [%[at]]", OUT([v] "+r"(v)), [at] "r"(address));
		break;
	}
	*ret_value = v;
	return done;
}

bool fault_store(uint64_t address, unsigned size, uint64_t value)
{
	switch (size) {
	case 1:
		return TRY("strb %w[v], [%[at]]", , [v] "r"(value), [at] "r"(address));
	case 2:
		return TRY("strh %w[v], [%[at]]", , [v] "r"(value), [at] "r"(address));
	case 4:
		return TRY("str %w[v], [%[at]]", , [v] "r"(value), [at] "r"(address));
	default:
		return TRY("str %[v], [%[at]]", , [v] "r"(value), [at] "r"(address));
	}
}

bool fault_load_pair(uint64_t address)
{
	return TRY("ldp x9, x10, [%[at]]", , [at] "r"(address));
}

bool fault_store_pair(uint64_t address, uint64_t value)
{
	return TRY("stp %[v], %[v], [%[at]]", , [v] "r"(value), [at] "r"(address));
}

/* Nothing that is needed afterwards is in a register that the call may change. */
#define CALL(conduit)                                                                              \
	({                                                                                         \
		register uint64_t x0 __asm__("x0") = arguments[0];                                 \
		register uint64_t x1 __asm__("x1") = arguments[1];                                 \
		register uint64_t x2 __asm__("x2") = arguments[2];                                 \
		register uint64_t x3 __asm__("x3") = arguments[3];                                 \
		register uint64_t x4 __asm__("x4") = arguments[4];                                 \
		register uint64_t x5 __asm__("x5") = arguments[5];                                 \
                                                                                                   \
		is_taken = false;                                                                  \
		__asm__ volatile("adr x9, 1f\n\t"                                                  \
				 "str x9, %[resume]\n\t" conduit " #0\n"                           \
				 "1:"                                                              \
				 : [resume] "=m"(resume), "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3),  \
				   "+r"(x4), "+r"(x5)                                              \
				 :                                                                 \
				 : "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14",      \
				   "x15", "x16", "x17", "memory", "cc");                           \
		arguments[0] = x0;                                                                 \
		!is_taken;                                                                         \
	})

bool fault_hvc(uint64_t arguments[6])
{
	return CALL("hvc");
}

bool fault_smc(uint64_t arguments[6])
{
	return CALL("smc");
}
