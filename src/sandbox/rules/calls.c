/* SPDX-License-Identifier: Apache-2.0 */
/* The system calls of each kind of thread. What no line allows ends the process, with its name. */
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/membarrier.h>
#include <linux/sockios.h>
#include <sched.h>
#include <seccomp.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "base/util.h"
#include "sandbox/rules/rules.h"

#define L (1U << SANDBOX_LOOP)
#define M (1U << SANDBOX_MIGRATION)
#define V (1U << SANDBOX_VCPU)
/* Not in each run: the suite sandbox does not wait for it. */
#define R (1U << SANDBOX_THREADS)

#define WHOLE	 UINT32_MAX
#define CALL(call, kinds, reason)                                                                 \
	.number = SCMP_SYS(call), .name = #call, .threads = (kinds), .why = (reason)

#define ONE(index, mask, value)	 .arg_count = 1, .args = { { index, mask, value } }
#define TWO(i, m, v, j, n, w)	 .arg_count = 2, .args = { { i, m, v }, { j, n, w } }
#define SPECIAL(kind)		 .special = (kind), .arg_count = 1
#define SPECIAL_AND(kind, j, n, w) .special = (kind), .arg_count = 2, .args = { { 0 }, { j, n, w } }

/* asm-generic/ioctl.h: whose an ioctl is stands in the second byte. */
#define TYPE(type) ONE(1, 0xff00, (uint64_t)(type) << 8)

/* What is a program's stays what it is: nothing that is written becomes code. */
#define NO_CODE(index) ONE(index, PROT_EXEC, 0)

/* A thread, and not a process; nor is it in a namespace of its own. */
#define THREAD_FLAGS                                                                               \
	(CLONE_VM | CLONE_THREAD | CLONE_NEWNS | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET |     \
	 CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP)

const struct sandbox_call sandbox_calls[] = {
	/* The guest. */
	{ CALL(ioctl, L | M | V, "KVM"), TYPE(0xae) },
	{ CALL(ppoll, L | M | V | R, "a vCPU that sleeps; poll(2) where there is no other") },
	{ CALL(write, L | M | V, "eventfds, the console, state files") },
	{ CALL(read, L | M | V, "eventfds, KVM's statistics, signals") },
	{ CALL(membarrier, L | M | V, "the memory map's readers"), ONE(0, WHOLE, MEMBARRIER_CMD_PRIVATE_EXPEDITED) },
	{ CALL(membarrier, L | M | V, "the same"), ONE(0, WHOLE, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) },
	{ CALL(getrandom, L | M | V, "a source of random numbers") },

	/* Threads. */
	{ CALL(futex, L | M | V, "locks") },
	{ CALL(clone, L | M, "the copiers"), ONE(0, THREAD_FLAGS, CLONE_VM | CLONE_THREAD) },
	{ CALL(set_robust_list, L | M | V, "a thread begins") },
	{ CALL(rseq, L | M | V, "a thread begins, or ends") },
	{ CALL(prctl, L | M | V, "its name"), ONE(0, WHOLE, PR_SET_NAME) },
	{ CALL(prctl, L | M | V | R, "the same, for a message"), ONE(0, WHOLE, PR_GET_NAME) },
	{ CALL(seccomp, L | M | V, "it becomes what it is") },
	{ CALL(gettid, L | M | V, "who it is") },
	{ CALL(getpid, L | M | V, "who it is") },
	{ CALL(tgkill, L | M | V, "kicks"), SPECIAL(SPECIAL_OWN_PID) },
	{ CALL(rt_sigprocmask, L | M | V, "kicks") },
	{ CALL(rt_sigreturn, L | M | V, "kicks") },
	{ CALL(restart_syscall, L | M | V | R, "what SIGSTOP interrupted goes on") },
	{ CALL(sched_yield, L | M | V | R, "somebody else is to get on") },
	{ CALL(exit, L | M | V, "a thread ends") },
	{ CALL(exit_group, L | M | V, "the process ends") },
	{ CALL(clock_nanosleep, L | M | V | R, "a pace") },
	{ CALL(clock_gettime, L | M | V | R, "where the vDSO cannot") },

	/* Memory. */
	{ CALL(mmap, L | M | V, "memory"), NO_CODE(2) },
	{ CALL(mprotect, L | M | V, "memory"), NO_CODE(2) },
	{ CALL(munmap, L | M | V, "memory") },
	{ CALL(mremap, L | M | V | R, "the allocator's") },
	{ CALL(madvise, L | M | V, "memory that is given back") },
	{ CALL(brk, L | M | V, "the allocator's") },
	{ CALL(mincore, L | M | R, "pages that are there") },
	{ CALL(fallocate, L | M | V, "holes") },
	{ CALL(userfaultfd, M | L, "post-copy") },
	{ CALL(ioctl, M | L, "userfaultfd"), TYPE(0xaa) },

	/* What is open. */
	{ CALL(close, L | M | V, "what is open") },
	{ CALL(fstat, L | M | V | R, "what is open") },
	{ CALL(newfstatat, L | M | V, "the same, as the C library has it") },
	{ CALL(lseek, L | M | V, "holes") },
	{ CALL(writev, L | M | R, "files") },
	{ CALL(pread64, L | M | V, "files, KVM's statistics") },
	{ CALL(pwrite64, L | M | V, "files") },
	{ CALL(ftruncate, L | M | V, "memory that grows, a snapshot's") },
	{ CALL(fsync, L | M, "a snapshot") },
	{ CALL(fdatasync, L | M, "disks") },
	{ CALL(fcntl, L | M, "locks of disks, and flags") },
	{ CALL(fstatfs, L | M | R, "memory that is taken over") },
	{ CALL(eventfd2, L | M | V, "what somebody waits for") },
	{ CALL(poll, L | M | V, "a peer, a client") },
	{ CALL(io_uring_enter, L, "the loop") },
	{ CALL(openat, L, "what the scheduler says of a vCPU"),
	  SPECIAL_AND(SPECIAL_TASKS, 2, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY) },
	{ CALL(unlinkat, L | M, "the sockets that it made") },
	{ CALL(flock, L, "while the control socket is removed, or renamed") },
	{ CALL(renameat2, L | R, "a VM gets the name of its source"), ONE(4, WHOLE, RENAME_NOREPLACE) },

	/* Peers and clients. */
	{ CALL(accept4, L | M, "clients, a source") },
	{ CALL(recvfrom, L | M, "bytes") },
	{ CALL(recvmsg, L | M, "descriptors") },
	{ CALL(sendto, L | M, "bytes") },
	{ CALL(sendmsg, L | M, "descriptors") },
	{ CALL(getsockopt, L | M, "what a descriptor is") },
	{ CALL(setsockopt, L | M, "how it is set") },
	{ CALL(ioctl, L | M | R, "what a peer has taken"), ONE(1, WHOLE, SIOCOUTQ) },
	{ CALL(getpeername, L | M, "who is there") },
	{ CALL(shutdown, L | M | R, "an end") },

	/* The terminal, and children that were started before. */
	{ CALL(ioctl, L | R, "the terminal's settings"), ONE(1, WHOLE, TCGETS) },
	{ CALL(ioctl, L | R, "the terminal's size"), ONE(1, WHOLE, TIOCGWINSZ) },
	{ CALL(ioctl, L | R, "whose the terminal is"), ONE(1, WHOLE, TIOCGPGRP) },
	{ CALL(ioctl, L | R, "a tap's offloads"), ONE(1, WHOLE, TUNSETOFFLOAD) },
	{ CALL(ioctl, L | M | V | R, "the terminal is given back before the end"), ONE(1, WHOLE, TCSETS) },
	{ CALL(kill, L | M, "it stops itself; a child that does not end"), SPECIAL(SPECIAL_FAMILY) },
	{ CALL(wait4, L | M, "children") },
	{ CALL(waitid, L | M | R, "children") },
	{ CALL(getpgrp, L | R, "whether the terminal is ours") },
	{ CALL(getpgid, L | R, "the same") },
};

const size_t sandbox_call_count = ARRAY_SIZE(sandbox_calls);
