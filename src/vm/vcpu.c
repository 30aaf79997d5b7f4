/* SPDX-License-Identifier: Apache-2.0 */
/* The run loop: request check, enter, KVM_RUN, leave, account, dispatch. */
#include "vm/vcpu.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <ferry/error.h>

#include "base/util.h"
#include "vm/gate.h"
#include "vm/vcpu_call.h"
#include "vm/vcpu_work.h"
#include "vm/vm.h"

static _Thread_local struct vcpu *current;

/* What gets a vCPU out of KVM_RUN; its handler does nothing. */
#define KICK_SIGNAL SIGRTMIN

/* A sleep that has no end of its own looks around that often. */
#define SLEEP_MAX_S 3600

static void kicked(int signal)
{
	(void)signal;
}

struct vcpu *vcpu_current(void)
{
	return current;
}

int vcpu_init(struct vcpu *vcpu, struct vm *vm, uint32_t index)
{
	struct sigaction action = { .sa_handler = kicked };
	int size = kvm_get_vcpu_mmap_size(vm->kvm_fd);

	*vcpu = (struct vcpu){ .vm = vm, .index = index, .fd = -1, .kvm_stats.fd = -1 };
	vcpu_time_init(&vcpu->time);
	if (size < 0)
		return because(size, "KVM_GET_VCPU_MMAP_SIZE: %s", strerror(-size));
	vcpu->fd = kvm_create_vcpu(vm->fd, index);
	if (vcpu->fd < 0)
		return because(vcpu->fd, "cannot create vCPU %u: %s", index, strerror(-vcpu->fd));
	vcpu->run_size = (size_t)size;
	vcpu->run = mmap(NULL, vcpu->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->fd, 0);
	if (vcpu->run == MAP_FAILED) {
		vcpu->run = NULL;
		return because(-errno, "cannot map vCPU %u: %s", index, strerror(errno));
	}
	sigaction(KICK_SIGNAL, &action, NULL);
	return arch_vcpu_init(vcpu);
}

void vcpu_finish(struct vcpu *vcpu)
{
	if (!vcpu->vm)
		return;
	arch_vcpu_finish(vcpu);
	kvm_stats_finish(&vcpu->kvm_stats);
	if (vcpu->run)
		munmap(vcpu->run, vcpu->run_size);
	if (vcpu->fd >= 0)
		close(vcpu->fd);
	*vcpu = (struct vcpu){ .fd = -1, .kvm_stats.fd = -1 };
}

/*
 * immediate_exit is set before the signal is sent. A vCPU that has not entered KVM_RUN yet finds it
 * there; one that has takes the signal. Only the vCPU's thread clears it, before it looks at the
 * requests, so none is overlooked (api.rst, KVM_RUN).
 */
void vcpu_request(struct vcpu *vcpu, enum vcpu_request request)
{
	atomic_fetch_or(&vcpu->requests, request);
	vcpu_kick(vcpu);
}

void vcpu_kick(struct vcpu *vcpu)
{
	__atomic_store_n(&vcpu->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
	if (vcpu->has_thread)
		pthread_kill(vcpu->thread, KICK_SIGNAL);
}

static void crash(struct vcpu *vcpu, const char *what, unsigned long long code)
{
	char where[256];
	char text[512];

	arch_vcpu_describe(vcpu, where, sizeof(where));
	snprintf(text, sizeof(text), "vCPU %u: %s (%#llx) at %s", vcpu->index, what, code, where);
	vm_end(vcpu->vm, VM_END_CRASH, text);
}

static EXIT_PATH int exit_io(struct vcpu *vcpu)
{
	const struct kvm_run *run = vcpu->run;
	uint8_t *data = (uint8_t *)vcpu->run + run->io.data_offset;
	unsigned len = run->io.size;

	for (uint32_t i = 0; i < run->io.count; i++, data += len) {
		if (run->io.direction == KVM_EXIT_IO_IN)
			bus_read(&vcpu->vm->pio, run->io.port, data, len);
		else
			bus_write(&vcpu->vm->pio, run->io.port, data, len);
	}
	return 0;
}

static EXIT_PATH int exit_mmio(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;

	if (run->mmio.is_write)
		bus_write(&vcpu->vm->mmio, run->mmio.phys_addr, run->mmio.data, run->mmio.len);
	else
		bus_read(&vcpu->vm->mmio, run->mmio.phys_addr, run->mmio.data, run->mmio.len);
	return 0;
}

static int exit_system_event(struct vcpu *vcpu)
{
	switch (vcpu->run->system_event.type) {
	case KVM_SYSTEM_EVENT_SHUTDOWN:
		vm_end(vcpu->vm, VM_END_POWEROFF, NULL);
		return 0;
	case KVM_SYSTEM_EVENT_RESET:
		vm_end(vcpu->vm, VM_END_RESET, NULL);
		return 0;
	case KVM_SYSTEM_EVENT_CRASH:
		vm_end(vcpu->vm, VM_END_PANIC, "it said so to KVM");
		return 0;
	default:
		crash(vcpu, "KVM reports a system event", vcpu->run->system_event.type);
		return 0;
	}
}

static int dispatch_rare(struct vcpu *vcpu)
{
	const struct kvm_run *run = vcpu->run;

	switch (run->exit_reason) {
	case KVM_EXIT_INTR:
		return 0;
	case KVM_EXIT_SYSTEM_EVENT:
		return exit_system_event(vcpu);
	case KVM_EXIT_SHUTDOWN:
		vm_end(vcpu->vm, VM_END_RESET, "triple fault");
		return 0;
	case KVM_EXIT_FAIL_ENTRY:
		crash(vcpu, "the CPU refused to enter the guest",
		      run->fail_entry.hardware_entry_failure_reason);
		return 0;
	case KVM_EXIT_INTERNAL_ERROR:
		crash(vcpu, "KVM could not emulate an instruction", run->internal.suberror);
		return 0;
	default:
		if (arch_vcpu_exit(vcpu) == -ENOSYS)
			crash(vcpu, "KVM left the guest for a reason that ferry does not know",
			      run->exit_reason);
		return 0;
	}
}

/* Without a table of jumps, which is one more page. */
static EXIT_PATH int dispatch(struct vcpu *vcpu)
{
	uint32_t reason = vcpu->run->exit_reason;

	if (reason == KVM_EXIT_IO)
		return exit_io(vcpu);
	if (reason == KVM_EXIT_MMIO)
		return exit_mmio(vcpu);
	return dispatch_rare(vcpu);
}

/*
 * Enter, KVM_RUN, leave and account; and what came of it: 1 an exit to dispatch, 0 none, or -errno.
 * When KVM_RUN fails, the exit's reason is that of an earlier one.
 */
static EXIT_PATH int run_once(struct vcpu *vcpu)
{
	int r;

	/* Time at the gate is ferry's, not the guest's. */
	vm_gate_enter(vcpu);
	vcpu_time_enter(&vcpu->time);
	r = kvm_run(vcpu->fd);
	vm_gate_leave(vcpu);
	vcpu_time_leave(&vcpu->time, r < 0 ? KVM_EXIT_INTR : vcpu->run->exit_reason);
	if (r == -EAGAIN) /* INIT reached a vCPU that was off: KVM has forgotten things */
		atomic_fetch_or(&vcpu->requests, VCPU_REQUEST_WORK);
	if (r == -EINTR || r == -EAGAIN)
		return 0;
	return r < 0 ? r : 1;
}

/*
 * KVM completes the instruction behind a PIO or MMIO exit only at the next KVM_RUN. Entering with
 * immediate_exit does that and nothing else; a string instruction may exit once more for its next
 * element, which is served as usual.
 */
static int retire(struct vcpu *vcpu)
{
	int r;

	do {
		__atomic_store_n(&vcpu->run->immediate_exit, 1, __ATOMIC_RELAXED);
		r = run_once(vcpu);
		if (r > 0)
			dispatch(vcpu);
	} while (r > 0);
	return r;
}

/* With the kick blocked, no request comes between the look and the sleep. */
void vcpu_sleep(struct vcpu *vcpu, bool (*goes_on)(struct vcpu *vcpu, struct timespec *ret_left))
{
	struct timespec left = { .tv_sec = SLEEP_MAX_S };
	sigset_t kick, before;

	sigemptyset(&kick);
	sigaddset(&kick, KICK_SIGNAL);
	pthread_sigmask(SIG_BLOCK, &kick, &before);
	if (goes_on(vcpu, &left))
		ppoll(NULL, 0, &left, &before);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static bool is_throttled(struct vcpu *vcpu, struct timespec *ret_left)
{
	return vm_throttle_left(vcpu->vm, ret_left) && !atomic_load(&vcpu->requests);
}

/* 1: go on, 0: the thread shall end, or -errno. */
static int serve_requests(struct vcpu *vcpu)
{
	unsigned requests = atomic_exchange(&vcpu->requests, 0);
	int r;

	if (requests & VCPU_REQUEST_STOP)
		return 0;
	if (requests & VCPU_REQUEST_CALL) {
		r = retire(vcpu);
		if (r < 0)
			return r;
		vcpu_serve_calls(vcpu);
	}
	/* Before a pause: what an exit has left to be done is done when registers are read. */
	if (requests & VCPU_REQUEST_WORK) {
		r = retire(vcpu);
		if (r < 0)
			return r;
		vcpu_work(vcpu);
	}
	if (requests & VCPU_REQUEST_PAUSE) {
		r = retire(vcpu);
		if (r < 0)
			return r;
		vcpu_time_switch(&vcpu->time, VCPU_TIME_SUSPENDED);
		vm_park(vcpu->vm);
		vcpu_time_switch(&vcpu->time, VCPU_TIME_OTHER);
		arch_vcpu_resume(vcpu);
	}
	if (requests & VCPU_REQUEST_THROTTLE) {
		vcpu_time_switch(&vcpu->time, VCPU_TIME_THROTTLED);
		vcpu_sleep(vcpu, is_throttled);
		vcpu_time_switch(&vcpu->time, VCPU_TIME_OTHER);
	}
	if (requests & VCPU_REQUEST_BLOCK)
		vcpu_stay_blocked(vcpu);
	return 1;
}

/*
 * Whether there are requests. What is cleared before the look was for those that it finds; where nothing is
 * set there is nothing to clear, and what is set from then on gets the vCPU out of KVM_RUN.
 */
static EXIT_PATH bool is_wanted(struct vcpu *vcpu)
{
	if (__atomic_load_n(&vcpu->run->immediate_exit, __ATOMIC_RELAXED))
		__atomic_store_n(&vcpu->run->immediate_exit, 0, __ATOMIC_SEQ_CST);
	return atomic_load(&vcpu->requests);
}

static __attribute__((noinline)) EXIT_PATH int run_loop(struct vcpu *vcpu)
{
	int r;

	for (;;) {
		while (is_wanted(vcpu)) {
			r = serve_requests(vcpu);
			if (r <= 0)
				return r;
		}
		r = run_once(vcpu);
		if (r < 0)
			return r;
		if (r > 0)
			dispatch(vcpu);
	}
}

static void *thread_main(void *arg)
{
	struct vcpu *vcpu = arg;
	char text[128], name[16];
	int r;

	snprintf(name, sizeof(name), "vcpu%u", vcpu->index);
	pthread_setname_np(pthread_self(), name);
	/* From here on vcpu_make_thread() has noted whom to signal. */
	pthread_mutex_lock(&vcpu->vm->lock);
	pthread_mutex_unlock(&vcpu->vm->lock);
	current = vcpu;
	r = vm_begin_thread(vcpu->vm, VM_THREAD_VCPU);
	if (r == 0)
		vm_park(vcpu->vm);
	atomic_store(&vcpu->tid, gettid());
	vcpu_time_begin(&vcpu->time);
	if (r == 0)
		r = run_loop(vcpu);
	vcpu_time_end(&vcpu->time);
	atomic_store(&vcpu->tid, 0);
	if (r < 0) {
		snprintf(text, sizeof(text), "vCPU %u: KVM_RUN: %s", vcpu->index, strerror(-r));
		vm_end(vcpu->vm, VM_END_FAILED, text);
	}
	vm_thread_ended(vcpu->vm);
	return NULL;
}

int vcpu_make_thread(struct vcpu *vcpu)
{
	sigset_t all, old;
	int r;

	/* Only the kick reaches a vCPU's thread; everybody else's signals go elsewhere. */
	sigfillset(&all);
	sigdelset(&all, KICK_SIGNAL);
	sigdelset(&all, SIGSEGV);
	sigdelset(&all, SIGBUS);
	sigdelset(&all, SIGSYS);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	pthread_mutex_lock(&vcpu->vm->lock);
	r = -pthread_create(&vcpu->thread, NULL, thread_main, vcpu);
	vcpu->has_thread = r == 0;
	pthread_mutex_unlock(&vcpu->vm->lock);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (r < 0)
		return because(r, "cannot start vCPU %u: %s", vcpu->index, strerror(-r));
	return 0;
}
