/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The dispatcher against an independent model: a second one, written from the tables of DEN0054,
 * that keeps its events as letters; random calls, and both must answer and be alike.
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "check_main.h"
#include "pv/sdei/model.h"

#define PES 3

static struct sdei_pe pes[PES];
static struct sdei_model model;

static void setup(void)
{
	memset(pes, 0, sizeof(pes));
	memset(&model, 0, sizeof(model));
	for (unsigned i = 0; i < PES; i++)
		pes[i].mpidr = i << 8;
	model.pes = pes;
	model.pe_count = PES;
	model.interrupts = 64;
}

static int64_t call(uint32_t pe, uint32_t function, uint64_t a, uint64_t b, uint64_t c, uint64_t d,
		    uint64_t e)
{
	struct sdei_call what = { function, { a, b, c, d, e } };
	uint32_t whom;

	return sdei_call(&model, pe, &what, &whom);
}

/*
 * The oracle. A handler's state is the text that the reference has for it: r or R, e or E, g or G
 * for running, enabled, registered; capitals are set.
 */
struct oracle_event {
	uint32_t number;
	bool shared, critical, dynamic;
};

static const struct oracle_event oracle_events[] = {
	{ 0, false, false, false },	  { 0x40000000, false, false, false },
	{ 0x40000001, false, true, false }, { 0x40000002, true, false, false },
	{ 0x40000003, true, true, false },  { 0x40000100, true, false, true },
	{ 0x40000101, true, false, true },  { 0x40000102, true, false, true },
	{ 0x40000103, true, false, true },
};

#define EVENTS ARRAY_SIZE(oracle_events)

struct oracle_row {
	bool registered, enabled, pending, to_pe;
	uint64_t affinity;
};

static struct {
	struct oracle_row rows[PES][EVENTS]; /* a shared event's is PE 0's */
	int running[PES][2];		     /* event's index by critical, or -1 */
	bool masked[PES];
	unsigned interrupt[EVENTS]; /* of a dynamic event; 0: unbound */
} oracle;

static void oracle_setup(void)
{
	memset(&oracle, 0, sizeof(oracle));
	memset(oracle.running, -1, sizeof(oracle.running));
	for (unsigned pe = 0; pe < PES; pe++)
		oracle.masked[pe] = true;
}

static struct oracle_row *row(unsigned pe, unsigned i)
{
	return &oracle.rows[oracle_events[i].shared ? 0 : pe][i];
}

static bool is_running(unsigned pe, unsigned i)
{
	for (unsigned other = 0; other < PES; other++)
		if ((other == pe || oracle_events[i].shared) &&
		    oracle.running[other][oracle_events[i].critical] == (int)i)
			return true;
	return false;
}

/* The table of the reference, 1.2, in words. */
static int64_t oracle_register(unsigned pe, unsigned i)
{
	struct oracle_row *r = row(pe, i);

	if (r->registered || is_running(pe, i) ||
	    (oracle_events[i].dynamic && !oracle.interrupt[i]))
		return -3;
	*r = (struct oracle_row){ .registered = true };
	return 0;
}

static int64_t oracle_enable(unsigned pe, unsigned i, bool on)
{
	if (!row(pe, i)->registered)
		return -3;
	row(pe, i)->enabled = on;
	return 0;
}

static int64_t oracle_unregister(unsigned pe, unsigned i)
{
	bool registered = row(pe, i)->registered;

	*row(pe, i) = (struct oracle_row){ .registered = false };
	if (is_running(pe, i))
		return -5;
	return registered ? 0 : -3;
}

static int64_t oracle_reset(unsigned pe, bool shared)
{
	int64_t result = 0;

	for (unsigned i = 0; i < EVENTS; i++)
		if (oracle_events[i].shared == shared && oracle_unregister(pe, i) == -5)
			result = -3;
	return result;
}

static int64_t oracle_shared_reset(unsigned pe)
{
	int64_t result = oracle_reset(pe, true);

	if (result == 0)
		memset(oracle.interrupt, 0, sizeof(oracle.interrupt));
	return result;
}

static int64_t oracle_bind(unsigned interrupt)
{
	int free = -1;

	for (int i = EVENTS - 1; i >= 0; i--) {
		if (oracle_events[i].dynamic && oracle.interrupt[i] == interrupt)
			return oracle_events[i].number;
		if (oracle_events[i].dynamic && !oracle.interrupt[i])
			free = i;
	}
	if (free < 0)
		return -10;
	oracle.interrupt[free] = interrupt;
	return oracle_events[free].number;
}

static int64_t oracle_release(unsigned pe, unsigned i)
{
	if (!oracle_events[i].dynamic || !oracle.interrupt[i])
		return -2;
	if (row(pe, i)->registered || is_running(pe, i))
		return -3;
	oracle.interrupt[i] = 0;
	return 0;
}

static int64_t oracle_complete(unsigned pe)
{
	unsigned top = oracle.running[pe][1] >= 0;

	if (oracle.running[pe][top] < 0)
		return -3;
	oracle.running[pe][top] = -1;
	return 0;
}

/* The index of what is delivered, or -1. */
static int oracle_next(unsigned pe)
{
	for (int critical = 1; critical >= 0; critical--)
		for (unsigned i = 0; i < EVENTS; i++) {
			struct oracle_row *r = row(pe, i);

			if (oracle_events[i].critical != critical || !r->registered || !r->enabled ||
			    !r->pending || is_running(pe, i) || oracle.masked[pe] ||
			    oracle.running[pe][1] >= 0 || (!critical && oracle.running[pe][0] >= 0) ||
			    (r->to_pe && r->affinity != pe << 8))
				continue;
			r->pending = false;
			oracle.running[pe][critical] = (int)i;
			return (int)i;
		}
	return -1;
}

static unsigned oracle_status(unsigned pe, unsigned i)
{
	return row(pe, i)->registered * 1U + row(pe, i)->enabled * 2U + is_running(pe, i) * 4U;
}

static uint64_t seed = 1;

static unsigned pick(unsigned n)
{
	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (unsigned)(seed >> 33) % n;
}

static int64_t both_say(const char *what, int64_t got, int64_t expected)
{
	ck_assert_msg(got == expected, "%s: %lld, and the oracle says %lld", what, (long long)got,
		      (long long)expected);
	return got;
}

static void compare(void)
{
	for (unsigned pe = 0; pe < PES; pe++)
		for (unsigned i = 0; i < EVENTS; i++)
			ck_assert_uint_eq(call(pe, SDEI_EVENT_STATUS, oracle_events[i].number, 0, 0, 0,
					       0),
					  oracle_status(pe, i));
}

static void trigger_both(unsigned pe, unsigned i)
{
	uint32_t whom;
	bool latched = sdei_trigger(&model, sdei_event(oracle_events[i].number), pe, &whom);

	both_say("trigger", latched, row(pe, i)->registered);
	if (latched)
		row(pe, i)->pending = true;
}

static void deliver_both(unsigned pe)
{
	struct sdei_context *context = NULL;
	const struct sdei_handler *handler = sdei_next(&model, pe, &context);
	int i = oracle_next(pe);

	both_say("delivered", handler ? (int64_t)context->event : -1,
		    i < 0 ? -1 : (int64_t)oracle_events[i].number);
}

static void complete_both(unsigned pe)
{
	struct sdei_context context;
	uint32_t whom;

	both_say("COMPLETE", sdei_complete(&model, pe, pick(2), 0x1000, &context, &whom),
		    oracle_complete(pe));
}

static void route_both(unsigned pe, unsigned i)
{
	bool to_pe = pick(2);
	unsigned target = pick(PES);
	struct oracle_row *r = row(pe, i);
	int64_t expected = -2;

	if (oracle_events[i].shared && (!oracle_events[i].dynamic || oracle.interrupt[i]))
		expected = r->registered && !r->enabled && !is_running(pe, i) ? 0 : -3;
	if (expected == 0) {
		r->to_pe = to_pe;
		r->affinity = to_pe ? target << 8 : 0;
	}
	both_say("ROUTING_SET",
		    call(pe, SDEI_EVENT_ROUTING_SET, oracle_events[i].number, to_pe, target << 8, 0, 0),
		    expected);
}

static void off_both(unsigned pe)
{
	sdei_pe_off(&model, pe);
	for (unsigned i = 0; i < EVENTS; i++)
		if (!oracle_events[i].shared)
			*row(pe, i) = (struct oracle_row){ .registered = false };
	oracle.running[pe][0] = oracle.running[pe][1] = -1;
	oracle.masked[pe] = true;
}

static void bind_or_release_both(unsigned pe, unsigned i)
{
	unsigned interrupt = 32 + pick(6);

	if (pick(2))
		both_say("BIND", call(pe, SDEI_INTERRUPT_BIND, interrupt, 0, 0, 0, 0),
			 oracle_bind(interrupt));
	else
		both_say("RELEASE",
			 call(pe, SDEI_INTERRUPT_RELEASE, oracle_events[i].number, 0, 0, 0, 0),
			 oracle_release(pe, i));
}

static void step(void)
{
	unsigned pe = pick(PES), i = pick(EVENTS);
	uint32_t number = oracle_events[i].number;

	switch (pick(17)) {
	case 0:
	case 1:
		both_say("REGISTER", call(pe, SDEI_EVENT_REGISTER, number, 0x1000, 1, 0, 0),
			    oracle_register(pe, i));
		break;
	case 2:
	case 3:
		both_say("ENABLE", call(pe, SDEI_EVENT_ENABLE, number, 0, 0, 0, 0),
			    oracle_enable(pe, i, true));
		break;
	case 4:
		both_say("DISABLE", call(pe, SDEI_EVENT_DISABLE, number, 0, 0, 0, 0),
			    oracle_enable(pe, i, false));
		break;
	case 5:
		both_say("UNREGISTER", call(pe, SDEI_EVENT_UNREGISTER, number, 0, 0, 0, 0),
			    oracle_unregister(pe, i));
		break;
	case 6:
		both_say("PE_MASK", call(pe, SDEI_PE_MASK, 0, 0, 0, 0, 0), !oracle.masked[pe]);
		oracle.masked[pe] = true;
		break;
	case 7:
	case 8:
		both_say("PE_UNMASK", call(pe, SDEI_PE_UNMASK, 0, 0, 0, 0, 0), 0);
		oracle.masked[pe] = false;
		break;
	case 9:
		route_both(pe, i);
		break;
	case 10:
		if (pick(20) == 0)
			both_say("RESET",
				    call(pe, SDEI_PRIVATE_RESET, 0, 0,
					 0, 0, 0),
				    oracle_reset(pe, false));
		else if (pick(20) == 0)
			both_say("SHARED_RESET", call(pe, SDEI_SHARED_RESET, 0, 0, 0, 0, 0),
				    oracle_shared_reset(pe));
		else if (pick(20) == 0)
			off_both(pe);
		break;
	case 14:
		bind_or_release_both(pe, i);
		break;
	case 11:
	case 12:
		trigger_both(pe, i);
		break;
	case 13:
		complete_both(pe);
		break;
	default:
		deliver_both(pe);
		break;
	}
	compare();
}

START_TEST(test_random_calls_agree_with_an_independent_model)
{
	setup();
	oracle_setup();
	for (unsigned n = 0; n < 40000; n++)
		step();
}
END_TEST

/* The numbers are the reference's 1.2: the state's bits, then what each operation makes of it. */
START_TEST(test_the_table_is_the_specifications)
{
	static const struct {
		unsigned state;
		struct {
			int result;
			unsigned next;
		} cells[SDEI_OPERATIONS];
	} rows[] = {
		{ 0, { { 0, 1 }, { -3, 0 }, { -3, 0 }, { -3, 0 }, { -3, 0 }, { -3, 0 }, { -3, 0 } } },
		{ 1, { { -3, 1 }, { 0, 3 }, { 0, 1 }, { 0, 0 }, { 0, 1 }, { -3, 1 }, { -3, 1 } } },
		{ 3, { { -3, 3 }, { 0, 3 }, { 0, 1 }, { 0, 0 }, { -3, 3 }, { -3, 3 }, { 0, 7 } } },
		{ 7, { { -3, 7 }, { 0, 7 }, { 0, 5 }, { -5, 4 }, { -3, 7 }, { 0, 3 }, { -3, 7 } } },
		{ 5, { { -3, 5 }, { 0, 7 }, { 0, 5 }, { -5, 4 }, { -3, 5 }, { 0, 1 }, { -3, 5 } } },
		{ 4, { { -3, 4 }, { -3, 4 }, { -3, 4 }, { -5, 4 }, { -3, 4 }, { 0, 0 }, { -3, 4 } } },
	};

	for (size_t r = 0; r < ARRAY_SIZE(rows); r++)
		for (unsigned o = 0; o < SDEI_OPERATIONS; o++) {
			unsigned next;

			ck_assert_int_eq(sdei_transition(rows[r].state, (enum sdei_operation)o, &next),
					 rows[r].cells[o].result);
			ck_assert_uint_eq(next, rows[r].cells[o].next);
		}
}
END_TEST

START_TEST(test_arguments_are_looked_at_in_the_order_of_the_reference)
{
	setup();
	ck_assert_int_eq(call(0, SDEI_VERSION, 0, 0, 0, 0, 0), (int64_t)(1ULL << 48));
	ck_assert_int_eq(call(0, SDEI_EVENT_REGISTER, 77, 0, 0, 0, 0), -2);
	ck_assert_int_eq(call(0, SDEI_EVENT_REGISTER, 0, 4, 0, 0, 0), 0);
	ck_assert_int_eq(call(0, SDEI_EVENT_REGISTER, 0, 4, 0, 2, 0), -2);
	ck_assert_int_eq(call(0, SDEI_EVENT_REGISTER, 0, 4, 0, 1, 0x900), -2);
	ck_assert_int_eq(call(0, SDEI_EVENT_REGISTER, 0, 4, 0, 0, 0), -3);
	ck_assert_int_eq(call(0, SDEI_EVENT_CONTEXT, 18, 0, 0, 0, 0), -2);
	ck_assert_int_eq(call(0, SDEI_EVENT_CONTEXT, 17, 0, 0, 0, 0), -3);
	ck_assert_int_eq(call(0, SDEI_EVENT_STATUS, 1ULL << 32, 0, 0, 0, 0), -2);
	ck_assert_int_eq(call(0, SDEI_EVENT_GET_INFO, 0x40000001, 2, 0, 0, 0), 1);
	ck_assert_int_eq(call(0, SDEI_EVENT_GET_INFO, 0x40000002, 3, 0, 0, 0), -3);
	ck_assert_int_eq(call(0, SDEI_INTERRUPT_BIND, 15, 0, 0, 0, 0), -2);
	ck_assert_int_eq(call(0, SDEI_INTERRUPT_BIND, 16, 0, 0, 0, 0), -10);
	ck_assert_int_eq(call(0, SDEI_INTERRUPT_BIND, 64, 0, 0, 0, 0), -2);
	ck_assert_int_eq(call(0, SDEI_EVENT_SIGNAL, 0, 0x100, 0, 0, 0), -2);
	ck_assert_int_eq(call(0, SDEI_EVENT_SIGNAL, 0, 0x9000, 0, 0, 0), -2);
	ck_assert_int_eq(call(0, SDEI_EVENT_SIGNAL, 0, 0, 0, 0, 0), 0);
	ck_assert_int_eq(call(0, 0xc400003f, 0, 0, 0, 0, 0), -1);
	ck_assert_int_eq(call(0, 0x84000020, 0, 0, 0, 0, 0), -1);
}
END_TEST

START_TEST(test_a_critical_event_preempts_a_normal_one_and_both_complete)
{
	struct sdei_context *context, done;
	uint32_t whom;

	setup();
	for (uint32_t event = 0x40000000; event <= 0x40000001; event++) {
		ck_assert_int_eq(call(1, SDEI_EVENT_REGISTER, event, 4, event, 0, 0), 0);
		ck_assert_int_eq(call(1, SDEI_EVENT_ENABLE, event, 0, 0, 0, 0), 0);
	}
	call(1, SDEI_PE_UNMASK, 0, 0, 0, 0, 0);
	ck_assert(sdei_trigger(&model, sdei_event(0x40000000), 1, &whom));
	ck_assert_uint_eq(whom, 1);
	ck_assert_ptr_null(sdei_next(&model, 0, &context));
	ck_assert_uint_eq(sdei_next(&model, 1, &context)->arg, 0x40000000);
	context->x[3] = 33;
	ck_assert(sdei_trigger(&model, sdei_event(0x40000000), 1, &whom));
	ck_assert_ptr_null(sdei_next(&model, 1, &context));
	ck_assert(sdei_trigger(&model, sdei_event(0x40000001), 1, &whom));
	ck_assert_uint_eq(sdei_next(&model, 1, &context)->arg, 0x40000001);
	context->x[3] = 44;
	ck_assert_int_eq(call(1, SDEI_EVENT_CONTEXT, 3, 0, 0, 0, 0), 44);
	ck_assert_int_eq(sdei_complete(&model, 1, true, 0, &done, &whom), -3);
	ck_assert_int_eq(sdei_complete(&model, 1, false, 0, &done, &whom), 0);
	ck_assert_uint_eq(done.x[3], 44);
	ck_assert_int_eq(call(1, SDEI_EVENT_CONTEXT, 3, 0, 0, 0, 0), 33);
	ck_assert_int_eq(sdei_complete(&model, 1, false, 0, &done, &whom), 0);
	ck_assert_uint_eq(sdei_next(&model, 1, &context)->arg, 0x40000000);
}
END_TEST

CHECK_MAIN("sdei", test_the_table_is_the_specifications,
	   test_arguments_are_looked_at_in_the_order_of_the_reference,
	   test_a_critical_event_preempts_a_normal_one_and_both_complete,
	   test_random_calls_agree_with_an_independent_model)
