/* SPDX-License-Identifier: Apache-2.0 */
/* Reads TAP, KTAP and kselftest's output line by line. */
#include "smoke/ktap.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define SUBTESTS_MAX 100000 /* what one guest may make us keep */

/* Behind printk's "[    1.234567] " and its caller ("[    T1] "), where there is one. */
static const char *skip_stamp(const char *line)
{
	for (;;) {
		const char *end = *line == '[' ? strchr(line, ']') : NULL;

		if (!end || (end[1] != ' ' && end[1] != '[') || (size_t)(end - line) > 24 ||
		    strspn(line + 1, " 0123456789.TC") != (size_t)(end - line - 1))
			return line;
		line = end + 1 + (end[1] == ' ');
	}
}

/* Nesting: four blanks (KTAP), or "# " before all that a program of kselftest prints. */
static const char *skip_nesting(const char *line, unsigned *ret_depth)
{
	*ret_depth = 0;
	for (;;) {
		size_t blanks = strspn(line, " ");

		if (line[0] == '#' && line[1] == ' ') {
			line += 2;
			++*ret_depth;
		} else if (blanks >= 2) {
			line += blanks;
			*ret_depth += (unsigned)(blanks + 2) / 4;
		} else {
			return line;
		}
	}
}

static bool starts(const char *line, const char *with)
{
	return strncmp(line, with, strlen(with)) == 0;
}

const char *smoke_subtest_name(enum smoke_subtest_result result)
{
	static const char *const names[] = { "ok", "not ok", "skip", "todo" };

	return names[result];
}

static int add(struct smoke_ktap *ktap, const struct smoke_subtest *subtest)
{
	struct smoke_subtest *grown;

	if (ktap->count >= SUBTESTS_MAX)
		return -ENOMEM;
	grown = realloc(ktap->subtests, (ktap->count + 1) * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	ktap->subtests = grown;
	grown[ktap->count++] = *subtest;
	return 0;
}

int smoke_ktap_add(struct smoke_ktap *ktap, enum smoke_subtest_result result, const char *name,
		   const char *detail)
{
	struct smoke_subtest subtest = {
		.name = strdup(name), .detail = detail ? strdup(detail) : NULL, .result = result,
	};

	if (subtest.name && (subtest.detail || !detail) && add(ktap, &subtest) == 0)
		return 0;
	free(subtest.name);
	free(subtest.detail);
	return -ENOMEM;
}

/* The results below depth that came since the last one of it belong to the suite that ends here. */
static bool adopt(struct smoke_ktap *ktap, unsigned depth, const char *suite)
{
	bool any = false;

	for (size_t i = ktap->count; i > 0 && ktap->subtests[i - 1].depth > depth; i--) {
		struct smoke_subtest *child = &ktap->subtests[i - 1];
		char *name;

		if (asprintf(&name, "%s.%s", suite, child->name) < 0) {
			ktap->failed_memory = true;
			return true;
		}
		free(child->name);
		child->name = name;
		child->depth = depth;
		any = true;
	}
	return any;
}

/* "# SKIP why", "# TODO why"; "# XFAIL" is kselftest's, and its TIMEOUT is a failure. */
static enum smoke_subtest_result read_directive(const char *directive, bool ok,
						const char **ret_detail)
{
	static const struct {
		const char *word;
		enum smoke_subtest_result result;
	} words[] = { { "SKIP", SUBTEST_SKIP }, { "TODO", SUBTEST_TODO }, { "XFAIL", SUBTEST_TODO } };

	*ret_detail = directive;
	for (size_t i = 0; directive && i < sizeof(words) / sizeof(words[0]); i++) {
		size_t len = strlen(words[i].word);

		if (strncasecmp(directive, words[i].word, len) == 0) {
			directive += len;
			*ret_detail = directive + strspn(directive, " :");
			return ok && words[i].result == SUBTEST_TODO ? SUBTEST_OK : words[i].result;
		}
	}
	return ok ? SUBTEST_OK : SUBTEST_NOT_OK;
}

/* "ok 3 - name # SKIP why", behind the "ok " or "not ok ". */
static void read_result(struct smoke_ktap *ktap, const char *line, bool ok, unsigned depth)
{
	AUTO_FREE char *copy = strdup(line);
	char *name = copy, *directive, *end;
	const char *detail;
	enum smoke_subtest_result result;

	if (!copy) {
		ktap->failed_memory = true;
		return;
	}
	name += strspn(name, "0123456789");
	name += strspn(name, " -");
	directive = name[0] == '#' ? name : strstr(name, " #");
	if (directive) {
		*directive = '\0';
		directive += 1 + strspn(directive + 1, " #");
	}
	end = name + strlen(name);
	while (end > name && end[-1] == ' ')
		*--end = '\0';
	if (!*name)
		name = copy; /* "ok 3": the number is its name */
	result = read_directive(directive, ok, &detail);
	if (depth == 0)
		ktap->seen++;
	if (adopt(ktap, depth, name) && (ok || smoke_ktap_failed(ktap)))
		return;
	if (smoke_ktap_add(ktap, result, name, detail) < 0)
		ktap->failed_memory = true;
	else
		ktap->subtests[ktap->count - 1].depth = depth;
}

void smoke_ktap_read(struct smoke_ktap *ktap, const char *line)
{
	unsigned depth;
	bool not_ok;

	line = skip_nesting(skip_stamp(line), &depth);
	if (starts(line, "KTAP version ") || starts(line, "TAP version ")) {
		ktap->began = true;
		return;
	}
	if (!ktap->began)
		return;
	if (depth == 0 && starts(line, "1..") && isdigit((unsigned char)line[3])) {
		ktap->planned = true;
		ktap->plan += strtoul(line + 3, NULL, 10);
		return;
	}
	not_ok = starts(line, "not ok ");
	if (not_ok || starts(line, "ok "))
		read_result(ktap, line + (not_ok ? 7 : 3), !not_ok, depth);
}

void smoke_ktap_finish(struct smoke_ktap *ktap)
{
	for (size_t i = 0; i < ktap->count; i++) {
		free(ktap->subtests[i].name);
		free(ktap->subtests[i].detail);
	}
	free(ktap->subtests);
	*ktap = (struct smoke_ktap){ 0 };
}

size_t smoke_ktap_count(const struct smoke_ktap *ktap, enum smoke_subtest_result result)
{
	size_t count = 0;

	for (size_t i = 0; i < ktap->count; i++)
		count += ktap->subtests[i].result == result;
	return count;
}

const struct smoke_subtest *smoke_ktap_failed(const struct smoke_ktap *ktap)
{
	for (size_t i = 0; i < ktap->count; i++) {
		if (ktap->subtests[i].result == SUBTEST_NOT_OK)
			return &ktap->subtests[i];
	}
	return NULL;
}

bool smoke_ktap_is_short(const struct smoke_ktap *ktap)
{
	return ktap->planned && ktap->seen < ktap->plan;
}
