/* SPDX-License-Identifier: Apache-2.0 */
/* Puts a Hyper-V together: what is promised, who keeps it, and CPUID. */
#include "pv/hyperv/hyperv.h"

#include <errno.h>
#include <stdlib.h>

#include <ferry/error.h>

#include "arch/x86/ident.h"
#include "base/log.h"
#include "base/util.h"
#include "kvm/kvm_x86.h"
#include "pv/hyperv/impl.h"
#include "vm/vm.h"

/* What Windows Server 2016 ran on: 10.0.14393. Nobody decides anything by it. */
#define VERSION_BUILD 14393
#define VERSION_MAJOR 10

/* So many VPs and processors a guest may expect, at the least. */
#define LIMIT_MIN 64

void hyperv_take_rights(struct hyperv *hv)
{
	const struct hyperv_promise *promise = &hv->promise;

	hv->rights = (struct hcall_rights){
		.features_b = promise->features.ebx,
		.features_d = promise->features.edx,
		.hints_a = promise->hints.eax,
		.spin_wait = promise->hints.ebx != HV_HINT_B_NEVER_NOTIFY,
	};
}

static struct kvm_cpuid_entry2 entry(uint32_t function, const struct hyperv_leaf *leaf)
{
	return (struct kvm_cpuid_entry2){ .function = function, .eax = leaf->eax, .ebx = leaf->ebx,
					  .ecx = leaf->ecx, .edx = leaf->edx };
}

/* KVM's own leaves must go: Linux takes the hypervisor whose leaves come last. */
static int tell(const struct hyperv *hv)
{
	uint32_t limit = (uint32_t)max_u64(hv->vm->vcpu_count, LIMIT_MIN);
	const struct kvm_cpuid_entry2 leaves[] = {
		{ .function = HV_CPUID_VENDOR, .eax = HV_CPUID_LIMITS, .ebx = HV_VENDOR_EBX,
		  .ecx = HV_VENDOR_ECX, .edx = HV_VENDOR_EDX },
		{ .function = HV_CPUID_INTERFACE, .eax = HV_INTERFACE_EAX },
		{ .function = HV_CPUID_VERSION, .eax = VERSION_BUILD, .ebx = VERSION_MAJOR << 16 },
		entry(HV_CPUID_FEATURES, &hv->promise.features),
		entry(HV_CPUID_HINTS, &hv->promise.hints),
		{ .function = HV_CPUID_LIMITS, .eax = limit, .ebx = limit },
	};
	int r = 0;

	for (uint32_t i = 0; i < hv->vm->vcpu_count && r == 0; i++)
		r = x86_cpuid_replace(&hv->vm->vcpus[i], HV_CPUID_VENDOR, HV_CPUID_LAST, leaves,
				      ARRAY_SIZE(leaves));
	return r;
}

static int init_locks(struct hyperv *hv)
{
	pthread_condattr_t attr;

	pthread_mutex_init(&hv->lock, NULL);
	pthread_mutex_init(&hv->msr_lock, NULL);
	pthread_mutex_init(&hv->synic_lock, NULL);
	pthread_mutex_init(&hv->port_lock, NULL);
	pthread_mutex_init(&hv->takeover_lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&hv->changed, &attr);
	pthread_condattr_destroy(&attr);
	hv->vps = calloc(hv->vm->vcpu_count, sizeof(*hv->vps));
	if (!hv->vps)
		return -ENOMEM;
	for (uint32_t i = 0; i < hv->vm->vcpu_count; i++) {
		hv->vps[i].waits_on = HYPERV_NOBODY;
		hv->vps[i].due = UINT64_MAX;
		hyperv_synic_init(&hv->vps[i].synic);
	}
	return 0;
}

static struct hyperv_promise common(const struct hyperv_promise *a, const struct hyperv_promise *b)
{
	return (struct hyperv_promise){
		.features = { a->features.eax & b->features.eax, a->features.ebx & b->features.ebx,
			      a->features.ecx & b->features.ecx, a->features.edx & b->features.edx },
		.hints = { a->hints.eax & b->hints.eax, HV_HINT_B_NEVER_NOTIFY, 0, 0 },
	};
}

/* KVM's, where it has all that is wanted. */
static int choose_kernel(struct hyperv *hv, uint32_t set)
{
	struct hyperv_promise all = hyperv_features_all(HYPERV_ENGINE_KERNEL), offer = { 0 };
	int r = hyperv_kernel_offer(hv->vm, &offer);

	if (r == 0)
		r = hyperv_features_check(set, &offer, "this host's KVM has not got it");
	if (r < 0)
		return r;
	hv->offer = common(&all, &offer);
	hv->engine = HYPERV_ENGINE_KERNEL;
	return 0;
}

static int choose_portable(struct hyperv *hv, uint32_t set)
{
	int r = hyperv_features_check_portable(set);

	if (r < 0)
		return r;
	hv->offer = hyperv_features_all(HYPERV_ENGINE_PORTABLE);
	hv->engine = HYPERV_ENGINE_PORTABLE;
	return 0;
}

static int choose_engine(struct hyperv *hv, enum hyperv_engine engine, uint32_t set)
{
	if (engine == HYPERV_ENGINE_KERNEL)
		return choose_kernel(hv, set);
	if (engine == HYPERV_ENGINE_AUTO && choose_kernel(hv, set) == 0)
		return 0;
	error_clear();
	return choose_portable(hv, set);
}

static int choose(struct hyperv *hv, const struct hyperv_options *options)
{
	uint32_t set, spinlocks;
	char text[256];
	int r = hyperv_features_parse(options->features, &set, &spinlocks, text, sizeof(text));

	if (r < 0)
		return r;
	if (text[0])
		log_write(vm_log(hv->vm), LOG_LEVEL_INFO, "hyperv: needed as well: %s", text);
	r = choose_engine(hv, options->engine, set);
	if (r < 0)
		return r;
	hyperv_features_names(set, spinlocks, text, sizeof(text));
	log_write(vm_log(hv->vm), LOG_LEVEL_INFO, "hyperv: %s engine, %s",
		  hv->engine == HYPERV_ENGINE_KERNEL ? "kernel" : "portable", text);
	hv->promise = hyperv_features_promise(set, spinlocks);
	hyperv_take_rights(hv);
	return 0;
}

int hyperv_create(struct vm *vm, const struct hyperv_options *options, struct hyperv **ret_hv)
{
	struct hyperv *hv = calloc(1, sizeof(*hv));
	int r;

	if (!hv)
		return -ENOMEM;
	hv->vm = vm;
	r = init_locks(hv);
	if (r == 0)
		r = choose(hv, options);
	if (r == 0)
		r = tell(hv);
	if (r == 0 && hv->engine == HYPERV_ENGINE_KERNEL)
		r = hyperv_kernel_init(hv);
	if (r == 0)
		r = hyperv_msr_init(hv);
	if (r == 0)
		r = hyperv_call_init(hv);
	if (r < 0) {
		hyperv_destroy(hv);
		return r;
	}
	*ret_hv = hv;
	return 0;
}

void hyperv_destroy(struct hyperv *hv)
{
	if (!hv)
		return;
	hyperv_stimer_finish(hv);
	pthread_cond_destroy(&hv->changed);
	pthread_mutex_destroy(&hv->takeover_lock);
	pthread_mutex_destroy(&hv->port_lock);
	pthread_mutex_destroy(&hv->synic_lock);
	pthread_mutex_destroy(&hv->msr_lock);
	pthread_mutex_destroy(&hv->lock);
	free(hv->ports);
	free(hv->vps);
	free(hv);
}

enum hyperv_engine hyperv_engine_of(const struct hyperv *hv)
{
	return hv->engine;
}
