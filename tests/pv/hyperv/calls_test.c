/* SPDX-License-Identifier: Apache-2.0 */
/* Leaves, MSRs and hypercalls as a guest finds them. */
#include "pv/hyperv/hyperv_fixture.h"

static struct test_machine t;

static void run(const char *cmdline, const char *features)
{
	hyperv_machine_create(&t, "calls", cmdline, 1, features);
	test_machine_run(&t, NULL, true);
	machine_flush(t.machine);
}

static void check_says(const char *what, unsigned long long value)
{
	char line[96];

	snprintf(line, sizeof(line), "%s 0x%016llx\n", what, value);
	ck_assert_msg(strstr(t.console, line), "no '%s' in:\n%s", line, t.console);
}

#define REPS(n) ((unsigned long long)(n) << 32)

/*
 * What KVM's Hyper-V says differently (arch/x86/kvm/hyperv.c): it takes parameters wherever they
 * are, ignores what is reserved, has one status for all that is wrong, and knows no start but the
 * first element.
 */
static const struct {
	const char *what;
	unsigned long long value;
} of_kvm[] = {
	{ "not aligned", 0 }, { "across pages", 0 }, { "no memory", 3 }, { "flag", 0 },
	{ "from the second on", 3 }, { "too many", REPS(510) }, { "not of lists", REPS(1) },
	{ "format", 0 }, { "vector", 3 }, { "vtl", 3 },
};

static unsigned long long expected(const char *what, unsigned long long value)
{
	for (size_t i = 0; hyperv_is_kernel() && i < ARRAY_SIZE(of_kvm); i++)
		if (strcmp(what, of_kvm[i].what) == 0)
			return of_kvm[i].value;
	return value;
}

START_TEST(test_a_guest_finds_what_the_specification_says)
{
	static const struct {
		const char *what;
		unsigned long long value;
	} lines[] = {
		{ "vendor", 0x7263694d666f736f }, { "interface", 0x31237648 },
		{ "index", 0 }, { "page before an identity", 0 }, { "time goes on", 1 },
		{ "frequencies", 1 }, { "assist", 0 },
		{ "the page and the counter agree", 1 },
		{ "space", 0 }, { "not aligned", 4 }, { "across pages", 4 }, { "no memory", 4 },
		{ "reserved", 3 }, { "simple with reps", 3 }, { "no header", 3 }, { "flag", 5 },
		{ "list", REPS(2) }, { "from the second on", REPS(2) },
		{ "from the third on", 3 }, { "none", 3 }, { "too many", 4 }, { "not of lists", 5 },
		{ "sparse", 0 }, { "sparse list", REPS(1) }, { "banks", 3 },
		{ "more than there can be", 3 }, { "format", 5 }, { "all", 0 },
		{ "unknown", 2 }, { "ipi", 0 }, { "vector", 5 }, { "vtl", 5 }, { "ipi ex", 0 },
		{ "spin", 6 }, { "post", 6 }, { "pending", 3 },
	};

	run("", "");
	ck_assert_int_eq(vm_ended(t.vm), VM_END_POWEROFF);
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
		check_says(lines[i].what, expected(lines[i].what, lines[i].value));
	/* KVM counts what a tick of the host has met. */
	if (!hyperv_is_kernel())
		check_says("has run", 1);
	test_machine_finish(&t);
}
END_TEST

START_TEST(test_time_is_the_same_by_page_and_counter_on_every_cpu)
{
	hyperv_machine_create(&t, "clock", "cpus=2", 2, "");
	test_machine_run(&t, NULL, true);
	ck_assert_str_eq(t.console, "named 1\ncpu 0\napart 0\nback 0\n"
				    "cpu 1\napart 0\nback 0\nunnamed 1\n");
	test_machine_finish(&t);
}
END_TEST

START_TEST(test_a_reset_by_msr_ends_the_vm)
{
	run("end=1", "");
	ck_assert_int_eq(vm_ended(t.vm), VM_END_RESET);
	test_machine_finish(&t);
}
END_TEST

START_TEST(test_a_crash_is_a_panic_and_says_its_parameters)
{
	run("end=2", "");
	ck_assert_int_eq(vm_ended(t.vm), VM_END_PANIC);
	ck_assert_ptr_nonnull(strstr(vm_end_text(t.vm), "0xdead"));
	test_machine_finish(&t);
}
END_TEST

START_TEST(test_a_msr_that_was_not_promised_is_a_fault)
{
	run("end=3", "");
	ck_assert_int_eq(vm_ended(t.vm), VM_END_RESET);
	ck_assert_ptr_nonnull(strstr(t.console, "pending"));
	test_machine_finish(&t);
	run("", "relaxed");
	ck_assert_int_eq(vm_ended(t.vm), VM_END_RESET);
	ck_assert_ptr_null(strstr(t.console, "index"));
	test_machine_finish(&t);
}
END_TEST

START_TEST(test_a_guest_that_was_promised_no_flushes_is_denied_them)
{
	run("", "time,vpindex,runtime,frequencies,spinlocks=8191");
	check_says("space", 6);
	check_says("sparse", 6);
	check_says("ipi", 6);
	check_says("spin", 0);
	test_machine_finish(&t);
}
END_TEST

/* What is behind it: OUT, VMCALL or VMMCALL, and RET. */
static unsigned long long code(void)
{
	if (!hyperv_is_kernel())
		return 0xc3b8e63e;
	return strstr(t.console, "c3c1010f\n") ? 0xc3c1010f : 0xc3d9010f;
}

/* IBT takes an indirect call to nothing but ENDBR64, whoever writes what is behind it. */
START_TEST(test_the_hypercall_page_begins_with_a_landing)
{
	run("", "");
	check_says("lands", 0xfa1e0ff3);
	check_says("calls", code());
	test_machine_finish(&t);
}
END_TEST

/* The fault is at the page's instruction, not behind it. */
START_TEST(test_a_call_in_registers_that_were_not_promised_is_an_invalid_opcode)
{
	run("end=4", "time,vpindex,runtime,frequencies,tlbflush");
	ck_assert_int_eq(vm_ended(t.vm), VM_END_POWEROFF);
	check_says("invalid opcode", code());
	test_machine_finish(&t);
}
END_TEST

CHECK_MAIN_KVM("calls", test_a_guest_finds_what_the_specification_says,
	       test_time_is_the_same_by_page_and_counter_on_every_cpu,
	       test_a_reset_by_msr_ends_the_vm, test_a_crash_is_a_panic_and_says_its_parameters,
	       test_a_msr_that_was_not_promised_is_a_fault,
	       test_a_guest_that_was_promised_no_flushes_is_denied_them,
	       test_the_hypercall_page_begins_with_a_landing,
	       test_a_call_in_registers_that_were_not_promised_is_an_invalid_opcode)
