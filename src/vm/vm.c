/* SPDX-License-Identifier: Apache-2.0 */
/* A VM's life: create, start, pause, resume, end. */
#include "vm/vm.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <ferry/error.h>

#include "vm/gate.h"
#include "vm/stat.h"

static void trace_after(void *self, const char *name, long arg, int result)
{
	const struct vm *vm = self;

	vm->trace_kvm(vm->trace_self, name, arg, result);
}

void vm_adopt_thread(struct vm *vm)
{
	kvm_hook_set(vm->traced ? &vm->hook : NULL);
}

int vm_begin_thread(struct vm *vm, enum vm_thread thread)
{
	vm_adopt_thread(vm);
	return vm->begin_thread ? vm->begin_thread(vm->thread_self, thread) : 0;
}

static int open_kvm(struct vm *vm)
{
	int version;

	vm->kvm_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (vm->kvm_fd < 0 && errno == ENOENT)
		return because(-ENOENT,
			       "/dev/kvm is not there: load kvm_intel or kvm_amd, or switch on "
			       "virtualization in the firmware (ferry doctor tells more)");
	if (vm->kvm_fd < 0 && errno == EACCES)
		return because(-EACCES,
			       "no permission to open /dev/kvm: become a member of the group kvm");
	if (vm->kvm_fd < 0)
		return because(-errno, "cannot open /dev/kvm: %s", strerror(errno));
	version = kvm_get_api_version(vm->kvm_fd);
	if (version != KVM_API_VERSION)
		return because(-EOPNOTSUPP, "/dev/kvm speaks API version %d, not %d", version,
			       KVM_API_VERSION);
	return 0;
}

static int check_caps(const struct vm *vm, uint32_t vcpus)
{
	const struct kvm_caps *caps = &vm->caps;

	if (!caps->immediate_exit || !caps->irqfd || !caps->ioeventfd)
		return because(-EOPNOTSUPP, "this kernel's KVM is too old: ferry needs Linux 5.10");
	if (vcpus < 1 || vcpus > (uint32_t)caps->max_vcpus)
		return because(-EINVAL, "%u vCPUs: this host's KVM runs 1 to %d", vcpus,
			       caps->max_vcpus);
	return 0;
}

static int create_vcpus(struct vm *vm, uint32_t count)
{
	vm->vcpus = calloc(count, sizeof(*vm->vcpus));
	if (!vm->vcpus)
		return -ENOMEM;
	for (uint32_t i = 0; i < count; i++) {
		int r = vcpu_init(&vm->vcpus[i], vm, i);

		vm->vcpu_count = i + 1;
		if (r < 0)
			return r;
	}
	return 0;
}

static int stop_for_mem(void *self)
{
	vm_gate_close(self);
	return 0;
}

static void go_for_mem(void *self)
{
	vm_gate_open(self);
}

static int make_memory(struct vm *vm, const struct vm_options *options)
{
	const struct mem_options mem = {
		.name = vm->name,
		.hugepage_size = options->hugepage_size,
		.prealloc = options->prealloc,
		.unplugged = true,
	};
	const struct mem_guard guard = { .stop = stop_for_mem, .go = go_for_mem, .self = vm };
	int r = mem_init(&vm->mem, vm->fd, (uint32_t)vm->caps.nr_memslots, &mem);

	if (r < 0)
		return r;
	vm->mem.guard = guard;
	if (options->map_memory)
		r = options->map_memory(options->map_self, &vm->mem);
	return r < 0 ? r : mem_plug(&vm->mem);
}

static int create_kvm_parts(struct vm *vm, const struct vm_options *options)
{
	int r;

	r = open_kvm(vm);
	if (r < 0)
		return r;
	do /* a signal or the ring's work for this thread: nothing was made */
		vm->fd = kvm_create_vm(vm->kvm_fd, arch_vm_type(vm->kvm_fd));
	while (vm->fd == -EINTR);
	if (vm->fd < 0)
		return because(vm->fd, "KVM_CREATE_VM: %s", strerror(-vm->fd));
	kvm_caps_read(vm->fd, &vm->caps);
	r = check_caps(vm, options->vcpus);
	if (r == 0)
		r = make_memory(vm, options);
	if (r == 0)
		r = arch_vm_init(vm, options->cpu);
	if (r == 0)
		r = irq_routes_init(vm);
	if (r == 0)
		r = create_vcpus(vm, options->vcpus);
	return r;
}

int vm_create(const struct vm_options *options, struct vm **ret_vm)
{
	struct vm *vm = calloc(1, sizeof(*vm));
	int r = -ENOMEM;

	if (!vm)
		return -ENOMEM;
	vm->kvm_fd = -1;
	vm->fd = -1;
	vm->kvm_stats.fd = -1;
	vm->log = options->log;
	vm->trace_kvm = options->trace_kvm;
	vm->trace_self = options->trace_self;
	vm->begin_thread = options->begin_thread;
	vm->thread_self = options->thread_self;
	vm->tasks = open("/proc/self/task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	vm->traced = options->trace_kvm != NULL;
	vm->hook = (struct kvm_hook){ .after = trace_after, .self = vm };
	pthread_mutex_init(&vm->lock, NULL);
	pthread_cond_init(&vm->changed, NULL);
	reg_file_init(&vm->regs, options->vcpus);
	vm_adopt_thread(vm);
	vm->name = strdup(options->name ? options->name : "ferry");
	if (!vm->name)
		goto fail;
	bus_init(&vm->pio, "ports");
	bus_init(&vm->mmio, "MMIO");
	r = loop_create(&vm->loop);
	if (r == 0)
		r = create_kvm_parts(vm, options);
	if (r < 0)
		goto fail;
	*ret_vm = vm;
	return 0;
fail:
	vm_destroy(vm);
	return r;
}

void vm_stop(struct vm *vm)
{
	if (!vm)
		return;
	for (uint32_t i = 0; i < vm->vcpu_count; i++)
		if (vm->vcpus[i].has_thread)
			vcpu_request(&vm->vcpus[i], VCPU_REQUEST_STOP);
	pthread_mutex_lock(&vm->lock);
	vm->pauses = 0;
	pthread_cond_broadcast(&vm->changed);
	pthread_mutex_unlock(&vm->lock);
	for (uint32_t i = 0; i < vm->vcpu_count; i++) {
		if (vm->vcpus[i].has_thread)
			pthread_join(vm->vcpus[i].thread, NULL);
		vm->vcpus[i].has_thread = false;
	}
}

static void close_fds(struct vm *vm)
{
	kvm_stats_finish(&vm->kvm_stats);
	if (vm->fd >= 0)
		close(vm->fd);
	if (vm->kvm_fd >= 0)
		close(vm->kvm_fd);
	if (vm->tasks >= 0)
		close(vm->tasks);
}

void vm_destroy(struct vm *vm)
{
	if (!vm)
		return;
	vm_stop(vm);
	for (uint32_t i = 0; i < vm->vcpu_count; i++)
		vcpu_finish(&vm->vcpus[i]);
	free(vm->vcpus);
	irq_routes_finish(vm);
	arch_vm_finish(vm);
	reg_file_finish(&vm->regs);
	bus_finish(&vm->pio);
	bus_finish(&vm->mmio);
	if (vm->loop)
		loop_timer_disarm(vm->loop, &vm->throttle.period);
	loop_destroy(vm->loop);
	mem_finish(&vm->mem);
	close_fds(vm);
	pthread_cond_destroy(&vm->changed);
	pthread_mutex_destroy(&vm->lock);
	kvm_hook_set(NULL);
	free(vm->end_text);
	free(vm->name);
	free(vm);
}

int vm_make_threads(struct vm *vm)
{
	int r = 0;

	for (uint32_t i = 0; i < vm->vcpu_count && r == 0; i++) {
		if (vm->vcpus[i].has_thread)
			continue;
		pthread_mutex_lock(&vm->lock);
		vm->threads++;
		pthread_mutex_unlock(&vm->lock);
		r = vcpu_make_thread(&vm->vcpus[i]);
		if (r < 0)
			vm_thread_ended(vm);
	}
	if (r < 0)
		vm_stop(vm);
	return r;
}

int vm_start(struct vm *vm)
{
	int r = vm_make_threads(vm);

	if (r < 0)
		return r;
	vm_stat_begin(vm);
	pthread_mutex_lock(&vm->lock);
	vm->has_run = true;
	pthread_cond_broadcast(&vm->changed);
	pthread_mutex_unlock(&vm->lock);
	return 0;
}

void vm_thread_ended(struct vm *vm)
{
	struct vcpu *vcpu = vcpu_current();

	pthread_mutex_lock(&vm->lock);
	if (vcpu)
		vcpu->is_parked = true; /* for good */
	vm->threads--;
	pthread_cond_broadcast(&vm->changed);
	pthread_mutex_unlock(&vm->lock);
}

/* vm->lock held. Who is told to stop goes and does. */
static bool shall_park(const struct vm *vm, const struct vcpu *vcpu)
{
	bool stops = atomic_load(&vcpu->requests) & VCPU_REQUEST_STOP;

	return vm->pauses || vcpu->claims || (!vm->has_run && !stops);
}

void vm_park(struct vm *vm)
{
	struct vcpu *vcpu = vcpu_current();

	pthread_mutex_lock(&vm->lock);
	vm->parked++;
	vcpu->is_parked = true;
	pthread_cond_broadcast(&vm->changed);
	while (shall_park(vm, vcpu))
		pthread_cond_wait(&vm->changed, &vm->lock);
	vcpu->is_parked = false;
	vm->parked--;
	pthread_mutex_unlock(&vm->lock);
}

void vm_pause(struct vm *vm)
{
	pthread_mutex_lock(&vm->lock);
	if (vm->pauses++ == 0) {
		/* Who is still on its way out of an earlier pause is asked again. */
		for (uint32_t i = 0; i < vm->vcpu_count; i++)
			vcpu_request(&vm->vcpus[i], VCPU_REQUEST_PAUSE);
	}
	while (vm->parked < vm->threads)
		pthread_cond_wait(&vm->changed, &vm->lock);
	pthread_mutex_unlock(&vm->lock);
}

void vm_resume(struct vm *vm)
{
	pthread_mutex_lock(&vm->lock);
	if (vm->pauses && --vm->pauses == 0)
		pthread_cond_broadcast(&vm->changed);
	pthread_mutex_unlock(&vm->lock);
}

bool vm_is_paused(const struct vm *vm)
{
	struct vm *locked = (struct vm *)vm;
	bool paused;

	pthread_mutex_lock(&locked->lock);
	paused = vm->pauses != 0;
	pthread_mutex_unlock(&locked->lock);
	return paused;
}

void vm_end(struct vm *vm, enum vm_end why, const char *text)
{
	pthread_mutex_lock(&vm->lock);
	if (vm->end == VM_END_NONE) {
		vm->end_text = text ? strdup(text) : NULL;
		vm->end = why;
	}
	pthread_mutex_unlock(&vm->lock);
	for (uint32_t i = 0; i < vm->vcpu_count; i++)
		if (vm->vcpus[i].run)
			vcpu_request(&vm->vcpus[i], VCPU_REQUEST_STOP);
	loop_stop(vm->loop);
}

enum vm_end vm_ended(const struct vm *vm)
{
	struct vm *locked = (struct vm *)vm;
	enum vm_end end;

	pthread_mutex_lock(&locked->lock);
	end = vm->end;
	pthread_mutex_unlock(&locked->lock);
	return end;
}

const char *vm_end_text(const struct vm *vm)
{
	return vm->end_text ? vm->end_text : "";
}

int vm_wait(struct vm *vm)
{
	int r = 0;

	while (r == 0 && vm_ended(vm) == VM_END_NONE)
		r = loop_run(vm->loop);
	return r;
}

struct mem *vm_mem(struct vm *vm)
{
	return &vm->mem;
}

struct bus *vm_pio(struct vm *vm)
{
	return &vm->pio;
}

struct bus *vm_mmio(struct vm *vm)
{
	return &vm->mmio;
}

struct loop *vm_loop(struct vm *vm)
{
	return vm->loop;
}

struct reg_file *vm_regs(struct vm *vm)
{
	return &vm->regs;
}

uint32_t vm_vcpus(const struct vm *vm)
{
	return vm->vcpu_count;
}

const struct log *vm_log(const struct vm *vm)
{
	return &vm->log;
}
