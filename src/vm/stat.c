/* SPDX-License-Identifier: Apache-2.0 */
/* Asks the run loop, KVM and the scheduler what became of the vCPUs' time. */
#include "vm/stat.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <ferry/error.h>

#include "base/cleanup.h"
#include "base/util.h"
#include "vm/vm.h"

#define NS_PER_SECOND 1000000000ULL

/* Reads of both clocks that lie further apart than that were interrupted, and are tried again. */
#define TICKS_APART 10000
#define TRIES	    10

/* The same moment by the CPU's counter and by a clock whose rate nobody adjusts. */
static void read_moment(uint64_t *ret_ticks, uint64_t *ret_ns)
{
	uint64_t before, after, apart = UINT64_MAX;
	struct timespec now;

	for (int i = 0; i < TRIES && apart > TICKS_APART; i++) {
		before = arch_ticks();
		clock_gettime(CLOCK_MONOTONIC_RAW, &now);
		after = arch_ticks();
		if (after - before >= apart)
			continue;
		apart = after - before;
		*ret_ticks = before + apart / 2;
		*ret_ns = (uint64_t)now.tv_sec * NS_PER_SECOND + (uint64_t)now.tv_nsec;
	}
}

void vm_stat_begin(struct vm *vm)
{
	read_moment(&vm->began_ticks, &vm->began_ns);
	if (!vm->caps.binary_stats_fd || vm->kvm_stats.fd >= 0)
		return;
	kvm_stats_open(&vm->kvm_stats, vm->fd);
	for (uint32_t i = 0; i < vm->vcpu_count; i++)
		kvm_stats_open(&vm->vcpus[i].kvm_stats, vm->vcpus[i].fd);
}

/* Of a file in /proc, its first bytes as a string. */
static int read_text(int tasks, const char *path, char *text, size_t size)
{
	AUTO_CLOSE int fd = openat(tasks, path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, text, size - 1);
	if (n < 0)
		return -errno;
	text[n] = '\0';
	return 0;
}

/* The number that is the field of that index, from 0 on; fields are separated by single spaces. */
static bool take_field(const char *text, unsigned index, uint64_t *ret_value)
{
	char *end;

	for (; index && text; index--) {
		text = strchr(text, ' ');
		text = text ? text + 1 : NULL;
	}
	if (!text)
		return false;
	*ret_value = strtoull(text, &end, 10);
	return end != text;
}

/* proc(5) numbers the fields from 1 on; the second is a name in parentheses that may hold anything.
 */
static bool take_stat(const char *text, struct vcpu_task *task)
{
	const uint64_t step = NS_PER_SECOND / (uint64_t)sysconf(_SC_CLK_TCK);
	const char *third = strrchr(text, ')');
	uint64_t user, system, guest;

	if (!third || third[1] != ' ')
		return false;
	third += 2;
	if (!take_field(third, 14 - 3, &user) || !take_field(third, 15 - 3, &system) ||
	    !take_field(third, 43 - 3, &guest))
		return false;
	task->user = user * step;
	task->system = system * step;
	task->guest = guest * step;
	return true;
}

int vm_stat_tasks(const struct vm *vm)
{
	return vm->tasks;
}

int vcpu_task_read(int tasks, pid_t tid, struct vcpu_task *ret_task)
{
	char path[32], text[1024];
	struct vcpu_task task = { 0 };
	int r;

	snprintf(path, sizeof(path), "%d/stat", tid);
	r = read_text(tasks, path, text, sizeof(text));
	if (r < 0)
		return r;
	if (!take_stat(text, &task))
		return -EPROTO;
	snprintf(path, sizeof(path), "%d/schedstat", tid);
	r = read_text(tasks, path, text, sizeof(text));
	if (r < 0)
		return r;
	if (!take_field(text, 0, &task.cpu) || !take_field(text, 1, &task.delay))
		return -EPROTO;
	*ret_task = task;
	return 0;
}

static void read_halts(struct kvm_stats *stats, struct vcpu_stat *stat)
{
	const struct kvm_stat *wait, *success, *fail;

	if (stats->fd < 0 || kvm_stats_read(stats) < 0)
		return;
	wait = kvm_stats_find(stats, "halt_wait_ns");
	success = kvm_stats_find(stats, "halt_poll_success_ns");
	fail = kvm_stats_find(stats, "halt_poll_fail_ns");
	if (!wait || !success || !fail)
		return;
	stat->halt_wait_ns = wait->values[0];
	stat->halt_poll_ns = success->values[0] + fail->values[0];
	stat->has_halts = true;
}

void vm_stat_vcpu(struct vm *vm, uint32_t vcpu, struct vcpu_stat *ret_stat)
{
	struct vcpu *v = &vm->vcpus[vcpu];
	struct vcpu_stat stat = { 0 };
	struct vcpu_time_reading reading;
	uint64_t ticks = 0, ns = 0;
	pid_t tid = atomic_load(&v->tid);

	read_halts(&v->kvm_stats, &stat);
	stat.has_task = tid && vcpu_task_read(vm->tasks, tid, &stat.task) == 0;
	vcpu_time_read(&v->time, &reading);
	read_moment(&ticks, &ns);
	ticks -= vm->began_ticks;
	ns -= vm->began_ns;
	for (unsigned i = 0; i < VCPU_TIMES && ticks; i++)
		stat.time_ns[i] = (uint64_t)((unsigned __int128)reading.ticks[i] * ns / ticks);
	memcpy(stat.exits, reading.exits, sizeof(stat.exits));
	*ret_stat = stat;
}

int vm_stat_kvm(struct vm *vm, uint32_t vcpu,
		void (*each)(void *self, const struct vm_kvm_stat *stat), void *self)
{
	struct kvm_stats *stats = vcpu == VM_STAT_VM ? &vm->kvm_stats : &vm->vcpus[vcpu].kvm_stats;
	int r = kvm_stats_read(stats);

	for (size_t i = 0; i < stats->count && r == 0; i++) {
		const struct kvm_stat *stat = &stats->stats[i];

		each(self, &(struct vm_kvm_stat){
				   .name = stat->name,
				   .is_cumulative = stat->kind == KVM_STAT_CUMULATIVE,
				   .values = stat->values,
				   .count = stat->count,
			   });
	}
	return r;
}
