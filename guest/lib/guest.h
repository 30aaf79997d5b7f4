/* SPDX-License-Identifier: Apache-2.0 */
/* What a guest program finds: ports, a line of output, a way to end. */
#ifndef GUEST_LIB_GUEST_H
#define GUEST_LIB_GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Supplied by the program. info is the hvm_start_info (abi/pvh.h), on arm64 the device tree. Returning
 * switches off.
 */
void guest_main(const void *info);
const char *guest_cmdline(const void *info);

/* Supplied by a program that starts other CPUs; n counts them from 0, in order of arrival. */
void guest_ap_main(uint32_t n);

void guest_puts(const char *s);
void guest_put_hex(uint64_t v);
void guest_put_dec(uint64_t v);
/* S5 by ACPI's sleep control register; reset by its reset register; pvpanic; three faults in a row. */
void guest_poweroff(void) __attribute__((noreturn));
void guest_reset(void) __attribute__((noreturn));
void guest_panic(void) __attribute__((noreturn));
void guest_triple_fault(void) __attribute__((noreturn));
/* This CPU stays there, without interrupts. */
void guest_halt(void) __attribute__((noreturn));
/* S5; returns on a machine that is not ferry's. */
void guest_try_poweroff(void);

/* Its APIC id; on arm64 the number by which KVM counts. */
uint32_t guest_cpu_id(void);
/* Starts the CPU with that id (INIT, SIPI, SIPI; or PSCI); it calls guest_ap_main(). */
void guest_start_cpu(uint32_t id);

/* Tells a register that a test has beside the machine's. */
static inline void guest_tell(uint32_t v);

#ifdef __aarch64__
#include "lib/arm64/cpu.h"

/* The CPU's address in messages and calls: MPIDR_EL1's affinity. */
uint64_t guest_cpu_address(uint32_t id);
/* A property of the first node whose name begins so (properties come before nodes); NULL: none. */
const uint8_t *guest_fdt_property(const void *info, const char *node, const char *name);
/* PSCI CPU_OFF, of this CPU. */
void guest_stop_cpu(void) __attribute__((noreturn));

/*
 * Supplied by a program that takes exceptions: vector counts from 0 in VBAR_EL1's table, registers are
 * x0 to x18, then x29 and x30. Returning goes back.
 */
void guest_exception(uint32_t vector, uint64_t *registers);
#else
/* src/machine/x86.c: where the machine has what */
#define RAM_ADDRESS  0UL
#define BARS_ADDRESS 0xc0000000UL
#define ECAM_ADDRESS 0xe0000000UL

/* Where tests have a register of their own. */
#define TEST_PORT 0x1000

/* Switches this CPU's LAPIC to x2APIC mode. */
void guest_x2apic(void);

static inline void outb(uint16_t port, uint8_t v)
{
	__asm__ volatile("outb %0, %1" : : "a"(v), "Nd"(port));
}

static inline void outw(uint16_t port, uint16_t v)
{
	__asm__ volatile("outw %0, %1" : : "a"(v), "Nd"(port));
}

static inline void outl(uint16_t port, uint32_t v)
{
	__asm__ volatile("outl %0, %1" : : "a"(v), "Nd"(port));
}

static inline uint8_t inb(uint16_t port)
{
	uint8_t v;

	__asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

static inline uint32_t inl(uint16_t port)
{
	uint32_t v;

	__asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

static inline uint64_t rdmsr(uint32_t msr)
{
	uint32_t low, high;

	__asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
	return (uint64_t)high << 32 | low;
}

static inline void wrmsr(uint32_t msr, uint64_t v)
{
	__asm__ volatile("wrmsr" : : "c"(msr), "a"((uint32_t)v), "d"((uint32_t)(v >> 32)) : "memory");
}

static inline void guest_tell(uint32_t v)
{
	outl(TEST_PORT, v);
}

static inline void cpu_relax(void)
{
	__asm__ volatile("pause");
}

/* The serial port's registers. */
static inline uint8_t uart_read(uint16_t offset)
{
	return inb((uint16_t)(0x3f8 + offset));
}

static inline void uart_write(uint16_t offset, uint8_t v)
{
	outb((uint16_t)(0x3f8 + offset), v);
}
#endif

#endif
