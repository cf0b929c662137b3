/*
 * test_rules.c - child/rules.c: the table is whole, and what it has no cell for ends the process.
 *
 * room: tests.
 * distrusts: nothing.
 */
#include <sysexits.h>

#include "fixture.h"

struct cell {
	struct exe *e;
	enum exe_state state;
	enum exe_event event;
};

static void
dispatch_in_child(void *arg)
{
	struct cell *c = arg;

	c->e->state = c->state;
	exe_dispatch(c->e, c->event);
}

/* Every empty cell that has an event of the peer's, or of our own. */
static void
assert_empty_cells(struct exe *e, bool of_peer, int status)
{
	struct cell c = {.e = e};
	char said[TEST_SAID_BYTES];
	int s, v, end, seen = 0;

	for (s = 0; s < EXE_STATE_END; s++) {
		for (v = ON_NONE + 1; v < EXE_EVENT_END; v++) {
			c.state = (enum exe_state)s;
			c.event = (enum exe_event)v;
			if (exe_event_is_peer(c.event) != of_peer ||
			    exe_rule(c.state, c.event) != NULL)
				continue;
			end = in_child(dispatch_in_child, &c, said);
			assert_true(WIFEXITED(end));
			assert_int_equal(WEXITSTATUS(end), status);
			assert_non_null(strstr(said, exe_state_name(c.state)));
			assert_non_null(strstr(said, exe_event_name(c.event)));
			seen++;
		}
	}
	assert_true(seen > 0);
}

static void
empty_of_peer(void **state)
{
	assert_empty_cells(&((struct fixture *)*state)->e, true, EX_PROTOCOL);
}

static void
empty_of_ours(void **state)
{
	assert_empty_cells(&((struct fixture *)*state)->e, false, EX_SOFTWARE);
}

static void
names(void **state)
{
	(void)state;
	for (int s = 0; s < EXE_STATE_END; s++)
		assert_string_not_equal(exe_state_name((enum exe_state)s), "?");
	for (int v = 0; v < EXE_EVENT_END; v++)
		assert_string_not_equal(exe_event_name((enum exe_event)v), "?");
	assert_string_equal(exe_state_name(EXE_STATE_END), "?");
	assert_string_equal(exe_event_name(EXE_EVENT_END), "?");
}

static void
of_the_peer(void **state)
{
	(void)state;
	for (int v = 0; v <= EXE_EVENT_END; v++)
		assert_int_equal(exe_event_is_peer((enum exe_event)v), v == ON_RUN || v == ON_STOP);
}

static void
cells(void **state)
{
	(void)state;
	for (int s = 0; s < EXE_STATE_END; s++) {
		for (int v = 0; v < EXE_EVENT_END; v++) {
			const struct exe_rule *rule =
			    exe_rule((enum exe_state)s, (enum exe_event)v);
			const char *name =
			    exe_rule_action_name((enum exe_state)s, (enum exe_event)v);

			assert_int_equal(rule == NULL, name == NULL);
			if (rule == NULL)
				continue;
			assert_true(v != ON_NONE);
			assert_true(rule->next < EXE_STATE_END);
			assert_true(rule->action != NULL || strcmp(name, "NULL") == 0);
			/* Without an action nothing has happened that could change the state. */
			assert_true(rule->action != NULL || (int)rule->next == s);
		}
	}
}

static void
reached(void **state)
{
	bool seen[EXE_STATE_END] = {[EXE_IDLE] = true};
	bool grows = true;

	(void)state;
	while (grows) {
		grows = false;
		for (int s = 0; s < EXE_STATE_END; s++) {
			for (int v = 0; seen[s] && v < EXE_EVENT_END; v++) {
				const struct exe_rule *rule =
				    exe_rule((enum exe_state)s, (enum exe_event)v);

				if (rule == NULL || seen[rule->next])
					continue;
				seen[rule->next] = grows = true;
			}
		}
	}
	for (int s = 0; s < EXE_STATE_END; s++)
		assert_true(seen[s]);
}

static void
ends(void **state)
{
	static const enum exe_event must[] = {ON_EOF, ON_TERM, ON_STOP};

	(void)state;
	/* STEPPING does not wait: nothing from outside can come in it. */
	for (int s = 0; s < EXE_STATE_END; s++)
		for (size_t i = 0; i < COUNT(must); i++)
			assert_int_equal(
			    exe_rule((enum exe_state)s, must[i]) == NULL, s == EXE_STEPPING);
}

static void
once_owed(void **state)
{
	(void)state;
	for (int v = 0; v < EXE_EVENT_END; v++) {
		const struct exe_rule *rule = exe_rule(EXE_OWED, (enum exe_event)v);

		assert_true(rule == NULL || rule->action == exe_leave);
	}
	for (int s = 0; s < EXE_STATE_END; s++) {
		for (int v = 0; v < EXE_EVENT_END; v++) {
			const struct exe_rule *rule =
			    exe_rule((enum exe_state)s, (enum exe_event)v);

			if (rule == NULL || rule->next != EXE_OWED || s == EXE_OWED)
				continue;
			assert_int_equal(s, EXE_STEPPING);
			assert_int_equal(v, ON_COMMITTED);
		}
	}
}

static void
plan_in_order(void **state)
{
	const struct task *task;
	size_t i;

	(void)state;
	for (i = 0; (task = plan_task(i)) != NULL; i++) {
		assert_non_null(task->begin);
		assert_in_range(task->step, STEP_PREFLIGHT, STEP_FINISH);
		assert_true(i == 0 || task->step == plan_task(i - 1)->step ||
			    task->step == plan_task(i - 1)->step + 1);
	}
	assert_true(i > 0);
	assert_int_equal(plan_task(0)->step, STEP_PREFLIGHT);
	assert_int_equal(plan_task(i - 1)->step, STEP_FINISH);
	assert_null(plan_task(i + 1));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    EXE_TEST("a request that has no cell ends the process as a lie", empty_of_peer),
	    EXE_TEST("an event of our own that has no cell ends it as a bug", empty_of_ours),
	    EXE_TEST("every state and event has a name", names),
	    EXE_TEST("the monitor's events are RUN and STOP alone", of_the_peer),
	    EXE_TEST("every cell leads to a state, and has an action or changes nothing", cells),
	    EXE_TEST("every state can be reached", reached),
	    EXE_TEST("every state that waits can be ended", ends),
	    EXE_TEST("a restart is owed by a commit alone, and then nothing but leaving is done",
		once_owed),
	    EXE_TEST("the plan has its steps in their order, none left out", plan_in_order),
	};

	return cmocka_run_group_tests_name("rules", tests, NULL, NULL);
}
