/* SPDX-License-Identifier: Apache-2.0 */
/*
 * KVM's ioctls that both architectures have, one function each under the kernel's own name
 * (Documentation/virt/kvm/api.rst). All return the ioctl's result or -errno; none adds policy.
 */
#ifndef KVM_KVM_H
#define KVM_KVM_H

#include <stdint.h>

#include "kvm/uapi.h"

/* /dev/kvm */
int kvm_get_api_version(int kvm);
int kvm_check_extension(int fd, long cap); /* on the system or on a VM */
int kvm_create_vm(int kvm, long type);     /* a descriptor */
int kvm_get_vcpu_mmap_size(int kvm);

/* a VM */
int kvm_create_vcpu(int vm, long id); /* a descriptor */
int kvm_set_user_memory_region(int vm, struct kvm_userspace_memory_region *region);
int kvm_get_dirty_log(int vm, struct kvm_dirty_log *log);
int kvm_clear_dirty_log(int vm, struct kvm_clear_dirty_log *log);
int kvm_irqfd(int vm, struct kvm_irqfd *irqfd);
int kvm_ioeventfd(int vm, struct kvm_ioeventfd *ioeventfd);
int kvm_set_gsi_routing(int vm, struct kvm_irq_routing *routing);
int kvm_irq_line(int vm, struct kvm_irq_level *level);
int kvm_signal_msi(int vm, struct kvm_msi *msi);
int kvm_enable_cap(int fd, struct kvm_enable_cap *cap);
int kvm_get_stats_fd(int fd); /* on a VM or on a vCPU: a descriptor, see kvm/stats.h */

/* a vCPU */
int kvm_run(int vcpu);
int kvm_get_device_attr(int fd, struct kvm_device_attr *attr); /* on a vCPU, or on a device */
int kvm_set_device_attr(int fd, struct kvm_device_attr *attr);
int kvm_get_mp_state(int vcpu, struct kvm_mp_state *state);
int kvm_set_mp_state(int vcpu, struct kvm_mp_state *state);

#endif
