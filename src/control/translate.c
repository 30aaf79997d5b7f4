/* SPDX-License-Identifier: Apache-2.0 */
/* The method translate: where a vCPU's address leads, and what is there. */
#include <ferry/error.h>
#include <ferry/machine.h>

#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>

#include "control/json.h"
#include "control/server.h"

#define LENGTH_DEFAULT 16
#define LENGTH_MAX     4096

static struct json_object *hex(const uint8_t *bytes, size_t len)
{
	static const char digits[] = "0123456789abcdef";
	char text[2 * LENGTH_MAX];

	for (size_t i = 0; i < len; i++) {
		text[2 * i] = digits[bytes[i] >> 4];
		text[2 * i + 1] = digits[bytes[i] & 15];
	}
	return json_object_new_string_len(text, (int)(2 * len));
}

/* Whom a vCPU's being inhibited meanwhile would hold up may be what is being saved. */
static int check(const struct control *control, int64_t vcpu, int64_t length)
{
	if (vcpu < 0 || vcpu > INT32_MAX)
		return because(-EINVAL, "vcpu is a vCPU's number, not %lld", (long long)vcpu);
	if (length < 0 || length > LENGTH_MAX)
		return because(-EINVAL, "length is a number of bytes from 0 to %d", LENGTH_MAX);
	if (atomic_load(&control->guest.is_held))
		return because(-EBUSY, "the machine is being saved or moved: try again later");
	return 0;
}

int do_translate(void *self, struct json_object *params, struct json_object **ret_result)
{
	struct control *control = ((struct control_client *)self)->control;
	int64_t vcpu = json_object_get_int64(json_object_object_get(params, "vcpu"));
	uint64_t address = json_object_get_uint64(json_object_object_get(params, "address"));
	struct json_object *wanted = json_object_object_get(params, "length"), *result;
	int64_t length = wanted ? json_object_get_int64(wanted) : LENGTH_DEFAULT;
	uint8_t bytes[LENGTH_MAX];
	uint64_t physical;
	char text[32];
	int err = check(control, vcpu, length);

	if (!err)
		err = machine_read_virtual(control->machine, (uint32_t)vcpu, address, bytes,
					   (size_t)length, &physical);
	if (err)
		return err;
	snprintf(text, sizeof(text), "%#" PRIx64, physical);
	result = json_object_new_object();
	json_add(result, "physical", json_object_new_string(text));
	json_add(result, "bytes", hex(bytes, (size_t)length));
	*ret_result = result;
	return 0;
}
