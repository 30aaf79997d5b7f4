/* SPDX-License-Identifier: Apache-2.0 */
/* The forms of a channel's URI. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "io/channel_impl.h"

static const char help[] =
	"  tcp:HOST:PORT   HOST is a name, an IPv4 address or [an IPv6 address]\n"
	"  unix:PATH       a unix socket, which also carries descriptors\n"
	"  fd:N or fd:R,W  an inherited connected socket, or two pipes\n"
	"  exec:COMMAND    the standard input and output of a shell command\n";

const char *channel_uri_help(void)
{
	return help;
}

/* Digits only, at most max; how many characters they are, or -EINVAL. */
static int parse_number(const char *text, unsigned long max, unsigned long *ret_number)
{
	size_t digits = strspn(text, "0123456789");
	unsigned long number = strtoul(text, NULL, 10);

	if (!digits || digits > 10 || number > max)
		return -EINVAL;
	*ret_number = number;
	return (int)digits;
}

static int parse_port(const char *uri, const char *text, bool is_listening, char *port)
{
	unsigned long number;
	int digits = parse_number(text, UINT16_MAX, &number);

	if (digits < 0 || digits > 5 || text[digits])
		return because(-EINVAL, "%s: '%s' is not a port (0 to 65535)", uri, text);
	if (!number && !is_listening)
		return because(-EINVAL, "%s: port 0 is for listening only", uri);
	memcpy(port, text, (size_t)digits + 1);
	return 0;
}

static int parse_tcp(const char *uri, const char *text, bool is_listening, struct channel_uri *to)
{
	const char *end, *port;

	if (*text == '[') {
		end = strchr(++text, ']');
		if (!end || end[1] != ':')
			return because(-EINVAL, "%s: expected tcp:[ADDRESS]:PORT", uri);
		port = end + 2;
	} else {
		end = strchr(text, ':');
		if (!end)
			return because(-EINVAL, "%s: expected tcp:HOST:PORT", uri);
		port = end + 1;
		if (strchr(port, ':'))
			return because(-EINVAL, "%s: an IPv6 address stands in brackets", uri);
	}
	if (end == text)
		return because(-EINVAL, "%s: there is no host", uri);
	if ((size_t)(end - text) >= sizeof(to->host))
		return because(-EINVAL, "the host of a tcp: URI is too long");
	memcpy(to->host, text, (size_t)(end - text));
	to->host[end - text] = '\0';
	return parse_port(uri, port, is_listening, to->port);
}

static int parse_unix(const char *uri, const char *path)
{
	size_t room = sizeof(((struct sockaddr_un *)NULL)->sun_path);

	if (!*path)
		return because(-EINVAL, "%s: there is no path", uri);
	if (strlen(path) >= room)
		return because(-EINVAL, "%s: the path is longer than %zu characters", uri,
			       room - 1);
	return 0;
}

static int parse_descriptors(const char *uri, const char *text, struct channel_uri *to)
{
	unsigned long in, out;
	int digits = parse_number(text, INT_MAX, &in);

	if (digits < 0)
		return because(-EINVAL, "%s: expected fd:N or fd:R,W", uri);
	out = in;
	text += digits;
	if (*text == ',') {
		digits = parse_number(++text, INT_MAX, &out);
		if (digits < 0)
			return because(-EINVAL, "%s: expected fd:R,W", uri);
		text += digits;
	}
	if (*text)
		return because(-EINVAL, "%s: expected fd:N or fd:R,W", uri);
	to->in = (int)in;
	to->out = (int)out;
	return 0;
}

/* What follows the prefix, or NULL. */
static const char *after(const char *uri, const char *prefix)
{
	size_t len = strlen(prefix);

	return strncmp(uri, prefix, len) == 0 ? uri + len : NULL;
}

static int parse(const char *uri, bool is_listening, struct channel_uri *to)
{
	if ((to->rest = after(uri, "tcp:"))) {
		to->kind = CHANNEL_TCP;
		return parse_tcp(uri, to->rest, is_listening, to);
	}
	if ((to->rest = after(uri, "unix:"))) {
		to->kind = CHANNEL_UNIX;
		return parse_unix(uri, to->rest);
	}
	if ((to->rest = after(uri, "fd:"))) {
		to->kind = CHANNEL_DESCRIPTORS;
		return parse_descriptors(uri, to->rest, to);
	}
	if ((to->rest = after(uri, "exec:"))) {
		to->kind = CHANNEL_EXEC;
		return *to->rest ? 0 : because(-EINVAL, "%s: there is no command", uri);
	}
	return because(-EINVAL,
		       "'%s' is no URI of a channel: tcp:HOST:PORT, unix:PATH, fd:N, "
		       "fd:R,W or exec:COMMAND",
		       uri);
}

int channel_uri_parse(const char *uri, bool is_listening, struct channel_uri *ret_uri)
{
	struct channel_uri to = { .in = -1, .out = -1 };
	int r = parse(uri, is_listening, &to);

	if (r == 0)
		*ret_uri = to;
	return r;
}

/* Whether port 0 is right depends on the use; here both are. */
int channel_uri_check(const char *uri)
{
	struct channel_uri to;

	return channel_uri_parse(uri, true, &to);
}
