/* SPDX-License-Identifier: Apache-2.0 */
/* The GICv3 and its ITS, or a GICv2, and interrupt routing through them. */
#include <errno.h>
#include <string.h>

#include <ferry/error.h>

#include "kvm/kvm_arm64.h"
#include "regs.h"
#include "vm/vm.h"

/* SPIs end at interrupt 1019 (GICv3 2.2); MSIs of the ITS are numbered behind them. */
#define FIRST_MSI_GSI 1024

/* SGIs and PPIs come first: GICv3 2.2. */
#define PRIVATE_IRQS 32
#define SGIS	     16

#define REDIST_SIZE 0x20000ULL

/* SBSA 2.3, appendix E: MSI_SETSPI_NS in the frame */
#define FRAME_SETSPI 0x40

/* arm-vgic-v3.rst, KVM_VGIC_V3_ADDR_TYPE_REDIST_REGION: 63..52 vCPUs, 51..16 base, 11..0 index */
#define REGION_COUNT_SHIFT 52
#define REGION_COUNT_MAX   0xfffU

static int set_attr(int fd, uint32_t group, uint64_t attr, const void *value)
{
	struct kvm_device_attr device_attr = {
		.group = group,
		.attr = attr,
		.addr = (uintptr_t)value,
	};

	return kvm_set_device_attr(fd, &device_attr);
}

static int create_device(struct vm *vm, uint32_t type, int *ret_fd, bool *ret_has)
{
	struct kvm_create_device device = { .type = type };
	int r = kvm_create_device(vm->fd, &device);

	if (r < 0)
		return r;
	*ret_fd = (int)device.fd;
	*ret_has = true;
	return 0;
}

static int create_gic(struct vm *vm, const struct arm64_gic_options *options)
{
	uint64_t region = (uint64_t)vm->vcpu_count << REGION_COUNT_SHIFT | options->redist;
	uint32_t irqs = PRIVATE_IRQS + ARM64_SPIS;
	int r = create_device(vm, KVM_DEV_TYPE_ARM_VGIC_V3, &vm->arch.gic, &vm->arch.has_gic);
	int fd = vm->arch.gic;

	if (r == 0)
		r = set_attr(fd, KVM_DEV_ARM_VGIC_GRP_NR_IRQS, 0, &irqs);
	if (r == 0)
		r = set_attr(fd, KVM_DEV_ARM_VGIC_GRP_ADDR, KVM_VGIC_V3_ADDR_TYPE_DIST,
			     &options->dist);
	if (r == 0)
		r = set_attr(fd, KVM_DEV_ARM_VGIC_GRP_ADDR, KVM_VGIC_V3_ADDR_TYPE_REDIST_REGION,
			     &region);
	if (r == 0)
		r = set_attr(fd, KVM_DEV_ARM_VGIC_GRP_CTRL, KVM_DEV_ARM_VGIC_CTRL_INIT, NULL);
	return r < 0 && r != -ENODEV ? because(r, "the GICv3: %s", strerror(-r)) : r;
}

/* On hosts whose own GIC is one (arm-vgic.rst); of KVM_CAP_MAX_VCPUS they tell 8. */
static int create_gicv2(struct vm *vm, const struct arm64_gic_options *options)
{
	uint32_t irqs = PRIVATE_IRQS + ARM64_SPIS + ARM64_MSI_SPIS;
	int r = create_device(vm, KVM_DEV_TYPE_ARM_VGIC_V2, &vm->arch.gic, &vm->arch.has_gic);
	int fd = vm->arch.gic;

	if (r == -ENODEV)
		return because(-EOPNOTSUPP, "this KVM has no GIC for guests");
	vm->arch.is_gicv2 = true;
	vm->arch.msi_frame = options->frame;
	if (r == 0)
		r = set_attr(fd, KVM_DEV_ARM_VGIC_GRP_NR_IRQS, 0, &irqs);
	if (r == 0)
		r = set_attr(fd, KVM_DEV_ARM_VGIC_GRP_ADDR, KVM_VGIC_V2_ADDR_TYPE_DIST,
			     &options->dist);
	if (r == 0)
		r = set_attr(fd, KVM_DEV_ARM_VGIC_GRP_ADDR, KVM_VGIC_V2_ADDR_TYPE_CPU,
			     &options->cpu);
	if (r == 0)
		r = set_attr(fd, KVM_DEV_ARM_VGIC_GRP_CTRL, KVM_DEV_ARM_VGIC_CTRL_INIT, NULL);
	return r < 0 ? because(r, "the GICv2: %s", strerror(-r)) : 0;
}

static int create_its(struct vm *vm, const struct arm64_gic_options *options)
{
	int r = create_device(vm, KVM_DEV_TYPE_ARM_VGIC_ITS, &vm->arch.its, &vm->arch.has_its);
	int fd = vm->arch.its;

	if (r == -ENODEV)
		return because(-EOPNOTSUPP, "this KVM has no ITS for guests");
	if (r == 0)
		r = set_attr(fd, KVM_DEV_ARM_VGIC_GRP_ADDR, KVM_VGIC_ITS_ADDR_TYPE, &options->its);
	if (r == 0)
		r = set_attr(fd, KVM_DEV_ARM_VGIC_GRP_CTRL, KVM_DEV_ARM_VGIC_CTRL_INIT, NULL);
	return r < 0 ? because(r, "the ITS: %s", strerror(-r)) : 0;
}

int arm64_gic_create(struct vm *vm, const struct arm64_gic_options *options)
{
	uint64_t room = (options->redist_end - options->redist) / REDIST_SIZE;
	int r;

	if (vm->vcpu_count > room || vm->vcpu_count > REGION_COUNT_MAX)
		return because(-ENOSPC, "%u vCPUs: there is room for the redistributors of %llu",
			       vm->vcpu_count, (unsigned long long)room);
	r = create_gic(vm, options);
	if (r == -ENODEV)
		return create_gicv2(vm, options);
	return r < 0 ? r : create_its(vm, options);
}

/* Edge-triggered, as all of them are. */
void arm64_gic_raise(void *self, uint32_t intid)
{
	struct vm *vm = self;
	struct kvm_irq_level line = {
		.irq = KVM_ARM_IRQ_TYPE_SPI << KVM_ARM_IRQ_TYPE_SHIFT | intid,
		.level = 1,
	};

	kvm_irq_line(vm->fd, &line);
	line.level = 0;
	kvm_irq_line(vm->fd, &line);
}

int arm64_pmu_init(struct vm *vm, uint32_t ppi)
{
	int irq = (int)ppi + SGIS, r = 0;

	if (!vm->arch.cpu.has_pmu)
		return 0;
	for (uint32_t i = 0; i < vm->vcpu_count && r == 0; i++) {
		int fd = vm->vcpus[i].fd;

		r = set_attr(fd, KVM_ARM_VCPU_PMU_V3_CTRL, KVM_ARM_VCPU_PMU_V3_IRQ, &irq);
		if (r == 0)
			r = set_attr(fd, KVM_ARM_VCPU_PMU_V3_CTRL, KVM_ARM_VCPU_PMU_V3_INIT, NULL);
	}
	return r < 0 ? because(r, "the PMU: %s", strerror(-r)) : 0;
}

/* What the tables are told to KVM by: no attribute but an order. */
static int order(int fd, uint64_t what, const char *name)
{
	int r = set_attr(fd, KVM_DEV_ARM_VGIC_GRP_CTRL, what, NULL);

	return r < 0 ? because(r, "%s: %s", name, strerror(-r)) : 0;
}

/* Before the last look for dirty pages: these writes are in KVM's dirty log. */
int arm64_gic_hold(struct vm *vm)
{
	int r = 0;

	if (vm->arch.has_its)
		r = order(vm->arch.its, KVM_DEV_ARM_ITS_SAVE_TABLES, "the guest's ITS tables");
	if (r == 0 && vm->arch.has_gic && !vm->arch.is_gicv2)
		r = order(vm->arch.gic, KVM_DEV_ARM_VGIC_SAVE_PENDING_TABLES,
			  "the guest's tables of pending LPIs");
	return r;
}

/* The guest's writes of it are of the redistributor that is the vCPU's own. */
static int restore_gicr_ctlr(struct vm *vm, struct vcpu *vcpu)
{
	uint64_t attr = arm64_gic_attr(vcpu, 0);

	if (!vcpu->arch.gicr_ctlr_waits)
		return 0;
	return set_attr(vm->arch.gic, KVM_DEV_ARM_VGIC_GRP_REDIST_REGS, attr,
			&vcpu->arch.gicr_ctlr);
}

/* arm-vgic-its.rst, "ITS Restore Sequence": tables, then GITS_CTLR; LPIs are on by then. */
static int restore_tables(struct vm *vm)
{
	int r = 0;

	for (uint32_t i = 0; i < vm->vcpu_count && r == 0; i++)
		r = restore_gicr_ctlr(vm, &vm->vcpus[i]);
	if (r < 0)
		return because(r, "the guest's tables of LPIs: %s", strerror(-r));
	if (!vm->arch.gits_ctlr_waits)
		return 0;
	r = order(vm->arch.its, KVM_DEV_ARM_ITS_RESTORE_TABLES, "the guest's ITS tables");
	if (r == 0)
		r = set_attr(vm->arch.its, KVM_DEV_ARM_VGIC_GRP_ITS_REGS, 0, &vm->arch.gits_ctlr);
	return r < 0 ? because(r, "the guest's ITS: %s", strerror(-r)) : 0;
}

int arm64_gic_go_on(struct vm *vm, bool arrived)
{
	int r = arrived ? restore_tables(vm) : 0;

	if (r < 0)
		return r;
	vm->arch.gits_ctlr_waits = false;
	for (uint32_t i = 0; i < vm->vcpu_count; i++)
		vm->vcpus[i].arch.gicr_ctlr_waits = false;
	return 0;
}

/* GSI n is SPI n, as KVM has it without a table (vgic-irqfd.c). */
uint32_t arch_irq_default_routes(struct vm *vm, struct kvm_irq_routing_entry *entries, uint32_t max)
{
	uint32_t n;

	(void)vm;
	for (n = 0; n < ARM64_SPIS && n < max; n++)
		entries[n] = (struct kvm_irq_routing_entry){
			.gsi = n,
			.type = KVM_IRQ_ROUTING_IRQCHIP,
			.u.irqchip = { .irqchip = 0, .pin = n },
		};
	return n;
}

uint32_t arch_irq_first_msi_gsi(struct vm *vm)
{
	(void)vm;
	return FIRST_MSI_GSI;
}

/* GICv2: the frame's interrupts have pins of their own. Other messages go where nobody is. */
static bool says_spi(const struct vm *vm, uint64_t address, uint32_t data)
{
	const uint32_t first = PRIVATE_IRQS + ARM64_SPIS;

	return vm->arch.msi_frame && address == vm->arch.msi_frame + FRAME_SETSPI &&
	       data >= first && data - first < ARM64_MSI_SPIS;
}

void arch_irq_msi(struct vm *vm, uint32_t device, uint64_t address, uint32_t data,
		  struct kvm_irq_routing_entry *ret_entry)
{
	if (says_spi(vm, address, data)) {
		ret_entry->type = KVM_IRQ_ROUTING_IRQCHIP;
		ret_entry->u.irqchip = (struct kvm_irq_routing_irqchip){ .pin = data - PRIVATE_IRQS };
		return;
	}
	ret_entry->type = KVM_IRQ_ROUTING_MSI;
	ret_entry->flags = KVM_MSI_VALID_DEVID;
	ret_entry->u.msi = (struct kvm_irq_routing_msi){
		.address_lo = (uint32_t)address,
		.address_hi = (uint32_t)(address >> 32),
		.data = data,
		.devid = device,
	};
}
