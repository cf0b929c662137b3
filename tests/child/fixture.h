/*
 * fixture.h - what the unit tests of the executor have in common.
 *
 * room: tests, linked with the executor's own objects.
 * distrusts: nothing.
 */
#ifndef FIXTURE_H
#define FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../shared/check.h"
#include "executor.h"

/* A test whose title is a sentence; it gets a struct exe with directories of its own. */
#define EXE_TEST(title, function)                                \
	{                                                        \
		title, function, fixture_make, fixture_end, NULL \
	}

#define UNUSED          __attribute__((unused))
#define TEST_PATH_MAX   4096 /* PATH_MAX; a name that no header defines twice */
#define TEST_FILES_MAX  16   /* directories that one removal holds open */
#define TEST_WAIT_MS    20000
#define TEST_SAID_BYTES 4096

/* Where a test lives: a directory with repo/, state/ and signal/. */
struct fixture {
	struct exe e;
	char root[TEST_PATH_MAX];
	int root_fd;
};

UNUSED static int
fixture_open(struct fixture *f, const char *name)
{
	int fd;

	assert_int_equal(mkdirat(f->root_fd, name, 0755), 0);
	fd = openat(f->root_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

/* In memory where that is possible: the tests sync thousands of times. */
UNUSED static int
fixture_make(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	const char *base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";

	assert_non_null(f);
	snprintf(f->root, sizeof(f->root), "%s/moult-child.XXXXXX", base);
	assert_non_null(mkdtemp(f->root));
	f->root_fd = open(f->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(f->root_fd >= 0);
	f->e.repo_fd = fixture_open(f, "repo");
	f->e.state_fd = fixture_open(f, "state");
	f->e.signal_dir_fd = fixture_open(f, "signal");
	f->e.journal.fd = -1;
	run_clear(&f->e.run);
	f->e.child.log_fd = f->e.child.out_fd = f->e.child.ask_fd = f->e.child.notify_fd = -1;
	snprintf(f->e.signal_name, sizeof(f->e.signal_name), "update.json");
	snprintf(f->e.signal_dir, sizeof(f->e.signal_dir), "%.200s/signal", f->root);
	snprintf(f->e.conf.migrations, sizeof(f->e.conf.migrations), "migrations");
	snprintf(f->e.conf.repo, sizeof(f->e.conf.repo), "%.200s/repo", f->root);
	snprintf(f->e.conf.state_dir, sizeof(f->e.conf.state_dir), "%.200s/state", f->root);
	snprintf(f->e.boot_id, sizeof(f->e.boot_id), "this-boot");
	*state = f;
	return 0;
}

UNUSED static int
fixture_remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st, (void)flag, (void)ftw;
	return remove(path);
}

UNUSED static int
fixture_end(void **state)
{
	struct fixture *f = *state;

	journal_close(&f->e.journal);
	run_release_gap(&f->e.run);
	close(f->e.repo_fd);
	close(f->e.state_fd);
	close(f->e.signal_dir_fd);
	close(f->root_fd);
	assert_int_equal(
	    nftw(f->root, fixture_remove_one, TEST_FILES_MAX, FTW_DEPTH | FTW_PHYS), 0);
	free(f);
	return 0;
}

/* ---- files ---- */

UNUSED static void
put_bytes(int dir_fd, const char *name, const void *data, size_t len)
{
	int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(file_write_all(fd, data, len), 0);
	close(fd);
}

UNUSED static void
put_text(int dir_fd, const char *name, const char *text)
{
	put_bytes(dir_fd, name, text, strlen(text));
}

/* All of a file; the caller frees it. */
UNUSED static char *
get_bytes(int dir_fd, const char *name, size_t *len)
{
	char *data = NULL;

	assert_int_equal(file_slurp(dir_fd, name, JOURNAL_FILE_MAX, &data, len), 0);
	return data;
}

UNUSED static bool
file_holds(int dir_fd, const char *name, const char *text)
{
	size_t len;
	char *data = get_bytes(dir_fd, name, &len);
	bool same = len == strlen(text) && memcmp(data, text, len) == 0;

	free(data);
	return same;
}

UNUSED static bool
exists(int dir_fd, const char *name)
{
	return faccessat(dir_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* ---- what is said ---- */

/* Until quiet_end(), which takes what this returns, the log goes nowhere: it is as expected. */
UNUSED static int
quiet_begin(void)
{
	int said = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	assert_true(said >= 0 && null >= 0);
	assert_int_equal(dup2(null, STDERR_FILENO), STDERR_FILENO);
	close(null);
	return said;
}

UNUSED static void
quiet_end(int said)
{
	assert_int_equal(dup2(said, STDERR_FILENO), STDERR_FILENO);
	close(said);
}

/* ---- children ---- */

/* Runs function in a child: its wait status, and what it wrote to stderr. */
UNUSED static int
in_child(void (*function)(void *), void *arg, char said[TEST_SAID_BYTES])
{
	return check_in_child(function, arg, said, TEST_SAID_BYTES);
}

/* As in_child(): the exit status, or minus the signal. */
UNUSED static int
end_of_child(void (*function)(void *), void *arg)
{
	char said[TEST_SAID_BYTES];
	int status = in_child(function, arg, said);

	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

UNUSED static bool
readable(int fd, int wait_ms)
{
	struct pollfd pfd = {.fd = fd, .events = POLLIN};

	return poll(&pfd, 1, wait_ms) == 1;
}

#endif
