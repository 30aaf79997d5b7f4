/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The dispatcher and a second model, written from the tables of DEN0054, that keeps its events as the text
 * has them.
 */
#include "pv/sdei/walk.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "pv/sdei/model_for_test.h"

static struct {
	unsigned (*pick)(void *self, unsigned n);
	void *self;
	bool has_failed;
	char *failure;
} walk;

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

static unsigned pick(unsigned n)
{
	return walk.pick(walk.self, n);
}

static void both_say(const char *what, int64_t got, int64_t expected)
{
	if (got == expected || walk.has_failed)
		return;
	walk.has_failed = true;
	snprintf(walk.failure, SDEI_WALK_TEXT, "%s: %lld, and the oracle says %lld", what,
		 (long long)got, (long long)expected);
}

static void compare(void)
{
	for (unsigned pe = 0; pe < PES; pe++)
		for (unsigned i = 0; i < EVENTS; i++)
			both_say("STATUS",
				 call(pe, SDEI_EVENT_STATUS, oracle_events[i].number, 0, 0, 0, 0),
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

/* Nothing has such a number: every function that takes one says so, and changes nothing. */
static void call_wrongly(unsigned pe)
{
	static const uint32_t functions[] = {
		SDEI_EVENT_REGISTER, SDEI_EVENT_ENABLE,	  SDEI_EVENT_DISABLE,
		SDEI_EVENT_STATUS,   SDEI_EVENT_GET_INFO, SDEI_EVENT_UNREGISTER,
		SDEI_EVENT_SIGNAL,   SDEI_EVENT_ROUTING_SET, SDEI_INTERRUPT_RELEASE,
	};
	static const uint64_t numbers[] = { 1,		0x3fffffff, 0x40000004,	   0x400000ff,
					    0x40000104, 0x80000000, 0x140000000ULL, UINT64_MAX };
	uint32_t function = functions[pick(ARRAY_SIZE(functions))];

	both_say("a wrong event",
		 call(pe, function, numbers[pick(ARRAY_SIZE(numbers))],
		      function == SDEI_EVENT_REGISTER ? 0x1000 : 0, 0, 0, 0),
		 -2);
}

static void step(void)
{
	unsigned pe = pick(PES), i = pick(EVENTS);
	uint32_t number = oracle_events[i].number;

	switch (pick(18)) {
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
	case 17:
		call_wrongly(pe);
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

bool sdei_walk(unsigned steps, unsigned (*pick_one)(void *self, unsigned n), void *self,
	       char failure[SDEI_WALK_TEXT])
{
	walk.pick = pick_one;
	walk.self = self;
	walk.has_failed = false;
	walk.failure = failure;
	setup();
	oracle_setup();
	for (unsigned n = 0; n < steps && !walk.has_failed; n++)
		step();
	return !walk.has_failed;
}
