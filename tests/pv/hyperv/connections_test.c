/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ports, and what is sent from them, as a guest finds it: by a device like QEMU's hyperv-testdev,
 * whose ports send back what they were sent.
 */
#include "pv/hyperv/hyperv_fixture.h"

#include <abi/hyperv.h>

#include "machine/machine.h"
#include "pv/hyperv/hyperv.h"

/* guest/hyperv/connections.c */
#define TEST_DEVICE  0x3000
#define SET_SINT     3
#define MAKE_MESSAGE 4
#define END_MESSAGE  5
#define MAKE_EVENT   6
#define END_EVENT    7
#define CONNECTIONS  256

/*
 * It holds one message while the slot is taken. lock: what it holds; it is kept while the message
 * is sent, since this guest never posts and empties at once.
 */
struct echo {
	struct hv_message held;
	pthread_mutex_t lock;
	uint32_t connection, vp, sint;
	bool is_held;
};

static struct test_machine t;
static struct echo echoes[CONNECTIONS];

static struct hyperv *hv(void)
{
	return t.machine->hyperv;
}

static uint32_t echo_message(void *self, const struct hv_message *message)
{
	struct echo *echo = self;
	int r = -EAGAIN;

	pthread_mutex_lock(&echo->lock);
	if (!echo->is_held) {
		echo->held = *message;
		r = hyperv_post(hv(), echo->vp, echo->sint, &echo->held);
		echo->is_held = r == -EAGAIN;
		r = r == -EAGAIN ? 0 : r;
	}
	pthread_mutex_unlock(&echo->lock);
	return r == 0	     ? HV_STATUS_SUCCESS :
	       r == -EAGAIN ? HV_STATUS_INSUFFICIENT_BUFFERS :
			      HV_STATUS_INVALID_PARAMETER;
}

static void echo_again(void *self, uint32_t vp)
{
	struct echo *echo = self;

	pthread_mutex_lock(&echo->lock);
	if (echo->is_held && echo->vp == vp)
		echo->is_held = hyperv_post(hv(), vp, echo->sint, &echo->held) == -EAGAIN;
	pthread_mutex_unlock(&echo->lock);
}

static uint32_t echo_event(void *self, uint16_t flag)
{
	const struct echo *echo = self;
	int r = hyperv_signal(hv(), echo->vp, echo->sint, echo->connection + flag);

	return r == 0 ? HV_STATUS_SUCCESS : HV_STATUS_INVALID_PARAMETER;
}

static void device_write(void *self, uint64_t offset, const void *data, unsigned len)
{
	const uint8_t *at = data; /* SINT, VP, operation, connection */
	struct echo *echo = &echoes[at[3]];
	struct hyperv_port port = { .connection = at[3], .self = echo };

	(void)self, (void)offset;
	ck_assert_uint_eq(len, 4);
	echo->connection = at[3];
	echo->vp = at[1];
	echo->sint = at[0];
	if (at[2] == SET_SINT) {
		ck_assert_int_eq(hyperv_signal(hv(), at[1], at[0], 1), 0);
	} else if (at[2] == MAKE_MESSAGE) {
		port.post = echo_message;
		port.emptied = echo_again;
		ck_assert_int_eq(hyperv_port_add(hv(), &port), 0);
	} else if (at[2] == MAKE_EVENT) {
		port.signal = echo_event;
		ck_assert_int_eq(hyperv_port_add(hv(), &port), 0);
	} else {
		ck_assert(at[2] == END_MESSAGE || at[2] == END_EVENT);
		ck_assert_int_eq(hyperv_port_remove(hv(), at[3]), 0);
	}
}

static void device_read(void *self, uint64_t offset, void *data, unsigned len)
{
	(void)self, (void)offset;
	memset(data, 0, len);
}

static void create(const char *cmdline, uint32_t cpus)
{
	static const struct bus_ops ops = { .read = device_read, .write = device_write };

	for (size_t i = 0; i < CONNECTIONS; i++)
		pthread_mutex_init(&echoes[i].lock, NULL);
	hyperv_machine_create(&t, "connections", cmdline, cpus, "default,synic");
	ck_assert_int_eq(bus_add(vm_pio(t.vm), "hyperv-testdev", TEST_DEVICE, 4, &ops, NULL), 0);
}

static void check(unsigned cpu)
{
	static const char *const good[] = {
		"message", "busy", "pending", "again", "event", "set already", "other flag",
	};

	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		hyperv_check_says(&t, cpu, good[i], 1);
	hyperv_check_says(&t, cpu, "too many", HV_STATUS_INSUFFICIENT_BUFFERS);
	hyperv_check_says(&t, cpu, "reserved", 0);
	hyperv_check_says(&t, cpu, "sints", HV_SYNIC_SINTS);
	hyperv_check_says(&t, cpu, "no message", HV_STATUS_INVALID_CONNECTION_ID);
	hyperv_check_says(&t, cpu, "no event", HV_STATUS_INVALID_CONNECTION_ID);
}

/* An end by itself only KVM's LAPIC knows. */
START_TEST(test_messages_and_events_reach_every_cpu)
{
	create(hyperv_is_kernel() ? "cpus=3 auto=1" : "cpus=3", 3);
	test_machine_run(&t, NULL, true);
	ck_assert_int_eq(vm_ended(t.vm), VM_END_POWEROFF);
	for (unsigned cpu = 0; cpu < 3; cpu++)
		check(cpu);
	test_machine_finish(&t);
}
END_TEST

START_TEST(test_a_connection_leads_to_one_port)
{
	const struct hyperv_port port = { .connection = 7 }, none = { .connection = 1 << 24 };

	create("", 1);
	ck_assert_int_eq(hyperv_port_remove(hv(), 7), -ENOENT);
	ck_assert_int_eq(hyperv_port_add(hv(), &none), -EINVAL);
	ck_assert_int_eq(hyperv_port_add(hv(), &port), 0);
	ck_assert_int_eq(hyperv_port_add(hv(), &port), -EEXIST);
	ck_assert_int_eq(hyperv_port_remove(hv(), 7), 0);
	ck_assert_int_eq(hyperv_port_add(hv(), &port), 0);
	test_machine_finish(&t);
	hyperv_machine_create(&t, "calls", "", 1, "");
	ck_assert_int_eq(hyperv_port_add(hv(), &port), -EOPNOTSUPP);
	test_machine_finish(&t);
}
END_TEST

START_TEST(test_nothing_is_sent_to_who_wants_nothing)
{
	struct hv_message message = { .type = 1, .payload_size = 8 };

	create("", 1);
	ck_assert_int_eq(hyperv_post(hv(), 0, 2, &message), -ENOENT);
	ck_assert_int_eq(hyperv_signal(hv(), 0, 2, 0), -ENOENT);
	ck_assert_int_eq(hyperv_post(hv(), 1, 2, &message), -EINVAL);
	ck_assert_int_eq(hyperv_post(hv(), 0, HV_SYNIC_SINTS, &message), -EINVAL);
	ck_assert_int_eq(hyperv_signal(hv(), 0, 2, HV_EVENT_FLAGS), -EINVAL);
	message.payload_size = HV_MESSAGE_PAYLOAD_MAX + 1;
	ck_assert_int_eq(hyperv_post(hv(), 0, 2, &message), -EINVAL);
	message = (struct hv_message){ .type = HV_MESSAGE_NONE };
	ck_assert_int_eq(hyperv_post(hv(), 0, 2, &message), -EINVAL);
	test_machine_finish(&t);
}
END_TEST

CHECK_MAIN_KVM("connections", test_messages_and_events_reach_every_cpu,
	       test_a_connection_leads_to_one_port, test_nothing_is_sent_to_who_wants_nothing)
