/* SPDX-License-Identifier: Apache-2.0 */
/* virtio-net (virtio 1.2, 5.1) on a tap interface or on passt. */
#ifndef DEV_VIRTIO_NET_H
#define DEV_VIRTIO_NET_H

#include <stdbool.h>
#include <stdint.h>

struct vm;
struct pci_host;
struct virtio_device;
struct net;

enum net_kind {
	NET_USER, /* passt: no privilege needed */
	NET_TAP,
};

struct net_options {
	const char *id; /* "net0": for messages */
	enum net_kind kind;
	const char *tap; /* interface name */
	uint8_t mac[6];
	uint16_t mtu; /* told to the guest; 0: it takes 1500 */
};

/* Errors: -EINVAL of the options (a group or zero address, an MTU below 68), those of io/tap.h and
 * io/passt.h, -errno of virtio_device_create(). */
int net_create(struct vm *vm, struct pci_host *host, const struct net_options *options,
	       struct net **ret_net);
/* On the loop's thread (or when it does not run), the vCPUs stopped. NULL is fine. */
void net_destroy(struct net *net);

/* For quiesce and resume. */
struct virtio_device *net_device(struct net *net);

/*
 * The guest is elsewhere on the network now: asks it to announce its addresses (5.1.6.5.4), if its
 * driver can, and on a tap tells the switches where its MAC address is by a few RARP requests
 * (RFC 903), for which the guest's IP address need not be known. Loop thread.
 */
void net_announce(struct net *net);

#endif
