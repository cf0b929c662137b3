/*
 * signal.c - reading and judging the signal file.
 *
 * room: monitor.
 * distrusts: everything about the file: its kind, its owner, its size, its every byte.
 *
 * A signal that is refused here never reaches the executor.
 */
#include "monitor.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bsd/string.h>

#include "text.h"
#include "version.h"

#define KEY_SHOWN_MAX 40 /* of an unknown key or a value, in a message */

/* The keys of the contract; every one is needed. */
#define SIGNAL_KEYS(X) \
	X(current)     \
	X(available)   \
	X(channel)

static enum mon_verdict __attribute__((format(printf, 3, 4)))
say(struct mon_signal *s, enum mon_verdict verdict, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(s->why, sizeof(s->why), fmt, ap); /* cut when too long: it is for people */
	va_end(ap);
	return verdict;
}

const char *
mon_signal_unsafe(const struct mon_owners *o, const struct stat *st)
{
	if (S_ISLNK(st->st_mode))
		return "is a symbolic link";
	if (S_ISDIR(st->st_mode))
		return "is a directory";
	if (S_ISFIFO(st->st_mode))
		return "is a FIFO";
	if (S_ISSOCK(st->st_mode))
		return "is a socket";
	if (!S_ISREG(st->st_mode))
		return "is a device";
	if (st->st_uid != 0 && st->st_uid != o->self && !(o->has_other && st->st_uid == o->other))
		return "belongs to a user whom [deploy] signal_owner does not name";
	if (st->st_mode & S_IWOTH)
		return "is writable by everyone";
	if (st->st_nlink > 1)
		return "has more than one name (a hard link)";
	if (st->st_size > SIGNAL_FILE_MAX)
		return "is larger than 4096 bytes";
	return NULL;
}

/* What can be said of a file that is not read. */
static void
identify_unread(const struct stat *st, struct file_identity *id)
{
	*id = (struct file_identity){
	    .dev = st->st_dev,
	    .ino = st->st_ino,
	    .mtime_s = st->st_mtim.tv_sec,
	    .mtime_ns = st->st_mtim.tv_nsec,
	    .btime_s = st->st_uid, /* so that a change of owner or mode is another file */
	    .btime_ns = st->st_mode,
	    .size_bytes = (uint64_t)st->st_size,
	};
}

/* The unknown keys, escaped, for one line of the log. */
static void
name_unknown(json_t *object, struct mon_signal *s)
{
	char shown[KEY_SHOWN_MAX];
	unsigned int count = 0;
	const char *key;
	json_t *value;

	json_object_foreach(object, key, value)
	{
#define IS_KEY(name) strcmp(key, #name) == 0 ||
		if (SIGNAL_KEYS(IS_KEY) false)
			continue;
#undef IS_KEY
		if (++count > SIGNAL_KEYS_MAX)
			continue;
		(void)text_escape(shown, sizeof(shown), key, strlen(key));
		(void)strlcat(
		    s->unknown, count > 1 ? ", " : "", sizeof(s->unknown)); /* cut: for people */
		(void)strlcat(s->unknown, shown, sizeof(s->unknown));
	}
	if (count > SIGNAL_KEYS_MAX)
		(void)strlcat(s->unknown, ", ...", sizeof(s->unknown));
}

static enum mon_verdict
judge_values(const char *current, const char *available, const char *channel, struct mon_signal *s)
{
	char shown[KEY_SHOWN_MAX];
	struct version v;

	s->channel = wire_channel_from_name(channel);
	if (s->channel == CHANNEL_NONE) {
		(void)text_escape(shown, sizeof(shown), channel, strlen(channel));
		return say(s, SIGNAL_BAD, "no such channel: \"%s\"", shown);
	}
	if (version_parse(&v, current) == -1) {
		(void)text_escape(shown, sizeof(shown), current, strlen(current));
		return say(s, SIGNAL_BAD, "\"current\" is not a semantic version: \"%s\"", shown);
	}
	(void)strlcpy(s->current, v.text, sizeof(s->current)); /* the same size */
	if (version_parse(&v, available) == 0)
		(void)strlcpy(s->available, v.text, sizeof(s->available)); /* the same size */
	else if (s->channel == CHANNEL_ALPHA && text_is_object_id(available))
		(void)strlcpy(s->available, available, sizeof(s->available)); /* 64 digits fit */
	else {
		(void)text_escape(shown, sizeof(shown), available, strlen(available));
		return say(s, SIGNAL_BAD, "\"available\" is not a semantic version%s: \"%s\"",
		    s->channel == CHANNEL_ALPHA ? " or full commit id" : "", shown);
	}
	return SIGNAL_GOOD;
}

static enum mon_verdict
judge_object(json_t *object, struct mon_signal *s)
{
#define VALUE_OF(name) const char *name = json_string_value(json_object_get(object, #name));
	SIGNAL_KEYS(VALUE_OF)
#undef VALUE_OF

	if (!json_is_object(object))
		return say(s, SIGNAL_BAD, "the content is not a JSON object");
#define NEED(name)                                               \
	if (name == NULL)                                        \
		return say(s, SIGNAL_BAD, "\"" #name "\" is %s", \
		    json_object_get(object, #name) == NULL ? "missing" : "not a string");
	SIGNAL_KEYS(NEED)
#undef NEED
	name_unknown(object, s);
	return judge_values(current, available, channel, s);
}

enum mon_verdict
mon_signal_parse(const char *text, size_t len, struct mon_signal *s)
{
	enum mon_verdict verdict;
	char shown[SIGNAL_WHY_MAX / 2];
	json_error_t error;
	json_t *object;

	if (len == 0)
		return say(s, SIGNAL_HALF, "the file is empty");
	object = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
	if (object == NULL) {
		(void)text_escape(shown, sizeof(shown), error.text, strlen(error.text));
		/* A repeated key is no trace of a file that is still being written. */
		verdict =
		    json_error_code(&error) == json_error_duplicate_key ? SIGNAL_BAD : SIGNAL_HALF;
		return say(s, verdict, "bad JSON, line %d: %s", error.line, shown);
	}
	verdict = judge_object(object, s);
	json_decref(object);
	return verdict;
}

bool
mon_signal_is_passing(int error)
{
	switch (error) {
	case ENOENT:
	case ENOTDIR:
	case ELOOP:
	case EACCES:
	case EPERM:
	case ENXIO: /* a socket, or a device without a driver */
	case ENODEV:
	case EISDIR:
	case ENAMETOOLONG:
	case EFBIG:
		return false;
	default:
		return true;
	}
}

/* The file could not be looked at. */
static enum mon_verdict
say_unread(struct mon_signal *s, int error)
{
	return say(s, mon_signal_is_passing(error) ? SIGNAL_UNREAD : SIGNAL_BAD,
	    "the file cannot be read: %s", strerrordesc_np(error));
}

/* A descriptor that cannot be had: is there no file, or one that is not to be opened? */
static enum mon_verdict
judge_unopened(const struct mon_owners *o, int dirfd, const char *name, struct mon_signal *s)
{
	int error = errno;
	const char *unsafe;
	struct stat st;

	if (error == ENOENT)
		return SIGNAL_ABSENT;
	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == -1)
		return errno == ENOENT ? SIGNAL_ABSENT : say_unread(s, errno);
	identify_unread(&st, &s->id);
	unsafe = mon_signal_unsafe(o, &st);
	if (unsafe != NULL)
		return say(s, SIGNAL_BAD, "the file %s", unsafe);
	return say_unread(s, error);
}

enum mon_verdict
mon_signal_judge(const struct mon_owners *o, int dirfd, const char *name, struct mon_signal *s)
{
	enum mon_verdict verdict = SIGNAL_BAD;
	char text[SIGNAL_FILE_MAX];
	const char *unsafe;
	struct stat st;
	size_t len;
	int fd;

	memset(s, 0, sizeof(*s));
	fd = file_open_wary(dirfd, name);
	if (fd == -1)
		return judge_unopened(o, dirfd, name, s);
	if (fstat(fd, &st) == -1) {
		verdict = say_unread(s, errno);
		goto out;
	}
	unsafe = mon_signal_unsafe(o, &st);
	if (unsafe != NULL) {
		identify_unread(&st, &s->id);
		verdict = say(s, SIGNAL_BAD, "the file %s", unsafe);
	} else if (file_identify(fd, text, sizeof(text), &len, &s->id) == 0) {
		verdict = mon_signal_parse(text, len, s);
	} else if (errno == EAGAIN) {
		verdict = say(s, SIGNAL_HALF, "the file changes while it is read");
	} else {
		verdict = say_unread(s, errno);
		identify_unread(&st, &s->id);
	}
out:
	(void)close(fd); /* only read from */
	return verdict;
}
