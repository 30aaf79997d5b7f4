/* SPDX-License-Identifier: Apache-2.0 */
/* KVM's ioctls that both architectures have. */
#include "kvm/kvm.h"

#include "base/util.h"
#include "kvm/ioctl.h"

int kvm_get_api_version(int kvm)
{
	return KVM_IOCTL_VAL(kvm, KVM_GET_API_VERSION, 0);
}

int kvm_check_extension(int fd, long cap)
{
	return KVM_IOCTL_VAL(fd, KVM_CHECK_EXTENSION, cap);
}

int kvm_create_vm(int kvm, long type)
{
	return KVM_IOCTL_VAL(kvm, KVM_CREATE_VM, type);
}

int kvm_get_vcpu_mmap_size(int kvm)
{
	return KVM_IOCTL_VAL(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
}

int kvm_create_vcpu(int vm, long id)
{
	return KVM_IOCTL_VAL(vm, KVM_CREATE_VCPU, id);
}

int kvm_set_user_memory_region(int vm, struct kvm_userspace_memory_region *region)
{
	return KVM_IOCTL(vm, KVM_SET_USER_MEMORY_REGION, region);
}

int kvm_get_dirty_log(int vm, struct kvm_dirty_log *log)
{
	return KVM_IOCTL(vm, KVM_GET_DIRTY_LOG, log);
}

int kvm_clear_dirty_log(int vm, struct kvm_clear_dirty_log *log)
{
	return KVM_IOCTL(vm, KVM_CLEAR_DIRTY_LOG, log);
}

int kvm_irqfd(int vm, struct kvm_irqfd *irqfd)
{
	return KVM_IOCTL(vm, KVM_IRQFD, irqfd);
}

int kvm_ioeventfd(int vm, struct kvm_ioeventfd *ioeventfd)
{
	return KVM_IOCTL(vm, KVM_IOEVENTFD, ioeventfd);
}

int kvm_set_gsi_routing(int vm, struct kvm_irq_routing *routing)
{
	return KVM_IOCTL(vm, KVM_SET_GSI_ROUTING, routing);
}

int kvm_irq_line(int vm, struct kvm_irq_level *level)
{
	return KVM_IOCTL(vm, KVM_IRQ_LINE, level);
}

int kvm_signal_msi(int vm, struct kvm_msi *msi)
{
	return KVM_IOCTL(vm, KVM_SIGNAL_MSI, msi);
}

int kvm_enable_cap(int fd, struct kvm_enable_cap *cap)
{
	return KVM_IOCTL(fd, KVM_ENABLE_CAP, cap);
}

int kvm_get_stats_fd(int fd)
{
	return KVM_IOCTL_VAL(fd, KVM_GET_STATS_FD, 0);
}

int kvm_get_device_attr(int fd, struct kvm_device_attr *attr)
{
	return KVM_IOCTL(fd, KVM_GET_DEVICE_ATTR, attr);
}

int kvm_set_device_attr(int fd, struct kvm_device_attr *attr)
{
	return KVM_IOCTL(fd, KVM_SET_DEVICE_ATTR, attr);
}

int kvm_get_mp_state(int vcpu, struct kvm_mp_state *state)
{
	return KVM_IOCTL(vcpu, KVM_GET_MP_STATE, state);
}

int kvm_set_mp_state(int vcpu, struct kvm_mp_state *state)
{
	return KVM_IOCTL(vcpu, KVM_SET_MP_STATE, state);
}
