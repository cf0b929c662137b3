/*
 * step_preflight.c - may the update begin: order of versions, locks, space, layout, a clean tree.
 *
 * room: executor.
 * distrusts: the request's order of versions; the checkout and its configuration.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "commands.h"
#include "executor.h"
#include "log.h"
#include "text.h"

/* The gap's end must lie behind its beginning; a commit's version is known only later. */
static bool
is_newer(const struct journal_state *s)
{
	struct version from, to;

	if (version_parse(&to, s->to) == -1)
		return s->channel == CHANNEL_ALPHA;
	return version_parse(&from, s->from) == 0 && version_compare(&to, &from) > 0;
}

enum exe_event
preflight_space(struct exe *e, int fd, const char *path)
{
	struct statvfs fs;
	uint64_t free_bytes;

	if (fstatvfs(fd, &fs) == -1)
		return run_broke(e, REASON_SYSTEM, "%s: %s", path, strerror(errno));
	free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
	if (free_bytes < EXE_FREE_BYTES_MIN)
		return run_broke(e, REASON_NO_SPACE, "%s: %llu MiB are free, %u are needed", path,
		    (unsigned long long)(free_bytes >> 20), EXE_FREE_BYTES_MIN >> 20);
	if (fs.f_files != 0 && fs.f_favail < EXE_FREE_INODES_MIN)
		return run_broke(e, REASON_NO_SPACE, "%s: %llu inodes are free, %u are needed",
		    path, (unsigned long long)fs.f_favail, EXE_FREE_INODES_MIN);
	return ON_PASSED;
}

/* The lock is on what was opened at the start: a checkout made anew at its path is another one. */
static bool
is_where_we_locked(const struct exe *e)
{
	struct stat now, locked;

	return fstatat(e->repo_fd, ".git", &now, AT_SYMLINK_NOFOLLOW) == 0 &&
	       fstat(e->gitdir_fd, &locked) == 0 && now.st_ino == locked.st_ino &&
	       stat(e->conf.repo, &now) == 0 && fstat(e->repo_fd, &locked) == 0 &&
	       now.st_dev == locked.st_dev && now.st_ino == locked.st_ino;
}

/* What a file in .git tells about a kind of repository that the private directory cannot serve. */
enum exe_event
preflight_layout(struct exe *e)
{
	static const struct {
		const char *path, *kind;
	} unfit[] = {
	    {".git/reftable", "it keeps its refs in a reftable"},
	    {".git/commondir", "it is a linked worktree"},
	    {".git/objects/info/alternates", "it borrows objects from another repository"},
	    {".gitmodules", "it has submodules"},
	};
	static const char *const dirs[] = {".git/objects", ".git/refs", ".git/logs"};
	struct stat st;

	if (fstatat(e->repo_fd, ".git", &st, AT_SYMLINK_NOFOLLOW) == -1 || !S_ISDIR(st.st_mode))
		return run_broke(e, REASON_REPO_UNFIT, "%s/.git is not a directory", e->conf.repo);
	if (!is_where_we_locked(e))
		return run_broke(
		    e, REASON_REPO_UNFIT, "%s was replaced since moult started", e->conf.repo);
	for (size_t i = 0; i < sizeof(unfit) / sizeof(unfit[0]); i++)
		if (fstatat(e->repo_fd, unfit[i].path, &st, AT_SYMLINK_NOFOLLOW) == 0)
			return run_broke(
			    e, REASON_REPO_UNFIT, "%s: %s", e->conf.repo, unfit[i].kind);
	if (fstatat(e->repo_fd, ".git/config", &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    !S_ISREG(st.st_mode))
		return run_broke(
		    e, REASON_REPO_UNFIT, "%s/.git/config is not a file", e->conf.repo);
	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++)
		if (fstatat(e->repo_fd, dirs[i], &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    !S_ISDIR(st.st_mode))
			return run_broke(e, REASON_REPO_UNFIT, "%s/%s is not a directory",
			    e->conf.repo, dirs[i]);
	return ON_PASSED;
}

/* Where migrations and the install command write. */
enum exe_event
preflight_write_paths(struct exe *e)
{
	char buf[CONF_TEXT_MAX], *paths[CONF_WORDS_MAX];
	enum exe_event verdict = ON_PASSED;

	conf_words(e->conf.write_paths, buf, paths);
	for (size_t i = 0; verdict == ON_PASSED && paths[i] != NULL; i++) {
		int fd = open(paths[i], O_PATH | O_CLOEXEC);

		if (fd == -1)
			return run_broke(e, REASON_SYSTEM, "[sandbox] write_paths: %s: %s",
			    paths[i], strerror(errno));
		verdict = preflight_space(e, fd, paths[i]);
		close(fd);
	}
	return verdict;
}

enum exe_event
preflight_ground(struct exe *e)
{
	enum exe_event verdict;

	if (output_open(e) == -1)
		return run_broke(e, REASON_SYSTEM, "the run's log: %s", strerror(errno));
	announcement_clear_retry(e);
	if ((verdict = preflight_layout(e)) != ON_PASSED)
		return verdict;
	if ((verdict = preflight_space(e, e->repo_fd, e->conf.repo)) != ON_PASSED)
		return verdict;
	if ((verdict = preflight_space(e, e->state_fd, e->conf.state_dir)) != ON_PASSED)
		return verdict;
	if ((verdict = preflight_write_paths(e)) != ON_PASSED)
		return verdict;
	if (lock_clear_stale(e) == 0)
		return ON_PASSED;
	if (errno == EBUSY)
		return run_broke(e, REASON_BUSY, "a git command is running in %s", e->conf.repo);
	return run_broke(
	    e, REASON_SYSTEM, "stale locks in %s/.git: %s", e->conf.repo, strerror(errno));
}

static bool
dir_holds(int dir_fd, const char *path, const char *only)
{
	int fd = openat(dir_fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd == -1 ? NULL : fdopendir(fd);
	struct dirent *entry;
	bool others = false;

	if (dir == NULL) {
		if (fd != -1)
			close(fd);
		return false;
	}
	while ((entry = readdir(dir)) != NULL)
		others |= strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
			  strcmp(entry->d_name, only) != 0;
	closedir(dir);
	return !others;
}

/* True when tmp/ is ours alone, and holds nothing but perhaps an empty home/. */
static bool
tmp_is_clean(const struct exe *e)
{
	struct stat st;

	if (fstatat(e->state_fd, "tmp", &st, AT_SYMLINK_NOFOLLOW) == -1 || (st.st_mode & 077) != 0)
		return false;
	if (!dir_holds(e->state_fd, "tmp", "home"))
		return false;
	return fstatat(e->state_fd, "tmp/home", &st, AT_SYMLINK_NOFOLLOW) == -1 ||
	       ((st.st_mode & 077) == 0 && dir_holds(e->state_fd, "tmp/home", ""));
}

static bool
tmp_exists(const struct exe *e)
{
	return faccessat(e->state_fd, "tmp", F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Some programs leave directories that they themselves could not empty. */
enum exe_event
preflight_loosen(struct exe *e)
{
	if (!tmp_exists(e) || tmp_is_clean(e))
		return ON_PASSED;
	command_loosen(e);
	return run_spawn(e);
}

enum exe_event
preflight_loosened(struct exe *e)
{
	(void)e;
	return ON_PASSED; /* what could not be loosened is met again by the sweep */
}

enum exe_event
preflight_sweep(struct exe *e)
{
	if (!tmp_exists(e) || tmp_is_clean(e))
		return preflight_swept(e);
	command_sweep(e);
	return run_spawn(e);
}

/* Each run begins with an empty TMPDIR and an empty HOME, whatever could not be removed. */
enum exe_event
preflight_swept(struct exe *e)
{
	char aside[WIRE_RUN_MAX + 8];

	snprintf(aside, sizeof(aside), "tmp-%s", e->journal.state.run);
	if (tmp_exists(e) && !tmp_is_clean(e)) {
		log_warnx("%s/tmp cannot be emptied; it is kept as %s", e->conf.state_dir, aside);
		if (renameat(e->state_fd, "tmp", e->state_fd, aside) == -1)
			return run_broke(
			    e, REASON_SYSTEM, "%s/tmp: %s", e->conf.state_dir, strerror(errno));
		run_forget_domains(&e->run);
	}
	if ((mkdirat(e->state_fd, "tmp", 0700) == -1 && errno != EEXIST) ||
	    (mkdirat(e->state_fd, "tmp/home", 0700) == -1 && errno != EEXIST))
		return run_broke(
		    e, REASON_SYSTEM, "%s/tmp: %s", e->conf.state_dir, strerror(errno));
	return ON_PASSED;
}

enum exe_event
preflight_format(struct exe *e)
{
	command_git_format(e);
	return run_spawn(e);
}

static bool
ends_with(const char *text, size_t len, const char *end)
{
	size_t end_len = strlen(end);

	return len >= end_len && memcmp(text + len - end_len, end, end_len) == 0;
}

/*
 * One "key\nvalue" of the repository's own configuration, which is read for this and nothing else.
 * Of an extension only those that are known are accepted: that is what extensions are for.
 */
static bool
format_fits(struct exe *e, const char *entry)
{
	size_t key = strcspn(entry, "\n");
	const char *value = entry[key] != '\0' ? entry + key + 1 : "true";
	bool off = strcmp(value, "false") == 0;

	if (ends_with(entry, key, "extensions.objectformat")) {
		e->run.sha256 = strcmp(value, "sha256") == 0;
		return e->run.sha256 || strcmp(value, "sha1") == 0;
	}
	if (strncmp(entry, "extensions.", 11) == 0)
		return ends_with(entry, key, ".noop");
	if (strncmp(entry, "remote.", 7) == 0)
		return !ends_with(entry, key, ".partialclonefilter") &&
		       (off || !ends_with(entry, key, ".promisor"));
	if (ends_with(entry, key, "core.repositoryformatversion"))
		return strcmp(value, "0") == 0 || strcmp(value, "1") == 0;
	if (ends_with(entry, key, "core.bare") || ends_with(entry, key, "core.sparsecheckout"))
		return off;
	return !ends_with(entry, key, "core.worktree");
}

enum exe_event
preflight_format_read(struct exe *e)
{
	struct child *c = &e->child;
	int status = run_child_status(e);
	char *at = c->out, *end = c->out + c->out_len;

	if (status != 0 && status != 1) /* 1: no such key */
		return run_broke_by_child(e, REASON_REPO_UNFIT, "git config");
	while (at < end) {
		char *nul = memchr(at, '\0', (size_t)(end - at));

		if (nul == NULL || c->out_cut)
			return run_broke(e, REASON_REPO_UNFIT, "its configuration is unreadable");
		if (!format_fits(e, at))
			return run_broke(e, REASON_REPO_UNFIT, "%s: %.200s", e->conf.repo, at);
		at = nul + 1;
	}
	if (command_write_git_config(e) == -1)
		return run_broke(
		    e, REASON_SYSTEM, "%s/git: %s", e->conf.state_dir, strerror(errno));
	return ON_PASSED;
}

enum exe_event
preflight_tree(struct exe *e)
{
	command_git_status(e);
	return run_spawn(e);
}

/*
 * Where HEAD is what we installed last, the journal knows the version that runs; the signal's word
 * could skip migrations, or take the checkout back.
 */
static enum exe_event
order_check(struct exe *e, const char *head)
{
	struct journal_state *s = &e->journal.state;

	if (s->base[0] == '\0' && s->installed[0] != '\0' &&
	    strcmp(head, s->installed_commit) == 0 && strcmp(s->installed, s->from) != 0) {
		log_warnx("run=%s the signal says that %s runs, but %s was installed", s->run,
		    s->from, s->installed);
		snprintf(s->from, sizeof(s->from), "%s", s->installed);
	}
	if (is_newer(s))
		return ON_PASSED;
	return run_broke(e, REASON_NOT_NEWER, "%s is announced, %s is installed", s->to, s->from);
}

enum exe_event
preflight_tree_read(struct exe *e)
{
	struct journal_state *s = &e->journal.state;
	char head[WIRE_OID_MAX], names[WIRE_DETAIL_MAX];
	bool at_target;

	if (!run_child_ok(e))
		return run_broke_by_child(e, REASON_REPO_UNFIT, "git status");
	if (!run_read_status(e, head, names, sizeof(names)))
		return run_broke(e, REASON_REPO_UNFIT, "%s has no commit", e->conf.repo);
	if (order_check(e, head) == ON_BROKE)
		return ON_BROKE;
	at_target = s->base[0] != '\0' && strcmp(head, s->base_target) == 0;
	/* A checkout that was cut off has left the tree half-way: it is ours to make whole. */
	e->run.recovering = s->halfway[0] != '\0' && (at_target || strcmp(head, s->halfway) == 0);
	memcpy(e->run.head, head, sizeof(e->run.head));
	snprintf(s->previous, sizeof(s->previous), "%s", at_target ? s->base_commit : head);
	if (e->run.dirty == 0)
		return ON_PASSED;
	if (!e->run.recovering)
		return run_broke(e, REASON_TREE_DIRTY, "%zu tracked file%s: %s%s", e->run.dirty,
		    e->run.dirty == 1 ? "" : "s", names,
		    e->run.dirty > EXE_NAMES_MAX ? ", ..." : "");
	log_warnx(
	    "run=%s %zu files differ after a checkout that was cut off and are made whole: %s",
	    s->run, e->run.dirty, names);
	return ON_PASSED;
}

/* What is about to be overwritten stands in the run's log afterwards. */
enum exe_event
preflight_keep(struct exe *e)
{
	if (e->run.dirty == 0)
		return ON_PASSED;
	command_git_diff(e);
	return run_spawn(e);
}

enum exe_event
preflight_kept(struct exe *e)
{
	if (!run_child_ok(e))
		return run_broke_by_child(e, REASON_REPO_UNFIT, "git diff");
	return ON_PASSED;
}
