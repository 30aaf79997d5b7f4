/* SPDX-License-Identifier: Apache-2.0 */
/* linux/kvm.h, and what newer kernels define that Debian 12's headers (6.1) do not. */
#ifndef KVM_UAPI_H
#define KVM_UAPI_H

#include <linux/kvm.h>

/* linux/kvm.h of 6.8 */
#ifndef KVM_CAP_GUEST_MEMFD
#define KVM_CAP_GUEST_MEMFD 234
#endif

#endif
