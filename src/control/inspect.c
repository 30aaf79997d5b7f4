/* SPDX-License-Identifier: Apache-2.0 */
/* Reads all registers of a VM and spells them out. */
#include "control/inspect.h"

#include <ferry/error.h>
#include <ferry/vm.h>

#include <errno.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "control/rpc.h"

#define NAME_MAX_BYTES 128

/* Matching costs the paused guest time that grows with the length. */
#define PATTERN_MAX 256

struct inspect_value {
	size_t at; /* in bytes */
	int err;   /* -errno of the reading */
};

static void name_of(struct reg_file *file, struct reg_key key, char *name, size_t size)
{
	if (reg_file_name(file, key, name, size) != 0)
		snprintf(name, size, "%#" PRIx64, key.id);
}

/* Leaves only what matches, in the same order. */
static void filter(struct inspect *inspect, const char *pattern)
{
	struct reg_list *list = &inspect->list;
	char name[NAME_MAX_BYTES];
	size_t kept = 0;

	for (size_t i = 0; i < list->count; i++) {
		name_of(inspect->file, list->entries[i].key, name, sizeof(name));
		if (fnmatch(pattern, name, 0) == 0)
			list->entries[kept++] = list->entries[i];
	}
	list->count = kept;
}

static int make_room(struct inspect *inspect)
{
	size_t total = 0;

	for (size_t i = 0; i < inspect->list.count; i++)
		total += reg_size(inspect->list.entries[i].key.id);
	inspect->values = calloc(inspect->list.count + 1, sizeof(*inspect->values));
	inspect->bytes = malloc(total + 1);
	inspect->bytes_room = total;
	return inspect->values && inspect->bytes ? 0 : -ENOMEM;
}

/* The VM is paused. */
static int read_all(struct inspect *inspect, const char *pattern)
{
	int err = reg_file_list(inspect->file, &inspect->list);

	if (!err && pattern)
		filter(inspect, pattern);
	if (!err)
		err = make_room(inspect);
	if (err)
		return err;
	for (size_t i = 0; i < inspect->list.count; i++) {
		struct reg_key key = inspect->list.entries[i].key;
		struct inspect_value *value = &inspect->values[i];

		value->at = inspect->bytes_used;
		value->err = reg_file_get(inspect->file, key, inspect->bytes + value->at);
		inspect->bytes_used += reg_size(key.id);
	}
	return 0;
}

int inspect_create(struct vm *vm, const char *pattern, struct inspect **ret_inspect)
{
	struct inspect *inspect = calloc(1, sizeof(*inspect));
	int err;

	if (!inspect)
		return because(-ENOMEM, "out of memory");
	inspect->file = vm_regs(vm);
	vm_pause(vm);
	if (pattern && strlen(pattern) > PATTERN_MAX)
		err = because(-EINVAL, "a pattern of more than %d bytes", PATTERN_MAX);
	else
		err = read_all(inspect, pattern);
	vm_resume(vm);
	if (err) {
		inspect_destroy(inspect);
		return err;
	}
	*ret_inspect = inspect;
	return 0;
}

void inspect_destroy(struct inspect *inspect)
{
	if (!inspect)
		return;
	reg_list_finish(&inspect->list);
	free(inspect->values);
	free(inspect->bytes);
	free(inspect);
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

/* Takes nothing; NULL: no memory. */
static struct json_object *describe(struct inspect *inspect, size_t index)
{
	const struct reg_entry *entry = &inspect->list.entries[index];
	const struct inspect_value *value = &inspect->values[index];
	struct json_object *params = json_object_new_object();
	size_t size = reg_size(entry->key.id);
	AUTO_FREE char *text = malloc(2 * size + 3);
	char name[NAME_MAX_BYTES], id[32];

	if (!text)
		return NULL;
	name_of(inspect->file, entry->key, name, sizeof(name));
	snprintf(id, sizeof(id), "%#018" PRIx64, entry->key.id);
	json_object_object_add(params, "name", json_object_new_string(name));
	json_object_object_add(params, "id", json_object_new_string(id));
	json_object_object_add(
		params, "vcpu",
		entry->key.vcpu == REG_VM ? NULL : json_object_new_int64((int64_t)entry->key.vcpu));
	json_object_object_add(params, "size", json_object_new_int64((int64_t)size));
	if (value->err) {
		json_object_object_add(params, "error",
				       json_object_new_string(strerror(-value->err)));
	} else {
		spell(inspect->bytes + value->at, size, text);
		json_object_object_add(params, "value", json_object_new_string(text));
	}
	return params;
}

int inspect_next(struct inspect *inspect, char **ret_line)
{
	struct json_object *params;
	char *line;

	if (inspect->next == inspect->list.count) {
		*ret_line = NULL;
		return 0;
	}
	params = describe(inspect, inspect->next++);
	line = params ? rpc_notification("register", params) : NULL;
	if (!line)
		return -ENOMEM;
	*ret_line = line;
	return 0;
}
