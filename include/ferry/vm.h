/* SPDX-License-Identifier: Apache-2.0 */
/* The running VM: start, pause, resume, end. */
#ifndef FERRY_VM_H
#define FERRY_VM_H

#include <stdbool.h>
#include <stdint.h>

#include <ferry/log.h>

struct vm;
struct bus;
struct mem;
struct loop;
struct reg_file;

/* Why a VM ended. The cli's exit statuses follow from it. */
enum vm_end {
	VM_END_NONE,     /* it has not */
	VM_END_POWEROFF, /* the guest switched itself off */
	VM_END_RESET,    /* the guest asked for a reset, or a vCPU took a triple fault */
	VM_END_PANIC,    /* the guest said that it panicked (pvpanic) */
	VM_END_CRASH,    /* KVM could not go on running the guest; vm_end_text() says why */
	VM_END_STOPPED,  /* somebody outside asked */
	VM_END_FAILED,   /* the host failed; vm_end_text() says how */
	VM_END_MIGRATED, /* the guest runs on another host now */
	VM_END_TEST_FAILED, /* a test program ended with a status, which vm_end_text() has */
};

/* What a thread of the VM is for, besides the one that made it and runs its loop. */
enum vm_thread {
	VM_THREAD_VCPU,
	VM_THREAD_MIGRATION, /* and what it starts */
};

struct vm_options {
	const char *name;      /* for messages and thread names; copied */
	uint32_t vcpus;        /* 1 … KVM_CAP_MAX_VCPUS */
	uint64_t hugepage_size; /* bytes; 0: normal pages */
	bool prealloc;         /* of memory */
	/*
	 * What vCPUs have that they do not have by themselves: "pmu,sve=256". arm64 only. NULL:
	 * nothing.
	 */
	const char *cpu;
	/*
	 * Maps what memory there is from the beginning, before anything else is made. May be NULL.
	 * Later would do, but from Linux 6.18 on who sets a slot soon after KVM's irqchip was made
	 * waits for the end of a grace period that nobody hurries (kvm_io_bus_register_dev), some 6
	 * ms.
	 */
	int (*map_memory)(void *self, struct mem *mem);
	void *map_self;
	struct log log;
	/* Called by each such thread first of all when set; -errno: it ends, and the VM or the move with it. */
	int (*begin_thread)(void *self, enum vm_thread thread);
	void *thread_self;
	/* Called for each KVM ioctl when set (--trace-kvm): its name and its result. Any thread. */
	void (*trace_kvm)(void *self, const char *name, long arg, int result);
	void *trace_self;
};

/*
 * Opens /dev/kvm and makes a VM with its vCPUs, an empty memory, empty buses and the in-kernel
 * interrupt controller. Errors: those of open(2) on /dev/kvm and of KVM, with a text that says what
 * the user can do.
 */
int vm_create(const struct vm_options *options, struct vm **ret_vm);

/* Stops what runs and frees everything. NULL is fine. */
void vm_destroy(struct vm *vm);

/*
 * The vCPUs run the guest from now on, each on a thread of its own. -EAGAIN and what clone(2) says.
 */
int vm_start(struct vm *vm);

/*
 * Makes these threads, which wait for vm_start(); it makes them itself where nobody has. For who wants
 * them before something that every later thread would have, too (a seccomp filter). As vm_start().
 */
int vm_make_threads(struct vm *vm);

/*
 * Returns when every vCPU is outside KVM_RUN with its last exit retired: registers may be read.
 * Calls nest. Not from a vCPU's thread (device ops), and with no lock held that device ops take.
 */
void vm_pause(struct vm *vm);
void vm_resume(struct vm *vm);
bool vm_is_paused(const struct vm *vm);

/*
 * An operator's pause: it does not count, and it is a register of the VM: one that is suspended
 * arrives suspended elsewhere. As vm_pause() and vm_resume().
 */
void vm_set_suspended(struct vm *vm, bool suspended);
bool vm_is_suspended(const struct vm *vm);

/*
 * Withholds so many percent (0 … 99) of its time from each vCPU, in periods of a few milliseconds.
 * A pause or an end need not wait for it. Any thread; the loop must be running for it to count.
 */
void vm_throttle(struct vm *vm, unsigned percent);

/*
 * Ends the VM: the first reason given counts. vCPUs stop at their next exit and the loop returns.
 * Any thread. text may be NULL; it is copied.
 */
void vm_end(struct vm *vm, enum vm_end why, const char *text);
enum vm_end vm_ended(const struct vm *vm);
const char *vm_end_text(const struct vm *vm);

/* Runs the loop on the calling thread until the VM has ended. 0, or the loop's failure. */
int vm_wait(struct vm *vm);

/*
 * Ends the vCPU threads for good; nothing of the guest runs afterwards, and registers may be read.
 * For whoever takes away devices before vm_destroy(). Harmless when repeated.
 */
void vm_stop(struct vm *vm);

/* The VM's parts; they live as long as it. */
struct mem *vm_mem(struct vm *vm);
struct bus *vm_pio(struct vm *vm);
struct bus *vm_mmio(struct vm *vm);
struct loop *vm_loop(struct vm *vm);
struct reg_file *vm_regs(struct vm *vm);
uint32_t vm_vcpus(const struct vm *vm);
const struct log *vm_log(const struct vm *vm);

#endif
