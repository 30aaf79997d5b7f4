/* SPDX-License-Identifier: Apache-2.0 */
/* Patterns and what is typed after them. */
#include "smoke/rules.h"

#include <ferry/error.h>

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int out_of_memory(void)
{
	return because(-ENOMEM, "out of memory");
}

int smoke_patterns_add(struct smoke_patterns *patterns, const char *source)
{
	struct smoke_pattern *grown =
		realloc(patterns->all, (patterns->count + 1) * sizeof(*grown));
	struct smoke_pattern *pattern;
	char reason[128];
	int r;

	if (!grown)
		return out_of_memory();
	patterns->all = grown;
	if (!*source)
		return because(-EINVAL, "the regular expression is empty");
	pattern = &grown[patterns->count];
	pattern->source = strdup(source);
	if (!pattern->source)
		return out_of_memory();
	r = regcomp(&pattern->regex, source, REG_EXTENDED);
	if (r) {
		regerror(r, &pattern->regex, reason, sizeof(reason));
		free(pattern->source);
		return because(-EINVAL, "\"%s\" is not a regular expression: %s", source, reason);
	}
	patterns->count++;
	return 0;
}

void smoke_patterns_finish(struct smoke_patterns *patterns)
{
	for (size_t i = 0; i < patterns->count; i++) {
		regfree(&patterns->all[i].regex);
		free(patterns->all[i].source);
	}
	free(patterns->all);
	*patterns = (struct smoke_patterns){ 0 };
}

const struct smoke_pattern *smoke_patterns_match(const struct smoke_patterns *patterns,
						 const char *line)
{
	for (size_t i = 0; i < patterns->count; i++) {
		if (regexec(&patterns->all[i].regex, line, 0, NULL, 0) == 0)
			return &patterns->all[i];
	}
	return NULL;
}

/* Reads the escape behind the backslash at *at, and moves *at behind it; -1: it is none. */
static int unescape(const char **at)
{
	static const char names[] = "nrtabfv0\\\"'", values[] = "\n\r\t\a\b\f\v\0\\\"'";
	const char *name = **at ? strchr(names, **at) : NULL;
	char digits[3] = "";

	if (name) {
		(*at)++;
		return (unsigned char)values[name - names];
	}
	if (**at != 'x' || !isxdigit((unsigned char)(*at)[1]) ||
	    !isxdigit((unsigned char)(*at)[2]))
		return -1;
	memcpy(digits, *at + 1, 2);
	*at += 3;
	return (int)strtoul(digits, NULL, 16);
}

static int unescape_all(const char *text, char *copy, size_t *ret_len)
{
	size_t len = 0;

	while (*text) {
		int c = (unsigned char)*text++;

		if (c == '\\')
			c = unescape(&text);
		if (c < 0)
			return because(-EINVAL, "\\%.1s is no escape; there are \\n \\r \\t \\\\ \\xHH",
				       text);
		copy[len++] = (char)c;
	}
	*ret_len = len;
	return 0;
}

/* Takes text. */
static int add_send(struct smoke_rules *rules, size_t after, char *text, size_t len)
{
	struct smoke_send *grown = realloc(rules->sends, (rules->send_count + 1) * sizeof(*grown));

	if (!grown) {
		free(text);
		return out_of_memory();
	}
	rules->sends = grown;
	grown[rules->send_count++] = (struct smoke_send){ .after = after, .text = text, .len = len };
	return 0;
}

int smoke_rules_send(struct smoke_rules *rules, const char *text)
{
	char *copy = malloc(strlen(text) + 1);
	size_t len = 0;
	int err;

	if (!copy)
		return out_of_memory();
	err = unescape_all(text, copy, &len);
	if (err) {
		free(copy);
		return err;
	}
	return add_send(rules, rules->expects.count, copy, len);
}

int smoke_rules_type(struct smoke_rules *rules, const char *bytes, size_t len)
{
	char *copy = malloc(len + 1);

	if (!copy)
		return out_of_memory();
	memcpy(copy, bytes, len);
	return add_send(rules, 0, copy, len);
}

void smoke_rules_finish(struct smoke_rules *rules)
{
	smoke_patterns_finish(&rules->expects);
	smoke_patterns_finish(&rules->fails);
	smoke_patterns_finish(&rules->ignores);
	for (size_t i = 0; i < rules->send_count; i++)
		free(rules->sends[i].text);
	free(rules->sends);
	*rules = (struct smoke_rules){ 0 };
}
