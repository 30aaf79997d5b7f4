/* SPDX-License-Identifier: Apache-2.0 */
/* Sleep, reset and event registers of a hardware-reduced ACPI machine. */
#include "dev/acpi_pm.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include <ferry/bus.h>
#include <ferry/error.h>
#include <ferry/vm.h>

#include "base/util.h"
#include "reg/reg_file.h"
#include "vm/irq.h"

/* ACPI 6.5, 4.8.3.7 "Sleep control and status registers" */
enum {
	SLEEP_TYPE_SHIFT = 2,
	SLEEP_TYPE_MASK = 7 << SLEEP_TYPE_SHIFT,
	SLEEP_ENABLE = 1 << 5, /* reads as zero */
	WAKE_STATUS = 1 << 7,  /* writing one clears it */

	SLEEP_TYPE_S5 = 5, /* _S5 in our DSDT */
	GED_POWER_BUTTON = 1 << 0,
};

struct acpi_pm {
	struct vm *vm;
	struct acpi_pm_options options;
	struct irq_pulse irq;
	uint16_t claimed[4]; /* ports */
	unsigned claimed_count;

	pthread_mutex_t lock; /* all below */
	uint8_t sleep_control;
	uint8_t sleep_status;
	uint8_t ged;
};

static void sleep_control_read(void *self, uint64_t offset, void *data, unsigned len)
{
	struct acpi_pm *pm = self;

	(void)offset, (void)len;
	pthread_mutex_lock(&pm->lock);
	*(uint8_t *)data = pm->sleep_control;
	pthread_mutex_unlock(&pm->lock);
}

static void sleep_control_write(void *self, uint64_t offset, const void *data, unsigned len)
{
	struct acpi_pm *pm = self;
	uint8_t value = *(const uint8_t *)data;

	(void)offset, (void)len;
	pthread_mutex_lock(&pm->lock);
	pm->sleep_control = value & SLEEP_TYPE_MASK;
	pthread_mutex_unlock(&pm->lock);
	if ((value & SLEEP_ENABLE) && (value & SLEEP_TYPE_MASK) == SLEEP_TYPE_S5
									   << SLEEP_TYPE_SHIFT)
		vm_end(pm->vm, VM_END_POWEROFF, NULL);
}

static void sleep_status_read(void *self, uint64_t offset, void *data, unsigned len)
{
	struct acpi_pm *pm = self;

	(void)offset, (void)len;
	pthread_mutex_lock(&pm->lock);
	*(uint8_t *)data = pm->sleep_status;
	pthread_mutex_unlock(&pm->lock);
}

static void sleep_status_write(void *self, uint64_t offset, const void *data, unsigned len)
{
	struct acpi_pm *pm = self;

	(void)offset, (void)len;
	pthread_mutex_lock(&pm->lock);
	pm->sleep_status &= ~(*(const uint8_t *)data & WAKE_STATUS);
	pthread_mutex_unlock(&pm->lock);
}

static void reset_read(void *self, uint64_t offset, void *data, unsigned len)
{
	(void)self, (void)offset, (void)len;
	*(uint8_t *)data = 0;
}

static void reset_write(void *self, uint64_t offset, const void *data, unsigned len)
{
	struct acpi_pm *pm = self;

	(void)offset, (void)len;
	if (*(const uint8_t *)data == pm->options.reset_value)
		vm_end(pm->vm, VM_END_RESET, NULL);
}

static void ged_read(void *self, uint64_t offset, void *data, unsigned len)
{
	struct acpi_pm *pm = self;

	(void)offset, (void)len;
	pthread_mutex_lock(&pm->lock);
	*(uint8_t *)data = pm->ged;
	pm->ged = 0;
	pthread_mutex_unlock(&pm->lock);
}

static void ged_write(void *self, uint64_t offset, const void *data, unsigned len)
{
	(void)self, (void)offset, (void)data, (void)len;
}

static const struct bus_ops sleep_control_ops = { sleep_control_read, sleep_control_write };
static const struct bus_ops sleep_status_ops = { sleep_status_read, sleep_status_write };
static const struct bus_ops reset_ops = { reset_read, reset_write };
static const struct bus_ops ged_ops = { ged_read, ged_write };

void acpi_pm_power_button(struct acpi_pm *pm)
{
	pthread_mutex_lock(&pm->lock);
	pm->ged |= GED_POWER_BUTTON;
	pthread_mutex_unlock(&pm->lock);
	irq_pulse_raise(&pm->irq);
}

void acpi_pm_arrived(struct acpi_pm *pm)
{
	bool pending;

	pthread_mutex_lock(&pm->lock);
	pending = pm->ged;
	pthread_mutex_unlock(&pm->lock);
	if (pending)
		irq_pulse_raise(&pm->irq);
}

static int claim(struct acpi_pm *pm, const char *name, uint16_t port, const struct bus_ops *ops)
{
	int r = bus_add(vm_pio(pm->vm), name, port, 1, ops, pm);

	if (r == 0)
		pm->claimed[pm->claimed_count++] = port;
	return r;
}

static int claim_all(struct acpi_pm *pm)
{
	const struct acpi_pm_options *options = &pm->options;
	int r;

	r = claim(pm, "acpi sleep control", options->sleep_control_port, &sleep_control_ops);
	if (r == 0)
		r = claim(pm, "acpi sleep status", options->sleep_status_port, &sleep_status_ops);
	if (r == 0)
		r = claim(pm, "acpi reset", options->reset_port, &reset_ops);
	if (r == 0)
		r = claim(pm, "acpi events", options->ged_port, &ged_ops);
	return r;
}

int acpi_pm_create(struct vm *vm, const struct acpi_pm_options *options, struct acpi_pm **ret_pm)
{
	struct acpi_pm *pm = calloc(1, sizeof(*pm));
	int r;

	if (!pm)
		return -ENOMEM;
	pm->vm = vm;
	pm->options = *options;
	pm->irq.fd = -1;
	pthread_mutex_init(&pm->lock, NULL);
	r = irq_pulse_init(&pm->irq, vm, options->ged_gsi);
	if (r == 0)
		r = claim_all(pm);
	if (r < 0)
		goto fail;
	*ret_pm = pm;
	return 0;
fail:
	acpi_pm_destroy(pm);
	return r;
}

void acpi_pm_destroy(struct acpi_pm *pm)
{
	if (!pm)
		return;
	for (unsigned i = 0; i < pm->claimed_count; i++)
		bus_remove(vm_pio(pm->vm), pm->claimed[i]);
	irq_pulse_finish(&pm->irq);
	pthread_mutex_destroy(&pm->lock);
	free(pm);
}

/* The register behind a port, and the bits it can hold; NULL: none. */
static uint8_t *find(struct acpi_pm *pm, uint64_t id, uint8_t *ret_values, const char **ret_name)
{
	const struct {
		const char *name;
		uint16_t port;
		uint8_t *byte, values;
	} regs[] = {
		{ "sleep_control", pm->options.sleep_control_port, &pm->sleep_control,
		  SLEEP_TYPE_MASK },
		{ "sleep_status", pm->options.sleep_status_port, &pm->sleep_status, WAKE_STATUS },
		{ "ged", pm->options.ged_port, &pm->ged, GED_POWER_BUTTON },
	};

	for (size_t i = 0; i < ARRAY_SIZE(regs); i++) {
		if (REG_ID(REG_BANK_ACPI, 0, 0, regs[i].port) != id)
			continue;
		*ret_values = regs[i].values;
		*ret_name = regs[i].name;
		return regs[i].byte;
	}
	return NULL;
}

static int list(void *self, uint32_t vcpu, struct reg_list *out)
{
	struct acpi_pm *pm = self;
	const uint16_t ports[] = { pm->options.sleep_control_port, pm->options.sleep_status_port,
				   pm->options.ged_port };
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(ports) && r == 0; i++)
		r = reg_list_add(out, vcpu, REG_ID(REG_BANK_ACPI, 0, 0, ports[i]), 0);
	return r;
}

static int get(void *self, struct reg_key key, void *val)
{
	struct acpi_pm *pm = self;
	const char *name;
	uint8_t values, *byte = find(pm, key.id, &values, &name);

	if (!byte)
		return -ENOENT;
	pthread_mutex_lock(&pm->lock);
	*(uint8_t *)val = *byte;
	pthread_mutex_unlock(&pm->lock);
	return 0;
}

static int set(void *self, struct reg_key key, const void *val)
{
	struct acpi_pm *pm = self;
	const char *name;
	uint8_t values, *byte = find(pm, key.id, &values, &name), value = *(const uint8_t *)val;

	if (!byte)
		return -ENOENT;
	if (value & ~values)
		return because(-EINVAL, "acpi: %s cannot hold %#x", name, value);
	pthread_mutex_lock(&pm->lock);
	*byte = value;
	pthread_mutex_unlock(&pm->lock);
	return 0;
}

static int name_of(void *self, struct reg_key key, char *name, size_t size)
{
	const char *own;
	uint8_t values;

	if (!find(self, key.id, &values, &own))
		return -ENOENT;
	snprintf(name, size, "%s", own);
	return 0;
}

static const struct reg_bank acpi_pm_bank = {
	.name = "acpi",
	.mask = REG_BANK_MASK,
	.match = REG_BANK(REG_BANK_ACPI),
	.list = list,
	.get = get,
	.set = set,
	.name_of = name_of,
};

int acpi_pm_add_bank(struct acpi_pm *pm, struct reg_file *file)
{
	return reg_file_add(file, &acpi_pm_bank, 0, 0, pm);
}
