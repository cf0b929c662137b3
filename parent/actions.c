/*
 * actions.c - what the monitor does in each filled cell of its table.
 *
 * room: monitor.
 * distrusts: the executor: what it reports must fit what it was asked, and the steps their order.
 *
 * No action sets the state. The exit with 42 stands in mon_on_restart() and nowhere else.
 */
#include "monitor.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include <bsd/string.h>

#include "log.h"
#include "moult.h"

static void __attribute__((noreturn)) finish(struct mon *m, int status)
{
	log_info("exit %d", status);
	m->request.open = false; /* its end has been told */
	exit(status);
}

void
mon_last_words(int status, void *mon)
{
	struct mon *m = mon;

	if (m->request.open && m->request.step != STEP_NONE) {
		mon_status_broke(m, (enum wire_step)m->request.step, REASON_EXECUTOR_LOST,
		    "the monitor gave up on it");
		mon_redis_push(m);
	}
	mon_events_end(m, status);
}

static void
close_wire(struct mon *m)
{
	if (m->wire.fd != -1)
		(void)close(m->wire.fd); /* its end of file is all the executor needs to leave */
	m->wire.fd = -1;
	m->due_ms[TIMER_GONE] = MON_NEVER;
}

/* LEAVING begins: nothing is heard from the executor any more. */
static enum mon_event
begin_leaving(struct mon *m, int status)
{
	m->exit_status = status;
	close_wire(m);
	return mon_redis_idle(m) ? ON_FLUSHED : ON_NONE;
}

static enum mon_event
begin_restarting(struct mon *m, const struct wire_update *u)
{
	log_info("run=%s: every step succeeded: %s is in place; the daemon is to restart", u->run,
	    u->to);
	mon_status_step(m, u, STEP_RESTART, 100);
	return mon_redis_idle(m) ? ON_FLUSHED : ON_NONE;
}

enum mon_event
mon_on_nothing(struct mon *m)
{
	(void)m;
	return ON_NONE;
}

enum mon_event
mon_on_hello(struct mon *m)
{
	const struct wire_hello *h = &m->message.body.hello;

	if (strcmp(h->build, MOULT_BUILD) != 0)
		fatalx("the executor is of another build: %s, not " MOULT_BUILD, h->build);
	(void)strlcpy(
	    m->status.installed, h->installed, sizeof(m->status.installed)); /* the same */
	m->status.missing |= h->missing;
	return ON_NONE;
}

enum mon_event
mon_on_ready(struct mon *m)
{
	if (m->message.body.ready.journal_damaged)
		log_warnx("the journal was unreadable; it is set aside, and begins anew");
	mon_status_restore(m);
	return ON_LOOK;
}

enum mon_event
mon_on_found(struct mon *m)
{
	const struct wire_failure *f = &m->message.body.failure;

	log_warnx("run=%s: %s was not completed in %s: %s", f->update.run, f->update.to,
	    wire_step_name(f->step), wire_reason_words(f->reason));
	mon_status_failed(m, f);
	return ON_LOOK;
}

enum mon_event
mon_on_owed(struct mon *m)
{
	log_info("run=%s: the daemon has not been restarted since", m->message.body.update.run);
	return begin_restarting(m, &m->message.body.update);
}

enum mon_event
mon_on_deployed(struct mon *m)
{
	const struct wire_update *u = &m->message.body.update;

	log_info("run=%s: %s is deployed: the daemon has restarted", u->run, u->to);
	mon_status_deployed(m, u);
	return ON_LOOK;
}

enum mon_event
mon_on_look(struct mon *m)
{
	return mon_look(m);
}

enum mon_event
mon_on_replaced(struct mon *m)
{
	log_warnx("the directory of signal, %s, %s, so this monitor has no right to read it: "
		  "leaving, for the next one to have it",
	    m->watch.dir,
	    m->domain.granted ? "was replaced by another" : "was not there at the start");
	return begin_leaving(m, EX_OSERR);
}

enum mon_event
mon_on_signal(struct mon *m)
{
	struct mon_request *q = &m->request;
	struct wire_run run;

	memset(&run, 0, sizeof(run));
	run.channel = q->signal.channel;
	run.retry = m->memory.retry;
	run.signal = q->signal.id;
	(void)strlcpy(run.current, q->signal.current, sizeof(run.current)); /* the same size */
	(void)strlcpy(
	    run.available, q->signal.available, sizeof(run.available)); /* the same size */
	q->open = true;
	m->memory.retry = false;
	log_info("signal: %s to %s on %s%s", run.current, run.available,
	    wire_channel_name(run.channel), run.retry ? ", a retry by hand" : "");
	/* When it does not arrive, the end of file or the deadline follows. */
	if (wire_send(&m->wire, REQ_RUN, &run) == -1)
		log_warn("the executor cannot be asked");
	return ON_NONE;
}

/* The executor may speak of an update only while it is asked for one. */
static void
expect_request(const struct mon *m, const struct wire_update *u)
{
	const struct mon_request *q = &m->request;

	if (!q->open)
		fatalx("the executor reports an update that nobody asked for");
	if (u->channel != q->signal.channel)
		fatalx("the executor reports an update on another channel");
	if (q->run[0] != '\0' && strcmp(q->run, u->run) != 0)
		fatalx("the executor reports run %s in the middle of run %s", u->run, q->run);
}

enum mon_event
mon_on_step(struct mon *m)
{
	const struct wire_progress *p = &m->message.body.progress;
	struct mon_request *q = &m->request;

	expect_request(m, &p->update);
	if (p->update.run[0] == '\0')
		fatalx("the executor reports a step of no run");
	if (p->step < q->step || p->step < STEP_PREFLIGHT || p->step > STEP_FINISH)
		fatalx("the executor reports step %s after %s", wire_step_name(p->step),
		    wire_step_name(q->step));
	(void)strlcpy(q->run, p->update.run, sizeof(q->run)); /* the same size */
	if (p->step != q->step) {
		q->step = p->step;
		log_info("run=%s step=%s: begins, attempt %u, to %s", q->run,
		    wire_step_name(p->step), p->update.attempt, p->update.to);
	}
	mon_status_step(m, &p->update, p->step, p->percent);
	return ON_NONE;
}

enum mon_event
mon_on_failed(struct mon *m)
{
	const struct wire_failure *f = &m->message.body.failure;

	expect_request(m, &f->update);
	log_warnx("run=%s step=%s: failed: %s%s%s", f->update.run, wire_step_name(f->step),
	    wire_reason_words(f->reason), f->detail[0] != '\0' ? ": " : "", f->detail);
	mon_status_failed(m, f);
	mon_look_hold(m, f->retry_ms);
	m->request.open = false;
	return ON_LOOK;
}

enum mon_event
mon_on_held(struct mon *m)
{
	const struct wire_failure *f = &m->message.body.failure;

	expect_request(m, &f->update);
	log_info("run=%s: failed before in %s (%s); %s", f->update.run, wire_step_name(f->step),
	    wire_reason_words(f->reason),
	    f->retry_ms > 0 ? "its time has not come yet"
			    : "held until a change or a retry by hand");
	mon_status_failed(m, f);
	mon_look_hold(m, f->retry_ms);
	m->request.open = false;
	return ON_LOOK;
}

/* The file was replaced between our look and the executor's: the next look finds the new one. */
enum mon_event
mon_on_changed(struct mon *m)
{
	if (!m->request.open)
		fatalx("the executor reports a changed signal that nobody asked about");
	mon_look_hold(m, MON_AGAIN_MS);
	m->request.open = false;
	return ON_LOOK;
}

enum mon_event
mon_on_done(struct mon *m)
{
	expect_request(m, &m->message.body.update);
	if (m->request.step != STEP_FINISH)
		fatalx("the executor reports done after %s", wire_step_name(m->request.step));
	m->request.open = false;
	return begin_restarting(m, &m->message.body.update);
}

enum mon_event
mon_on_stop(struct mon *m)
{
	struct wire_plain stop;

	memset(&stop, 0, sizeof(stop));
	log_info("stopping");
	/* When it does not arrive, the end of file or the deadline follows anyway. */
	(void)wire_send(&m->wire, REQ_STOP, &stop);
	return ON_NONE;
}

/* Asked to stop before the executor serves: it leaves at the end of file. */
enum mon_event
mon_on_quit(struct mon *m)
{
	log_info("stopping");
	return begin_leaving(m, 0);
}

enum mon_event
mon_on_stopped(struct mon *m)
{
	if (m->request.open) {
		mon_status_broke(m, (enum wire_step)m->request.step, REASON_STOPPED, "");
	}
	m->request.open = false;
	return begin_leaving(m, 0);
}

#define END_MAX 64

/* In words, for the log and the status. */
static void
describe_end(const struct mon *m, char text[END_MAX])
{
	int status = m->executor_status;

	if (!m->executor_ended)
		(void)snprintf(text, END_MAX, "it closed its end");
	else if (WIFSIGNALED(status))
		(void)snprintf(text, END_MAX, "signal %d%s", WTERMSIG(status),
		    WTERMSIG(status) == SIGSYS ? ", the system call filter's" : "");
	else
		(void)snprintf(text, END_MAX, "exit %d", WEXITSTATUS(status));
}

/* As an exit status of our own: its own when that is one of ours, else 71. Never 42. */
static int
status_of_end(const struct mon *m)
{
	if (!m->executor_ended || !WIFEXITED(m->executor_status))
		return EX_OSERR;
	switch (WEXITSTATUS(m->executor_status)) {
	case EX_SOFTWARE:
	case EX_TEMPFAIL:
	case EX_PROTOCOL:
	case EX_NOPERM:
	case EX_CONFIG:
		return WEXITSTATUS(m->executor_status);
	}
	return EX_OSERR;
}

/* The request will never be answered. */
static void
lose_request(struct mon *m, const char *why)
{
	if (!m->request.open)
		return;
	mon_status_broke(m, (enum wire_step)m->request.step, REASON_EXECUTOR_LOST, why);
	m->request.open = false;
}

enum mon_event
mon_on_gone(struct mon *m)
{
	char text[END_MAX];

	describe_end(m, text);
	log_warnx("the executor has ended: %s", text);
	lose_request(m, text);
	return begin_leaving(m, status_of_end(m));
}

/* While stopping an end without a word is good enough, unless it cut a run off. */
enum mon_event
mon_on_gone_stopping(struct mon *m)
{
	if (m->request.open)
		return mon_on_gone(m);
	return begin_leaving(m, 0);
}

enum mon_event
mon_on_silent(struct mon *m)
{
	log_warnx("the executor was silent for too long while the monitor was %s",
	    mon_state_name(m->state));
	lose_request(m, "it was silent for too long");
	return begin_leaving(m, EX_PROTOCOL);
}

/* model: restart */
enum mon_event
mon_on_restart(struct mon *m)
{
	finish(m, MOULT_EXIT_RESTART);
}

enum mon_event
mon_on_leave(struct mon *m)
{
	finish(m, m->exit_status);
}
