/* SPDX-License-Identifier: Apache-2.0 */
/* The serial port's registers as the register file sees them. */
#include "dev/serial_chip.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <ferry/error.h>

#include "base/util.h"
#include "reg/reg_file.h"

/* The receive FIFO: how many bytes, then the bytes, oldest first, then zeros. */
struct rx_image {
	uint8_t count;
	uint8_t bytes[31];
};

/* The same of the bytes that are not sent yet. */
struct tx_image {
	uint32_t count;
	uint8_t bytes[SERIAL_TX_MAX];
};

_Static_assert(sizeof(struct rx_image) == 1 << 5, "RBR is a register of 32 bytes");
_Static_assert(sizeof(struct tx_image) == 1 << 13, "THR is a register of 8 KiB");

/* Order: FCR sets the FIFO's size. values: the bits the register can hold. */
static const struct serial_reg {
	const char *name;
	uint8_t field, size_log2, offset, values;
} serial_regs[] = {
	{ "fcr", SERIAL_FIELD_WRITE, 0, SERIAL_FCR, FCR_KEPT },
	{ "ier", SERIAL_FIELD_READ, 0, SERIAL_IER, IER_MASK },
	{ "iir", SERIAL_FIELD_READ, 0, SERIAL_IIR, IIR_THRE },
	{ "lcr", SERIAL_FIELD_READ, 0, SERIAL_LCR, 0xff },
	{ "mcr", SERIAL_FIELD_READ, 0, SERIAL_MCR, MCR_MASK },
	{ "lsr", SERIAL_FIELD_READ, 0, SERIAL_LSR, LSR_ERRORS },
	{ "msr", SERIAL_FIELD_READ, 0, SERIAL_MSR, MSR_DELTAS },
	{ "scr", SERIAL_FIELD_READ, 0, SERIAL_SCR, 0xff },
	{ "dll", SERIAL_FIELD_DLAB, 0, SERIAL_DLL, 0xff },
	{ "dlm", SERIAL_FIELD_DLAB, 0, SERIAL_DLM, 0xff },
	{ "rbr", SERIAL_FIELD_READ, 5, SERIAL_RBR, 0 },
	{ "thr", SERIAL_FIELD_WRITE, 13, SERIAL_THR, 0 },
};

static uint64_t reg_id(const struct serial *serial, const struct serial_reg *reg)
{
	return REG_ID(REG_BANK_SERIAL, reg->field, reg->size_log2,
		      serial_number(serial) | reg->offset);
}

static const struct serial_reg *find(const struct serial *serial, uint64_t id)
{
	for (size_t i = 0; i < ARRAY_SIZE(serial_regs); i++)
		if (reg_id(serial, &serial_regs[i]) == id)
			return &serial_regs[i];
	return NULL;
}

static int list(void *self, uint32_t vcpu, struct reg_list *out)
{
	struct serial *serial = self;
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(serial_regs) && r == 0; i++)
		r = reg_list_add(out, vcpu, reg_id(serial, &serial_regs[i]), 0);
	return r;
}

/* The byte behind a register, IIR, LSR and MSR aside: they hold only what is not derived. */
static uint8_t *byte_of(struct serial *serial, const struct serial_reg *reg)
{
	switch (reg->offset) {
	case SERIAL_DLL:
		return &serial->dll;
	case SERIAL_IER: /* and DLM */
		return reg->field == SERIAL_FIELD_DLAB ? &serial->dlm : &serial->ier;
	case SERIAL_FCR: /* not IIR: get and set look there first */
		return &serial->fcr;
	case SERIAL_LCR:
		return &serial->lcr;
	case SERIAL_MCR:
		return &serial->mcr;
	case SERIAL_LSR:
		return &serial->line_errors;
	case SERIAL_MSR:
		return &serial->modem_deltas;
	default:
		return &serial->scr;
	}
}

static bool is_iir(const struct serial_reg *reg)
{
	return reg->offset == SERIAL_IIR && reg->field == SERIAL_FIELD_READ;
}

static void get_rx(const struct serial *serial, void *val)
{
	struct rx_image image = { .count = serial->rx_count };

	memcpy(image.bytes, serial->rx, serial->rx_count);
	memcpy(val, &image, sizeof(image));
}

static void get_tx(const struct serial *serial, void *val)
{
	struct tx_image image = { .count = serial->tx_count };

	for (unsigned i = 0; i < serial->tx_count; i++)
		image.bytes[i] = serial->tx[(serial->tx_first + i) % SERIAL_TX_MAX];
	memcpy(val, &image, sizeof(image));
}

static int get(void *self, struct reg_key key, void *val)
{
	struct serial *serial = self;
	const struct serial_reg *reg = find(serial, key.id);

	if (!reg)
		return -ENOENT;
	pthread_mutex_lock(&serial->lock);
	if (reg->size_log2 == 5)
		get_rx(serial, val);
	else if (reg->size_log2 == 13)
		get_tx(serial, val);
	else if (is_iir(reg))
		*(uint8_t *)val = serial->thre_pending ? IIR_THRE : 0;
	else
		*(uint8_t *)val = *byte_of(serial, reg);
	pthread_mutex_unlock(&serial->lock);
	return 0;
}

static int set_rx(struct serial *serial, const void *val)
{
	struct rx_image image;

	memcpy(&image, val, sizeof(image));
	if (image.count > SERIAL_FIFO)
		return because(-EINVAL, "serial: a receive FIFO of %u bytes", image.count);
	serial->rx_count = image.count;
	memcpy(serial->rx, image.bytes, image.count);
	return 0;
}

static int set_tx(struct serial *serial, const void *val)
{
	struct tx_image image;

	memcpy(&image, val, sizeof(image));
	if (image.count > SERIAL_TX_MAX)
		return because(-EINVAL, "serial: %u unsent bytes", image.count);
	serial->tx_first = 0;
	serial->tx_count = image.count;
	memcpy(serial->tx, image.bytes, image.count);
	serial_watch_tx(serial);
	return 0;
}

static int set_byte(struct serial *serial, const struct serial_reg *reg, uint8_t value)
{
	if (value & ~reg->values)
		return because(-EINVAL, "serial: %s cannot hold %#x", reg->name, value);
	if (is_iir(reg))
		serial->thre_pending = value;
	else
		*byte_of(serial, reg) = value;
	return 0;
}

static int set(void *self, struct reg_key key, const void *val)
{
	struct serial *serial = self;
	const struct serial_reg *reg = find(serial, key.id);
	int r;

	if (!reg)
		return -ENOENT;
	pthread_mutex_lock(&serial->lock);
	if (reg->size_log2 == 5)
		r = set_rx(serial, val);
	else if (reg->size_log2 == 13)
		r = set_tx(serial, val);
	else
		r = set_byte(serial, reg, *(const uint8_t *)val);
	/* The edge that went with it is in the interrupt controller's registers: none is raised. */
	serial_settle_irq(serial);
	pthread_mutex_unlock(&serial->lock);
	return r;
}

static int name_of(void *self, struct reg_key key, char *name, size_t size)
{
	struct serial *serial = self;
	const struct serial_reg *reg = find(serial, key.id);

	if (!reg)
		return -ENOENT;
	if (serial->options.port == SERIAL_COM1 || !serial->options.port)
		snprintf(name, size, "%s", reg->name);
	else
		snprintf(name, size, "%x.%s", serial->options.port, reg->name);
	return 0;
}

static const struct reg_bank serial_bank = {
	.name = "serial",
	.mask = REG_BANK_MASK,
	.match = REG_BANK(REG_BANK_SERIAL),
	.list = list,
	.get = get,
	.set = set,
	.name_of = name_of,
};

int serial_add_bank(struct serial *serial, struct reg_file *file)
{
	return reg_file_add(file, &serial_bank, 0xffff0000u, serial_number(serial), serial);
}
