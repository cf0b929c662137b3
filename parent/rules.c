/*
 * rules.c - the monitor as one table: what each event means in each state.
 *
 * room: monitor.
 * distrusts: the executor: a report that the state does not expect ends this process.
 */
#include "monitor.h"

#include "log.h"

#define NAME_STATE(symbol, limit_ms, waits)  [MON_##symbol] = #symbol,
#define WAITS_STATE(symbol, limit_ms, waits) [MON_##symbol] = (waits),
#define NAME_PEER(symbol, name, payload)     [ON_##symbol] = #symbol,
#define NAME_OWN(symbol, cause)              [ON_##symbol] = #symbol,
#define LIMIT_STATE(symbol, limit_ms, waits) [MON_##symbol] = (limit_ms),
#define EVENT_OF(symbol, name, payload)      [REP_##symbol] = ON_##symbol,

static const char *const state_names[MON_STATE_END] = {MON_STATES(NAME_STATE)};
static const char *const state_waits[MON_STATE_END] = {MON_STATES(WAITS_STATE)};
static const char *const event_names[ON_END] = {WIRE_REPORTS(NAME_PEER) MON_OWN_EVENTS(NAME_OWN)};
static const int64_t state_limits_ms[MON_STATE_END] = {MON_STATES(LIMIT_STATE)};
static const enum mon_event events_of[WIRE_TYPE_END] = {WIRE_REPORTS(EVENT_OF)};

#define DO(action, then)                             \
	{                                            \
		mon_on_##action, MON_##then, #action \
	}

/* An empty cell: from the executor a broken protocol, from ourselves a bug. */
/* clang-format off */
static const struct mon_rule rule[MON_STATE_END][ON_END] = {
	[MON_STARTING] = {
		[ON_HELLO]       = DO(hello, GREETED),
		[ON_GONE]        = DO(gone, LEAVING),
		[ON_LOOK]        = DO(nothing, STARTING),
		[ON_SIGNAL]      = DO(nothing, STARTING),
		[ON_REPLACED]    = DO(nothing, STARTING),
		[ON_DEADLINE]    = DO(silent, LEAVING),
		[ON_TERM]        = DO(quit, LEAVING),
		[ON_FLUSHED]     = DO(nothing, STARTING),
	},
	[MON_GREETED] = {
		[ON_READY]       = DO(ready, WAITING),
		[ON_INTERRUPTED] = DO(found, WAITING),
		[ON_UNCONFIRMED] = DO(found, WAITING),
		[ON_DEPLOYED]    = DO(deployed, WAITING),
		[ON_OWED]        = DO(owed, RESTARTING),
		[ON_GONE]        = DO(gone, LEAVING),
		[ON_LOOK]        = DO(nothing, GREETED),
		[ON_SIGNAL]      = DO(nothing, GREETED),
		[ON_REPLACED]    = DO(nothing, GREETED),
		[ON_DEADLINE]    = DO(silent, LEAVING),
		[ON_TERM]        = DO(quit, LEAVING),
		[ON_FLUSHED]     = DO(nothing, GREETED),
	},
	[MON_WAITING] = {
		[ON_GONE]        = DO(gone, LEAVING),
		[ON_LOOK]        = DO(look, WAITING),
		[ON_SIGNAL]      = DO(signal, ASKED),
		[ON_REPLACED]    = DO(replaced, LEAVING),
		[ON_DEADLINE]    = DO(nothing, WAITING),
		[ON_TERM]        = DO(stop, STOPPING),
		[ON_FLUSHED]     = DO(nothing, WAITING),
	},
	[MON_ASKED] = {
		[ON_STEP]        = DO(step, RUNNING),
		[ON_FAILED]      = DO(failed, WAITING),
		[ON_HELD]        = DO(held, WAITING),
		[ON_CHANGED]     = DO(changed, WAITING),
		[ON_GONE]        = DO(gone, LEAVING),
		[ON_LOOK]        = DO(nothing, ASKED),
		[ON_SIGNAL]      = DO(nothing, ASKED),
		[ON_REPLACED]    = DO(nothing, ASKED),
		[ON_DEADLINE]    = DO(silent, LEAVING),
		[ON_TERM]        = DO(stop, STOPPING),
		[ON_FLUSHED]     = DO(nothing, ASKED),
	},
	[MON_RUNNING] = {
		[ON_STEP]        = DO(step, RUNNING),
		[ON_FAILED]      = DO(failed, WAITING),
		[ON_DONE]        = DO(done, RESTARTING),
		[ON_GONE]        = DO(gone, LEAVING),
		[ON_LOOK]        = DO(nothing, RUNNING),
		[ON_SIGNAL]      = DO(nothing, RUNNING),
		[ON_REPLACED]    = DO(nothing, RUNNING),
		[ON_DEADLINE]    = DO(silent, LEAVING),
		[ON_TERM]        = DO(stop, STOPPING),
		[ON_FLUSHED]     = DO(nothing, RUNNING),
	},
	[MON_RESTARTING] = {
		[ON_STOPPED]     = DO(nothing, RESTARTING),
		[ON_GONE]        = DO(nothing, RESTARTING),
		[ON_LOOK]        = DO(nothing, RESTARTING),
		[ON_SIGNAL]      = DO(nothing, RESTARTING),
		[ON_REPLACED]    = DO(nothing, RESTARTING),
		[ON_DEADLINE]    = DO(restart, RESTARTING),
		[ON_TERM]        = DO(nothing, RESTARTING),
		[ON_FLUSHED]     = DO(restart, RESTARTING),
	},
	[MON_LEAVING] = {
		[ON_GONE]        = DO(nothing, LEAVING),
		[ON_LOOK]        = DO(nothing, LEAVING),
		[ON_SIGNAL]      = DO(nothing, LEAVING),
		[ON_REPLACED]    = DO(nothing, LEAVING),
		[ON_DEADLINE]    = DO(leave, LEAVING),
		[ON_TERM]        = DO(nothing, LEAVING),
		[ON_FLUSHED]     = DO(leave, LEAVING),
	},
	/* What was sent before our stop arrived is still in order. */
	[MON_STOPPING] = {
		[ON_STEP]        = DO(step, STOPPING),
		[ON_FAILED]      = DO(failed, STOPPING),
		[ON_HELD]        = DO(held, STOPPING),
		[ON_CHANGED]     = DO(changed, STOPPING),
		[ON_DONE]        = DO(done, RESTARTING),
		[ON_STOPPED]     = DO(stopped, LEAVING),
		[ON_GONE]        = DO(gone_stopping, LEAVING),
		[ON_LOOK]        = DO(nothing, STOPPING),
		[ON_SIGNAL]      = DO(nothing, STOPPING),
		[ON_REPLACED]    = DO(nothing, STOPPING),
		[ON_DEADLINE]    = DO(silent, LEAVING),
		[ON_TERM]        = DO(nothing, STOPPING),
		[ON_FLUSHED]     = DO(nothing, STOPPING),
	},
};
/* clang-format on */

const struct mon_rule *
mon_rule(enum mon_state state, enum mon_event event)
{
	return &rule[state][event];
}

const char *
mon_state_name(enum mon_state state)
{
	return state < MON_STATE_END ? state_names[state] : "?";
}

const char *
mon_state_waits(enum mon_state state)
{
	return state < MON_STATE_END ? state_waits[state] : "?";
}

const char *
mon_event_name(enum mon_event event)
{
	return event < ON_END && event_names[event] != NULL ? event_names[event] : "?";
}

bool
mon_event_is_peer(enum mon_event event)
{
	return event > ON_NONE && event < ON_OWN_FROM;
}

enum mon_event
mon_event_of(uint32_t wire_type)
{
	enum mon_event event = wire_type < WIRE_TYPE_END ? events_of[wire_type] : ON_NONE;

	if (event == ON_NONE) /* wire_receive() lets nothing else through */
		bug("no report: %u", wire_type);
	return event;
}

void
mon_rules_walk(
    void (*see)(void *arg, enum mon_state, enum mon_event, const struct mon_rule *), void *arg)
{
	int s, e;

	for (s = 0; s < MON_STATE_END; s++)
		for (e = ON_NONE + 1; e < ON_END; e++)
			if (rule[s][e].action != NULL)
				see(arg, (enum mon_state)s, (enum mon_event)e, &rule[s][e]);
}

static uint32_t
step_limit_s(const struct conf *c, enum wire_step step)
{
	switch (step) {
	case STEP_FETCH:
		return c->fetch_s;
	case STEP_CHECKOUT:
		return c->checkout_s;
	case STEP_MIGRATE:
		return c->migration_s;
	case STEP_INSTALL:
		return c->install_s;
	case STEP_CHECK:
	case STEP_PREFLIGHT:
	case STEP_VERIFY:
	case STEP_FINISH:
	case STEP_RESTART:
		return MON_STEP_SHORT_S;
	case STEP_NONE:
	case STEP_END:
		break;
	}
	bug("no step: %d", (int)step);
}

int64_t
mon_state_limit_ms(const struct mon *m)
{
	int64_t limit_ms = state_limits_ms[m->state];

	if (limit_ms != MON_STEP_LONG)
		return limit_ms;
	return (int64_t)step_limit_s(&m->conf, (enum wire_step)m->request.step) * 1000 +
	       MON_STEP_GRACE_MS;
}

/* A state has its time from its beginning; a run has it anew with each report. */
static void
renew_limit(struct mon *m, enum mon_state before, enum mon_event event)
{
	int64_t limit_ms;

	if (m->state == before && !(m->state == MON_RUNNING && mon_event_is_peer(event)))
		return;
	limit_ms = mon_state_limit_ms(m);
	m->due_ms[TIMER_STATE] =
	    limit_ms == MON_FOREVER ? MON_NEVER : clock_monotonic_ms() + limit_ms;
}

void
mon_dispatch(struct mon *m, enum mon_event event)
{
	const struct mon_rule *r;
	enum mon_state before;
	enum mon_event follows;

	while (event != ON_NONE) {
		before = m->state;
		r = &rule[before][event];
		if (r->action == NULL && mon_event_is_peer(event))
			fatalx("the executor reported %s while the monitor was %s",
			    mon_event_name(event), mon_state_name(before));
		if (r->action == NULL)
			bug("%s has no rule in %s", mon_event_name(event), mon_state_name(before));
		follows = r->action(m);
		m->state = r->next;
		renew_limit(m, before, event);
		event = follows;
	}
}
