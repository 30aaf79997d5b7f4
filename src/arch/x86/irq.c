/* SPDX-License-Identifier: Apache-2.0 */
/* Interrupt routing of the PIC, the IOAPIC and MSIs. */
#include "kvm/kvm.h"
#include "vm/vm.h"

#define PIC_PINS    16
#define IOAPIC_PINS 24

static struct kvm_irq_routing_entry pin(uint32_t gsi, uint32_t chip, uint32_t number)
{
	return (struct kvm_irq_routing_entry){
		.gsi = gsi,
		.type = KVM_IRQ_ROUTING_IRQCHIP,
		.u.irqchip = { .irqchip = chip, .pin = number },
	};
}

uint32_t arch_irq_default_routes(struct vm *vm, struct kvm_irq_routing_entry *entries, uint32_t max)
{
	uint32_t n = 0;

	(void)vm;
	for (uint32_t gsi = 0; gsi < IOAPIC_PINS && n + 2 <= max; gsi++) {
		if (gsi < PIC_PINS)
			entries[n++] = pin(gsi, gsi < 8 ? KVM_IRQCHIP_PIC_MASTER : KVM_IRQCHIP_PIC_SLAVE,
					   gsi % 8);
		entries[n++] = pin(gsi, KVM_IRQCHIP_IOAPIC, gsi);
	}
	return n;
}

uint32_t arch_irq_first_msi_gsi(struct vm *vm)
{
	(void)vm;
	return IOAPIC_PINS;
}

/*
 * An MSI's address has eight bits of APIC id in 19..12 (Intel SDM 3, 11.11.1). Guests that were told
 * KVM_FEATURE_MSI_EXT_DEST_ID put seven more into 11..5; KVM_CAP_X2APIC_API takes bits 31..8 of the
 * id in the upper half of the address (api.rst, KVM_IRQ_ROUTING_MSI).
 */
void arch_irq_msi(struct vm *vm, uint32_t device, uint64_t address, uint32_t data,
		  struct kvm_irq_routing_entry *ret_entry)
{
	uint32_t low = (uint32_t)address;
	uint32_t high = 0;

	(void)device;
	if (vm->arch.extended_destination) {
		high = (low >> 5 & 0x7f) << 8;
		low &= ~0xfe0U;
	}
	ret_entry->type = KVM_IRQ_ROUTING_MSI;
	ret_entry->flags = 0;
	ret_entry->u.msi = (struct kvm_irq_routing_msi){ .address_lo = low, .address_hi = high,
							 .data = data };
}
