/* SPDX-License-Identifier: Apache-2.0 */
/* Landlock's UAPI (include/uapi/linux/landlock.h of Linux 6.12), of which older headers have a part. */
#ifndef SANDBOX_UAPI_H
#define SANDBOX_UAPI_H

#include <stdint.h>

/* What a kernel of ABI n can be asked to handle: bits 0 … last. */
#define LANDLOCK_FS_BITS_1 13
#define LANDLOCK_FS_BITS_2 14 /* and REFER */
#define LANDLOCK_FS_BITS_3 15 /* and TRUNCATE */
#define LANDLOCK_FS_BITS_5 16 /* and IOCTL_DEV */

/* ABI 4. */
#define LANDLOCK_NET_BIND_TCP	 (1ULL << 0)
#define LANDLOCK_NET_CONNECT_TCP (1ULL << 1)

/* ABI 6. */
#define LANDLOCK_SCOPE_ABSTRACT_UNIX (1ULL << 0)

/* The kernel takes as much of it as it knows, if what it does not know is zero. */
struct landlock_ruleset {
	uint64_t handled_access_fs;
	uint64_t handled_access_net;
	uint64_t scoped;
};

#endif
