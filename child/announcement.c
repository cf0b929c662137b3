/*
 * announcement.c - the signal file, by identity only: held open during a run, taken away after it.
 *
 * room: executor.
 * distrusts: everybody who may write to the signal's directory: the file may be replaced at any
 *	moment, and what is taken away must be what was acted on. Its content is never parsed here.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "executor.h"
#include "log.h"

#define SIGNAL_BYTES_MAX 4096

static void
private_name(const struct exe *e, char name[CONF_TEXT_MAX + 8])
{
	snprintf(name, CONF_TEXT_MAX + 8, ".%s.moult", e->signal_name);
}

/* Opens and identifies a file. Returns a descriptor with 1 in *same when it is id's; -1, errno. */
static int
open_and_compare(int dir_fd, const char *name, const struct file_identity *id, bool *same)
{
	char content[SIGNAL_BYTES_MAX];
	struct file_identity found;
	size_t len;
	int fd = file_open_wary(dir_fd, name);

	*same = false;
	if (fd == -1)
		return -1;
	if (file_identify(fd, content, sizeof(content), &len, &found) == 0)
		*same = file_identity_compare(&found, id) == 0;
	return fd;
}

void
announcement_open(struct exe *e)
{
	int fd = file_open_dir(AT_FDCWD, e->signal_dir);

	/* Missing, or made anew since we opened it: the path decides, each time it is asked. */
	if (e->signal_dir_fd != -1)
		close(e->signal_dir_fd);
	e->signal_dir_fd = fd;
}

int
announcement_hold(struct exe *e, const struct file_identity *id)
{
	bool same;
	int fd;

	announcement_open(e);
	fd = open_and_compare(e->signal_dir_fd, e->signal_name, id, &same);
	if (fd != -1 && !same) {
		close(fd);
		return -1;
	}
	return fd;
}

/* The private file is not the one acted on: it goes back, but never over a newer one. */
static int
put_back(struct exe *e, const char *aside)
{
	if (renameat2(
		e->signal_dir_fd, aside, e->signal_dir_fd, e->signal_name, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno == EEXIST)
		return unlinkat(e->signal_dir_fd, aside, 0);
	return errno == ENOENT ? 0 : -1;
}

/* Removes the private file when it is id's, else puts it back. */
static int
settle(struct exe *e, const char *aside, const struct file_identity *id)
{
	bool same;
	int fd = open_and_compare(e->signal_dir_fd, aside, id, &same), rc;

	if (fd == -1 && errno == ENOENT)
		return 0;
	rc = same ? unlinkat(e->signal_dir_fd, aside, 0) : put_back(e, aside);
	if (fd != -1)
		close(fd);
	return rc;
}

/* model: take, take_aside, take_settle, take_sync */
int
announcement_take(struct exe *e, const struct file_identity *id)
{
	char aside[CONF_TEXT_MAX + 8];

	if (e->signal_dir_fd == -1)
		return 0; /* no directory, no signal */
	private_name(e, aside);
	if (settle(e, aside, id) == -1) /* a crash may have left one here */
		return -1;
	if (renameat2(
		e->signal_dir_fd, e->signal_name, e->signal_dir_fd, aside, RENAME_NOREPLACE) == -1)
		return errno == ENOENT ? fsync(e->signal_dir_fd) : -1;
	if (settle(e, aside, id) ==
	    -1) { /* it may be a newer one, which nobody else looks for there */
		int error = errno;

		announcement_restore(e);
		errno = error;
		return -1;
	}
	return fsync(e->signal_dir_fd);
}

void
announcement_restore(struct exe *e)
{
	char aside[CONF_TEXT_MAX + 8];

	private_name(e, aside);
	if (e->signal_dir_fd != -1 &&
	    faccessat(e->signal_dir_fd, aside, F_OK, AT_SYMLINK_NOFOLLOW) == 0 &&
	    put_back(e, aside) == -1)
		log_warn("the signal file could not be put back from %s", aside);
}

static void
retry_name(const struct exe *e, char name[CONF_TEXT_MAX + 8])
{
	snprintf(name, CONF_TEXT_MAX + 8, "%s.retry", e->signal_name);
}

bool
announcement_wants_retry(const struct exe *e)
{
	char name[CONF_TEXT_MAX + 8];
	struct stat st;

	retry_name(e, name);
	return e->signal_dir_fd != -1 &&
	       fstatat(e->signal_dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       S_ISREG(st.st_mode) && (st.st_mode & S_IWOTH) == 0;
}

void
announcement_clear_retry(struct exe *e)
{
	char name[CONF_TEXT_MAX + 8];

	retry_name(e, name);
	if (e->signal_dir_fd != -1 && unlinkat(e->signal_dir_fd, name, 0) == -1 && errno != ENOENT)
		log_warn("%s could not be removed", name);
}
