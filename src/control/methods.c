/* SPDX-License-Identifier: Apache-2.0 */
/* What can be asked of a running VM. */
#include <ferry/error.h>
#include <ferry/machine.h>
#include <ferry/vm.h>

#include <errno.h>
#include <json-c/json.h>
#include <time.h>
#include <unistd.h>

#include "base/util.h"
#include "control/json.h"
#include "control/migration.h"
#include "control/server.h"

static struct vm *vm_of(void *self)
{
	return machine_vm(((struct control_client *)self)->control->machine);
}

static const char *state_of(const struct control *control)
{
	const struct control_guest *guest = &control->guest;
	struct vm *vm = machine_vm(control->machine);

	if (vm_ended(vm) != VM_END_NONE)
		return "ended";
	if (control->doubt)
		return "in-doubt";
	if (control->migration && !control->migrating)
		return "broken";
	if (atomic_load(&guest->is_absent))
		return "incoming";
	/* What the engine holds for a moment does not count. */
	if (atomic_load(&guest->is_held))
		return vm_is_suspended(vm) ? "paused" : "running";
	return vm_is_paused(vm) ? "paused" : "running";
}

static double seconds_since(uint64_t started)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return ((double)now.tv_sec * 1e9 + (double)now.tv_nsec - (double)started) / 1e9;
}

static struct json_object *state_object(const struct control *control)
{
	struct json_object *object = json_object_new_object();

	json_add(object, "state", json_object_new_string(state_of(control)));
	return object;
}

/* What the guest has now. */
static uint64_t memory_of(const struct control *control)
{
	struct machine_memory memory;

	return machine_memory(control->machine, &memory) == 0 ? memory.plugged : control->memory;
}

void control_arrival(struct control *control,
		     bool (*progress)(void *self, struct migrate_progress *ret_progress), void *self)
{
	control->arrival = progress;
	control->arrival_self = self;
}

static void add_arrival(const struct control *control, struct json_object *status)
{
	struct migrate_progress progress;

	if (control->arrival && control->arrival(control->arrival_self, &progress))
		json_add(status, "arrival", migration_describe_arrival(&progress));
}

static int do_status(void *self, struct json_object *params, struct json_object **ret_result)
{
	const struct control *control = ((struct control_client *)self)->control;
	struct json_object *status = json_object_new_object();
	double uptime = seconds_since(control->started);

	(void)params;
	json_add(status, "name", json_object_new_string(control->name));
	if (control->future_name)
		json_add(status, "becomes", json_object_new_string(control->future_name));
	json_add(status, "pid", json_object_new_int(getpid()));
	json_add(status, "state", json_object_new_string(state_of(control)));
	json_add(status, "cpus", json_object_new_int64(vm_vcpus(vm_of(self))));
	json_add(status, "memory", json_object_new_uint64(memory_of(control)));
	json_add(status, "uptime", json_object_new_int64((int64_t)uptime));
	json_add(status, "version", json_object_new_string(FERRY_VERSION));
	if (control->migration)
		json_add(status, "migration", migration_describe(control->migration));
	add_arrival(control, status);
	if (control_check_whole(control))
		json_add(status, "whole", json_object_new_boolean(false));
	if (control_check_broken(control) || control_check_whole(control))
		json_add(status, "advice", json_object_new_string(error_text(-EBUSY)));
	if (control->doubt)
		json_add(status, "doubt", json_object_new_string(control->doubt));
	if (control->doubt)
		json_add(status, "advice", json_object_new_string(control->advice));
	*ret_result = status;
	return 0;
}

static int do_pause(void *self, struct json_object *params, struct json_object **ret_result)
{
	struct control *control = ((struct control_client *)self)->control;
	int err = control_check_broken(control);

	(void)params;
	if (!err)
		err = control_guest_suspend(&control->guest, true);
	if (!err)
		*ret_result = state_object(control);
	return err;
}

/* Somebody has found out that the guest runs nowhere else, and answers for it. */
static int settle_doubt(struct control *control)
{
	const struct migrate_guest *guest = &control->guest.ops;
	int err;

	if (control->doubt_release == MACHINE_ARRIVED)
		err = guest->arrive(guest->self);
	else
		err = guest->retake(guest->self);
	if (!err && control->doubt_release == MACHINE_GO_ON)
		err = guest->go_on(guest->self);
	if (!err) {
		free(control->doubt);
		control->doubt = NULL;
		heir_take_name(control);
	}
	return err;
}

static int do_resume(void *self, struct json_object *params, struct json_object **ret_result)
{
	struct control *control = ((struct control_client *)self)->control;
	bool force = json_object_get_boolean(json_object_object_get(params, "force"));
	int err = control_check_broken(control);

	if (err && !force)
		return err;
	if (err)
		err = control_settle_broken(control);
	else if (!control->doubt)
		err = control_guest_suspend(&control->guest, false);
	else if (force)
		err = settle_doubt(control);
	else
		err = because(-EBUSY, "%s: %s", control->doubt, control->advice);
	if (!err)
		*ret_result = state_object(control);
	return err;
}

static int do_stop(void *self, struct json_object *params, struct json_object **ret_result)
{
	(void)params;
	vm_end(vm_of(self), VM_END_STOPPED, "by the control socket");
	*ret_result = state_object(((struct control_client *)self)->control);
	return 0;
}

static int do_power_button(void *self, struct json_object *params, struct json_object **ret_result)
{
	struct control *control = ((struct control_client *)self)->control;

	(void)params;
	machine_power_button(control->machine);
	*ret_result = state_object(control);
	return 0;
}

/* vcpu: 0 without; of a shared event it says nothing. */
static int do_sdei_inject(void *self, struct json_object *params, struct json_object **ret_result)
{
	struct control *control = ((struct control_client *)self)->control;
	int64_t event = json_object_get_int64(json_object_object_get(params, "event"));
	int64_t vcpu = json_object_get_int64(json_object_object_get(params, "vcpu"));
	int err;

	if (event < 0 || event > UINT32_MAX || vcpu < 0 || vcpu > UINT32_MAX)
		return because(-EINVAL, "event and vcpu are numbers of 32 bits");
	err = machine_sdei_inject(control->machine, (uint32_t)event, (uint32_t)vcpu);
	if (err)
		return err;
	*ret_result = json_object_new_object();
	return 0;
}

static int do_balloon(void *self, struct json_object *params, struct json_object **ret_result)
{
	struct control *control = ((struct control_client *)self)->control;
	struct json_object *value = json_object_object_get(params, "target");
	int64_t target = json_object_get_int64(value);
	int err;

	if (target < 0)
		return because(-EINVAL, "target is a number of bytes, not %lld", (long long)target);
	err = machine_balloon(control->machine, (uint64_t)target);
	if (err == -ENODEV)
		return because(err, "%s has no balloon: start it with --balloon", control->name);
	if (err)
		return err;
	*ret_result = json_object_new_object();
	json_add(*ret_result, "target", json_object_new_int64(target));
	return 0;
}

static int request_memory(struct machine *machine, struct json_object *value)
{
	int64_t size = json_object_get_int64(value);

	if (size < 0)
		return because(-EINVAL, "size is a number of bytes, not %lld", (long long)size);
	return machine_memory_request(machine, (uint64_t)size);
}

static int do_memory(void *self, struct json_object *params, struct json_object **ret_result)
{
	struct control *control = ((struct control_client *)self)->control;
	struct json_object *size = json_object_object_get(params, "size");
	struct machine_memory memory;
	int err = size ? request_memory(control->machine, size) : 0;

	if (!err)
		err = machine_memory(control->machine, &memory);
	if (err == -ENODEV)
		return because(err, "the memory of %s cannot change: start it with --memory "
			       "SIZE,max=SIZE", control->name);
	if (err)
		return err;
	*ret_result = json_object_new_object();
	json_add(*ret_result, "requested", json_object_new_uint64(memory.requested));
	json_add(*ret_result, "plugged", json_object_new_uint64(memory.plugged));
	json_add(*ret_result, "min", json_object_new_uint64(memory.min));
	json_add(*ret_result, "max", json_object_new_uint64(memory.max));
	return 0;
}

static int do_inspect(void *self, struct json_object *params, struct json_object **ret_result)
{
	struct control_client *client = self;
	struct json_object *pattern = json_object_object_get(params, "pattern");
	int err = inspect_stream_create(vm_of(self),
					pattern ? json_object_get_string(pattern) : NULL,
					&client->stream);

	(void)ret_result;
	return err ? err : RPC_STREAM;
}

static int do_version(void *self, struct json_object *params, struct json_object **ret_result)
{
	(void)self;
	(void)params;
	*ret_result = json_object_new_object();
	json_add(*ret_result, "version", json_object_new_string(FERRY_VERSION));
	return 0;
}

const struct rpc_method control_methods[] = {
	{ .name = "status", .call = do_status },
	{ .name = "pause", .call = do_pause },
	{ .name = "resume",
	  .params = { { "force", json_type_boolean, false } },
	  .call = do_resume },
	{ .name = "stop", .call = do_stop },
	{ .name = "power-button", .call = do_power_button },
	{ .name = "balloon", .params = { { "target", json_type_int, true } }, .call = do_balloon },
	{ .name = "sdei-inject",
	  .params = { { "event", json_type_int, true }, { "vcpu", json_type_int, false } },
	  .call = do_sdei_inject },
	{ .name = "memory", .params = { { "size", json_type_int, false } }, .call = do_memory },
	{ .name = "hyperv-inhibit",
	  .params = { { "vcpu", json_type_int, false }, { "on", json_type_boolean, false } },
	  .call = do_hyperv_inhibit },
	{ .name = "translate",
	  .params = { { "vcpu", json_type_int, true },
		      { "address", json_type_int, true },
		      { "length", json_type_int, false } },
	  .call = do_translate },
	{ .name = "inspect",
	  .streams = true,
	  .params = { { "pattern", json_type_string, false } },
	  .call = do_inspect },
	{ .name = "migrate",
	  .streams = true,
	  .params = { { "uri", json_type_string, true },
		      { "connections", json_type_int, false },
		      { "compress", json_type_int, false },
		      { "bandwidth", json_type_int, false },
		      { "downtime_ms", json_type_int, false },
		      { "throttle", json_type_boolean, false },
		      { "postcopy", json_type_boolean, false },
		      { "copy_memory", json_type_boolean, false },
		      { "copy_disks", json_type_boolean, false },
		      { "tls", json_type_string, false },
		      { "insecure_plaintext", json_type_boolean, false } },
	  .call = do_migrate },
	{ .name = "migrate-ready", .call = do_migrate_ready },
	{ .name = "migrate-cancel", .call = do_migrate_cancel },
	{ .name = "migrate-postcopy", .call = do_migrate_postcopy },
	{ .name = "migrate-recover",
	  .streams = true,
	  .params = { { "uri", json_type_string, false } },
	  .call = do_migrate_recover },
	{ .name = "snapshot",
	  .streams = true,
	  .params = { { "dir", json_type_string, true } },
	  .call = do_snapshot },
	{ .name = "stat", .params = { { "kvm", json_type_boolean, false } }, .call = do_stat },
	{ .name = "version", .call = do_version },
};
const size_t control_method_count = ARRAY_SIZE(control_methods);
