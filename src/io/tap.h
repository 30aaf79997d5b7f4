/* SPDX-License-Identifier: Apache-2.0 */
/* tap interfaces (Linux Documentation/networking/tuntap.rst), with virtio's header on each frame.
 */
#ifndef IO_TAP_H
#define IO_TAP_H

#include <stdbool.h>

/*
 * Opens the interface of that name, or makes it, which needs privilege; reads and writes do not
 * block and carry a struct virtio_net_hdr of 12 bytes in front of the frame. Returns the
 * descriptor; -errno with a text that says what to do.
 */
int tap_open(const char *name);

/* What the reader of frames accepts. -errno: this kernel cannot. */
struct tap_offload {
	bool csum; /* partial checksums; without it the others are off */
	bool tso4, tso6, ecn;
};
int tap_set_offload(int fd, const struct tap_offload *offload);

#endif
