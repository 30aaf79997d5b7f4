/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the values that a person types. */
#include "cli/value.h"

#include <ferry/error.h>

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/util.h"

#define VM_NAME_MAX 64

/* Reads decimal digits; false where there is none or the number does not fit. */
static bool read_digits(const char **text, uint64_t *ret_number)
{
	uint64_t number = 0;
	const char *p = *text;

	if (!isdigit((unsigned char)*p))
		return false;
	for (; isdigit((unsigned char)*p); p++) {
		if (__builtin_mul_overflow(number, 10, &number) ||
		    __builtin_add_overflow(number, (uint64_t)(*p - '0'), &number))
			return false;
	}
	*text = p;
	*ret_number = number;
	return true;
}

int value_size(const char *text, uint64_t *ret_bytes)
{
	static const char units[] = "KMGT";
	const char *p = text, *unit;
	unsigned shift = 0;
	uint64_t number;

	if (!read_digits(&p, &number))
		goto invalid;
	if (*p) {
		unit = strchr(units, toupper((unsigned char)*p));
		if (!unit)
			goto invalid;
		shift = 10 * (unsigned)(unit - units + 1);
		p++;
		if (strcasecmp(p, "iB") == 0)
			p += 2;
	}
	if (*p)
		goto invalid;
	if (number > UINT64_MAX >> shift)
		return because(-EINVAL, "%s is more than a 64-bit number of bytes", text);
	*ret_bytes = number << shift;
	return 0;
invalid:
	return because(-EINVAL,
		       "\"%s\" is not a size: write a whole number with K, M, G or T, "
		       "such as 512M",
		       text);
}

void value_size_text(uint64_t bytes, char *text, size_t size)
{
	static const char units[] = { 0, 'K', 'M', 'G', 'T' };
	unsigned unit = 0;

	while (unit + 1 < ARRAY_SIZE(units) && bytes && bytes % 1024 == 0) {
		bytes /= 1024;
		unit++;
	}
	snprintf(text, size, "%" PRIu64 "%.1s", bytes, &units[unit]);
}

int value_count(const char *text, uint64_t min, uint64_t max, uint64_t *ret_count)
{
	const char *p = text;
	uint64_t number;

	if (!read_digits(&p, &number) || *p || number < min || number > max)
		return because(-EINVAL, "\"%s\" is not a whole number from %" PRIu64 " to %" PRIu64,
			       text, min, max);
	*ret_count = number;
	return 0;
}

int value_choice(const char *text, const char *const *names, unsigned *ret_index)
{
	char list[256] = "";
	size_t used = 0;

	for (unsigned i = 0; names[i]; i++) {
		if (strcmp(text, names[i]) == 0) {
			*ret_index = i;
			return 0;
		}
		used += (size_t)snprintf(list + used, sizeof(list) - used, "%s%s",
					 i == 0		? ""
					 : names[i + 1] ? ", "
							: " or ",
					 names[i]);
		if (used >= sizeof(list))
			break;
	}
	return because(-EINVAL, "\"%s\" is not one of %s", text, list);
}

int value_vm_name(const char *text)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789._-";
	size_t len = strlen(text);

	if (len == 0 || len > VM_NAME_MAX || strspn(text, allowed) != len || text[0] == '.' ||
	    text[0] == '-')
		return because(-EINVAL,
			       "\"%.80s\" is not a VM's name: use 1 to %d letters, digits "
			       "and . _ -, beginning with a letter or digit",
			       text, VM_NAME_MAX);
	return 0;
}

int value_mac(const char *text, uint8_t ret_mac[6])
{
	bool good = strlen(text) == 17;

	for (unsigned i = 0; good && i < 17; i++)
		good = i % 3 == 2 ? text[i] == ':' : isxdigit((unsigned char)text[i]) != 0;
	if (!good)
		return because(-EINVAL, "\"%s\" is not a MAC address such as 52:54:00:12:34:56",
			       text);
	/* IEEE 802: the lowest bit of the first byte marks a group address. */
	if (strchr("13579bBdDfF", text[1]))
		return because(-EINVAL, "%s is a group's address: the second digit must be even",
			       text);
	for (unsigned i = 0; i < 6; i++)
		ret_mac[i] = (uint8_t)strtoul(text + 3UL * i, NULL, 16);
	return 0;
}

static const struct value_field *find_field(const struct value_field *fields, size_t count,
					    const char *key)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(fields[i].key, key) == 0)
			return &fields[i];
	}
	return NULL;
}

static int unknown_field(const struct value_field *fields, size_t count, const char *key)
{
	char list[256] = "";
	size_t used = 0;

	for (size_t i = 0; i < count && used < sizeof(list); i++)
		used += (size_t)snprintf(list + used, sizeof(list) - used, "%s%s%s%s",
					 i ? ", " : "", fields[i].key, fields[i].arg ? "=" : "",
					 fields[i].arg ? fields[i].arg : "");
	return because(-EINVAL, "\"%s\" is not known here; there are %s (a comma in a name is written "
				"twice)", key, list);
}

/* Ends the element at the first single comma and undoes the doubled ones. Returns what follows. */
static char *cut_element(char *text)
{
	char *out = text;

	for (char *p = text; *p; p++) {
		if (*p == ',' && p[1] != ',') {
			*out = '\0';
			return p + 1;
		}
		if (*p == ',')
			p++;
		*out++ = *p;
	}
	*out = '\0';
	return NULL;
}

static int set_element(char *element, bool first, const struct value_field *fields, size_t count,
		       void *target)
{
	char *value = strchr(element, '=');
	const struct value_field *field;
	int err;

	if (value)
		*value++ = '\0';
	field = find_field(fields, count, element);
	if (!field && first && !value && fields[0].arg) {
		field = &fields[0];
		value = element;
	}
	if (!field)
		return unknown_field(fields, count, element);
	if (field->arg && (!value || !*value))
		return because(-EINVAL, "%s needs a value: %s=%s", field->key, field->key,
			       field->arg);
	if (!field->arg && value)
		return because(-EINVAL, "%s takes no value", field->key);
	err = field->set(target, value);
	return err ? because_of(err, "%s", field->key) : 0;
}

int value_fields(char *text, const struct value_field *fields, size_t count, void *target)
{
	bool first = true;
	int err = 0;

	if (!*text)
		return because(-EINVAL, "the value is empty");
	for (char *next; text && !err; text = next, first = false) {
		next = cut_element(text);
		err = *text ? set_element(text, first, fields, count, target)
			    : because(-EINVAL, "there is nothing between two commas");
	}
	return err;
}

/* Optimal string alignment distance; words longer than a row never match. */
static unsigned distance(const char *a, const char *b)
{
	enum {
		ROW = 40
	};
	unsigned d[3][ROW];
	size_t la = strlen(a), lb = strlen(b);

	if (la >= ROW || lb >= ROW)
		return ROW;
	for (unsigned j = 0; j <= lb; j++)
		d[0][j] = j;
	for (unsigned i = 1; i <= la; i++) {
		unsigned *row = d[i % 3], *above = d[(i - 1) % 3], *two = d[(i + 1) % 3];

		row[0] = i;
		for (unsigned j = 1; j <= lb; j++) {
			unsigned best = above[j - 1] + (a[i - 1] != b[j - 1]);

			best = (unsigned)min_u64(best, min_u64(above[j], row[j - 1]) + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				best = (unsigned)min_u64(best, two[j - 2] + 1);
			row[j] = best;
		}
	}
	return d[la % 3][lb];
}

void value_nearest_try(struct value_nearest *nearest, const char *name)
{
	size_t len = strlen(nearest->typed);
	unsigned limit = len < 4 ? 1 : len < 8 ? 2 : 3;
	unsigned d = distance(nearest->typed, name);

	if (len >= 2 && strncmp(nearest->typed, name, len) == 0)
		d = 1;
	if (d <= limit && (!nearest->name || d < nearest->distance)) {
		nearest->name = name;
		nearest->distance = d;
	}
}

char *value_absolute_path(const char *path)
{
	AUTO_FREE char *here = path[0] == '/' ? NULL : getcwd(NULL, 0);
	char *absolute;

	/* Where ferry is has no name any more: then only what it is now can be opened. */
	if (!here)
		return strdup(path);
	return asprintf(&absolute, "%s/%s", here, path) < 0 ? NULL : absolute;
}

char *value_absolute_uri(const char *uri)
{
	static const char prefix[] = "unix:";
	AUTO_FREE char *path = NULL;
	char *absolute;

	if (strncmp(uri, prefix, sizeof(prefix) - 1) != 0)
		return strdup(uri);
	path = value_absolute_path(uri + sizeof(prefix) - 1);
	if (!path)
		return NULL;
	return asprintf(&absolute, "%s%s", prefix, path) < 0 ? NULL : absolute;
}
