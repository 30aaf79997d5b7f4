/* SPDX-License-Identifier: Apache-2.0 */
/* KVM's ioctls of arm64. */
#include "kvm/kvm_arm64.h"

#include "kvm/ioctl.h"

int kvm_arm_preferred_target(int vm, struct kvm_vcpu_init *init)
{
	return KVM_IOCTL(vm, KVM_ARM_PREFERRED_TARGET, init);
}

int kvm_create_device(int vm, struct kvm_create_device *device)
{
	return KVM_IOCTL(vm, KVM_CREATE_DEVICE, device);
}

int kvm_has_device_attr(int fd, struct kvm_device_attr *attr)
{
	return KVM_IOCTL(fd, KVM_HAS_DEVICE_ATTR, attr);
}

int kvm_arm_vcpu_init(int vcpu, struct kvm_vcpu_init *init)
{
	return KVM_IOCTL(vcpu, KVM_ARM_VCPU_INIT, init);
}

int kvm_arm_vcpu_finalize(int vcpu, int feature)
{
	return KVM_IOCTL(vcpu, KVM_ARM_VCPU_FINALIZE, &feature);
}

int kvm_get_one_reg(int vcpu, uint64_t id, void *val)
{
	struct kvm_one_reg reg = { .id = id, .addr = (uintptr_t)val };

	return KVM_IOCTL(vcpu, KVM_GET_ONE_REG, &reg);
}

int kvm_set_one_reg(int vcpu, uint64_t id, const void *val)
{
	struct kvm_one_reg reg = { .id = id, .addr = (uintptr_t)val };

	return KVM_IOCTL(vcpu, KVM_SET_ONE_REG, &reg);
}

int kvm_get_reg_list(int vcpu, struct kvm_reg_list *list)
{
	return KVM_IOCTL(vcpu, KVM_GET_REG_LIST, list);
}

int kvm_get_vcpu_events(int vcpu, struct kvm_vcpu_events *events)
{
	return KVM_IOCTL(vcpu, KVM_GET_VCPU_EVENTS, events);
}

int kvm_set_vcpu_events(int vcpu, struct kvm_vcpu_events *events)
{
	return KVM_IOCTL(vcpu, KVM_SET_VCPU_EVENTS, events);
}
