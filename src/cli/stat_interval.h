/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a VM did between two answers of the method stat. An interval is an object: "name"; "time_ns"
 * (CLOCK_MONOTONIC at its end); "interval_ns"; and for each of its "cpus"
 *
 *   guest ferry halted steal suspended  percent of the interval; together 100
 *   user system guest_time              percent of a CPU, by the host's kernel; guest_time is in
 * user exits                               a second, by reason
 *
 * vm/stat.h says what is derived from what. Where there was no thread, or the host does not tell, a
 * member is missing. "kvm" (a second) and "kvm_now" are KVM's, of the VM and of each of the cpus.
 */
#ifndef CLI_STAT_INTERVAL_H
#define CLI_STAT_INTERVAL_H

struct json_object;

/* The caller puts it. NULL, with a text: the answers are not two of one VM, in that order. */
struct json_object *stat_interval(struct json_object *before, struct json_object *after);

/* A member that is a number; 0: there is none. */
double stat_number(struct json_object *object, const char *key);

#endif
