/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two charts over one axis of time: the shares of the vCPUs' time, stacked up to 100 percent, and
 * exits a second by reason.
 */
#include "cli/stat_plot.h"

#include <ferry/error.h>

#include <errno.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "cli/print.h"
#include "cli/stat_interval.h"

#define WIDTH	     960
#define HEIGHT	     560
#define LEFT	     70
#define RIGHT	     780
#define SHARES_TOP   60
#define SHARES_BELOW 290
#define EXITS_TOP    330
#define EXITS_BELOW  510
#define LEGEND	     800
#define TICKS	     5
#define REASONS	     6

/* Okabe and Ito's colours, which nearly everybody can tell apart. */
static const struct share {
	const char *key, *title, *colour;
} shares[] = {
	{ "guest", "guest", "#0072b2" },   { "ferry", "ferry", "#d55e00" },
	{ "steal", "steal", "#cc79a7" },   { "suspended", "suspended", "#f0e442" },
	{ "halted", "halted", "#dddddd" },
};
static const char *const colours[REASONS] = { "#0072b2", "#d55e00", "#009e73",
					      "#cc79a7", "#e69f00", "#56b4e9" };

struct plot {
	FILE *out;
	struct json_object *const *intervals;
	size_t count;
	double begin, end; /* seconds of CLOCK_MONOTONIC */
};

struct reason {
	const char *name;
	double sum;
};

static double larger(double a, double b)
{
	return a > b ? a : b;
}

/* 1, 2 or 5 times a power of ten, so that a handful of them reach limit. */
static double step_for(double limit)
{
	double step = 1;

	if (limit <= 0)
		return 1;
	while (step * 10 * TICKS <= limit)
		step *= 10;
	while (step * TICKS > limit)
		step /= 10;
	if (limit / step > 5 * TICKS)
		return 10 * step;
	if (limit / step > 2 * TICKS)
		return 5 * step;
	return limit / step > TICKS ? 2 * step : step;
}

static double end_of(struct json_object *interval)
{
	return stat_number(interval, "time_ns") / 1e9;
}

static double x_of(const struct plot *plot, double seconds)
{
	double span = plot->end - plot->begin;

	return LEFT + (RIGHT - LEFT) * (span > 0 ? (seconds - plot->begin) / span : 0);
}

static double y_of(double value, double limit, int top, int below)
{
	return below - (below - top) * (limit > 0 ? value / limit : 0);
}

/* The mean over the vCPUs. */
static double share_of(struct json_object *interval, const char *key)
{
	struct json_object *cpus = json_object_object_get(interval, "cpus");
	size_t count = json_object_array_length(cpus);
	double sum = 0;

	for (size_t i = 0; i < count; i++)
		sum += stat_number(json_object_array_get_idx(cpus, i), key);
	return count ? sum / (double)count : 0;
}

/* The sum over the vCPUs. */
static double exits_of(struct json_object *interval, const char *name)
{
	struct json_object *cpus = json_object_object_get(interval, "cpus");
	double sum = 0;

	for (size_t i = 0; i < json_object_array_length(cpus); i++) {
		struct json_object *cpu = json_object_array_get_idx(cpus, i);
		struct json_object *exits = json_object_object_get(cpu, "exits");

		sum += stat_number(exits, name);
	}
	return sum;
}

/* Text of other origin: the VM's name, KVM's words. */
static void put_text(FILE *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '<')
			fputs("&lt;", out);
		else if (*text == '&')
			fputs("&amp;", out);
		else if ((unsigned char)*text >= ' ')
			fputc(*text, out);
	}
}

static void put_label(FILE *out, double x, double y, const char *anchor, const char *text)
{
	fprintf(out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">", x, y, anchor);
	put_text(out, text);
	fputs("</text>\n", out);
}

static void put_line(FILE *out, double x1, double y1, double x2, double y2, const char *colour)
{
	fprintf(out, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"%s\"/>\n", x1,
		y1, x2, y2, colour);
}

static void put_value_axis(FILE *out, double limit, double step, int top, int below)
{
	char text[64];

	for (unsigned i = 0; step * i <= limit * 1.0001; i++) {
		double y = y_of(step * i, limit, top, below);

		put_line(out, LEFT, y, RIGHT, y, "#cccccc");
		snprintf(text, sizeof(text), "%g", step * i);
		put_label(out, LEFT - 8, y + 4, "end", text);
	}
	put_line(out, LEFT, top, LEFT, below, "#333333");
	put_line(out, LEFT, below, RIGHT, below, "#333333");
}

static void put_time_axis(const struct plot *plot)
{
	double span = plot->end - plot->begin, step = step_for(span);
	char text[64];

	for (unsigned i = 0; step * i <= span * 1.0001 && span > 0; i++) {
		double x = x_of(plot, plot->begin + step * i);

		put_line(plot->out, x, SHARES_BELOW, x, SHARES_BELOW + 5, "#333333");
		put_line(plot->out, x, EXITS_BELOW, x, EXITS_BELOW + 5, "#333333");
		snprintf(text, sizeof(text), "%g", step * i);
		put_label(plot->out, x, EXITS_BELOW + 20, "middle", text);
	}
	put_label(plot->out, (LEFT + RIGHT) / 2.0, EXITS_BELOW + 40, "middle", "seconds");
}

static void put_legend(FILE *out, double y, const char *colour, const char *text)
{
	fprintf(out, "<rect x=\"%d\" y=\"%.1f\" width=\"14\" height=\"14\" fill=\"%s\"/>\n", LEGEND,
		y, colour);
	put_label(out, LEGEND + 22, y + 12, "start", text);
}

/* Where the stack of this interval reaches, the first shares of it. */
static double stack_of(struct json_object *interval, size_t upto)
{
	double sum = 0;

	for (size_t i = 0; i < upto; i++)
		sum += share_of(interval, shares[i].key);
	return y_of(sum < 100 ? sum : 100, 100, SHARES_TOP, SHARES_BELOW);
}

/* An interval is a step: its value holds from its beginning to its end. */
static double begin_of(const struct plot *plot, size_t i)
{
	return i ? end_of(plot->intervals[i - 1]) : plot->begin;
}

static void put_share(const struct plot *plot, size_t share)
{
	fputs("<polygon points=\"", plot->out);
	for (size_t i = 0; i < plot->count; i++) {
		double y = stack_of(plot->intervals[i], share + 1);

		fprintf(plot->out, "%.1f,%.1f %.1f,%.1f ", x_of(plot, begin_of(plot, i)), y,
			x_of(plot, end_of(plot->intervals[i])), y);
	}
	for (size_t i = plot->count; i-- > 0;) {
		double y = stack_of(plot->intervals[i], share);

		fprintf(plot->out, "%.1f,%.1f %.1f,%.1f ", x_of(plot, end_of(plot->intervals[i])),
			y, x_of(plot, begin_of(plot, i)), y);
	}
	fprintf(plot->out, "\" fill=\"%s\"/>\n", shares[share].colour);
}

static void put_shares(const struct plot *plot)
{
	put_label(plot->out, LEFT, SHARES_TOP - 10, "start", "vCPU time, percent");
	for (size_t i = 0; i < ARRAY_SIZE(shares); i++) {
		put_share(plot, i);
		put_legend(plot->out, SHARES_TOP + 22 * (double)i, shares[i].colour,
			   shares[i].title);
	}
	put_value_axis(plot->out, 100, 20, SHARES_TOP, SHARES_BELOW);
}

static int by_sum(const void *a, const void *b)
{
	double x = ((const struct reason *)a)->sum, y = ((const struct reason *)b)->sum;

	return x > y ? -1 : x < y;
}

struct reasons {
	struct reason all[64];
	size_t count;
};

static void add_reason(struct reasons *reasons, const char *name, double rate)
{
	for (size_t i = 0; i < reasons->count; i++) {
		if (strcmp(reasons->all[i].name, name) == 0) {
			reasons->all[i].sum += rate;
			return;
		}
	}
	if (reasons->count < ARRAY_SIZE(reasons->all) && rate > 0)
		reasons->all[reasons->count++] = (struct reason){ name, rate };
}

static void add_reasons(struct reasons *reasons, struct json_object *exits)
{
	if (!json_object_is_type(exits, json_type_object))
		return;
	json_object_object_foreach(exits, name, rate)
		add_reason(reasons, name, json_object_get_double(rate));
}

/* The most frequent first. */
static void find_reasons(const struct plot *plot, struct reasons *reasons)
{
	for (size_t i = 0; i < plot->count; i++) {
		struct json_object *cpus = json_object_object_get(plot->intervals[i], "cpus");

		for (size_t c = 0; c < json_object_array_length(cpus); c++) {
			struct json_object *cpu = json_object_array_get_idx(cpus, c);

			add_reasons(reasons, json_object_object_get(cpu, "exits"));
		}
	}
	qsort(reasons->all, reasons->count, sizeof(reasons->all[0]), by_sum);
}

static void put_reason(const struct plot *plot, const char *name, const char *colour, double limit)
{
	fprintf(plot->out, "<polyline fill=\"none\" stroke=\"%s\" stroke-width=\"2\" points=\"",
		colour);
	for (size_t i = 0; i < plot->count; i++) {
		double y = y_of(exits_of(plot->intervals[i], name), limit, EXITS_TOP, EXITS_BELOW);

		fprintf(plot->out, "%.1f,%.1f %.1f,%.1f ", x_of(plot, begin_of(plot, i)), y,
			x_of(plot, end_of(plot->intervals[i])), y);
	}
	fputs("\"/>\n", plot->out);
}

static void put_exits(const struct plot *plot)
{
	struct reasons reasons = { 0 };
	double limit = 0, step, top;
	size_t count;

	find_reasons(plot, &reasons);
	count = min_u64(reasons.count, REASONS);
	for (size_t i = 0; i < plot->count; i++)
		for (size_t r = 0; r < count; r++)
			limit = larger(limit, exits_of(plot->intervals[i], reasons.all[r].name));
	step = step_for(limit);
	for (top = step; top < limit;)
		top += step;
	limit = top;
	put_label(plot->out, LEFT, EXITS_TOP - 10, "start", "exits a second");
	put_value_axis(plot->out, limit, step, EXITS_TOP, EXITS_BELOW);
	for (size_t r = 0; r < count; r++) {
		put_reason(plot, reasons.all[r].name, colours[r], limit);
		put_legend(plot->out, EXITS_TOP + 22 * (double)r, colours[r], reasons.all[r].name);
	}
}

void stat_plot_write(FILE *out, struct json_object *const *intervals, size_t count)
{
	struct plot plot = { .out = out, .intervals = intervals, .count = count };
	size_t vcpus = json_object_array_length(json_object_object_get(intervals[0], "cpus"));
	char title[160];

	plot.begin = end_of(intervals[0]) - stat_number(intervals[0], "interval_ns") / 1e9;
	plot.end = end_of(intervals[count - 1]);
	fprintf(out,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
		"viewBox=\"0 0 %d %d\" font-family=\"sans-serif\" font-size=\"13\">\n"
		"<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n",
		WIDTH, HEIGHT, WIDTH, HEIGHT);
	snprintf(title, sizeof(title), "%s: %zu vCPU%s, %.1f s", member_text(intervals[0], "name"),
		 vcpus, vcpus == 1 ? "" : "s", plot.end - plot.begin);
	put_label(out, WIDTH / 2.0, 24, "middle", title);
	put_shares(&plot);
	put_exits(&plot);
	put_time_axis(&plot);
	fputs("</svg>\n", out);
}
