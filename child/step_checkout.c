/*
 * step_checkout.c - the verified commit into the working tree, and looking again that it is there.
 *
 * room: executor.
 * distrusts: everybody who may run git in the checkout meanwhile.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "executor.h"

/*
 * The gap's beginning is kept from here on until an update is finished. And until this one has come
 * to an end that we have seen, the tree may be half one version and half the other: said in the
 * journal first.
 */
enum exe_event
checkout_begin(struct exe *e)
{
	struct journal_state *s = &e->journal.state;

	if (s->base[0] == '\0') {
		snprintf(s->base, sizeof(s->base), "%s", s->from);
		snprintf(s->base_commit, sizeof(s->base_commit), "%s", s->previous);
	}
	snprintf(s->base_target, sizeof(s->base_target), "%s", s->commit);
	snprintf(s->halfway, sizeof(s->halfway), "%s", e->run.head);
	if (journal_save(&e->journal) == -1)
		return run_broke(e, REASON_SYSTEM, "journal: %s", strerror(errno));
	command_git_checkout(e, s->commit, e->run.recovering);
	return run_spawn(e);
}

/* A checkout that was cut off has left the tree half-way; one that git refused may not have. */
enum exe_event
checkout_end(struct exe *e)
{
	if (run_child_ok(e))
		return ON_PASSED;
	run_broke_by_child(e, REASON_CHECKOUT_FAILED,
	    e->journal.state.channel == CHANNEL_ALPHA ? "git merge" : "git checkout");
	return run_child_status(e) == -1 ? ON_BROKE : ON_PASSED;
}

enum exe_event
checkout_look(struct exe *e)
{
	if (e->run.reason == REASON_NONE)
		return ON_PASSED;
	command_git_status(e);
	return run_spawn(e);
}

/*
 * Reached after a refusal alone. Where nothing was touched the next attempt must not use force
 * against the files that stood in the way.
 */
enum exe_event
checkout_looked(struct exe *e)
{
	struct journal_state *s = &e->journal.state;
	char head[WIRE_OID_MAX], names[WIRE_DETAIL_MAX];

	if (run_child_ok(e) && run_read_status(e, head, names, sizeof(names)) &&
	    e->run.dirty == 0 && strcmp(head, e->run.head) == 0 && !e->run.recovering) {
		s->halfway[0] = '\0';
		if (strcmp(head, s->base_commit) == 0)
			s->base[0] = s->base_commit[0] = s->base_target[0] = '\0';
	}
	return ON_BROKE;
}

enum exe_event
head_begin(struct exe *e)
{
	command_git_status(e);
	return run_spawn(e);
}

/* The new version's code is about to run: what stands there must be the commit that was verified.
 * Files that git ignores, or does not know, are not of any version. */
enum exe_event
head_end(struct exe *e)
{
	const char *commit = e->journal.state.commit;
	char head[WIRE_OID_MAX], names[WIRE_DETAIL_MAX];

	if (!run_child_ok(e))
		return run_broke_by_child(e, REASON_HEAD_CHANGED, "git status");
	if (!run_read_status(e, head, names, sizeof(names)) || strcmp(head, commit) != 0)
		return run_broke(e, REASON_HEAD_CHANGED, "HEAD is %s, not %s any more",
		    head[0] != '\0' ? head : "no commit", commit);
	if (e->run.dirty == 0)
		return ON_PASSED;
	return run_broke(e, REASON_HEAD_CHANGED,
	    "%zu tracked file%s changed since the checkout: %s%s", e->run.dirty,
	    e->run.dirty == 1 ? " has" : "s have", names,
	    e->run.dirty > EXE_NAMES_MAX ? ", ..." : "");
}
