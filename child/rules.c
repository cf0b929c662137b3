/*
 * rules.c - the executor's whole behavior as one table, and the loop that applies it.
 *
 * room: executor.
 * distrusts: the monitor: a request with no cell in the present state ends the process.
 *
 * Actions do not set the state; they return the event that follows, or ON_NONE to wait.
 */
#include <stddef.h>

#include "executor.h"
#include "log.h"

struct cell {
	struct exe_rule rule;
	const char *action_name;
};

/* An action and the state after it. */
#define DO(action, state)                      \
	{                                      \
		{action, EXE_##state}, #action \
	}

/* The table is read by its columns. */
/* clang-format off */
static const struct cell rules[EXE_STATE_END][EXE_EVENT_END] = {
	[EXE_IDLE] = {
		[ON_RUN]       = DO(exe_weigh,   IDLE),
		[ON_ACCEPTED]  = DO(exe_begin,   STEPPING),
		[ON_REFUSED]   = DO(NULL,        IDLE),
		[ON_STOP]      = DO(exe_leave,   IDLE),
		[ON_EOF]       = DO(exe_leave,   IDLE),
		[ON_TERM]      = DO(exe_leave,   IDLE),
	},
	[EXE_STEPPING] = {
		[ON_PASSED]    = DO(exe_advance, STEPPING),
		[ON_AGAIN]     = DO(exe_repeat,  STEPPING),
		[ON_SPAWNED]   = DO(exe_watch,   RUNNING),
		[ON_BROKE]     = DO(exe_fail,    IDLE),
		[ON_COMMITTED] = DO(exe_done,    OWED),
	},
	[EXE_RUNNING] = {
		[ON_LINE]      = DO(exe_hear,    RUNNING),
		[ON_BROKE]     = DO(exe_clear,   CLEARING),
		[ON_EXIT]      = DO(exe_clear,   CLEARING),
		[ON_DEADLINE]  = DO(exe_cut,     CLEARING),
		[ON_STOP]      = DO(exe_abort,   ABORTING),
		[ON_EOF]       = DO(exe_abort,   ABORTING),
		[ON_TERM]      = DO(exe_abort,   ABORTING),
	},
	[EXE_CLEARING] = {
		[ON_LINE]      = DO(NULL,        CLEARING),
		[ON_DEADLINE]  = DO(exe_kill,    CLEARING),
		[ON_EMPTY]     = DO(exe_judge,   STEPPING),
		[ON_STOP]      = DO(exe_abort,   ABORTING),
		[ON_EOF]       = DO(exe_abort,   ABORTING),
		[ON_TERM]      = DO(exe_abort,   ABORTING),
	},
	[EXE_ABORTING] = {
		[ON_DEADLINE]  = DO(exe_kill,    ABORTING),
		[ON_EMPTY]     = DO(exe_leave,   ABORTING),
		[ON_STOP]      = DO(NULL,        ABORTING),
		[ON_EOF]       = DO(NULL,        ABORTING),
		[ON_TERM]      = DO(NULL,        ABORTING),
		[ON_LINE]      = DO(NULL,        ABORTING),
	},
	[EXE_OWED] = {
		[ON_STOP]      = DO(exe_leave,   OWED),
		[ON_EOF]       = DO(exe_leave,   OWED),
		[ON_TERM]      = DO(exe_leave,   OWED),
	},
};
/* clang-format on */

const char *
exe_state_name(enum exe_state state)
{
#define STATE_NAME(name, waits) #name,
	static const char *const names[] = {EXE_STATES(STATE_NAME)};

	return state < EXE_STATE_END ? names[state] : "?";
}

const char *
exe_event_name(enum exe_event event)
{
#define EVENT_NAME(name, by) #name,
	static const char *const names[] = {"NONE", EXE_EVENTS(EVENT_NAME)};

	return event < EXE_EVENT_END ? names[event] : "?";
}

bool
exe_event_is_peer(enum exe_event event)
{
#define BY_P               true
#define BY_O               false
#define EVENT_BY(name, by) BY_##by,
	static const bool peer[] = {false, EXE_EVENTS(EVENT_BY)};

	return event < EXE_EVENT_END && peer[event];
}

const struct exe_rule *
exe_rule(enum exe_state state, enum exe_event event)
{
	const struct cell *cell = &rules[state][event];

	return cell->action_name == NULL ? NULL : &cell->rule;
}

const char *
exe_rule_action_name(enum exe_state state, enum exe_event event)
{
	return rules[state][event].action_name;
}

void
exe_dispatch(struct exe *e, enum exe_event event)
{
	while (event != ON_NONE) {
		const struct exe_rule *rule = exe_rule(e->state, event);

		if (rule == NULL && exe_event_is_peer(event))
			fatalx("the monitor sent %s in state %s", exe_event_name(event),
			    exe_state_name(e->state));
		if (rule == NULL)
			bug("event %s in state %s", exe_event_name(event),
			    exe_state_name(e->state));
		e->state = rule->next;
		e->event = event;
		event = rule->action != NULL ? rule->action(e) : ON_NONE;
	}
}
