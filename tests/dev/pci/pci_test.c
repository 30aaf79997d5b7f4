/* SPDX-License-Identifier: Apache-2.0 */
/* The PCI host as a guest and as the register file see it. */
#include <errno.h>
#include <sys/eventfd.h>

#include <ferry/error.h>

#include "dev/pci/pci_fixture.h"
#include "dev/pci/function.h"
#include "kvm/ioctl.h"

#define VECTORS  3
#define MSIX_BAR 1

static struct pci_fixture f;
static struct pci_device *device;
static unsigned changes;

static void mark_read(void *self, uint64_t offset, void *data, unsigned len)
{
	(void)offset;
	memset(data, *(const uint8_t *)self, len);
}

static void mark_write(void *self, uint64_t offset, const void *data, unsigned len)
{
	(void)self;
	(void)offset;
	(void)data;
	(void)len;
}

static const struct bus_ops mark_ops = { .read = mark_read, .write = mark_write };

static void bars_changed(void *self)
{
	(void)self;
	changes++;
}

static uint8_t mark = 0x5a, other_mark = 0xa5;

static struct pci_device_options options(uint8_t *self)
{
	return (struct pci_device_options){
		.name = "test",
		.vendor = 0x1234,
		.device = 0x5678,
		.class_code = 0x010203,
		.revision = 7,
		.bars[0] = { .size = 0x2000, .ops = &mark_ops, .self = self },
		.bars[2] = { .size = 0x10000, .is_64bit = true, .ops = &mark_ops, .self = self },
		.msix_vectors = VECTORS,
		.msix_bar = MSIX_BAR,
		.bars_changed = bars_changed,
	};
}

static void setup(void)
{
	struct pci_device_options o = options(&mark);

	pci_fixture_init(&f);
	ck_assert_int_eq(pci_device_add(f.host, -1, &o, &device), 0);
	ck_assert_uint_eq(pci_device_bdf(device), 1 << 3);
	changes = 0;
}

static void teardown(void)
{
	pci_device_remove(device);
	pci_fixture_finish(&f);
}

START_TEST(test_missing_function_reads_as_ones)
{
	setup();
	ck_assert_uint_eq(config_read(f.vm, 5, PCI_VENDOR_ID, 4), 0xffffffff);
	ck_assert_uint_eq(mmio_read(f.vm, ECAM + (1 << 15 | 1 << 12), 4), 0xffffffff);
	config_write(f.vm, 5, PCI_COMMAND, 0, 4);
	teardown();
}
END_TEST

START_TEST(test_header_is_what_the_device_said)
{
	setup();
	ck_assert_uint_eq(config_read(f.vm, 0, PCI_CLASS_CODE + 1, 2), 0x0600);
	ck_assert_uint_eq(config_read(f.vm, 1, PCI_VENDOR_ID, 4), 0x56781234);
	ck_assert_uint_eq(config_read(f.vm, 1, PCI_REVISION_ID, 4), 0x01020307);
	ck_assert_uint_eq(config_read(f.vm, 1, PCI_COMMAND, 2), PCI_COMMAND_MEMORY);
	ck_assert_uint_eq(mmio_read(f.vm, ECAM + (1 << 15), 8), 0x0010000256781234);
	teardown();
}
END_TEST

START_TEST(test_read_only_bytes_do_not_change)
{
	setup();
	for (unsigned reg = 0; reg < 256; reg += 4)
		if (reg != PCI_COMMAND)
			config_write(f.vm, 1, reg, 0xffffffff, 4);
	ck_assert_uint_eq(config_read(f.vm, 1, PCI_VENDOR_ID, 4), 0x56781234);
	ck_assert_uint_eq(config_read(f.vm, 1, PCI_STATUS, 2), PCI_STATUS_CAP_LIST);
	ck_assert_uint_eq(config_read(f.vm, 1, PCI_INTERRUPT_PIN, 1), 0);
	ck_assert_uint_eq(config_read(f.vm, 1, PCI_INTERRUPT_LINE, 1), 0xff);
	ck_assert_uint_eq(config_read(f.vm, 1, PCI_BAR0 + 16, 4), 0);
	teardown();
}
END_TEST

START_TEST(test_extended_space_exists_and_ends)
{
	unsigned express;

	setup();
	express = find_capability(f.vm, 1, PCI_CAP_ID_EXPRESS, 0);
	ck_assert_uint_ne(express, 0);
	ck_assert_uint_eq(config_read(f.vm, 1, express + 2, 2), 0x92);
	ck_assert_uint_eq(config_read(f.vm, 1, 0x100, 4), 0);
	ck_assert_uint_eq(config_read(f.vm, 1, 0xffc, 4), 0);
	config_write(f.vm, 1, 0x100, 0xffffffff, 4);
	ck_assert_uint_eq(config_read(f.vm, 1, 0xfe, 4), 0xffffffff); /* crosses the border */
	teardown();
}
END_TEST

START_TEST(test_bar_sizing_gives_its_size)
{
	setup();
	config_write(f.vm, 1, PCI_COMMAND, 0, 2);
	for (unsigned bar = 0; bar < 4; bar++)
		config_write(f.vm, 1, PCI_BAR0 + 4 * bar, 0xffffffff, 4);
	ck_assert_uint_eq(config_read(f.vm, 1, PCI_BAR0, 4), 0xffffe000);
	ck_assert_uint_eq(config_read(f.vm, 1, PCI_BAR0 + 4, 4), 0xfffff000);
	ck_assert_uint_eq(config_read(f.vm, 1, PCI_BAR0 + 8, 4), 0xffff0004);
	ck_assert_uint_eq(config_read(f.vm, 1, PCI_BAR0 + 12, 4), 0xffffffff);
	teardown();
}
END_TEST

START_TEST(test_bars_are_placed_in_their_windows)
{
	setup();
	ck_assert_uint_eq(pci_device_bar(device, 0), MMIO32);
	ck_assert_uint_eq(pci_device_bar(device, 1), MMIO32 + 0x2000);
	ck_assert_uint_eq(pci_device_bar(device, 2), MMIO64);
	ck_assert_uint_eq(pci_device_bar(device, 3), UINT64_MAX);
	ck_assert_uint_eq(mmio_read(f.vm, MMIO32 + 0x1fff, 1), mark);
	ck_assert_uint_eq(mmio_read(f.vm, MMIO64, 4), 0x5a5a5a5a);
	teardown();
}
END_TEST

START_TEST(test_bar_moves_with_its_register)
{
	setup();
	config_write(f.vm, 1, PCI_BAR0, MMIO32 + 0x100000, 4);
	ck_assert_uint_eq(changes, 1);
	ck_assert_uint_eq(pci_device_bar(device, 0), MMIO32 + 0x100000);
	ck_assert_uint_eq(mmio_read(f.vm, MMIO32 + 0x100000, 1), mark);
	ck_assert_uint_eq(mmio_read(f.vm, MMIO32, 1), 0xff);
	config_write(f.vm, 1, PCI_BAR0 + 12, 0x50, 4);
	ck_assert_uint_eq(pci_device_bar(device, 2), 0x5000000000);
	ck_assert_uint_eq(mmio_read(f.vm, 0x5000000000, 1), mark);
	config_write(f.vm, 1, PCI_BAR0, MMIO32 + 0x100000, 4);
	ck_assert_uint_eq(changes, 2); /* nothing moved */
	teardown();
}
END_TEST

START_TEST(test_bar_without_decoding_is_nowhere)
{
	setup();
	config_write(f.vm, 1, PCI_COMMAND, 0, 2);
	ck_assert_uint_eq(pci_device_bar(device, 0), UINT64_MAX);
	ck_assert_uint_eq(mmio_read(f.vm, MMIO32, 1), 0xff);
	config_write(f.vm, 1, PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
	ck_assert_uint_eq(mmio_read(f.vm, MMIO32, 1), mark);
	ck_assert_uint_eq(changes, 2);
	teardown();
}
END_TEST

START_TEST(test_bars_can_exchange_places)
{
	struct pci_device_options o = options(&other_mark);
	struct pci_device *other;
	uint64_t a, b;

	setup();
	ck_assert_int_eq(pci_device_add(f.host, -1, &o, &other), 0);
	a = pci_device_bar(device, 0);
	b = pci_device_bar(other, 0);
	config_write(f.vm, 1, PCI_BAR0, (uint32_t)b, 4);
	ck_assert_uint_eq(pci_device_bar(device, 0), UINT64_MAX); /* the place is taken */
	ck_assert_uint_eq(mmio_read(f.vm, b, 1), other_mark);
	config_write(f.vm, 2, PCI_BAR0, (uint32_t)a, 4);
	ck_assert_uint_eq(mmio_read(f.vm, a, 1), other_mark);
	ck_assert_uint_eq(mmio_read(f.vm, b, 1), mark);
	pci_device_remove(other);
	teardown();
}
END_TEST

START_TEST(test_bar_in_an_impossible_place_is_nowhere)
{
	setup();
	config_write(f.vm, 1, PCI_BAR0, ECAM, 4);
	ck_assert_uint_eq(pci_device_bar(device, 0), UINT64_MAX);
	config_write(f.vm, 1, PCI_BAR0 + 12, 0xffffffff, 4);
	config_write(f.vm, 1, PCI_BAR0 + 8, 0xffffffff, 4);
	ck_assert_uint_eq(config_read(f.vm, 1, PCI_VENDOR_ID, 2), 0x1234);
	config_write(f.vm, 1, PCI_BAR0, MMIO32, 4);
	ck_assert_uint_eq(pci_device_bar(device, 0), MMIO32);
	teardown();
}
END_TEST

START_TEST(test_full_window_refuses_the_device)
{
	struct pci_device_options o = options(&mark);
	struct pci_device *big = NULL;

	setup();
	o.bars[0].size = 32 * MIB;
	ck_assert_int_eq(pci_device_add(f.host, -1, &o, &big), -ENOSPC);
	ck_assert_ptr_null(big);
	o.bars[0].size = 0x2000;
	ck_assert_int_eq(pci_device_add(f.host, 1, &o, &big), -ENOSPC);
	teardown();
}
END_TEST

static void port_write(uint16_t port, uint32_t value, unsigned len)
{
	bus_write(vm_pio(f.vm), port, &value, len);
}

static uint32_t port_read(uint16_t port, unsigned len)
{
	uint32_t value = 0;

	bus_read(vm_pio(f.vm), port, &value, len);
	return value;
}

START_TEST(test_config_ports_show_the_same_registers)
{
	setup();
	ck_assert_uint_eq(port_read(0xcfc, 4), 0xffffffff); /* not enabled */
	port_write(0xcf8, 0x80000800 | 3, 4);
	ck_assert_uint_eq(port_read(0xcf8, 4), 0x80000800);
	ck_assert_uint_eq(port_read(0xcfc, 4), 0x56781234);
	ck_assert_uint_eq(port_read(0xcfe, 2), 0x5678);
	port_write(0xcf9, 6, 1); /* somebody else's reset register */
	ck_assert_uint_eq(port_read(0xcf8, 4), 0x80000800);
	port_write(0xcf8, 0x80000800 | PCI_INTERRUPT_LINE, 4);
	port_write(0xcfc, 0x42, 1);
	ck_assert_uint_eq(config_read(f.vm, 1, PCI_INTERRUPT_LINE, 1), 0x42);
	port_write(0xcf8, 0x80000800 | PCI_BAR0, 4);
	port_write(0xcfc, MMIO32 + 0x200000, 4);
	ck_assert_uint_eq(mmio_read(f.vm, MMIO32 + 0x200000, 1), mark);
	port_write(0xcf8, 0x80010000, 4); /* another bus */
	ck_assert_uint_eq(port_read(0xcfc, 4), 0xffffffff);
	teardown();
}
END_TEST

static uint64_t table(unsigned vector)
{
	return pci_device_bar(device, MSIX_BAR) + 16 * vector;
}

static void set_control(uint16_t control)
{
	unsigned at = find_capability(f.vm, 1, PCI_CAP_ID_MSIX, 0);

	config_write(f.vm, 1, at + PCI_MSIX_CONTROL, control, 2);
}

static uint64_t pending(void)
{
	return mmio_read(f.vm, table(VECTORS), 8);
}

static void program(unsigned vector, bool masked)
{
	mmio_write(f.vm, table(vector), 0xfee00000, 8);
	mmio_write(f.vm, table(vector) + 8, 0x40 + vector, 4);
	mmio_write(f.vm, table(vector) + 12, masked, 4);
}

/* KVM is taken off the vector's eventfd, so that what is raised from now on can be counted here. */
static int listen_to(unsigned vector)
{
	program(vector, false);
	set_control(PCI_MSIX_CONTROL_ENABLE);
	pci_device_raise(device, (uint16_t)vector);
	ck_assert(device->vectors[vector].ready);
	ck_assert(device->vectors[vector].msi.routed);
	irq_msi_unroute(&device->vectors[vector].msi);
	return device->vectors[vector].msi.fd;
}

static unsigned delivered(int fd)
{
	eventfd_t count;

	return eventfd_read(fd, &count) == 0 ? (unsigned)count : 0;
}

START_TEST(test_vector_is_delivered)
{
	int fd;

	setup();
	fd = listen_to(1);
	pci_device_raise(device, 1);
	ck_assert_uint_eq(delivered(fd), 1);
	ck_assert_uint_eq(pending(), 0);
	teardown();
}
END_TEST

START_TEST(test_masked_vector_is_pending_until_unmasked)
{
	int fd;

	setup();
	fd = listen_to(1);
	mmio_write(f.vm, table(1) + 12, 1, 4);
	pci_device_raise(device, 1);
	pci_device_raise(device, 1);
	ck_assert_uint_eq(delivered(fd), 0);
	ck_assert_uint_eq(pending(), 2);
	mmio_write(f.vm, table(1) + 12, 0, 4);
	ck_assert_uint_eq(delivered(fd), 1);
	ck_assert_uint_eq(pending(), 0);
	teardown();
}
END_TEST

START_TEST(test_function_mask_covers_every_vector)
{
	int fd;

	setup();
	fd = listen_to(2);
	set_control(PCI_MSIX_CONTROL_ENABLE | PCI_MSIX_CONTROL_MASK);
	pci_device_raise(device, 2);
	ck_assert_uint_eq(delivered(fd), 0);
	ck_assert_uint_eq(pending(), 4);
	set_control(PCI_MSIX_CONTROL_ENABLE);
	ck_assert_uint_eq(delivered(fd), 1);
	teardown();
}
END_TEST

START_TEST(test_msix_off_drops_what_is_raised)
{
	int fd;

	setup();
	fd = listen_to(0);
	set_control(PCI_MSIX_CONTROL_ENABLE | PCI_MSIX_CONTROL_MASK);
	pci_device_raise(device, 0);
	set_control(0);
	ck_assert_uint_eq(pending(), 0);
	pci_device_raise(device, 0);
	set_control(PCI_MSIX_CONTROL_ENABLE);
	pci_device_raise(device, VECTORS); /* none of its vectors */
	pci_device_raise(device, 0xffff);
	ck_assert_uint_eq(delivered(fd), 0);
	teardown();
}
END_TEST

START_TEST(test_vector_is_routed_again_after_its_message_changed)
{
	setup();
	listen_to(0);
	mmio_write(f.vm, table(0) + 8, 0x99, 4);
	ck_assert(device->vectors[0].stale);
	pci_device_raise(device, 0);
	ck_assert(!device->vectors[0].stale);
	ck_assert(device->vectors[0].msi.routed);
	teardown();
}
END_TEST

static unsigned ioctls;

static void count_ioctl(void *self, const char *name, long arg, int result)
{
	(void)self;
	(void)name;
	(void)arg;
	(void)result;
	ioctls++;
}

START_TEST(test_vectors_cost_nothing_until_delivered)
{
	static const struct kvm_hook hook = { .after = count_ioctl };

	setup();
	ioctls = 0;
	kvm_hook_set(&hook);
	set_control(PCI_MSIX_CONTROL_ENABLE);
	for (unsigned i = 0; i < VECTORS; i++)
		program(i, false);
	ck_assert_uint_eq(ioctls, 0);
	pci_device_raise(device, 0);
	ck_assert_uint_gt(ioctls, 0);
	ck_assert(!device->vectors[1].ready);
	kvm_hook_set(NULL);
	teardown();
}
END_TEST

START_TEST(test_msix_table_takes_only_aligned_stores)
{
	setup();
	program(0, true);
	mmio_write(f.vm, table(0) + 2, 0xffff, 2);
	mmio_write(f.vm, table(0) + 4, ~0ULL, 8);
	mmio_write(f.vm, table(VECTORS), ~0ULL, 8); /* the PBA */
	mmio_write(f.vm, table(0) + 12, 0xffffffff, 4);
	ck_assert_uint_eq(mmio_read(f.vm, table(0), 8), 0xfee00000);
	ck_assert_uint_eq(mmio_read(f.vm, table(0) + 8, 8), 0x0000000100000040);
	ck_assert_uint_eq(mmio_read(f.vm, table(0) + 0xff8, 8), 0);
	ck_assert_uint_eq(pending(), 0);
	teardown();
}
END_TEST

START_TEST(test_registers_restore_into_a_fresh_vm)
{
	struct reg_list list = { 0 };
	size_t size;
	uint8_t *bytes;

	setup();
	config_write(f.vm, 1, PCI_BAR0, MMIO32 + 0x300000, 4);
	config_write(f.vm, 1, PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 2);
	program(1, true);
	set_control(PCI_MSIX_CONTROL_ENABLE);
	pci_device_raise(device, 1);
	ck_assert_uint_eq(pending(), 2);
	port_write(0xcf8, 0x80000810, 4);
	bytes = save_registers(f.vm, &list, &size);
	restore_registers(f.vm, &list, bytes, size);
	teardown();
	setup();
	restore_registers(f.vm, &list, bytes, size);
	ck_assert_uint_eq(mmio_read(f.vm, MMIO32 + 0x300000, 1), mark);
	ck_assert_uint_eq(pending(), 2);
	ck_assert_uint_eq(port_read(0xcf8, 4), 0x80000810);
	teardown();
	reg_list_finish(&list);
	free(bytes);
}
END_TEST

START_TEST(test_registers_have_names)
{
	uint32_t value;

	setup();
	ck_assert_int_eq(
		reg_file_get(vm_regs(f.vm), register_named(f.vm, "pci.00:01.0.bar0"), &value), 0);
	ck_assert_uint_eq(value, MMIO32);
	register_named(f.vm, "pci.00:01.0.command");
	register_named(f.vm, "pci.00:01.0.msix_control");
	register_named(f.vm, "pci.00:00.0.config_address");
	register_named(f.vm, "msix.00:01.0.vector2");
	register_named(f.vm, "msix.00:01.0.pending0");
	teardown();
}
END_TEST

START_TEST(test_register_refuses_what_it_cannot_hold)
{
	struct pci_msix_entry entry = { .control = 2 };
	uint32_t id = 0x56791234;
	uint64_t bits = 1 << VECTORS;
	struct reg_file *regs;

	setup();
	regs = vm_regs(f.vm);
	ck_assert_int_eq(reg_file_set(regs, register_named(f.vm, "pci.00:01.0.id"), &id), -ENODEV);
	ck_assert_int_eq(reg_file_set(regs, register_named(f.vm, "msix.00:01.0.vector0"), &entry),
			 -EINVAL);
	ck_assert_int_eq(reg_file_set(regs, register_named(f.vm, "msix.00:01.0.pending0"), &bits),
			 -EINVAL);
	ck_assert_int_eq(reg_file_get(regs,
				      (struct reg_key){ REG_VM, REG_ID(REG_BANK_MSIX, 0, 4,
								       8 << 16 | VECTORS) },
				      &entry),
			 -ENOENT);
	teardown();
}
END_TEST

CHECK_MAIN("pci", test_missing_function_reads_as_ones, test_header_is_what_the_device_said,
	   test_read_only_bytes_do_not_change, test_extended_space_exists_and_ends,
	   test_bar_sizing_gives_its_size, test_bars_are_placed_in_their_windows,
	   test_bar_moves_with_its_register, test_bar_without_decoding_is_nowhere,
	   test_bars_can_exchange_places, test_bar_in_an_impossible_place_is_nowhere,
	   test_full_window_refuses_the_device, test_config_ports_show_the_same_registers,
	   test_vector_is_delivered, test_masked_vector_is_pending_until_unmasked,
	   test_function_mask_covers_every_vector, test_msix_off_drops_what_is_raised,
	   test_vector_is_routed_again_after_its_message_changed,
	   test_vectors_cost_nothing_until_delivered, test_msix_table_takes_only_aligned_stores,
	   test_registers_restore_into_a_fresh_vm, test_registers_have_names,
	   test_register_refuses_what_it_cannot_hold)
