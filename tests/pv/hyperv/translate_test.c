/* SPDX-License-Identifier: Apache-2.0 */
/* Memory by a vCPU's own addresses, while others change what they lead to. */
#include "pv/hyperv/hyperv_fixture.h"

#define ADDRESS 0x200000000ULL /* guest/hyperv/swap.c: one of two pages, by turns */
#define LINEAR	0x100000ULL    /* the program: one to one */
#define PORT	0x1000
#define READS	200

static struct test_machine t;
static atomic_ulong rounds;

static void port_read(void *self, uint64_t offset, void *data, unsigned len)
{
	(void)self, (void)offset;
	memset(data, 1, len);
	atomic_fetch_add(&rounds, 1);
}

static void port_write(void *self, uint64_t offset, const void *data, unsigned len)
{
	(void)self, (void)offset, (void)data, (void)len;
}

/* It has exchanged the pages twice. */
static void start(void)
{
	static const struct bus_ops ops = { .read = port_read, .write = port_write };

	atomic_store(&rounds, 0);
	hyperv_machine_create(&t, "swap", "cpus=2 rounds=0", 2, "");
	ck_assert_int_eq(bus_add(vm_pio(t.vm), "end", PORT, 1, &ops, NULL), 0);
	ck_assert_int_eq(vm_start(t.vm), 0);
	while (atomic_load(&rounds) < 3)
		hyperv_wait_on(&t);
}

static uint64_t check_read(uint32_t vcpu)
{
	uint64_t value = ~0ULL, there = ~0ULL, physical = 0;

	ck_assert_int_eq(machine_read_virtual(t.machine, vcpu, ADDRESS, &value, sizeof(value),
					      &physical), 0);
	ck_assert_uint_le(value, 1);
	ck_assert_int_eq(mem_read(vm_mem(t.vm), physical, &there, sizeof(there)), 0);
	ck_assert_uint_eq(value, there);
	return physical;
}

START_TEST(test_an_address_leads_to_what_the_vcpu_would_find)
{
	uint64_t first, other = 0;

	start();
	first = check_read(1);
	for (unsigned i = 0; i < READS || !other; i++) {
		uint64_t physical = check_read(i % 2);

		if (physical != first)
			other = physical;
		ck_assert(physical == first || physical == other);
		ck_assert(!hyperv_state(&t, i % 2).is_inhibited);
		hyperv_wait_on(&t);
	}
	test_machine_finish(&t);
}
END_TEST

START_TEST(test_memory_is_read_across_pages)
{
	static uint8_t bytes[3 * 4096], there[sizeof(bytes)];
	uint64_t physical = 0;

	start();
	vm_pause(t.vm);
	ck_assert_int_eq(machine_read_virtual(t.machine, 0, LINEAR + 1, bytes, sizeof(bytes),
					      &physical), 0);
	ck_assert_uint_eq(physical, LINEAR + 1);
	ck_assert_int_eq(mem_read(vm_mem(t.vm), physical, there, sizeof(there)), 0);
	ck_assert_int_eq(memcmp(bytes, there, sizeof(bytes)), 0);
	vm_resume(t.vm);
	test_machine_finish(&t);
}
END_TEST

START_TEST(test_what_is_not_mapped_is_refused_and_said)
{
	uint64_t physical = 7;
	uint8_t bytes[16];
	int r;

	start();
	r = machine_read_virtual(t.machine, 1, ADDRESS + 4096 - 8, bytes, 16, &physical);
	ck_assert_int_eq(r, -EFAULT);
	ck_assert_ptr_nonnull(strstr(error_text(r), "0x200001000"));
	ck_assert_uint_eq(physical, 7);
	ck_assert(!hyperv_state(&t, 1).is_inhibited);
	ck_assert_int_eq(machine_read_virtual(t.machine, 2, ADDRESS, bytes, 1, &physical), -ENOENT);
	ck_assert_int_eq(machine_read_virtual(t.machine, 1, ADDRESS, NULL, 0, &physical), 0);
	ck_assert_uint_ne(physical, 7);
	test_machine_finish(&t);
}
END_TEST

START_TEST(test_an_operators_inhibit_outlasts_a_look)
{
	start();
	hyperv_inhibit(&t, 1, true);
	check_read(1);
	ck_assert(hyperv_state(&t, 1).is_inhibited);
	hyperv_await_wait(&t, 0, 1);
	hyperv_inhibit(&t, 1, false);
	test_machine_finish(&t);
}
END_TEST

CHECK_MAIN_KVM("translate", test_an_address_leads_to_what_the_vcpu_would_find,
	       test_memory_is_read_across_pages, test_what_is_not_mapped_is_refused_and_said,
	       test_an_operators_inhibit_outlasts_a_look)
