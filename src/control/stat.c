/* SPDX-License-Identifier: Apache-2.0 */
/* The method stat: what a VM's vCPUs have done with their time so far. */
#include <ferry/error.h>
#include <ferry/machine.h>
#include <ferry/vm.h>

#include <json-c/json.h>

#include "base/clock.h"
#include "control/json.h"
#include "control/server.h"
#include "vm/stat.h"

static void add_ns(struct json_object *object, const char *key, uint64_t ns)
{
	json_add(object, key, json_object_new_uint64(ns));
}

static struct json_object *times_object(const struct vcpu_stat *stat)
{
	struct json_object *times = json_object_new_object();

	for (unsigned i = 0; i < VCPU_TIMES; i++)
		add_ns(times, vcpu_time_name(i), stat->time_ns[i]);
	return times;
}

/* Those that there were, by name. */
static struct json_object *exits_object(const struct vcpu_stat *stat)
{
	struct json_object *exits = json_object_new_object();

	for (uint32_t i = 0; i < VCPU_EXIT_REASONS; i++) {
		const char *name = vcpu_exit_name(i);

		if (stat->exits[i])
			json_add(exits, name ? name : "unnamed",
				 json_object_new_uint64(stat->exits[i]));
	}
	return exits;
}

struct kvm_objects {
	struct json_object *counts, *states;
};

static void add_kvm_stat(void *self, const struct vm_kvm_stat *stat)
{
	struct kvm_objects *objects = self;
	struct json_object *to = stat->is_cumulative ? objects->counts : objects->states, *array;

	if (stat->count == 1) {
		json_add(to, stat->name, json_object_new_uint64(stat->values[0]));
		return;
	}
	array = json_object_new_array();
	for (size_t i = 0; i < stat->count; i++)
		json_append(array, json_object_new_uint64(stat->values[i]));
	json_add(to, stat->name, array);
}

/* "kvm" only grows; "kvm_now" are states, peaks and histograms. */
static int add_kvm(struct vm *vm, uint32_t vcpu, struct json_object *to)
{
	struct kvm_objects objects = {
		json_add(to, "kvm", json_object_new_object()),
		json_add(to, "kvm_now", json_object_new_object()), };

	return vm_stat_kvm(vm, vcpu, add_kvm_stat, &objects);
}

static struct json_object *vcpu_object(struct vm *vm, uint32_t vcpu)
{
	struct json_object *object = json_object_new_object();
	struct vcpu_stat stat;

	vm_stat_vcpu(vm, vcpu, &stat);
	json_add(object, "cpu", json_object_new_int64(vcpu));
	json_add(object, "time_ns", times_object(&stat));
	json_add(object, "exits", exits_object(&stat));
	if (stat.has_halts) {
		add_ns(object, "halt_wait_ns", stat.halt_wait_ns);
		add_ns(object, "halt_poll_ns", stat.halt_poll_ns);
	}
	if (stat.has_task) {
		add_ns(object, "user_ns", stat.task.user);
		add_ns(object, "system_ns", stat.task.system);
		add_ns(object, "guest_ns", stat.task.guest);
		add_ns(object, "cpu_ns", stat.task.cpu);
		add_ns(object, "delay_ns", stat.task.delay);
	}
	return object;
}

int do_stat(void *self, struct json_object *params, struct json_object **ret_result)
{
	const struct control *control = ((struct control_client *)self)->control;
	struct vm *vm = machine_vm(control->machine);
	bool kvm = json_object_get_boolean(json_object_object_get(params, "kvm"));
	struct json_object *result = json_object_new_object();
	struct json_object *cpus = json_add(result, "cpus", json_object_new_array());
	int err = 0;

	json_add(result, "name", json_object_new_string(control->name));
	add_ns(result, "time_ns", clock_now());
	for (uint32_t i = 0; i < vm_vcpus(vm) && !err; i++) {
		struct json_object *object = vcpu_object(vm, i);

		if (kvm)
			err = add_kvm(vm, i, object);
		json_append(cpus, object);
	}
	if (!err && kvm)
		err = add_kvm(vm, VM_STAT_VM, result);
	if (err)
		json_object_put(result);
	else
		*ret_result = result;
	return err;
}
