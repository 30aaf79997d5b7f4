/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes the device tree, node by node (Devicetree Specification 0.4; Linux
 * Documentation/devicetree/bindings, whose names the nodes carry).
 */
#include "boot/fdt.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libfdt.h>

#include <ferry/error.h>

#include "base/util.h"

#define SIZE_MAX_FDT (2 * MIB)

/* What a tree without CPUs and command line takes, generously; and what a CPU does. */
#define SIZE_BASE    8192
#define SIZE_PER_CPU 192

enum {
	PHANDLE_CLOCK = 1,
	PHANDLE_GIC,
	PHANDLE_MSI,
	PHANDLE_GPIO,
};

/* interrupt-controller/arm,gic-v3.yaml: type, number, trigger */
enum {
	GIC_SPI = 0,
	GIC_PPI = 1,
	IRQ_EDGE_RISING = 1,
	IRQ_LEVEL_HIGH = 4,
};

/* Arm ARM D12.2.4 and BSA 1.0, 3.6: the generic timers' interrupts, as KVM has them. */
enum {
	PPI_TIMER_SECURE = 13,
	PPI_TIMER_PHYSICAL = 14,
	PPI_TIMER_VIRTUAL = 11,
	PPI_TIMER_HYP = 10,
};

/* pci/pci.txt: phys.hi of a range */
#define PCI_MEMORY32 0x02000000U
#define PCI_MEMORY64 0x03000000U

#define UART_CLOCK_HZ 1843200
#define APB_CLOCK_HZ  24000000

#define KEY_POWER 116 /* linux/input-event-codes.h */

/* A tree that is being written; err is libfdt's first failure, after which nothing happens. */
struct tree {
	void *buf;
	int err;
};

static void note(struct tree *tree, int err)
{
	if (!tree->err && err < 0)
		tree->err = err;
}

static void begin(struct tree *tree, const char *name)
{
	if (!tree->err)
		note(tree, fdt_begin_node(tree->buf, name));
}

static void begin_at(struct tree *tree, const char *name, uint64_t address)
{
	char full[64];

	snprintf(full, sizeof(full), "%s@%" PRIx64, name, address);
	begin(tree, full);
}

static void end(struct tree *tree)
{
	if (!tree->err)
		note(tree, fdt_end_node(tree->buf));
}

static void bytes(struct tree *tree, const char *name, const void *value, size_t len)
{
	if (!tree->err)
		note(tree, fdt_property(tree->buf, name, value, (int)len));
}

static void string(struct tree *tree, const char *name, const char *value)
{
	bytes(tree, name, value, strlen(value) + 1);
}

static void flag(struct tree *tree, const char *name)
{
	bytes(tree, name, NULL, 0);
}

static void cells_of(struct tree *tree, const char *name, const uint32_t *cells, size_t count)
{
	uint32_t big[32];

	for (size_t i = 0; i < count; i++)
		big[i] = cpu_to_fdt32(cells[i]);
	bytes(tree, name, big, count * sizeof(big[0]));
}

#define CELLS(tree, name, ...)                                                                     \
	cells_of((tree), (name), (const uint32_t[]){ __VA_ARGS__ },                                \
		 sizeof((const uint32_t[]){ __VA_ARGS__ }) / sizeof(uint32_t))

/* A number of two cells. */
#define WIDE(v) (uint32_t)((uint64_t)(v) >> 32), (uint32_t)(v)

static void reg(struct tree *tree, uint64_t base, uint64_t size)
{
	CELLS(tree, "reg", WIDE(base), WIDE(size));
}

static void cell_sizes(struct tree *tree, uint32_t address, uint32_t size)
{
	CELLS(tree, "#address-cells", address);
	CELLS(tree, "#size-cells", size);
}

static void add_chosen(struct tree *tree, const struct fdt_options *options)
{
	const struct fdt_window *initrd = &options->initrd;
	char path[64];

	begin(tree, "chosen");
	string(tree, "bootargs", options->cmdline);
	snprintf(path, sizeof(path), "/serial@%" PRIx64, options->serial.base);
	string(tree, "stdout-path", path);
	if (initrd->size) {
		CELLS(tree, "linux,initrd-start", WIDE(initrd->base));
		CELLS(tree, "linux,initrd-end", WIDE(initrd->base + initrd->size));
	}
	if (options->kaslr_seed)
		CELLS(tree, "kaslr-seed", WIDE(options->kaslr_seed));
	bytes(tree, "rng-seed", options->rng_seed, sizeof(options->rng_seed));
	/* BARs are placed: the guest need not move them. */
	CELLS(tree, "linux,pci-probe-only", 1);
	end(tree);
}

static void add_cpus(struct tree *tree, const struct fdt_options *options)
{
	begin(tree, "cpus");
	cell_sizes(tree, 2, 0);
	for (uint32_t i = 0; i < options->cpu_count; i++) {
		begin_at(tree, "cpu", options->cpus[i]);
		string(tree, "device_type", "cpu");
		string(tree, "compatible", "arm,armv8");
		string(tree, "enable-method", "psci");
		CELLS(tree, "reg", WIDE(options->cpus[i]));
		end(tree);
	}
	end(tree);
}

static void add_memory(struct tree *tree, const struct fdt_options *options)
{
	begin_at(tree, "memory", options->ram.base);
	string(tree, "device_type", "memory");
	reg(tree, options->ram.base, options->ram.size);
	end(tree);
}

static void add_psci(struct tree *tree)
{
	static const char compatible[] = "arm,psci-1.0\0arm,psci-0.2";

	begin(tree, "psci");
	bytes(tree, "compatible", compatible, sizeof(compatible));
	string(tree, "method", "hvc");
	end(tree);
}

/* arm/firmware/sdei.txt */
static void add_sdei(struct tree *tree)
{
	begin(tree, "firmware");
	begin(tree, "sdei");
	string(tree, "compatible", "arm,sdei-1.0");
	string(tree, "method", "hvc");
	end(tree);
	end(tree);
}

/* interrupt-controller/arm,gic.yaml: whose a private interrupt is stands in bits 15..8; GICv3 has none. */
static uint32_t ppi_flags(const struct fdt_options *options)
{
	uint32_t cpus = options->gic_cpu.size ? (1U << options->cpu_count) - 1 : 0;

	return cpus << 8 | IRQ_LEVEL_HIGH;
}

static void add_timer(struct tree *tree, uint32_t flags)
{
	begin(tree, "timer");
	string(tree, "compatible", "arm,armv8-timer");
	flag(tree, "always-on");
	CELLS(tree, "interrupts", GIC_PPI, PPI_TIMER_SECURE, flags, GIC_PPI, PPI_TIMER_PHYSICAL, flags,
	      GIC_PPI, PPI_TIMER_VIRTUAL, flags, GIC_PPI, PPI_TIMER_HYP, flags);
	end(tree);
}

/* arm/pmu.yaml */
static void add_pmu(struct tree *tree, uint32_t ppi, uint32_t flags)
{
	if (!ppi)
		return;
	begin(tree, "pmu");
	string(tree, "compatible", "arm,armv8-pmuv3");
	CELLS(tree, "interrupts", GIC_PPI, ppi, flags);
	end(tree);
}

static void add_its(struct tree *tree, const struct fdt_options *options)
{
	if (!options->its.size)
		return;
	begin_at(tree, "msi-controller", options->its.base);
	string(tree, "compatible", "arm,gic-v3-its");
	flag(tree, "msi-controller");
	CELLS(tree, "#msi-cells", 1);
	reg(tree, options->its.base, options->its.size);
	CELLS(tree, "phandle", PHANDLE_MSI);
	end(tree);
}

/* arm,gic.yaml, v2m */
static void add_gicv2m(struct tree *tree, const struct fdt_options *options)
{
	if (!options->gicv2m.size)
		return;
	begin_at(tree, "v2m", options->gicv2m.base);
	string(tree, "compatible", "arm,gic-v2m-frame");
	flag(tree, "msi-controller");
	reg(tree, options->gicv2m.base, options->gicv2m.size);
	CELLS(tree, "arm,msi-base-spi", options->msi_first);
	CELLS(tree, "arm,msi-num-spis", options->msi_count);
	CELLS(tree, "phandle", PHANDLE_MSI);
	end(tree);
}

static void add_gic(struct tree *tree, const struct fdt_options *options)
{
	const struct fdt_window *dist = &options->gic_dist;
	const struct fdt_window *cpu = &options->gic_cpu;
	const struct fdt_window *of_cpus = cpu->size ? cpu : &options->gic_redist;

	begin_at(tree, "interrupt-controller", dist->base);
	string(tree, "compatible", cpu->size ? "arm,cortex-a15-gic" : "arm,gic-v3");
	flag(tree, "interrupt-controller");
	CELLS(tree, "#interrupt-cells", 3);
	cell_sizes(tree, 2, 2);
	flag(tree, "ranges");
	CELLS(tree, "reg", WIDE(dist->base), WIDE(dist->size), WIDE(of_cpus->base),
	      WIDE(of_cpus->size));
	CELLS(tree, "phandle", PHANDLE_GIC);
	add_its(tree, options);
	add_gicv2m(tree, options);
	end(tree);
}

static void add_clock(struct tree *tree)
{
	begin(tree, "apb-pclk");
	string(tree, "compatible", "fixed-clock");
	CELLS(tree, "#clock-cells", 0);
	CELLS(tree, "clock-frequency", APB_CLOCK_HZ);
	CELLS(tree, "phandle", PHANDLE_CLOCK);
	end(tree);
}

static void place(struct tree *tree, const struct fdt_device *device)
{
	reg(tree, device->base, device->size);
	CELLS(tree, "interrupts", GIC_SPI, device->spi, IRQ_EDGE_RISING);
}

static void add_serial(struct tree *tree, const struct fdt_device *serial)
{
	begin_at(tree, "serial", serial->base);
	string(tree, "compatible", "ns16550a");
	CELLS(tree, "clock-frequency", UART_CLOCK_HZ);
	place(tree, serial);
	end(tree);
}

/* compatible: the part's and its family's names, with a NUL between them. */
static void begin_primecell(struct tree *tree, const char *name, const char *compatible, size_t len,
			    const struct fdt_device *device)
{
	begin_at(tree, name, device->base);
	bytes(tree, "compatible", compatible, len);
	CELLS(tree, "clocks", PHANDLE_CLOCK);
	string(tree, "clock-names", "apb_pclk");
	place(tree, device);
}

static void add_rtc(struct tree *tree, const struct fdt_device *rtc)
{
	static const char compatible[] = "arm,pl031\0arm,primecell";

	if (!rtc->size)
		return;
	begin_primecell(tree, "rtc", compatible, sizeof(compatible), rtc);
	end(tree);
}

/* watchdog/arm,sp805.yaml: its own clock, then the bus's; they are one */
static void add_watchdog(struct tree *tree, const struct fdt_device *watchdog)
{
	static const char compatible[] = "arm,sp805\0arm,primecell";
	static const char clocks[] = "wdog_clk\0apb_pclk";

	if (!watchdog->size)
		return;
	begin_at(tree, "watchdog", watchdog->base);
	bytes(tree, "compatible", compatible, sizeof(compatible));
	CELLS(tree, "clocks", PHANDLE_CLOCK, PHANDLE_CLOCK);
	bytes(tree, "clock-names", clocks, sizeof(clocks));
	place(tree, watchdog);
	end(tree);
}

/* The power button is a key on a pin, high while it is pressed. */
static void add_button(struct tree *tree, const struct fdt_options *options)
{
	static const char compatible[] = "arm,pl061\0arm,primecell";

	if (!options->gpio.size)
		return;
	begin_primecell(tree, "gpio", compatible, sizeof(compatible), &options->gpio);
	flag(tree, "gpio-controller");
	CELLS(tree, "#gpio-cells", 2);
	CELLS(tree, "phandle", PHANDLE_GPIO);
	end(tree);
	begin(tree, "gpio-keys");
	string(tree, "compatible", "gpio-keys");
	begin(tree, "poweroff");
	string(tree, "label", "Power Button");
	CELLS(tree, "linux,code", KEY_POWER);
	CELLS(tree, "gpios", PHANDLE_GPIO, options->button_pin, 0);
	end(tree);
	end(tree);
}

/* misc/pvpanic-mmio.txt */
static void add_pvpanic(struct tree *tree, const struct fdt_window *pvpanic)
{
	if (!pvpanic->size)
		return;
	begin_at(tree, "pvpanic", pvpanic->base);
	string(tree, "compatible", "qemu,pvpanic-mmio");
	reg(tree, pvpanic->base, pvpanic->size);
	end(tree);
}

/* pci/host-generic-pci.yaml, pci/pci-msi.txt: a requester id is the ITS's device id; a frame knows none. */
static void add_pci(struct tree *tree, const struct fdt_options *options)
{
	const struct fdt_window *low = &options->mmio32, *high = &options->mmio64;

	if (!options->ecam.size)
		return;
	begin_at(tree, "pcie", options->ecam.base);
	string(tree, "compatible", "pci-host-ecam-generic");
	string(tree, "device_type", "pci");
	cell_sizes(tree, 3, 2);
	CELLS(tree, "bus-range", 0, 0);
	CELLS(tree, "linux,pci-domain", 0);
	reg(tree, options->ecam.base, options->ecam.size);
	CELLS(tree, "ranges", PCI_MEMORY32, WIDE(low->base), WIDE(low->base), WIDE(low->size),
	      PCI_MEMORY64, WIDE(high->base), WIDE(high->base), WIDE(high->size));
	if (options->its.size)
		CELLS(tree, "msi-map", 0, PHANDLE_MSI, 0, 0x10000);
	if (options->gicv2m.size)
		CELLS(tree, "msi-parent", PHANDLE_MSI);
	flag(tree, "dma-coherent");
	end(tree);
}

static void add_all(struct tree *tree, const struct fdt_options *options)
{
	begin(tree, "");
	string(tree, "model", "ferry");
	string(tree, "compatible", "linux,dummy-virt");
	cell_sizes(tree, 2, 2);
	CELLS(tree, "interrupt-parent", PHANDLE_GIC);
	add_chosen(tree, options);
	add_cpus(tree, options);
	add_memory(tree, options);
	add_psci(tree);
	if (options->sdei)
		add_sdei(tree);
	add_timer(tree, ppi_flags(options));
	add_pmu(tree, options->pmu_ppi, ppi_flags(options));
	add_gic(tree, options);
	add_clock(tree);
	add_serial(tree, &options->serial);
	add_rtc(tree, &options->rtc);
	add_watchdog(tree, &options->watchdog);
	add_button(tree, options);
	add_pvpanic(tree, &options->pvpanic);
	add_pci(tree, options);
	end(tree);
}

int fdt_build(const struct fdt_options *options, void **ret_fdt, size_t *ret_size)
{
	size_t room = SIZE_BASE + strlen(options->cmdline) +
		      (size_t)options->cpu_count * SIZE_PER_CPU;
	struct tree tree = { .buf = NULL };

	if (room > SIZE_MAX_FDT)
		return because(-ENOSPC, "a device tree of more than 2 MiB");
	tree.buf = calloc(1, room);
	if (!tree.buf)
		return -ENOMEM;
	note(&tree, fdt_create(tree.buf, (int)room));
	note(&tree, fdt_finish_reservemap(tree.buf));
	add_all(&tree, options);
	if (!tree.err)
		note(&tree, fdt_finish(tree.buf));
	if (tree.err) {
		free(tree.buf);
		return because(-ENOSPC, "the device tree: %s", fdt_strerror(tree.err));
	}
	*ret_fdt = tree.buf;
	*ret_size = fdt_totalsize(tree.buf);
	return 0;
}
