/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Registers: everything that a VM consists of besides its memory, listed, read and written alike.
 */
#ifndef FERRY_REG_H
#define FERRY_REG_H

#include <stddef.h>
#include <stdint.h>

/*
 * The id has KVM's layout (api.rst 4.68, KVM_SET_ONE_REG), extended, so that KVM's ids are ferry's:
 *
 *   63..56  owner: KVM's architecture byte, or REG_OWNER_FERRY
 *   55..52  log2 of the size in bytes, 0 … 15
 *   51..48  zero
 *   47..40  bank, 39..32 field   (ids of REG_OWNER_FERRY only)
 *   31..0   number, as the governing specification numbers the thing
 */
#define REG_OWNER_X86   0x20ULL
#define REG_OWNER_ARM64 0x60ULL
#define REG_OWNER_FERRY 0xf0ULL

#define REG_SIZE_MAX 32768

#define REG_ID(bank, field, size_log2, number)                                                     \
	((REG_OWNER_FERRY << 56) | ((uint64_t)(size_log2) << 52) | ((uint64_t)(bank) << 40) |      \
	 ((uint64_t)(field) << 32) | (uint32_t)(number))

/* The mask that selects the owner and the bank of one of ferry's own ids. */
#define REG_BANK_MASK    0xff0fff0000000000ULL
#define REG_BANK(bank)   ((REG_OWNER_FERRY << 56) | ((uint64_t)(bank) << 40))
#define REG_ID_BANK(id)  ((unsigned)((id) >> 40) & 0xff)
#define REG_ID_FIELD(id) ((unsigned)((id) >> 32) & 0xff)
#define REG_ID_NUMBER(id) ((uint32_t)(id))

/* Bank numbers. They stand in snapshots and streams: a number is never used for anything else. */
enum reg_bank_number {
	REG_BANK_CPUID = 0x10,
	REG_BANK_CPU = 0x11,
	REG_BANK_IRQCHIP = 0x12,
	REG_BANK_CLOCK = 0x13,
	REG_BANK_VCPU = 0x14,
	REG_BANK_TSC = 0x15,
	REG_BANK_VM = 0x18,
	REG_BANK_MEMORY = 0x19,
	REG_BANK_SERIAL = 0x20,
	REG_BANK_RTC = 0x21,
	REG_BANK_ACPI = 0x22,
	REG_BANK_PVPANIC = 0x23,
	REG_BANK_PCI = 0x28,
	REG_BANK_MSIX = 0x29,
	REG_BANK_XEN_PLATFORM = 0x2a,
	REG_BANK_VIRTIO = 0x30,
	REG_BANK_PL031 = 0x38,
	REG_BANK_PL061 = 0x39,
	REG_BANK_GIC_DIST = 0x3a,
	REG_BANK_GIC_CPU = 0x3b,
	REG_BANK_GIC_ITS = 0x3c,
	REG_BANK_SP805 = 0x3d,
	REG_BANK_XEN = 0x40,
	REG_BANK_XEN_VCPU = 0x41,
	REG_BANK_XEN_PAGES = 0x42,
	REG_BANK_XEN_GRANT = 0x44,
	REG_BANK_XEN_STORE = 0x45,
	REG_BANK_XEN_BUS = 0x46,
	REG_BANK_HYPERV = 0x48,
	REG_BANK_HYPERV_VP = 0x49,
	REG_BANK_SDEI = 0x50,
	REG_BANK_SDEI_SHARED = 0x51,
};

/* A register is named by (vcpu, id); REG_VM stands for the whole VM. */
#define REG_VM UINT32_MAX

struct reg_key {
	uint32_t vcpu;
	uint64_t id;
};

static inline size_t reg_size(uint64_t id)
{
	return (size_t)1 << ((id >> 52) & 0xf);
}

enum reg_flags {
	REG_TIME = 1 << 0, /* advances by itself: two reads of an idle VM may differ */
	/*
	 * What the guest is told of its CPU and firmware: fixed once it has run, the same on all
	 * vCPUs, and zero where a host does not know it.
	 */
	REG_PROMISE = 1 << 1,
};

struct reg_entry {
	struct reg_key key;
	unsigned flags; /* enum reg_flags */
};

/* A list owns its entries. A zeroed list is an empty one. */
struct reg_list {
	struct reg_entry *entries;
	size_t count;
	size_t capacity;
};

/* Appends. -ENOMEM. */
int reg_list_add(struct reg_list *list, uint32_t vcpu, uint64_t id, unsigned flags);
void reg_list_finish(struct reg_list *list);

struct reg_file;

/*
 * All registers of the VM, in the order in which they are restored, appended to *list (which the
 * caller finishes). The VM must be paused, or not yet started. -ENOMEM, or a bank's failure.
 */
int reg_file_list(struct reg_file *file, struct reg_list *list);

/*
 * Reads or writes one register of reg_size(key.id) bytes. The VM must be paused or not yet started.
 *   -ENOENT  no such register
 *   -EINVAL  not a value that it can hold (set)
 *   -EBUSY   fixed since the VM first ran (set)
 *   -ENODEV  it says what its device is, and that is another one here (set); so are the device's others
 * and what the host's kernel reports.
 */
int reg_file_get(struct reg_file *file, struct reg_key key, void *val);
int reg_file_set(struct reg_file *file, struct reg_key key, const void *val);

/* A register, and the reg_size(key.id) bytes that its value is read into or written from. */
struct reg_value {
	struct reg_key key;
	void *value;
};

/*
 * Reads or writes several in turn, until one fails: the same as one by one, and faster where the
 * kernel takes many at once. *ret_done, always set, is how many went well; the error is the next
 * one's.
 */
int reg_file_get_many(struct reg_file *file, const struct reg_value *values, size_t count,
		      size_t *ret_done);
int reg_file_set_many(struct reg_file *file, const struct reg_value *values, size_t count,
		      size_t *ret_done);

/*
 * The name by which people know the register ("msr.IA32_EFER", "serial.ier"), at most size - 1
 * bytes; a bank without names gives "bank.0x…". -ENOENT.
 */
int reg_file_name(struct reg_file *file, struct reg_key key, char *name, size_t size);

#endif
