/*
 * output.c - what steps print: kept in log/RUN.log, bounded; its end for the report.
 *
 * room: executor.
 * distrusts: every byte, and its amount: a flood is drained and dropped behind the bound.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "executor.h"
#include "log.h"

#define READ_BYTES    65536
#define READS_MAX     64         /* of one descriptor, before the others have their turn */
#define LOG_BYTES_MAX (8u << 20) /* of one run's file */
#define LOGS_KEPT     20
#define NAME_SUFFIX   ".log"

static int
newest_first(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*b)->d_name, (*a)->d_name);
}

static int
is_log(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name);

	return len > sizeof(NAME_SUFFIX) - 1 && isdigit((unsigned char)entry->d_name[0]) &&
	       strcmp(entry->d_name + len - (sizeof(NAME_SUFFIX) - 1), NAME_SUFFIX) == 0;
}

/* Names begin with the time, so that their order is their age. */
static void
prune(struct exe *e)
{
	struct dirent **list;
	int n = scandirat(e->log_dir_fd, ".", &list, is_log, newest_first);

	if (n == -1) {
		log_warn("log/");
		return;
	}
	for (int i = 0; i < n; i++) {
		if (i >= LOGS_KEPT && unlinkat(e->log_dir_fd, list[i]->d_name, 0) == -1)
			log_warn("log/%s", list[i]->d_name);
		free(list[i]);
	}
	free(list);
}

int
output_open(struct exe *e)
{
	char name[WIRE_RUN_MAX + sizeof(NAME_SUFFIX)];

	snprintf(name, sizeof(name), "%s%s", e->journal.state.run, NAME_SUFFIX);
	e->run.log_fd = openat(
	    e->log_dir_fd, name, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0640);
	if (e->run.log_fd == -1)
		return -1;
	prune(e);
	return 0;
}

static void
log_write(struct run *run, const char *data, size_t len)
{
	static const char cut[] = "\n[moult: the rest of the output is not kept]\n";

	if (run->log_fd == -1 || run->log_bytes >= LOG_BYTES_MAX)
		return;
	if (len > LOG_BYTES_MAX - run->log_bytes)
		len = (size_t)(LOG_BYTES_MAX - run->log_bytes);
	/* A full disk must not stop a step that may be freeing space. */
	if (file_write_all(run->log_fd, data, len) == -1) {
		log_warn("the run's log");
		close(run->log_fd);
		run->log_fd = -1;
		return;
	}
	run->log_bytes += len;
	if (run->log_bytes >= LOG_BYTES_MAX)
		(void)file_write_all(run->log_fd, cut, sizeof(cut) - 1); /* said or not: the same */
}

static void
tail_keep(struct run *run, const char *data, size_t len)
{
	size_t spare = sizeof(run->tail) - run->tail_len;

	if (len >= sizeof(run->tail)) {
		data += len - sizeof(run->tail);
		len = sizeof(run->tail);
		run->tail_len = 0;
	} else if (len > spare) {
		memmove(run->tail, run->tail + (len - spare), run->tail_len - (len - spare));
		run->tail_len -= len - spare;
	}
	memcpy(run->tail + run->tail_len, data, len);
	run->tail_len += len;
}

/* git prints "Receiving objects:  45% (...)" and later "Resolving deltas: ...": 0-80 and 80-100. */
static void
progress_scan(struct exe *e, const char *data, size_t len)
{
	const char *sign = memrchr(data, '%', len);
	const char *digit = sign, *word;
	uint32_t percent;

	if (sign == NULL)
		return;
	while (digit > data && isdigit((unsigned char)digit[-1]) && sign - digit < 3)
		digit--;
	if (digit == sign)
		return;
	percent = (uint32_t)strtoul(digit, NULL, 10);
	word = memrchr(data, 'R', (size_t)(digit - data));
	if (percent > 100 || word == NULL)
		return;
	if (digit - word > 10 && strncmp(word, "Receiving", 9) == 0)
		percent = percent * 80 / 100;
	else if (digit - word > 10 && strncmp(word, "Resolving", 9) == 0)
		percent = 80 + percent / 5;
	else
		return;
	if (percent <= e->run.percent || percent > 100)
		return;
	e->run.percent = percent;
	report_step(e, false);
}

static void
out_keep(struct child *c, const char *data, size_t len)
{
	if (len > sizeof(c->out) - c->out_len) {
		len = sizeof(c->out) - c->out_len;
		c->out_cut = true;
	}
	memcpy(c->out + c->out_len, data, len);
	c->out_len += len;
}

/* Reads one descriptor until it has no more, or has had its turn. Closes it at its end. */
static void
drain(struct exe *e, int *fd, bool is_log)
{
	char data[READ_BYTES + 1];

	for (int i = 0; *fd != -1 && i < READS_MAX; i++) {
		ssize_t n = read(*fd, data, READ_BYTES);

		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1 && errno == EAGAIN)
			return;
		if (n <= 0) {
			close(*fd);
			*fd = -1;
			return;
		}
		data[n] = '\0';
		e->heard_ms = clock_monotonic_ms();
		if (!is_log) {
			out_keep(&e->child, data, (size_t)n);
			continue;
		}
		log_write(&e->run, data, (size_t)n);
		tail_keep(&e->run, data, (size_t)n);
		if (e->command.progress)
			progress_scan(e, data, (size_t)n);
	}
}

bool
output_read(struct exe *e)
{
	drain(e, &e->child.log_fd, true);
	drain(e, &e->child.out_fd, false);
	return e->command.dialog && memchr(e->child.out, '\n', e->child.out_len) != NULL;
}
