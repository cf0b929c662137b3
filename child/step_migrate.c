/*
 * step_migrate.c - the migrations of the gap, each recorded when it is done and not before.
 *
 * room: executor.
 * distrusts: the migrations: their answers are read as a fixed set of words, once per request.
 *
 * Python migrations share one interpreter, which is told one request at a time; other files are
 * programs, called with check and with migrate. Or one external runner has the whole gap.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "executor.h"
#include "log.h"

#define CHECK_PENDING 1 /* exit status of an executable's check: not applied yet */
#define ASK_BYTES     256

static bool
is_external(const struct exe *e)
{
	return e->conf.migrate_command[0] != '\0';
}

static const char *
present(const struct run *run)
{
	return run->gap_next < run->gap_count ? run->gap[run->gap_next] : NULL;
}

enum exe_event
migrate_gap(struct exe *e)
{
	const struct journal_state *s = &e->journal.state;

	if (is_external(e))
		return ON_PASSED;
	if (gap_list(e, s->from, s->to) == -1)
		return ON_BROKE;
	if (applied_subtract(e) == -1)
		return run_broke(e, REASON_STATE_DAMAGED, "%s/migration_state.json: %s",
		    e->conf.state_dir,
		    errno == EINVAL ? "not an object with a list \"applied\"" : strerror(errno));
	log_info("run=%s step=migrate: %zu to apply between %s and %s", s->run, e->run.gap_count,
	    s->from, s->to);
	return ON_PASSED;
}

/* The present migration is applied: durable before the next one begins. model: migration_done */
static enum exe_event
record(struct exe *e, const char *how)
{
	struct run *run = &e->run;

	if (journal_applied(&e->journal, present(run)) == -1)
		return run_broke(e, REASON_SYSTEM, "journal: %s", strerror(errno));
	log_info(
	    "run=%s step=migrate migration=%s result=%s", e->journal.state.run, present(run), how);
	run->gap_next++;
	run->asked_check = false;
	run->percent = (uint32_t)(run->gap_next * 100 / run->gap_count);
	report_step(e, false);
	return ON_AGAIN;
}

/* One line fits the pipe, which is empty: the interpreter has answered all before. */
static enum exe_event
ask(struct exe *e)
{
	char line[ASK_BYTES];
	int n = snprintf(line, sizeof(line), "%s %s\n", e->run.asked_check ? "migrate" : "check",
	    present(&e->run));

	if (n < 0 || (size_t)n >= sizeof(line))
		return run_broke(
		    e, REASON_MIGRATION_INVALID, "%s: its name is too long", present(&e->run));
	e->child.out_len = 0;
	report_step(e, false);
	if (write(e->child.ask_fd, line, (size_t)n) != n)
		return run_broke(
		    e, REASON_MIGRATION_FAILED, "%s: the interpreter is gone", present(&e->run));
	return ON_NONE;
}

enum exe_event
migrate_next(struct exe *e)
{
	const char *name = present(&e->run);
	enum exe_event started;

	if (is_external(e)) {
		command_migrate_gap(e);
		return run_spawn(e);
	}
	if (name == NULL)
		return ON_PASSED;
	if (!gap_is_python(name)) {
		command_migration(e, name, e->run.asked_check ? "migrate" : "check");
		return run_spawn(e);
	}
	command_python(e);
	if ((started = run_spawn(e)) == ON_SPAWNED && ask(e) == ON_BROKE) {
		/* Ended in its turn: it sees no more requests and the exit is judged. */
		close(e->child.ask_fd);
		e->child.ask_fd = -1;
	}
	return started;
}

/* An answer: exactly one line, of a fixed set. */
static enum exe_event
answer_read(struct exe *e)
{
	struct child *c = &e->child;
	const char *name = present(&e->run);
	char *newline = memchr(c->out, '\n', c->out_len);

	if (newline != c->out + c->out_len - 1)
		return run_broke(e, REASON_MIGRATION_FAILED, "%s: it answered out of turn", name);
	*newline = '\0';
	c->out_len = 0;
	if (!e->run.asked_check && strcmp(c->out, "applied") == 0)
		return record(e, "applied-before");
	if (e->run.asked_check && strcmp(c->out, "done") == 0)
		return record(e, "applied");
	if (!e->run.asked_check && strcmp(c->out, "pending") == 0) {
		e->run.asked_check = true;
		return ON_AGAIN;
	}
	return run_broke(e, REASON_MIGRATION_FAILED, "%s: %.400s", name, c->out);
}

enum exe_event
migrate_heard(struct exe *e)
{
	const char *next;

	if (answer_read(e) == ON_BROKE)
		return ON_BROKE;
	next = present(&e->run);
	if (next != NULL && gap_is_python(next))
		return ask(e);
	close(e->child.ask_fd); /* it ends by end of file; what follows is another program */
	e->child.ask_fd = -1;
	return ON_NONE;
}

/* The interpreter has ended: rightly only when nothing was asked of it. */
static enum exe_event
interpreter_ended(struct exe *e)
{
	const char *name = present(&e->run);

	if (name != NULL && gap_is_python(name))
		return run_broke_by_child(e, REASON_MIGRATION_FAILED, name);
	if (!run_child_ok(e))
		return run_broke_by_child(e, REASON_MIGRATION_FAILED, "the interpreter");
	return ON_AGAIN;
}

enum exe_event
migrate_ended(struct exe *e)
{
	int status = run_child_status(e);

	if (is_external(e))
		return run_child_ok(e) ? ON_PASSED
				       : run_broke_by_child(
					     e, REASON_MIGRATION_FAILED, e->conf.migrate_command);
	if (e->command.dialog)
		return interpreter_ended(e);
	if (status == 0)
		return record(e, e->run.asked_check ? "applied" : "applied-before");
	if (status == CHECK_PENDING && !e->run.asked_check) {
		e->run.asked_check = true;
		return ON_AGAIN;
	}
	return run_broke_by_child(e, REASON_MIGRATION_FAILED, present(&e->run));
}

enum exe_event
migrate_save(struct exe *e)
{
	if (applied_save(e) == 0)
		return ON_PASSED;
	return run_broke(e, errno == EINVAL ? REASON_STATE_DAMAGED : REASON_SYSTEM,
	    "%s/migration_state.json: %s", e->conf.state_dir, strerror(errno));
}
