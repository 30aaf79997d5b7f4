/* SPDX-License-Identifier: Apache-2.0 */
/* Iterates registers, and knows none of them. */
#include "migrate/state.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ferry/error.h>

#include "base/cleanup.h"
#include "base/util.h"
#include "reg/reg_file.h"
#include "migrate/record.h"

/* An entry: id, vCPU, size, then the value. A name: id, vCPU, length, then the name. */
#define ENTRY_HEADER 16
#define NAME_MAX_LEN 95

#define VERDICT_LINES_MAX 200

int buffer_add(struct buffer *buffer, const void *data, size_t size)
{
	if (size > buffer->room - buffer->size) {
		size_t room = max_u64(2 * buffer->room, align_up(buffer->size + size, 4096));
		uint8_t *grown = realloc(buffer->data, room);

		if (!grown)
			return because(-ENOMEM, "out of memory");
		buffer->data = grown;
		buffer->room = room;
	}
	if (size)
		memcpy(buffer->data + buffer->size, data, size);
	buffer->size += size;
	return 0;
}

void buffer_finish(struct buffer *buffer)
{
	free(buffer->data);
	*buffer = (struct buffer){ 0 };
}

void verdict_refuse(struct verdict *verdict, const char *fmt, ...)
{
	char line[512];
	va_list args;
	int len;

	if (verdict->refusals++ >= VERDICT_LINES_MAX)
		return;
	va_start(args, fmt);
	len = vsnprintf(line, sizeof(line) - 1, fmt, args);
	va_end(args);
	if (len < 0)
		return;
	len = (int)min_u64((uint64_t)len, sizeof(line) - 3);
	line[len++] = '\n';
	line[len++] = '\0';
	if (buffer_add(&verdict->text, line, (size_t)len) == 0)
		verdict->text.size--; /* the next line takes the NUL's place */
}

const char *verdict_text(const struct verdict *verdict)
{
	return verdict->text.size ? (const char *)verdict->text.data : "";
}

void verdict_finish(struct verdict *verdict)
{
	buffer_finish(&verdict->text);
	buffer_finish(&verdict->strangers);
	verdict->refusals = 0;
}

static int add_header(struct buffer *buffer, struct reg_key key, uint32_t size)
{
	uint8_t header[ENTRY_HEADER];

	put_u64(header, key.id);
	put_u32(header + 8, key.vcpu);
	put_u32(header + 12, size);
	return buffer_add(buffer, header, sizeof(header));
}

/* Registers that are read or written at once, and their values, aligned as banks expect. */
#define BATCH_MAX  256
#define BATCH_SIZE (2UL * REG_SIZE_MAX)

struct batch {
	struct reg_value values[BATCH_MAX];
	size_t count, size;
	_Alignas(16) uint8_t bytes[BATCH_SIZE];
};

/* Room for the register's value; NULL when the batch is full. */
static void *batch_add(struct batch *batch, struct reg_key key)
{
	size_t size = align_up(reg_size(key.id), 16);
	void *value = batch->bytes + batch->size;

	if (batch->count == BATCH_MAX || size > BATCH_SIZE - batch->size)
		return NULL;
	batch->values[batch->count++] = (struct reg_value){ key, value };
	batch->size += size;
	return value;
}

static struct batch *batch_create(void)
{
	struct batch *batch = calloc(1, sizeof(*batch));

	if (!batch)
		because(-ENOMEM, "out of memory");
	return batch;
}

static int save_batch(struct reg_file *regs, struct batch *batch, struct buffer *state)
{
	char name[NAME_MAX_LEN + 1];
	size_t done;
	int err = reg_file_get_many(regs, batch->values, batch->count, &done);

	if (err) {
		reg_file_name(regs, batch->values[done].key, name, sizeof(name));
		return because_of(err, "register %s cannot be read", name);
	}
	for (size_t i = 0; i < batch->count && !err; i++) {
		const struct reg_value *value = &batch->values[i];
		size_t size = reg_size(value->key.id);

		err = add_header(state, value->key, (uint32_t)size);
		if (!err)
			err = buffer_add(state, value->value, size);
	}
	batch->count = batch->size = 0;
	return err;
}

static int save_list(struct reg_file *regs, const struct reg_list *list, struct buffer *state)
{
	AUTO_FREE struct batch *batch = batch_create();
	int err = batch ? 0 : -ENOMEM;

	for (size_t i = 0; i < list->count && !err; i++) {
		if (batch_add(batch, list->entries[i].key))
			continue;
		err = save_batch(regs, batch, state);
		batch_add(batch, list->entries[i].key);
	}
	return err ? err : save_batch(regs, batch, state);
}

int state_save(struct reg_file *regs, struct buffer *ret_state, uint64_t *ret_count)
{
	struct reg_list list = { 0 };
	struct buffer state = { 0 };
	int err = reg_file_list(regs, &list);

	if (!err)
		err = save_list(regs, &list, &state);
	*ret_count = list.count;
	reg_list_finish(&list);
	if (err) {
		buffer_finish(&state);
		return err;
	}
	buffer_finish(ret_state);
	*ret_state = state;
	return 0;
}

static int save_name(struct reg_file *regs, struct reg_key key, struct buffer *names)
{
	char name[NAME_MAX_LEN + 1];
	int err = reg_file_name(regs, key, name, sizeof(name));

	if (err)
		return err;
	err = add_header(names, key, (uint32_t)strlen(name));
	return err ? err : buffer_add(names, name, strlen(name));
}

int state_save_names(struct reg_file *regs, struct buffer *ret_names)
{
	struct reg_list list = { 0 };
	struct buffer names = { 0 };
	int err = reg_file_list(regs, &list);

	for (size_t i = 0; i < list.count && !err; i++)
		err = save_name(regs, list.entries[i].key, &names);
	reg_list_finish(&list);
	if (err) {
		buffer_finish(&names);
		return err;
	}
	buffer_finish(ret_names);
	*ret_names = names;
	return 0;
}

/* An entry or a name: its header, and where what follows it begins. */
static int next(const struct buffer *buffer, size_t *at, struct reg_key *ret_key,
		uint32_t *ret_size, const uint8_t **ret_data)
{
	const uint8_t *header;
	uint32_t size;

	*ret_key = (struct reg_key){ 0 };
	*ret_size = 0;
	*ret_data = NULL;
	if (*at == buffer->size)
		return 0;
	header = buffer->data + *at;
	if (buffer->size - *at < ENTRY_HEADER)
		return because(-EBADMSG, "the list of registers is cut off");
	size = get_u32(header + 12);
	if (size > buffer->size - *at - ENTRY_HEADER)
		return because(-EBADMSG, "the list of registers is cut off inside one");
	*ret_key = (struct reg_key){ .id = get_u64(header), .vcpu = get_u32(header + 8) };
	*ret_size = size;
	*ret_data = header + ENTRY_HEADER;
	*at += ENTRY_HEADER + size;
	return 1;
}

int state_next(const struct buffer *state, size_t *at, struct state_entry *ret_entry)
{
	struct state_entry entry;
	uint32_t size;
	int r = next(state, at, &entry.key, &size, &entry.value);

	*ret_entry = entry;
	if (r > 0 && size != reg_size(entry.key.id))
		return because(-EBADMSG, "register %#llx with %u bytes",
			       (unsigned long long)entry.key.id, size);
	return r;
}

int state_check_names(const struct buffer *names)
{
	struct reg_key key;
	const uint8_t *text;
	uint32_t len;
	size_t at = 0;
	int r;

	while ((r = next(names, &at, &key, &len, &text)) > 0)
		for (uint32_t i = 0; i < len; i++)
			if (len > NAME_MAX_LEN || text[i] <= ' ' || text[i] > '~')
				return because(-EBADMSG, "a register's name is no name");
	return r;
}

void state_name_next(const struct buffer *names, size_t *at, struct reg_key key, char *name,
		     size_t size)
{
	const size_t begins[] = { *at, 0 };
	struct reg_key found;
	const uint8_t *text = NULL;
	uint32_t len;

	for (size_t i = 0; i < ARRAY_SIZE(begins); i++) {
		size_t from = begins[i];

		while (next(names, &from, &found, &len, &text) > 0 && text) {
			if (found.id != key.id || found.vcpu != key.vcpu)
				continue;
			len = (uint32_t)min_u64(len, size - 1);
			memcpy(name, text, len);
			name[len] = '\0';
			*at = from;
			return;
		}
	}
	snprintf(name, size, "%#llx", (unsigned long long)key.id);
}

void state_name(const struct buffer *names, struct reg_key key, char *name, size_t size)
{
	size_t at = 0;

	state_name_next(names, &at, key, name, size);
}

static bool is_neutral(const struct reg_value *entry)
{
	const uint8_t *bytes = entry->value;

	for (size_t i = 0; i < reg_size(entry->key.id); i++)
		if (bytes[i])
			return false;
	return true;
}

/* From a register's name, "pci.00:02.0.id", what it is of: ".00:02.0." */
static size_t thing_of(char *name, const char **ret_thing)
{
	char *first = strchr(name, '.'), *last = strrchr(name, '.');

	*ret_thing = first;
	return first && last > first ? (size_t)(last - first) + 1 : 0;
}

static void add_stranger(struct verdict *verdict, char *name)
{
	const char *thing;
	size_t len = thing_of(name, &thing);

	if (!len)
		return;
	/* Behind each there is a newline, which no name has, and behind all a NUL. */
	if (verdict->strangers.size)
		verdict->strangers.size--;
	if (buffer_add(&verdict->strangers, thing, len) == 0)
		buffer_add(&verdict->strangers, "\n", 2);
}

static bool is_of_stranger(const struct verdict *verdict, const char *name)
{
	const char *at = verdict->strangers.size ? (const char *)verdict->strangers.data : "";
	const char *rest = strchr(name, '.');

	while (rest && *at) {
		size_t len = strcspn(at, "\n");

		if (strncmp(rest, at, len) == 0)
			return true;
		at += len + (at[len] == '\n');
	}
	return false;
}

static void refuse(struct verdict *verdict, const struct buffer *names,
		   const struct reg_value *entry, int err)
{
	char name[NAME_MAX_LEN + 1], vcpu[32] = "";

	/* Its name would not be shown, and is looked for in a list that may be an enemy's. */
	if (verdict->refusals >= VERDICT_LINES_MAX) {
		verdict->refusals++;
		return;
	}
	state_name(names, entry->key, name, sizeof(name));
	if (is_of_stranger(verdict, name))
		return;
	if (err == -ENODEV)
		add_stranger(verdict, name);
	if (entry->key.vcpu != REG_VM)
		snprintf(vcpu, sizeof(vcpu), " of vCPU %u", entry->key.vcpu);
	verdict_refuse(verdict, "register %s%s: %s", name, vcpu,
		       err == -ENOENT ? "there is none here, and its value matters" :
					error_text(err));
}

/* Empties the batch. */
static void load_batch(struct reg_file *regs, struct batch *batch, const struct buffer *names,
		       struct verdict *verdict)
{
	const struct reg_value *at = batch->values, *end = at + batch->count;
	size_t done;
	int err;

	while (at < end) {
		error_clear();
		err = reg_file_set_many(regs, at, (size_t)(end - at), &done);
		at += done;
		if (err && !(err == -ENOENT && is_neutral(at)))
			refuse(verdict, names, at, err);
		if (err)
			at++;
	}
	batch->count = batch->size = 0;
}

enum part {
	ALL,
	SHAPE,
	REST,
};

static bool is_of(enum part part, const struct reg_file *regs, struct reg_key key)
{
	return part == ALL || reg_file_shapes_memory(regs, key) == (part == SHAPE);
}

static bool is_of_missing_vcpu(const struct reg_file *regs, struct reg_key key)
{
	return key.vcpu != REG_VM && key.vcpu >= regs->vcpus;
}

/* One reason, not one for each register of a vCPU that only one side has. */
static int check_vcpus(const struct reg_file *regs, const struct buffer *state,
		       struct verdict *verdict)
{
	struct state_entry entry;
	uint32_t vcpus = 0;
	size_t at = 0;
	int r;

	while ((r = state_next(state, &at, &entry)) > 0)
		if (entry.key.vcpu != REG_VM && entry.key.vcpu >= vcpus)
			vcpus = entry.key.vcpu + 1;
	if (r == 0 && vcpus && vcpus != regs->vcpus)
		verdict_refuse(verdict, "vCPUs: %u there, %u here", vcpus, regs->vcpus);
	return r;
}

static int load(enum part part, struct reg_file *regs, const struct buffer *state,
		const struct buffer *names, struct verdict *verdict)
{
	AUTO_FREE struct batch *batch = batch_create();
	struct state_entry entry = { 0 };
	size_t at = 0;
	int r = batch ? 1 : -ENOMEM;

	if (r > 0 && part != SHAPE && check_vcpus(regs, state, verdict) != 0)
		return -EBADMSG;
	while (r > 0 && (r = state_next(state, &at, &entry)) > 0 && entry.value) {
		void *value;

		if (!is_of(part, regs, entry.key) || is_of_missing_vcpu(regs, entry.key))
			continue;
		value = batch_add(batch, entry.key);
		if (!value) {
			load_batch(regs, batch, names, verdict);
			value = batch_add(batch, entry.key);
		}
		memcpy(value, entry.value, reg_size(entry.key.id));
	}
	if (r >= 0)
		load_batch(regs, batch, names, verdict);
	return r;
}

int state_load(struct reg_file *regs, const struct buffer *state, const struct buffer *names,
	       struct verdict *verdict)
{
	return load(ALL, regs, state, names, verdict);
}

int state_load_shape(struct reg_file *regs, const struct buffer *state, const struct buffer *names,
		     struct verdict *verdict)
{
	return load(SHAPE, regs, state, names, verdict);
}

int state_load_rest(struct reg_file *regs, const struct buffer *state, const struct buffer *names,
		    struct verdict *verdict)
{
	return load(REST, regs, state, names, verdict);
}

int state_check_machine(struct buffer *machine)
{
	for (size_t i = 0; i < machine->size; i++) {
		uint8_t c = machine->data[i];

		if ((c < ' ' && c != '\n' && c != '\t') || c == 0x7f)
			return because(-EBADMSG, "the machine's description is no text");
	}
	return buffer_add(machine, "", 1);
}
