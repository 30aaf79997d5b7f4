/* SPDX-License-Identifier: Apache-2.0 */
/* Virtio 1.2, 5.3: the console device. */
#ifndef ABI_VIRTIO_CONSOLE_H
#define ABI_VIRTIO_CONSOLE_H

#include <stdint.h>

#include <abi/abi.h>

/* Feature bits, 5.3.3 */
#define VIRTIO_CONSOLE_F_SIZE        0
#define VIRTIO_CONSOLE_F_EMERG_WRITE 2

/* 5.3.4 */
struct virtio_console_config {
	uint16_t cols;
	uint16_t rows;
	uint32_t max_nr_ports;
	uint32_t emerg_wr;
};
ABI_SIZE(struct virtio_console_config, 12);
ABI_OFFSET(struct virtio_console_config, emerg_wr, 8);

#endif
