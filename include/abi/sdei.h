/* SPDX-License-Identifier: Apache-2.0 */
/* Software Delegated Exception Interface, version 1.0 (Arm DEN0054). */
#ifndef ABI_SDEI_H
#define ABI_SDEI_H

#include <stdint.h>

/* DEN0054 5.1: fast calls of 64 bits, owner 4 */
#define SDEI_FUNCTIONS		      0xc4000020
#define SDEI_FUNCTION_COUNT	      32
#define SDEI_VERSION		      0xc4000020
#define SDEI_EVENT_REGISTER	      0xc4000021
#define SDEI_EVENT_ENABLE	      0xc4000022
#define SDEI_EVENT_DISABLE	      0xc4000023
#define SDEI_EVENT_CONTEXT	      0xc4000024
#define SDEI_EVENT_COMPLETE	      0xc4000025
#define SDEI_EVENT_COMPLETE_AND_RESUME 0xc4000026
#define SDEI_EVENT_UNREGISTER	      0xc4000027
#define SDEI_EVENT_STATUS	      0xc4000028
#define SDEI_EVENT_GET_INFO	      0xc4000029
#define SDEI_EVENT_ROUTING_SET	      0xc400002a
#define SDEI_PE_MASK		      0xc400002b
#define SDEI_PE_UNMASK		      0xc400002c
#define SDEI_INTERRUPT_BIND	      0xc400002d
#define SDEI_INTERRUPT_RELEASE	      0xc400002e
#define SDEI_EVENT_SIGNAL	      0xc400002f
#define SDEI_FEATURES		      0xc4000030
#define SDEI_PRIVATE_RESET	      0xc4000031
#define SDEI_SHARED_RESET	      0xc4000032

#define SDEI_SUCCESS	      0
#define SDEI_NOT_SUPPORTED    -1
#define SDEI_INVALID_PARAMETERS -2
#define SDEI_DENIED	      -3
#define SDEI_PENDING	      -5
#define SDEI_OUT_OF_RESOURCE  -10

#define SDEI_VERSION_1_0 (1ULL << 48)

#define SDEI_REGISTER_RM_PE 1 /* EVENT_REGISTER, EVENT_ROUTING_SET: flags */

/* EVENT_STATUS */
#define SDEI_STATUS_REGISTERED 1
#define SDEI_STATUS_ENABLED    2
#define SDEI_STATUS_RUNNING    4

/* EVENT_GET_INFO */
#define SDEI_INFO_TYPE		0 /* 0 private, 1 shared */
#define SDEI_INFO_SIGNALED	1
#define SDEI_INFO_PRIORITY	2 /* 0 normal, 1 critical */
#define SDEI_INFO_ROUTING_MODE	3
#define SDEI_INFO_ROUTING_AFF	4

#define SDEI_FEATURE_BIND_SLOTS 0

/* The registers x0 to x17 are the interrupted context's. */
#define SDEI_CONTEXT_REGISTERS 18

/* Signalled by software; every dispatcher has it. */
#define SDEI_EVENT_SOFTWARE 0

/* ferry's own: bit 30 says that the platform defined them. */
#define SDEI_EVENT_PRIVATE_NORMAL   0x40000000
#define SDEI_EVENT_PRIVATE_CRITICAL 0x40000001
#define SDEI_EVENT_SHARED_NORMAL    0x40000002
#define SDEI_EVENT_SHARED_CRITICAL  0x40000003
/* From here on those that INTERRUPT_BIND hands out. */
#define SDEI_EVENT_BOUND 0x40000100

#endif
