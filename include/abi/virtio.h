/* SPDX-License-Identifier: Apache-2.0 */
/* Virtio 1.2: what every device shares: status, features, split rings, the PCI transport. */
#ifndef ABI_VIRTIO_H
#define ABI_VIRTIO_H

#include <stdint.h>

#include <abi/abi.h>

/* Device status, 2.1 */
#define VIRTIO_STATUS_ACKNOWLEDGE 1
#define VIRTIO_STATUS_DRIVER      2
#define VIRTIO_STATUS_DRIVER_OK   4
#define VIRTIO_STATUS_FEATURES_OK 8
#define VIRTIO_STATUS_NEEDS_RESET 64
#define VIRTIO_STATUS_FAILED      128

/* Reserved feature bits, 6 */
#define VIRTIO_F_INDIRECT_DESC 28
#define VIRTIO_F_EVENT_IDX     29
#define VIRTIO_F_VERSION_1     32

/* Device types, 5 */
#define VIRTIO_ID_NET     1
#define VIRTIO_ID_BLOCK   2
#define VIRTIO_ID_CONSOLE 3
#define VIRTIO_ID_ENTROPY 4
#define VIRTIO_ID_BALLOON 5
#define VIRTIO_ID_MEM     24

/* Split virtqueues, 2.7 */
struct virtq_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags;
	uint16_t next;
};
ABI_SIZE(struct virtq_desc, 16);

#define VIRTQ_DESC_F_NEXT     1
#define VIRTQ_DESC_F_WRITE    2
#define VIRTQ_DESC_F_INDIRECT 4

/* Followed by used_event, behind the last element. */
struct virtq_avail {
	uint16_t flags;
	uint16_t idx;
	uint16_t ring[];
};
ABI_SIZE(struct virtq_avail, 4);

#define VIRTQ_AVAIL_F_NO_INTERRUPT 1

struct virtq_used_elem {
	uint32_t id;
	uint32_t len;
};
ABI_SIZE(struct virtq_used_elem, 8);

/* Followed by a 16-bit avail_event, behind the last element. */
struct virtq_used {
	uint16_t flags;
	uint16_t idx;
	struct virtq_used_elem ring[];
};
ABI_SIZE(struct virtq_used, 4);

#define VIRTQ_USED_F_NO_NOTIFY 1

#define VIRTQ_DESC_ALIGN  16
#define VIRTQ_AVAIL_ALIGN 2
#define VIRTQ_USED_ALIGN  4

/* PCI transport, 4.1 */
#define VIRTIO_PCI_VENDOR        0x1af4
#define VIRTIO_PCI_DEVICE_BASE   0x1040
#define VIRTIO_PCI_REVISION      1
#define VIRTIO_PCI_SUBSYSTEM_MIN 0x40

/* Vendor capabilities, 4.1.4; id and next first, as in every PCI capability */
struct virtio_pci_cap {
	uint8_t cap_vndr;
	uint8_t cap_next;
	uint8_t cap_len;
	uint8_t cfg_type;
	uint8_t bar;
	uint8_t id;
	uint8_t padding[2];
	uint32_t offset;
	uint32_t length;
};
ABI_SIZE(struct virtio_pci_cap, 16);
ABI_OFFSET(struct virtio_pci_cap, offset, 8);

struct virtio_pci_notify_cap {
	struct virtio_pci_cap cap;
	uint32_t notify_off_multiplier;
};
ABI_SIZE(struct virtio_pci_notify_cap, 20);

struct virtio_pci_cfg_cap {
	struct virtio_pci_cap cap;
	uint8_t pci_cfg_data[4];
};
ABI_SIZE(struct virtio_pci_cfg_cap, 20);
ABI_OFFSET(struct virtio_pci_cfg_cap, pci_cfg_data, 16);

#define VIRTIO_PCI_CAP_COMMON_CFG 1
#define VIRTIO_PCI_CAP_NOTIFY_CFG 2
#define VIRTIO_PCI_CAP_ISR_CFG    3
#define VIRTIO_PCI_CAP_DEVICE_CFG 4
#define VIRTIO_PCI_CAP_PCI_CFG    5

/* 4.1.4.3; 64-bit fields may be accessed as two halves */
struct virtio_pci_common_cfg {
	uint32_t device_feature_select;
	uint32_t device_feature;
	uint32_t driver_feature_select;
	uint32_t driver_feature;
	uint16_t config_msix_vector;
	uint16_t num_queues;
	uint8_t device_status;
	uint8_t config_generation;
	uint16_t queue_select;
	uint16_t queue_size;
	uint16_t queue_msix_vector;
	uint16_t queue_enable;
	uint16_t queue_notify_off;
	uint64_t queue_desc;
	uint64_t queue_driver;
	uint64_t queue_device;
	uint16_t queue_notify_data;
	uint16_t queue_reset;
	uint8_t padding[4]; /* not the specification's: ours, to a multiple of the alignment */
};
ABI_SIZE(struct virtio_pci_common_cfg, 64);
ABI_OFFSET(struct virtio_pci_common_cfg, config_msix_vector, 16);
ABI_OFFSET(struct virtio_pci_common_cfg, device_status, 20);
ABI_OFFSET(struct virtio_pci_common_cfg, queue_desc, 32);
ABI_OFFSET(struct virtio_pci_common_cfg, queue_reset, 58);

#define VIRTIO_PCI_COMMON_CFG_LEN 60

#define VIRTIO_MSI_NO_VECTOR 0xffff

/* ISR status, 4.1.4.5 */
#define VIRTIO_ISR_QUEUE  1
#define VIRTIO_ISR_CONFIG 2

#endif
