/* SPDX-License-Identifier: Apache-2.0 */
/* What a guest program does with an arm64 CPU, and with its serial port. */
#ifndef GUEST_LIB_ARM64_CPU_H
#define GUEST_LIB_ARM64_CPU_H

#include <stdint.h>

/* src/machine/arm64.c: where the machine has its devices */
#define SERIAL_ADDRESS 0x09000000UL
#define GICD_ADDRESS   0x08000000UL
#define GITS_ADDRESS   0x08080000UL
#define GICR_ADDRESS   0x20000000UL
#define RTC_ADDRESS    0x09010000UL
#define GPIO_ADDRESS   0x09030000UL
#define WDT_ADDRESS    0x09040000UL
#define PANIC_ADDRESS  0x09050000UL
#define BARS_ADDRESS   0x10000000UL
#define ECAM_ADDRESS   0x3f000000UL
#define RAM_ADDRESS    0x40000000UL

/* Where tests have a register of their own. */
#define TEST_ADDRESS 0x0f000000UL

#define read_sysreg(name)                                                                          \
	({                                                                                         \
		uint64_t value_;                                                                   \
		__asm__ volatile("mrs %0, " #name : "=r"(value_));                                 \
		value_;                                                                            \
	})

#define write_sysreg(name, v)                                                                      \
	__asm__ volatile("msr " #name ", %0\n\tisb" : : "r"((uint64_t)(v)) : "memory")

/* One load or store that a hypervisor can decode. */
static inline uint32_t mmio_read32(uint64_t address)
{
	uint32_t v;

	__asm__ volatile("ldr %w0, [%1]" : "=r"(v) : "r"(address) : "memory");
	return v;
}

static inline void mmio_write32(uint64_t address, uint32_t v)
{
	__asm__ volatile("str %w0, [%1]" : : "r"(v), "r"(address) : "memory");
}

static inline void mmio_write64(uint64_t address, uint64_t v)
{
	__asm__ volatile("str %0, [%1]" : : "r"(v), "r"(address) : "memory");
}

static inline uint8_t mmio_read8(uint64_t address)
{
	uint32_t v;

	__asm__ volatile("ldrb %w0, [%1]" : "=r"(v) : "r"(address) : "memory");
	return (uint8_t)v;
}

static inline void mmio_write8(uint64_t address, uint8_t v)
{
	__asm__ volatile("strb %w0, [%1]" : : "r"(v), "r"(address) : "memory");
}

static inline uint8_t uart_read(unsigned offset)
{
	return mmio_read8(SERIAL_ADDRESS + offset);
}

static inline void uart_write(unsigned offset, uint8_t v)
{
	mmio_write8(SERIAL_ADDRESS + offset, v);
}

static inline void guest_tell(uint32_t v)
{
	mmio_write32(TEST_ADDRESS, v);
}

static inline void cpu_relax(void)
{
	__asm__ volatile("yield");
}

/* SMCCC 1.1 by HVC: up to five arguments; x0 is the result, x1 to x3 may be, the rest is kept. */
static inline uint64_t hvc(uint64_t function, uint64_t a, uint64_t b, uint64_t c, uint64_t d,
			   uint64_t e)
{
	register uint64_t x0 __asm__("x0") = function;
	register uint64_t x1 __asm__("x1") = a;
	register uint64_t x2 __asm__("x2") = b;
	register uint64_t x3 __asm__("x3") = c;
	register uint64_t x4 __asm__("x4") = d;
	register uint64_t x5 __asm__("x5") = e;

	__asm__ volatile("hvc #0"
			 : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3)
			 : "r"(x4), "r"(x5)
			 : "memory");
	return x0;
}

#endif
