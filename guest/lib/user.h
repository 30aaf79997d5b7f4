/* SPDX-License-Identifier: Apache-2.0 */
/* User mode, which software KVMs run at full speed where they interpret supervisor mode. */
#ifndef GUEST_LIB_USER_H
#define GUEST_LIB_USER_H

#include <stdint.h>

/* As many CPUs can be in user mode. */
#define USER_CPUS 64

/*
 * Goes on in user mode on this CPU, which is number N, on the same stack; ram_map() has made the
 * memory accessible.
 */
void user_enter(uint32_t n);

/* What supervisor mode does for user mode; interrupts stay off. */
typedef uint64_t user_service(uint64_t a, uint64_t b);

/* Calls SERVICE in supervisor mode. */
#ifdef __aarch64__
/* No KVM interprets a mode here: the program stays where it is. */
static inline uint64_t user_call(user_service *service, uint64_t a, uint64_t b)
{
	return service(a, b);
}
#else
static inline uint64_t user_call(user_service *service, uint64_t a, uint64_t b)
{
	uint64_t result = (uintptr_t)service;

	__asm__ volatile("ud2"
			 : "+a"(result), "+D"(a), "+S"(b)
			 :
			 : "rcx", "rdx", "r8", "r9", "r10", "r11", "cc", "memory");
	return result;
}
#endif

#endif
