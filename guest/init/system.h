/* SPDX-License-Identifier: Apache-2.0 */
/* Linux's system calls for a program without a C library. */
#ifndef GUEST_INIT_SYSTEM_H
#define GUEST_INIT_SYSTEM_H

/* syscall(2): the calling convention of each architecture is on its page. Returns -errno. */
static inline long system_call(long number, long a, long b, long c, long d, long e)
{
#ifdef __x86_64__
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
			 : "rcx", "r11", "memory");
	return result;
#else
	register long x8 __asm__("x8") = number;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;

	__asm__ volatile("svc #0"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4)
			 : "memory");
	return x0;
#endif
}

/* The stack that execve(2) hands over is aligned, and main() has no use for it. */
#ifdef __x86_64__
__asm__(".globl _start\n_start:\n\txor %ebp, %ebp\n\tcall guest_init\n\tud2\n");
#else
__asm__(".globl _start\n_start:\n\tmov x29, #0\n\tbl guest_init\n\tbrk #0\n");
#endif

#endif
