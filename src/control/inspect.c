/* SPDX-License-Identifier: Apache-2.0 */
/* Reads all registers of a VM or of a snapshot and spells them out. */
#include "control/inspect.h"

#include <ferry/error.h>
#include <ferry/reg.h>
#include <ferry/vm.h>

#include <errno.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "control/json.h"
#include "migrate/snapshot.h"

#define NAME_MAX_BYTES 96

/* Matching costs the paused guest time that grows with the length. */
#define PATTERN_MAX 256

/* Names, values: where they begin in bytes. */
struct item {
	struct reg_key key;
	size_t name_at, value_at;
	int err; /* -errno of the reading */
};

struct inspect {
	const char *pattern; /* the caller's, while it is made */
	struct item *items;
	size_t count, room;
	struct buffer bytes;
	size_t next;
};

static int grow(struct inspect *inspect)
{
	size_t room = inspect->room ? 2 * inspect->room : 256;
	struct item *items;

	if (inspect->count < inspect->room)
		return 0;
	items = reallocarray(inspect->items, room, sizeof(*items));
	if (!items)
		return because(-ENOMEM, "out of memory");
	inspect->items = items;
	inspect->room = room;
	return 0;
}

/* One register, if its name matches. value NULL: it could not be read, because of err. */
static int add(struct inspect *inspect, struct reg_key key, const char *name, const void *value,
	       int err)
{
	struct item item = { .key = key, .err = err };
	int r;

	if (inspect->pattern && fnmatch(inspect->pattern, name, 0) != 0)
		return 0;
	r = grow(inspect);
	item.name_at = inspect->bytes.size;
	if (!r)
		r = buffer_add(&inspect->bytes, name, strlen(name) + 1);
	item.value_at = inspect->bytes.size;
	if (!r && value)
		r = buffer_add(&inspect->bytes, value, reg_size(key.id));
	if (!r)
		inspect->items[inspect->count++] = item;
	return r;
}

/* The VM is paused. */
static int read_all(struct inspect *inspect, struct reg_file *file)
{
	struct reg_list list = { 0 };
	uint8_t value[REG_SIZE_MAX] __attribute__((aligned(16)));
	char name[NAME_MAX_BYTES];
	int err = reg_file_list(file, &list);

	for (size_t i = 0; i < list.count && !err; i++) {
		struct reg_key key = list.entries[i].key;
		int failed;

		if (reg_file_name(file, key, name, sizeof(name)) != 0)
			snprintf(name, sizeof(name), "%#" PRIx64, key.id);
		if (inspect->pattern && fnmatch(inspect->pattern, name, 0) != 0)
			continue;
		failed = reg_file_get(file, key, value);
		err = add(inspect, key, name, failed ? NULL : value, failed);
	}
	reg_list_finish(&list);
	return err;
}

/* Names stand in the order of the registers, as a rule. */
static int read_snapshot(struct inspect *inspect, const struct snapshot *snapshot)
{
	struct state_entry entry;
	char name[NAME_MAX_BYTES];
	size_t at = 0, name_at = 0;
	int r, err;

	while ((r = state_next(&snapshot->state, &at, &entry)) > 0) {
		state_name_next(&snapshot->names, &name_at, entry.key, name, sizeof(name));
		err = add(inspect, entry.key, name, entry.value, 0);
		if (err)
			return err;
	}
	return r;
}

static struct inspect *create(const char *pattern)
{
	struct inspect *inspect = calloc(1, sizeof(*inspect));

	if (inspect)
		inspect->pattern = pattern;
	return inspect;
}

static int check(const struct inspect *inspect)
{
	if (!inspect)
		return because(-ENOMEM, "out of memory");
	if (inspect->pattern && strlen(inspect->pattern) > PATTERN_MAX)
		return because(-EINVAL, "a pattern of more than %d bytes", PATTERN_MAX);
	return 0;
}

static int finish(struct inspect *inspect, int err, struct inspect **ret_inspect)
{
	if (err) {
		inspect_destroy(inspect);
		return err;
	}
	inspect->pattern = NULL;
	*ret_inspect = inspect;
	return 0;
}

int inspect_create(struct vm *vm, const char *pattern, struct inspect **ret_inspect)
{
	struct inspect *inspect = create(pattern);
	int err = check(inspect);

	if (!err) {
		vm_pause(vm);
		err = read_all(inspect, vm_regs(vm));
		vm_resume(vm);
	}
	return finish(inspect, err, ret_inspect);
}

int inspect_create_snapshot(const struct snapshot *snapshot, const char *pattern,
			    struct inspect **ret_inspect)
{
	struct inspect *inspect = create(pattern);
	int err = check(inspect);

	if (!err)
		err = read_snapshot(inspect, snapshot);
	return finish(inspect, err, ret_inspect);
}

void inspect_destroy(struct inspect *inspect)
{
	if (!inspect)
		return;
	free(inspect->items);
	buffer_finish(&inspect->bytes);
	free(inspect);
}

size_t inspect_count(const struct inspect *inspect)
{
	return inspect->count;
}

/* Up to 8 bytes: the number; more: every byte in the order of memory. */
static void spell(const uint8_t *bytes, size_t size, char *text)
{
	static const char digits[] = "0123456789abcdef";
	bool number = size <= 8;

	if (number) {
		*text++ = '0';
		*text++ = 'x';
	}
	for (size_t i = 0; i < size; i++) {
		uint8_t byte = bytes[number ? size - 1 - i : i];

		*text++ = digits[byte >> 4];
		*text++ = digits[byte & 0xf];
	}
	*text = '\0';
}

/* NULL: no memory. */
static struct json_object *describe(const struct inspect *inspect, const struct item *item)
{
	struct json_object *params = json_object_new_object();
	size_t size = reg_size(item->key.id);
	AUTO_FREE char *text = malloc(2 * size + 3);
	const uint8_t *bytes = inspect->bytes.data;
	char id[32];

	if (!text)
		return NULL;
	snprintf(id, sizeof(id), "%#018" PRIx64, item->key.id);
	json_add(params, "name", json_object_new_string((const char *)bytes + item->name_at));
	json_add(params, "id", json_object_new_string(id));
	json_add(params, "vcpu",
		 item->key.vcpu == REG_VM ? NULL : json_object_new_int64((int64_t)item->key.vcpu));
	json_add(params, "size", json_object_new_int64((int64_t)size));
	if (item->err) {
		json_add(params, "error", json_object_new_string(strerror(-item->err)));
	} else {
		spell(bytes + item->value_at, size, text);
		json_add(params, "value", json_object_new_string(text));
	}
	return params;
}

int inspect_next(struct inspect *inspect, struct json_object **ret_params)
{
	if (inspect->next == inspect->count)
		return 0;
	*ret_params = describe(inspect, &inspect->items[inspect->next++]);
	return *ret_params ? 1 : -ENOMEM;
}
