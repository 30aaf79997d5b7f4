/* SPDX-License-Identifier: Apache-2.0 */
/* The method hyperv-inhibit: whose TLB is not to be flushed, and who waits because of it. */
#include <ferry/error.h>
#include <ferry/machine.h>
#include <ferry/vm.h>

#include <errno.h>
#include <json-c/json.h>

#include "control/json.h"
#include "control/server.h"

static struct json_object *vcpu_object(const struct machine_hyperv_vcpu *state)
{
	struct json_object *object = json_object_new_object();

	json_add(object, "inhibited", json_object_new_boolean(state->is_inhibited));
	if (state->waits)
		json_add(object, "waits_on", json_object_new_int64(state->waits_on));
	return object;
}

static int describe(struct machine *machine, struct json_object **ret_result)
{
	struct json_object *result = json_object_new_object(), *vcpus = json_object_new_array();
	const char *engine = machine_hyperv_engine_name(machine);
	struct machine_hyperv_vcpu state;
	int err = 0;

	for (uint32_t i = 0; i < vm_vcpus(machine_vm(machine)) && !err; i++) {
		err = machine_hyperv_vcpu(machine, i, &state);
		if (!err)
			json_append(vcpus, vcpu_object(&state));
	}
	if (engine)
		json_add(result, "engine", json_object_new_string(engine));
	json_add(result, "vcpus", vcpus);
	if (err)
		json_object_put(result);
	else
		*ret_result = result;
	return err;
}

/* A guest that is held has been read already: what changed now would stay behind. */
static int inhibit(struct control *control, struct json_object *vcpu, struct json_object *on)
{
	int64_t index = json_object_get_int64(vcpu);

	if (!vcpu || !on)
		return because(-EINVAL, "vcpu and on belong together");
	if (index < 0 || index > INT32_MAX)
		return because(-EINVAL, "vcpu is a vCPU's number, not %lld", (long long)index);
	if (atomic_load(&control->guest.is_held))
		return because(-EBUSY, "the machine is being saved or moved: try again later");
	return machine_hyperv_inhibit(control->machine, (uint32_t)index,
				      json_object_get_boolean(on));
}

int do_hyperv_inhibit(void *self, struct json_object *params, struct json_object **ret_result)
{
	struct control *control = ((struct control_client *)self)->control;
	struct json_object *vcpu = json_object_object_get(params, "vcpu");
	struct json_object *on = json_object_object_get(params, "on");
	int err = vcpu || on ? inhibit(control, vcpu, on) : 0;

	return err ? err : describe(control->machine, ret_result);
}
