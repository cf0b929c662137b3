/*
 * test_rules.c - parent/rules.c and parent/actions.c: what each event means, and who may cause it.
 *
 * room: tests.
 * distrusts: nothing.
 */
#include "fixture.h"

#include <sysexits.h>

#include "moult.h"

struct cell {
	struct fixture *f;
	enum mon_state state;
	enum mon_event event;
};

static void
dispatch_cell(void *arg)
{
	struct cell *c = arg;

	c->f->m.state = c->state;
	mon_dispatch(&c->f->m, c->event);
}

/* The exit status of handing event to a monitor in state, -1 when it lives on. */
static int
status_of(struct fixture *f, enum mon_state state, enum mon_event event, char *said, size_t size)
{
	struct cell c = {f, state, event};
	int status = check_in_child(dispatch_cell, &c, said, size);

	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void
empty_cells(void **state)
{
	struct fixture *f = *state;
	char said[1024];
	int s, e, count = 0;

	for (s = 0; s < MON_STATE_END; s++)
		for (e = ON_NONE + 1; e < ON_OWN_FROM; e++) {
			if (mon_rule((enum mon_state)s, (enum mon_event)e)->action != NULL)
				continue;
			count++;
			assert_int_equal(
			    status_of(f, (enum mon_state)s, (enum mon_event)e, said, sizeof(said)),
			    EX_PROTOCOL);
			assert_non_null(strstr(said, mon_state_name((enum mon_state)s)));
			assert_non_null(strstr(said, mon_event_name((enum mon_event)e)));
		}
	assert_true(count > 60);
}

static void
own_events(void **state)
{
	int s, e;

	(void)state;
	for (s = 0; s < MON_STATE_END; s++)
		for (e = ON_OWN_FROM + 1; e < ON_END; e++)
			if (mon_rule((enum mon_state)s, (enum mon_event)e)->action == NULL)
				fail_msg("%s has no rule in %s", mon_event_name((enum mon_event)e),
				    mon_state_name((enum mon_state)s));
}

static void
own_bug(void **state)
{
	char said[1024];

	assert_int_equal(
	    status_of(*state, MON_WAITING, ON_OWN_FROM, said, sizeof(said)), EX_SOFTWARE);
}

struct seen {
	int cells;
	int to_restart;
	int restarts;
};

static void
see(void *arg, enum mon_state state, enum mon_event event, const struct mon_rule *r)
{
	struct seen *seen = arg;

	seen->cells++;
	assert_non_null(r->name);
	assert_true(r->next < MON_STATE_END);
	if (r->next == MON_RESTARTING && state != MON_RESTARTING) {
		seen->to_restart++;
		assert_true(event == ON_DONE || event == ON_OWED);
	}
	if (r->action == mon_on_restart) {
		seen->restarts++;
		assert_int_equal(state, MON_RESTARTING);
	}
	/* Nothing leads out of the two ends. */
	if (state == MON_RESTARTING || state == MON_LEAVING)
		assert_int_equal(r->next, state);
}

static void
ways_to_restart(void **state)
{
	struct seen seen = {0};

	(void)state;
	mon_rules_walk(see, &seen);
	assert_true(seen.cells > 60);
	assert_int_equal(seen.to_restart, 3); /* GREETED OWED, RUNNING DONE, STOPPING DONE */
	assert_int_equal(seen.restarts, 2);   /* the deadline and the confirmation */
}

static void
limits(void **state)
{
	struct fixture *f = *state;
	int s;

	for (s = 0; s < MON_STATE_END; s++) {
		f->m.state = (enum mon_state)s;
		f->m.request.step = STEP_FETCH;
		if (s == MON_WAITING)
			assert_int_equal(mon_state_limit_ms(&f->m), MON_FOREVER);
		else
			assert_in_range(mon_state_limit_ms(&f->m), 1, 360000);
	}
	f->m.state = MON_RUNNING;
	assert_int_equal(mon_state_limit_ms(&f->m), 360000);
	f->m.request.step = STEP_FINISH;
	assert_int_equal(mon_state_limit_ms(&f->m), 360000);
	f->m.request.step = STEP_INSTALL;
	assert_int_equal(mon_state_limit_ms(&f->m), 180000);
}

static void
names(void **state)
{
	int e;

	(void)state;
	for (e = ON_NONE + 1; e < ON_END; e++)
		assert_true(e == ON_OWN_FROM || mon_event_name((enum mon_event)e)[0] != '?');
	assert_string_equal(mon_event_name(mon_event_of(REP_HELLO)), "HELLO");
	assert_string_equal(mon_event_name(mon_event_of(REP_STOPPED)), "STOPPED");
	assert_true(mon_event_is_peer(mon_event_of(REP_DONE)));
	assert_false(mon_event_is_peer(ON_GONE));
}

/* One good signal, asked about; the executor's end has received the request. */
static void
ask(struct fixture *f)
{
	static const char good[] =
	    "{\"current\":\"1.0.0\",\"available\":\"1.1.0\",\"channel\":\"stable\"}";
	struct wire_message got;

	fixture_put(f, "sig/u.json", good, sizeof(good) - 1);
	f->m.state = MON_WAITING;
	mon_dispatch(&f->m, ON_LOOK);
	assert_int_equal(f->m.state, MON_ASKED);
	assert_int_equal(wire_receive(&f->executor, &got), 1);
	assert_int_equal(got.header.type, REQ_RUN);
	assert_string_equal(got.body.run.current, "1.0.0");
	assert_string_equal(got.body.run.available, "1.1.0");
	assert_int_equal(got.body.run.channel, CHANNEL_STABLE);
	assert_int_equal(got.body.run.retry, 0);
	assert_int_equal(file_identity_compare(&got.body.run.signal, &f->m.request.signal.id), 0);
}

static void
step(struct fixture *f, uint32_t number, uint32_t percent)
{
	f->m.message.body.progress =
	    (struct wire_progress){.update = fixture_update(), .step = number, .percent = percent};
	mon_dispatch(&f->m, ON_STEP);
}

static void
failed(struct fixture *f, enum mon_event event, uint32_t reason, uint32_t retry_ms)
{
	f->m.message.body.failure = (struct wire_failure){.update = fixture_update(),
	    .step = STEP_MIGRATE,
	    .reason = reason,
	    .retry_ms = retry_ms,
	    .detail = "exit 1"};
	mon_dispatch(&f->m, event);
}

static void
whole_update(void **state)
{
	struct fixture *f = *state;
	uint32_t i;

	ask(f);
	for (i = STEP_PREFLIGHT; i <= STEP_FINISH; i++) {
		step(f, i, 0);
		assert_int_equal(f->m.state, MON_RUNNING);
		assert_string_equal(f->m.status.word, wire_step_word(i));
		assert_true(f->m.due_ms[TIMER_STATE] > clock_monotonic_ms());
	}
	assert_true(f->m.request.open);
}

struct ending {
	struct fixture *f;
	uint32_t last_step;
};

static void
end_in_done(void *arg)
{
	struct ending *e = arg;

	step(e->f, e->last_step, 0);
	e->f->m.message.body.update = fixture_update();
	mon_dispatch(&e->f->m, ON_DONE);
}

static void
done(void **state)
{
	struct ending e = {*state, STEP_FINISH};
	char said[2048];
	int status;

	ask(e.f);
	status = check_in_child(end_in_done, &e, said, sizeof(said));
	assert_int_equal(WEXITSTATUS(status), MOULT_EXIT_RESTART);
	for (e.last_step = STEP_PREFLIGHT; e.last_step < STEP_FINISH; e.last_step++) {
		status = check_in_child(end_in_done, &e, said, sizeof(said));
		assert_int_equal(WEXITSTATUS(status), EX_PROTOCOL);
	}
}

static void
waits_for_redis(void **state)
{
	struct fixture *f = *state;

	ask(f);
	f->m.redis.link = LINK_UP;
	f->m.redis.flights.count = 1; /* a status of which Redis has said nothing yet */
	f->m.redis.unsent = false;
	f->m.state = MON_GREETED;
	f->m.message.body.update = fixture_update();
	f->m.redis.flights.count = REDIS_FLIGHTS_MAX;
	mon_dispatch(&f->m, ON_OWED);
	assert_int_equal(f->m.state, MON_RESTARTING);
	assert_in_range(f->m.due_ms[TIMER_STATE] - clock_monotonic_ms(), 250, 300);
	mon_dispatch(&f->m, ON_GONE);
	mon_dispatch(&f->m, ON_TERM);
	mon_dispatch(&f->m, ON_LOOK);
	assert_int_equal(f->m.state, MON_RESTARTING);
	assert_in_range(f->m.due_ms[TIMER_STATE] - clock_monotonic_ms(), 200, 300);
}

static void
fails_and_holds(void **state)
{
	struct fixture *f = *state;

	ask(f);
	step(f, STEP_MIGRATE, 10);
	failed(f, ON_FAILED, REASON_MIGRATION_FAILED, 0);
	assert_int_equal(f->m.state, MON_WAITING);
	assert_true(f->m.due_ms[TIMER_STATE] == MON_NEVER);
	assert_true(f->m.status.held);
	mon_dispatch(&f->m, ON_LOOK);
	assert_int_equal(f->m.state, MON_WAITING);
}

static void
fails_and_retries(void **state)
{
	struct fixture *f = *state;
	struct wire_message got;

	ask(f);
	failed(f, ON_FAILED, REASON_FETCH_FAILED, 60000);
	assert_int_equal(f->m.state, MON_WAITING);
	assert_true(f->m.due_ms[TIMER_RETRY] != MON_NEVER);
	f->m.due_ms[TIMER_RETRY] = clock_monotonic_ms();
	mon_dispatch(&f->m, mon_timer_look(&f->m));
	assert_int_equal(f->m.state, MON_ASKED);
	assert_int_equal(wire_receive(&f->executor, &got), 1);
	assert_int_equal(got.header.type, REQ_RUN);
}

static void
changed(void **state)
{
	struct fixture *f = *state;

	ask(f);
	mon_dispatch(&f->m, ON_CHANGED);
	assert_int_equal(f->m.state, MON_WAITING); /* and not asked again in the same breath */
	assert_true(f->m.due_ms[TIMER_RETRY] != MON_NEVER);
}

static void
stop(void **state)
{
	struct fixture *f = *state;
	struct wire_message got;

	ask(f);
	step(f, STEP_FETCH, 0);
	mon_dispatch(&f->m, ON_TERM);
	assert_int_equal(f->m.state, MON_STOPPING);
	assert_int_equal(wire_receive(&f->executor, &got), 1);
	assert_int_equal(got.header.type, REQ_STOP);
	step(f, STEP_VERIFY, 0); /* sent before the stop arrived */
	assert_int_equal(f->m.state, MON_STOPPING);
	failed(f, ON_FAILED, REASON_STOPPED, 0);
	assert_int_equal(f->m.state, MON_STOPPING);
	assert_string_equal(f->m.status.word, "update_failed");
}

/* Liars whose report is in order by its state, and is a lie all the same. */

static void
lie_unasked(void *arg)
{
	struct cell *c = arg;

	c->f->m.state = MON_STOPPING; /* from WAITING: nobody asked for an update */
	c->f->m.message.body.update = fixture_update();
	if (c->event == ON_STEP)
		c->f->m.message.body.progress.step = STEP_FETCH;
	if (c->event == ON_FAILED || c->event == ON_HELD) {
		c->f->m.message.body.failure.step = STEP_FETCH;
		c->f->m.message.body.failure.reason = REASON_STOPPED;
	}
	mon_dispatch(&c->f->m, c->event);
}

static void
unasked(void **state)
{
	static const enum mon_event events[] = {ON_STEP, ON_FAILED, ON_HELD, ON_CHANGED, ON_DONE};
	struct cell c = {.f = *state};
	char said[1024];
	size_t i;

	for (i = 0; i < COUNT(events); i++) {
		c.event = events[i];
		assert_int_equal(
		    WEXITSTATUS(check_in_child(lie_unasked, &c, said, sizeof(said))), EX_PROTOCOL);
	}
}

struct lie {
	struct fixture *f;
	struct wire_progress first, second;
};

static void
tell_lie(void *arg)
{
	struct lie *l = arg;

	l->f->m.message.body.progress = l->first;
	mon_dispatch(&l->f->m, ON_STEP);
	l->f->m.message.body.progress = l->second;
	mon_dispatch(&l->f->m, ON_STEP);
}

static int
status_of_lie(struct lie *l)
{
	char said[2048];

	return WEXITSTATUS(check_in_child(tell_lie, l, said, sizeof(said)));
}

static void
inconsistent(void **state)
{
	struct wire_progress good = {.update = fixture_update(), .step = STEP_CHECKOUT};
	struct lie l = {*state, good, good};

	ask(*state);
	assert_int_equal(status_of_lie(&l), 0);
	l.second.step = STEP_FETCH;
	assert_int_equal(status_of_lie(&l), EX_PROTOCOL);
	l.second.step = STEP_RESTART;
	assert_int_equal(status_of_lie(&l), EX_PROTOCOL);
	l.second = good;
	l.second.update.channel = CHANNEL_BETA;
	assert_int_equal(status_of_lie(&l), EX_PROTOCOL);
	l.second = good;
	l.second.update.run[0] = '3';
	assert_int_equal(status_of_lie(&l), EX_PROTOCOL);
	l.second = good;
	memset(l.second.update.run, 0, sizeof(l.second.update.run));
	assert_int_equal(status_of_lie(&l), EX_PROTOCOL);
	l.first.step = STEP_CHECK;
	assert_int_equal(status_of_lie(&l), EX_PROTOCOL);
}

static void
say_hello(void *arg)
{
	struct fixture *f = arg;

	mon_dispatch(&f->m, ON_HELLO);
}

static void
other_build(void **state)
{
	struct fixture *f = *state;
	char said[1024];
	int status;

	strcpy(f->m.message.body.hello.build, MOULT_BUILD);
	status = check_in_child(say_hello, f, said, sizeof(said));
	assert_int_equal(WEXITSTATUS(status), 0);
	f->m.message.body.hello.build[0] ^= 1;
	status = check_in_child(say_hello, f, said, sizeof(said));
	assert_int_equal(WEXITSTATUS(status), EX_PROTOCOL);
}

struct death {
	struct fixture *f;
	enum mon_state state;
};

static void
die(void *arg)
{
	struct death *d = arg;

	d->f->m.state = d->state;
	d->f->m.executor_ended = true;
	mon_dispatch(&d->f->m, ON_GONE);
}

/* What waitpid(2) says of exit status n. */
#define EXITED(n) ((n) << 8)

static void
executor_dies(void **state)
{
	static const struct {
		int status, expected;
	} rows[] = {
	    {EXITED(0), EX_OSERR},
	    {EXITED(MOULT_EXIT_RESTART), EX_OSERR},
	    {EXITED(EX_USAGE), EX_OSERR},
	    {EXITED(EX_SOFTWARE), EX_SOFTWARE},
	    {EXITED(EX_OSERR), EX_OSERR},
	    {EXITED(EX_TEMPFAIL), EX_TEMPFAIL},
	    {EXITED(EX_PROTOCOL), EX_PROTOCOL},
	    {EXITED(EX_NOPERM), EX_NOPERM},
	    {EXITED(EX_CONFIG), EX_CONFIG},
	    {EXITED(255), EX_OSERR},
	    {9, EX_OSERR},
	    {31, EX_OSERR},
	};
	struct death d = {*state, MON_STARTING};
	char said[1024];
	size_t i;

	for (i = 0; i < COUNT(rows); i++) {
		d.f->m.executor_status = rows[i].status;
		d.state = MON_STARTING;
		assert_int_equal(
		    WEXITSTATUS(check_in_child(die, &d, said, sizeof(said))), rows[i].expected);
		d.state = MON_WAITING;
		assert_int_equal(
		    WEXITSTATUS(check_in_child(die, &d, said, sizeof(said))), rows[i].expected);
		d.state = MON_STOPPING; /* with nothing under way an end is what was asked for */
		assert_int_equal(WEXITSTATUS(check_in_child(die, &d, said, sizeof(said))), 0);
	}
}

static void
lost_in_a_run(void **state)
{
	struct fixture *f = *state;

	ask(f);
	step(f, STEP_INSTALL, 40);
	f->m.redis.link = LINK_UP;
	f->m.redis.flights.count = REDIS_FLIGHTS_MAX; /* so that it does not exit at once */
	mon_dispatch(&f->m, ON_DEADLINE);
	assert_int_equal(f->m.state, MON_LEAVING);
	assert_int_equal(f->m.exit_status, EX_PROTOCOL);
	assert_int_equal(f->m.status.reason, REASON_EXECUTOR_LOST);
	assert_int_equal(f->m.status.step, STEP_INSTALL);
	assert_string_equal(f->m.status.update.run, fixture_update().run);
	assert_int_equal(f->m.wire.fd, -1);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
	    MON_TEST("each report that its state does not expect ends the monitor", empty_cells),
	    TEST("each event of our own has a rule in every state", own_events),
	    MON_TEST("an event without a rule is a bug", own_bug),
	    TEST("only done and owed lead to the restart, and nothing leads away", ways_to_restart),
	    MON_TEST("every state but waiting has a limit", limits),
	    TEST("every event has a name, and each report is one", names),
	    MON_TEST("a good signal is asked about once, and its steps become words", whole_update),
	    MON_TEST("done after the last step exits 42, and after no other", done),
	    MON_TEST("the restart waits for Redis, but not long", waits_for_redis),
	    MON_TEST("a failure without a time is held", fails_and_holds),
	    MON_TEST("a failure with a time is asked about again then", fails_and_retries),
	    MON_TEST("a changed signal is looked at, not asked about in a circle", changed),
	    MON_TEST("a stop is passed on, and what was under way may still arrive", stop),
	    MON_TEST("an update that nobody asked for ends the monitor", unasked),
	    MON_TEST("a report that contradicts an earlier one ends the monitor", inconsistent),
	    MON_TEST("an executor of another build is refused", other_build),
	    MON_TEST("an executor's death is passed on, and never as 42", executor_dies),
	    MON_TEST("an executor that is silent in a run is told as lost", lost_in_a_run),
	};

	return cmocka_run_group_tests_name("rules", tests, NULL, NULL);
}
