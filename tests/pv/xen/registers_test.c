/* SPDX-License-Identifier: Apache-2.0 */
/* A Xen guest's registers obey the rules of all banks, in both ABIs, and from one engine to the other. */
#include "machine/machine_for_test.h"

#include "kvm/kvm.h"
#include "machine/image.h"
#include "vm/vm.h"

static const char *const guests[] = { "", "fifo=1", "map=0" };

static bool has_kernel_engine(void)
{
	int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	int flags = kvm_check_extension(fd, KVM_CAP_XEN_HVM);

	close(fd);
	return flags > 0 && flags & KVM_XEN_HVM_CONFIG_EVTCHN_SEND;
}

static void create(struct test_machine *t, const char *cmdline, enum machine_xen_engine engine,
		   bool blank)
{
	test_machine_create_with(t, (struct machine_options){ .kernel = GUEST_DIR "/xen/state",
							      .cmdline = cmdline,
							      .vm.vcpus = 2,
							      .blank = blank,
							      .xen_version = MACHINE_XEN_VERSION,
							      .xen_engine = engine,
							      .xen_entry = MACHINE_XEN_ENTRY_HVM,
							      .xen_pirqs = true });
}

static void run_used(struct test_machine *t, const char *cmdline, enum machine_xen_engine engine)
{
	create(t, cmdline, engine, false);
	test_machine_run(t, "\n", true);
	vm_pause(t->vm);
	ck_assert_str_eq(t->console, "ok\n");
}

static void write_back(const char *cmdline, enum machine_xen_engine engine)
{
	static uint8_t value[REG_SIZE_MAX], again[REG_SIZE_MAX];
	struct reg_list list = { 0 };
	struct test_machine t;
	struct reg_file *regs;

	run_used(&t, cmdline, engine);
	regs = vm_regs(t.vm);
	ck_assert_int_eq(reg_file_list(regs, &list), 0);
	for (size_t i = 0; i < list.count; i++) {
		struct reg_key key = list.entries[i].key;
		int r = reg_file_get(regs, key, value);

		ck_assert_msg(r == 0, "get %s: %s", image_name_of(regs, key), error_text(r));
		r = reg_file_set(regs, key, value);
		ck_assert_msg(r == 0, "set %s: %s", image_name_of(regs, key), error_text(r));
		ck_assert_int_eq(reg_file_get(regs, key, again), 0);
		ck_assert_msg(list.entries[i].flags & REG_TIME ||
				      memcmp(value, again, reg_size(key.id)) == 0,
			      "%s changed by writing what was read", image_name_of(regs, key));
	}
	reg_list_finish(&list);
	test_machine_finish(&t);
}

/* Into a fresh machine, over another guest's; what comes out is what went in. */
static void carry(enum machine_xen_engine from, enum machine_xen_engine to)
{
	struct image images[ARRAY_SIZE(guests)], now;
	struct test_machine t;

	for (size_t i = 0; i < ARRAY_SIZE(guests); i++) {
		run_used(&t, guests[i], from);
		image_save(vm_regs(t.vm), &images[i]);
		test_machine_finish(&t);
	}
	create(&t, "", to, true);
	for (size_t i = 0; i < ARRAY_SIZE(guests); i++) {
		image_restore(vm_regs(t.vm), &images[i]);
		image_save(vm_regs(t.vm), &now);
		image_compare(vm_regs(t.vm), &images[i], &now);
		image_finish(&now);
		image_finish(&images[i]);
	}
	test_machine_finish(&t);
}

START_TEST(test_every_register_of_xen_is_read_and_written_back)
{
	for (size_t i = 0; i < ARRAY_SIZE(guests); i++) {
		write_back(guests[i], MACHINE_XEN_PORTABLE);
		if (has_kernel_engine())
			write_back(guests[i], MACHINE_XEN_KERNEL);
	}
}
END_TEST

START_TEST(test_a_guest_of_either_engine_is_the_same_on_the_other)
{
	carry(MACHINE_XEN_PORTABLE, MACHINE_XEN_PORTABLE);
	if (!has_kernel_engine())
		return;
	carry(MACHINE_XEN_KERNEL, MACHINE_XEN_KERNEL);
	carry(MACHINE_XEN_KERNEL, MACHINE_XEN_PORTABLE);
	carry(MACHINE_XEN_PORTABLE, MACHINE_XEN_KERNEL);
}
END_TEST

/* What would crash ferry or KVM, had it been believed. */
START_TEST(test_registers_refuse_what_cannot_be)
{
	static const struct {
		const char *name;
		uint64_t value;
	} bad[] = {
		{ "xen.xen_version", 0x40010 },
		{ "xen.long_mode", 2 },
		{ "xen.shared_info", 0xfffffffffffff },
		{ "xen.fifo", 200 },
		{ "xen.pirq17", 7 },
		{ "xen.pirq17", 0x1802 },
		{ "xen_vcpu.vcpu_info", 0xd0000000 },
		{ "xen_vcpu.vcpu_info", 0x100ffc },
		{ "xen_vcpu.runstate_addr", 0xd0000000 },
		{ "xen_vcpu.upcall_vector", 3 },
	};
	struct image image;
	struct test_machine t;

	create(&t, "", MACHINE_XEN_PORTABLE, true);
	image_save(vm_regs(t.vm), &image);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct reg_key key;

		image_find(vm_regs(t.vm), &image, bad[i].name, &key);
		ck_assert_msg(reg_file_set(vm_regs(t.vm), key, &bad[i].value) == -EINVAL, "%s",
			      bad[i].name);
	}
	image_finish(&image);
	test_machine_finish(&t);
}
END_TEST

CHECK_MAIN_KVM("xen registers", test_every_register_of_xen_is_read_and_written_back,
	       test_a_guest_of_either_engine_is_the_same_on_the_other,
	       test_registers_refuse_what_cannot_be)
