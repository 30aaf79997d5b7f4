/* SPDX-License-Identifier: Apache-2.0 */
/* TOML's four kinds of strings (toml.io/en/v1.0.0#string). */
#include <stdint.h>
#include <string.h>

#include "cli/toml_reader.h"

static void put(struct toml_reader *reader, char c)
{
	reader->scratch[reader->len++] = c;
}

static void put_utf8(struct toml_reader *reader, uint32_t c)
{
	if (c < 0x80) {
		put(reader, (char)c);
		return;
	}
	if (c < 0x800) {
		put(reader, (char)(0xc0 | c >> 6));
	} else if (c < 0x10000) {
		put(reader, (char)(0xe0 | c >> 12));
		put(reader, (char)(0x80 | (c >> 6 & 0x3f)));
	} else {
		put(reader, (char)(0xf0 | c >> 18));
		put(reader, (char)(0x80 | (c >> 12 & 0x3f)));
		put(reader, (char)(0x80 | (c >> 6 & 0x3f)));
	}
	put(reader, (char)(0x80 | (c & 0x3f)));
}

/* The digits behind \u or \U; reader->at is on that letter. */
static int read_code_point(struct toml_reader *reader, unsigned digits)
{
	static const char hex[] = "0123456789abcdef0123456789ABCDEF";
	uint32_t c = 0;

	for (unsigned i = 1; i <= digits; i++) {
		char digit = reader->text[reader->at + i];
		const char *found = digit ? strchr(hex + (digit >= 'A' && digit <= 'F' ? 16 : 0), digit) :
					    NULL;

		if (!found)
			return toml_wrong(reader, reader->at + i,
					  digits == 4 ? "four hexadecimal digits follow \\u" :
							"eight hexadecimal digits follow \\U");
		c = c << 4 | (uint32_t)((found - hex) % 16);
	}
	if (c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return toml_wrong(reader, reader->at - 1, "no character has this number");
	reader->at += digits + 1;
	put_utf8(reader, c);
	return 0;
}

/* Whether nothing but the line's end follows; then the next thing that is to be read is sought. */
static bool skip_lines(struct toml_reader *reader)
{
	const char *rest = reader->text + reader->at;
	size_t blanks = strspn(rest, " \t\r");

	if (rest[blanks] != '\n')
		return false;
	reader->at += strspn(rest, " \t\r\n");
	return true;
}

/* reader->at is behind the backslash. */
static int read_escape(struct toml_reader *reader, bool has_lines)
{
	static const char letters[] = "btnfr\"\\", meant[] = "\b\t\n\f\r\"\\";
	char c = reader->text[reader->at];
	const char *found = c ? strchr(letters, c) : NULL;

	if (found) {
		put(reader, meant[found - letters]);
		reader->at++;
		return 0;
	}
	if (c == 'u' || c == 'U')
		return read_code_point(reader, c == 'u' ? 4 : 8);
	if (has_lines && skip_lines(reader))
		return 0;
	return toml_wrong(reader, reader->at - 1,
			  "no such escape; a backslash is written \\\\, or in 'single quotes'");
}

/* Of quotes inside a string of several lines: up to two are its own, also before the three that end it. */
static bool read_quotes(struct toml_reader *reader, char quote)
{
	const char *rest = reader->text + reader->at;
	unsigned count = 1;

	while (count < 5 && rest[count] == quote)
		count++;
	reader->at += count;
	for (unsigned own = count < 3 ? count : count - 3; own; own--)
		put(reader, quote);
	return count >= 3;
}

static int read_to_quote(struct toml_reader *reader, char quote)
{
	for (;;) {
		char c = reader->text[reader->at];
		int err = 0;

		if (!c || c == '\n' || c == '\r')
			return toml_wrong(reader, reader->at, "the line ends inside a text");
		reader->at++;
		if (c == quote)
			return 0;
		if (c == '\\' && quote == '"')
			err = read_escape(reader, false);
		else
			put(reader, c);
		if (err)
			return err;
	}
}

static int read_to_quotes(struct toml_reader *reader, char quote)
{
	for (;;) {
		char c = reader->text[reader->at];
		int err = 0;

		if (!c)
			return toml_wrong(reader, reader->at, "the file ends inside a text");
		if (c == quote) {
			if (read_quotes(reader, quote))
				return 0;
			continue;
		}
		reader->at++;
		if (c == '\\' && quote == '"')
			err = read_escape(reader, true);
		else if (c != '\r')
			put(reader, c);
		if (err)
			return err;
	}
}

int toml_read_string(struct toml_reader *reader, bool may_have_lines)
{
	const char *begin = reader->text + reader->at;
	char quote = *begin;
	int err;

	reader->len = 0;
	if (may_have_lines && begin[1] == quote && begin[2] == quote) {
		reader->at += 3 + (begin[3] == '\r');
		reader->at += reader->text[reader->at] == '\n';
		err = read_to_quotes(reader, quote);
	} else {
		reader->at++;
		err = read_to_quote(reader, quote);
	}
	reader->scratch[reader->len] = '\0';
	return err;
}
