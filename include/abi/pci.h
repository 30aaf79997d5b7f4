/* SPDX-License-Identifier: Apache-2.0 */
/* PCI configuration space: PCI Local Bus 3.0 chapter 6, PCI Express Base 7.5. */
#ifndef ABI_PCI_H
#define ABI_PCI_H

#include <stdint.h>

#include <abi/abi.h>

#define PCI_CONFIG_SIZE     256
#define PCI_EXT_CONFIG_SIZE 4096

/* Type 0 header, 6.1 */
#define PCI_VENDOR_ID           0x00
#define PCI_DEVICE_ID           0x02
#define PCI_COMMAND             0x04
#define PCI_STATUS              0x06
#define PCI_REVISION_ID         0x08
#define PCI_CLASS_CODE          0x09 /* 3 bytes */
#define PCI_CACHE_LINE_SIZE     0x0c
#define PCI_LATENCY_TIMER       0x0d
#define PCI_HEADER_TYPE         0x0e
#define PCI_BAR0                0x10
#define PCI_SUBSYSTEM_VENDOR_ID 0x2c
#define PCI_SUBSYSTEM_ID        0x2e
#define PCI_CAPABILITIES        0x34
#define PCI_INTERRUPT_LINE      0x3c
#define PCI_INTERRUPT_PIN       0x3d
#define PCI_HEADER_END          0x40

/* Command, 6.2.2 */
#define PCI_COMMAND_IO           0x0001
#define PCI_COMMAND_MEMORY       0x0002
#define PCI_COMMAND_MASTER       0x0004
#define PCI_COMMAND_PARITY       0x0040
#define PCI_COMMAND_SERR         0x0100
#define PCI_COMMAND_INTX_DISABLE 0x0400

/* Status, 6.2.3 */
#define PCI_STATUS_CAP_LIST 0x0010

/* Base address registers, 6.2.5.1 */
#define PCI_BAR_TYPE_IO  0x1
#define PCI_BAR_IO_MASK  0xfffffffcU
#define PCI_BAR_TYPE_64  0x4
#define PCI_BAR_PREFETCH 0x8
#define PCI_BAR_MEM_MASK 0xfffffff0U

/* Capabilities, appendix H */
#define PCI_CAP_ID_VENDOR  0x09
#define PCI_CAP_ID_EXPRESS 0x10
#define PCI_CAP_ID_MSIX    0x11

/* MSI-X capability, 6.8.2 */
struct pci_msix_capability {
	uint8_t id;
	uint8_t next;
	uint16_t control;
	uint32_t table; /* offset | BAR number */
	uint32_t pba;
};
ABI_SIZE(struct pci_msix_capability, 12);

#define PCI_MSIX_CONTROL        2 /* offset inside the capability */
#define PCI_MSIX_CONTROL_SIZE   0x07ff
#define PCI_MSIX_CONTROL_MASK   0x4000
#define PCI_MSIX_CONTROL_ENABLE 0x8000
#define PCI_MSIX_VECTORS_MAX    2048

struct pci_msix_entry {
	uint64_t address;
	uint32_t data;
	uint32_t control;
};
ABI_SIZE(struct pci_msix_entry, 16);

#define PCI_MSIX_ENTRY_MASKED 0x1

/* PCI Express capability, version 2: PCI Express Base 7.5.3 */
struct pci_express_capability {
	uint8_t id;
	uint8_t next;
	uint16_t flags; /* version | device type << 4 */
	uint32_t device_capabilities;
	uint16_t device_control;
	uint16_t device_status;
	uint32_t link[2]; /* none in an integrated endpoint */
	uint32_t slot[2];
	uint32_t root[2];
	uint32_t device_capabilities_2;
	uint16_t device_control_2;
	uint16_t device_status_2;
	uint32_t link_2[2];
	uint32_t slot_2[2];
};
ABI_SIZE(struct pci_express_capability, 60);
ABI_OFFSET(struct pci_express_capability, device_control, 8);
ABI_OFFSET(struct pci_express_capability, device_capabilities_2, 36);

#define PCI_EXPRESS_VERSION            2
#define PCI_EXPRESS_TYPE_RC_INTEGRATED 0x9
#define PCI_EXPRESS_ROLE_BASED_ERRORS  0x8000U
#define PCI_EXPRESS_CONTROL_WRITABLE   0x7fff /* but for the function level reset */

/* The CONFIG_ADDRESS and CONFIG_DATA ports, 3.2.2.3.2 */
#define PCI_CONFIG_ADDRESS        0xcf8
#define PCI_CONFIG_DATA           0xcfc
#define PCI_CONFIG_ADDRESS_ENABLE 0x80000000U
#define PCI_CONFIG_ADDRESS_MASK   0x80fffffcU

#endif
