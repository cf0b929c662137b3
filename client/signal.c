/*
 * signal.c - `moult signal` and `moult retry`: what a person writes beside a version watcher.
 *
 * room: client: a person's shell; writes in the signal file's directory.
 * distrusts: the command line; the status that the deployed version is taken from.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "client.h"
#include "file.h"
#include "text.h"
#include "version.h"
#include "wire.h"

#define RETRY_SUFFIX ".retry"
#define SIGNAL_MODE  0644
#define WHY_MAX      2048 /* why a signal is refused */
#define CLOCK_SLACK  0.01 /* seconds: a report's time is cut to milliseconds, a file's to ticks */

#define CHANNEL_NAME(symbol, name) name,
static const char *const channels[] = {WIRE_CHANNELS(CHANNEL_NAME)};

struct announcement {
	const char *channel;
	struct version current;
	char available[VERSION_MAX];
};

/* Opens the signal file's directory and gives the file's name. -1: told on stderr. */
static int
open_signal_dir(const struct conf *c, char name[CONF_TEXT_MAX])
{
	char path[CONF_TEXT_MAX];
	int dir;

	conf_split_path(c->signal, path, name);
	dir = file_open_dir(AT_FDCWD, path);
	if (dir == -1)
		fprintf(stderr, "moult: %s: %s\n", path, strerror(errno));
	return dir;
}

static void
say_who_acts(const struct conf *c)
{
	struct report r;

	if (report_load(c, &r) == 0 && !r.running)
		puts("No monitor runs now: the next one acts on it.");
	report_clear(&r);
}

/* ---- retry ---- */

/* Whether the monitor has refused this very signal; a file that came later is another one. */
static bool
is_refused(const struct report *r, const struct stat *st)
{
	double changed = (double)st->st_ctim.tv_sec + (double)st->st_ctim.tv_nsec / 1e9;

	return strcmp(report_text(r, "reason"), "signal_invalid") == 0 &&
	       changed <= report_number(r, "timestamp") + CLOCK_SLACK;
}

static void
say_refused(const struct conf *c, const struct report *r)
{
	const char *error = report_text(r, "error"), *words = strstr(error, ": ");
	char why[WHY_MAX];

	words = words != NULL ? words + 2 : "the signal file is refused"; /* behind the step */
	text_escape(why, sizeof(why), words, strlen(words));
	fprintf(stderr,
	    "moult: %s: %s\n"
	    "moult: nothing can be retried; a new signal file must be written, by the watcher or "
	    "by `moult signal`\n",
	    c->signal, why);
}

static int
ask_for_retry(const struct conf *c, const struct report *r)
{
	char name[CONF_TEXT_MAX], retry[CONF_TEXT_MAX + sizeof(RETRY_SUFFIX)];
	int dir = open_signal_dir(c, name), status = EX_OK;
	struct stat st;

	if (dir == -1)
		return EX_NOINPUT;
	snprintf(retry, sizeof(retry), "%s" RETRY_SUFFIX, name);
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == -1) {
		fprintf(stderr, "moult: no update is announced, nothing to retry: %s: %s\n",
		    c->signal, strerror(errno));
		status = EX_NOINPUT;
	} else if (is_refused(r, &st)) {
		say_refused(c, r);
		status = EX_DATAERR;
	} else if (file_replace_volatile(dir, retry, "", 0, SIGNAL_MODE) == -1) {
		fprintf(stderr, "moult: %s" RETRY_SUFFIX ": %s\n", c->signal, strerror(errno));
		status = EX_CANTCREAT;
	}
	close(dir);
	return status;
}

int
retry_command(const struct cli_command *self, int argc, char *argv[])
{
	struct cli_options o;
	struct report r;
	struct conf c;
	int status = cli_parse(self, argc, argv, &o);

	if (status != CLI_GO_ON)
		return status;
	if (optind != argc)
		return cli_usage(self, "takes no operands");
	if ((status = cli_config(o.config, &c)) != 0)
		return status;
	(void)report_load(&c, &r); /* why not was told; the request is made without it */
	if ((status = ask_for_retry(&c, &r)) == EX_OK && r.running)
		puts("The announced update is tried again now.");
	else if (status == EX_OK)
		puts("The announced update is tried when the monitor runs; none is seen to run.");
	report_clear(&r);
	return status;
}

/* ---- signal ---- */

static const char *
find_channel(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(channels) / sizeof(channels[0]); i++)
		if (strcmp(name, channels[i]) == 0)
			return channels[i];
	return NULL;
}

/* What runs now: as told, else as last reported. Returns 0, or a status with the reason told. */
static int
find_current(const struct conf *c, const char *told, struct version *current)
{
	struct report r;
	const char *text;
	int parsed;

	if (told != NULL) {
		if (version_parse(current, told) == 0)
			return EX_OK;
		fprintf(stderr, "moult: --current: not a semantic version: %s\n", told);
		return EX_DATAERR;
	}
	if (report_load(c, &r) == -1) {
		report_clear(&r);
		return EX_NOINPUT;
	}
	text = report_text(&r, "version");
	if (text[0] == '\0') /* a failed update: what it was to lead away from */
		text = report_text(&r, "from");
	parsed = version_parse(current, text);
	report_clear(&r);
	if (parsed == 0)
		return EX_OK;
	fprintf(stderr, "moult: the deployed version is not known; say it with --current=V\n");
	return EX_NOINPUT;
}

/* Returns 0, or a status with the reason told. */
static int
read_operands(
    const struct conf *c, const struct cli_options *o, const char *wanted, struct announcement *a)
{
	struct version v;
	int status;

	a->channel = find_channel(o->channel != NULL ? o->channel : "stable");
	if (a->channel == NULL) {
		fprintf(stderr, "moult: no such channel: %s\n", o->channel);
		return EX_USAGE;
	}
	if ((status = find_current(c, o->current, &a->current)) != EX_OK)
		return status;
	if (strcmp(a->channel, "alpha") == 0 && text_is_object_id(wanted)) {
		snprintf(a->available, sizeof(a->available), "%s", wanted);
		return EX_OK;
	}
	if (version_parse(&v, wanted) == -1) {
		fprintf(stderr, "moult: not a semantic version: %s\n", wanted);
		return EX_DATAERR;
	}
	if (version_compare(&v, &a->current) <= 0) {
		fprintf(stderr, "moult: %s is not newer than %s\n", v.text, a->current.text);
		return EX_DATAERR;
	}
	snprintf(a->available, sizeof(a->available), "%s", v.text);
	return EX_OK;
}

static int
write_signal(const struct conf *c, const struct announcement *a)
{
	char text[3 * VERSION_MAX], name[CONF_TEXT_MAX];
	int dir, len, status = EX_OK;

	/* No character of a version, an object id or a channel needs escaping in JSON. */
	len = snprintf(text, sizeof(text),
	    "{\"current\":\"%s\",\"available\":\"%s\",\"channel\":\"%s\"}\n", a->current.text,
	    a->available, a->channel);
	if ((dir = open_signal_dir(c, name)) == -1)
		return EX_CANTCREAT;
	if (file_replace(dir, name, text, (size_t)len, SIGNAL_MODE) == -1) {
		fprintf(stderr, "moult: %s: %s\n", c->signal, strerror(errno));
		status = EX_CANTCREAT;
	}
	close(dir);
	return status;
}

int
signal_command(const struct cli_command *self, int argc, char *argv[])
{
	struct cli_options o;
	struct announcement a;
	struct conf c;
	int status = cli_parse(self, argc, argv, &o);

	if (status != CLI_GO_ON)
		return status;
	if (optind + 1 != argc)
		return cli_usage(self, "takes one version");
	if ((status = cli_config(o.config, &c)) != 0)
		return status;
	if ((status = read_operands(&c, &o, argv[optind], &a)) != EX_OK)
		return status;
	if ((status = write_signal(&c, &a)) != EX_OK)
		return status;
	printf(
	    "Announced %s on %s, from %s: %s\n", a.available, a.channel, a.current.text, c.signal);
	say_who_acts(&c);
	return EX_OK;
}
