/* SPDX-License-Identifier: Apache-2.0 */
/* Turns progress into a line. */
#include "cli/progress.h"

#include <json-c/json.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/util.h"
#include "cli/print.h"
#include "cli/terminal.h"

/* Without a terminal: a line every so often, and one for each phase; none of what is over soon. */
#define LINES_MS      5000
#define FIRST_LINE_MS 1000

#define COLUMNS_DEFAULT 80
#define BAR_MAX		24

void progress_init(struct progress *progress, bool json)
{
	*progress = (struct progress){
		.kind = json ? PROGRESS_JSON : isatty(STDERR_FILENO) == 1 ? PROGRESS_BAR :
									    PROGRESS_LINES,
	};
}

static uint64_t count_of(struct json_object *params, const char *key)
{
	return json_object_get_uint64(json_object_object_get(params, key));
}

static double ms_of(struct json_object *params, const char *key)
{
	return json_object_get_double(json_object_object_get(params, key));
}

void progress_bytes(uint64_t bytes, char *text, size_t size)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
	double value = (double)bytes;
	unsigned unit = 0;

	while (value >= 1000 && unit + 1 < ARRAY_SIZE(units)) {
		value /= 1024;
		unit++;
	}
	snprintf(text, size, "%.*f %s", unit && value < 9.95 ? 1 : 0, value, units[unit]);
}

void progress_time(double ms, char *text, size_t size)
{
	if (ms < 10)
		snprintf(text, size, "%.1f ms", ms);
	else if (ms < 999.5)
		snprintf(text, size, "%.0f ms", ms);
	else
		snprintf(text, size, "%.1f s", ms / 1000);
}

/* Of all memory, how much is not to be copied in this round; before the first that is not known. */
static unsigned percent_of(struct json_object *params)
{
	uint64_t total = count_of(params, "total_bytes");
	uint64_t remaining = count_of(params, "remaining_bytes");

	if (!count_of(params, "round") || !total || remaining > total)
		return 0;
	return (unsigned)(100.0 * (double)(total - remaining) / (double)total);
}

static void put_bar(FILE *out, unsigned percent, unsigned width)
{
	unsigned full = width * percent / 100;

	fputs(" [", out);
	for (unsigned i = 0; i < width; i++)
		fputc(i < full ? '#' : '-', out);
	fputc(']', out);
}

static void put_rate(FILE *out, const char *before, uint64_t bytes, const char *after)
{
	char text[32];

	progress_bytes(bytes, text, sizeof(text));
	fprintf(out, "%s%s%s", before, text, after);
}

static void put_figures(FILE *out, struct json_object *params)
{
	char downtime[32];

	if (!count_of(params, "round"))
		return;
	put_rate(out, "  ", count_of(params, "remaining_bytes"), " left");
	if (count_of(params, "throughput_bytes_per_s"))
		put_rate(out, "  ", count_of(params, "throughput_bytes_per_s"), "/s");
	if (count_of(params, "round") > 1) {
		progress_time(ms_of(params, "expected_downtime_ms"), downtime, sizeof(downtime));
		fprintf(out, "  round %llu", (unsigned long long)count_of(params, "round"));
		put_rate(out, "  dirty ", count_of(params, "dirty_bytes_per_s"), "/s");
		fprintf(out, "  stop ~%s", downtime);
	}
	if (count_of(params, "throttle_percent"))
		fprintf(out, "  throttled %llu%%",
			(unsigned long long)count_of(params, "throttle_percent"));
}

void progress_text(struct json_object *params, unsigned columns, bool bar, char *text, size_t size)
{
	char figures[256] = "";
	FILE *out = fmemopen(figures, sizeof(figures), "w");
	unsigned percent = percent_of(params);
	int len;

	if (out) {
		put_figures(out, params);
		fclose(out);
	}
	len = snprintf(text, size, "%-12s %3u%%", member_text(params, "phase"), percent);
	/* The bar takes what the figures leave. */
	if (bar && len > 0 && (size_t)len + strlen(figures) + 13 <= columns) {
		unsigned width = columns - (unsigned)len - (unsigned)strlen(figures) - 3;

		out = fmemopen(text + len, size - (size_t)len, "w");
		if (out) {
			put_bar(out, percent, width < BAR_MAX ? width : BAR_MAX);
			fclose(out);
		}
	}
	len = (int)strlen(text);
	snprintf(text + len, size - (size_t)len, "%s", figures);
	if (columns < size)
		text[columns] = '\0';
}

void progress_arrival_text(struct json_object *arrival, char *text, size_t size)
{
	char arrived[32], left[32] = "";

	progress_bytes(count_of(arrival, "arrived_bytes"), arrived, sizeof(arrived));
	if (json_object_object_get_ex(arrival, "remaining_bytes", NULL))
		progress_bytes(count_of(arrival, "remaining_bytes"), left, sizeof(left));
	snprintf(text, size, "%s, %s of memory came%s%s%s", member_text(arrival, "phase"), arrived,
		 left[0] ? ", " : "", left, left[0] ? " are missing" : "");
}

static unsigned terminal_columns(void)
{
	struct winsize size;

	return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col :
									     COLUMNS_DEFAULT;
}

static void show_bar(struct progress *progress, struct json_object *params)
{
	char text[512];

	/* The last column is left free: a full line moves the cursor on. */
	progress_text(params, terminal_columns() - 1, true, text, sizeof(text));
	fprintf(stderr, "\r%s\033[K", text);
	fflush(stderr);
	progress->is_open = true;
}

static void show_line(struct progress *progress, struct json_object *params)
{
	const char *phase = member_text(params, "phase");
	double now = ms_of(params, "elapsed_ms");
	char text[512];

	if (now < FIRST_LINE_MS)
		return;
	if (strcmp(phase, progress->phase) == 0 && now - progress->told_ms < LINES_MS)
		return;
	snprintf(progress->phase, sizeof(progress->phase), "%s", phase);
	progress->told_ms = now;
	progress_text(params, sizeof(text) - 1, false, text, sizeof(text));
	terminal_line("%s", text);
}

void progress_show(void *self, struct json_object *params)
{
	struct progress *progress = self;

	switch (progress->kind) {
	case PROGRESS_BAR:
		show_bar(progress, params);
		break;
	case PROGRESS_LINES:
		show_line(progress, params);
		break;
	case PROGRESS_JSON:
		print_json(params);
		fflush(stdout);
		break;
	}
}

void progress_finish(struct progress *progress)
{
	if (progress->is_open)
		fputs("\r\033[K", stderr);
	progress->is_open = false;
}
