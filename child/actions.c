/*
 * actions.c - what the executor does in each filled cell of its table.
 *
 * room: executor.
 * distrusts: the request, which is weighed against the journal and the signal file itself.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "executor.h"
#include "log.h"
#include "text.h"

#define KILL_AGAIN_MS 1000 /* a process in the kernel dies when its call returns */

/* Begins the present task; a new step is journaled and reported before anything of it is done. */
static enum exe_event
task_begin(struct exe *e)
{
	const struct task *task = plan_task(e->run.task);

	/* The monitor's patience is for one report, ours for one program: one goes with the other.
	 */
	if (task->step == e->run.step)
		report_step(e, false);
	else {
		e->run.step = task->step;
		e->run.percent = 0;
		e->run.tail_len = 0;
		e->run.denial_count = 0;
		e->run.step_ms = clock_monotonic_ms();
		e->journal.state.step = task->step;
		if (journal_save(&e->journal) == -1)
			return run_broke(e, REASON_SYSTEM, "journal: %s", strerror(errno));
		report_step(e, true);
	}
	return task->begin(e);
}

static void
step_log(struct exe *e, const char *result)
{
	int64_t took = clock_monotonic_ms() - e->run.step_ms;

	e->run.took_ms[e->run.step] += took;
	log_info("run=%s step=%s result=%s ms=%lld", e->journal.state.run,
	    wire_step_name(e->run.step), result, (long long)took);
}

/* False when the answer is "not now": said so to the monitor. */
static bool
weigh_failed(struct exe *e)
{
	const struct journal_state *s = &e->journal.state;
	struct file_identity last;
	uint32_t wait_ms;

	journal_get_signal(s, &last);
	if (s->phase != PHASE_FAILED || e->request.retry == 1 ||
	    memcmp(last.sha256, e->request.signal.sha256, sizeof(last.sha256)) != 0)
		return true;
	wait_ms = retry_wait_ms(e);
	if (s->held == 0 && wait_ms == 0)
		return true;
	report_failure(e, REP_HELD, wait_ms);
	return false;
}

/* The same wish once more, from a watcher that did not see it fulfilled. */
static bool
is_fulfilled(const struct exe *e)
{
	const struct journal_state *s = &e->journal.state;

	return s->phase == PHASE_DEPLOYED && e->request.channel == s->channel &&
	       strcmp(e->request.current, s->from) == 0 &&
	       strcmp(e->request.available, s->available) == 0;
}

enum exe_event
exe_weigh(struct exe *e)
{
	run_release(e);
	e->run.signal_fd = announcement_hold(e, &e->request.signal);
	/* The monitor's word for what a person wishes is not enough to lift a hold. */
	if (e->request.retry == 1 && !announcement_wants_retry(e))
		e->request.retry = 0;
	if (e->run.signal_fd != -1 && !is_fulfilled(e)) {
		if (weigh_failed(e))
			return ON_ACCEPTED;
		run_release(e);
		return ON_REFUSED;
	}
	if (e->run.signal_fd != -1) {
		log_info("the signal announces %s once more, which is deployed; it is taken away",
		    e->request.available);
		if (announcement_take(e, &e->request.signal) == -1)
			log_warn("the signal file could not be removed");
	}
	run_release(e);
	report_plain(e, REP_CHANGED);
	return ON_REFUSED;
}

static void
run_name(const struct exe *e, char name[WIRE_RUN_MAX])
{
	time_t now = time(NULL);
	struct tm tm;
	size_t n;

	if (gmtime_r(&now, &tm) == NULL)
		bug("gmtime_r");
	n = strftime(name, WIRE_RUN_MAX, "%Y%m%dT%H%M%SZ", &tm);
	snprintf(name + n, WIRE_RUN_MAX - n, "-%04x", (unsigned int)(e->journal.number & 0xffff));
}

/* What the next run starts from, kept from the last one where that did not finish. model: begin */
static void
state_begin(struct exe *e)
{
	struct journal_state *s = &e->journal.state, fresh;
	struct file_identity last;

	journal_get_signal(s, &last);
	memset(&fresh, 0, sizeof(fresh));
	if (s->phase != PHASE_OWED && s->phase != PHASE_DEPLOYED) { /* not after a success */
		if (memcmp(last.sha256, e->request.signal.sha256, sizeof(last.sha256)) == 0)
			fresh.attempt = s->attempt;
		if (strcmp(s->available, e->request.available) == 0)
			fresh.interruptions = s->interruptions;
	}
	if (e->request.retry == 1) /* somebody has looked at it: all counting begins anew */
		fresh.attempt = fresh.interruptions = 0;
	fresh.attempt++;
	fresh.phase = PHASE_RUNNING;
	fresh.channel = e->request.channel;
	run_name(e, fresh.run);
	snprintf(fresh.base, sizeof(fresh.base), "%s", s->base);
	snprintf(fresh.base_commit, sizeof(fresh.base_commit), "%s", s->base_commit);
	snprintf(fresh.base_target, sizeof(fresh.base_target), "%s", s->base_target);
	snprintf(fresh.halfway, sizeof(fresh.halfway), "%s", s->halfway);
	memcpy(fresh.boot, e->boot_id, sizeof(fresh.boot));
	snprintf(fresh.installed, sizeof(fresh.installed), "%s", s->installed);
	snprintf(fresh.installed_commit, sizeof(fresh.installed_commit), "%s", s->installed_commit);
	/* A watcher that reads the tree of an unfinished update tells its version, not the
	 * installed one: the gap begins where that update began. */
	snprintf(fresh.from, sizeof(fresh.from), "%s",
	    s->base[0] != '\0' ? s->base : e->request.current);
	snprintf(fresh.available, sizeof(fresh.available), "%s", e->request.available);
	snprintf(fresh.to, sizeof(fresh.to), "%s", e->request.available);
	journal_set_signal(&fresh, &e->request.signal);
	*s = fresh;
}

enum exe_event
exe_begin(struct exe *e)
{
	state_begin(e);
	e->run.began_ms = clock_monotonic_ms();
	log_info("run=%s begins: channel=%s from=%s to=%s attempt=%u", e->journal.state.run,
	    wire_channel_name((uint32_t)e->journal.state.channel), e->journal.state.from,
	    e->journal.state.to, (unsigned int)e->journal.state.attempt);
	return task_begin(e);
}

enum exe_event
exe_advance(struct exe *e)
{
	const struct task *done = plan_task(e->run.task), *next = plan_task(e->run.task + 1);

	if (next == NULL || next->step != done->step)
		step_log(e, "ok");
	if (next == NULL)
		return ON_COMMITTED;
	e->run.task++;
	return task_begin(e);
}

enum exe_event
exe_repeat(struct exe *e)
{
	return task_begin(e);
}

enum exe_event
exe_watch(struct exe *e)
{
	e->asked_ms = e->heard_ms = clock_monotonic_ms();
	e->ending = 0;
	e->dialog_broke = false;
	return ON_NONE;
}

enum exe_event
exe_hear(struct exe *e)
{
	e->asked_ms = clock_monotonic_ms();
	return migrate_heard(e);
}

/* Ends whatever the step has left: TERM, and KILL when the grace is over. */
static enum exe_event
end_tree(struct exe *e)
{
	if (e->child.ask_fd != -1) {
		close(e->child.ask_fd);
		e->child.ask_fd = -1;
	}
	if (!tree_reap(&e->child))
		return ON_EMPTY;
	e->ending = SIGTERM;
	e->grace_ms = clock_monotonic_ms() + EXE_GRACE_MS;
	tree_signal(SIGTERM, e->scope_kill);
	return ON_NONE;
}

enum exe_event
exe_clear(struct exe *e)
{
	enum exe_event next = end_tree(e);

	e->dialog_broke = e->event == ON_BROKE;
	if (next == ON_NONE && e->event == ON_EXIT)
		log_warnx("run=%s step=%s: the step left processes behind; they are ended",
		    e->journal.state.run, wire_step_name(e->run.step));
	return next;
}

enum exe_event
exe_cut(struct exe *e)
{
	if (clock_monotonic_ms() - e->asked_ms >= (int64_t)e->command.limit_s * 1000)
		e->child.timed_out = true;
	else
		e->child.silent = true;
	return end_tree(e);
}

enum exe_event
exe_kill(struct exe *e)
{
	if (e->ending == SIGTERM)
		log_warnx("run=%s step=%s: still alive %d ms after TERM; killing",
		    e->journal.state.run, wire_step_name(e->run.step), EXE_GRACE_MS);
	e->ending = SIGKILL;
	e->grace_ms = clock_monotonic_ms() + KILL_AGAIN_MS;
	tree_signal(SIGKILL, e->scope_kill);
	return ON_NONE;
}

enum exe_event
exe_judge(struct exe *e)
{
	(void)output_read(e); /* what was printed last; no writer is left */
	spawn_release(&e->child);
	if (e->dialog_broke)
		return ON_BROKE;
	return plan_task(e->run.task)->end(e);
}

/* What changed nothing is tried again; what may have changed something waits for a person. */
static bool
must_hold(const struct run *run)
{
	return run->step >= STEP_MIGRATE || run->reason == REASON_NOT_NEWER ||
	       run->reason == REASON_VERSION_UNKNOWN;
}

/*
 * An end in order behind the checkout: what differs from now on was edited, and is not ours. But
 * only once the checkout is on the disk: a power cut would leave it half-written.
 */
static void
tree_is_whole(struct exe *e)
{
	if (e->run.step <= STEP_CHECKOUT)
		return;
	if (syncfs(e->repo_fd) == 0)
		e->journal.state.halfway[0] = '\0';
	else
		log_warn("%s could not be synced", e->conf.repo);
}

enum exe_event
exe_fail(struct exe *e)
{
	struct journal_state *s = &e->journal.state;

	step_log(e, wire_reason_name(e->run.reason));
	denial_explain(e);
	s->phase = PHASE_FAILED;
	s->reason = e->run.reason;
	s->held = must_hold(&e->run);
	tree_is_whole(e);
	snprintf(s->detail, sizeof(s->detail), "%s", e->run.detail);
	retry_note_failure(e);
	/* What was applied before the failure is to be seen by other runners too; the journal
	 * holds it in any case. */
	if (s->step == STEP_MIGRATE && s->reason != REASON_STATE_DAMAGED && applied_save(e) == -1)
		log_warn("migration_state.json");
	/* Not written: the next start finds the run unfinished, which is true as well. */
	if (journal_save(&e->journal) == -1)
		log_warn("run=%s: the failure could not be journaled", s->run);
	log_warnx("run=%s failed: step=%s reason=%s: %s", s->run, wire_step_name(e->run.step),
	    wire_reason_name(e->run.reason), s->detail);
	history_append(e, "failed");
	announcement_clear_retry(e);
	report_failure(e, REP_FAILED, retry_wait_ms(e));
	run_release(e);
	return ON_NONE;
}

enum exe_event
exe_done(struct exe *e)
{
	log_info("run=%s committed: %s is installed, the restart is owed", e->journal.state.run,
	    e->journal.state.to);
	history_append(e, "installed");
	report_update(e, REP_DONE);
	run_release(e);
	return ON_NONE;
}

enum exe_event
exe_abort(struct exe *e)
{
	e->cause = e->event;
	log_warnx("run=%s step=%s: ended in the middle: %s", e->journal.state.run,
	    wire_step_name(e->run.step),
	    e->cause == ON_EOF ? "the monitor is gone" : "asked to stop");
	return end_tree(e);
}

/* Asked to stop, the run is ended; with the monitor lost it stays unfinished: an interruption. */
enum exe_event
exe_leave(struct exe *e)
{
	struct journal_state *s = &e->journal.state;

	if (e->cause == ON_NONE)
		e->cause = e->event;
	if (s->phase == PHASE_RUNNING && e->cause != ON_EOF) {
		s->phase = PHASE_STOPPED;
		s->reason = REASON_STOPPED;
		tree_is_whole(e);
		if (journal_save(&e->journal) == -1)
			log_warn("run=%s: the stop could not be journaled", s->run);
		history_append(e, "stopped");
	}
	if (e->cause == ON_STOP)
		report_plain(e, REP_STOPPED);
	run_release(e);
	journal_close(&e->journal);
	exit(0);
}
