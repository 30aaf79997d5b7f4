/* SPDX-License-Identifier: Apache-2.0 */
/* The PL061: pins, their directions, and interrupts by their edges and levels. */
#include "dev/pl061.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <ferry/bus.h>
#include <ferry/error.h>
#include <ferry/vm.h>

#include "base/util.h"
#include "dev/primecell.h"
#include "io/loop.h"
#include "reg/reg_table.h"
#include "vm/irq.h"

/* DDI 0190B, table 3-1. Bits 9..2 of an address below DIR say which pins an access is of. */
enum {
	DATA = 0x000,
	DIR = 0x400,
	IS = 0x404,  /* 1: by level */
	IBE = 0x408, /* 1: by both edges */
	IEV = 0x40c, /* 1: rising or high */
	IE = 0x410,
	RIS = 0x414,
	MIS = 0x418,
	IC = 0x41c,
	AFSEL = 0x420,
};

#define PART 0x061

/* Long enough for a guest that looks at the pin a while after the interrupt. */
#define PRESSED_NS 500000000ULL

struct pl061 {
	struct vm *vm;
	struct loop *loop;
	struct pl061_options options;
	bool claimed;
	struct irq_pulse irq;
	struct loop_timer timer; /* loop thread: the button is let go */
	struct reg_table regs;

	pthread_mutex_t lock; /* all below */
	uint8_t data, dir, is, ibe, iev, ie, edges, afsel;
};

/* Levels are not latched: DDI 0190B 3.3.8. */
static uint8_t raw_status(const struct pl061 *gpio)
{
	uint8_t active = (uint8_t)~(gpio->data ^ gpio->iev);

	return (uint8_t)((gpio->edges & ~gpio->is) | (active & gpio->is));
}

/* The line's edge is what counts: one pulse when it rises. */
static void raise_if_risen(struct pl061 *gpio, uint8_t before)
{
	if (!before && (raw_status(gpio) & gpio->ie))
		irq_pulse_raise(&gpio->irq);
}

static void set_pins(struct pl061 *gpio, uint8_t data)
{
	uint8_t before = raw_status(gpio) & gpio->ie;
	uint8_t changed = (uint8_t)(gpio->data ^ data);

	gpio->data = data;
	gpio->edges |= changed & (uint8_t)(gpio->ibe | ~(data ^ gpio->iev));
	raise_if_risen(gpio, before);
}

static void set_button(struct pl061 *gpio, bool pressed)
{
	uint8_t pin = (uint8_t)(1U << gpio->options.button_pin);

	pthread_mutex_lock(&gpio->lock);
	if (!(gpio->dir & pin))
		set_pins(gpio, pressed ? gpio->data | pin : gpio->data & (uint8_t)~pin);
	pthread_mutex_unlock(&gpio->lock);
}

static void let_go(struct loop_timer *timer)
{
	set_button(container_of(timer, struct pl061, timer), false);
}

void pl061_press(struct pl061 *gpio)
{
	set_button(gpio, true);
	loop_timer_arm(gpio->loop, &gpio->timer, PRESSED_NS, let_go);
}

static uint32_t read_register(const struct pl061 *gpio, uint64_t offset)
{
	uint32_t value = 0;

	if (offset < DIR)
		return gpio->data & (uint8_t)(offset >> 2);
	switch (offset) {
	case DIR:
		return gpio->dir;
	case IS:
		return gpio->is;
	case IBE:
		return gpio->ibe;
	case IEV:
		return gpio->iev;
	case IE:
		return gpio->ie;
	case RIS:
		return raw_status(gpio);
	case MIS:
		return raw_status(gpio) & gpio->ie;
	case AFSEL:
		return gpio->afsel;
	default:
		primecell_read(PART, offset, &value);
		return value;
	}
}

static void write_data(struct pl061 *gpio, uint8_t mask, uint8_t value)
{
	mask &= gpio->dir;
	set_pins(gpio, (uint8_t)((gpio->data & ~mask) | (value & mask)));
}

/* NULL: not one that is written as it is. */
static uint8_t *byte_of(struct pl061 *gpio, uint64_t offset)
{
	switch (offset) {
	case DIR:
		return &gpio->dir;
	case IS:
		return &gpio->is;
	case IBE:
		return &gpio->ibe;
	case IEV:
		return &gpio->iev;
	case IE:
		return &gpio->ie;
	case AFSEL:
		return &gpio->afsel;
	default:
		return NULL;
	}
}

static void write_register(struct pl061 *gpio, uint64_t offset, uint8_t value)
{
	uint8_t before = raw_status(gpio) & gpio->ie, *byte = byte_of(gpio, offset);

	if (offset < DIR) {
		write_data(gpio, (uint8_t)(offset >> 2), value);
		return;
	}
	if (offset == IC)
		gpio->edges &= (uint8_t)~value;
	else if (byte)
		*byte = value;
	raise_if_risen(gpio, before);
}

static void mmio_read(void *self, uint64_t offset, void *data, unsigned len)
{
	struct pl061 *gpio = self;
	uint32_t value;

	if (!is_aligned(offset, 4))
		return;
	pthread_mutex_lock(&gpio->lock);
	value = read_register(gpio, offset);
	pthread_mutex_unlock(&gpio->lock);
	memset(data, 0, len);
	memcpy(data, &value, min_u64(len, sizeof(value)));
}

static void mmio_write(void *self, uint64_t offset, const void *data, unsigned len)
{
	struct pl061 *gpio = self;

	(void)len;
	if (!is_aligned(offset, 4))
		return;
	pthread_mutex_lock(&gpio->lock);
	write_register(gpio, offset, *(const uint8_t *)data);
	pthread_mutex_unlock(&gpio->lock);
}

static const struct bus_ops mmio_ops = { .read = mmio_read, .write = mmio_write };

void pl061_hold(struct pl061 *gpio)
{
	loop_timer_disarm(gpio->loop, &gpio->timer);
}

void pl061_go_on(struct pl061 *gpio, bool arrived)
{
	bool pressed;

	pthread_mutex_lock(&gpio->lock);
	if (arrived)
		raise_if_risen(gpio, 0);
	pressed = gpio->data & (1U << gpio->options.button_pin);
	pthread_mutex_unlock(&gpio->lock);
	if (pressed)
		loop_timer_arm(gpio->loop, &gpio->timer, PRESSED_NS, let_go);
}

int pl061_create(struct vm *vm, const struct pl061_options *options, struct pl061 **ret_gpio)
{
	struct pl061 *gpio = calloc(1, sizeof(*gpio));
	int r;

	if (!gpio)
		return -ENOMEM;
	gpio->vm = vm;
	gpio->loop = vm_loop(vm);
	gpio->options = *options;
	gpio->irq.fd = -1;
	pthread_mutex_init(&gpio->lock, NULL);
	r = irq_pulse_init(&gpio->irq, vm, options->gsi);
	if (r < 0)
		goto fail;
	r = bus_add(vm_mmio(vm), "pl061", options->address, PRIMECELL_SIZE, &mmio_ops, gpio);
	if (r < 0)
		goto fail;
	gpio->claimed = true;
	*ret_gpio = gpio;
	return 0;
fail:
	pl061_destroy(gpio);
	return r;
}

void pl061_destroy(struct pl061 *gpio)
{
	if (!gpio)
		return;
	if (gpio->claimed)
		bus_remove(vm_mmio(gpio->vm), gpio->options.address);
	loop_timer_disarm(gpio->loop, &gpio->timer);
	irq_pulse_finish(&gpio->irq);
	pthread_mutex_destroy(&gpio->lock);
	free(gpio);
}

#define ROW(name, offset) name, REG_ID(REG_BANK_PL061, 0, 0, offset)

/* RIS: the edges that were latched, which the rest does not tell. */
static const struct reg_row rows[] = {
	{ ROW("dir", DIR), 0 },	    { ROW("is", IS), 0 },	  { ROW("ibe", IBE), 0 },
	{ ROW("iev", IEV), 0 },	    { ROW("ie", IE), 0 },	  { ROW("afsel", AFSEL), 0 },
	{ ROW("data", DATA), 0 },   { ROW("edges", RIS), 0 },
};

static uint8_t *kept(struct pl061 *gpio, const struct reg_row *row)
{
	uint32_t offset = REG_ID_NUMBER(row->id);

	if (offset == DATA)
		return &gpio->data;
	return offset == RIS ? &gpio->edges : byte_of(gpio, offset);
}

static void get(void *self, const struct reg_row *row, void *val)
{
	*(uint8_t *)val = *kept(self, row);
}

/* The interrupt that went with it is in the GIC's registers: none is raised. */
static int set(void *self, const struct reg_row *row, const void *val)
{
	*kept(self, row) = *(const uint8_t *)val;
	return 0;
}

int pl061_add_bank(struct pl061 *gpio, struct reg_file *file)
{
	gpio->regs = (struct reg_table){
		.rows = rows,
		.count = ARRAY_SIZE(rows),
		.lock = &gpio->lock,
		.get = get,
		.set = set,
		.self = gpio,
	};
	return reg_table_add(&gpio->regs, file, "pl061", REG_BANK_PL061);
}
