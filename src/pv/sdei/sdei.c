/* SPDX-License-Identifier: Apache-2.0 */
/* SDEI on vCPUs: calls come in, events are delivered. */
#include "pv/sdei/impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <ferry/error.h>

#include "arch/arm64/regs.h"
#include "arch/arm64/traps.h"
#include "base/util.h"
#include "kvm/kvm_arm64.h"
#include "vm/vm.h"

/* DEN0022 5.1: it is of 32 bits only */
#define PSCI_CPU_OFF 0x84000002U

static void failed(struct vcpu *vcpu, int r)
{
	if (r < 0)
		vm_end(vcpu->vm, VM_END_FAILED, "sdei: a vCPU's registers cannot be had");
}

void sdei_wake(struct sdei *sdei, uint32_t whom, const struct vcpu *self)
{
	for (uint32_t i = 0; i < sdei->vm->vcpu_count; i++) {
		struct vcpu *vcpu = &sdei->vm->vcpus[i];

		if (vcpu != self && (whom == i || whom == SDEI_EVERYONE))
			vcpu_request(vcpu, VCPU_REQUEST_WORK);
	}
}

static void deliver(void *self, struct vcpu *vcpu)
{
	const struct sdei_handler *handler;
	struct sdei_context *context;
	struct sdei *sdei = self;
	int r = 0;

	pthread_mutex_lock(&sdei->lock);
	handler = sdei_next(&sdei->model, vcpu->index, &context);
	if (handler)
		r = sdei_enter(vcpu, handler, context);
	pthread_mutex_unlock(&sdei->lock);
	failed(vcpu, r);
}

static int read_args(struct vcpu *vcpu, struct sdei_call *call)
{
	unsigned count = sdei_call_args(call->function);
	int r = 0;

	for (unsigned i = 0; i < count && r == 0; i++)
		r = kvm_get_one_reg(vcpu->fd, ARM64_ID_X(1 + i), &call->args[i]);
	return r;
}

static int answer(struct vcpu *vcpu, int64_t result)
{
	return kvm_set_one_reg(vcpu->fd, ARM64_ID_X(0), &result);
}

static int complete(struct sdei *sdei, struct vcpu *vcpu, const struct sdei_call *call)
{
	bool resume = call->function == SDEI_EVENT_COMPLETE_AND_RESUME;
	struct sdei_context context;
	int64_t result;
	uint32_t whom;

	pthread_mutex_lock(&sdei->lock);
	result = sdei_complete(&sdei->model, vcpu->index, resume, call->args[0], &context, &whom);
	pthread_mutex_unlock(&sdei->lock);
	sdei_wake(sdei, whom, vcpu);
	if (result != SDEI_SUCCESS)
		return answer(vcpu, result);
	return sdei_leave(vcpu, &context, resume, call->args[0]);
}

static int serve(struct sdei *sdei, struct vcpu *vcpu, const struct sdei_call *call)
{
	int64_t result;
	uint32_t whom;

	pthread_mutex_lock(&sdei->lock);
	result = sdei_call(&sdei->model, vcpu->index, call, &whom);
	pthread_mutex_unlock(&sdei->lock);
	sdei_wake(sdei, whom, vcpu);
	return answer(vcpu, result);
}

static void called(void *self, struct vcpu *vcpu, uint32_t function)
{
	struct sdei_call call = { .function = function };
	struct sdei *sdei = self;
	int r = read_args(vcpu, &call);

	if (r == 0 && (function == SDEI_EVENT_COMPLETE || function == SDEI_EVENT_COMPLETE_AND_RESUME))
		r = complete(sdei, vcpu, &call);
	else if (r == 0)
		r = serve(sdei, vcpu, &call);
	failed(vcpu, r);
	deliver(sdei, vcpu);
}

/* KVM would do it without telling: what it does is to stop the vCPU until another's CPU_ON. */
static void called_cpu_off(void *self, struct vcpu *vcpu, uint32_t function)
{
	struct kvm_mp_state stopped = { .mp_state = KVM_MP_STATE_STOPPED };
	struct sdei *sdei = self;

	(void)function;
	pthread_mutex_lock(&sdei->lock);
	sdei_pe_off(&sdei->model, vcpu->index);
	pthread_mutex_unlock(&sdei->lock);
	failed(vcpu, kvm_set_mp_state(vcpu->fd, &stopped));
}

int sdei_inject(struct sdei *sdei, uint32_t event, uint32_t vcpu)
{
	const struct sdei_event_info *info = sdei_event(event);
	uint32_t whom = SDEI_NOBODY;
	bool latched;

	if (!info)
		return because(-ENOENT, "there is no SDEI event %#x", event);
	if (vcpu >= sdei->vm->vcpu_count)
		return because(-EINVAL, "there is no vCPU %u", vcpu);
	pthread_mutex_lock(&sdei->lock);
	latched = sdei_trigger(&sdei->model, info, vcpu, &whom);
	pthread_mutex_unlock(&sdei->lock);
	sdei_wake(sdei, whom, NULL);
	return latched ? 0 : because(-ENXIO, "the guest has not registered SDEI event %#x", event);
}

/* A device's interrupt that the guest has bound comes as an event, and to nobody else. */
static bool take_interrupt(void *self, uint32_t spi)
{
	const struct sdei_event_info *info;
	struct sdei *sdei = self;
	uint32_t whom = SDEI_NOBODY;

	pthread_mutex_lock(&sdei->lock);
	info = sdei_bound(&sdei->model, FIRST_SPI + spi);
	if (info)
		sdei_trigger(&sdei->model, info, 0, &whom);
	pthread_mutex_unlock(&sdei->lock);
	sdei_wake(sdei, whom, NULL);
	return info != NULL;
}

static int make_pes(struct sdei *sdei)
{
	struct vm *vm = sdei->vm;

	sdei->model.pes = calloc(vm->vcpu_count, sizeof(*sdei->model.pes));
	if (!sdei->model.pes)
		return -ENOMEM;
	sdei->model.pe_count = vm->vcpu_count;
	for (uint32_t i = 0; i < vm->vcpu_count; i++)
		sdei->model.pes[i].mpidr = vm->vcpus[i].arch.mpidr & ARM64_MPIDR_AFFINITY;
	return 0;
}

int sdei_create(struct vm *vm, uint32_t interrupts, struct sdei **ret_sdei)
{
	struct sdei *sdei = calloc(1, sizeof(*sdei));
	int r;

	if (!sdei)
		return -ENOMEM;
	sdei->vm = vm;
	sdei->model.interrupts = interrupts;
	pthread_mutex_init(&sdei->lock, NULL);
	r = make_pes(sdei);
	if (r == 0)
		r = arm64_smccc_trap_add(vm, SDEI_FUNCTIONS, SDEI_FUNCTION_COUNT, called, sdei);
	if (r == 0)
		r = arm64_smccc_trap_add(vm, PSCI_CPU_OFF, 1, called_cpu_off, sdei);
	if (r == 0)
		r = vm_work_add(vm, deliver, sdei);
	if (r < 0)
		goto fail;
	irq_pulse_divert(vm, take_interrupt, sdei);
	*ret_sdei = sdei;
	return 0;
fail:
	sdei_destroy(sdei);
	return r;
}

void sdei_destroy(struct sdei *sdei)
{
	if (!sdei)
		return;
	free(sdei->model.pes);
	pthread_mutex_destroy(&sdei->lock);
	free(sdei);
}
