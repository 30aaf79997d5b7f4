/* SPDX-License-Identifier: Apache-2.0 */
/* A VM with a PCI host, and the accesses that a guest would make. */
#ifndef TESTS_DEV_PCI_PCI_FIXTURE_H
#define TESTS_DEV_PCI_PCI_FIXTURE_H

#include <string.h>

#include <abi/pci.h>
#include <ferry/error.h>

#include "base/util.h"
#include "check_main.h"
#include "dev/pci/pci.h"
#include "need_kvm.h"
#include "vm/vm.h"

#define ECAM   0xe0000000ULL
#define MMIO32 0xc0000000ULL
#define MMIO64 0x4000000000ULL
#define RAM    (4 * MIB)

struct pci_fixture {
	struct vm *vm;
	struct pci_host *host;
};

static inline void pci_fixture_init(struct pci_fixture *f)
{
	static const struct vm_options vm = { .name = "test", .vcpus = 1 };
	static const struct pci_options pci = {
		.ecam = ECAM,
		.mmio32 = MMIO32,
		.mmio32_size = 16 * MIB,
		.mmio64 = MMIO64,
		.mmio64_size = GIB,
		.config_ports = true,
	};

	ck_assert_int_eq(vm_create(&vm, &f->vm), 0);
	ck_assert_int_eq(mem_map_ram(vm_mem(f->vm), "ram", 0, RAM, 0), 0);
	ck_assert_int_eq(pci_host_create(f->vm, &pci, &f->host), 0);
}

static inline void pci_fixture_finish(struct pci_fixture *f)
{
	pci_host_destroy(f->host);
	vm_destroy(f->vm);
}

static inline uint64_t mmio_read(struct vm *vm, uint64_t address, unsigned len)
{
	uint64_t value = 0;

	bus_read(vm_mmio(vm), address, &value, len);
	return value;
}

static inline void mmio_write(struct vm *vm, uint64_t address, uint64_t value, unsigned len)
{
	bus_write(vm_mmio(vm), address, &value, len);
}

static inline uint32_t config_read(struct vm *vm, unsigned slot, unsigned reg, unsigned len)
{
	return (uint32_t)mmio_read(vm, ECAM + (slot << 15) + reg, len);
}

static inline void config_write(struct vm *vm, unsigned slot, unsigned reg, uint32_t value,
				unsigned len)
{
	mmio_write(vm, ECAM + (slot << 15) + reg, value, len);
}

/* The next capability with that id after the offset (0: the first); 0 when there is none. */
static inline unsigned find_capability(struct vm *vm, unsigned slot, uint8_t id, unsigned after)
{
	unsigned at = config_read(vm, slot, after ? after + 1 : PCI_CAPABILITIES, 1);

	while (at && config_read(vm, slot, at, 1) != id)
		at = config_read(vm, slot, at + 1, 1);
	return at;
}

/* Every register as it is now, one after the other. The caller frees. */
static inline uint8_t *save_registers(struct vm *vm, struct reg_list *list, size_t *ret_size)
{
	uint8_t *bytes;
	size_t size = 0;

	ck_assert_int_eq(reg_file_list(vm_regs(vm), list), 0);
	for (size_t i = 0; i < list->count; i++)
		size += reg_size(list->entries[i].key.id);
	bytes = malloc(size);
	size = 0;
	for (size_t i = 0; i < list->count; i++) {
		struct reg_key key = list->entries[i].key;

		ck_assert_int_eq(reg_file_get(vm_regs(vm), key, bytes + size), 0);
		size += reg_size(key.id);
	}
	*ret_size = size;
	return bytes;
}

/* Writes them into another VM (or back), and checks that it then lists the same bytes. */
static inline void restore_registers(struct vm *vm, const struct reg_list *list,
				     const uint8_t *bytes, size_t size)
{
	struct reg_list again = { 0 };
	size_t at = 0, again_size;
	uint8_t *back;

	for (size_t i = 0; i < list->count; i++) {
		struct reg_key key = list->entries[i].key;
		char name[96];

		ck_assert_int_eq(reg_file_name(vm_regs(vm), key, name, sizeof(name)), 0);
		ck_assert_msg(reg_file_set(vm_regs(vm), key, bytes + at) == 0, "%s: %s", name,
			      error_text(0));
		at += reg_size(key.id);
	}
	back = save_registers(vm, &again, &again_size);
	ck_assert_uint_eq(again_size, size);
	ck_assert_mem_eq(back, bytes, size);
	reg_list_finish(&again);
	free(back);
}

/* The register of that name, for tests that want one. */
static inline struct reg_key register_named(struct vm *vm, const char *wanted)
{
	struct reg_list list = { 0 };
	struct reg_key key = { 0 };
	char name[96];

	ck_assert_int_eq(reg_file_list(vm_regs(vm), &list), 0);
	for (size_t i = 0; i < list.count && !key.id; i++) {
		reg_file_name(vm_regs(vm), list.entries[i].key, name, sizeof(name));
		if (strcmp(name, wanted) == 0)
			key = list.entries[i].key;
	}
	reg_list_finish(&list);
	ck_assert_msg(key.id, "no register is named %s", wanted);
	return key;
}

#endif
