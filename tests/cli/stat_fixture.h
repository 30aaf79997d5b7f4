/* SPDX-License-Identifier: Apache-2.0 */
/* Made-up answers of the method stat, a second apart. */
#ifndef TESTS_CLI_STAT_FIXTURE_H
#define TESTS_CLI_STAT_FIXTURE_H

#include <json-c/json.h>

#include "check_main.h"
#include "cli/stat_interval.h"

#define STAT_BEFORE                                                                          \
	"{\"name\":\"web1\",\"time_ns\":5000000000,\"cpus\":["                               \
	"{\"cpu\":0,\"time_ns\":{\"run\":1000,\"pio\":50,\"mmio\":0,\"call\":0,\"other\":0," \
	"\"suspended\":0,\"throttled\":0},\"exits\":{\"io\":10},\"halt_wait_ns\":0,"         \
	"\"halt_poll_ns\":0,\"user_ns\":0,\"system_ns\":0,\"guest_ns\":0,\"cpu_ns\":0,"      \
	"\"delay_ns\":0,\"kvm\":{\"exits\":100},\"kvm_now\":{\"nx\":1}},"                    \
	"{\"cpu\":1,\"time_ns\":{},\"exits\":{}}],\"kvm\":{\"flushes\":1},\"kvm_now\":{}}"

/*
 * vCPU 0: 300 ms on a CPU, of which 100 ms in ferry and 20 ms polling; 100 ms waiting for one, 200
 * ms paused, and so 400 ms asleep. vCPU 1 has no thread.
 */
#define STAT_AFTER                                                                                 \
	"{\"name\":\"web1\",\"time_ns\":6000000000,\"cpus\":["                                     \
	"{\"cpu\":0,\"time_ns\":{\"run\":700001000,\"pio\":60000050,\"mmio\":40000000,\"call\":0," \
	"\"other\":0,\"suspended\":150000000,\"throttled\":50000000},"                             \
	"\"exits\":{\"io\":1010,\"mmio\":500},\"halt_wait_ns\":5000000000,"                        \
	"\"halt_poll_ns\":20000000,\"user_ns\":200000000,\"system_ns\":100000000,"                 \
	"\"guest_ns\":150000000,\"cpu_ns\":300000000,\"delay_ns\":100000000,"                      \
	"\"kvm\":{\"exits\":2100},\"kvm_now\":{\"nx\":1}},"                                        \
	"{\"cpu\":1,\"time_ns\":{},\"exits\":{}}],\"kvm\":{\"flushes\":6},\"kvm_now\":{}}"

static inline struct json_object *stat_parse(const char *text)
{
	struct json_object *object = json_tokener_parse(text);

	ck_assert_ptr_nonnull(object);
	return object;
}

static inline struct json_object *stat_made_up(void)
{
	struct json_object *before = stat_parse(STAT_BEFORE), *after = stat_parse(STAT_AFTER);
	struct json_object *interval = stat_interval(before, after);

	ck_assert_ptr_nonnull(interval);
	json_object_put(before);
	json_object_put(after);
	return interval;
}

static inline struct json_object *stat_cpu(struct json_object *interval, size_t cpu)
{
	return json_object_array_get_idx(json_object_object_get(interval, "cpus"), cpu);
}

#endif
