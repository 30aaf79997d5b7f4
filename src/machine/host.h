/* SPDX-License-Identifier: Apache-2.0 */
/* What this host can do for VMs, and what ferry does where it cannot. */
#ifndef MACHINE_HOST_H
#define MACHINE_HOST_H

#include <stdbool.h>
#include <stddef.h>

#include "kvm/caps.h"

enum host_have {
	HOST_NO,
	HOST_YES,
	HOST_PARTLY,
};

struct host_fact {
	const char *name;
	enum host_have have;
	bool is_needed;	     /* without it no VM runs here */
	char detail[160];    /* what was found; may be empty */
	const char *without; /* what ferry does when it is missing; NULL: nothing depends on it */
};

/* A list of facts; host_facts_finish() frees it. A zeroed one is empty. */
struct host_facts {
	struct host_fact *facts;
	size_t count;
};

/* Looks at everything; opens /dev/kvm but makes no VM. -ENOMEM. */
int host_facts_read(struct host_facts *facts);
void host_facts_finish(struct host_facts *facts);

/* Whether every needed fact is there. */
bool host_facts_suffice(const struct host_facts *facts);

/* One capability of KVM that the architecture's machine uses or mentions. */
struct host_cap {
	const char *name;
	size_t offset; /* in struct kvm_caps */
	bool is_needed;
	bool is_number; /* its value is worth telling */
	const char *without;
	/* Optional: what there is to say of its value. */
	void (*describe)(int value, char *text, size_t size);
};
void host_describe_guest_memfd(int value, char *text, size_t size);
struct kvm_caps;
/* Of what no capability tells: kvm is /dev/kvm. */
void host_look_further(int kvm, struct kvm_caps *caps);
extern const struct host_cap host_caps[];
extern const size_t host_caps_count;

#endif
