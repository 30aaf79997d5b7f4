/* SPDX-License-Identifier: Apache-2.0 */
/* Writes the table of `ferry stat`. */
#include "cli/stat_table.h"

#include <json-c/json.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "cli/print.h"
#include "cli/stat_interval.h"

#define REASONS_MAX 64
#define LINE_BYTES  1024
#define KVM_COLUMNS 120

static const struct column {
	const char *title, *key;
} columns[] = {
	{ "GUEST", "guest" },	 { "FERRY", "ferry" }, { "HALT", "halted" }, { "STEAL", "steal" },
	{ "SUSP", "suspended" }, { "USER", "user" },   { "SYS", "system" },
};

struct table {
	FILE *out;
	const struct stat_page *page;
	unsigned lines;
};

/* Whether the page has room for more lines than that. */
static bool has_room(const struct table *table, unsigned more)
{
	return !table->page->rows || table->lines + more < table->page->rows;
}

static void put_line(struct table *table, const char *line)
{
	fprintf(table->out, "%.*s%s", (int)table->page->columns, line, table->page->line_end);
	table->lines++;
}

struct rate {
	const char *name;
	double value;
};

static int by_value(const void *a, const void *b)
{
	double x = ((const struct rate *)a)->value, y = ((const struct rate *)b)->value;

	return x > y ? -1 : x < y;
}

/* Those of an object that are not zero, the greatest first. */
static size_t sorted_rates(struct json_object *object, struct rate *rates, size_t max)
{
	size_t count = 0;

	if (!object)
		return 0;
	json_object_object_foreach(object, key, value)
	{
		double rate = json_object_get_double(value);

		if (rate > 0 && count < max)
			rates[count++] = (struct rate){ key, rate };
	}
	qsort(rates, count, sizeof(rates[0]), by_value);
	return count;
}

static void put_rates(FILE *out, struct json_object *exits)
{
	struct rate rates[REASONS_MAX];
	size_t count = sorted_rates(exits, rates, REASONS_MAX);
	double sum = 0;

	for (size_t i = 0; i < count; i++)
		sum += rates[i].value;
	fprintf(out, " %9.0f ", sum);
	for (size_t i = 0; i < count; i++)
		fprintf(out, " %s %.0f", rates[i].name, rates[i].value);
}

/* One vCPU, or (name) all of them. */
static void put_cpu(struct table *table, struct json_object *cpu, const char *name)
{
	char line[LINE_BYTES] = "";
	FILE *out = fmemopen(line, sizeof(line), "w");

	if (!out)
		return;
	fprintf(out, "%4s", name);
	for (size_t i = 0; i < ARRAY_SIZE(columns); i++) {
		if (json_object_object_get_ex(cpu, columns[i].key, NULL))
			fprintf(out, " %6.1f", stat_number(cpu, columns[i].key));
		else
			fprintf(out, " %6s", "-");
	}
	put_rates(out, json_object_object_get(cpu, "exits"));
	fclose(out);
	put_line(table, line);
}

static void add_to(struct json_object *sum, const char *key, double value)
{
	json_object_object_add(sum, key, json_object_new_double(stat_number(sum, key) + value));
}

/* Every rate of an object, which may be NULL. */
static void add_rates(struct json_object *sum, struct json_object *rates)
{
	if (!rates)
		return;
	json_object_object_foreach(rates, key, value)
		add_to(sum, key, json_object_get_double(value));
}

/* Rates are added up, shares are means: all together are 100 again. */
static struct json_object *sum_of(struct json_object *cpus)
{
	struct json_object *sum = json_object_new_object(), *exits = json_object_new_object();
	size_t count = json_object_array_length(cpus);

	json_object_object_add(sum, "exits", exits);
	for (size_t i = 0; i < count; i++) {
		struct json_object *cpu = json_object_array_get_idx(cpus, i);
		struct json_object *of = json_object_object_get(cpu, "exits");

		for (size_t c = 0; c < ARRAY_SIZE(columns); c++)
			if (json_object_object_get_ex(cpu, columns[c].key, NULL))
				add_to(sum, columns[c].key,
				       stat_number(cpu, columns[c].key) / (double)count);
		add_rates(exits, of);
	}
	return sum;
}

static void put_cpus(struct table *table, struct json_object *cpus)
{
	size_t count = json_object_array_length(cpus), i;
	struct json_object *sum;
	char text[64];

	for (i = 0; i < count && has_room(table, 3); i++) {
		snprintf(text, sizeof(text), "%zu", i);
		put_cpu(table, json_object_array_get_idx(cpus, i), text);
	}
	if (i < count) {
		snprintf(text, sizeof(text), " ... %zu more", count - i);
		put_line(table, text);
	}
	if (count < 2)
		return;
	sum = sum_of(cpus);
	put_cpu(table, sum, "all");
	json_object_put(sum);
}

/* KVM's counters of the VM and of all vCPUs, a second; several on a line. */
static void put_kvm(struct table *table, struct json_object *interval)
{
	struct json_object *cpus = json_object_object_get(interval, "cpus");
	struct json_object *sum = json_object_new_object();
	struct rate rates[REASONS_MAX];
	char line[LINE_BYTES] = "";
	size_t count, len = 0;

	for (size_t i = 0; i <= json_object_array_length(cpus); i++) {
		struct json_object *of = i ? json_object_array_get_idx(cpus, i - 1) : interval;

		add_rates(sum, json_object_object_get(of, "kvm"));
	}
	count = sorted_rates(sum, rates, REASONS_MAX);
	for (size_t i = 0; i < count && has_room(table, 2); i++) {
		len += (size_t)snprintf(line + len, sizeof(line) - len, "%-26.26s%12.0f  ",
					rates[i].name, rates[i].value);
		if (i + 1 < count && len + 38 <= min_u64(table->page->columns, KVM_COLUMNS))
			continue;
		put_line(table, line);
		len = 0;
	}
	json_object_put(sum);
}

void stat_table_write(FILE *out, struct json_object *interval, const struct stat_page *page)
{
	struct table table = { .out = out, .page = page };
	struct json_object *cpus = json_object_object_get(interval, "cpus");
	size_t count = json_object_array_length(cpus);
	char line[LINE_BYTES];
	int len;

	snprintf(line, sizeof(line), "%s: %zu vCPU%s, %.2f s; percent, and exits a second",
		 member_text(interval, "name"), count, count == 1 ? "" : "s",
		 stat_number(interval, "interval_ns") / 1e9);
	put_line(&table, line);
	len = snprintf(line, sizeof(line), "VCPU");
	for (size_t i = 0; i < ARRAY_SIZE(columns); i++)
		len += snprintf(line + len, sizeof(line) - (size_t)len, " %6s", columns[i].title);
	snprintf(line + len, sizeof(line) - (size_t)len, "   EXITS/S  BY REASON");
	put_line(&table, line);
	put_cpus(&table, cpus);
	if (json_object_object_get_ex(interval, "kvm", NULL) && has_room(&table, 2))
		put_line(&table, "KVM, a second:");
	put_kvm(&table, interval);
}
