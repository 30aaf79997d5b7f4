/* SPDX-License-Identifier: Apache-2.0 */
/* Subtracts two answers of the method stat. */
#include "cli/stat_interval.h"

#include <ferry/error.h>

#include <errno.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

static void add_number(struct json_object *object, const char *key, double value)
{
	char text[64];

	snprintf(text, sizeof(text), "%.2f", value);
	json_object_object_add(object, key, json_object_new_double_s(value, text));
}

double stat_number(struct json_object *object, const char *key)
{
	return json_object_get_double(json_object_object_get(object, key));
}

/* How much a counter grew; nothing if it is not in both or went back: KVM's may be reset. */
static double growth(struct json_object *before, struct json_object *after, const char *key)
{
	uint64_t from = json_object_get_uint64(json_object_object_get(before, key));
	uint64_t to = json_object_get_uint64(json_object_object_get(after, key));

	return to > from ? (double)(to - from) : 0;
}

static bool has(struct json_object *object, const char *key)
{
	return json_object_object_get_ex(object, key, NULL);
}

/* Every counter of an object, per second. */
static struct json_object *rates(struct json_object *before, struct json_object *after,
				 double seconds)
{
	struct json_object *object = json_object_new_object();

	if (!json_object_is_type(after, json_type_object))
		return object;
	json_object_object_foreach(after, key, value)
	{
		if (json_object_is_type(value, json_type_int))
			add_number(object, key, growth(before, after, key) / seconds);
	}
	return object;
}

static double at_most(double value, double limit)
{
	return value < 0 ? 0 : value < limit ? value : limit;
}

/*
 * The five shares: each takes what is left by those that are known better. Sleep is what the thread
 * did neither on a CPU nor waiting for one. Nobody knows whether it waited inside KVM_RUN or
 * outside: guest and ferry lose by it in proportion.
 */
static void add_shares(struct json_object *cpu, struct json_object *before,
		       struct json_object *after, double ns)
{
	struct json_object *from = json_object_object_get(before, "time_ns");
	struct json_object *to = json_object_object_get(after, "time_ns");
	double delay = growth(before, after, "delay_ns"), suspended, ferry, slept, awake, steal;

	suspended = at_most(growth(from, to, "suspended") + growth(from, to, "throttled"), ns);
	ferry = at_most(growth(from, to, "pio") + growth(from, to, "mmio") +
				growth(from, to, "call") + growth(from, to, "other"),
			ns - suspended);
	slept = at_most(ns - suspended - growth(before, after, "cpu_ns") - delay, ns);
	slept = at_most(slept + growth(before, after, "halt_poll_ns"), ns - suspended - ferry);
	awake = ns - suspended - slept;
	steal = at_most(delay, awake);
	if (awake > 0)
		ferry *= (awake - steal) / awake;
	add_number(cpu, "guest", 100 * (awake - steal - ferry) / ns);
	add_number(cpu, "ferry", 100 * ferry / ns);
	add_number(cpu, "halted", 100 * slept / ns);
	add_number(cpu, "steal", 100 * steal / ns);
	add_number(cpu, "suspended", 100 * suspended / ns);
	add_number(cpu, "user", 100 * growth(before, after, "user_ns") / ns);
	add_number(cpu, "system", 100 * growth(before, after, "system_ns") / ns);
	add_number(cpu, "guest_time", 100 * growth(before, after, "guest_ns") / ns);
}

static void add_kvm(struct json_object *to, struct json_object *before, struct json_object *after,
		    double seconds)
{
	struct json_object *kvm = json_object_object_get(after, "kvm");

	if (!kvm)
		return;
	json_object_object_add(to, "kvm",
			       rates(json_object_object_get(before, "kvm"), kvm, seconds));
	json_object_object_add(to, "kvm_now",
			       json_object_get(json_object_object_get(after, "kvm_now")));
}

static struct json_object *cpu_interval(struct json_object *before, struct json_object *after,
					double ns)
{
	struct json_object *cpu = json_object_new_object();

	json_object_object_add(cpu, "cpu", json_object_get(json_object_object_get(after, "cpu")));
	if (has(before, "cpu_ns") && has(after, "cpu_ns"))
		add_shares(cpu, before, after, ns);
	json_object_object_add(cpu, "exits",
			       rates(json_object_object_get(before, "exits"),
				     json_object_object_get(after, "exits"), ns / 1e9));
	add_kvm(cpu, before, after, ns / 1e9);
	return cpu;
}

static bool is_answer(struct json_object *answer)
{
	return json_object_is_type(json_object_object_get(answer, "cpus"), json_type_array) &&
	       has(answer, "time_ns");
}

struct json_object *stat_interval(struct json_object *before, struct json_object *after)
{
	struct json_object *from = json_object_object_get(before, "cpus");
	struct json_object *to = json_object_object_get(after, "cpus");
	double ns = growth(before, after, "time_ns");
	struct json_object *interval, *cpus;

	if (!is_answer(before) || !is_answer(after) || ns <= 0 ||
	    json_object_array_length(from) != json_object_array_length(to)) {
		because(-EPROTO, "the VM's answer is not one of stat");
		return NULL;
	}
	interval = json_object_new_object();
	cpus = json_object_new_array();
	json_object_object_add(interval, "name",
			       json_object_get(json_object_object_get(after, "name")));
	json_object_object_add(interval, "time_ns",
			       json_object_get(json_object_object_get(after, "time_ns")));
	json_object_object_add(interval, "interval_ns", json_object_new_int64((int64_t)ns));
	json_object_object_add(interval, "cpus", cpus);
	for (size_t i = 0; i < json_object_array_length(to); i++)
		json_object_array_add(cpus, cpu_interval(json_object_array_get_idx(from, i),
							 json_object_array_get_idx(to, i), ns));
	add_kvm(interval, before, after, ns / 1e9);
	return interval;
}
