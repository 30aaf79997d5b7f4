/* SPDX-License-Identifier: Apache-2.0 */
/* What an arm64 machine consists of, and where. */
#include "machine/machine.h"

#include <errno.h>
#include <stdlib.h>

#include <ferry/error.h>

#include <abi/steal.h>

#include "arch/arm64/ident.h"
#include "arch/arm64/regs.h"
#include "base/cleanup.h"
#include "base/util.h"
#include "boot/arm64.h"
#include "dev/gicv2m.h"
#include "dev/pci/pci.h"
#include "dev/pl031.h"
#include "dev/pl061.h"
#include "dev/primecell.h"
#include "dev/pvpanic.h"
#include "dev/sp805.h"
#include "pv/sdei/sdei.h"
#include "kvm/kvm.h"
#include "mem/mem.h"
#include "vm/vm.h"

/*
 * Guest physical addresses. Devices lie below 1 GiB; RAM begins there and is in one piece. Behind it
 * lies what can be plugged, where the largest blocks begin by which Linux adds memory, and behind that
 * 64-bit BARs.
 */
#define GICD_BASE   0x08000000UL
#define GICD_SIZE   0x00010000UL
#define GICC_BASE   0x08010000UL /* of a GICv2 */
#define GICC_SIZE   0x00002000UL
#define V2M_BASE    0x08020000UL
#define ITS_BASE    0x08080000UL
#define ITS_SIZE    0x00020000UL
#define SERIAL_BASE 0x09000000UL
#define SERIAL_SIZE 8
#define RTC_BASE    0x09010000UL
#define GPIO_BASE   0x09030000UL
#define WDT_BASE    0x09040000UL
#define PANIC_BASE  0x09050000UL
#define STOLEN_BASE 0x0a000000UL /* memory, where KVM tells the guest of stolen time */
#define MMIO32_BASE 0x10000000UL
#define MMIO32_SIZE 0x10000000UL
#define GICR_BASE   0x20000000UL /* 128 KiB a vCPU */
#define GICR_END    0x3f000000UL
#define GICR_SIZE   0x00020000UL
#define ECAM_BASE   0x3f000000UL
#define ECAM_SIZE   0x00100000UL /* bus 0 */
#define RAM_BASE    GIB
#define MMIO64_SIZE (64 * GIB)
#define PLUG_ALIGN  GIB

/* Shared peripheral interrupts; below ARM64_SPIS. */
#define SERIAL_SPI 1
#define RTC_SPI	   2
#define GPIO_SPI   3
#define WDT_SPI	   4

#define FIRST_SPI 32 /* GICv3 2.2: its INTID */
#define PMU_PPI	  7  /* BSA 1.0, 3.6: interrupt 23 */

#define BUTTON_PIN 3

/* There is room for it, and it would not be a whole page of 1 GiB. */
static bool tells_stolen(const struct mem *mem)
{
	return mem->page_size <= MMIO32_BASE - STOLEN_BASE &&
	       kvm_check_extension(mem->vm_fd, KVM_CAP_STEAL_TIME) > 0;
}

int machine_map_memory(struct machine *machine, struct mem *mem)
{
	uint64_t size = align_up(machine->options->vm.vcpus * PV_TIME_ALIGN, mem->page_size);
	int r = machine_map_ram(machine, mem, RAM_BASE, UINT64_MAX - RAM_BASE, RAM_BASE);

	if (r == 0 && tells_stolen(mem))
		r = mem_map_ram(mem, "stolen time", STOLEN_BASE, size, 0);
	return r;
}

static int add_stolen(struct machine *machine)
{
	if (!tells_stolen(vm_mem(machine->vm)))
		return 0;
	return arm64_clock_tell_stolen(machine->vm, STOLEN_BASE);
}

static uint64_t plug_base(const struct machine *machine)
{
	return align_up(RAM_BASE + machine->memory, PLUG_ALIGN);
}

static uint64_t mmio64_base(const struct machine *machine)
{
	uint64_t end = RAM_BASE + machine->memory;

	if (machine->memory_max)
		end = plug_base(machine) + machine->memory_max - machine->memory;
	return align_up(end, MMIO64_SIZE);
}

static int add_blocks(struct machine *machine)
{
	unsigned bits = arch_address_bits(machine->vm);
	uint64_t end = mmio64_base(machine) + MMIO64_SIZE;

	if (end > 1ULL << bits)
		return because(-EINVAL,
			       "addresses of %u bits reach %llu GiB; all memory and 64-bit BARs "
			       "need %llu",
			       bits, (1ULL << bits) / GIB, (unsigned long long)(end / GIB));
	return machine_add_blocks(machine, plug_base(machine));
}

static int add_vm(struct machine *machine)
{
	if (machine->options->exit_port)
		return because(-EINVAL, "--exit-port: arm64 machines have no I/O ports");
	return vm_bank_add(machine->vm);
}

static int add_fw(struct machine *machine)
{
	const char *pins = machine->options->fw;
	int r = arm64_fw_bank_add(machine->vm);

	/* Who comes from elsewhere brings its own. */
	if (r == 0 && pins && !machine->options->blank)
		r = arm64_fw_pin(machine->vm, pins);
	return r == -EINVAL ? because_of(r, "--fw") : r;
}

static int add_sysreg(struct machine *machine)
{
	return arm64_sysreg_bank_add(machine->vm);
}

static int add_core(struct machine *machine)
{
	return arm64_core_bank_add(machine->vm);
}

static int add_sve(struct machine *machine)
{
	return arm64_sve_bank_add(machine->vm);
}

static int add_vcpu(struct machine *machine)
{
	return arm64_vcpu_bank_add(machine->vm);
}

static int add_gicv2m(struct machine *machine)
{
	const struct gicv2m_options options = {
		.address = V2M_BASE,
		.first = FIRST_SPI + ARM64_SPIS,
		.count = ARM64_MSI_SPIS,
		.raise = arm64_gic_raise,
		.self = machine->vm,
	};

	return gicv2m_create(machine->vm, &options, &machine->gicv2m);
}

static int add_gic(struct machine *machine)
{
	static const struct arm64_gic_options options = {
		.dist = GICD_BASE,
		.redist = GICR_BASE,
		.redist_end = GICR_END,
		.its = ITS_BASE,
		.cpu = GICC_BASE,
		.frame = V2M_BASE,
	};
	int r = arm64_gic_create(machine->vm, &options);

	if (r == 0)
		r = arm64_pmu_init(machine->vm, PMU_PPI);
	if (r == 0)
		r = arm64_gic_bank_add(machine->vm);
	return r < 0 || !machine->vm->arch.is_gicv2 ? r : add_gicv2m(machine);
}

static void remove_gic(struct machine *machine)
{
	gicv2m_destroy(machine->gicv2m);
}

/* Where the kernel cannot and nobody insists, the guest is not told of it. */
static int add_sdei(struct machine *machine)
{
	enum machine_sdei wanted = machine->options->sdei;
	int r;

	if (wanted == MACHINE_SDEI_OFF)
		return 0;
	r = sdei_create(machine->vm, FIRST_SPI + ARM64_SPIS, &machine->sdei);
	if (r == -EOPNOTSUPP && wanted == MACHINE_SDEI_AUTO)
		return 0;
	if (r < 0)
		return because_of(r, "--sdei");
	return sdei_add_banks(machine->sdei, &machine->vm->regs);
}

static void remove_sdei(struct machine *machine)
{
	sdei_destroy(machine->sdei);
}

int machine_sdei_inject(struct machine *machine, uint32_t event, uint32_t vcpu)
{
	if (!machine->sdei)
		return because(-ENODEV, "the machine has no SDEI");
	return sdei_inject(machine->sdei, event, vcpu);
}

static int add_clock(struct machine *machine)
{
	return arm64_clock_bank_add(machine->vm, machine->options->clock == MACHINE_CLOCK_FREEZE);
}

static int add_serial(struct machine *machine)
{
	return machine_add_serial(machine, 0, SERIAL_BASE, SERIAL_SPI);
}

static int add_rtc(struct machine *machine)
{
	const struct pl031_options options = {
		.address = RTC_BASE,
		.gsi = RTC_SPI,
		.freeze = machine->options->clock == MACHINE_CLOCK_FREEZE,
	};
	int r = pl031_create(machine->vm, &options, &machine->pl031);

	return r < 0 ? r : pl031_add_bank(machine->pl031, &machine->vm->regs);
}

static void remove_rtc(struct machine *machine)
{
	pl031_destroy(machine->pl031);
}

static int add_gpio(struct machine *machine)
{
	static const struct pl061_options options = {
		.address = GPIO_BASE,
		.gsi = GPIO_SPI,
		.button_pin = BUTTON_PIN,
	};
	int r = pl061_create(machine->vm, &options, &machine->pl061);

	return r < 0 ? r : pl061_add_bank(machine->pl061, &machine->vm->regs);
}

static void remove_gpio(struct machine *machine)
{
	pl061_destroy(machine->pl061);
}

static int add_watchdog(struct machine *machine)
{
	static const struct sp805_options options = { .address = WDT_BASE, .gsi = WDT_SPI };
	int r = sp805_create(machine->vm, &options, &machine->sp805);

	return r < 0 ? r : sp805_add_bank(machine->sp805, &machine->vm->regs);
}

static void remove_watchdog(struct machine *machine)
{
	sp805_destroy(machine->sp805);
}

static int add_pvpanic(struct machine *machine)
{
	static const struct pvpanic_options options = { .address = PANIC_BASE };
	int r = pvpanic_create(machine->vm, &options, &machine->pvpanic);

	return r < 0 ? r : pvpanic_add_bank(machine->pvpanic, &machine->vm->regs);
}

static void remove_pvpanic(struct machine *machine)
{
	pvpanic_destroy(machine->pvpanic);
}

static int add_pci(struct machine *machine)
{
	const struct pci_options options = {
		.ecam = ECAM_BASE,
		.mmio32 = MMIO32_BASE,
		.mmio32_size = MMIO32_SIZE,
		.mmio64 = mmio64_base(machine),
		.mmio64_size = MMIO64_SIZE,
	};

	return pci_host_create(machine->vm, &options, &machine->pci);
}

static void remove_pci(struct machine *machine)
{
	pci_host_destroy(machine->pci);
}

static void describe(const struct machine *machine, struct fdt_options *fdt)
{
	const char *cmdline = machine->options->cmdline;
	uint64_t redist_size = (uint64_t)vm_vcpus(machine->vm) * GICR_SIZE;
	bool is_gicv2 = machine->vm->arch.is_gicv2;

	*fdt = (struct fdt_options){
		.cmdline = cmdline ? cmdline : "",
		.ram = { RAM_BASE, machine->memory },
		.cpu_count = vm_vcpus(machine->vm),
		.gic_dist = { GICD_BASE, GICD_SIZE },
		.gic_redist = { GICR_BASE, is_gicv2 ? 0 : redist_size },
		.its = { ITS_BASE, is_gicv2 ? 0 : ITS_SIZE },
		.gic_cpu = { GICC_BASE, is_gicv2 ? GICC_SIZE : 0 },
		.gicv2m = { V2M_BASE, is_gicv2 ? GICV2M_SIZE : 0 },
		.msi_first = FIRST_SPI + ARM64_SPIS,
		.msi_count = ARM64_MSI_SPIS,
		.serial = { SERIAL_BASE, SERIAL_SIZE, SERIAL_SPI },
		.rtc = { RTC_BASE, PRIMECELL_SIZE, RTC_SPI },
		.watchdog = { WDT_BASE, PRIMECELL_SIZE, WDT_SPI },
		.gpio = { GPIO_BASE, PRIMECELL_SIZE, GPIO_SPI },
		.button_pin = BUTTON_PIN,
		.pvpanic = { PANIC_BASE, PVPANIC_MMIO_SIZE },
		.ecam = { ECAM_BASE, ECAM_SIZE },
		.mmio32 = { MMIO32_BASE, MMIO32_SIZE },
		.mmio64 = { mmio64_base(machine), MMIO64_SIZE },
		.sdei = machine->sdei != NULL,
		.pmu_ppi = machine->vm->arch.cpu.has_pmu ? PMU_PPI : 0,
	};
}

static int add_kernel(struct machine *machine)
{
	struct arm64_boot_options options = {
		.kernel = machine->options->kernel,
		.initrds = machine->options->initrds,
		.initrd_count = machine->options->initrd_count,
		.kaslr = machine->options->kaslr,
	};
	struct boot_entry entry = { .mode = BOOT_NONE };
	struct vm *vm = machine->vm;
	AUTO_FREE uint64_t *cpus = calloc(vm->vcpu_count, sizeof(*cpus));
	int r;

	if (machine->options->blank)
		return 0;
	if (!cpus)
		return -ENOMEM;
	for (uint32_t i = 0; i < vm->vcpu_count; i++)
		cpus[i] = vm->vcpus[i].arch.mpidr & ARM64_MPIDR_AFFINITY;
	describe(machine, &options.fdt);
	options.fdt.cpus = cpus;
	r = arm64_boot_load(vm_mem(vm), &options, &entry);
	return r < 0 ? r : arch_vcpu_set_entry(&vm->vcpus[0], &entry);
}

void machine_own_hold(struct machine *machine)
{
	pl031_hold(machine->pl031);
	pl061_hold(machine->pl061);
	sp805_hold(machine->sp805);
}

void machine_own_go_on(struct machine *machine, bool arrived)
{
	pl031_go_on(machine->pl031, arrived);
	pl061_go_on(machine->pl061, arrived);
	sp805_go_on(machine->sp805, arrived);
}

void machine_own_power_button(struct machine *machine)
{
	pl061_press(machine->pl061);
}

/* In the order in which registers are restored; regs.h of the architecture says why. */
const struct machine_part machine_parts[] = {
	{ add_blocks, machine_remove_blocks }, /* before all that may lie in that memory */
	{ add_vm, NULL },
	{ add_fw, NULL },
	{ add_sysreg, NULL },
	{ add_core, NULL },
	{ add_sve, NULL },
	{ add_vcpu, NULL },
	{ add_sdei, remove_sdei }, /* its contexts are of vCPUs that are there */
	{ add_gic, remove_gic }, /* before the first device: it takes interrupts */
	{ add_clock, NULL },
	{ add_stolen, NULL },
	{ add_serial, machine_remove_serial },
	{ add_rtc, remove_rtc },
	{ add_gpio, remove_gpio },
	{ add_watchdog, remove_watchdog },
	{ add_pvpanic, remove_pvpanic },
	{ add_pci, remove_pci }, /* before its functions */
	{ machine_add_console, machine_remove_console },
	{ machine_add_disks, machine_remove_disks },
	{ machine_add_nets, machine_remove_nets },
	{ machine_add_rng, machine_remove_rng },
	{ machine_add_balloon, machine_remove_balloon },
	{ machine_add_vmem, machine_remove_vmem },
	{ machine_add_shmem, machine_remove_shmem },
	{ machine_close_slots, NULL }, /* after the last PCI function */
	{ add_kernel, NULL }, /* last: it takes the memory that is left */
};

const size_t machine_parts_count = ARRAY_SIZE(machine_parts);
