/*
 * remote.c - see remote.h.
 *
 * room: executor.
 * distrusts: nothing: conf.c has checked the value.
 */
#include "remote.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *prefix, *transport;
	uint16_t port;
} schemes[] = {
    {"file://", "file", 0},
    {"https://", "https", 443},
    {"http://", "http", 80},
    {"git://", "git", 9418},
    {"ssh://", "ssh", 22},
};

/* The number of the scheme's row; SCHEMES: it has none. */
#define SCHEMES (sizeof(schemes) / sizeof(schemes[0]))
static size_t
scheme_of(const struct conf *c)
{
	size_t i = 0;

	while (i < SCHEMES && strncmp(c->remote, schemes[i].prefix, strlen(schemes[i].prefix)) != 0)
		i++;
	return i;
}

const char *
remote_transport(const struct conf *c)
{
	size_t i = scheme_of(c);

	if (i < SCHEMES)
		return schemes[i].transport;
	return c->remote[0] == '/' ? "file" : "ssh";
}

bool
remote_is_local(const struct conf *c)
{
	return strcmp(remote_transport(c), "file") == 0;
}

bool
remote_is_ssh(const struct conf *c)
{
	return strcmp(remote_transport(c), "ssh") == 0;
}

const char *
remote_path(const struct conf *c)
{
	size_t i = scheme_of(c);

	return c->remote + (i < SCHEMES ? strlen(schemes[i].prefix) : 0);
}

uint16_t
remote_port(const struct conf *c)
{
	size_t i = scheme_of(c), len;
	const char *host, *end, *colon;

	if (i == SCHEMES) /* user@host:path */
		return 22;
	host = c->remote + strlen(schemes[i].prefix);
	len = strcspn(host, "/");
	end = memchr(host, ']', len); /* the colons of an IPv6 address are none of a port */
	colon = memchr(
	    end != NULL ? end : host, ':', len - (size_t)((end != NULL ? end : host) - host));
	return colon != NULL ? (uint16_t)strtoul(colon + 1, NULL, 10) : schemes[i].port;
}
