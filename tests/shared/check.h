/*
 * check.h - what the unit tests of shared/ have in common.
 *
 * room: tests.
 * distrusts: nothing.
 */
#ifndef CHECK_H
#define CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* A test whose title is a sentence. */
#define TEST(title, function)                     \
	{                                         \
		title, function, NULL, NULL, NULL \
	}

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* A directory of the test's own; *fd is open on it. */
__attribute__((unused)) static void
check_dir_make(char path[PATH_MAX], int *fd)
{
	const char *base = getenv("TMPDIR");

	snprintf(path, PATH_MAX, "%s/moult-unit.XXXXXX", base != NULL ? base : "/tmp");
	assert_non_null(mkdtemp(path));
	*fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(*fd >= 0);
}

__attribute__((unused)) static int
check_remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st, (void)flag, (void)ftw;
	return remove(path);
}

__attribute__((unused)) static void
check_dir_remove(const char *path, int fd)
{
	close(fd);
	assert_int_equal(nftw(path, check_remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

/* cmocka catches these to go on with the next test; a child of a test must not. */
__attribute__((unused)) static void
check_child_signals(void)
{
	static const int caught[] = {SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGSYS};

	for (size_t i = 0; i < COUNT(caught); i++)
		(void)signal(caught[i], SIG_DFL); /* valid numbers */
}

/*
 * Runs function in a child and returns its wait status; what the child writes to stderr is put
 * into said, NUL at its end.
 */
__attribute__((unused)) static int
check_in_child(void (*function)(void *), void *arg, char *said, size_t size)
{
	int ends[2], status = -1;
	size_t used = 0;
	ssize_t n;
	pid_t pid;

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	fflush(NULL); /* or the child would write what is buffered once more */
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		dup2(ends[1], STDERR_FILENO);
		check_child_signals();
		function(arg);
		_exit(0);
	}
	close(ends[1]);
	while ((n = read(ends[0], said + used, size - 1 - used)) > 0)
		used += (size_t)n;
	said[used] = '\0';
	close(ends[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

#endif
