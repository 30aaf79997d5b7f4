/* SPDX-License-Identifier: Apache-2.0 */
/* KVM's ioctls of arm64, one function each under the kernel's own name. */
#ifndef KVM_KVM_ARM64_H
#define KVM_KVM_ARM64_H

#include "kvm/kvm.h"

/* a VM */
int kvm_arm_preferred_target(int vm, struct kvm_vcpu_init *init);
int kvm_create_device(int vm, struct kvm_create_device *device);

/* a VM, a vCPU or a device */
int kvm_has_device_attr(int fd, struct kvm_device_attr *attr);

/* a vCPU */
int kvm_arm_vcpu_init(int vcpu, struct kvm_vcpu_init *init);
int kvm_arm_vcpu_finalize(int vcpu, int feature);
int kvm_get_one_reg(int vcpu, uint64_t id, void *val);
int kvm_set_one_reg(int vcpu, uint64_t id, const void *val);
int kvm_get_reg_list(int vcpu, struct kvm_reg_list *list);
int kvm_get_vcpu_events(int vcpu, struct kvm_vcpu_events *events);
int kvm_set_vcpu_events(int vcpu, struct kvm_vcpu_events *events);

#endif
