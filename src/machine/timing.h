/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether this host's kernel accounts guests' time as it says: guests of a few instructions spin,
 * halt, leave KVM_RUN all the time, and share a CPU, and what /proc says of their vCPUs' threads is
 * held against what must be so (proc(5): utime, stime, guest_time; schedstat: run delay).
 */
#ifndef MACHINE_TIMING_H
#define MACHINE_TIMING_H

#include <stddef.h>
#include <stdint.h>

enum timing_verdict {
	TIMING_RIGHT,
	TIMING_WRONG,
	TIMING_UNKNOWN, /* this host cannot be asked; the numbers say why */
};

struct timing_rule {
	const char *guest; /* what it does: "spin in user mode" */
	const char *rule;  /* what must be so */
	enum timing_verdict verdict;
	char numbers[160];
};

/* timing_finish() frees it. A zeroed one is empty. */
struct timing {
	struct timing_rule *rules;
	size_t count;
};

/*
 * Watches each guest for that long, and up to three times where a rule seems broken. Bounds allow
 * for the kernel's sampling, so less than half a second says little. Those of vm_create();
 * -EIO: a guest came to an end, with a text.
 */
int timing_read(uint64_t ns, struct timing *timing);
void timing_finish(struct timing *timing);

/* What a tiny guest does; the order is the programs' own. */
enum timing_guest {
	TIMING_HALT,
	TIMING_SPIN_KERNEL,
	TIMING_SPIN_USER,
	TIMING_EXITS,
};

struct vm;

/* Puts the program into the VM's memory and each vCPU at its beginning. The architecture's. */
int timing_guest_load(struct vm *vm, enum timing_guest guest);

#endif
