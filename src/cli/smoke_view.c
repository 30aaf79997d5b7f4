/* SPDX-License-Identifier: Apache-2.0 */
/* Shows tests that run: a line for each guest on a terminal, TAP for everybody else. */
#include <ferry/error.h>

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/util.h"
#include "cli/smoke.h"
#include "smoke/guest.h"
#include "smoke/report.h"

#define SHOWN_MAX 20

int smoke_view_init(struct smoke_view *view, const struct smoke_tests *tests, bool tap)
{
	struct text head = { 0 };

	*view = (struct smoke_view){ .tests = tests };
	view->is_terminal = !tap && isatty(STDOUT_FILENO);
	view->waiting = calloc(tests->count + 1, sizeof(*view->waiting));
	if (!view->waiting)
		return because(-ENOMEM, "out of memory");
	if (!view->is_terminal) {
		smoke_tap_head(&head, tests->count);
		fputs(head.data ? head.data : "", stdout);
		fflush(stdout);
	}
	text_finish(&head);
	return 0;
}

void smoke_view_finish(struct smoke_view *view)
{
	for (size_t i = 0; view->waiting && i < view->tests->count; i++)
		text_finish(&view->waiting[i]);
	free(view->waiting);
	view->waiting = NULL;
}

/* What a guest printed, on a terminal that is ours: at most width bytes, visible ones. */
static void put_clean(const char *text, unsigned width)
{
	for (unsigned i = 0; i < width && text[i]; i++)
		putchar(isprint((unsigned char)text[i]) ? text[i] : '?');
}

static void wipe(struct smoke_view *view)
{
	if (view->shown)
		printf("\033[%uA\r\033[J", view->shown);
	view->shown = 0;
}

static unsigned columns(void)
{
	struct winsize size;

	return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20 ? size.ws_col : 80;
}

static void show_guest(const struct smoke_guest *guest, unsigned width)
{
	const struct smoke_judge *judge = &guest->judge;
	size_t expects = guest->test->rules.expects.count;
	char state[96];
	int len = snprintf(state, sizeof(state), "%6.1fs", (double)(guest->now - judge->started) / 1e9);

	if (guest->test->rules.boots > 1 && len < (int)sizeof(state))
		len += snprintf(state + len, sizeof(state) - (size_t)len, " boot %u/%u", judge->boots,
				guest->test->rules.boots);
	if (expects && len < (int)sizeof(state))
		len += snprintf(state + len, sizeof(state) - (size_t)len, " %zu/%zu seen",
				judge->met_count, expects);
	if (judge->ktap.count && len < (int)sizeof(state))
		snprintf(state + len, sizeof(state) - (size_t)len, " %zu subtests",
			 judge->ktap.count);
	printf("%-20.20s %s  ", guest->test->name, state);
	len = 23 + (int)strlen(state);
	if ((unsigned)len < width)
		put_clean(smoke_console_last(&guest->console), width - (unsigned)len - 1);
	putchar('\n');
}

static void show(void *self, struct smoke_guest *const *guests, size_t count, size_t done)
{
	struct smoke_view *view = self;
	unsigned width = columns();

	wipe(view);
	for (size_t i = 0; i < count && i < SHOWN_MAX; i++, view->shown++)
		show_guest(guests[i], width);
	printf("%zu of %zu done, %zu running\n", done, view->tests->count, count);
	view->shown++;
	fflush(stdout);
}

/* The last lines of what failed, where a person looks. */
static void tell_failure(const struct smoke_result *result)
{
	fprintf(stderr, "ferry: %s: %s: %s\n", result->name, smoke_verdict_name(result->verdict),
		result->reason);
	if (result->fingerprint)
		fprintf(stderr, "    in: %s\n", result->fingerprint);
	for (const char *line = result->tail; line && *line;) {
		size_t len = strcspn(line, "\n");

		fputs("    | ", stderr);
		for (size_t i = 0; i < len; i++)
			fputc(iscntrl((unsigned char)line[i]) ? '?' : line[i], stderr);
		fputc('\n', stderr);
		line += len + (line[len] == '\n');
	}
}

/* On a terminal lines are written over: the failure goes above them. */
static void ended(void *self, size_t number, const struct smoke_result *result)
{
	struct smoke_view *view = self;

	view->counts[result->verdict]++;
	if (view->is_terminal) {
		wipe(view);
		printf("%-8s %s (%.1f s)\n", smoke_verdict_name(result->verdict), result->name,
		       result->seconds);
		fflush(stdout);
	} else {
		smoke_tap_result(&view->waiting[number], number + 1, result);
		while (view->told < view->tests->count && view->waiting[view->told].len) {
			fputs(view->waiting[view->told].data, stdout);
			text_finish(&view->waiting[view->told++]);
		}
		fflush(stdout);
	}
	if (result->verdict != SMOKE_PASS)
		tell_failure(result);
}

struct smoke_watcher smoke_view_watcher(struct smoke_view *view)
{
	return (struct smoke_watcher){
		.tick = view->is_terminal ? show : NULL,
		.ended = ended,
		.self = view,
	};
}

void smoke_view_sum(const struct smoke_view *view, double seconds)
{
	if (!view->is_terminal)
		return;
	printf("%zu tests in %.1f s:", view->tests->count, seconds);
	for (unsigned i = SMOKE_PASS; i < SMOKE_VERDICTS; i++) {
		if (view->counts[i])
			printf(" %zu %s", view->counts[i], smoke_verdict_name((enum smoke_verdict)i));
	}
	putchar('\n');
}

void smoke_view_tap(const struct smoke_results *results)
{
	struct text text = { 0 };

	smoke_tap_head(&text, results->count);
	for (size_t i = 0; i < results->count; i++)
		smoke_tap_result(&text, i + 1, &results->all[i]);
	fputs(text.data ? text.data : "", stdout);
	text_finish(&text);
}
