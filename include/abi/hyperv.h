/* SPDX-License-Identifier: Apache-2.0 */
/* Hyper-V as its guests see it: Hypervisor Top Level Functional Specification (TLFS) 6.0b. */
#ifndef ABI_HYPERV_H
#define ABI_HYPERV_H

#include <abi/abi.h>

#define HV_PAGE_SIZE 4096u

/* TLFS 2.4: CPUID leaves, and what the bits of the third and the fourth say. */
#define HV_CPUID_VENDOR	   0x40000000u
#define HV_CPUID_INTERFACE 0x40000001u
#define HV_CPUID_VERSION   0x40000002u
#define HV_CPUID_FEATURES  0x40000003u
#define HV_CPUID_HINTS	   0x40000004u
#define HV_CPUID_LIMITS	   0x40000005u
#define HV_CPUID_LAST	   0x400001ffu /* nothing of another hypervisor up to here */

#define HV_VENDOR_EBX	 0x7263694du /* "Microsoft Hv" */
#define HV_VENDOR_ECX	 0x666f736fu
#define HV_VENDOR_EDX	 0x76482074u
#define HV_INTERFACE_EAX 0x31237648u /* "Hv#1" */

#define HV_FEATURE_A_VP_RUNTIME	     (1u << 0)
#define HV_FEATURE_A_TIME_REF_COUNT  (1u << 1)
#define HV_FEATURE_A_SYNIC	     (1u << 2)
#define HV_FEATURE_A_STIMER	     (1u << 3)
#define HV_FEATURE_A_APIC	     (1u << 4)
#define HV_FEATURE_A_HYPERCALL	     (1u << 5)
#define HV_FEATURE_A_VP_INDEX	     (1u << 6)
#define HV_FEATURE_A_RESET	     (1u << 7)
#define HV_FEATURE_A_REFERENCE_TSC   (1u << 9)
#define HV_FEATURE_A_FREQUENCIES     (1u << 11)
#define HV_FEATURE_A_REENLIGHTENMENT (1u << 13)
#define HV_FEATURE_B_POST_MESSAGES   (1u << 4)
#define HV_FEATURE_B_SIGNAL_EVENTS   (1u << 5)
#define HV_FEATURE_D_XMM_INPUT	     (1u << 4)
#define HV_FEATURE_D_FREQUENCIES     (1u << 8)
#define HV_FEATURE_D_CRASH	     (1u << 10)
#define HV_FEATURE_D_EXTENDED_RANGES (1u << 14)
#define HV_FEATURE_D_STIMER_DIRECT   (1u << 19)

#define HV_HINT_A_REMOTE_FLUSH	(1u << 2)
#define HV_HINT_A_APIC		(1u << 3)
#define HV_HINT_A_RELAXED	(1u << 5)
#define HV_HINT_A_NO_AUTO_EOI	(1u << 9)
#define HV_HINT_A_CLUSTER_IPI	(1u << 10)
#define HV_HINT_A_EX_MASKS	(1u << 11)
#define HV_HINT_B_NEVER_NOTIFY	0xffffffffu

/* TLFS appendix B: synthetic MSRs. */
#define HV_MSR_FIRST	      0x40000000u
#define HV_MSR_COUNT	      0x200u
#define HV_MSR_GUEST_OS_ID    0x40000000u
#define HV_MSR_HYPERCALL      0x40000001u
#define HV_MSR_VP_INDEX	      0x40000002u
#define HV_MSR_RESET	      0x40000003u
#define HV_MSR_VP_RUNTIME     0x40000010u
#define HV_MSR_TIME_REF_COUNT 0x40000020u
#define HV_MSR_REFERENCE_TSC  0x40000021u
#define HV_MSR_TSC_FREQUENCY  0x40000022u
#define HV_MSR_APIC_FREQUENCY 0x40000023u
#define HV_MSR_VP_ASSIST_PAGE 0x40000073u
#define HV_MSR_SCONTROL	      0x40000080u
#define HV_MSR_SVERSION	      0x40000081u
#define HV_MSR_SIEFP	      0x40000082u
#define HV_MSR_SIMP	      0x40000083u
#define HV_MSR_EOM	      0x40000084u
#define HV_MSR_SINT0	      0x40000090u
#define HV_MSR_STIMER0_CONFIG 0x400000b0u
#define HV_MSR_STIMER0_COUNT  0x400000b1u
#define HV_MSR_CRASH_P0	      0x40000100u
#define HV_MSR_CRASH_P4	      0x40000104u
#define HV_MSR_CRASH_CTL      0x40000105u
#define HV_MSR_REENLIGHTENMENT_CONTROL 0x40000106u
#define HV_MSR_TSC_EMULATION_CONTROL   0x40000107u
#define HV_MSR_TSC_EMULATION_STATUS    0x40000108u

/* What MSRs that name a page have in common: a flag and the page's number. */
#define HV_MSR_PAGE_ENABLE     (1ull << 0)
#define HV_MSR_PAGE_ADDRESS    (~0xfffull)
#define HV_MSR_HYPERCALL_LOCK  (1ull << 1)
#define HV_MSR_RESET_NOW       (1ull << 0)
#define HV_MSR_CRASH_NOTIFY    (1ull << 63)
#define HV_MSR_CRASH_MESSAGE   (1ull << 62)

/* TLFS 11.8: the synthetic interrupt controller (SynIC) of a VP, and its sources (SINTs). */
#define HV_SYNIC_VERSION      1ull
#define HV_SYNIC_SINTS	      16u
#define HV_SCONTROL_ENABLE    (1ull << 0)
#define HV_SINT_VECTOR	      0xffull
#define HV_SINT_VECTOR_MIN    16u
#define HV_SINT_MASKED	      (1ull << 16)
#define HV_SINT_AUTO_EOI      (1ull << 17)

/* TLFS 12.4.2: STIMERn_CONFIG */
#define HV_STIMERS		  4u
#define HV_STIMER_ENABLE	  (1ull << 0)
#define HV_STIMER_PERIODIC	  (1ull << 1)
#define HV_STIMER_LAZY		  (1ull << 2)
#define HV_STIMER_AUTO_ENABLE	  (1ull << 3)
#define HV_STIMER_VECTOR_SHIFT	  4
#define HV_STIMER_DIRECT	  (1ull << 12)
#define HV_STIMER_SINT_SHIFT	  16
#define HV_STIMER_KNOWN		  0xf1fffull

/* TLFS 11.9: a slot of the message page; there is one for each SINT. */
#define HV_MESSAGE_NONE		 0u
#define HV_MESSAGE_TIMER_EXPIRED 0x80000010u
#define HV_MESSAGE_PENDING	 (1u << 0) /* another waits for the slot: say so by EOM */
struct hv_message {
	uint32_t type;
	uint8_t payload_size;
	uint8_t flags;
	uint8_t reserved[2];
	uint64_t origin;
	uint64_t payload[30];
};
ABI_SIZE(struct hv_message, 256);
ABI_OFFSET(struct hv_message, flags, 5);
ABI_OFFSET(struct hv_message, payload, 16);

/* TLFS 11.6: of each SINT, a bit each of the event flag page, 256 bytes a SINT. */
#define HV_EVENT_FLAGS 2048u

/* TLFS 12.5: of HV_MESSAGE_TIMER_EXPIRED. */
struct hv_timer_message {
	uint32_t timer;
	uint32_t reserved;
	uint64_t expiration, delivery; /* reference time */
};
ABI_SIZE(struct hv_timer_message, 24);

/* TLFS 11.11.2: HvCallPostMessage; types from 2^31 on are the hypervisor's. */
#define HV_MESSAGE_PAYLOAD_MAX 240u
#define HV_MESSAGE_HYPERVISOR  0x80000000u
struct hv_post_message {
	uint32_t connection;
	uint32_t reserved;
	uint32_t type;
	uint32_t payload_size;
	uint64_t payload[30];
};
ABI_SIZE(struct hv_post_message, 256);

/* TLFS 11.11.3: HvCallSignalEvent. The upper byte of a connection is reserved. */
#define HV_CONNECTION_ID 0x00ffffffu
struct hv_signal_event {
	uint32_t connection;
	uint16_t flag;
	uint16_t reserved;
};
ABI_SIZE(struct hv_signal_event, 8);

/* TLFS 3.7: the input value of a hypercall, and its result. */
#define HV_CALL_CODE	     0xffffull
#define HV_CALL_FAST	     (1ull << 16)
#define HV_CALL_VAR_SHIFT    17
#define HV_CALL_VAR_MASK     0x3ffull
#define HV_CALL_REPS_SHIFT   32
#define HV_CALL_REPS_MASK    0xfffull
#define HV_CALL_START_SHIFT  48
#define HV_CALL_START_MASK   0xfffull
#define HV_CALL_RESERVED     0xf000f000f8000000ull
#define HV_RESULT_REPS_SHIFT 32

/* What fits into registers: RDX, R8 and XMM0 to XMM5. */
#define HV_FAST_WORDS 14
#define HV_XMM_WORDS  12

#define HV_CALL_FLUSH_SPACE	0x0002
#define HV_CALL_FLUSH_LIST	0x0003
#define HV_CALL_LONG_SPIN_WAIT	0x0008
#define HV_CALL_SEND_IPI	0x000b
#define HV_CALL_FLUSH_SPACE_EX	0x0013
#define HV_CALL_FLUSH_LIST_EX	0x0014
#define HV_CALL_SEND_IPI_EX	0x0015
#define HV_CALL_POST_MESSAGE	0x005c
#define HV_CALL_SIGNAL_EVENT	0x005d

#define HV_STATUS_SUCCESS		  0x0000
#define HV_STATUS_INVALID_HYPERCALL_CODE  0x0002
#define HV_STATUS_INVALID_HYPERCALL_INPUT 0x0003
#define HV_STATUS_INVALID_ALIGNMENT	  0x0004
#define HV_STATUS_INVALID_PARAMETER	  0x0005
#define HV_STATUS_ACCESS_DENIED		  0x0006
#define HV_STATUS_OPERATION_DENIED	  0x0008
#define HV_STATUS_INVALID_PORT_ID	  0x0011
#define HV_STATUS_INVALID_CONNECTION_ID	  0x0012
#define HV_STATUS_INSUFFICIENT_BUFFERS	  0x0013

/* TLFS 9.4.3: how far a flush goes. */
#define HV_FLUSH_ALL_PROCESSORS	       (1ull << 0)
#define HV_FLUSH_ALL_SPACES	       (1ull << 1)
#define HV_FLUSH_NON_GLOBAL_ONLY       (1ull << 2)
#define HV_FLUSH_EXTENDED_RANGE_FORMAT (1ull << 3)

/* TLFS 7.8.7.3: a sparse set of VPs; a 64-bit bank follows for each bit of valid_bank_mask. */
#define HV_VP_SET_SPARSE 0ull
#define HV_VP_SET_ALL	 1ull
#define HV_VP_SET_BANKS	 64
struct hv_vp_set {
	uint64_t format;
	uint64_t valid_bank_mask;
};
ABI_SIZE(struct hv_vp_set, 16);

/* TLFS 9.4.5, 9.4.7: what 64-bit addresses of a list follow. */
struct hv_flush {
	uint64_t address_space;
	uint64_t flags;
	uint64_t processor_mask;
};
ABI_SIZE(struct hv_flush, 24);

/* TLFS 9.4.6, 9.4.8: the banks, and then the list, follow. */
struct hv_flush_ex {
	uint64_t address_space;
	uint64_t flags;
	struct hv_vp_set set;
};
ABI_SIZE(struct hv_flush_ex, 32);

/* TLFS 10.5: vectors below 16 are exceptions. */
#define HV_IPI_VECTOR_MIN 0x10
#define HV_IPI_VECTOR_MAX 0xff
struct hv_send_ipi {
	uint32_t vector;
	uint8_t target_vtl;
	uint8_t reserved[3];
	uint64_t processor_mask;
};
ABI_SIZE(struct hv_send_ipi, 16);

struct hv_send_ipi_ex {
	uint32_t vector;
	uint8_t target_vtl;
	uint8_t reserved[3];
	struct hv_vp_set set;
};
ABI_SIZE(struct hv_send_ipi_ex, 24);
ABI_OFFSET(struct hv_send_ipi_ex, set, 8);

/* TLFS 12.7: a sequence of 0 says that the counter's MSR is to be read instead. */
struct hv_reference_tsc_page {
	uint32_t sequence;
	uint32_t reserved;
	uint64_t scale;
	int64_t offset;
};
ABI_SIZE(struct hv_reference_tsc_page, 24);
ABI_OFFSET(struct hv_reference_tsc_page, offset, 16);

/* Of the counter, of VP_RUNTIME and of the timers: 100 ns. */
#define HV_TIME_HZ 10000000ull

/* TLFS appendix A: virtual processors' registers. */
#define HV_REGISTER_INTERCEPT_SUSPEND 0x00000001u
#define HV_REGISTER_DISPATCH_SUSPEND  0x00000003u
#define HV_REGISTER_FEATURES	      0x00000200u
#define HV_REGISTER_HINTS	      0x00000201u
#define HV_REGISTER_REFERENCE_TSC     0x00090017u

/* TLFS 15.5.1.3: HV_REGISTER_INTERCEPT_SUSPEND */
#define HV_INTERCEPT_SUSPEND_TLB_LOCKED (1ull << 1)

#endif
