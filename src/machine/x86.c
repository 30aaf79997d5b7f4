/* SPDX-License-Identifier: Apache-2.0 */
/* What an x86 machine consists of, and where. */
#include "machine/machine.h"

#include <errno.h>

#include <ferry/error.h>

#include "arch/x86/ident.h"
#include "arch/x86/regs.h"
#include "base/util.h"
#include "boot/acpi.h"
#include "boot/boot.h"
#include "boot/layout.h"
#include "dev/acpi_pm.h"
#include "dev/pci/pci.h"
#include "dev/exit_port.h"
#include "dev/pvpanic.h"
#include "dev/rtc.h"
#include "dev/xen_platform.h"
#include "mem/mem.h"
#include "pv/xen/xen.h"
#include "pv/hyperv/hyperv.h"
#include "vm/vm.h"

/*
 * Guest physical addresses. RAM fills [0, LOW_MAX), the rest of it lies from 4 GiB on. Between
 * them, from below: 32-bit BARs, ECAM, then what every PC has in the last 32 MiB (IOAPIC, LAPIC,
 * and the four pages of cpu.c). Behind RAM lies what can be plugged, where the largest blocks begin
 * by which Linux adds memory, and behind that 64-bit BARs: CPUs differ in how far up they can
 * reach.
 */
#define LOW_MAX     (3 * GIB)
#define MMIO32_BASE 0xc0000000UL
#define MMIO32_SIZE 0x20000000UL
#define ECAM_BASE   0xe0000000UL
#define ECAM_SIZE   0x00100000UL /* bus 0 */
#define IOAPIC_BASE 0xfec00000UL
#define LAPIC_BASE  0xfee00000UL
#define HIGH_BASE   (4 * GIB)
#define XEN_PAGES   0xfeff8000UL /* the console's and Xenstore's, where Xen's tools put them */
#define MMIO64_SIZE (64 * GIB)
#define PLUG_ALIGN  (2 * GIB)

/* ACPI tables: 128 KiB below 1 MiB, where the RSDP is also looked for by those who were not told. */
#define ACPI_BASE 0xe0000UL
#define ACPI_SIZE 0x20000UL

/* Where a real-mode program jumps to for a reset: the end of what the tables could take. */
#define RESET_VECTOR	  0xffff0UL
#define RESET_VECTOR_SIZE 16

/* I/O ports and GSIs. COM1, RTC and pvpanic by convention; the ACPI registers where nothing else is. */
#define SERIAL_PORT        0x3f8
#define SERIAL_GSI         4
#define RTC_PORT           0x70
#define RTC_GSI            8
#define PVPANIC_PORT       0x505
#define EXIT_PORT          0xf4 /* kvm-unit-tests, lib/x86/io.c */
#define SLEEP_CONTROL_PORT 0x600
#define SLEEP_STATUS_PORT  0x601
#define RESET_PORT         0x602
#define RESET_VALUE        0x01
#define GED_PORT           0x603
#define GED_GSI            9

/* Ports for BARs, and the slot of the only device that has one and a line: the last. */
#define PCI_IO_BASE	  0xc000
#define PCI_IO_SIZE	  0x1000
#define XEN_PLATFORM_SLOT 31
#define INTX_GSI_FIRST	  16
#define INTX_GSIS	  8

#define E820_RAM      1
#define E820_RESERVED 2

int machine_map_memory(struct machine *machine, struct mem *mem)
{
	return machine_map_ram(machine, mem, 0, LOW_MAX, HIGH_BASE);
}

static uint64_t plug_base(const struct machine *machine)
{
	return align_up(HIGH_BASE + machine->memory - machine->low_end, PLUG_ALIGN);
}

static uint64_t mmio64_base(const struct machine *machine)
{
	uint64_t end = HIGH_BASE + machine->memory;

	if (machine->memory_max)
		end = plug_base(machine) + machine->memory_max - machine->memory;
	return align_up(end, MMIO64_SIZE);
}

static int add_blocks(struct machine *machine)
{
	unsigned bits = arch_address_bits(machine->vm);
	uint64_t end = mmio64_base(machine) + MMIO64_SIZE;

	if (machine->memory_max && bits < 64 && end > 1ULL << bits)
		return because(-EINVAL,
			       "--memory: max: addresses of %u bits reach %llu GiB; all memory and "
			       "64-bit BARs need %llu",
			       bits, (1ULL << bits) / GIB, (unsigned long long)(end / GIB));
	return machine_add_blocks(machine, plug_base(machine));
}

/* What the guest says to Xen comes out where its serial port does. */
static void say(void *self, const char *text, size_t len)
{
	struct machine *machine = self;

	for (size_t i = 0; i < len; i++)
		bus_write(&machine->vm->pio, SERIAL_PORT, text + i, 1);
}

/* It has a PC's devices; a PVH domain has neither Xen's platform device nor lines for it. */
static bool is_xen_hvm(const struct machine *machine)
{
	return machine->xen && machine->options->xen_entry == MACHINE_XEN_ENTRY_HVM;
}

/* The lines behind those of ISA, by turns. */
static uint32_t intx_gsi(uint8_t slot, uint8_t pin)
{
	return INTX_GSI_FIRST + (uint32_t)(slot + pin) % INTX_GSIS;
}

static size_t xen_console_out(void *self, const void *buf, size_t len)
{
	struct machine *machine = self;

	return machine->output ? machine->output(machine->self, MACHINE_CONSOLE_XEN, buf, len) : len;
}

static void xen_console_room(void *self)
{
	struct machine *machine = self;

	if (machine->input_ready)
		machine->input_ready(machine->self, MACHINE_CONSOLE_XEN);
}

/* RAM as the guest is told of it; the kernel's ranges (add_kernel) have the reserved ones too. */
static int add_xen(struct machine *machine)
{
	uint64_t high = machine->memory - machine->low_end;
	const struct xen_range ranges[] = {
		{ 0, 0xa0000, E820_RAM },
		{ ACPI_BASE, ACPI_SIZE, E820_RESERVED },
		{ LAYOUT_HIGH, machine->low_end - LAYOUT_HIGH, E820_RAM },
		{ ECAM_BASE, ECAM_SIZE, E820_RESERVED },
		{ HIGH_BASE, high, E820_RAM },
	};
	const struct xen_options options = {
		.version = machine->options->xen_version,
		.engine = (enum xen_engine)machine->options->xen_engine,
		.ranges = ranges,
		.range_count = high ? ARRAY_SIZE(ranges) : ARRAY_SIZE(ranges) - 1,
		.pirqs = machine->options->xen_pirqs,
		.intx_gsi = intx_gsi,
		.say = say,
		.console_output = xen_console_out,
		.console_room = xen_console_room,
		.pages = XEN_PAGES,
		.self = machine,
	};
	int r;

	if (!machine->options->xen_version)
		return 0;
	r = xen_create(machine->vm, &options, &machine->xen);
	return r < 0 ? r : xen_pages_bank_add(machine->xen);
}

static void remove_xen(struct machine *machine)
{
	xen_destroy(machine->xen);
}

static int add_xen_banks(struct machine *machine)
{
	return machine->xen ? xen_banks_add(machine->xen) : 0;
}

static int add_vm(struct machine *machine)
{
	if (machine->options->sdei == MACHINE_SDEI_ON)
		return because(-EINVAL, "--sdei: only arm64 machines have it");
	if (machine->options->fw)
		return because(-EINVAL, "--fw: only arm64 machines have such firmware");
	return vm_bank_add(machine->vm);
}

static int add_clock(struct machine *machine)
{
	return x86_clock_bank_add(machine->vm, machine->options->clock == MACHINE_CLOCK_FREEZE);
}

static int add_irqchip(struct machine *machine)
{
	return x86_irqchip_bank_add(machine->vm);
}

static int add_cpuid(struct machine *machine)
{
	return x86_cpuid_bank_add(machine->vm);
}

static int add_cpu(struct machine *machine)
{
	return x86_cpu_bank_add(machine->vm);
}

static int add_msr(struct machine *machine)
{
	return x86_msr_bank_add(machine->vm);
}

static int add_tsc(struct machine *machine)
{
	return x86_tsc_bank_add(machine->vm);
}

static int add_vcpu(struct machine *machine)
{
	return x86_vcpu_bank_add(machine->vm);
}

static int add_hyperv(struct machine *machine)
{
	const struct hyperv_options options = {
		.features = machine->options->hyperv,
		.engine = (enum hyperv_engine)machine->options->hyperv_engine,
	};
	int r;

	if (!options.features)
		return 0;
	r = hyperv_create(machine->vm, &options, &machine->hyperv);
	return r < 0 ? r : hyperv_add_bank(machine->hyperv);
}

static void remove_hyperv(struct machine *machine)
{
	hyperv_destroy(machine->hyperv);
}

static int add_hyperv_vps(struct machine *machine)
{
	return machine->hyperv ? hyperv_add_vp_bank(machine->hyperv) : 0;
}

static int add_serial(struct machine *machine)
{
	return machine_add_serial(machine, SERIAL_PORT, 0, SERIAL_GSI);
}

static int add_rtc(struct machine *machine)
{
	const struct rtc_options options = {
		.port = RTC_PORT,
		.gsi = RTC_GSI,
		.freeze = machine->options->clock == MACHINE_CLOCK_FREEZE,
	};
	int r = rtc_create(machine->vm, &options, &machine->rtc);

	return r < 0 ? r : rtc_add_bank(machine->rtc, &machine->vm->regs);
}

static void remove_rtc(struct machine *machine)
{
	rtc_destroy(machine->rtc);
}

static int add_acpi_pm(struct machine *machine)
{
	static const struct acpi_pm_options options = {
		.sleep_control_port = SLEEP_CONTROL_PORT,
		.sleep_status_port = SLEEP_STATUS_PORT,
		.reset_port = RESET_PORT,
		.reset_value = RESET_VALUE,
		.ged_port = GED_PORT,
		.ged_gsi = GED_GSI,
	};
	int r = acpi_pm_create(machine->vm, &options, &machine->pm);

	return r < 0 ? r : acpi_pm_add_bank(machine->pm, &machine->vm->regs);
}

static void remove_acpi_pm(struct machine *machine)
{
	acpi_pm_destroy(machine->pm);
}

static int add_pvpanic(struct machine *machine)
{
	static const struct pvpanic_options options = { .port = PVPANIC_PORT };
	int r = pvpanic_create(machine->vm, &options, &machine->pvpanic);

	return r < 0 ? r : pvpanic_add_bank(machine->pvpanic, &machine->vm->regs);
}

static void remove_pvpanic(struct machine *machine)
{
	pvpanic_destroy(machine->pvpanic);
}

static int add_exit_port(struct machine *machine)
{
	if (!machine->options->exit_port)
		return 0;
	return exit_port_create(machine->vm, EXIT_PORT, &machine->exit_port);
}

static void remove_exit_port(struct machine *machine)
{
	exit_port_destroy(machine->exit_port);
}

static int add_pci(struct machine *machine)
{
	const struct pci_options options = {
		.ecam = ECAM_BASE,
		.mmio32 = MMIO32_BASE,
		.mmio32_size = MMIO32_SIZE,
		.mmio64 = mmio64_base(machine),
		.mmio64_size = MMIO64_SIZE,
		.io = PCI_IO_BASE,
		.io_size = PCI_IO_SIZE,
		.config_ports = true,
	};

	return pci_host_create(machine->vm, &options, &machine->pci);
}

static void remove_pci(struct machine *machine)
{
	pci_host_destroy(machine->pci);
}

static int add_xen_platform(struct machine *machine)
{
	const struct xen_platform_options options = {
		.slot = XEN_PLATFORM_SLOT,
		.say = say,
		.self = machine,
	};
	int r;

	if (!is_xen_hvm(machine))
		return 0;
	r = xen_platform_create(machine->vm, machine->pci, &options, &machine->xen_platform);
	return r < 0 ? r : xen_platform_add_bank(machine->xen_platform, &machine->vm->regs);
}

static void remove_xen_platform(struct machine *machine)
{
	xen_platform_destroy(machine->xen_platform);
}

static int add_tables(struct machine *machine)
{
	const struct acpi_options options = {
		.vcpus = vm_vcpus(machine->vm),
		.lapic = LAPIC_BASE,
		.ioapic = IOAPIC_BASE,
		.ecam = { ECAM_BASE, ECAM_SIZE },
		.mmio32 = { MMIO32_BASE, MMIO32_SIZE },
		.mmio64 = { mmio64_base(machine), MMIO64_SIZE },
		.io = is_xen_hvm(machine) ? PCI_IO_BASE : 0,
		.io_size = is_xen_hvm(machine) ? PCI_IO_SIZE : 0,
		.intx_slot = XEN_PLATFORM_SLOT,
		.intx_gsi = is_xen_hvm(machine) ? intx_gsi(XEN_PLATFORM_SLOT, 0) : 0,
		.sleep_control_port = SLEEP_CONTROL_PORT,
		.sleep_status_port = SLEEP_STATUS_PORT,
		.reset_port = RESET_PORT,
		.reset_value = RESET_VALUE,
		.ged_port = GED_PORT,
		.ged_gsi = GED_GSI,
		.serial_port = SERIAL_PORT,
		.serial_gsi = SERIAL_GSI,
		.rtc_port = RTC_PORT,
		.rtc_gsi = RTC_GSI,
		.pvpanic_port = PVPANIC_PORT,
	};

	if (machine->options->blank)
		return 0;
	return acpi_build(vm_mem(machine->vm), ACPI_BASE, ACPI_SIZE - RESET_VECTOR_SIZE, &options,
			  &machine->rsdp);
}

/*
 * Linux takes a hardware-reduced machine for one with EFI: without that it restarts by going to the
 * BIOS, not by ACPI's reset register, which the code there therefore writes.
 */
static int add_reset_vector(struct machine *machine)
{
	static const uint8_t code[] = {
		0xba, RESET_PORT & 0xff, RESET_PORT >> 8, /* mov $RESET_PORT, %dx */
		0xb0, RESET_VALUE,			  /* mov $RESET_VALUE, %al */
		0xee,					  /* out %al, (%dx) */
		0xf4,					  /* hlt */
		0xeb, 0xfd,				  /* jmp to the hlt */
	};

	if (machine->options->blank)
		return 0;
	return mem_write(vm_mem(machine->vm), RESET_VECTOR, code, sizeof(code));
}

static int add_kernel(struct machine *machine)
{
	uint64_t high = machine->memory - machine->low_end;
	const struct boot_range ranges[] = {
		{ 0, 0xa0000, E820_RAM },
		{ ACPI_BASE, ACPI_SIZE, E820_RESERVED },
		{ LAYOUT_HIGH, machine->low_end - LAYOUT_HIGH, E820_RAM },
		{ ECAM_BASE, ECAM_SIZE, E820_RESERVED },
		{ HIGH_BASE, high, E820_RAM },
	};
	const struct boot_options options = {
		.kernel = machine->options->kernel,
		.initrds = machine->options->initrds,
		.initrd_count = machine->options->initrd_count,
		.cmdline = machine->options->cmdline ? machine->options->cmdline : "",
		.kaslr = machine->options->kaslr,
		.no_pvh = is_xen_hvm(machine),
		.flat = machine->xen != NULL,
		.rsdp = machine->rsdp,
		.ranges = ranges,
		.range_count = high ? ARRAY_SIZE(ranges) : ARRAY_SIZE(ranges) - 1,
		.low_end = machine->low_end,
	};
	struct boot_entry entry = { .mode = BOOT_NONE };
	int r;

	if (machine->options->blank)
		return 0;
	r = boot_load(vm_mem(machine->vm), &options, &entry);
	if (r == 0 && machine->xen)
		xen_find_stubs(machine->xen, LAYOUT_HIGH, machine->low_end - LAYOUT_HIGH);
	return r < 0 ? r : arch_vcpu_set_entry(&machine->vm->vcpus[0], &entry);
}

int machine_sdei_inject(struct machine *machine, uint32_t event, uint32_t vcpu)
{
	(void)machine, (void)event, (void)vcpu;
	return because(-ENODEV, "only arm64 machines have SDEI");
}

void machine_own_hold(struct machine *machine)
{
	rtc_hold(machine->rtc);
}

void machine_own_go_on(struct machine *machine, bool arrived)
{
	rtc_go_on(machine->rtc, arrived);
	if (arrived)
		acpi_pm_arrived(machine->pm);
}

void machine_own_power_button(struct machine *machine)
{
	if (!machine_xen_power_off(machine))
		acpi_pm_power_button(machine->pm);
}

/* In the order in which registers are restored. */
const struct machine_part machine_parts[] = {
	{ add_blocks, machine_remove_blocks }, /* before all that may lie in that memory */
	{ add_xen, remove_xen },	       /* likewise; and its leaves are in CPUID */
	{ add_vm, NULL },
	{ add_clock, NULL },   /* before msr: kvmclock's pages are filled from it */
	{ add_irqchip, NULL }, /* before cpu: a LAPIC in virtual wire mode listens to the PIC */
	{ add_hyperv, remove_hyperv }, /* before cpuid: what a guest may not have is said first */
	{ add_cpuid, NULL },   /* decides which of the next three exist */
	{ add_cpu, NULL },     /* regs.h says why these four in this order */
	{ add_tsc, NULL },
	{ add_msr, NULL },
	{ add_vcpu, NULL },
	{ add_xen_banks, NULL }, /* after clock: runstates lie in its past; after msr: vcpu_info's time */
	{ add_hyperv_vps, NULL }, /* after vcpu: who waits stands in front of his hypercall */
	{ add_serial, machine_remove_serial },
	{ add_rtc, remove_rtc },
	{ add_acpi_pm, remove_acpi_pm },
	{ add_pvpanic, remove_pvpanic },
	{ add_exit_port, remove_exit_port },
	{ add_pci, remove_pci }, /* before its functions */
	{ add_xen_platform, remove_xen_platform },
	{ machine_add_console, machine_remove_console },
	{ machine_add_disks, machine_remove_disks },
	{ machine_add_nets, machine_remove_nets },
	{ machine_add_rng, machine_remove_rng },
	{ machine_add_balloon, machine_remove_balloon },
	{ machine_add_vmem, machine_remove_vmem },
	{ machine_add_shmem, machine_remove_shmem },
	{ machine_close_slots, NULL }, /* after the last PCI function */
	{ add_tables, NULL }, /* from here on memory: a blank machine's comes from elsewhere */
	{ add_reset_vector, NULL },
	{ add_kernel, NULL }, /* last: it takes the memory that is left */
};

const size_t machine_parts_count = ARRAY_SIZE(machine_parts);
