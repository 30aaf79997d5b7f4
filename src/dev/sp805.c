/* SPDX-License-Identifier: Apache-2.0 */
/* The SP805: a counter that the guest sets anew in time, or is interrupted, and then reset. */
#include "dev/sp805.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <ferry/bus.h>
#include <ferry/error.h>
#include <ferry/vm.h>

#include "base/clock.h"
#include "base/util.h"
#include "dev/primecell.h"
#include "io/kick.h"
#include "io/loop.h"
#include "reg/reg_table.h"
#include "vm/irq.h"

/* DDI 0270B, table 3-1 */
enum {
	LOAD = 0x000,
	VALUE = 0x004,
	CONTROL = 0x008,
	INTCLR = 0x00c,
	RIS = 0x010,
	MIS = 0x014,
	LOCK = 0xc00,
	PERIPH_ID2 = 0xfe8,
};

/* CONTROL, 3.3.3 */
enum {
	INTEN = 1, /* it counts, and interrupts */
	RESEN = 2,
};

#define PART	 0x805
#define REVISION 0x14 /* 3.3.9: r1, and the designer's upper bits; Linux looks for both */
#define KEY	 0x1acce551U

#define NS_PER_S 1000000000ULL

/* How often it is looked, at the least, whether the VM is paused; and how soon after another time. */
#define LOOK_MAX_NS NS_PER_S
#define LOOK_MIN_NS 1000000ULL

struct sp805 {
	struct vm *vm;
	struct loop *loop;
	struct sp805_options options;
	bool claimed;
	struct irq_pulse irq;
	struct kick kick;	 /* vCPU threads: it counts otherwise */
	struct loop_timer timer; /* loop thread: when to look */
	struct reg_table regs;

	pthread_mutex_t lock; /* all below */
	bool held;
	uint64_t since; /* of the host's monotonic clock: when value was the counter's */
	uint32_t load, value;
	uint8_t control, ris, locked;
};

static bool counts(const struct sp805 *watchdog)
{
	return (watchdog->control & INTEN) && !watchdog->held && !vm_is_paused(watchdog->vm);
}

static uint64_t ticks_of(uint64_t ns)
{
	return (uint64_t)((unsigned __int128)ns * SP805_HZ / NS_PER_S);
}

static uint32_t counter(const struct sp805 *watchdog, uint64_t now)
{
	uint64_t passed = counts(watchdog) ? ticks_of(now - watchdog->since) : 0;

	return passed < watchdog->value ? watchdog->value - (uint32_t)passed : 0;
}

static void count_from(struct sp805 *watchdog, uint32_t value)
{
	watchdog->value = value;
	watchdog->since = clock_now();
}

/* It begins anew, and comes to nothing once, however late somebody looks: the guest was late for that, too. */
static void expire(struct sp805 *watchdog)
{
	if (watchdog->ris && (watchdog->control & RESEN))
		vm_end(watchdog->vm, VM_END_RESET, "the guest did not feed its watchdog");
	else if (!watchdog->ris)
		irq_pulse_raise(&watchdog->irq);
	watchdog->ris = 1;
	count_from(watchdog, watchdog->load);
}

static void look(struct sp805 *watchdog);

static void fired(struct loop_timer *timer)
{
	look(container_of(timer, struct sp805, timer));
}

/* Loop thread. What passes while it does not count is forgotten at the next look. */
static void look(struct sp805 *watchdog)
{
	uint64_t now, left;

	pthread_mutex_lock(&watchdog->lock);
	now = clock_now();
	if (!counts(watchdog))
		watchdog->since = now;
	else if (counter(watchdog, now) == 0)
		expire(watchdog);
	left = (uint64_t)counter(watchdog, now) * NS_PER_S / SP805_HZ;
	if ((watchdog->control & INTEN) && !watchdog->held)
		loop_timer_arm(watchdog->loop, &watchdog->timer,
			       min_u64(max_u64(left, LOOK_MIN_NS), LOOK_MAX_NS), fired);
	pthread_mutex_unlock(&watchdog->lock);
}

static void kicked(struct kick *kick)
{
	look(container_of(kick, struct sp805, kick));
}

static uint32_t read_register(const struct sp805 *watchdog, uint64_t offset)
{
	uint32_t value = 0;

	switch (offset) {
	case LOAD:
		return watchdog->load;
	case VALUE:
		return counter(watchdog, clock_now());
	case CONTROL:
		return watchdog->control;
	case RIS:
		return watchdog->ris;
	case MIS:
		return watchdog->ris & watchdog->control & INTEN;
	case LOCK:
		return watchdog->locked;
	case PERIPH_ID2:
		return REVISION;
	default:
		primecell_read(PART, offset, &value);
		return value;
	}
}

static void write_control(struct sp805 *watchdog, uint32_t value)
{
	bool begins = (value & INTEN) && !(watchdog->control & INTEN);

	if (!(value & INTEN))
		watchdog->value = counter(watchdog, clock_now());
	watchdog->control = value & (INTEN | RESEN);
	if (begins)
		count_from(watchdog, watchdog->load);
}

static void write_register(struct sp805 *watchdog, uint64_t offset, uint32_t value)
{
	if (offset == LOCK)
		watchdog->locked = value != KEY;
	if (offset == LOCK || watchdog->locked)
		return;
	switch (offset) {
	case LOAD:
		watchdog->load = value;
		count_from(watchdog, value);
		break;
	case CONTROL:
		write_control(watchdog, value);
		break;
	case INTCLR:
		watchdog->ris = 0;
		count_from(watchdog, watchdog->load);
		break;
	default:
		return;
	}
	kick_give(&watchdog->kick);
}

static void mmio_read(void *self, uint64_t offset, void *data, unsigned len)
{
	struct sp805 *watchdog = self;
	uint32_t value;

	if (!is_aligned(offset, 4))
		return;
	pthread_mutex_lock(&watchdog->lock);
	value = read_register(watchdog, offset);
	pthread_mutex_unlock(&watchdog->lock);
	memset(data, 0, len);
	memcpy(data, &value, min_u64(len, sizeof(value)));
}

static void mmio_write(void *self, uint64_t offset, const void *data, unsigned len)
{
	struct sp805 *watchdog = self;
	uint32_t value;

	if (!is_aligned(offset, 4) || len < sizeof(value))
		return;
	memcpy(&value, data, sizeof(value));
	pthread_mutex_lock(&watchdog->lock);
	write_register(watchdog, offset, value);
	pthread_mutex_unlock(&watchdog->lock);
}

static const struct bus_ops mmio_ops = { .read = mmio_read, .write = mmio_write };

void sp805_hold(struct sp805 *watchdog)
{
	pthread_mutex_lock(&watchdog->lock);
	watchdog->value = counter(watchdog, clock_now());
	watchdog->held = true;
	pthread_mutex_unlock(&watchdog->lock);
}

void sp805_go_on(struct sp805 *watchdog, bool arrived)
{
	pthread_mutex_lock(&watchdog->lock);
	watchdog->held = false;
	count_from(watchdog, watchdog->value);
	if (arrived && (watchdog->ris & watchdog->control & INTEN))
		irq_pulse_raise(&watchdog->irq);
	pthread_mutex_unlock(&watchdog->lock);
	look(watchdog);
}

int sp805_create(struct vm *vm, const struct sp805_options *options, struct sp805 **ret_watchdog)
{
	struct sp805 *watchdog = calloc(1, sizeof(*watchdog));
	int r;

	if (!watchdog)
		return -ENOMEM;
	watchdog->vm = vm;
	watchdog->loop = vm_loop(vm);
	watchdog->options = *options;
	watchdog->irq.fd = -1;
	watchdog->load = watchdog->value = UINT32_MAX;
	pthread_mutex_init(&watchdog->lock, NULL);
	kick_init(&watchdog->kick, watchdog->loop, kicked);
	r = irq_pulse_init(&watchdog->irq, vm, options->gsi);
	if (r < 0)
		goto fail;
	r = bus_add(vm_mmio(vm), "sp805", options->address, PRIMECELL_SIZE, &mmio_ops, watchdog);
	if (r < 0)
		goto fail;
	watchdog->claimed = true;
	*ret_watchdog = watchdog;
	return 0;
fail:
	sp805_destroy(watchdog);
	return r;
}

void sp805_destroy(struct sp805 *watchdog)
{
	if (!watchdog)
		return;
	if (watchdog->claimed)
		bus_remove(vm_mmio(watchdog->vm), watchdog->options.address);
	kick_finish(&watchdog->kick);
	loop_timer_disarm(watchdog->loop, &watchdog->timer);
	irq_pulse_finish(&watchdog->irq);
	pthread_mutex_destroy(&watchdog->lock);
	free(watchdog);
}

#define ROW(name, offset) name, REG_ID(REG_BANK_SP805, 0, 2, offset)

static const struct reg_row rows[] = {
	{ ROW("load", LOAD), 0 }, { ROW("control", CONTROL), 0 }, { ROW("value", VALUE), REG_TIME },
	{ ROW("ris", RIS), 0 },	  { ROW("lock", LOCK), 0 },
};

static void get(void *self, const struct reg_row *row, void *val)
{
	uint32_t value = read_register(self, REG_ID_NUMBER(row->id));

	memcpy(val, &value, sizeof(value));
}

/* The interrupt that went with it is in the GIC's registers: none is raised. */
static int set(void *self, const struct reg_row *row, const void *val)
{
	struct sp805 *watchdog = self;
	uint32_t offset = REG_ID_NUMBER(row->id), value;

	memcpy(&value, val, sizeof(value));
	if (offset == LOAD)
		watchdog->load = value;
	else if (offset == VALUE)
		count_from(watchdog, value);
	else if (value > (offset == CONTROL ? INTEN | RESEN : 1))
		return because(-EINVAL, "sp805: %s cannot hold %#x", row->name, value);
	else
		*(offset == CONTROL ? &watchdog->control :
		  offset == RIS	    ? &watchdog->ris :
				      &watchdog->locked) = (uint8_t)value;
	return 0;
}

int sp805_add_bank(struct sp805 *watchdog, struct reg_file *file)
{
	watchdog->regs = (struct reg_table){
		.rows = rows,
		.count = ARRAY_SIZE(rows),
		.lock = &watchdog->lock,
		.get = get,
		.set = set,
		.self = watchdog,
	};
	return reg_table_add(&watchdog->regs, file, "sp805", REG_BANK_SP805);
}
