/*
 * step_verify.c - the step verify: which commit it is, who signed it, and may it be installed.
 *
 * room: executor.
 * distrusts: what was fetched: tags that have moved or lie about their name, signatures by whom
 *	nobody trusts, rewritten history, the way back; and what git prints about all that.
 *
 * Everything here looks at objects by their id; no byte of them has reached the working tree.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "commands.h"
#include "executor.h"
#include "log.h"
#include "text.h"

/* gpg asks nobody: no agent, no network, no web of trust. Who stands in openpgp_keys may sign. */
static const char gpg_conf[] = "batch\nno-tty\nno-autostart\ndisable-dirmngr\n"
			       "no-auto-key-retrieve\nno-auto-key-locate\ntrust-model always\n";

static bool
is_alpha(const struct exe *e)
{
	return e->journal.state.channel == CHANNEL_ALPHA;
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

	if (pinned == NULL || strcmp(pinned, s->commit) == 0)
		return ON_PASSED;
	return run_broke(
	    e, REASON_TAG_MOVED, "v%s named commit %s, now %s", s->to, pinned, s->commit);
}

/* A tag of here is never moved by moult; where no commit is pinned, a person may take it away. */
static enum exe_event
tag_moved(struct exe *e)
{
	const char *to = e->journal.state.to;
	char way[CONF_TEXT_MAX + VERSION_MAX + 64] = "";

	if (journal_pinned(&e->journal, to) == NULL)
		snprintf(way, sizeof(way), "; if that one is right: git -C %s tag -d v%s",
		    e->conf.repo, to);
	return run_broke(e, REASON_TAG_MOVED, "v%s is %s here and %s in the remote%s", to,
	    e->run.object, e->run.remote_tag, way);
}

/* Reads two lines: the ref's own object, and its commit. */
static enum exe_event
resolved_read(struct exe *e)
{
	struct journal_state *s = &e->journal.state;
	char ref[CONF_TEXT_MAX + 64];
	struct child *c = &e->child;
	char *newline;

	command_target_ref(e, ref, sizeof(ref));
	if (!run_read_id(c, e->run.object)) {
		e->run.tail_len = 0; /* git's words for this are about its arguments */
		return is_alpha(e) ? run_broke(e, REASON_FETCH_FAILED, "%s was not received", ref)
				   : run_broke(e, REASON_TAG_MISSING, "v%s", s->to);
	}
	if (e->run.fetch_failed && strcmp(e->run.object, e->run.remote_tag) != 0)
		return tag_moved(e);
	newline = memchr(c->out, '\n', c->out_len);
	if (newline != NULL) {
		c->out_len -= (size_t)(newline + 1 - c->out);
		memmove(c->out, newline + 1, c->out_len);
	}
	if (newline == NULL || !run_child_ok(e) || !run_read_id(c, s->commit)) {
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

/* What has to be signed, as git calls it. */
static const char *
signed_type(const struct exe *e)
{
	return e->conf.verify == CONF_VERIFY_TAG ? "tag" : "commit";
}

static const char *
signed_id(const struct exe *e)
{
	return e->conf.verify == CONF_VERIFY_TAG ? e->run.object : e->journal.state.commit;
}

enum exe_event
verify_object(struct exe *e)
{
	const struct journal_state *s = &e->journal.state;

	if (e->conf.verify == CONF_VERIFY_NONE)
		return ON_PASSED;
	if (e->conf.verify == CONF_VERIFY_TAG && is_alpha(e))
		return run_broke(e, REASON_SIGNATURE_MISSING,
		    "the head of branch %s has no tag; [verify] mode = commit is what serves alpha",
		    e->conf.branch);
	if (e->conf.verify == CONF_VERIFY_TAG && strcmp(e->run.object, s->commit) == 0)
		return run_broke(e, REASON_SIGNATURE_MISSING,
		    "v%s is a lightweight tag of commit %s, which cannot be signed", s->to,
		    s->commit);
	command_git_object(e, signed_type(e), signed_id(e));
	return run_spawn(e);
}

/* A signature says what the tag says: not that this ref is its place. */
static enum exe_event
tag_check(struct exe *e)
{
	const struct journal_state *s = &e->journal.state;
	struct signed_tag tag;

	if (!signature_read_tag(e->child.out, e->child.out_len, &tag))
		return run_broke(
		    e, REASON_SIGNATURE_BAD, "tag object %s cannot be read", e->run.object);
	if (tag.name[0] != 'v' || strcmp(tag.name + 1, s->to) != 0)
		return run_broke(
		    e, REASON_SIGNATURE_BAD, "the tag is %s, not v%s", tag.name, s->to);
	if (strcmp(tag.type, "commit") != 0 || strcmp(tag.object, s->commit) != 0)
		return run_broke(e, REASON_SIGNATURE_BAD, "v%s is a tag of %s %s, not of commit %s",
		    s->to, tag.type, tag.object, s->commit);
	return ON_PASSED;
}

/* A key file that is gone is said so, and not called a wrong signature by git. */
static enum exe_event
keys_check(struct exe *e, const char *key, const char *path)
{
	if (path[0] == '\0')
		return run_broke(e, REASON_SIGNATURE_BAD,
		    "%s %s has an %s signature, and [verify] %s is not set", signed_type(e),
		    signed_id(e), e->run.signature == SIGNATURE_SSH ? "ssh" : "OpenPGP", key);
	if (access(path, R_OK) == -1)
		return run_broke(
		    e, REASON_SIGNATURE_BAD, "[verify] %s: %s: %s", key, path, strerror(errno));
	return ON_PASSED;
}

enum exe_event
verify_object_read(struct exe *e)
{
	const char *text = e->child.out;
	size_t len = e->child.out_len;
	bool tag = e->conf.verify == CONF_VERIFY_TAG;

	if (!run_child_ok(e))
		return run_broke_by_child(e, REASON_FETCH_FAILED, "git cat-file");
	if (tag && tag_check(e) == ON_BROKE)
		return ON_BROKE;
	e->run.signature = tag ? signature_of_tag(text, len) : signature_of_commit(text, len);
	switch (e->run.signature) {
	case SIGNATURE_SSH:
		return keys_check(e, "allowed_signers", e->conf.allowed_signers);
	case SIGNATURE_OPENPGP:
		return keys_check(e, "openpgp_keys", e->conf.openpgp_keys);
	case SIGNATURE_OTHER:
		return run_broke(e, REASON_SIGNATURE_BAD,
		    "%s %s has a signature that is neither of ssh nor of OpenPGP", signed_type(e),
		    signed_id(e));
	case SIGNATURE_NONE:
		break;
	}
	if (e->child.out_cut)
		return run_broke(e, REASON_SIGNATURE_BAD,
		    "%s %s: past %zu bytes no signature is looked for", signed_type(e),
		    signed_id(e), sizeof(e->child.out));
	return run_broke(
	    e, REASON_SIGNATURE_MISSING, "%s %s is not signed", signed_type(e), signed_id(e));
}

/* A keyring of its own for this run, in a directory that the run began without. */
static int
keyring_make(struct exe *e)
{
	int dir_fd, rc, error;

	if (mkdirat(e->state_fd, COMMAND_GNUPGHOME, 0700) == -1 ||
	    (dir_fd = file_open_dir(e->state_fd, COMMAND_GNUPGHOME)) == -1)
		return -1;
	rc = file_replace_volatile(dir_fd, "gpg.conf", gpg_conf, sizeof(gpg_conf) - 1, 0600);
	error = errno;
	close(dir_fd);
	errno = error;
	return rc;
}

enum exe_event
verify_keys(struct exe *e)
{
	if (e->run.signature != SIGNATURE_OPENPGP)
		return ON_PASSED;
	if (!e->run.imported && keyring_make(e) == -1)
		return run_broke(e, REASON_SYSTEM, "%s/" COMMAND_GNUPGHOME ": %s",
		    e->conf.state_dir, strerror(errno));
	command_gpg_import(e);
	return run_spawn(e);
}

/*
 * Of each new key gpg asks the agent whether it has the secret one, and counts it as an error that
 * there is no agent. So the keys are imported twice: the second time none is new, and whatever gpg
 * still complains of is in the file.
 */
enum exe_event
verify_keys_read(struct exe *e)
{
	char what[CONF_TEXT_MAX + 64];

	if (run_child_ok(e)) {
		e->run.denial_count = 0; /* the agent's socket: nothing of it was needed */
		return ON_PASSED;
	}
	if (!e->run.imported && run_child_status(e) != -1) {
		e->run.imported = true;
		return ON_AGAIN;
	}
	snprintf(
	    what, sizeof(what), "[verify] openpgp_keys: gpg --import %s", e->conf.openpgp_keys);
	run_broke_by_child(e, REASON_SIGNATURE_BAD, what);
	return ON_PASSED; /* to the verdict, by way of the sweep */
}

enum exe_event
verify_signature(struct exe *e)
{
	if (e->conf.verify == CONF_VERIFY_NONE || e->run.reason != REASON_NONE)
		return ON_PASSED;
	command_git_verify(e, signed_type(e), signed_id(e));
	return run_spawn(e);
}

static void
signature_broke(struct exe *e)
{
	const struct child *c = &e->child;
	char why[WIRE_DETAIL_MAX / 2];

	/* What was captured for us is what a person wants to see now. */
	e->run.tail_len = c->out_len < RUN_TAIL_MAX ? c->out_len : RUN_TAIL_MAX;
	memcpy(e->run.tail, c->out + c->out_len - e->run.tail_len, e->run.tail_len);
	if (run_child_status(e) == -1) {
		run_broke_by_child(e, REASON_SIGNATURE_BAD, "git verify");
		return;
	}
	signature_why(e->run.signature, c->out, c->out_len, why, sizeof(why));
	run_broke(e, REASON_SIGNATURE_BAD, "%s %s: %s", signed_type(e), signed_id(e), why);
}

/* Both must agree: how git ended, and what it said. Without a key there is no going on. */
enum exe_event
verify_signature_read(struct exe *e)
{
	struct journal_state *s = &e->journal.state;
	const struct child *c = &e->child;
	char who[EXE_SIGNER_MAX];

	s->key[0] = '\0';
	if (!run_child_ok(e) || c->out_cut ||
	    !signature_is_good(e->run.signature, c->out, c->out_len, s->key, who)) {
		signature_broke(e);
		return ON_PASSED;
	}
	log_info("run=%s step=verify %s=%s signer=\"%s\" key=%s", s->run, signed_type(e),
	    signed_id(e), who, s->key);
	return ON_PASSED;
}

/* The keyring is of no use to what comes now, however it was found. */
enum exe_event
verify_sweep(struct exe *e)
{
	return e->run.signature == SIGNATURE_OPENPGP ? preflight_sweep(e) : ON_PASSED;
}

/* Not before it is known who signed: a forged tag must not stand in the way of the right one. */
enum exe_event
verify_verdict(struct exe *e)
{
	const struct journal_state *s = &e->journal.state;

	if (e->run.reason != REASON_NONE)
		return ON_BROKE;
	if (e->conf.verify != CONF_VERIFY_NONE && s->key[0] == '\0')
		bug("verify: no signature was looked at");
	if (is_alpha(e) || journal_pinned(&e->journal, s->to) != NULL)
		return ON_PASSED;
	if (journal_pin(&e->journal, s->to, s->commit) == -1)
		return run_broke(e, REASON_SYSTEM, "journal: %s", strerror(errno));
	return ON_PASSED;
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

/*
 * Alpha goes forward from HEAD: a branch that was rewritten, and local commits, are never forced.
 * A tag may lie on another branch, but not on the way that led to what is installed: a version's
 * number is only a word.
 */
enum exe_event
verify_forward(struct exe *e)
{
	const struct journal_state *s = &e->journal.state;

	if (is_alpha(e))
		command_git_is_ancestor(e, "HEAD", s->commit);
	else if (strcmp(s->commit, s->previous) == 0)
		return ON_PASSED;
	else
		command_git_is_ancestor(e, s->commit, s->previous);
	return run_spawn(e);
}

enum exe_event
verify_forwarded(struct exe *e)
{
	const struct journal_state *s = &e->journal.state;
	int status = run_child_status(e);

	if (status != 0 && status != 1)
		return run_broke_by_child(e, REASON_FETCH_FAILED, "git merge-base");
	if (is_alpha(e) ? status == 0 : status == 1)
		return ON_PASSED;
	if (is_alpha(e))
		return run_broke(e, REASON_DIVERGED, "%s is not a descendant of HEAD %s", s->commit,
		    s->previous);
	return run_broke(e, REASON_NOT_NEWER,
	    "v%s is commit %s, which lies before what is installed, %s", s->to, s->commit,
	    s->previous);
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
