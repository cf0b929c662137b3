/*
 * history.c - history.jsonl: one line of JSON for each run that ended.
 *
 * room: executor.
 * distrusts: the file's end, which a power cut may have torn.
 */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "executor.h"
#include "log.h"

#define NAME      "history.jsonl"
#define OLD       "history.jsonl.1"
#define BYTES_MAX (1 << 20) /* then it becomes OLD */

static void
add_text(json_t *line, const char *key, const char *value)
{
	if (value[0] != '\0')
		json_object_set_new(line, key, json_string(value));
}

static json_t *
durations(const struct run *run)
{
	json_t *steps = json_object();

	for (uint32_t step = STEP_NONE + 1; step < STEP_END; step++)
		if (run->took_ms[step] > 0)
			json_object_set_new(
			    steps, wire_step_name(step), json_integer(run->took_ms[step]));
	return steps;
}

static json_t *
line_make(const struct exe *e, const char *result)
{
	const struct journal_state *s = &e->journal.state;
	json_t *line = json_object();
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	json_object_set_new(
	    line, "timestamp", json_real((double)now.tv_sec + (double)now.tv_nsec / 1e9));
	add_text(line, "run", s->run);
	add_text(line, "result", result);
	add_text(line, "channel", wire_channel_name((uint32_t)s->channel));
	add_text(line, "from", s->from);
	add_text(line, "to", s->to);
	add_text(line, "commit", s->commit);
	add_text(line, "previous_commit", s->previous);
	add_text(line, "key", s->key);
	json_object_set_new(line, "attempt", json_integer((json_int_t)s->attempt));
	if (s->reason != REASON_NONE) {
		add_text(line, "step", wire_step_name((uint32_t)s->step));
		add_text(line, "reason", wire_reason_name((uint32_t)s->reason));
		add_text(line, "detail", s->detail);
	}
	if (e->run.began_ms != 0) {
		json_object_set_new(
		    line, "duration_ms", json_integer(clock_monotonic_ms() - e->run.began_ms));
		json_object_set_new(line, "steps_ms", durations(&e->run));
	}
	return line;
}

/* A torn line keeps to itself: the next one begins on a line of its own. */
static int
file_open(const struct exe *e)
{
	char last = '\n';
	struct stat st;
	int fd =
	    openat(e->state_fd, NAME, O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644);

	if (fd == -1)
		return -1;
	if (fstat(fd, &st) == 0 && st.st_size > 0 && pread(fd, &last, 1, st.st_size - 1) == 1 &&
	    last != '\n' && file_write_all(fd, "\n", 1) == -1)
		log_warn(NAME);
	if (st.st_size > BYTES_MAX && renameat(e->state_fd, NAME, e->state_fd, OLD) == -1)
		log_warn(NAME);
	return fd;
}

/* The journal is the truth; a line that is lost here is said and costs nothing more. */
void
history_append(struct exe *e, const char *result)
{
	json_t *line = line_make(e, result);
	char *text = json_dumps(line, JSON_COMPACT | JSON_ENSURE_ASCII);
	size_t len = text != NULL ? strlen(text) : 0;
	int fd = file_open(e);

	if (text == NULL || fd == -1) {
		log_warn(NAME);
	} else {
		text[len] = '\n'; /* in the place of the NUL: one write, one line */
		if (file_write_all(fd, text, len + 1) == -1)
			log_warn(NAME);
	}
	if (fd != -1)
		close(fd);
	free(text);
	json_decref(line);
}
