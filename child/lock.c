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
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "executor.h"
#include "log.h"
#include "text.h"

#define LOCK_NAME          "moult.lock"
#define LOCK_TRY_MS        50
#define STATE_LOCK         "lock" /* its line is the checkout that the directory belongs to */
#define OWNER_BYTES        1100   /* a path of the configuration, escaped */
#define REFS_DEPTH         16
#define PROC_PATH_MAX      64
#define COMM_BYTES         32
#define STAT_BYTES         1024
#define CMDLINE_BYTES      8192
#define LOCK_BORN_ERROR_MS 1000 /* between the clocks of files and of processes */

/* Of a lock that somebody's git made. */
struct lock_age {
	int64_t born_ms; /* CLOCK_BOOTTIME */
	uid_t owner;
};

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
	int fd = openat(dir_fd, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
	struct stat st;

	if (fd == -1)
		log_exit(errno == EACCES || errno == EPERM ? EX_NOPERM : EX_OSERR, "%s/%s: %s", dir,
		    name, strerror(errno));
	/* It is written to: what has another name as well may be anybody's. */
	if (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode) || st.st_nlink != 1)
		log_exit(EX_NOPERM, "%s/%s is not a file of its own", dir, name);
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

bool
lock_is_taken(const struct exe *e, char *owner, size_t size)
{
	char line[OWNER_BYTES] = "";
	struct flock lock;
	int fd = openat(e->gitdir_fd, LOCK_NAME, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	bool taken;

	memset(&lock, 0, sizeof(lock));
	lock.l_type = F_RDLCK;
	taken = fd != -1 && fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
	if (taken)
		read_line(fd, line);
	if (fd != -1)
		close(fd);
	snprintf(owner, size, "%s", line[0] != '\0' ? line : "another moult");
	return taken;
}

/* Up to size - 1 bytes of a file in a process's directory; -1: it is gone, or not for us. */
static ssize_t
read_proc(const char *pid, const char *name, char *text, size_t size)
{
	char path[PROC_PATH_MAX];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%.20s/%s", pid, name);
	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) == -1)
		return -1;
	n = read(fd, text, size - 1);
	close(fd);
	if (n >= 0)
		text[n] = '\0';
	return n;
}

static bool
is_git(const char *pid)
{
	char name[COMM_BYTES];
	ssize_t n = read_proc(pid, "comm", name, sizeof(name));

	return n >= 3 && strncmp(name, "git", 3) == 0 &&
	       (n == 3 || name[3] == '\n' || name[3] == '-');
}

/* CLOCK_BOOTTIME, in ms, at which a process started (proc(5), starttime); -1: not to be had. */
static int64_t
started_ms(const char *pid)
{
	char text[STAT_BYTES], *p;

	if (read_proc(pid, "stat", text, sizeof(text)) <= 0 || (p = strrchr(text, ')')) == NULL)
		return -1;
	/* The name, which may hold blanks, is field 2; starttime is field 22. */
	for (int field = 2; field < 22 && p != NULL; field++)
		p = strchr(p + 1, ' ');
	return p == NULL ? -1 : strtoll(p, NULL, 10) * 1000 / sysconf(_SC_CLK_TCK);
}

/* The argument --git-dir=... of a git, as moult starts it. 1: it names ours, 0: another, -1: none.
 */
static int
names_git_dir(const struct exe *e, const char *pid)
{
	static const char option[] = "--git-dir=";
	char text[CMDLINE_BYTES], own[CONF_TEXT_MAX + 8];
	ssize_t n = read_proc(pid, "cmdline", text, sizeof(text));

	snprintf(own, sizeof(own), "%s/.git", e->conf.repo);
	for (ssize_t at = 0; at < n; at += (ssize_t)strlen(text + at) + 1)
		if (strncmp(text + at, option, sizeof(option) - 1) == 0)
			return strcmp(text + at + sizeof(option) - 1, own) == 0;
	return -1;
}

/*
 * A git that may be working in this checkout and hold a lock of that age. Behind our Landlock
 * domain, and of other users, the directory that it works in cannot be read: then any git of the
 * lock's owner counts that is older than the lock.
 */
static bool
may_hold(const struct exe *e, const char *pid, const struct lock_age *lock)
{
	char path[PROC_PATH_MAX], dir[CONF_TEXT_MAX + 8];
	size_t repo = strlen(e->conf.repo);
	struct stat st;
	ssize_t n;
	int named;

	if (!is_git(pid) || started_ms(pid) > lock->born_ms + LOCK_BORN_ERROR_MS)
		return false;
	if ((named = names_git_dir(e, pid)) != -1)
		return named == 1;
	snprintf(path, sizeof(path), "/proc/%.20s/cwd", pid);
	n = readlink(path, dir, sizeof(dir) - 1);
	snprintf(path, sizeof(path), "/proc/%.20s", pid);
	if (n == -1)
		return errno == EACCES && stat(path, &st) == 0 && st.st_uid == lock->owner;
	dir[n] = '\0';
	return strncmp(dir, e->conf.repo, repo) == 0 && (dir[repo] == '/' || dir[repo] == '\0');
}

static bool
git_lives(const struct exe *e, const struct lock_age *lock)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	bool lives = false;

	if (proc == NULL)
		return true;
	while (!lives && (entry = readdir(proc)) != NULL)
		if (isdigit((unsigned char)entry->d_name[0]))
			lives = may_hold(e, entry->d_name, lock);
	closedir(proc);
	return lives;
}

static int
lock_age(int dir_fd, const char *name, struct lock_age *lock)
{
	struct statx sx;
	struct timespec wall, boot;
	int64_t age_ms;

	if (statx(dir_fd, name, AT_SYMLINK_NOFOLLOW, STATX_UID | STATX_MTIME | STATX_BTIME, &sx) ==
		-1 ||
	    clock_gettime(CLOCK_REALTIME, &wall) == -1 ||
	    clock_gettime(CLOCK_BOOTTIME, &boot) == -1)
		return -1;
	if ((sx.stx_mask & STATX_BTIME) == 0)
		sx.stx_btime = sx.stx_mtime;
	age_ms = (wall.tv_sec - sx.stx_btime.tv_sec) * 1000 +
		 (wall.tv_nsec - (int64_t)sx.stx_btime.tv_nsec) / 1000000;
	lock->born_ms = boot.tv_sec * 1000 + boot.tv_nsec / 1000000 - age_ms;
	lock->owner = sx.stx_uid;
	return 0;
}

/* Removes one lock; where names its directory in .git. 0: gone, or was not there; -1, errno. */
static int
remove_stale(const struct exe *e, int dir_fd, const char *where, const char *name)
{
	struct lock_age lock;

	if (lock_age(dir_fd, name, &lock) == -1)
		return errno == ENOENT ? 0 : -1;
	if (git_lives(e, &lock)) {
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

/* A directory of the checkout's: its own, and not where a link leads. */
static int
open_own(int dir_fd, const char *name)
{
	return openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/*
 * Below refs/: every *.lock. In objects/pack: every tmp_*, the remains of a cut off fetch. fd is
 * that of the directory, and is closed here; where names it in .git.
 */
static int
sweep(const struct exe *e, int fd, const char *where, bool pack, int depth)
{
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
			rc = sweep(e, open_own(fd, name), below, false, depth - 1);
	}
	closedir(dir);
	return rc;
}

static int
sweep_pack(const struct exe *e)
{
	int objects_fd = open_own(e->gitdir_fd, "objects"), fd = -1, rc, error;

	if (objects_fd != -1)
		fd = open_own(objects_fd, "pack");
	rc = sweep(e, fd, "objects/pack", true, 0);
	error = errno;
	if (objects_fd != -1)
		close(objects_fd);
	errno = error;
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
	if (sweep(e, open_own(e->gitdir_fd, "refs"), "refs", false, REFS_DEPTH) == -1)
		return -1;
	return sweep_pack(e);
}
