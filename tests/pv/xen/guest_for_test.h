/* SPDX-License-Identifier: Apache-2.0 */
/* Tiny guests that see Xen: made, run to their end, and believed when they say "ok". */
#ifndef TESTS_PV_XEN_GUEST_FOR_TEST_H
#define TESTS_PV_XEN_GUEST_FOR_TEST_H

#include "machine/machine_for_test.h"

#include "kvm/kvm.h"
#include "machine/machine.h"
#include "pv/xen/xen_impl.h"
#include "vm/vm.h"

/* One of each band. */
static const uint32_t guest_versions[] = { 0x40011, 0x40012 };

static inline void guest_create(struct test_machine *t, const char *guest, const char *cmdline, uint32_t vcpus,
		   uint32_t version, enum machine_xen_engine engine)
{
	char path[512];

	snprintf(path, sizeof(path), GUEST_DIR "/%s", guest);
	test_machine_create_with(t, (struct machine_options){ .kernel = path, .cmdline = cmdline,
							      .vm.vcpus = vcpus,
							      .xen_version = version,
							      .xen_engine = engine,
							      .xen_entry = MACHINE_XEN_ENTRY_HVM,
							      .xen_pirqs = strcmp(guest, "xen/pirqs") == 0 });
}

static inline void guest_finish(struct test_machine *t, const char *guest, const char *cmdline, uint32_t version,
		   enum machine_xen_engine engine)
{
	static const char yields[] = "polls are yields\n";
	const char *said;

	/* KVM answers a poll by itself, and so where it delivers no events (guest/xen/areas.c). */
	said = t->console;
	if (engine == MACHINE_XEN_KERNEL && strncmp(said, yields, strlen(yields)) == 0)
		said += strlen(yields);
	ck_assert_msg(vm_ended(t->vm) == VM_END_POWEROFF && strcmp(said, "ok\n") == 0,
		      "%s %s, Xen %#x, %s engine: %s (%d %s)", guest, cmdline, version,
		      machine_xen_engine_name(t->machine), t->console, vm_ended(t->vm),
		      vm_end_text(t->vm));
	test_machine_finish(t);
}

static inline void guest_run_one(const char *guest, const char *cmdline, uint32_t vcpus, uint32_t version,
		    enum machine_xen_engine engine)
{
	struct test_machine t;

	guest_create(&t, guest, cmdline, vcpus, version, engine);
	test_machine_run(&t, NULL, true);
	vm_stop(t.vm);
	machine_flush(t.machine);
	guest_finish(&t, guest, cmdline, version, engine);
}

static inline bool has_kernel_engine(void)
{
	int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	int flags = kvm_check_extension(fd, KVM_CAP_XEN_HVM);

	close(fd);
	return flags > 0 && flags & KVM_XEN_HVM_CONFIG_EVTCHN_SEND;
}

static inline void guest_run(const char *guest, const char *cmdline, uint32_t vcpus)
{
	for (size_t i = 0; i < ARRAY_SIZE(guest_versions); i++) {
		guest_run_one(guest, cmdline, vcpus, guest_versions[i], MACHINE_XEN_PORTABLE);
		if (has_kernel_engine())
			guest_run_one(guest, cmdline, vcpus, guest_versions[i], MACHINE_XEN_KERNEL);
	}
}

#endif
