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
#define OWNER_BYTES   128
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

static void __attribute__((noreturn)) refuse(int fd)
{
	char text[OWNER_BYTES], owner[OWNER_BYTES];
	ssize_t n = pread(fd, text, sizeof(text), 0);

	if (n <= 0)
		log_exit(EX_TEMPFAIL, "the checkout is in use by another moult");
	while (n > 0 && text[n - 1] == '\n')
		n--;
	text_escape(owner, sizeof(owner), text, (size_t)n);
	log_exit(EX_TEMPFAIL, "the checkout is in use by %s", owner);
}

void
lock_take(struct exe *e)
{
	char owner[OWNER_BYTES];
	int64_t until = clock_monotonic_ms() + EXE_LOCK_WAIT_MS;
	const struct timespec pause = {0, LOCK_TRY_MS * 1000000L};
	int n;

	e->lock_fd =
	    openat(e->gitdir_fd, LOCK_NAME, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (e->lock_fd == -1)
		fatal("%s/.git/%s", e->conf.repo, LOCK_NAME);
	/* The old executor of a pair that just ended still needs some ms to see end of file. */
	while (!try_lock(e->lock_fd)) {
		if (errno != EAGAIN && errno != EACCES && errno != EINTR)
			fatal("%s/.git/%s", e->conf.repo, LOCK_NAME);
		if (clock_monotonic_ms() >= until)
			refuse(e->lock_fd);
		(void)nanosleep(&pause, NULL);
	}
	n = snprintf(owner, sizeof(owner), "moult-executor pid %ld, state directory %.60s\n",
	    (long)getpid(), e->conf.state_dir);
	if (ftruncate(e->lock_fd, 0) == -1 || pwrite(e->lock_fd, owner, (size_t)n, 0) != n)
		log_warn("the lock's owner could not be written");
}

/* A process called git, or one of its helpers, that may be working in this checkout. */
static bool
is_git_here(const struct exe *e, const char *pid)
{
	char path[PROC_PATH_MAX], text[CONF_TEXT_MAX + 8];
	size_t repo = strlen(e->conf.repo);
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
	if ((n = readlink(path, text, sizeof(text) - 1)) == -1)
		return errno == EACCES; /* somebody else's: it may be here, so we wait */
	text[n] = '\0';
	return strncmp(text, e->conf.repo, repo) == 0 && (text[repo] == '/' || text[repo] == '\0');
}

static bool
git_lives(const struct exe *e)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	bool lives = false;

	if (proc == NULL)
		return true;
	while (!lives && (entry = readdir(proc)) != NULL)
		if (isdigit((unsigned char)entry->d_name[0]))
			lives = is_git_here(e, entry->d_name);
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
	if (git_lives(e)) {
		errno = EBUSY;
		return -1;
	}
	if (unlinkat(dir_fd, name, 0) == -1 && errno != ENOENT)
		return -1;
	log_warnx("removed .git/%s%s, left by a git that was killed", where, name);
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
			 snprintf(below, sizeof(below), "%s%s/", where, name) < (int)sizeof(below))
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
	if (sweep(e, "refs/", false, REFS_DEPTH) == -1)
		return -1;
	return sweep(e, "objects/pack/", true, 0);
}
