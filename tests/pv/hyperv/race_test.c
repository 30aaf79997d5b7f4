/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The race of a flush with the inhibit of its target, with memory as the witness: a guest exchanges
 * pages and flushes, another vCPU of it reads, and none of what it reads may be stale, whenever
 * inhibits come and go. FERRY_TEST_TOGGLES says how many (400).
 */
#include "pv/hyperv/hyperv_fixture.h"

#define PORT 0x1000

static struct test_machine t;
static atomic_bool has_ended;
static atomic_bool shall_end;

static void port_read(void *self, uint64_t offset, void *data, unsigned len)
{
	(void)self, (void)offset;
	memset(data, atomic_load(&shall_end) ? 0 : 1, len);
}

static void port_write(void *self, uint64_t offset, const void *data, unsigned len)
{
	(void)self, (void)offset, (void)data, (void)len;
}

static void *run(void *arg)
{
	test_machine_run(&t, NULL, true);
	machine_flush(t.machine);
	atomic_store(&has_ended, true);
	return arg;
}

static unsigned long toggles(void)
{
	const char *text = getenv("FERRY_TEST_TOGGLES");

	return text ? strtoul(text, NULL, 0) : 400;
}

START_TEST(test_nothing_stale_is_read_while_inhibits_come_and_go)
{
	static const struct bus_ops ops = { .read = port_read, .write = port_write };
	unsigned long waited = 0;
	pthread_t runner;

	hyperv_machine_create(&t, "swap", "cpus=3 rounds=0", 3, "");
	ck_assert_int_eq(bus_add(vm_pio(t.vm), "end", PORT, 1, &ops, NULL), 0);
	ck_assert_int_eq(pthread_create(&runner, NULL, run, NULL), 0);
	for (unsigned long i = 0; i < toggles() && !atomic_load(&has_ended); i++) {
		uint32_t vcpu = 1 + (uint32_t)(i % 2);

		hyperv_inhibit(&t, vcpu, true);
		if (i % 16 == 0)
			hyperv_await_wait(&t, 0, vcpu);
		waited += i % 16 == 0 || hyperv_state(&t, 0).waits;
		hyperv_inhibit(&t, vcpu, false);
		if (i % 5 == 0)
			sched_yield();
	}
	ck_assert_uint_gt(waited, 0);
	ck_assert(!atomic_load(&has_ended));
	atomic_store(&shall_end, true);
	pthread_join(runner, NULL);
	ck_assert_msg(strstr(t.console, "failed 0 stale 0\n") != NULL, "%s", t.console);
	test_machine_finish(&t);
}
END_TEST

CHECK_MAIN_KVM("race", test_nothing_stale_is_read_while_inhibits_come_and_go)
