/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The smallest complete VM on libferry: boots a kernel, shows its serial console, has one device of
 * its own, and ends as the guest ends.
 *
 *   cc tiny.c $(pkg-config --cflags --libs ferry) -o tiny
 *   ./tiny vmlinuz "console=ttyS0 panic=-1"
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <ferry/bus.h>
#include <ferry/error.h>
#include <ferry/machine.h>

/*
 * The device: four ports at 0x510. Writing adds the value to a sum, reading gives the sum. Both are
 * called on vCPU threads; with one vCPU nothing needs a lock.
 */
#define ADDER_PORT 0x510

struct adder {
	uint32_t sum;
};

static void adder_read(void *self, uint64_t offset, void *data, unsigned len)
{
	const struct adder *adder = self;

	(void)offset;
	memcpy(data, &adder->sum, len < sizeof(adder->sum) ? len : sizeof(adder->sum));
}

static void adder_write(void *self, uint64_t offset, const void *data, unsigned len)
{
	struct adder *adder = self;
	uint32_t value = 0;

	(void)offset;
	memcpy(&value, data, len < sizeof(value) ? len : sizeof(value));
	adder->sum += value;
}

static const struct bus_ops adder_ops = { .read = adder_read, .write = adder_write };

/* What the guest says on its serial port. Taking less than all is fine; ferry comes again. */
static size_t output(void *self, enum machine_console console, const void *buf, size_t len)
{
	ssize_t written = write(STDOUT_FILENO, buf, len);

	(void)self;
	(void)console;
	return written < 0 ? len : (size_t)written;
}

static void message(void *self, enum log_level level, const char *line)
{
	(void)self;
	if (level <= LOG_LEVEL_WARN)
		fprintf(stderr, "tiny: %s\n", line);
}

/* Runs the machine until the guest ends it; the exit status says how. */
static int run(struct machine *machine)
{
	struct vm *vm = machine_vm(machine);
	int err = vm_start(vm);

	if (err == 0)
		err = vm_wait(vm);
	if (err < 0) {
		fprintf(stderr, "tiny: %s\n", error_text(err));
		return 1;
	}
	machine_flush(machine);
	switch (vm_ended(vm)) {
	case VM_END_POWEROFF:
		return 0;
	case VM_END_RESET:
		return 32;
	case VM_END_PANIC:
		return 34;
	default:
		fprintf(stderr, "tiny: %s\n", vm_end_text(vm));
		return 33;
	}
}

int main(int argc, char **argv)
{
	struct adder adder = { 0 };
	struct machine *machine;
	struct machine_options options = {
		.vm = { .name = "tiny", .vcpus = 1, .log = { .emit = message } },
		.memory = 256 << 20,
		.kernel = argc > 1 ? argv[1] : NULL,
		.cmdline = argc > 2 ? argv[2] : "console=ttyS0 panic=-1",
		.rng_source = "", /* no virtio-rng */
		.output = output,
	};
	int err;
	int status;

	if (argc < 2) {
		fprintf(stderr, "usage: tiny KERNEL [COMMAND LINE]\n");
		return 2;
	}
	err = machine_create(&options, &machine);
	if (err == 0)
		err = bus_add(vm_pio(machine_vm(machine)), "adder", ADDER_PORT, 4, &adder_ops,
			      &adder);
	if (err < 0) {
		fprintf(stderr, "tiny: %s\n", error_text(err));
		return 1;
	}
	status = run(machine);
	fprintf(stderr, "tiny: the adder's sum is %u\n", adder.sum);
	machine_destroy(machine);
	return status;
}
