/* SPDX-License-Identifier: Apache-2.0 */
/* TOML's numbers, truth values, dates and times (toml.io/en/v1.0.0#integer and on). */
#include <ferry/error.h>

#include <ctype.h>
#include <errno.h>
#include <json-c/json.h>
#include <math.h>
#include <string.h>

#include "base/calendar.h"
#include "base/cleanup.h"
#include "cli/toml_reader.h"

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+-.:_";

/* "12": two digits; -1: there are not. */
static int two_digits(const char *text)
{
	if (!isdigit((unsigned char)text[0]) || !isdigit((unsigned char)text[1]))
		return -1;
	return (text[0] - '0') * 10 + text[1] - '0';
}

/* Below limit, and with the sign behind it that is due (NUL: none). */
static bool take_two(const char **at, int limit, char behind)
{
	int value = two_digits(*at);

	if (value < 0 || value >= limit || (behind && (*at)[2] != behind))
		return false;
	*at += behind ? 3 : 2;
	return true;
}

/* "1979-05-27": a day that there is. */
static bool take_date(const char **at)
{
	const char *text = *at;
	int century = two_digits(text), year, month, day;
	struct calendar wanted, found;

	if (century < 0)
		return false;
	year = two_digits(text + 2);
	if (year < 0 || text[4] != '-')
		return false;
	month = two_digits(text + 5);
	if (month < 0 || text[7] != '-')
		return false;
	day = two_digits(text + 8);
	if (day < 0)
		return false;
	wanted = (struct calendar){ .year = century * 100 + year,
				    .month = (unsigned)month,
				    .day = (unsigned)day };
	found = calendar_of(calendar_seconds(&wanted));
	*at += 10;
	return found.month == wanted.month && found.day == wanted.day;
}

/* "07:32:00.999", with a leap second. */
static bool take_time(const char **at)
{
	if (!take_two(at, 24, ':') || !take_two(at, 60, ':') || !take_two(at, 61, '\0'))
		return false;
	if (**at != '.')
		return true;
	if (!isdigit((unsigned char)*++*at))
		return false;
	*at += strspn(*at, "0123456789");
	return true;
}

/* "Z" or "-07:00". */
static bool take_zone(const char **at)
{
	if (**at == 'Z' || **at == 'z') {
		++*at;
		return true;
	}
	if (**at != '+' && **at != '-')
		return false;
	++*at;
	return take_two(at, 24, ':') && take_two(at, 60, '\0');
}

static bool is_date_or_time(const char *word)
{
	if (two_digits(word) >= 0 && word[2] == ':')
		return take_time(&word) && !*word;
	if (!take_date(&word))
		return false;
	if (!*word)
		return true;
	if (!strchr("Tt ", *word++) || !take_time(&word))
		return false;
	return !*word || (take_zone(&word) && !*word);
}

static bool looks_like_date(const char *word)
{
	size_t digits = strspn(word, "0123456789");

	return digits && (word[digits] == '-' || word[digits] == ':');
}

/* Digits go to *out without their underscores, each of which stands between two of them. */
static bool take_digits(const char **at, const char *digits, char **out)
{
	bool is_due = true;

	for (;; ++*at) {
		if (**at && strchr(digits, **at)) {
			*(*out)++ = **at;
			is_due = false;
		} else if (**at == '_' && !is_due) {
			is_due = true;
		} else {
			return !is_due;
		}
	}
}

/* The same number in C's writing; false: it is none. */
static bool take_decimal(const char *word, char *out, bool *ret_is_float)
{
	static const char digits[] = "0123456789";
	bool is_float = false;

	if (*word == '-')
		*out++ = '-';
	word += *word == '-' || *word == '+';
	if (*word == '0' && (isdigit((unsigned char)word[1]) || word[1] == '_'))
		return false;
	if (!take_digits(&word, digits, &out))
		return false;
	if (*word == '.') {
		is_float = true;
		*out++ = *word++;
		if (!take_digits(&word, digits, &out))
			return false;
	}
	if (*word == 'e' || *word == 'E') {
		is_float = true;
		*out++ = *word++;
		if (*word == '+' || *word == '-')
			*out++ = *word++;
		if (!take_digits(&word, digits, &out))
			return false;
	}
	*out = '\0';
	*ret_is_float = is_float;
	return !*word;
}

/* 16, 8, 2: of 0x, 0o, 0b; or 10. */
static int base_of(const char *word)
{
	if (word[0] != '0')
		return 10;
	return word[1] == 'x' ? 16 : word[1] == 'o' ? 8 : word[1] == 'b' ? 2 : 10;
}

static bool take_based(const char *word, int base, char *out)
{
	const char *digits = base == 16 ? "0123456789abcdefABCDEF" : base == 8 ? "01234567" : "01";
	bool is;

	word += 2;
	is = take_digits(&word, digits, &out) && !*word;
	*out = '\0';
	return is;
}

static int keep(struct json_object *value, struct json_object **ret_value)
{
	*ret_value = value;
	return value ? 0 : because(-ENOMEM, "out of memory");
}

static int read_number(const struct toml_reader *reader, const char *word,
		       struct json_object **ret_value)
{
	/* C's writing is never longer. */
	AUTO_FREE char *plain = malloc(strlen(word) + 1);
	int base = base_of(word);
	bool is_float = false;
	long long number;

	if (!plain)
		return because(-ENOMEM, "out of memory");
	if (base == 10 ? !take_decimal(word, plain, &is_float) : !take_based(word, base, plain))
		return toml_wrong(reader, reader->at,
				  "not a number; they are written 10, 1_000, 0xff, 0.5 or 6e23");
	if (is_float)
		return keep(json_object_new_double_s(strtod(plain, NULL), plain), ret_value);
	errno = 0;
	number = strtoll(plain, NULL, base);
	if (errno)
		return toml_wrong(reader, reader->at, "a whole number has 64 bits at most");
	return keep(json_object_new_int64(number), ret_value);
}

static int read_word(const struct toml_reader *reader, const char *word,
		     struct json_object **ret_value)
{
	const char *unsigned_word = word + (*word == '+' || *word == '-');

	if (!*word)
		return toml_wrong(reader, reader->at, "a value is due");
	if (strcmp(word, "true") == 0 || strcmp(word, "false") == 0)
		return keep(json_object_new_boolean(*word == 't'), ret_value);
	if (strcmp(unsigned_word, "inf") == 0)
		return keep(json_object_new_double_s(*word == '-' ? -INFINITY : INFINITY, word),
			    ret_value);
	if (strcmp(unsigned_word, "nan") == 0)
		return keep(json_object_new_double_s(NAN, word), ret_value);
	if (looks_like_date(word)) {
		if (!is_date_or_time(word))
			return toml_wrong(reader, reader->at, "no such date or time");
		return keep(json_object_new_string(word), ret_value);
	}
	if (!isdigit((unsigned char)*unsigned_word))
		return toml_wrong(reader, reader->at, "not a value; a text stands in quotes");
	return read_number(reader, word, ret_value);
}

int toml_read_scalar(struct toml_reader *reader, struct json_object **ret_value)
{
	const char *begin = reader->text + reader->at;
	size_t len = strspn(begin, letters);
	AUTO_FREE char *word = NULL;
	int err;

	/* A date and a time may be written with a space between them. */
	if (len == 10 && looks_like_date(begin) && begin[len] == ' ' && two_digits(begin + 11) >= 0)
		len += 1 + strspn(begin + 11, letters);
	word = strndup(begin, len);
	if (!word)
		return because(-ENOMEM, "out of memory");
	err = read_word(reader, word, ret_value);
	reader->at += err ? 0 : len;
	return err;
}
