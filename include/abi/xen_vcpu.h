/* SPDX-License-Identifier: Apache-2.0 */
/* Xen's vcpu_op, sched_op and timers (xen/include/public/{vcpu,sched,hvm/hvm_vcpu}.h). */
#ifndef ABI_XEN_VCPU_H
#define ABI_XEN_VCPU_H

#include <abi/abi.h>

enum xen_vcpuop {
	VCPUOP_initialise = 0,
	VCPUOP_up = 1,
	VCPUOP_down = 2,
	VCPUOP_is_up = 3,
	VCPUOP_get_runstate_info = 4,
	VCPUOP_register_runstate_memory_area = 5,
	VCPUOP_set_periodic_timer = 6,
	VCPUOP_stop_periodic_timer = 7,
	VCPUOP_set_singleshot_timer = 8,
	VCPUOP_stop_singleshot_timer = 9,
	VCPUOP_register_vcpu_info = 10,
	VCPUOP_send_nmi = 11,
	VCPUOP_get_physid = 12,
	VCPUOP_register_vcpu_time_memory_area = 13,
};

enum xen_runstate {
	XEN_RUNSTATE_running = 0,
	XEN_RUNSTATE_runnable = 1,
	XEN_RUNSTATE_blocked = 2,
	XEN_RUNSTATE_offline = 3,
};
#define XEN_RUNSTATE_UPDATE (1ull << 63)

struct xen_vcpu_runstate_info_64 {
	uint32_t state;
	uint32_t pad;
	uint64_t state_entry_time;
	uint64_t time[4];
};
ABI_SIZE(struct xen_vcpu_runstate_info_64, 48);

struct xen_vcpu_runstate_info_32 {
	uint32_t state;
	uint64_t state_entry_time;
	uint64_t time[4];
} __attribute__((packed));
ABI_SIZE(struct xen_vcpu_runstate_info_32, 44);

/* Of a runstate area and of the second time info: a virtual address. */
struct xen_vcpu_register_area {
	uint64_t addr;
};
ABI_SIZE(struct xen_vcpu_register_area, 8);

struct xen_vcpu_set_periodic_timer {
	uint64_t period_ns;
};
ABI_SIZE(struct xen_vcpu_set_periodic_timer, 8);

/* A 32-bit guest's has no padding behind it. */
struct xen_vcpu_set_singleshot_timer {
	uint64_t timeout_abs_ns;
	uint32_t flags;
	uint32_t pad;
};
ABI_SIZE(struct xen_vcpu_set_singleshot_timer, 16);
#define XEN_VCPU_SSHOTTMR_future (1u << 0)

struct xen_vcpu_register_vcpu_info {
	uint64_t mfn;
	uint32_t offset;
	uint32_t rsvd;
};
ABI_SIZE(struct xen_vcpu_register_vcpu_info, 16);

/* VCPUOP_initialise: where and how an HVM domain's vCPU begins (public/hvm/hvm_vcpu.h). */
struct xen_vcpu_hvm_x86_32 {
	uint32_t eax, ecx, edx, ebx, esp, ebp, esi, edi, eip, eflags;
	uint32_t cr0, cr3, cr4;
	uint32_t pad1;
	uint64_t efer;
	/* cs, ds, ss, es, tr */
	uint32_t base[5], limit[5];
	uint16_t ar[5];
	uint16_t pad2[3];
};
ABI_SIZE(struct xen_vcpu_hvm_x86_32, 120);
ABI_OFFSET(struct xen_vcpu_hvm_x86_32, efer, 56);
ABI_OFFSET(struct xen_vcpu_hvm_x86_32, ar, 104);

struct xen_vcpu_hvm_x86_64 {
	uint64_t rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, rip, rflags;
	uint64_t cr0, cr3, cr4, efer;
};
ABI_SIZE(struct xen_vcpu_hvm_x86_64, 112);

#define XEN_VCPU_HVM_MODE_32B 0u
#define XEN_VCPU_HVM_MODE_64B 1u

struct xen_vcpu_hvm_context {
	uint32_t mode;
	uint32_t pad;
	union {
		struct xen_vcpu_hvm_x86_32 x86_32;
		struct xen_vcpu_hvm_x86_64 x86_64;
	} cpu_regs;
};
ABI_SIZE(struct xen_vcpu_hvm_context, 128);

enum xen_schedop {
	SCHEDOP_yield = 0,
	SCHEDOP_block = 1,
	SCHEDOP_shutdown = 2,
	SCHEDOP_poll = 3,
	SCHEDOP_remote_shutdown = 4,
	SCHEDOP_shutdown_code = 5,
	SCHEDOP_watchdog = 6,
	SCHEDOP_pin_override = 7,
};

enum xen_shutdown {
	XEN_SHUTDOWN_poweroff = 0,
	XEN_SHUTDOWN_reboot = 1,
	XEN_SHUTDOWN_suspend = 2,
	XEN_SHUTDOWN_crash = 3,
	XEN_SHUTDOWN_watchdog = 4,
	XEN_SHUTDOWN_soft_reset = 5,
};

struct xen_sched_shutdown {
	uint32_t reason;
};
ABI_SIZE(struct xen_sched_shutdown, 4);

struct xen_sched_poll_64 {
	uint64_t ports;
	uint32_t nr_ports;
	uint32_t pad;
	uint64_t timeout;
};
ABI_SIZE(struct xen_sched_poll_64, 24);

struct xen_sched_poll_32 {
	uint32_t ports;
	uint32_t nr_ports;
	uint64_t timeout;
};
ABI_SIZE(struct xen_sched_poll_32, 16);
#define XEN_POLL_PORTS_MAX 128u

struct xen_sched_watchdog {
	uint32_t id;
	uint32_t timeout;
};
ABI_SIZE(struct xen_sched_watchdog, 8);
#define XEN_WATCHDOGS 2u

#endif
