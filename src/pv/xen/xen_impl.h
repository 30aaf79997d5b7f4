/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of src/pv/xen share. */
#ifndef PV_XEN_XEN_IMPL_H
#define PV_XEN_XEN_IMPL_H

#include <pthread.h>
#include <stdatomic.h>

#include <abi/xen.h>
#include <abi/xen_evtchn.h>
#include <abi/xen_grant.h>
#include <abi/xen_hvm.h>
#include <abi/xen_memory.h>
#include <abi/xen_vcpu.h>

#include "arch/x86/traps.h"
#include "io/loop.h"
#include "mem/dirty.h"
#include "mem/mem.h"
#include "pv/xen/bus.h"
#include "pv/xen/engine.h"
#include "pv/xen/evtchn.h"
#include "pv/xen/grant.h"
#include "pv/xen/page.h"
#include "pv/xen/pirq.h"
#include "pv/xen/sender.h"
#include "pv/xen/store.h"
#include "pv/xen/xen.h"
#include "vm/irq.h"
#include "vm/vcpu_call.h"
#include "vm/vcpu_work.h"
#include "vm/vm.h"

#define XEN_NO_GFN UINT64_MAX
#define XEN_NO_GPA UINT64_MAX

/* The guest's id; ferry is its domain 0. */
#define XEN_GUEST_DOMID 1u
#define XEN_FERRY_DOMID 0u

/* The hypercall page's port of the portable engine: an immediate of OUT, and nobody's. */
#define XEN_PORT 0xeb

#define XEN_DEBUG_PORT 0xe9

/* Lines of the IOAPIC. */
#define XEN_GSIS 24

/* Below it are the CPU's exceptions, as a LAPIC has it (Intel SDM 3, 11.5.2). */
#define XEN_VECTOR_MIN 0x10

#define XEN_RANGES_MAX 16
#define XEN_STUBS_MAX  4

/* What KVM is told of a vCPU, which it is only while the vCPU is outside KVM_RUN: xen_sync(). */
enum xen_stale {
	XEN_STALE_INFO = 1 << 0,
	XEN_STALE_TIME = 1 << 1,
	XEN_STALE_RUNSTATE = 1 << 2,
	XEN_STALE_VECTOR = 1 << 3,
	XEN_STALE_TIMER = 1 << 4,
};

struct xen_vcpu {
	struct xen *xen;
	struct vcpu *vcpu;
	uint32_t id; /* Xen's, which is ACPI's and KVM's too */
	char said;   /* to the debug port; the vCPU's thread's */

	/* The rest is under xen.lock. */
	uint64_t info_gpa;    /* registered, or XEN_NO_GPA: the embedded one */
	uint64_t time_gpa;    /* second time info */
	uint64_t runstate_gpa;
	uint8_t vector;	      /* of its LAPIC, for upcalls; 0: none */
	unsigned stale;	      /* enum xen_stale: what the engine has not been told of it */
	bool rescan;	      /* when it is: everything is looked at again */
	bool down;	      /* VCPUOP_down, or initialised and not up yet */
	bool inject; /* the domain's vector, by ferry, as soon as it takes interrupts */
	uint64_t inject_at; /* when it is tried again: ns of CLOCK_MONOTONIC */
	atomic_bool refused; /* the last upcall, by a LAPIC that is off; set under the lock */
	uint64_t refused_at, refused_for; /* when it is made again, and how long that was waited for */
	uint32_t virq_port[XEN_NR_VIRQS];
	struct {
		uint64_t single; /* ns of guest time; 0: none */
		uint64_t period, next;
	} timer;
	struct {
		uint64_t state, since;
		uint64_t time[4];
	} runstate; /* the portable engine's own account */
	struct {
		bool active;
		uint32_t port; /* of one; 0: any of several */
		uint64_t until; /* ns of CLOCK_MONOTONIC */
	} poll;
	struct {
		uint64_t gfn; /* XEN_NO_GFN: no control block yet */
		uint32_t offset;
		uint32_t tail[XEN_EVTCHN_FIFO_QUEUES];
	} fifo;
};

/*
 * lock: everything below it. Under it KVM's ioctls are made and guest memory is touched, mem's locks and
 * the VM's are taken; it is never held while one vCPU waits for another (vm/vcpu_call.h).
 * Order: xen.lock, then mem's, the loop's, the VM's, and inside KVM a vCPU's mutex before KVM's xen_lock.
 */
struct xen {
	struct vm *vm;
	const struct xen_engine_ops *engine;
	uint32_t version;
	uint32_t cpuid_base;
	struct xen_range ranges[XEN_RANGES_MAX];
	size_t range_count;
	void (*say)(void *self, const char *text, size_t len);
	void *say_self;
	uint32_t (*intx_gsi)(uint8_t slot, uint8_t pin);
	struct xen_vcpu *vcpus;
	uint32_t vcpu_count;
	uint32_t kvm_flags; /* KVM_CAP_XEN_HVM's bits */

	pthread_mutex_t lock;
	unsigned look; /* at the map of memory, of who has the lock */
	bool longmode; /* the guest's words are of 64 bits; Xen's default */
	bool runstate_flag; /* vm_assist: runstate_update_flag */
	struct xen_page shared;
	uint64_t param[XEN_HVM_PARAMS];
	struct xen_ports ports;
	struct xen_pirqs pirqs;
	struct xen_grants grants;
	struct store store;
	struct xen_dev *devs; /* linked before the guest runs */
	uint64_t special_gpa; /* fixed: of the console's page; Xenstore's is behind it */
	uint64_t hypercall_page; /* gpa, or XEN_NO_GPA */
	uint64_t stubs[XEN_STUBS_MAX]; /* gpa of a patched or patchable inline call; 0: none */
	struct xen_sender *senders;
	bool kernel_delivers; /* KVM sets event bits, makes upcalls and has the timers */
	uint8_t callback_vector; /* VM-wide; 0: another kind */
	struct irq_level line; /* for upcalls of vCPU 0; attached where they come by a line */
	uint64_t watchdog[XEN_WATCHDOGS]; /* ns of CLOCK_MONOTONIC; 0: off */
	uint32_t watchdogs_used;
	uint64_t *hole_gfns; /* pages that were mapped where no RAM is */
	size_t hole_count;

	/* The loop's, but for what is fixed and the kick. */
	struct {
		size_t (*output)(void *self, const void *buf, size_t len);
		void (*input_room)(void *self);
		void *self;
		bool is_choked, has_refused;
		struct kick kick;
	} console;
	void (*quiesced)(void *arg); /* the loop's: who waits for all devices */
	void *quiesced_arg;

	bool held;
	atomic_bool arming; /* a message to the loop is under way */
	struct loop_timer timer; /* the loop's: the next of all timers */
};

/* Host addresses of the guest's pages are good until the lock is given up. */
static inline void xen_lock(struct xen *xen)
{
	pthread_mutex_lock(&xen->lock);
	xen->look = mem_look_begin(&xen->vm->mem);
}

static inline void xen_unlock(struct xen *xen)
{
	mem_look_end(&xen->vm->mem, xen->look);
	pthread_mutex_unlock(&xen->lock);
}

/* An event ends a vCPU's poll, but does not bring up one that is down. lock held. */
static inline void xen_wake(struct xen_vcpu *v)
{
	if (!v->down)
		vcpu_unblock(v->vcpu);
}

/* NULL: no such vCPU. */
static inline struct xen_vcpu *xen_vcpu(struct xen *xen, uint64_t id)
{
	return id < xen->vcpu_count ? &xen->vcpus[id] : NULL;
}

static inline bool xen_is_self(uint32_t domid)
{
	return domid == XEN_DOMID_SELF || domid == XEN_GUEST_DOMID;
}

/* Whether the domain that a call names may be named: 0, -XEN_ESRCH, or -XEN_EPERM for domain 0. */
static inline int xen_check_self(uint32_t domid)
{
	if (xen_is_self(domid))
		return 0;
	return domid == XEN_FERRY_DOMID ? -XEN_EPERM : -XEN_ESRCH;
}

/* info.c: shared_info and vcpu_info. lock held. */
int xen_shared_info_map(struct xen *xen, uint64_t gfn);
int xen_set_longmode(struct xen *xen, bool longmode);
/*
 * v is outside KVM_RUN; without the lock. running: it is not the caller, and is up. 0 or -XEN_E…, and
 * then the old place is in force.
 */
int xen_vcpu_info_register(struct xen_vcpu *v, uint64_t mfn, uint32_t offset, bool running);
/* Where vcpu_info is: registered, in shared_info, or NULL: nowhere (ids from 32 on). */
void *xen_vcpu_info(const struct xen_vcpu *v);
void xen_soft_reset(struct xen *xen);
/* What a register says: as _map(), but the content comes with memory. */
int xen_shared_info_restore(struct xen *xen, uint64_t gfn);
int xen_info_restore(struct xen_vcpu *v, uint64_t gpa);

/*
 * xen.c. Tells the engine what is stale of each vCPU, on it. Without the lock, on a vCPU's thread. 0, or
 * the first failure, as Xen says it. And for one that is outside KVM_RUN, with the lock.
 */
int xen_sync(struct xen *xen);
int xen_apply(struct xen_vcpu *v);

/* pages.c. lock held. The host's address of a guest's page, which is made where there is none. */
int xen_page_init(struct xen_page *page);
void xen_page_finish(struct xen_page *page);
uint8_t *xen_page_hva(const struct xen *xen, const struct xen_page *page);
int xen_gfn_to_hva(struct xen *xen, uint64_t gfn, uint8_t **ret_hva);
int xen_page_map(struct xen *xen, struct xen_page *page, uint64_t gfn);
void xen_page_unmap(struct xen *xen, struct xen_page *page);

/* time.c. ns of guest time (kvmclock). lock held by the second. */
uint64_t xen_now(const struct xen *xen);
void xen_timers_changed(struct xen *xen);
void xen_timer_finish(struct xen *xen);

/*
 * via.c: the ways of upcalls. The first two without the lock, the others with it. set: -EINVAL, or
 * the host's; the way is what it was then. raise: by the line, if there is one. inject_soon: the
 * domain's vector, by inject on the vCPU's thread, outside KVM_RUN.
 */
int xen_via_init(struct xen *xen);
void xen_via_finish(struct xen *xen);
int xen_via_set(struct xen *xen, uint64_t value);
void xen_via_raise(struct xen_vcpu *v);
/* By the vCPU's own vector; and what its LAPIC has refused, once more. */
void xen_via_send(struct xen_vcpu *v);
void xen_via_send_again(struct xen_vcpu *v);
void xen_via_inject_soon(struct xen_vcpu *v);
void xen_via_inject(struct xen_vcpu *v);

/* sched.c: the time that is left, in ns. lock held. */
uint64_t xen_watchdog_left(const struct xen *xen, uint32_t id);
int xen_watchdog_restore(struct xen *xen, uint32_t id, uint64_t left);

/* traps.c and stubs.c: every hypercall in the guest's memory is of the engine. */
extern const uint8_t xen_port_call[3];
int xen_write_hypercall_page(struct xen *xen, uint64_t gpa);
void xen_stubs_apply(struct xen *xen);

/* store_port.c. lock held. What the guest asks of Xenstore is looked at, and answered. */
void xen_store_serve(struct xen *xen);

/* vcpu_bank.c */
int xen_vcpu_bank_add(struct xen *xen);

/* runstate.c. lock held. */
void xen_runstate_set(struct xen_vcpu *v, uint32_t state);
void xen_runstate_get(struct xen_vcpu *v, struct xen_vcpu_runstate_info_64 *ret_info);
void xen_runstate_write(struct xen_vcpu *v);

#endif
