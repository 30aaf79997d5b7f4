/* SPDX-License-Identifier: Apache-2.0 */
/*
 * KVM's binary statistics of a VM or of a vCPU (api.rst 4.133): a header, descriptors that say what
 * there is, and values. Which there are differs from kernel to kernel: they are found by name.
 */
#ifndef KVM_STATS_H
#define KVM_STATS_H

#include <stddef.h>
#include <stdint.h>

enum kvm_stat_kind {
	KVM_STAT_CUMULATIVE, /* only grows */
	KVM_STAT_INSTANT,    /* what is now */
	KVM_STAT_PEAK,	     /* the most that ever was */
	KVM_STAT_LINEAR,     /* a histogram with buckets of equal width */
	KVM_STAT_LOG,	     /* a histogram whose buckets double */
};

enum kvm_stat_unit {
	KVM_STAT_NONE,
	KVM_STAT_BYTES,
	KVM_STAT_SECONDS,
	KVM_STAT_CYCLES,
	KVM_STAT_BOOLEAN,
};

struct kvm_stat {
	const char *name;
	enum kvm_stat_kind kind;
	enum kvm_stat_unit unit;
	unsigned base; /* 10 or 2: the unit is to be taken times base to the exponent */
	int exponent;
	uint32_t bucket_size; /* of KVM_STAT_LINEAR */
	uint32_t count;	      /* of values: those of a histogram, or one */
	const uint64_t *values;
};

/* Begins with fd -1. Everything but kvm_stats_open() and kvm_stats_finish(): one thread at a time.
 */
struct kvm_stats {
	int fd;
	struct kvm_stat *stats;
	size_t count;
	char *names;
	uint64_t *values;
	size_t value_count;
	uint32_t values_at; /* in the file */
};

/*
 * Takes the descriptor from a VM's or a vCPU's. Before its first KVM_RUN: while that goes on, it
 * would wait for its end. -errno of KVM, or for want of descriptors.
 */
int kvm_stats_open(struct kvm_stats *stats, int fd);
void kvm_stats_finish(struct kvm_stats *stats);

/*
 * Reads all values, and the first time what they are. It waits for nobody, whatever the vCPU does.
 *   -ENODEV  it was not opened
 *   -EPROTO  what KVM says of itself cannot be
 *   -ENOMEM, and what pread(2) says
 */
int kvm_stats_read(struct kvm_stats *stats);

/* After kvm_stats_read(). NULL: this kernel has none of that name. */
const struct kvm_stat *kvm_stats_find(const struct kvm_stats *stats, const char *name);

#endif
