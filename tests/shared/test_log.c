/*
 * test_log.c - shared/log.c, in children, because four of its functions do not return.
 *
 * room: tests.
 * distrusts: nothing.
 */
#include <errno.h>
#include <limits.h>
#include <regex.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "check.h"
#include "filter.h"
#include "log.h"

#define HEAD     "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z test\\[[0-9]+\\]: "
#define SAID_MAX (4 * LOG_LINE_MAX)

static void
assert_matches(const char *text, const char *pattern)
{
	regex_t re;

	assert_int_equal(regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB), 0);
	if (regexec(&re, text, 0, NULL, 0) != 0)
		fail_msg("\"%s\" does not match %s", text, pattern);
	regfree(&re);
}

static void
assert_child(void (*function)(void *), int exit_status, const char *pattern)
{
	char said[SAID_MAX];
	int status = check_in_child(function, NULL, said, sizeof(said));

	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), exit_status);
	assert_matches(said, pattern);
}

static void
say_info(void *arg)
{
	(void)arg;
	log_init("test");
	log_info("hello %d", 7);
}

static void
say_hostile(void *arg)
{
	(void)arg;
	log_init("test");
	log_info("%s", "a\n2026-11-23T15:00:00Z test[1]: forged\033[2J\x9b");
}

static void
say_warn(void *arg)
{
	(void)arg;
	log_init("test");
	errno = ENOENT;
	log_warn("open %s", "x");
	if (errno != ENOENT)
		_exit(1);
	log_warnx("plain");
	if (errno != ENOENT)
		_exit(2);
}

static void
say_bug(void *arg)
{
	(void)arg;
	log_init("test");
	bug("never");
}

static void
say_fatal(void *arg)
{
	(void)arg;
	log_init("test");
	errno = EMFILE;
	fatal("pipe");
}

static void
say_fatalx(void *arg)
{
	(void)arg;
	log_init("test");
	fatalx("liar");
}

static void
say_exit(void *arg)
{
	(void)arg;
	log_init("test");
	log_exit(75, "busy");
}

static void
a_line(void **state)
{
	(void)state;
	assert_child(say_info, 0, HEAD "hello 7\n$");
}

static void
hostile_text(void **state)
{
	(void)state;
	assert_child(say_hostile, 0,
	    HEAD "a\\\\n2026-11-23T15:00:00Z test\\[1\\]: forged\\\\033\\[2J\\\\233\n$");
}

static void
errors_appended(void **state)
{
	(void)state;
	assert_child(say_warn, 0, HEAD "open x: No such file or directory\n.*: plain\n$");
}

static void
exits(void **state)
{
	(void)state;
	assert_child(say_bug, 70, HEAD "never\n$");
	assert_child(say_fatal, 71, HEAD "pipe: Too many open files\n$");
	assert_child(say_fatalx, 76, HEAD "liar\n$");
	assert_child(say_exit, 75, HEAD "busy\n$");
}

/* A socket that keeps the bounds of each write(2) in place of stderr; len bytes of c are logged. */
static size_t
log_long(char c, size_t len, char *out, size_t size, bool twice)
{
	int ends[2], saved = dup(STDERR_FILENO);
	char *text = calloc(1, len + 1);
	ssize_t n;

	assert_non_null(text);
	memset(text, c, len);
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends), 0);
	fflush(stderr);
	dup2(ends[1], STDERR_FILENO);
	log_init("test");
	log_info("%s", text);
	if (twice)
		log_info("second");
	dup2(saved, STDERR_FILENO);
	n = recv(ends[0], out, size, MSG_DONTWAIT);
	close(ends[0]);
	close(ends[1]);
	close(saved);
	free(text);
	assert_true(n > 0);
	return (size_t)n;
}

static void
one_write(void **state)
{
	char out[2 * LOG_LINE_MAX];
	size_t n;

	(void)state;
	n = log_long('x', 20, out, sizeof(out), true);
	out[n] = '\0';
	assert_matches(out, HEAD "x{20}\n$");
}

static void
long_lines(void **state)
{
	static const char c[] = {'x', '\n', '\xff'};
	char out[2 * LOG_LINE_MAX];
	size_t i, len, n;

	(void)state;
	for (i = 0; i < COUNT(c); i++)
		for (len = 900; len < 5 * LOG_LINE_MAX; len += 211) {
			n = log_long(c[i], len, out, sizeof(out), false);
			assert_true(n <= LOG_LINE_MAX);
			assert_int_equal(out[n - 1], '\n');
			if (len >= LOG_LINE_MAX) {
				assert_memory_equal(out + n - 4, "...\n", 4);
				assert_true(n > LOG_LINE_MAX - 8);
			}
		}
}

/* Whatever the C library would open for a time zone, a locale or a message, it may not. */
static void
say_behind_filter(void *arg)
{
	static const struct filter_row rows[] = {
	    {.call = "open", .verdict = FILTER_KILL, .why = "test"},
	    {.call = "openat", .verdict = FILTER_KILL, .why = "test"},
	    {.call = "newfstatat", .verdict = FILTER_KILL, .why = "test"},
	    {.call = "access", .verdict = FILTER_KILL, .why = "test"},
	    {.call = "readlink", .verdict = FILTER_KILL, .why = "test"},
	    {.call = "socket", .verdict = FILTER_KILL, .why = "test"},
	};
	struct filter_program p;

	(void)arg;
	unsetenv("TZ");
	log_init("test");
	if (filter_build(&p, rows, COUNT(rows), FILTER_ALLOW, 0) == -1 || filter_load(&p) == -1)
		_exit(1);
	errno = ENOSPC;
	log_warn("line\n\xff");
}

static void
no_files_later(void **state)
{
	(void)state;
	if (!filter_available())
		skip();
	assert_child(say_behind_filter, 0, HEAD "line\\\\n\\\\377: No space left on device\n$");
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
	    TEST("a line holds the time in UTC, the process, its id and the text", a_line),
	    TEST("text that holds a line feed cannot forge a line", hostile_text),
	    TEST("a warning ends in the words of errno, and errno survives logging",
		errors_appended),
	    TEST("each way to die has its own exit status", exits),
	    TEST("each line is one write", one_write),
	    TEST("a long line is cut, marked and ended", long_lines),
	    TEST("a line opens no file once logging is set up", no_files_later),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
