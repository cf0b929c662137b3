/*
 * check_places.c - the directories of the configuration: there, ours, writable, and apart.
 *
 * room: client: a person's shell; looks and changes nothing.
 * distrusts: what the configuration names on the disk.
 *
 * The verdicts are about the users that the two processes become: as root others than the one who
 * runs the check, who is then asked for owners alone; what they may write they say by themselves.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client.h"
#include "file.h"
#include "user.h"

#define LOCK_FILE_MAX  4096
#define OWNER_TEXT_MAX 64

static void
name_owner(uid_t uid, char text[OWNER_TEXT_MAX])
{
	const struct passwd *pw = getpwuid(uid);

	if (pw != NULL)
		snprintf(text, OWNER_TEXT_MAX, "%.32s", pw->pw_name);
	else
		snprintf(text, OWNER_TEXT_MAX, "%lu", (unsigned long)uid);
}

/* Who the executor is; check_users() has said when it cannot be told. */
static uid_t
deploy_uid(const struct conf *c)
{
	struct user u;

	return user_deploy(&u, c) == 0 ? u.uid : geteuid();
}

static uid_t
monitor_uid(const struct conf *c)
{
	struct user u;

	return user_monitor(&u, c) == 0 ? u.uid : geteuid();
}

static enum verdict
say_foreign(const char *key, const char *path, uid_t uid, uid_t right, char text[VERDICT_TEXT_MAX])
{
	char owner[OWNER_TEXT_MAX], self[OWNER_TEXT_MAX];

	name_owner(uid, owner);
	name_owner(right, self);
	return check_say(VERDICT_FAILED, text,
	    "[deploy] %s: %s belongs to user %s, not to %s: chown -R it%s", key, path, owner, self,
	    geteuid() == 0 ? "" : ", or run this as whoever starts moult");
}

/* A directory that moult reads and writes. VERDICT_OK leaves text alone. */
static enum verdict
check_dir(const char *key, const char *path, char text[VERDICT_TEXT_MAX], struct stat *st)
{
	if (stat(path, st) == -1)
		return check_say(VERDICT_FAILED, text,
		    "[deploy] %s: %s: %s: make it, as the daemon's user", key, path,
		    strerror(errno));
	if (!S_ISDIR(st->st_mode))
		return check_say(
		    VERDICT_FAILED, text, "[deploy] %s: %s is no directory", key, path);
	if (access(path, R_OK | W_OK | X_OK) == -1)
		return check_say(VERDICT_FAILED, text,
		    "[deploy] %s: %s: %s: the daemon's user must read and write it", key, path,
		    strerror(errno));
	return VERDICT_OK;
}

/* Such a directory that is moult's own as well. */
static enum verdict
check_own_dir(const char *key, const char *path, uid_t owner, char text[VERDICT_TEXT_MAX])
{
	struct stat st;

	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid != owner)
		return say_foreign(key, path, st.st_uid, owner, text);
	return check_dir(key, path, text, &st);
}

/* What one run as another user has left in dir. */
static enum verdict
check_entries(const struct conf *c, char text[VERDICT_TEXT_MAX])
{
	char path[CONF_TEXT_MAX + NAME_MAX + 2];
	uid_t deploy = deploy_uid(c), monitor = monitor_uid(c), right;
	enum verdict verdict = VERDICT_OK;
	struct dirent *entry;
	struct stat st;
	DIR *list = opendir(c->state_dir);

	if (list == NULL)
		return check_say(VERDICT_FAILED, text, "[deploy] state_dir: %s: %s", c->state_dir,
		    strerror(errno));
	while (verdict == VERDICT_OK && (entry = readdir(list)) != NULL) {
		if (strcmp(entry->d_name, "..") == 0)
			continue;
		snprintf(path, sizeof(path), "%s/%s", c->state_dir, entry->d_name);
		right = strcmp(entry->d_name, "monitor") == 0 ? monitor : deploy;
		if (lstat(path, &st) == 0 && st.st_uid != right)
			verdict = say_foreign("state_dir", path, st.st_uid, right, text);
	}
	closedir(list);
	return verdict;
}

enum verdict
check_repo(const struct conf *c, char text[VERDICT_TEXT_MAX])
{
	char git[CONF_TEXT_MAX + sizeof("/.git")];
	enum verdict verdict = check_own_dir("repo", c->repo, deploy_uid(c), text);
	struct stat st;

	if (verdict != VERDICT_OK)
		return verdict;
	snprintf(git, sizeof(git), "%s/.git", c->repo);
	if (lstat(git, &st) == -1)
		return check_say(
		    VERDICT_FAILED, text, "[deploy] repo: %s: %s", git, strerror(errno));
	if (!S_ISDIR(st.st_mode))
		return check_say(VERDICT_FAILED, text,
		    "[deploy] repo: %s is no directory: linked work trees "
		    "and submodules are not supported",
		    git);
	if ((verdict = check_own_dir("repo", git, deploy_uid(c), text)) != VERDICT_OK)
		return verdict;
	return check_say(VERDICT_OK, text, "%s", c->repo);
}

/* It may be the watcher's own: what counts is that moult can take the signal away. */
enum verdict
check_signal_dir(const struct conf *c, char text[VERDICT_TEXT_MAX])
{
	char dir[CONF_TEXT_MAX], name[CONF_TEXT_MAX];
	enum verdict verdict;
	struct stat st;

	conf_split_path(c->signal, dir, name);
	if ((verdict = check_dir("signal", dir, text, &st)) != VERDICT_OK)
		return verdict;
	if ((st.st_mode & S_IWOTH) != 0 && (st.st_mode & S_ISVTX) == 0)
		return check_say(VERDICT_WARNING, text, "%s may be written by everybody", dir);
	if (access(c->signal, F_OK) == 0)
		return check_say(VERDICT_OK, text, "%s announces an update now", c->signal);
	return check_say(VERDICT_OK, text, "%s", dir);
}

/* ---- the state directory ---- */

/* Links resolved as far as the path exists: its last part may be missing. */
static void
resolve(const char *path, char real[PATH_MAX])
{
	char dir[CONF_TEXT_MAX], name[CONF_TEXT_MAX], above[PATH_MAX];

	if (realpath(path, real) != NULL)
		return;
	conf_split_path(path, dir, name);
	if (realpath(dir, above) == NULL ||
	    snprintf(real, PATH_MAX, "%s/%s", above, name) >= PATH_MAX)
		snprintf(real, PATH_MAX, "%s", path);
}

static bool
is_inside(const char *path, const char *top)
{
	char real[PATH_MAX], real_top[PATH_MAX];
	size_t len;

	resolve(path, real);
	resolve(top, real_top);
	len = strlen(real_top);
	return strncmp(real, real_top, len) == 0 && (real[len] == '/' || real[len] == '\0');
}

/* moult makes one level; the directory above must be there and let us. */
static enum verdict
check_state_parent(const struct conf *c, char text[VERDICT_TEXT_MAX])
{
	char dir[CONF_TEXT_MAX], name[CONF_TEXT_MAX];

	conf_split_path(c->state_dir, dir, name);
	if (access(dir, F_OK) == -1)
		return check_say(VERDICT_FAILED, text,
		    "[deploy] state_dir: %s: %s: moult makes one level only: mkdir -p %s, "
		    "and chown it to the daemon's user",
		    dir, strerror(errno), c->state_dir);
	if (access(dir, W_OK | X_OK) == -1)
		return check_say(VERDICT_FAILED, text,
		    "[deploy] state_dir: it cannot be made in %s: %s: mkdir %s, "
		    "and chown it to the daemon's user",
		    dir, strerror(errno), c->state_dir);
	return check_say(VERDICT_OK, text, "%s will be made", c->state_dir);
}

/* The first line of the file "lock" names the checkout that the directory serves. */
static enum verdict
check_state_lock(const struct conf *c, char text[VERDICT_TEXT_MAX])
{
	enum verdict verdict = VERDICT_OK;
	char path[CONF_TEXT_MAX + sizeof("/lock")], *repo;
	size_t len;

	snprintf(path, sizeof(path), "%s/lock", c->state_dir);
	if (file_slurp(AT_FDCWD, path, LOCK_FILE_MAX, &repo, &len) == -1) {
		if (errno == ENOENT)
			return VERDICT_OK;
		return check_say(
		    VERDICT_FAILED, text, "[deploy] state_dir: %s: %s", path, strerror(errno));
	}
	repo[strcspn(repo, "\n")] = '\0';
	if (repo[0] != '\0' && strcmp(repo, c->repo) != 0)
		verdict = check_say(VERDICT_FAILED, text,
		    "[deploy] state_dir: %s belongs to the checkout %.100s: "
		    "one state_dir for each checkout (remove its file lock if that checkout has "
		    "moved)",
		    c->state_dir, repo);
	free(repo);
	return verdict;
}

enum verdict
check_state_dir(const struct conf *c, char text[VERDICT_TEXT_MAX])
{
	enum verdict verdict;

	if (is_inside(c->state_dir, c->repo))
		return check_say(VERDICT_FAILED, text,
		    "[deploy] state_dir: %s is inside the checkout, where git and the steps "
		    "would see it: name a directory outside of it",
		    c->state_dir);
	if (access(c->state_dir, F_OK) == -1 && errno == ENOENT)
		return check_state_parent(c, text);
	if ((verdict = check_own_dir("state_dir", c->state_dir, deploy_uid(c), text)) !=
		VERDICT_OK ||
	    (verdict = check_entries(c, text)) != VERDICT_OK ||
	    (verdict = check_state_lock(c, text)) != VERDICT_OK)
		return verdict;
	return check_say(VERDICT_OK, text, "%s", c->state_dir);
}
