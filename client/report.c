/*
 * report.c - reads the status that the monitor left, and whether that monitor still lives.
 *
 * room: client: a person's shell; reads, nothing else.
 * distrusts: status.json: its size, its syntax and its types.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client.h"
#include "file.h"

#define REPORT_FILE_MAX 65536 /* the monitor's longest is about 12 KiB */
#define PROC_STAT_MAX   1024
#define PROC_START_TIME 22 /* field of /proc/PID/stat, see proc(5) */

/* The field behind the name, which may itself hold blanks and parentheses. */
static const char *
stat_field(const char *stat, int number)
{
	const char *at = strrchr(stat, ')');
	int field = 2;

	while (at != NULL && field < number) {
		at = strchr(at, ' ');
		if (at != NULL)
			at++;
		field++;
	}
	return at;
}

/* A pid alone is reused; with its start time it is one process only. */
static bool
is_alive(intmax_t pid, uintmax_t start)
{
	char path[64], stat[PROC_STAT_MAX];
	const char *state, *ticks;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%jd/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd == -1)
		return false;
	n = read(fd, stat, sizeof(stat) - 1);
	close(fd);
	if (n <= 0)
		return false;
	stat[n] = '\0';
	state = stat_field(stat, 3);
	ticks = stat_field(stat, PROC_START_TIME);
	return state != NULL && ticks != NULL && *state != 'Z' &&
	       strtoumax(ticks, NULL, 10) == start;
}

static int
read_file(const struct conf *c, char **data, size_t *len)
{
	char path[CONF_TEXT_MAX + sizeof("/monitor")];
	int dir, r, err;

	snprintf(path, sizeof(path), "%s/monitor", c->state_dir);
	if ((dir = file_open_dir(AT_FDCWD, path)) == -1)
		return -1;
	r = file_slurp(dir, "status.json", REPORT_FILE_MAX, data, len);
	err = errno;
	close(dir);
	errno = err;
	return r;
}

int
report_load(const struct conf *c, struct report *r)
{
	json_error_t error;
	json_t *pid, *start;
	char *data;
	size_t len;

	*r = (struct report){.json = NULL};
	if (read_file(c, &data, &len) == -1) {
		if (errno == ENOENT)
			return 0;
		fprintf(
		    stderr, "moult: %s/monitor/status.json: %s\n", c->state_dir, strerror(errno));
		return -1;
	}
	r->json = json_loadb(data, len, JSON_REJECT_DUPLICATES, &error);
	free(data);
	if (!json_is_object(r->json)) {
		fprintf(stderr, "moult: %s/monitor/status.json: not a status\n", c->state_dir);
		return -1;
	}
	pid = json_object_get(r->json, "pid");
	start = json_object_get(r->json, "pid_start");
	if (json_is_integer(pid) && json_integer_value(pid) > 0 && json_is_integer(start))
		r->running = is_alive(
		    (intmax_t)json_integer_value(pid), (uintmax_t)json_integer_value(start));
	return 0;
}

void
report_clear(struct report *r)
{
	json_decref(r->json);
	r->json = NULL;
}

const char *
report_text(const struct report *r, const char *key)
{
	const char *text = json_string_value(json_object_get(r->json, key));

	return text != NULL ? text : "";
}

double
report_number(const struct report *r, const char *key)
{
	return json_number_value(json_object_get(r->json, key));
}
