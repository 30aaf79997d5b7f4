/* SPDX-License-Identifier: Apache-2.0 */
/* Interrupt routing: no route exists before the GIC does. */
#include "vm/vm.h"

/* SPIs end at interrupt 1019 (GICv3 2.2); MSIs of the ITS are numbered behind them. */
#define FIRST_MSI_GSI 1024

uint32_t arch_irq_default_routes(struct vm *vm, struct kvm_irq_routing_entry *entries, uint32_t max)
{
	(void)vm;
	(void)entries;
	(void)max;
	return 0;
}

uint32_t arch_irq_first_msi_gsi(struct vm *vm)
{
	(void)vm;
	return FIRST_MSI_GSI;
}

void arch_irq_msi(struct vm *vm, uint64_t address, uint32_t data, struct kvm_irq_routing_msi *msi)
{
	(void)vm;
	*msi = (struct kvm_irq_routing_msi){
		.address_lo = (uint32_t)address,
		.address_hi = (uint32_t)(address >> 32),
		.data = data,
	};
}
