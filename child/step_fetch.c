/*
 * step_fetch.c - the step fetch: what was announced, or why the remote does not give it.
 *
 * room: executor.
 * distrusts: the remote: what it sends, and what its tags name today.
 */
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "executor.h"

#define ASK_NO_SUCH_REF 2 /* git-ls-remote(1), --exit-code */

static bool
is_alpha(const struct exe *e)
{
	return e->journal.state.channel == CHANNEL_ALPHA;
}

enum exe_event
fetch_begin(struct exe *e)
{
	command_git_fetch(e);
	return run_spawn(e);
}

static enum exe_event
broke_by_remote(struct exe *e, const char *what)
{
	char text[WIRE_DETAIL_MAX];

	snprintf(text, sizeof(text), "%s from %s", what, e->conf.remote);
	return run_broke_by_child(e, REASON_FETCH_FAILED, text);
}

/*
 * git fails when any tag has moved, also one that nobody asked for. Then the wanted tag alone
 * decides: the next task asks the remote for it by its full name.
 */
enum exe_event
fetch_end(struct exe *e)
{
	if (run_child_ok(e))
		return ON_PASSED;
	if (is_alpha(e) || run_child_status(e) == -1)
		return broke_by_remote(e, "git fetch");
	e->run.fetch_failed = true;
	return ON_PASSED;
}

enum exe_event
fetch_ask(struct exe *e)
{
	if (!e->run.fetch_failed)
		return ON_PASSED;
	command_git_ask_tag(e);
	return run_spawn(e);
}

enum exe_event
fetch_asked(struct exe *e)
{
	if (run_child_status(e) == ASK_NO_SUCH_REF)
		return run_broke(e, REASON_TAG_MISSING, "v%s", e->journal.state.to);
	if (!run_child_ok(e))
		return broke_by_remote(e, "git ls-remote");
	if (!run_read_id(&e->child, e->run.remote_tag))
		return run_broke(e, REASON_FETCH_FAILED, "git ls-remote: no object id");
	return ON_PASSED;
}

/* The remote has the wanted tag; git may still have refused what came with it, and says why. */
enum exe_event
fetch_look(struct exe *e)
{
	if (!e->run.fetch_failed)
		return ON_PASSED;
	command_git_resolve(e);
	return run_spawn(e);
}

enum exe_event
fetch_looked(struct exe *e)
{
	char object[WIRE_OID_MAX];

	if (run_read_id(&e->child, object))
		return ON_PASSED;
	return run_broke(e, REASON_FETCH_FAILED, "git fetch: v%s was refused", e->journal.state.to);
}
