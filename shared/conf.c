/*
 * conf.c - moult.conf: the list of its keys at work, and a strict reader.
 *
 * room: every process, before it is sealed.
 * distrusts: the file's permissions and its syntax; its values are the administrator's.
 *
 * inih parses; it forgives much and stops telling after the first error. So the lines pass through
 * a reader of ours, which counts them, refuses what inih would forgive, and sees which line inih
 * made nothing of.
 */
#include "conf.h"

#include <arpa/inet.h>
#include <assert.h>
#include <bsd/string.h>
#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <limits.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"
#include "log.h"
#include "text.h"

#define CONF_FILE_MAX    65536 /* bytes of the whole file */
#define CONF_LINE_MAX    200   /* bytes of a line and its NUL: what inih's own buffer holds */
#define CONF_SAY_MAX     1024  /* a complaint */
#define CONF_SECTION_MAX 32    /* a section's name */
#define SECONDS_MAX      86400
#define REDIS_PORT       6379

#define BLANKS " \t"
#define DIGITS "0123456789"
#define ALNUM  "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz" DIGITS

/*
 * A kind's function puts value, which is not empty, where field points in c. NULL, or what is
 * wrong with the value, worded to follow it.
 */
typedef const char *set_fn(
    struct conf *c, void *field, const struct conf_key *key, const char *value);

static set_fn set_NAME, set_PATH, set_FILE, set_PATHS, set_RELPATH, set_REMOTE, set_WORDS,
    set_BRANCH, set_USER, set_SECONDS, set_BOOL, set_CHOICE, set_VERSION, set_REDIS;

#define AS_KEY(section, key, field, kind, fallback, choices, help) \
	{#section, #key, #kind, fallback, choices, help},
#define AS_FIELD(section, key, field, kind, fallback, choices, help) \
	{offsetof(struct conf, field), set_##kind},

static const struct conf_key keys[] = {CONF_KEYS(AS_KEY){NULL, NULL, NULL, NULL, NULL, NULL}};
static const struct {
	size_t offset;
	set_fn *set;
} fields[] = {CONF_KEYS(AS_FIELD)};

#define KEYS (sizeof(fields) / sizeof(fields[0]))

static_assert(sizeof(enum conf_fetch) == sizeof(unsigned int), "CHOICE writes an unsigned int");
static_assert(sizeof(enum conf_mode) == sizeof(unsigned int), "CHOICE writes an unsigned int");
static_assert(sizeof(enum conf_verify) == sizeof(unsigned int), "CHOICE writes an unsigned int");

struct reader {
	struct conf *c;
	const char *path;
	conf_complain *complain;
	void *arg;
	int complaints;
	char *next, *end;       /* what is left of the file; lines are cut out in place */
	int line;               /* the number of the line that inih has */
	bool cr;                /* a line ended in CR LF: told */
	bool pair;              /* it should be "key = value" */
	bool heard;             /* inih made a pair of it */
	bool lost;              /* in a section that was refused: its keys are passed over */
	int key_line[KEYS];     /* where each key stands; 0: nowhere */
	int section_line[KEYS]; /* the same for sections, by the first key of each */
};

static void say(struct reader *r, int line, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void
say(struct reader *r, int line, const char *fmt, ...)
{
	char text[CONF_SAY_MAX], escaped[4 * CONF_SAY_MAX];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap); /* cut where it is too long */
	va_end(ap);
	text_escape(escaped, sizeof(escaped), text, strlen(text));
	r->complaints++;
	r->complain(r->arg, r->path, line, escaped);
}

/* ---- values ------------------------------------------------------------------------------- */

static const char *
keep(void *field, const char *value)
{
	if (strlcpy(field, value, CONF_TEXT_MAX) >= CONF_TEXT_MAX)
		return "is too long";
	return NULL;
}

/* Parts between slashes, none of them empty, "." or "..". */
static bool
is_parts(const char *s)
{
	size_t len;

	for (;;) {
		len = strcspn(s, "/");
		if (len == 0 || (len == 1 && s[0] == '.') ||
		    (len == 2 && s[0] == '.' && s[1] == '.'))
			return false;
		if (s[len] == '\0')
			return true;
		s += len + 1;
	}
}

static bool
is_path(const char *s)
{
	return s[0] == '/' && is_parts(s + 1);
}

/* A number from 0 to max written in digits alone. */
static bool
is_number(const char *s, long max, long *number)
{
	size_t len = strspn(s, DIGITS);

	if (len == 0 || len > 9 || s[len] != '\0')
		return false;
	*number = strtol(s, NULL, 10);
	return *number <= max;
}

static const char *
set_NAME(struct conf *c, void *field, const struct conf_key *key, const char *value)
{
	(void)c, (void)key;
	if (!text_is_name(value))
		return "is not a name: 1 to 64 of A-Z a-z 0-9 . _ - and no . or - in front";
	return keep(field, value);
}

static const char *
set_PATH(struct conf *c, void *field, const struct conf_key *key, const char *value)
{
	(void)c, (void)key;
	if (!is_path(value))
		return "is not an absolute path without empty, . or .. parts";
	return keep(field, value);
}

static const char *
set_FILE(struct conf *c, void *field, const struct conf_key *key, const char *value)
{
	char dir[CONF_TEXT_MAX], name[CONF_TEXT_MAX];
	const char *wrong = set_PATH(c, field, key, value);

	if (wrong != NULL)
		return wrong;
	conf_split_path(value, dir, name);
	if (!text_is_name(name))
		return "does not end in a plain name: 1 to 64 of A-Z a-z 0-9 . _ - and no . or - "
		       "in front";
	return NULL;
}

static size_t
count_words(const char *value)
{
	size_t words = 0, at = 0;

	while (value[at += strspn(value + at, BLANKS)] != '\0') {
		words++;
		at += strcspn(value + at, BLANKS);
	}
	return words;
}

static const char *
set_PATHS(struct conf *c, void *field, const struct conf_key *key, const char *value)
{
	char buf[CONF_TEXT_MAX], *path[CONF_WORDS_MAX];
	size_t i;

	(void)c, (void)key;
	if (count_words(value) >= CONF_WORDS_MAX)
		return "has too many paths";
	conf_words(value, buf, path);
	for (i = 0; path[i] != NULL; i++) {
		if (strcmp(path[i], "/") == 0)
			return "names /, the whole file system";
		if (!is_path(path[i]))
			return "is not a list of absolute paths without empty, . or .. parts, "
			       "with blanks between them";
	}
	return keep(field, value);
}

static const char *
set_RELPATH(struct conf *c, void *field, const struct conf_key *key, const char *value)
{
	(void)c, (void)key;
	if (!is_parts(value))
		return "is not a path inside the checkout without empty, . or .. parts";
	return keep(field, value);
}

static const char *
set_WORDS(struct conf *c, void *field, const struct conf_key *key, const char *value)
{
	(void)c, (void)key;
	if (value[strcspn(value, "'\"\\`")] != '\0')
		return "has quotes, which mean nothing here: words end at blanks; put the command "
		       "into a script";
	if (count_words(value) >= CONF_WORDS_MAX)
		return "has too many words";
	return keep(field, value);
}

/* One part of a branch's name between slashes, by git-check-ref-format(1). */
static bool
is_ref_part(const char *s, size_t len)
{
	static const char lock[] = ".lock";
	size_t lock_len = sizeof(lock) - 1;

	return len > 0 && s[0] != '.' && s[len - 1] != '.' &&
	       !(len >= lock_len && memcmp(s + len - lock_len, lock, lock_len) == 0);
}

static const char *
set_BRANCH(struct conf *c, void *field, const struct conf_key *key, const char *value)
{
	const char *s = value;
	size_t len;

	(void)c, (void)key;
	if (value[strcspn(value, " \t~^:?*[\\")] != '\0' || strstr(value, "..") != NULL ||
	    strstr(value, "@{") != NULL || strcmp(value, "@") == 0 || value[0] == '-')
		return "is not a branch name";
	if (strcmp(value, "HEAD") == 0 || strncmp(value, "refs/", 5) == 0)
		return "is not a branch name; write it without refs/heads/";
	for (;;) {
		len = strcspn(s, "/");
		if (!is_ref_part(s, len))
			return "is not a branch name";
		if (s[len] == '\0')
			return keep(field, value);
		s += len + 1;
	}
}

static const char *
set_USER(struct conf *c, void *field, const struct conf_key *key, const char *value)
{
	(void)c, (void)key;
	if (getpwnam(value) == NULL)
		return "is not a user of this system";
	return keep(field, value);
}

static const char *
set_SECONDS(struct conf *c, void *field, const struct conf_key *key, const char *value)
{
	long number;

	(void)c, (void)key;
	if (!is_number(value, SECONDS_MAX, &number) || number < 1)
		return "is not a number of seconds from 1 to 86400";
	*(uint32_t *)field = (uint32_t)number;
	return NULL;
}

static const char *
set_BOOL(struct conf *c, void *field, const struct conf_key *key, const char *value)
{
	(void)c, (void)key;
	if (strcmp(value, "yes") != 0 && strcmp(value, "no") != 0)
		return "is neither yes nor no";
	*(bool *)field = value[0] == 'y';
	return NULL;
}

static const char *
set_CHOICE(struct conf *c, void *field, const struct conf_key *key, const char *value)
{
	const char *s = key->choices;
	unsigned int i;
	size_t len;

	(void)c;
	for (i = 0; *s != '\0'; i++) {
		len = strcspn(s, " ");
		if (strlen(value) == len && memcmp(value, s, len) == 0) {
			memcpy(field, &i, sizeof(i));
			return NULL;
		}
		s += len + strspn(s + len, " ");
	}
	return "is not one of the choices";
}

static const char *
set_VERSION(struct conf *c, void *field, const struct conf_key *key, const char *value)
{
	(void)field;
	if (strcmp(value, "signal") == 0)
		c->version = CONF_VERSION_SIGNAL;
	else if (strcmp(value, "describe") == 0)
		c->version = CONF_VERSION_DESCRIBE;
	else if (strncmp(value, "file", 4) == 0 && strchr(BLANKS, value[4]) != NULL &&
		 value[4] != '\0') {
		c->version = CONF_VERSION_FILE;
		value += 4 + strspn(value + 4, BLANKS);
		return set_RELPATH(c, c->version_file, key, value);
	} else
		return "is none of: signal, describe, file PATH";
	return NULL;
}

/* ---- URLs --------------------------------------------------------------------------------- */

/* Splits "host", "host:port", "[v6]" or "[v6]:port"; *port stays when there is none. */
static const char *
split_host(const char *text, char host[CONF_TEXT_MAX], uint16_t *port)
{
	bool v6 = text[0] == '[';
	struct in6_addr address;
	long number;
	size_t len;

	if (v6)
		text++;
	len = strcspn(text, v6 ? "]" : ":");
	memcpy(host, text, len); /* text is part of a value, so it fits */
	host[len] = '\0';
	text += len;
	if (v6 && (*text++ != ']' || inet_pton(AF_INET6, host, &address) != 1))
		return "has no IPv6 address between its brackets";
	if (!v6 &&
	    (len == 0 || host[0] == '-' || host[0] == '.' || strspn(host, ALNUM "._-") != len))
		return "has no proper host name";
	if (text[0] == '\0')
		return NULL;
	if (text[0] != ':' || !is_number(text + 1, UINT16_MAX, &number) || number < 1)
		return "has no proper port";
	*port = (uint16_t)number;
	return NULL;
}

/*
 * Checks authority, the len bytes of a URL between "//" and the path: [user@]host[:port]. user
 * NULL: no user may be named.
 */
static const char *
split_authority(
    const char *authority, size_t len, char *user, char host[CONF_TEXT_MAX], uint16_t *port)
{
	char text[CONF_TEXT_MAX];
	char *at;

	memcpy(text, authority, len); /* part of a value, so it fits */
	text[len] = '\0';
	at = strrchr(text, '@');
	if (at == NULL)
		return split_host(text, host, port);
	*at = '\0';
	if (user == NULL)
		return "names a user, which has no place in this URL";
	if (strchr(text, ':') != NULL)
		return "holds a password, which has no place in a URL";
	if (!text_is_name(text))
		return "has no proper user name in front of the @";
	(void)strlcpy(user, text, CONF_TEXT_MAX); /* a name is shorter */
	return split_host(at + 1, host, port);
}

/* user@host:path, as ssh(1) and scp(1) write it. */
static const char *
check_scp_like(const char *value)
{
	static const char no_url[] = "is not a URL; `git remote get-url origin` prints it";
	char user[CONF_TEXT_MAX], host[CONF_TEXT_MAX];
	const char *at = strchr(value, '@');
	const char *path =
	    at == NULL ? NULL : strchr(at[1] == '[' ? at + strcspn(at, "]") : at, ':');
	uint16_t port = 0;

	if (path == NULL)
		return no_url;
	if (path[1] == '\0' || path[1] == '-' || path[1] == ':')
		return "has no proper path behind the host";
	return split_authority(value, (size_t)(path - value), user, host, &port);
}

/* value is "scheme://..."; rest is what follows the slashes. */
static const char *
check_url(const char *value, const char *rest)
{
	static const char *const schemes[] = {"http", "https", "git", "ssh"};
	char user[CONF_TEXT_MAX], host[CONF_TEXT_MAX];
	size_t scheme = strcspn(value, ":"), len = strcspn(rest, "/"), i;
	uint16_t port = 0;

	if (scheme == 4 && memcmp(value, "file", 4) == 0)
		return is_path(rest) ? NULL : "is not file:// and an absolute path";
	for (i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
		if (strlen(schemes[i]) == scheme && memcmp(value, schemes[i], scheme) == 0)
			break;
	if (i == sizeof(schemes) / sizeof(schemes[0]))
		return "has a scheme that is none of: file, http, https, ssh, git";
	if (rest[len] == '\0' || rest[len + 1] == '\0')
		return "has no path behind the host";
	return split_authority(
	    rest, len, strcmp(schemes[i], "ssh") == 0 ? user : NULL, host, &port);
}

static const char *
set_REMOTE(struct conf *c, void *field, const struct conf_key *key, const char *value)
{
	const char *colon = value + strspn(value, ALNUM "+.-"), *wrong;

	(void)c, (void)key;
	if (value[strcspn(value, BLANKS)] != '\0')
		return "has a blank in it";
	if (strncmp(colon, "::", 2) == 0)
		return "names a transport helper, and those are never run";
	if (value[0] == '/')
		wrong = is_path(value) ? NULL : "is a path with an empty, . or .. part";
	else if (strncmp(colon, "://", 3) == 0)
		wrong = check_url(value, colon + 3);
	else
		wrong = check_scp_like(value);
	return wrong != NULL ? wrong : keep(field, value);
}

/* unix:///path[?db=N] */
static const char *
set_redis_unix(struct conf *c, const char *path)
{
	static const char query[] = "?db=";
	size_t len = strcspn(path, "?");
	long db = 0;

	memcpy(c->redis_host, path, len); /* part of a value, so it fits */
	c->redis_host[len] = '\0';
	if (!is_path(c->redis_host))
		return "is not unix:// and an absolute path";
	if (path[len] != '\0' && (strncmp(path + len, query, sizeof(query) - 1) != 0 ||
				     !is_number(path + len + sizeof(query) - 1, UINT16_MAX, &db)))
		return "ends in something else than ?db=NUMBER";
	c->redis_db = (uint16_t)db;
	c->redis = CONF_REDIS_UNIX;
	return NULL;
}

/* redis://[user@]host[:port][/db] */
static const char *
set_redis_tcp(struct conf *c, const char *rest)
{
	size_t len = strcspn(rest, "/");
	const char *wrong;
	long db = 0;

	c->redis_port = REDIS_PORT;
	wrong = split_authority(rest, len, c->redis_user, c->redis_host, &c->redis_port);
	if (wrong != NULL)
		return wrong;
	if (rest[len] == '/' && rest[len + 1] != '\0' &&
	    !is_number(rest + len + 1, UINT16_MAX, &db))
		return "has no number of a database behind the host";
	c->redis_db = (uint16_t)db;
	c->redis = CONF_REDIS_TCP;
	return NULL;
}

static const char *
set_REDIS(struct conf *c, void *field, const struct conf_key *key, const char *value)
{
	static const char tcp[] = "redis://", local[] = "unix://";
	const char *wrong;

	(void)key;
	if (strncmp(value, tcp, sizeof(tcp) - 1) == 0)
		wrong = set_redis_tcp(c, value + sizeof(tcp) - 1);
	else if (strncmp(value, local, sizeof(local) - 1) == 0)
		wrong = set_redis_unix(c, value + sizeof(local) - 1);
	else
		return "is neither redis://[user@]host[:port][/db] nor unix:///path[?db=N]";
	return wrong != NULL ? wrong : keep(field, value);
}

/* ---- keys and sections ---------------------------------------------------------------------- */

/* The index of the first key that fits; section or name NULL fits any. KEYS: none. */
static size_t
find(const char *section, const char *name)
{
	size_t i;

	for (i = 0; i < KEYS; i++)
		if ((section == NULL || strcmp(keys[i].section, section) == 0) &&
		    (name == NULL || strcmp(keys[i].key, name) == 0))
			break;
	return i;
}

static void
set(struct reader *r, size_t i, const char *value)
{
	const struct conf_key *key = &keys[i];
	const char *wrong;

	if (value[0] == '\0' && key->fallback != NULL && key->fallback[0] == '\0')
		return; /* "key =" says that it is not set, as does its absence */
	if (value[0] == '\0')
		wrong = "is empty";
	else
		wrong = fields[i].set(r->c, (char *)r->c + fields[i].offset, key, value);
	if (wrong != NULL)
		say(r, r->line, "%s: \"%s\" %s%s%s", key->key, value, wrong,
		    key->choices[0] != '\0' ? ": " : "", key->choices);
}

/* inih's callback: one pair. */
static int
take_pair(void *arg, const char *section, const char *name, const char *value)
{
	struct reader *r = arg;
	size_t i = find(section, name), elsewhere;

	r->heard = value != NULL; /* an inih built to allow it passes NULL for a lone word */
	if (r->lost || !r->heard)
		return 1;
	if (section[0] == '\0') {
		say(r, r->line, "\"%s\" stands before the first [section]", name);
	} else if (i == KEYS) {
		elsewhere = find(NULL, name);
		if (elsewhere == KEYS)
			say(r, r->line, "unknown key \"%s\" in [%s]", name, section);
		else
			say(r, r->line, "\"%s\" belongs to [%s], not to [%s]", name,
			    keys[elsewhere].section, section);
	} else if (r->key_line[i] != 0) {
		say(r, r->line, "\"%s\" is set a second time, after line %d", name, r->key_line[i]);
	} else {
		r->key_line[i] = r->line;
		set(r, i, value);
	}
	return 1;
}

static bool
is_comment_or_end(const char *text)
{
	text += strspn(text, BLANKS);
	return *text == '\0' || *text == ';' || *text == '#';
}

/* text begins with '['. */
static void
take_section(struct reader *r, const char *text)
{
	char name[CONF_SECTION_MAX] = "";
	size_t len = strcspn(text + 1, "]"), i;
	const char *rest = text + 1 + len;

	r->lost = true;
	if (len < sizeof(name))
		memcpy(name, text + 1, len);
	i = find(name, NULL);
	if (*rest != ']' || !is_comment_or_end(rest + 1)) {
		say(r, r->line, "a section is written [name], alone on its line");
	} else if (i == KEYS) {
		say(r, r->line, "unknown section %s", text);
	} else if (r->section_line[i] != 0) {
		say(r, r->line, "section [%s] begins a second time, after line %d", name,
		    r->section_line[i]);
	} else {
		r->section_line[i] = r->line;
		r->lost = false;
	}
}

/* ---- lines -------------------------------------------------------------------------------- */

/* What no line may have; NULL: nothing of it. Comments and values may hold UTF-8. */
static const char *
line_fault(const char *text, size_t len, size_t max)
{
	size_t i;

	if (len > max)
		return "the line is longer than 199 bytes";
	for (i = 0; i < len; i++)
		if (((unsigned char)text[i] < 0x20 && text[i] != '\t') || text[i] == 0x7f)
			return "the line holds a control character";
	if (strncmp(text, "\xef\xbb\xbf", 3) == 0)
		return "the line begins with a byte order mark";
	if (strchr(BLANKS, text[0]) != NULL && !is_comment_or_end(text))
		return "the line begins with a blank: a value ends with its own line";
	return NULL;
}

/* After inih has had a line: was it a pair, as it had to be? */
static void
settle(struct reader *r)
{
	if (r->pair && !r->heard && !r->lost)
		say(r, r->line, "the line is neither key = value, nor [section], nor a comment");
	r->pair = false;
	r->heard = false;
}

/* Told once; without its CR each line is still read, so that no other complaint is a false one. */
static char *
drop_cr(struct reader *r, const char *text, char *end)
{
	if (end == text || end[-1] != '\r' || r->next == end)
		return end;
	if (!r->cr)
		say(r, r->line, "the lines end in CR LF; write them with LF alone");
	r->cr = true;
	return end - 1;
}

/* inih's fgets(3). A line that we refuse reaches inih empty, so that it keeps no state of it. */
static char *
next_line(char *buf, int size, void *arg)
{
	struct reader *r = arg;
	size_t max = (size_t)size < CONF_LINE_MAX ? (size_t)size - 1 : CONF_LINE_MAX - 1;
	char *text = r->next, *end;
	const char *wrong;
	size_t len;

	settle(r);
	if (text == r->end)
		return NULL;
	end = memchr(text, '\n', (size_t)(r->end - text));
	r->next = end != NULL ? end + 1 : r->end;
	if (end == NULL)
		end = r->end;
	r->line++;
	end = drop_cr(r, text, end);
	*end = '\0';
	len = (size_t)(end - text);
	buf[0] = '\0';
	wrong = line_fault(text, len, max);
	if (wrong != NULL) {
		say(r, r->line, "%s", wrong);
		return buf;
	}
	if (text[0] == '[')
		take_section(r, text);
	else
		r->pair = !is_comment_or_end(text);
	memcpy(buf, text, len + 1);
	return buf;
}

/* ---- the file ----------------------------------------------------------------------------- */

static void
say_owner(struct reader *r, uid_t uid)
{
	const struct passwd *pw = getpwuid(uid);
	char name[CONF_TEXT_MAX] = "";

	if (pw != NULL)
		(void)snprintf(name, sizeof(name), " (%s)", pw->pw_name); /* cut where too long */
	say(r, 0,
	    "belongs to user %lu%s, not to root or to the user that runs moult: chown it to root, "
	    "or run as that user",
	    (unsigned long)uid, name);
}

static void
check_permissions(struct reader *r, int fd)
{
	struct stat st;

	if (fstat(fd, &st) == -1) {
		say(r, 0, "cannot be looked at: %s", strerror(errno));
		return;
	}
	if (st.st_uid != 0 && st.st_uid != geteuid())
		say_owner(r, st.st_uid);
	if (st.st_mode & (S_IWGRP | S_IWOTH))
		say(r, 0, "may be written by others: chmod go-w");
}

/* Reads the file into text, which holds CONF_FILE_MAX bytes and a NUL. false: told why not. */
static bool
read_file(struct reader *r, char *text)
{
	struct file_identity id;
	size_t len = 0;
	int fd, rc;

	/* Not file_open_wary(): a link to the real file is the administrator's choice. */
	fd = open(r->path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd == -1) {
		say(r, 0, "cannot be opened: %s", strerror(errno));
		return false;
	}
	rc = file_identify(fd, text, CONF_FILE_MAX, &len, &id);
	if (rc == 0)
		check_permissions(r, fd);
	else if (errno == EINVAL)
		say(r, 0, "is not a regular file");
	else if (errno == EFBIG)
		say(r, 0, "is larger than %d bytes", CONF_FILE_MAX);
	else if (errno == EAGAIN)
		say(r, 0, "changed while it was read");
	else
		say(r, 0, "cannot be read: %s", strerror(errno));
	(void)close(fd); /* only read from */
	text[len] = '\0';
	r->next = text;
	r->end = text + len;
	return rc == 0;
}

static void
set_hostname(struct reader *r, size_t i)
{
	char name[CONF_TEXT_MAX] = "";

	if (gethostname(name, sizeof(name) - 1) == -1 || !text_is_name(name))
		say(r, 0, "%s is not set, and this host's name, \"%s\", does not fit", keys[i].key,
		    name);
	else
		set(r, i, name);
}

/* What the file left out. */
static void
set_defaults(struct reader *r)
{
	size_t i;

	r->line = 0;
	for (i = 0; i < KEYS; i++) {
		if (r->key_line[i] != 0)
			continue;
		if (keys[i].fallback == NULL)
			say(r, 0, "[%s] %s is missing: %s", keys[i].section, keys[i].key,
			    keys[i].help);
		else if (strcmp(keys[i].fallback, "@hostname") == 0)
			set_hostname(r, i);
		else
			set(r, i, keys[i].fallback);
	}
}

/* ---- what no value shows alone --------------------------------------------------------------- */

/* By the parts of both paths; neither is looked at. */
static bool
is_at_or_below(const char *path, const char *top)
{
	size_t len = strcmp(top, "/") == 0 ? 0 : strlen(top);

	return strncmp(path, top, len) == 0 && (path[len] == '\0' || path[len] == '/');
}

/* What no step may write: it confines the steps, or moult believes it. */
struct precious {
	const char *section, *key; /* NULL: this file itself */
	const char *what, *path;
	bool directory; /* nor anything below it */
};

#define PRECIOUS_MAX 10

static size_t
list_precious(const struct reader *r, const char *signal_dir, const char *real_path,
    struct precious list[PRECIOUS_MAX])
{
	const struct conf *c = r->c;
	const struct precious all[PRECIOUS_MAX] = {
	    {"deploy", "state_dir", "state_dir", c->state_dir, true},
	    {"deploy", "signal", "the directory of signal", signal_dir, true},
	    {"verify", "allowed_signers", "allowed_signers", c->allowed_signers, false},
	    {"verify", "openpgp_keys", "openpgp_keys", c->openpgp_keys, false},
	    {"deploy", "ssh_key", "ssh_key", c->ssh_key, false},
	    {"deploy", "ssh_known_hosts", "ssh_known_hosts", c->ssh_known_hosts, false},
	    {"deploy", "ca_file", "ca_file", c->ca_file, false},
	    {"redis", "password_file", "password_file", c->password_file, false},
	    /* As it was named, and where that leads. */
	    {NULL, NULL, "this file", r->path, false},
	    {NULL, NULL, "this file", real_path, false},
	};
	size_t i, count = 0;

	for (i = 0; i < PRECIOUS_MAX; i++)
		if (all[i].path[0] == '/')
			list[count++] = all[i];
	return count;
}

/* The line of a key; 0 where its default stands. */
static int
line_of(const struct reader *r, const char *section, const char *key)
{
	return r->key_line[find(section, key)];
}

/* A step may write path and all below it: told of the first thing that this lays open. */
static void
check_write_path(struct reader *r, const char *path, const struct precious list[], size_t count)
{
	int line = line_of(r, "sandbox", "write_paths");
	size_t i;

	for (i = 0; i < count; i++) {
		if (strcmp(path, list[i].path) == 0)
			say(r, line, "write_paths: %s is %s, which no step may write", path,
			    list[i].what);
		else if (is_at_or_below(list[i].path, path))
			say(r, line, "write_paths: %s holds %s, %s, which no step may write", path,
			    list[i].what, list[i].path);
		else if (list[i].directory && is_at_or_below(path, list[i].path))
			say(r, line, "write_paths: %s is inside %s, where no step may write", path,
			    list[i].what);
		else
			continue;
		return;
	}
}

/* The install command may write all of the checkout. */
static void
check_repo(struct reader *r, const struct precious list[], size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (is_at_or_below(list[i].path, r->c->repo))
			say(r, list[i].key != NULL ? line_of(r, list[i].section, list[i].key) : 0,
			    "%s%s%s, is inside repo, all of which the install command may write",
			    list[i].what, list[i].key != NULL ? ", " : "",
			    list[i].key != NULL ? list[i].path : "");
}

static void
check_together(struct reader *r)
{
	char dir[CONF_TEXT_MAX] = "", name[CONF_TEXT_MAX], real_path[PATH_MAX] = "";
	char buf[CONF_TEXT_MAX], *path[CONF_WORDS_MAX];
	struct precious list[PRECIOUS_MAX];
	const struct conf *c = r->c;
	const struct passwd *pw = c->monitor_user[0] != '\0' ? getpwnam(c->monitor_user) : NULL;
	size_t count, i;

	if (pw != NULL && pw->pw_uid == 0)
		say(r, line_of(r, "deploy", "monitor_user"),
		    "monitor_user: \"%s\" is root, and the monitor is never root", c->monitor_user);
	if (c->verify != CONF_VERIFY_NONE && c->allowed_signers[0] == '\0' &&
	    c->openpgp_keys[0] == '\0')
		say(r, line_of(r, "verify", "mode"),
		    "[verify] mode: needs allowed_signers or openpgp_keys: whose signature counts");
	if (c->signal[0] != '\0')
		conf_split_path(c->signal, dir, name);
	/* Without an answer, or where it leads to what was named, the name alone counts. */
	if (realpath(r->path, real_path) == NULL || strcmp(real_path, r->path) == 0)
		real_path[0] = '\0';
	count = list_precious(r, dir, real_path, list);
	conf_words(c->write_paths, buf, path);
	for (i = 0; path[i] != NULL; i++)
		check_write_path(r, path[i], list, count);
	if (c->repo[0] != '\0')
		check_repo(r, list, count);
}

int
conf_load(struct conf *c, const char *path, conf_complain *complain, void *arg)
{
	struct reader r = {.c = c, .path = path, .complain = complain, .arg = arg};
	char *text;

	memset(c, 0, sizeof(*c));
	text = malloc(CONF_FILE_MAX + 1);
	if (text == NULL) {
		say(&r, 0, "cannot be read: %s", strerror(errno));
		return r.complaints;
	}
	if (read_file(&r, text)) {
		/* Its result is the first line in error; settle() has told them all. */
		(void)ini_parse_stream(next_line, &r, take_pair, &r);
		set_defaults(&r);
		check_together(&r);
	}
	free(text);
	return r.complaints;
}

void
conf_complain_to_log(void *arg, const char *file, int line, const char *text)
{
	(void)arg;
	if (line == 0)
		log_warnx("%s: %s", file, text);
	else
		log_warnx("%s:%d: %s", file, line, text);
}

void
conf_words(const char *value, char buf[CONF_TEXT_MAX], char *argv[CONF_WORDS_MAX])
{
	char *rest = buf, *word;
	size_t n = 0;

	if (strlcpy(buf, value, CONF_TEXT_MAX) >= CONF_TEXT_MAX)
		bug("a command that is too long");
	while ((word = strsep(&rest, BLANKS)) != NULL) {
		if (*word == '\0')
			continue;
		if (n == CONF_WORDS_MAX - 1)
			bug("a command with too many words");
		argv[n++] = word;
	}
	argv[n] = NULL;
}

const struct conf_key *
conf_keys(void)
{
	return keys;
}

void
conf_split_path(const char *path, char dir[CONF_TEXT_MAX], char name[CONF_TEXT_MAX])
{
	const char *slash = strrchr(path, '/');
	size_t len;

	if (slash == NULL || strlen(path) >= CONF_TEXT_MAX)
		bug("not an absolute path: %s", path);
	len = slash == path ? 1 : (size_t)(slash - path);
	memcpy(dir, path, len);
	dir[len] = '\0';
	(void)strlcpy(name, slash + 1, CONF_TEXT_MAX); /* fits, as path does */
}
