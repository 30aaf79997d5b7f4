/* SPDX-License-Identifier: Apache-2.0 */
/* The frame tells which interrupts messages may be, and a CPU's own message is one of them or nothing. */
#include "check_main.h"
#include "dev/fake_vm.h"

#include "dev/gicv2m.h"

#define ADDRESS 0x8020000
#define FIRST	64
#define COUNT	192
#define TYPER	(ADDRESS + 0x008)
#define SETSPI	(ADDRESS + 0x040)

static struct vm vm;
static struct gicv2m *gicv2m;
static uint32_t raised[4];
static unsigned count;

static void note(void *self, uint32_t intid)
{
	ck_assert_ptr_eq(self, &vm);
	ck_assert_uint_lt(count, 4);
	raised[count++] = intid;
}

static void setup(void)
{
	const struct gicv2m_options options = {
		.address = ADDRESS, .first = FIRST, .count = COUNT, .raise = note, .self = &vm,
	};

	fake_vm_init(&vm);
	ck_assert_int_eq(gicv2m_create(&vm, &options, &gicv2m), 0);
	count = 0;
}

static void teardown(void)
{
	gicv2m_destroy(gicv2m);
	fake_vm_finish(&vm);
}

static void say_short(uint64_t address, uint16_t value)
{
	struct fake_range *range = fake_mmio(&vm, address);

	range->ops->write(range->self, address - range->base, &value, sizeof(value));
}

START_TEST(test_type_register_tells_the_interrupts)
{
	setup();
	ck_assert_uint_eq(readl(&vm, TYPER), FIRST << 16 | COUNT);
	ck_assert_uint_eq(readl(&vm, TYPER + 4), 0);
	teardown();
}
END_TEST

START_TEST(test_message_of_a_cpu_is_an_interrupt)
{
	setup();
	writel(&vm, SETSPI, FIRST);
	writel(&vm, SETSPI, FIRST + COUNT - 1);
	ck_assert_uint_eq(count, 2);
	ck_assert_uint_eq(raised[0], FIRST);
	ck_assert_uint_eq(raised[1], FIRST + COUNT - 1);
	teardown();
}
END_TEST

START_TEST(test_other_messages_and_places_are_nothing)
{
	setup();
	writel(&vm, SETSPI, FIRST - 1);
	writel(&vm, SETSPI, FIRST + COUNT);
	writel(&vm, SETSPI, 0xffffffff);
	say_short(SETSPI, FIRST);
	writel(&vm, TYPER, FIRST);
	ck_assert_uint_eq(count, 0);
	teardown();
}
END_TEST

CHECK_MAIN("gicv2m", test_type_register_tells_the_interrupts, test_message_of_a_cpu_is_an_interrupt,
	   test_other_messages_and_places_are_nothing)
