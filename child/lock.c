/*
 * lock.c - one moult for one checkout, and the locks that a killed git leaves.
 *
 * room: executor.
 * distrusts: other processes of this user; whoever runs git in the checkout by hand.
 *
 * The lock is an open file description lock: every step inherits it on purpose, so that an
 * orphaned git of a dead instance still holds it.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "executor.h"
#include "log.h"
#include "text.h"

#define LOCK_NAME     "moult.lock"
#define LOCK_TRY_MS   50
#define STATE_LOCK    "lock" /* its line is the checkout that the directory belongs to */
#define OWNER_BYTES   1100   /* a path of the configuration, escaped */
#define REFS_DEPTH    16
#define PROC_PATH_MAX 64

static bool
try_lock(int fd)
{
	struct flock lock;

	memset(&lock, 0, sizeof(lock));
	lock.l_type = F_WRLCK;
	lock.l_whence = SEEK_SET;
	return fcntl(fd, F_OFD_SETLK, &lock) == 0;
}

/* The first line of a lock file, escaped; "" when there is none. */
static void
read_line(int fd, char line[OWNER_BYTES])
{
	char text[OWNER_BYTES / 4];
	ssize_t n = pread(fd, text, sizeof(text), 0);
	const char *end = n > 0 ? memchr(text, '\n', (size_t)n) : NULL;

	text_escape(line, OWNER_BYTES, text, end != NULL ? (size_t)(end - text) : 0);
}

/* Opens and locks a file, waiting for a predecessor; ends the process when it stays locked. */
static int
take(int dir_fd, const char *dir, const char *name, const char *what)
{
	char owner[OWNER_BYTES];
	int64_t until = clock_monotonic_ms() + EXE_LOCK_WAIT_MS;
	const struct timespec pause = {0, LOCK_TRY_MS * 1000000L};
	int fd = openat(dir_fd, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd == -1)
		log_exit(errno == EACCES || errno == EPERM ? EX_NOPERM : EX_OSERR, "%s/%s: %s", dir,
		    name, strerror(errno));
	/* The old executor of a pair that just ended still needs some ms to see end of file. */
	while (!try_lock(fd)) {
		if (errno != EAGAIN && errno != EACCES && errno != EINTR)
			fatal("%s/%s", dir, name);
		if (clock_monotonic_ms() >= until) {
			read_line(fd, owner);
			log_exit(EX_TEMPFAIL, "%s is in use by %s", what,
			    owner[0] != '\0' ? owner : "another moult");
		}
		(void)nanosleep(&pause, NULL);
	}
	return fd;
}

static int
write_line(int fd, const char *line)
{
	ssize_t len = (ssize_t)strlen(line);

	return ftruncate(fd, 0) == 0 && pwrite(fd, line, (size_t)len, 0) == len ? 0 : -1;
}

/* A journal of another checkout would skip migrations and raise false alarms. */
static void
bind_state(struct exe *e)
{
	char bound[OWNER_BYTES], own[OWNER_BYTES], line[CONF_TEXT_MAX + 2];

	snprintf(line, sizeof(line), "%s\n", e->conf.repo);
	text_escape(own, sizeof(own), e->conf.repo, strlen(e->conf.repo));
	read_line(e->state_lock_fd, bound);
	if (bound[0] != '\0' && strcmp(bound, own) != 0)
		log_exit(EX_CONFIG,
		    "[deploy] state_dir: %s belongs to the checkout %s; each needs its own "
		    "(remove %s/" STATE_LOCK " if that checkout has moved)",
		    e->conf.state_dir, bound, e->conf.state_dir);
	if (bound[0] == '\0' && write_line(e->state_lock_fd, line) == -1)
		fatal("%s/" STATE_LOCK, e->conf.state_dir);
}

void
lock_take(struct exe *e)
{
	char owner[64], gitdir[CONF_TEXT_MAX + 8];

	snprintf(gitdir, sizeof(gitdir), "%s/.git", e->conf.repo);
	e->lock_fd = take(e->gitdir_fd, gitdir, LOCK_NAME, "the checkout");
	snprintf(owner, sizeof(owner), "moult-executor pid %ld\n", (long)getpid());
	if (write_line(e->lock_fd, owner) == -1)
		log_warn("the lock's owner could not be written");
	e->state_lock_fd = take(e->state_fd, e->conf.state_dir, STATE_LOCK, "the state directory");
	bind_state(e);
}

/* A process called git, or one of its helpers, that may be working in this checkout. */
static bool
is_git_here(const struct exe *e, const char *pid, uid_t owner)
{
	char path[PROC_PATH_MAX], text[CONF_TEXT_MAX + 8];
	size_t repo = strlen(e->conf.repo);
	struct stat st;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%.20s/comm", pid);
	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) == -1)
		return false;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n < 3 || strncmp(text, "git", 3) != 0 || (n > 3 && text[3] != '\n' && text[3] != '-'))
		return false;
	snprintf(path, sizeof(path), "/proc/%.20s/cwd", pid);
	n = readlink(path, text, sizeof(text) - 1);
	snprintf(path, sizeof(path), "/proc/%.20s", pid);
	/* Where another user's works is not to be seen: it may be here when the lock is theirs. */
	if (n == -1)
		return errno == EACCES && stat(path, &st) == 0 && st.st_uid == owner;
	text[n] = '\0';
	return strncmp(text, e->conf.repo, repo) == 0 && (text[repo] == '/' || text[repo] == '\0');
}

static bool
git_lives(const struct exe *e, uid_t owner)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	bool lives = false;

	if (proc == NULL)
		return true;
	while (!lives && (entry = readdir(proc)) != NULL)
		if (isdigit((unsigned char)entry->d_name[0]))
			lives = is_git_here(e, entry->d_name, owner);
	closedir(proc);
	return lives;
}

/* Removes one lock; where names its directory in .git. 0: gone, or was not there; -1, errno. */
static int
remove_stale(const struct exe *e, int dir_fd, const char *where, const char *name)
{
	struct stat st;

	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == -1)
		return errno == ENOENT ? 0 : -1;
	if (git_lives(e, st.st_uid)) {
		errno = EBUSY;
		return -1;
	}
	if (unlinkat(dir_fd, name, 0) == -1 && errno != ENOENT)
		return -1;
	log_warnx("removed .git/%s%s%s, left by a git that was killed", where,
	    where[0] != '\0' ? "/" : "", name);
	return 0;
}

static bool
ends_with(const char *name, const char *end)
{
	size_t a = strlen(name), b = strlen(end);

	return a > b && strcmp(name + a - b, end) == 0;
}

/* Below refs/: every *.lock. In objects/pack: every tmp_*, the remains of a cut off fetch. */
static int
sweep(const struct exe *e, const char *where, bool pack, int depth)
{
	int fd = openat(e->gitdir_fd, where, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	char below[PATH_MAX];
	struct dirent *entry;
	int rc = 0;
	DIR *dir;

	if (fd == -1)
		return errno == ENOENT || errno == ENOTDIR || errno == ELOOP ? 0 : -1;
	if ((dir = fdopendir(fd)) == NULL) {
		close(fd);
		return -1;
	}
	while (rc == 0 && (entry = readdir(dir)) != NULL) {
		const char *name = entry->d_name;

		if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
			continue;
		if (pack ? strncmp(name, "tmp_", 4) == 0 : ends_with(name, ".lock"))
			rc = remove_stale(e, fd, where, name);
		else if (!pack && depth > 0 && entry->d_type == DT_DIR &&
			 snprintf(below, sizeof(below), "%s/%s", where, name) < (int)sizeof(below))
			rc = sweep(e, below, false, depth - 1);
	}
	closedir(dir);
	return rc;
}

int
lock_clear_stale(struct exe *e)
{
	static const char *const names[] = {"index.lock", "HEAD.lock", "ORIG_HEAD.lock",
	    "config.lock", "packed-refs.lock", "shallow.lock", NULL};

	for (size_t i = 0; names[i] != NULL; i++)
		if (remove_stale(e, e->gitdir_fd, "", names[i]) == -1)
			return -1;
	if (sweep(e, "refs", false, REFS_DEPTH) == -1)
		return -1;
	return sweep(e, "objects/pack", true, 0);
}
