/*
 * check.c - `moult-executor --check`: shows on this machine that an update could be done, and that
 *	its steps are confined.
 *
 * room: executor. As at a start it becomes deploy_user, opens its places and seals itself; but it
 *	takes no lock, has no journal and no monitor. Its state directory is a scratch one, so that
 *	it changes nothing and can be run beside a moult that works.
 * distrusts: the repository, the remote, and what programs print.
 */
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "commands.h"
#include "log.h"
#include "text.h"

#define REMOTE_LIMIT_S  30 /* or [limits] fetch_s, where that is less */
#define REMOVE_OPEN_MAX 16 /* directories open at once while the scratch one is removed */
#define NAME_BYTES      256

/* ---- the scratch directory ---- */

static int
remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)st;
	(void)kind;
	(void)at;
	(void)remove(path); /* what stays is met again by its directory */
	return 0;
}

static void
remove_scratch(int status, void *arg)
{
	const struct check *c = arg;

	(void)status;
	(void)nftw(c->scratch, remove_one, REMOVE_OPEN_MAX, FTW_DEPTH | FTW_PHYS);
	if (access(c->scratch, F_OK) == 0)
		log_warnx("%s cannot be removed", c->scratch);
}

static bool
scratch_at(struct check *c, const char *dir)
{
	if (dir == NULL || dir[0] != '/' ||
	    snprintf(c->scratch, sizeof(c->scratch), "%s/moult-check-XXXXXX", dir) >=
		(int)sizeof(c->scratch) - NAME_BYTES / 2)
		return false;
	return mkdtemp(c->scratch) != NULL;
}

static void
scratch_make(struct check *c)
{
	/* The variable is root's or the caller's, the directory the deploy user's to make. */
	if (!scratch_at(c, getenv("TMPDIR")) && !scratch_at(c, "/tmp"))
		fatal("a directory in /tmp");
	if (on_exit(remove_scratch, c) != 0)
		fatal("on_exit");
	snprintf(c->state_dir, sizeof(c->state_dir), "%s", c->e->conf.state_dir);
	if (snprintf(c->e->conf.state_dir, sizeof(c->e->conf.state_dir), "%s/state", c->scratch) >=
	    (int)sizeof(c->e->conf.state_dir))
		bug("check: %s is too long", c->scratch);
}

/* ---- programs, one after the other ---- */

static void
leave_on_term(const struct exe *e)
{
	struct signalfd_siginfo info;

	while (read(e->signalfd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		if (info.ssi_signo == SIGTERM)
			log_exit(EX_TEMPFAIL, "ended by a signal");
}

/* The loop's work for one program: its output, its refused calls, its end. */
static void
await(struct exe *e)
{
	int64_t until = clock_monotonic_ms() + (int64_t)e->command.limit_s * 1000, left;

	while (!e->child.exited) {
		struct pollfd slots[] = {{.fd = e->signalfd, .events = POLLIN},
		    {.fd = e->child.log_fd, .events = POLLIN},
		    {.fd = e->child.out_fd, .events = POLLIN},
		    {.fd = e->child.notify_fd, .events = POLLIN}};

		left = until - clock_monotonic_ms();
		if (left <= 0 && !e->child.timed_out) {
			e->child.timed_out = true;
			tree_signal(SIGKILL, e->scope_kill);
		}
		if (poll(slots, sizeof(slots) / sizeof(slots[0]), left > 0 ? (int)left : 100) ==
			-1 &&
		    errno != EINTR)
			fatal("poll");
		(void)output_read(e); /* no dialog here */
		if (slots[3].revents != 0)
			denial_hear(e, slots[3].revents);
		leave_on_term(e);
		(void)tree_reap(&e->child);
	}
	tree_end(e->scope_kill);
	(void)output_read(e);
	spawn_release(&e->child);
}

/* One task of the plan, from its beginning to its end. */
static bool
task_passes(
    struct exe *e, enum exe_event (*begin)(struct exe *), enum exe_event (*end)(struct exe *))
{
	enum exe_event event = ON_AGAIN;

	while (event == ON_AGAIN) {
		e->run.tail_len = 0;
		if ((event = begin(e)) != ON_SPAWNED)
			break;
		await(e);
		event = end(e);
	}
	return event == ON_PASSED;
}

/* Runs e->command. False: run.detail says why. */
static bool
command_passes(struct exe *e, enum wire_reason reason, const char *what)
{
	e->run.tail_len = 0;
	e->run.denial_count = 0;
	if (run_spawn(e) != ON_SPAWNED)
		return false;
	await(e);
	if (run_child_ok(e))
		return true;
	run_broke_by_child(e, reason, what);
	denial_explain(e);
	return false;
}

/*
 * What the program has complained with; "" nothing. git and ssh say first what is wrong and then
 * what might be: so the first line with one of these words, or else the last one.
 */
static void
complaint(const struct exe *e, char line[VERDICT_TEXT_MAX])
{
	static const char *const words[] = {"fatal: ", "ssh: ", "Permission denied", "Host key"};
	char tail[RUN_TAIL_MAX + 1], *save = NULL;

	memcpy(tail, e->run.tail, e->run.tail_len);
	tail[e->run.tail_len] = '\0';
	line[0] = '\0';
	for (char *at = strtok_r(tail, "\r\n", &save); at != NULL;
	     at = strtok_r(NULL, "\r\n", &save)) {
		snprintf(line, VERDICT_TEXT_MAX, "%s", at);
		for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
			if (strstr(at, words[i]) != NULL)
				return;
	}
}

/* What was captured, as lines of a string. */
static char *
captured(struct exe *e)
{
	struct child *c = &e->child;

	c->out[c->out_len < sizeof(c->out) ? c->out_len : sizeof(c->out) - 1] = '\0';
	return c->out;
}

/* ---- places ---- */

/* What the start would end over, in better words. */
static bool
places_fit(const struct exe *e)
{
	char git[CONF_TEXT_MAX + sizeof("/.git")];
	struct stat st;

	if (faccessat(AT_FDCWD, e->conf.repo, R_OK | W_OK | X_OK, AT_EACCESS) == -1) {
		verdict_say(VERDICT_FAILED, TOPIC_CHECKOUT, "[deploy] repo: %s: %s, for user %s",
		    e->conf.repo, strerror(errno), e->user.name);
		return false;
	}
	snprintf(git, sizeof(git), "%s/.git", e->conf.repo);
	if (lstat(git, &st) == -1 || !S_ISDIR(st.st_mode) ||
	    faccessat(AT_FDCWD, git, R_OK | W_OK | X_OK, AT_EACCESS) == -1) {
		verdict_say(VERDICT_FAILED, TOPIC_CHECKOUT,
		    "[deploy] repo: %s must be a directory that user %s may read and write", git,
		    e->user.name);
		return false;
	}
	return true;
}

static void
look_at_signal_dir(const struct exe *e)
{
	if (faccessat(AT_FDCWD, e->signal_dir, R_OK | W_OK | X_OK, AT_EACCESS) == 0)
		verdict_say(VERDICT_OK, TOPIC_SIGNAL, "user %s may take the signal away from %s",
		    e->user.name, e->signal_dir);
	else
		verdict_say(VERDICT_FAILED, TOPIC_SIGNAL,
		    "[deploy] signal: %s: %s: user %s must read and write this directory, "
		    "to take the signal away",
		    e->signal_dir, strerror(errno), e->user.name);
}

/* The configured state directory, which this process does not use. */
static void
look_at_state_dir(struct check *c)
{
	struct exe *e = c->e;
	char above[CONF_TEXT_MAX], name[CONF_TEXT_MAX];
	const char *path = c->state_dir;
	int fd;

	if (access(path, F_OK) == -1 && errno == ENOENT) {
		conf_split_path(c->state_dir, above, name);
		path = above;
	} else if (faccessat(AT_FDCWD, path, R_OK | W_OK | X_OK, AT_EACCESS) == -1) {
		verdict_say(VERDICT_FAILED, TOPIC_STATE, "[deploy] state_dir: %s: %s, for user %s",
		    path, strerror(errno), e->user.name);
		return;
	}
	fd = open(path, O_PATH | O_CLOEXEC);
	if (fd == -1)
		verdict_say(VERDICT_FAILED, TOPIC_STATE, "[deploy] state_dir: %s: %s", path,
		    strerror(errno));
	else if (preflight_space(e, fd, path) == ON_BROKE)
		verdict_say(VERDICT_FAILED, TOPIC_STATE, "[deploy] state_dir: %s", e->run.detail);
	else
		verdict_say(VERDICT_OK, TOPIC_STATE, "room is left in %s", path);
	if (fd != -1)
		close(fd);
}

static void
look_at_write_paths(struct exe *e)
{
	char buf[CONF_TEXT_MAX], *paths[CONF_WORDS_MAX];
	bool fit = true;

	if (preflight_write_paths(e) == ON_BROKE) {
		verdict_say(VERDICT_FAILED, TOPIC_PLACES, "%s%s",
		    e->run.reason == REASON_NO_SPACE ? "[sandbox] write_paths: " : "",
		    e->run.detail);
		return;
	}
	conf_words(e->conf.write_paths, buf, paths);
	for (size_t i = 0; paths[i] != NULL; i++)
		if (faccessat(AT_FDCWD, paths[i], W_OK, AT_EACCESS) == -1) {
			fit = false;
			verdict_say(VERDICT_FAILED, TOPIC_PLACES,
			    "[sandbox] write_paths: %s: %s, for user %s, who runs the steps",
			    paths[i], strerror(errno), e->user.name);
		}
	if (paths[0] == NULL)
		verdict_say(VERDICT_WARNING, TOPIC_PLACES,
		    "[sandbox] write_paths is not set: migrations and the install command can "
		    "write "
		    "nothing but the checkout and TMPDIR");
	if (fit && paths[0] != NULL)
		verdict_say(VERDICT_OK, TOPIC_PLACES, "user %s may write %s", e->user.name,
		    e->conf.write_paths);
}

/* False: git can do nothing here. */
static bool
look_at_checkout(struct exe *e)
{
	char head[WIRE_OID_MAX], names[WIRE_DETAIL_MAX];

	if (preflight_layout(e) == ON_BROKE ||
	    preflight_space(e, e->repo_fd, e->conf.repo) == ON_BROKE ||
	    preflight_swept(e) == ON_BROKE ||
	    !task_passes(e, preflight_format, preflight_format_read)) {
		verdict_say(VERDICT_FAILED, TOPIC_CHECKOUT, "[deploy] repo: %s", e->run.detail);
		return false;
	}
	command_git_status(e);
	if (!command_passes(e, REASON_REPO_UNFIT, "git status")) {
		verdict_say(VERDICT_FAILED, TOPIC_CHECKOUT, "[deploy] repo: %s", e->run.detail);
		return false;
	}
	if (!run_read_status(e, head, names, sizeof(names))) {
		verdict_say(VERDICT_FAILED, TOPIC_CHECKOUT, "[deploy] repo: %s has no commit",
		    e->conf.repo);
		return false;
	}
	memcpy(e->run.head, head, sizeof(e->run.head));
	if (e->run.dirty != 0)
		verdict_say(VERDICT_WARNING, TOPIC_CHECKOUT,
		    "%zu tracked file%s edited by hand, so that no update would begin: %s%s",
		    e->run.dirty, e->run.dirty == 1 ? " was" : "s were", names,
		    e->run.dirty > EXE_NAMES_MAX ? ", ..." : "");
	else
		verdict_say(VERDICT_OK, TOPIC_CHECKOUT,
		    "HEAD is %.12s, and no tracked file was edited", head);
	return true;
}

/* ---- programs, the remote, the signature ---- */

static bool
look_at_git(struct exe *e)
{
	char *text;

	command_git_version(e);
	if (!command_passes(e, REASON_SYSTEM, "git --version")) {
		verdict_say(VERDICT_FAILED, TOPIC_GIT, "%s", e->run.detail);
		return false;
	}
	text = captured(e);
	text[strcspn(text, "\n")] = '\0';
	verdict_say(VERDICT_OK, TOPIC_GIT, "%s, run in its sandbox", text);
	return true;
}

/* Goes through lines of "ID REF": the branch, and the newest tag. */
static size_t
read_refs(const struct exe *e, char *text, bool *branch, struct version *newest)
{
	char *save = NULL, ref[CONF_TEXT_MAX + 64];
	struct version v;
	size_t tags = 0;

	snprintf(ref, sizeof(ref), "refs/heads/%s", e->conf.branch);
	for (char *line = strtok_r(text, "\n", &save); line != NULL;
	     line = strtok_r(NULL, "\n", &save)) {
		char *name = strchr(line, '\t');

		if (name == NULL)
			continue;
		*branch |= strcmp(++name, ref) == 0;
		if (strncmp(name, "refs/tags/v", 11) != 0 || version_parse(&v, name + 10) == -1)
			continue;
		if (tags++ == 0 || version_compare(&v, newest) > 0)
			*newest = v;
	}
	return tags;
}

static void
look_at_remote(struct exe *e)
{
	uint32_t limit_s = e->conf.fetch_s < REMOTE_LIMIT_S ? e->conf.fetch_s : REMOTE_LIMIT_S;
	char line[VERDICT_TEXT_MAX];
	struct version newest;
	bool branch = false;
	size_t tags;

	command_git_ask_all(e, limit_s);
	e->run.step = STEP_FETCH;
	if (!command_passes(e, REASON_FETCH_FAILED, "git ls-remote")) {
		complaint(e, line);
		verdict_say(VERDICT_FAILED, TOPIC_REMOTE, "[deploy] remote: %.150s: %.150s%s%s",
		    e->conf.remote, line, line[0] != '\0' ? ": " : "", e->run.detail);
		return;
	}
	tags = read_refs(e, captured(e), &branch, &newest);
	if (tags == 0 && !branch)
		verdict_say(VERDICT_FAILED, TOPIC_REMOTE,
		    "[deploy] remote: %s answers, but has neither a tag v* nor the branch %s",
		    e->conf.remote, e->conf.branch);
	else if (tags == 0)
		verdict_say(VERDICT_WARNING, TOPIC_REMOTE,
		    "[deploy] remote: %s has no tag v*: only alpha could be updated",
		    e->conf.remote);
	else if (!branch)
		verdict_say(VERDICT_WARNING, TOPIC_REMOTE,
		    "[deploy] branch: %s has no branch %s: alpha could not be updated",
		    e->conf.remote, e->conf.branch);
	else
		verdict_say(VERDICT_OK, TOPIC_REMOTE,
		    "%s answers: branch %s, %zu versions, newest v%s", e->conf.remote,
		    e->conf.branch, tags, newest.text);
}

/* The newest version that is here; false when there is none. */
static bool
newest_here(struct exe *e, struct version *newest)
{
	char *save = NULL;
	struct version v;
	bool found = false;

	command_git_tags(e);
	if (!command_passes(e, REASON_REPO_UNFIT, "git for-each-ref"))
		return false;
	for (char *name = strtok_r(captured(e), "\n", &save); name != NULL;
	     name = strtok_r(NULL, "\n", &save))
		if (version_parse(&v, name) == 0 && (!found || version_compare(&v, newest) > 0)) {
			*newest = v;
			found = true;
		}
	return found;
}

/* The tasks of the step verify that look at the signature. */
static bool
verifies(struct exe *e)
{
	e->run.reason = REASON_NONE;
	e->run.step = STEP_VERIFY;
	if (e->journal.state.channel != CHANNEL_ALPHA &&
	    !task_passes(e, verify_resolve, verify_resolved))
		return false;
	return task_passes(e, verify_object, verify_object_read) &&
	       task_passes(e, verify_keys, verify_keys_read) &&
	       task_passes(e, verify_signature, verify_signature_read) &&
	       e->run.reason == REASON_NONE;
}

static void
look_at_signature(struct exe *e)
{
	struct journal_state *s = &e->journal.state;
	char what[VERSION_MAX + 16];
	struct version newest;

	if (e->conf.verify == CONF_VERIFY_NONE) {
		verdict_say(
		    VERDICT_OK, TOPIC_VERIFY, "[verify] mode = none: no signature is asked for");
		return;
	}
	if (newest_here(e, &newest)) {
		s->channel = CHANNEL_STABLE;
		snprintf(s->to, sizeof(s->to), "%s", newest.text);
		snprintf(what, sizeof(what), "v%s", newest.text);
	} else if (e->conf.verify == CONF_VERIFY_TAG) {
		verdict_say(VERDICT_WARNING, TOPIC_VERIFY,
		    "[verify] mode = tag: there is no tag v* here to try it on");
		return;
	} else {
		s->channel = CHANNEL_ALPHA;
		snprintf(s->commit, sizeof(s->commit), "%s", e->run.head);
		snprintf(what, sizeof(what), "HEAD");
	}
	if (verifies(e))
		verdict_say(VERDICT_OK, TOPIC_VERIFY, "%s is signed by key %s", what, s->key);
	else
		verdict_say(VERDICT_FAILED, TOPIC_VERIFY, "%s: %s: %s", what,
		    wire_reason_words(e->run.reason), e->run.detail);
}

/* ---- the whole ---- */

static void
look_for_others(const struct exe *e)
{
	char owner[NAME_BYTES];

	if (lock_is_taken(e, owner, sizeof(owner)))
		verdict_say(VERDICT_OK, TOPIC_SYSTEM, "%s is at work in this checkout", owner);
}

void
check(struct exe *e, void (*ready)(struct exe *e))
{
	static struct check state; /* large; nothing else refers to it by name */
	struct check *c = &state;

	c->e = e;
	if (prctl(PR_SET_PDEATHSIG, SIGTERM) == -1)
		fatal("prctl(PR_SET_PDEATHSIG)");
	scratch_make(c);
	if (!places_fit(e))
		exit(EX_OK);
	ready(e);
	look_for_others(e);
	look_at_signal_dir(e);
	look_at_state_dir(c);
	look_at_write_paths(e);
	if ((e->lock_fd = open("/dev/null", O_RDWR | O_CLOEXEC)) == -1)
		fatal("/dev/null");
	if (faccessat(e->gitdir_fd, "logs", F_OK, 0) == -1) {
		verdict_say(VERDICT_WARNING, TOPIC_CHECKOUT,
		    "%s/.git/logs is not there: the first update makes it; before that the steps' "
		    "sandbox cannot be tried",
		    e->conf.repo);
		exit(EX_OK);
	}
	seal_look(e);
	check_sandbox_prepare(c);
	seal_filters(e);
	seal(e);
	check_sandbox(c);
	if (look_at_git(e) && look_at_checkout(e)) {
		look_at_remote(e);
		look_at_signature(e);
	}
	exit(EX_OK);
}
