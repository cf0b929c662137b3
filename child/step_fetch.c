/*
 * step_fetch.c - the steps fetch and verify: what was announced, as one commit id.
 *
 * room: executor.
 * distrusts: the remote: what it sends, what its tags name today, and its history.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "executor.h"
#include "log.h"
#include "text.h"

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

/* Cuts the first word that is an object id from the output; false when it is none. */
static bool
read_id(struct child *c, char id[WIRE_OID_MAX])
{
	size_t len = 0;

	while (len < c->out_len && len < WIRE_OID_MAX - 1 && c->out[len] > ' ')
		len++;
	memcpy(id, c->out, len);
	id[len] = '\0';
	return text_is_object_id(id);
}

enum exe_event
fetch_asked(struct exe *e)
{
	if (run_child_status(e) == ASK_NO_SUCH_REF)
		return run_broke(e, REASON_TAG_MISSING, "v%s", e->journal.state.to);
	if (!run_child_ok(e))
		return broke_by_remote(e, "git ls-remote");
	if (!read_id(&e->child, e->run.remote_tag))
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

	if (read_id(&e->child, object))
		return ON_PASSED;
	return run_broke(e, REASON_FETCH_FAILED, "git fetch: v%s was refused", e->journal.state.to);
}

enum exe_event
verify_resolve(struct exe *e)
{
	command_git_resolve(e);
	return run_spawn(e);
}

/* The first commit seen for a version is the version, for ever. */
static enum exe_event
pin_check(struct exe *e)
{
	const struct journal_state *s = &e->journal.state;
	const char *pinned = journal_pinned(&e->journal, s->to);

	if (pinned == NULL) {
		if (journal_pin(&e->journal, s->to, s->commit) == -1)
			return run_broke(e, REASON_SYSTEM, "journal: %s", strerror(errno));
		return ON_PASSED;
	}
	if (strcmp(pinned, s->commit) == 0)
		return ON_PASSED;
	return run_broke(
	    e, REASON_TAG_MOVED, "v%s named commit %s, now %s", s->to, pinned, s->commit);
}

/* Reads two lines: the ref's own object, and its commit. */
static enum exe_event
resolved_read(struct exe *e)
{
	struct journal_state *s = &e->journal.state;
	char object[WIRE_OID_MAX], ref[CONF_TEXT_MAX + 64];
	struct child *c = &e->child;
	char *newline;

	command_target_ref(e, ref, sizeof(ref));
	if (!read_id(c, object)) {
		e->run.tail_len = 0; /* git's words for this are about its arguments */
		return is_alpha(e) ? run_broke(e, REASON_FETCH_FAILED, "%s was not received", ref)
				   : run_broke(e, REASON_TAG_MISSING, "v%s", s->to);
	}
	if (e->run.fetch_failed && strcmp(object, e->run.remote_tag) != 0)
		return run_broke(e, REASON_TAG_MOVED, "v%s is %s here and %s in the remote", s->to,
		    object, e->run.remote_tag);
	newline = memchr(c->out, '\n', c->out_len);
	if (newline != NULL) {
		c->out_len -= (size_t)(newline + 1 - c->out);
		memmove(c->out, newline + 1, c->out_len);
	}
	if (newline == NULL || !run_child_ok(e) || !read_id(c, s->commit)) {
		s->commit[0] = '\0';
		return run_broke(e, REASON_TAG_MISSING, "%s names no commit", ref);
	}
	return ON_PASSED;
}

enum exe_event
verify_resolved(struct exe *e)
{
	enum exe_event verdict;

	if (run_child_status(e) == -1)
		return run_broke_by_child(e, REASON_FETCH_FAILED, "git rev-parse");
	if ((verdict = resolved_read(e)) != ON_PASSED)
		return verdict;
	return is_alpha(e) ? ON_PASSED : pin_check(e);
}

/* Submodules are never fetched, so that a version with some would be checked out without them. */
enum exe_event
verify_content(struct exe *e)
{
	command_git_submodules(e, e->journal.state.commit);
	return run_spawn(e);
}

enum exe_event
verify_content_read(struct exe *e)
{
	if (!run_child_ok(e))
		return run_broke_by_child(e, REASON_FETCH_FAILED, "git ls-tree");
	if (e->child.out_len == 0)
		return ON_PASSED;
	return run_broke(e, REASON_REPO_UNFIT, "commit %s has submodules", e->journal.state.commit);
}

/* A branch that was rewritten, or local commits: neither is ever forced. */
enum exe_event
verify_forward(struct exe *e)
{
	if (!is_alpha(e))
		return ON_PASSED;
	command_git_is_ancestor(e, "HEAD", e->journal.state.commit);
	return run_spawn(e);
}

enum exe_event
verify_forwarded(struct exe *e)
{
	if (run_child_ok(e))
		return ON_PASSED;
	if (run_child_status(e) == 1)
		return run_broke(e, REASON_DIVERGED, "%s is not a descendant of HEAD %s",
		    e->journal.state.commit, e->journal.state.previous);
	return run_broke_by_child(e, REASON_FETCH_FAILED, "git merge-base");
}

enum exe_event
verify_announced(struct exe *e)
{
	const struct journal_state *s = &e->journal.state;

	if (!is_alpha(e) || !text_is_object_id(s->available))
		return ON_PASSED;
	command_git_is_ancestor(e, s->available, s->commit);
	return run_spawn(e);
}

enum exe_event
verify_announced_end(struct exe *e)
{
	if (run_child_ok(e))
		return ON_PASSED;
	if (run_child_status(e) == -1)
		return run_broke_by_child(e, REASON_FETCH_FAILED, "git merge-base");
	return run_broke(
	    e, REASON_COMMIT_ABSENT, "%s is not on %s", e->journal.state.available, e->conf.branch);
}

/*
 * Where alpha's version stands: in the signal, in a file of the new commit, or in its tags. Read
 * from the commit before it is checked out, so that an unknown version changes nothing.
 */
enum exe_event
version_begin(struct exe *e)
{
	const struct journal_state *s = &e->journal.state;

	if (!is_alpha(e))
		return ON_PASSED;
	switch (e->conf.version) {
	case CONF_VERSION_FILE:
		command_git_show(e, s->commit, e->conf.version_file);
		return run_spawn(e);
	case CONF_VERSION_DESCRIBE:
		command_git_describe(e, s->commit);
		return run_spawn(e);
	case CONF_VERSION_SIGNAL:
		break;
	}
	if (text_is_object_id(s->available))
		return run_broke(e, REASON_VERSION_UNKNOWN,
		    "the signal announces a commit; set [deploy] version to file or describe");
	return ON_PASSED;
}

/* The first line that is a version, or reads version = "...", as in pyproject.toml. */
static bool
find_version(char *text, struct version *v)
{
	char *save = NULL;

	for (char *line = strtok_r(text, "\r\n", &save); line != NULL;
	     line = strtok_r(NULL, "\r\n", &save)) {
		char word[VERSION_MAX + 1], rest;

		if (sscanf(line, " version = \"%128[^\"]\"", word) == 1 ||
		    sscanf(line, " version = '%128[^']'", word) == 1 ||
		    sscanf(line, " %128s %c", word, &rest) == 1)
			if (version_parse(v, word) == 0)
				return true;
	}
	return false;
}

enum exe_event
version_end(struct exe *e)
{
	struct journal_state *s = &e->journal.state;
	struct child *c = &e->child;
	struct version v, from;

	if (!run_child_ok(e))
		return run_broke(e, REASON_VERSION_UNKNOWN, "%s of commit %s",
		    e->conf.version == CONF_VERSION_FILE ? e->conf.version_file : "the tags",
		    s->commit);
	c->out[c->out_len < sizeof(c->out) ? c->out_len : sizeof(c->out) - 1] = '\0';
	if (!find_version(c->out, &v))
		return run_broke(e, REASON_VERSION_UNKNOWN, "no version in %s of commit %s",
		    e->conf.version == CONF_VERSION_FILE ? e->conf.version_file : "the tags",
		    s->commit);
	if (version_parse(&from, s->from) == 0 && version_compare(&v, &from) < 0)
		return run_broke(e, REASON_NOT_NEWER, "commit %s is %s, %s is installed", s->commit,
		    v.text, s->from);
	snprintf(s->to, sizeof(s->to), "%s", v.text);
	return ON_PASSED;
}
