/*
 * run.c - what all steps of a run share: starting a program, judging it, saying why the run fails.
 *
 * room: executor.
 * distrusts: the programs: how they ended, and what git's status prints.
 */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "domain.h"
#include "executor.h"
#include "log.h"
#include "text.h"

void
run_release_gap(struct run *run)
{
	for (size_t i = 0; i < run->gap_count; i++)
		free(run->gap[i]);
	free(run->gap);
	run->gap = NULL;
	run->gap_count = run->gap_next = 0;
}

void
run_release(struct exe *e)
{
	if (e->run.signal_fd != -1)
		close(e->run.signal_fd);
	if (e->run.log_fd != -1)
		close(e->run.log_fd);
	run_release_gap(&e->run);
	run_forget_domains(&e->run);
	run_clear(&e->run);
}

void
run_forget_domains(struct run *run)
{
	for (size_t i = 0; i < PROFILE_END; i++) {
		if (run->ruleset_fd[i] != -1)
			close(run->ruleset_fd[i]);
		run->ruleset_fd[i] = -1;
	}
}

void
run_clear(struct run *run)
{
	memset(run, 0, sizeof(*run));
	run->signal_fd = run->log_fd = -1;
	for (size_t i = 0; i < PROFILE_END; i++)
		run->ruleset_fd[i] = -1;
}

enum exe_event
run_broke(struct exe *e, enum wire_reason reason, const char *fmt, ...)
{
	char text[WIRE_DETAIL_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	text_escape(e->run.detail, sizeof(e->run.detail), text, strlen(text));
	e->run.reason = reason;
	return ON_BROKE;
}

bool
run_child_ok(const struct exe *e)
{
	return e->child.exited && e->child.status == 0 && !e->child.timed_out && !e->child.silent;
}

int
run_child_status(const struct exe *e)
{
	if (!e->child.exited || e->child.timed_out || e->child.silent)
		return -1;
	return e->child.status < 0 ? -1 : e->child.status;
}

enum exe_event
run_broke_by_child(struct exe *e, enum wire_reason reason, const char *what)
{
	const struct child *c = &e->child;

	if (c->timed_out)
		return run_broke(e, REASON_TIME_LIMIT, "%s: past %u s", what, e->command.limit_s);
	if (c->silent)
		return run_broke(
		    e, REASON_SILENCE_LIMIT, "%s: no output for %u s", what, e->command.silence_s);
	if (c->status == -SIGSYS)
		return run_broke(e, REASON_POLICY, "%s: a system call outside its table", what);
	if (c->status < 0)
		return run_broke(e, reason, "%s: killed by signal %d (%s)", what, -c->status,
		    strsignal(-c->status));
	return run_broke(e, reason, "%s: exit status %d", what, c->status);
}

/* A program of the project's own that cannot be started has failed; one of ours is the system's. */
static enum wire_reason
unstartable(enum wire_step step)
{
	if (step == STEP_MIGRATE)
		return REASON_MIGRATION_FAILED;
	return step == STEP_INSTALL ? REASON_INSTALL_FAILED : REASON_SYSTEM;
}

enum exe_event
run_spawn(struct exe *e)
{
	const int start[] = {
	    [START_REPO] = e->repo_fd, [START_STATE] = e->state_fd, [START_ROOT] = e->root_fd};
	const struct command *c = &e->command;
	struct ground ground = {&e->filters, -1, start[c->start], e->lock_fd};
	int *ruleset_fd = &e->run.ruleset_fd[c->profile];
	char where[DOMAIN_PATH_MAX];
	const char *stage;

	/* One for all programs of a profile in a run: its places do not change. */
	if (*ruleset_fd == -1 && domain_step(e, c->profile, c->network, ruleset_fd, where) == -1)
		return run_broke(
		    e, REASON_SYSTEM, "cannot confine the step: %s: %s", where, strerror(errno));
	ground.ruleset_fd = *ruleset_fd;
	if (spawn(&e->child, c, &ground, &stage) == 0)
		return ON_SPAWNED;
	return run_broke(e, strcmp(stage, "execve") == 0 ? unstartable(e->run.step) : REASON_SYSTEM,
	    "cannot run %s: %s: %s", c->argv[0], stage, strerror(errno));
}

/* The path of an entry "1 XY sub mH mI mW hH hI path", or of an unmerged one with 10 fields. */
static const char *
entry_path(const char *entry)
{
	int fields = entry[0] == 'u' ? 10 : 8;

	while (fields-- > 0 && entry != NULL)
		if ((entry = strchr(entry, ' ')) != NULL)
			entry++;
	return entry;
}

/* Reads `git status --porcelain=v2 --branch -z`: HEAD, and the edited files with their names. */
bool
run_read_status(struct exe *e, char head[WIRE_OID_MAX], char *names, size_t names_size)
{
	static const char oid[] = "# branch.oid ";
	char *at = e->child.out, *end = at + e->child.out_len, *nul;
	size_t used = 0;

	e->run.dirty = 0;
	head[0] = names[0] = '\0';
	for (; at < end && (nul = memchr(at, '\0', (size_t)(end - at))) != NULL; at = nul + 1) {
		const char *path;

		if (strncmp(at, oid, sizeof(oid) - 1) == 0)
			snprintf(head, WIRE_OID_MAX, "%.64s", at + sizeof(oid) - 1);
		if (at[0] == '#' || (path = entry_path(at)) == NULL)
			continue;
		if (e->run.dirty++ < EXE_NAMES_MAX && used < names_size)
			used += (size_t)snprintf(
			    names + used, names_size - used, "%s%s", used == 0 ? "" : ", ", path);
	}
	return text_is_object_id(head);
}

bool
run_read_id(const struct child *c, char id[WIRE_OID_MAX])
{
	size_t len = 0;

	while (len < c->out_len && len < WIRE_OID_MAX - 1 && c->out[len] > ' ')
		len++;
	memcpy(id, c->out, len);
	id[len] = '\0';
	return text_is_object_id(id);
}
