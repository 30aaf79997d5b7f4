/* SPDX-License-Identifier: Apache-2.0 */
/* The PL031: host time plus an offset, and one alarm. */
#include "dev/pl031.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <ferry/bus.h>
#include <ferry/error.h>
#include <ferry/vm.h>

#include "base/util.h"
#include "dev/primecell.h"
#include "io/kick.h"
#include "io/loop.h"
#include "reg/reg_table.h"
#include "vm/irq.h"

/* DDI 0224B, table 3-1 */
enum {
	DR = 0x00,
	MR = 0x04,
	LR = 0x08,
	CR = 0x0c,
	IMSC = 0x10,
	RIS = 0x14,
	MIS = 0x18,
	ICR = 0x1c,
};

#define PART 0x031

#define NS_PER_S 1000000000ULL

/* Further from UTC than 32 bits of seconds can be. */
#define AHEAD_MAX (1LL << 33)

/* The loop looks again at the latest then: nobody waits for years at once. */
#define LOOK_MAX_S 3600

struct pl031 {
	struct vm *vm;
	struct loop *loop;
	struct pl031_options options;
	bool claimed;
	struct irq_pulse irq;
	struct kick kick;	 /* vCPU threads: the alarm is another one */
	struct loop_timer timer; /* loop thread: when to look for a match */
	struct reg_table regs;

	pthread_mutex_t lock; /* all below */
	bool held;
	int64_t ahead; /* of UTC, s */
	uint32_t seen;
	uint32_t mr;
	uint8_t imsc, ris;
};

static uint32_t now(const struct pl031 *rtc)
{
	struct timespec host;

	clock_gettime(CLOCK_REALTIME, &host);
	return (uint32_t)(host.tv_sec + rtc->ahead);
}

static void raise_match(struct pl031 *rtc)
{
	bool masked = !(rtc->imsc & rtc->ris);

	rtc->ris = 1;
	if (masked && rtc->imsc)
		irq_pulse_raise(&rtc->irq);
}

/* Whether the match lies in what has passed since somebody looked; a clock set back skips nothing. */
static void catch_up(struct pl031 *rtc)
{
	uint32_t at = now(rtc);

	if (rtc->held)
		return;
	if ((int32_t)(at - rtc->seen) > 0 && rtc->mr - rtc->seen - 1 < at - rtc->seen)
		raise_match(rtc);
	rtc->seen = at;
}

static void look(struct pl031 *rtc);

static void fired(struct loop_timer *timer)
{
	look(container_of(timer, struct pl031, timer));
}

/* A second's begin in the host's clock is one in the guest's. */
static void look(struct pl031 *rtc)
{
	struct timespec host;
	uint64_t left;

	pthread_mutex_lock(&rtc->lock);
	catch_up(rtc);
	left = min_u64(rtc->mr - rtc->seen, LOOK_MAX_S);
	if (rtc->imsc && !rtc->held && left) {
		clock_gettime(CLOCK_REALTIME, &host);
		loop_timer_arm(rtc->loop, &rtc->timer, left * NS_PER_S - (uint64_t)host.tv_nsec,
			       fired);
	}
	pthread_mutex_unlock(&rtc->lock);
}

static void kicked(struct kick *kick)
{
	look(container_of(kick, struct pl031, kick));
}

static uint32_t read_register(struct pl031 *rtc, uint64_t offset)
{
	uint32_t value = 0;

	catch_up(rtc);
	switch (offset) {
	case DR:
		return now(rtc);
	case MR:
		return rtc->mr;
	case LR:
		return now(rtc);
	case CR:
		return 1; /* once started it cannot be stopped */
	case IMSC:
		return rtc->imsc;
	case RIS:
		return rtc->ris;
	case MIS:
		return rtc->ris & rtc->imsc;
	default:
		primecell_read(PART, offset, &value);
		return value;
	}
}

static void set_clock(struct pl031 *rtc, uint32_t value)
{
	rtc->ahead += (int32_t)(value - now(rtc));
	if (rtc->ahead > AHEAD_MAX || rtc->ahead < -AHEAD_MAX)
		rtc->ahead = 0;
	rtc->seen = now(rtc);
}

static void write_register(struct pl031 *rtc, uint64_t offset, uint32_t value)
{
	catch_up(rtc);
	switch (offset) {
	case MR:
		rtc->mr = value;
		break;
	case LR:
		set_clock(rtc, value);
		break;
	case IMSC:
		if ((value & 1) && !rtc->imsc && rtc->ris)
			irq_pulse_raise(&rtc->irq);
		rtc->imsc = value & 1;
		break;
	case ICR:
		rtc->ris &= (uint8_t)~(value & 1);
		break;
	default:
		return;
	}
	kick_give(&rtc->kick);
}

static void mmio_read(void *self, uint64_t offset, void *data, unsigned len)
{
	struct pl031 *rtc = self;
	uint32_t value;

	if (!is_aligned(offset, 4))
		return;
	pthread_mutex_lock(&rtc->lock);
	value = read_register(rtc, offset);
	pthread_mutex_unlock(&rtc->lock);
	memset(data, 0, len);
	memcpy(data, &value, min_u64(len, sizeof(value)));
}

static void mmio_write(void *self, uint64_t offset, const void *data, unsigned len)
{
	struct pl031 *rtc = self;
	uint32_t value;

	if (!is_aligned(offset, 4) || len < sizeof(value))
		return;
	memcpy(&value, data, sizeof(value));
	pthread_mutex_lock(&rtc->lock);
	write_register(rtc, offset, value);
	pthread_mutex_unlock(&rtc->lock);
}

static const struct bus_ops mmio_ops = { .read = mmio_read, .write = mmio_write };

void pl031_hold(struct pl031 *rtc)
{
	pthread_mutex_lock(&rtc->lock);
	catch_up(rtc);
	rtc->held = true;
	pthread_mutex_unlock(&rtc->lock);
}

void pl031_go_on(struct pl031 *rtc, bool arrived)
{
	pthread_mutex_lock(&rtc->lock);
	rtc->held = false;
	if (arrived && rtc->options.freeze)
		set_clock(rtc, rtc->seen);
	if (arrived && rtc->ris & rtc->imsc)
		irq_pulse_raise(&rtc->irq);
	pthread_mutex_unlock(&rtc->lock);
	look(rtc);
}

int pl031_create(struct vm *vm, const struct pl031_options *options, struct pl031 **ret_rtc)
{
	struct pl031 *rtc = calloc(1, sizeof(*rtc));
	int r;

	if (!rtc)
		return -ENOMEM;
	rtc->vm = vm;
	rtc->loop = vm_loop(vm);
	rtc->options = *options;
	rtc->irq.fd = -1;
	rtc->seen = now(rtc);
	pthread_mutex_init(&rtc->lock, NULL);
	kick_init(&rtc->kick, rtc->loop, kicked);
	r = irq_pulse_init(&rtc->irq, vm, options->gsi);
	if (r < 0)
		goto fail;
	r = bus_add(vm_mmio(vm), "pl031", options->address, PRIMECELL_SIZE, &mmio_ops, rtc);
	if (r < 0)
		goto fail;
	rtc->claimed = true;
	*ret_rtc = rtc;
	return 0;
fail:
	pl031_destroy(rtc);
	return r;
}

void pl031_destroy(struct pl031 *rtc)
{
	if (!rtc)
		return;
	if (rtc->claimed)
		bus_remove(vm_mmio(rtc->vm), rtc->options.address);
	kick_finish(&rtc->kick);
	loop_timer_disarm(rtc->loop, &rtc->timer);
	irq_pulse_finish(&rtc->irq);
	pthread_mutex_destroy(&rtc->lock);
	free(rtc);
}

#define ROW(name, field, size_log2, offset) \
	name, REG_ID(REG_BANK_PL031, PL031_FIELD_##field, size_log2, offset)

static const struct reg_row rows[] = {
	{ ROW("ahead", AHEAD, 3, LR), 0 },
	{ ROW("seen", SEEN, 2, DR), REG_TIME },
	{ ROW("mr", REGISTER, 2, MR), 0 },
	{ ROW("imsc", REGISTER, 2, IMSC), 0 },
	{ ROW("ris", REGISTER, 2, RIS), 0 },
};

static uint32_t word_of(const struct pl031 *rtc, uint32_t offset)
{
	switch (offset) {
	case DR:
		return rtc->seen;
	case MR:
		return rtc->mr;
	case IMSC:
		return rtc->imsc;
	default:
		return rtc->ris;
	}
}

static void get(void *self, const struct reg_row *row, void *val)
{
	const struct pl031 *rtc = self;
	uint32_t word = word_of(rtc, REG_ID_NUMBER(row->id));

	if (REG_ID_FIELD(row->id) == PL031_FIELD_AHEAD)
		memcpy(val, &rtc->ahead, sizeof(rtc->ahead));
	else
		memcpy(val, &word, sizeof(word));
}

static int set_ahead(struct pl031 *rtc, const void *val)
{
	int64_t ahead;

	memcpy(&ahead, val, sizeof(ahead));
	if (ahead > AHEAD_MAX || ahead < -AHEAD_MAX)
		return because(-EINVAL, "pl031: a clock %lld s ahead of UTC", (long long)ahead);
	rtc->ahead = ahead;
	return 0;
}

static int set_word(struct pl031 *rtc, const struct reg_row *row, uint32_t word)
{
	uint32_t offset = REG_ID_NUMBER(row->id);

	if ((offset == IMSC || offset == RIS) && word > 1)
		return because(-EINVAL, "pl031: %s cannot hold %#x", row->name, word);
	if (offset == DR)
		rtc->seen = word;
	else if (offset == MR)
		rtc->mr = word;
	else if (offset == IMSC)
		rtc->imsc = (uint8_t)word;
	else
		rtc->ris = (uint8_t)word;
	return 0;
}

static int set(void *self, const struct reg_row *row, const void *val)
{
	struct pl031 *rtc = self;
	uint32_t word;

	if (REG_ID_FIELD(row->id) == PL031_FIELD_AHEAD)
		return set_ahead(rtc, val);
	memcpy(&word, val, sizeof(word));
	return set_word(rtc, row, word);
}

int pl031_add_bank(struct pl031 *rtc, struct reg_file *file)
{
	rtc->regs = (struct reg_table){
		.rows = rows,
		.count = ARRAY_SIZE(rows),
		.lock = &rtc->lock,
		.get = get,
		.set = set,
		.self = rtc,
	};
	return reg_table_add(&rtc->regs, file, "pl031", REG_BANK_PL031);
}
