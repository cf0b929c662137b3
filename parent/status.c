/*
 * status.c - the status object: built once, then written to status.json, Redis and libmoult.
 *
 * room: monitor. Its only power to write: state_dir/monitor/status.json.
 * distrusts: the executor's texts, which wire_check() has bounded to printable ASCII; the
 *	status.json of an earlier life.
 *
 * None of the three destinations can fail an update: each failure is told once and forgotten.
 */
#include "monitor.h"

#include <errno.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <bsd/string.h>

#include "log.h"
#include "text.h"

#define STATUS_FILE   "status.json"
#define STATUS_MODE   0644
#define STATUS_DIGITS 16 /* of a time: whole milliseconds print short and exact */

#define WORD_DEPLOYED "deployed"
#define WORD_FAILED   "update_failed"

#define EVENT_MAX 256 /* bytes of a line to libmoult: under PIPE_BUF, so never half there */

#define ERROR_MAX    (WIRE_DETAIL_MAX + 128)
#define ROLLBACK_MAX (4 * CONF_TEXT_MAX + WIRE_OID_MAX + 64)

static double
now_epoch(void)
{
	struct timespec now = {0};

	(void)clock_gettime(CLOCK_REALTIME, &now); /* cannot fail with this clock */
	now.tv_nsec -= now.tv_nsec % 1000000;      /* milliseconds are what anyone can use */
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void
put(json_t *object, const char *key, json_t *value)
{
	if (value == NULL || json_object_set_new(object, key, value) == -1)
		log_warnx("status: no memory for \"%s\"", key);
}

static void
put_text(json_t *object, const char *key, const char *text)
{
	if (text[0] != '\0')
		put(object, key, json_string(text));
}

/* "migrate: a migration failed: 1.1.0/001_name.py: exit 1" */
static void
put_error(json_t *object, const struct mon_status *s)
{
	char text[ERROR_MAX];

	(void)snprintf(text, sizeof(text), "%s: %s%s%s", wire_step_name(s->step),
	    wire_reason_words(s->reason), s->detail[0] != '\0' ? ": " : "", s->detail); /* fits */
	put_text(object, "error", text);
}

/* A path as one word of a shell's command line. */
static void
quote_path(char *dst, size_t size, const char *path)
{
	static const char plain[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/._-+";
	char one[2] = "";

	if (path[strspn(path, plain)] == '\0') {
		(void)strlcpy(dst, path, size); /* the caller's buffer is large enough */
		return;
	}
	(void)strlcpy(dst, "'", size);
	for (; *path != '\0'; path++) {
		one[0] = *path;
		(void)strlcat(dst, *path == '\'' ? "'\\''" : one, size);
	}
	(void)strlcat(dst, "'", size);
}

/* The way back by hand. */
static void
put_rollback(json_t *object, const struct mon *m)
{
	char quoted[4 * CONF_TEXT_MAX], text[ROLLBACK_MAX];

	/* Before the checkout there is nothing to go back from. */
	if (m->status.update.previous[0] == '\0' || m->status.step < STEP_CHECKOUT)
		return;
	quote_path(quoted, sizeof(quoted), m->conf.repo);
	(void)snprintf(text, sizeof(text), "git -C %s checkout --detach %s", quoted,
	    m->status.update.previous); /* fits */
	put_text(object, "rollback", text);
}

static void
put_update(json_t *object, const struct wire_update *u)
{
	if (u->channel != CHANNEL_NONE)
		put_text(object, "channel", wire_channel_name(u->channel));
	put_text(object, "from", u->from);
	put_text(object, "to", u->to);
	put_text(object, "commit", u->commit);
	put_text(object, "previous_commit", u->previous);
	put_text(object, "key", u->key);
	put_text(object, "run", u->run);
	if (u->attempt > 0)
		put(object, "attempt", json_integer(u->attempt));
}

/* Where all that the steps have printed stands. */
static void
put_log(json_t *object, const struct mon *m)
{
	char path[CONF_TEXT_MAX + WIRE_RUN_MAX + 16];

	if (m->status.update.run[0] == '\0')
		return;
	(void)snprintf(path, sizeof(path), "%s/log/%s.log", m->conf.state_dir,
	    m->status.update.run); /* fits */
	put_text(object, "log", path);
}

static void
put_failure(json_t *object, const struct mon *m)
{
	const struct mon_status *s = &m->status;

	put_text(object, "reason", wire_reason_name(s->reason));
	if (s->retry_at > 0)
		put(object, "retry_at", json_real(s->retry_at));
	if (s->held)
		put(object, "held", json_true());
	put_rollback(object, m);
	put_log(object, m);
	put_text(object, "output", s->tail);
}

/* The names of the layers that are missing. */
static void
put_missing(json_t *object, uint32_t missing)
{
	json_t *names = json_array();
	uint32_t layer;

	for (layer = 0; names != NULL && layer < LAYER_END; layer++)
		if ((missing & 1u << layer) != 0)
			(void)json_array_append_new(
			    names, json_string(wire_layer_name(layer))); /* or it is short */
	put(object, "degraded", names);
}

static void
put_process(json_t *object, const struct mon_status *s)
{
	if (s->missing != 0)
		put_missing(object, s->missing);
	put(object, "pid", json_integer(s->pid));
	put(object, "pid_start", json_integer((json_int_t)s->pid_start));
	put_text(object, "moult", MOULT_VERSION);
}

size_t
mon_status_text(const struct mon *m, char text[STATUS_TEXT_MAX])
{
	const struct mon_status *s = &m->status;
	json_t *object = json_object();
	size_t len;

	if (object == NULL)
		return 0;
	put_text(object, "status", s->word);
	put(object, "timestamp", json_real(s->timestamp));
	if (s->reason != REASON_NONE)
		put_error(object, s);
	put_text(object, "computer", m->conf.computer);
	put_update(object, &s->update);
	if (s->step != STEP_NONE) {
		put_text(object, "step", wire_step_name(s->step));
		put(object, "percent", json_integer(s->percent));
	}
	if (s->reason != REASON_NONE)
		put_failure(object, m);
	put_text(object, "version", s->installed);
	put_process(object, s);
	len = json_dumpb(
	    object, text, STATUS_TEXT_MAX - 1, JSON_COMPACT | JSON_REAL_PRECISION(STATUS_DIGITS));
	json_decref(object);
	if (len >= STATUS_TEXT_MAX)
		return 0;
	text[len] = '\0';
	return len;
}

/* The file is told about once for each kind of failure. */
static void
write_file(struct mon *m, const char *text, size_t len)
{
	int error = 0;

	if (file_replace_volatile(m->status_dir_fd, STATUS_FILE, text, len, STATUS_MODE) == -1)
		error = errno;
	if (error != 0 && error != m->status.write_error)
		log_warn("%s/monitor/" STATUS_FILE, m->conf.state_dir);
	m->status.write_error = error;
}

static void __attribute__((format(printf, 2, 3))) tell(struct mon *m, const char *fmt, ...)
{
	char line[EVENT_MAX];
	va_list ap;
	int n;

	if (m->events_fd == -1)
		return;
	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (n > 0 && (size_t)n < sizeof(line))
		(void)!write(m->events_fd, line, (size_t)n); /* full or closed: its reader's loss */
}

void
mon_events_end(struct mon *m, int status)
{
	tell(m, "end %d\n", status);
}

void
mon_status_publish(struct mon *m)
{
	struct mon_status *s = &m->status;
	char text[STATUS_TEXT_MAX];
	size_t len;

	m->due_ms[TIMER_PUBLISH] = MON_NEVER;
	if (s->word == NULL)
		return;
	s->published_ms = clock_monotonic_ms();
	tell(m, "status %s %u %s\n", s->word, s->percent,
	    s->update.to[0] != '\0' ? s->update.to : "-");
	len = mon_status_text(m, text);
	if (len == 0) {
		log_warnx("status: the object does not fit");
		return;
	}
	write_file(m, text, len);
	mon_redis_write(m, text);
}

enum mon_event
mon_timer_publish(struct mon *m)
{
	mon_status_publish(m);
	return ON_NONE;
}

/* A new object: only what belongs to the process stays. */
static struct mon_status *
renew(struct mon *m, const char *word, const struct wire_update *u)
{
	struct mon_status *s = &m->status;

	s->word = word;
	s->timestamp = now_epoch();
	s->update = *u;
	s->step = STEP_NONE;
	s->percent = 0;
	s->reason = REASON_NONE;
	s->detail[0] = s->tail[0] = '\0';
	s->retry_at = 0;
	s->held = false;
	return s;
}

void
mon_status_step(struct mon *m, const struct wire_update *u, uint32_t step, uint32_t percent)
{
	bool same_step = m->status.step == step && m->status.reason == REASON_NONE;
	bool same_news = same_step && m->status.percent == percent;
	struct mon_status *s = renew(m, wire_step_word(step), u);
	int64_t now_ms = clock_monotonic_ms();

	s->step = step;
	s->percent = percent;
	if (same_news)
		return; /* a sign of life, for our limit alone */
	if (same_step && now_ms - s->published_ms < MON_PUBLISH_MS)
		m->due_ms[TIMER_PUBLISH] = s->published_ms + MON_PUBLISH_MS;
	else
		mon_status_publish(m);
}

void
mon_status_failed(struct mon *m, const struct wire_failure *f)
{
	struct mon_status *s = renew(m, WORD_FAILED, &f->update);

	s->step = f->step;
	s->reason = f->reason;
	(void)strlcpy(s->detail, f->detail, sizeof(s->detail)); /* the same size */
	(void)strlcpy(s->tail, f->tail, sizeof(s->tail));       /* the same size */
	if (f->retry_ms > 0)
		s->retry_at = s->timestamp + (double)f->retry_ms / 1000;
	s->held = f->retry_ms == 0;
	mon_status_publish(m);
}

void
mon_status_deployed(struct mon *m, const struct wire_update *u)
{
	(void)strlcpy(m->status.installed, u->to, sizeof(m->status.installed)); /* the same size */
	(void)renew(m, WORD_DEPLOYED, u);
	mon_status_publish(m);
}

void
mon_status_broke(struct mon *m, enum wire_step step, enum wire_reason reason, const char *detail)
{
	struct wire_update none = {0};
	struct mon_status *s;

	/* What was last reported of this run is the best that is known of it. */
	if (m->request.open && m->request.step != STEP_NONE)
		none = m->status.update;
	s = renew(m, WORD_FAILED, &none);
	s->step = step == STEP_NONE ? STEP_CHECK : step;
	s->reason = reason;
	s->held = reason == REASON_SIGNAL_INVALID;
	(void)strlcpy(s->detail, detail, sizeof(s->detail)); /* cut: for people */
	mon_status_publish(m);
}

static bool
is_outcome(json_t *object, const char *computer)
{
	const char *word = json_string_value(json_object_get(object, "status"));
	const char *name = json_string_value(json_object_get(object, "computer"));

	return word != NULL && name != NULL && strcmp(name, computer) == 0 &&
	       (strcmp(word, WORD_DEPLOYED) == 0 || strcmp(word, WORD_FAILED) == 0);
}

/* The object that stands in the file when it is an outcome, else NULL. The caller OWNS it. */
static json_t *
load_outcome(const struct mon *m)
{
	json_t *object;
	char *data;
	size_t len;

	if (file_slurp(m->status_dir_fd, STATUS_FILE, STATUS_TEXT_MAX - 1, &data, &len) == -1)
		return NULL;
	object = json_loadb(data, len, JSON_REJECT_DUPLICATES, NULL);
	free(data);
	if (object != NULL && !is_outcome(object, m->conf.computer)) {
		json_decref(object);
		object = NULL;
	}
	return object;
}

/*
 * The last outcome stands until there is a new one; only the process is another. Redis may have
 * lost it meanwhile. Without one the word is that of a monitor that looks for a signal.
 */
void
mon_status_restore(struct mon *m)
{
	static const struct wire_update none;
	json_t *object = load_outcome(m);
	char text[STATUS_TEXT_MAX];
	size_t len;

	if (object == NULL) {
		(void)renew(m, wire_step_word(STEP_CHECK), &none);
		mon_status_publish(m);
		return;
	}
	(void)json_object_del(object, "degraded"); /* of the earlier process, if at all */
	put_process(object, &m->status);
	len = json_dumpb(object, text, sizeof(text) - 1,
	    JSON_COMPACT | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(STATUS_DIGITS));
	if (len > 0 && len < sizeof(text)) {
		text[len] = '\0';
		write_file(m, text, len);
		mon_redis_write(m, text);
	}
	json_decref(object);
}
