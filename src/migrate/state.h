/* SPDX-License-Identifier: Apache-2.0 */
/* All registers of a VM as the bytes of records, and back: STREAM.md, section 5. */
#ifndef MIGRATE_STATE_H
#define MIGRATE_STATE_H

#include <stddef.h>
#include <stdint.h>

#include <ferry/reg.h>

/* Bytes that grow. A zeroed one is empty. */
struct buffer {
	uint8_t *data;
	size_t size, room;
};

/* Appends; -ENOMEM. */
int buffer_add(struct buffer *buffer, const void *data, size_t size);
void buffer_finish(struct buffer *buffer);

/* What a destination has against a VM, every reason of it. A zeroed one has none. */
struct verdict {
	unsigned refusals;
	struct buffer strangers; /* the things that are others here, each between two dots */
	struct buffer text; /* one line a refusal, each with its newline; a NUL behind it */
};

/* Adds a refusal; past a bound only the count grows. */
void verdict_refuse(struct verdict *verdict, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* All lines of it, "" when there are none. */
const char *verdict_text(const struct verdict *verdict);
void verdict_finish(struct verdict *verdict);

/* One register as it stands in a record. */
struct state_entry {
	struct reg_key key;
	const uint8_t *value; /* reg_size(key.id) bytes */
};

/*
 * Reads every register in restore order and appends its entry to *ret_state. The VM stands still.
 * -ENOMEM, or a bank's failure with the register's name.
 */
int state_save(struct reg_file *regs, struct buffer *ret_state, uint64_t *ret_count);

/* The names that belong to the entries, one for each (id, vCPU). -ENOMEM. */
int state_save_names(struct reg_file *regs, struct buffer *ret_names);

/*
 * The entry at *at, which moves behind it. 1: there is one; 0: the end; -EBADMSG: cut off, or of a
 * size that its id does not have.
 */
int state_next(const struct buffer *state, size_t *at, struct state_entry *ret_entry);

/* The name of a register from a NAMES record's bytes, at most size - 1 bytes; its id when there is none. */
void state_name(const struct buffer *names, struct reg_key key, char *name, size_t size);
/*
 * The same for who asks for one register after the other in their order: *at, 0 at first, remembers
 * where the search ended.
 */
void state_name_next(const struct buffer *names, size_t *at, struct reg_key key, char *name,
		     size_t size);
/* -EBADMSG: not what state_save_names() makes. */
int state_check_names(const struct buffer *names);

/*
 * Writes every entry into a VM that has not run. What cannot be taken is refused in *verdict, each by
 * its name (from names, or its id), and the rest is written all the same. A register that nobody here
 * knows is left out if all its bytes are zero, as a register's reset value is. Another number of vCPUs is
 * one refusal, and so is a device that is another one here: its bank says -ENODEV to the register that
 * tells what it is ("pci.00:02.0.id"), and from then on nothing is told of registers with the same middle.
 * 0, -EBADMSG, -ENOMEM.
 */
int state_load(struct reg_file *regs, const struct buffer *state, const struct buffer *names,
	       struct verdict *verdict);

/*
 * The same in two steps, for who compares or fills memory between them: the registers that say
 * where memory is, and all others.
 */
int state_load_shape(struct reg_file *regs, const struct buffer *state, const struct buffer *names,
		     struct verdict *verdict);
int state_load_rest(struct reg_file *regs, const struct buffer *state, const struct buffer *names,
		    struct verdict *verdict);

/* The payload of a MACHINE record: -EBADMSG if it is no printable text; else a NUL is put behind it. */
int state_check_machine(struct buffer *machine);

#endif
