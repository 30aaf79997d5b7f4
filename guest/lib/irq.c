/* SPDX-License-Identifier: Apache-2.0 */
/* One entry a vector, which all lead to one place; none has an error code. */
#include "lib/irq.h"

#include <stdint.h>

#define VECTORS	     256
#define ENTRY_SIZE   16
#define GATE_PRESENT 0x8e00 /* an interrupt gate */

struct gate {
	uint16_t low, selector, attributes, middle;
	uint32_t high, reserved;
};

static struct gate idt[VECTORS];
static irq_handler *handlers[VECTORS];

extern const uint8_t irq_entries[];
void irq_taken(unsigned vector);

void irq_taken(unsigned vector)
{
	handlers[vector](vector);
}

__asm__(".text\n"
	"	.align 16\n"
	"irq_entries:\n"
	"	.set vector, 0\n"
	"	.rept 256\n"
	"	.align 16\n"
	"	push $vector\n"
	"	jmp irq_common\n"
	"	.set vector, vector + 1\n"
	"	.endr\n"
	"irq_common:\n"
	"	push %rax; push %rcx; push %rdx; push %rsi; push %rdi\n"
	"	push %r8; push %r9; push %r10; push %r11\n"
	"	mov 72(%rsp), %rdi\n"
	"	sub $8, %rsp\n"
	"	call irq_taken\n"
	"	add $8, %rsp\n"
	"	pop %r11; pop %r10; pop %r9; pop %r8\n"
	"	pop %rdi; pop %rsi; pop %rdx; pop %rcx; pop %rax\n"
	"	add $8, %rsp\n"
	"	iretq\n");

void irq_set(unsigned vector, irq_handler *handler)
{
	uint64_t to = (uintptr_t)irq_entries + (uint64_t)vector * ENTRY_SIZE;
	uint16_t code;

	__asm__("mov %%cs, %0" : "=r"(code));
	handlers[vector] = handler;
	idt[vector] = (struct gate){ (uint16_t)to, code, GATE_PRESENT, (uint16_t)(to >> 16),
				     (uint32_t)(to >> 32), 0 };
}

void irq_init(void)
{
	const struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) pointer = { sizeof(idt) - 1, (uintptr_t)idt };

	__asm__ volatile("lidt %0" : : "m"(pointer) : "memory");
}
