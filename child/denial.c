/*
 * denial.c - what was refused to a step, so that its failure explains itself.
 *
 * room: executor.
 * distrusts: the step: it makes any call with any arguments, as often as it likes, and prints what
 *	it likes. A call is never let through here, only answered with its row's error.
 *
 * Refused calls wait at the listener for their error; a step to which nothing is refused pays
 * nothing. Landlock tells nobody. Of files the step's own words are read: where it complains of a
 * path that this user could use and its domain does not grant, the domain it was.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "domain.h"
#include "executor.h"
#include "log.h"
#include "profile.h"
#include "text.h"

#define TEXT_MAX  WIRE_DETAIL_MAX
#define PATHS_MAX 3 /* that one text names */

static void
count_denial(struct run *run, const struct filter_row *row)
{
	size_t i = 0;

	/* One line for a call, whatever bit of its arguments it was. */
	while (i < run->denial_count && (strcmp(run->denials[i].row->call, row->call) != 0 ||
					    strcmp(run->denials[i].row->why, row->why) != 0))
		i++;
	if (i == EXE_DENIALS_MAX)
		return;
	if (i == run->denial_count)
		run->denials[run->denial_count++] = (struct denial){row, 0};
	if (run->denials[i].count < UINT32_MAX)
		run->denials[i].count++;
}

static void
stop_listening(struct child *c)
{
	close(c->notify_fd);
	c->notify_fd = -1;
}

void
denial_hear(struct exe *e, short revents)
{
	struct seccomp_notif call;
	struct seccomp_notif_resp answer;
	const struct filter_row *row;
	uint64_t arguments[6];

	if ((revents & POLLIN) == 0) { /* nobody is left who could call; asking would wait */
		stop_listening(&e->child);
		return;
	}
	memset(&call, 0, sizeof(call));
	if (ioctl(e->child.notify_fd, SECCOMP_IOCTL_NOTIF_RECV, &call) == -1) {
		if (errno != ENOENT && errno != EINTR) /* ENOENT: it was killed meanwhile */
			stop_listening(&e->child);
		return;
	}
	for (size_t i = 0; i < 6; i++)
		arguments[i] = call.data.args[i];
	row = profile_refusal(e->command.network, call.data.nr, arguments);
	memset(&answer, 0, sizeof(answer));
	answer.id = call.id;
	answer.error = row != NULL ? -row->error : -EPERM;
	if (row != NULL)
		count_denial(&e->run, row);
	if (ioctl(e->child.notify_fd, SECCOMP_IOCTL_NOTIF_SEND, &answer) == -1 && errno != ENOENT)
		log_warn("answering a refused call");
}

/* The key that would allow it; "" when none does. */
static const char *
key_for(const struct exe *e, const char *call)
{
	static const char *const calls[] = {"socket", "bind", "listen", "accept", "accept4"};

	if (e->command.network != NETWORK_NONE)
		return "";
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		if (strcmp(call, calls[i]) == 0) {
			if (e->run.step == STEP_MIGRATE)
				return "; [sandbox] migrate_network = yes allows it";
			if (e->run.step == STEP_INSTALL)
				return "; [sandbox] install_network = yes allows it";
		}
	return "";
}

static size_t
add(char text[TEXT_MAX], size_t used, const char *words)
{
	size_t len = strlen(words);

	if (used + len >= TEXT_MAX)
		return used;
	memcpy(text + used, words, len + 1);
	return used + len;
}

/* The steps that run the project's own code. */
static bool
is_projects(const struct exe *e)
{
	return e->run.step == STEP_MIGRATE || e->run.step == STEP_INSTALL;
}

static size_t
add_calls(const struct exe *e, char text[TEXT_MAX], size_t used)
{
	char words[TEXT_MAX];

	/* Of git's steps it is noise: the C library asks caches by sockets that it can do without.
	 */
	for (size_t i = 0; is_projects(e) && i < e->run.denial_count; i++) {
		const struct denial *d = &e->run.denials[i];

		snprintf(words, sizeof(words), "; %s was refused %s(2) %u time%s: %s%s",
		    wire_step_name(e->run.step), d->row->call, (unsigned int)d->count,
		    d->count == 1 ? "" : "s", d->row->why, key_for(e, d->row->call));
		used = add(text, used, words);
	}
	return used;
}

static bool
complains(const char *line)
{
	static const char *const words[] = {
	    "Permission denied", "Operation not permitted", "EACCES", "EPERM", "cross-device link"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strstr(line, words[i]) != NULL)
			return true;
	return false;
}

/* The next word of *at that is a path, cut at what usually stands around one. */
static bool
next_path(const char **at, char path[CONF_TEXT_MAX])
{
	const char *from = strchr(*at, '/');
	size_t len;

	while (from != NULL && from != *at && strchr(" '\"`:=(", from[-1]) == NULL)
		from = strchr(from + 1, '/');
	if (from == NULL)
		return false;
	len = strcspn(from, " '\"`:;,)\t");
	*at = from + len;
	if (len >= CONF_TEXT_MAX)
		return false;
	memcpy(path, from, len);
	path[len] = '\0';
	return true;
}

/* What this user may do with a path, or with the directory that would hold it. */
static bool
user_may(const char *path, int mode)
{
	char dir[CONF_TEXT_MAX], *slash;

	if (faccessat(AT_FDCWD, path, mode, AT_EACCESS) == 0)
		return true;
	if (errno != ENOENT || mode != W_OK)
		return false;
	snprintf(dir, sizeof(dir), "%s", path); /* as long as path */
	slash = strrchr(dir, '/');
	*(slash == dir ? slash + 1 : slash) = '\0';
	return faccessat(AT_FDCWD, dir, W_OK, AT_EACCESS) == 0;
}

/* NULL: it was not the domain that refused the path. */
static const char *
refused_right(const struct exe *e, const char *path)
{
	enum profile p = e->command.profile;

	if (user_may(path, W_OK) && !domain_grants(e, p, path, FILE_WRITE_FILE))
		return "write";
	if (user_may(path, R_OK) && !domain_grants(e, p, path, FILE_READ_FILE))
		return "read";
	if (user_may(path, X_OK) && !domain_grants(e, p, path, FILE_EXECUTE))
		return "execute";
	return NULL;
}

static const char *
file_key(const struct exe *e, const char *right)
{
	if (!is_projects(e))
		return "";
	return right[0] == 'w' ? "; [sandbox] write_paths names what it may write"
			       : "; [sandbox] read_paths names what it may read and execute";
}

/* The last path of a line that the domain refused, and the right that it lacks; NULL: none. */
static const char *
refused_path(const struct exe *e, const char *line, char path[CONF_TEXT_MAX])
{
	const char *at = line, *right = NULL;
	char word[CONF_TEXT_MAX];

	while (next_path(&at, word)) {
		const char *lacks = refused_right(e, word);

		/* "/bin/sh: 1: cannot create /x": in front a program names itself. */
		if (lacks == NULL || (*at == ':' && strncmp(line, word, strlen(word)) == 0))
			continue;
		right = lacks;
		memcpy(path, word, sizeof(word));
	}
	return right;
}

static size_t
add_files(const struct exe *e, char text[TEXT_MAX], size_t used)
{
	char tail[RUN_TAIL_MAX + 1], path[CONF_TEXT_MAX], words[TEXT_MAX], *save = NULL;
	size_t found = 0;

	memcpy(tail, e->run.tail, e->run.tail_len);
	tail[e->run.tail_len] = '\0';
	for (char *line = strtok_r(tail, "\r\n", &save); line != NULL && found < PATHS_MAX;
	     line = strtok_r(NULL, "\r\n", &save)) {
		const char *right = complains(line) ? refused_path(e, line, path) : NULL;

		if (right == NULL)
			continue;
		snprintf(words, sizeof(words), "; %s may not %s %s%s", wire_step_name(e->run.step),
		    right, path, file_key(e, right));
		if (strstr(text, words) == NULL) {
			used = add(text, used, words);
			found++;
		}
	}
	return used;
}

void
denial_explain(struct exe *e)
{
	char text[TEXT_MAX] = "";
	size_t used = 0, detail = strlen(e->run.detail);

	if (e->landlock.files != 0)
		used = add_files(e, text, used);
	used = add_calls(e, text, used);
	text_escape(e->run.detail + detail, sizeof(e->run.detail) - detail, text, used);
}
