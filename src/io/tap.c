/* SPDX-License-Identifier: Apache-2.0 */
/* Opening tap interfaces. */
#include "io/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <ferry/error.h>

#include "base/cleanup.h"

/* struct virtio_net_hdr of virtio 1 */
#define HEADER_SIZE 12

static int attach(int fd, const char *name)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	int size = HEADER_SIZE;

	if (strlen(name) >= sizeof(ifr.ifr_name))
		return because(-EINVAL, "tap: '%s' is too long for an interface's name", name);
	memcpy(ifr.ifr_name, name, strlen(name) + 1);
	if (ioctl(fd, TUNSETIFF, &ifr) == 0 && ioctl(fd, TUNSETVNETHDRSZ, &size) == 0)
		return 0;
	if (errno == EPERM)
		return because(
			-EPERM,
			"tap %s: not permitted: make it once with `ip tuntap add dev %s mode "
			"tap user $USER`, as root",
			name, name);
	if (errno == EBUSY)
		return because(-EBUSY, "tap %s: another process uses it", name);
	return because(-errno, "tap %s: %s", name, strerror(errno));
}

/* Who may make the interface may bring it up; for others its owner has done so. */
static void bring_up(const char *name)
{
	AUTO_CLOSE int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq ifr = { 0 };

	if (fd < 0)
		return;
	memcpy(ifr.ifr_name, name, strlen(name) + 1); /* attach() checked it */
	if (ioctl(fd, SIOCGIFFLAGS, &ifr) < 0 || (ifr.ifr_flags & IFF_UP))
		return;
	ifr.ifr_flags |= IFF_UP;
	(void)!ioctl(fd, SIOCSIFFLAGS, &ifr);
}

int tap_open(const char *name)
{
	AUTO_CLOSE int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	int r;

	if (fd < 0)
		return because(
			-errno,
			"/dev/net/tun: %s: a tap interface needs it (`modprobe tun`, and the "
			"right to open it)",
			strerror(errno));
	r = attach(fd, name);
	if (r < 0)
		return r;
	bring_up(name);
	return fd_take(&fd);
}

int tap_set_offload(int fd, const struct tap_offload *offload)
{
	unsigned long flags = 0;

	if (offload->csum)
		flags = TUN_F_CSUM | (offload->tso4 ? TUN_F_TSO4 : 0) |
			(offload->tso6 ? TUN_F_TSO6 : 0) |
			(offload->ecn && (offload->tso4 || offload->tso6) ? TUN_F_TSO_ECN : 0);
	return ioctl(fd, TUNSETOFFLOAD, flags) < 0 ? -errno : 0;
}
