/*
 * test_libmoult.c - libmoult opposite a monitor that does what a script says.
 *
 * room: tests; embeds libmoult as a daemon does. Needs FAKE_MONITOR, the path of the puppet.
 * distrusts: nothing.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "moult.h"

#define PATH_BYTES 256
#define FILE_BYTES 8192
#define SOON_MS    3000 /* for what should come at once */

struct place {
	char dir[PATH_BYTES];
	char script[PATH_BYTES + 16];
	char notes[PATH_BYTES + 16];
	const char *monitor;
};

static int64_t
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int
make_place(void **state)
{
	struct place *p = calloc(1, sizeof(*p));
	const char *tmp = getenv("TMPDIR");

	if (p == NULL || (p->monitor = getenv("FAKE_MONITOR")) == NULL)
		return -1;
	snprintf(p->dir, sizeof(p->dir), "%s/libmoult.XXXXXX", tmp != NULL ? tmp : "/tmp");
	if (mkdtemp(p->dir) == NULL)
		return -1;
	snprintf(p->script, sizeof(p->script), "%s/script", p->dir);
	snprintf(p->notes, sizeof(p->notes), "%s/notes", p->dir);
	*state = p;
	return 0;
}

static int
remove_place(void **state)
{
	struct place *p = *state;

	unlink(p->script);
	unlink(p->notes);
	rmdir(p->dir);
	free(p);
	return 0;
}

/* Writes the script; "@" in it becomes the path of the notes. */
static void
write_script(const struct place *p, const char *text)
{
	FILE *fp = fopen(p->script, "we");

	assert_non_null(fp);
	for (; *text != '\0'; text++) {
		if (*text == '@')
			fputs(p->notes, fp);
		else
			fputc(*text, fp);
	}
	assert_int_equal(fclose(fp), 0);
}

static size_t
read_notes(const struct place *p, char buf[FILE_BYTES])
{
	FILE *fp = fopen(p->notes, "re");
	size_t len = 0;

	if (fp != NULL) {
		len = fread(buf, 1, FILE_BYTES - 1, fp);
		fclose(fp);
	}
	buf[len] = '\0';
	return len;
}

/* Waits until the monitor has written something there; returns the pid on the last line. */
static pid_t
noted_pid(const struct place *p)
{
	char buf[FILE_BYTES];
	int64_t deadline = now_ms() + SOON_MS;
	size_t len;

	while ((len = read_notes(p, buf)) == 0 || buf[len - 1] != '\n') {
		assert_true(now_ms() < deadline);
		poll(NULL, 0, 5);
	}
	buf[len - 1] = '\0';
	return (pid_t)atol(strrchr(buf, '\n') != NULL ? strrchr(buf, '\n') + 1 : buf);
}

static struct moult *
start(const struct place *p, const char *script)
{
	struct moult_options o = {.size = sizeof(o), .config = p->script, .monitor = p->monitor};
	struct moult *m;

	write_script(p, script);
	assert_int_equal(moult_start(&m, &o), 0);
	return m;
}

/* Polls as a daemon does, until there is an event or the time is over. */
static int
await_event(struct moult *m, struct moult_event *ev, int limit_ms)
{
	int64_t left, deadline = now_ms() + limit_ms;
	int r;

	while ((r = moult_next(m, ev)) == 0 && (left = deadline - now_ms()) > 0) {
		struct pollfd pfd = {.fd = moult_fd(m), .events = POLLIN};

		poll(&pfd, 1, (int)left);
	}
	return r;
}

static void
expect_down(struct moult *m, int status, int limit_ms)
{
	struct moult_event ev;

	do
		assert_int_equal(await_event(m, &ev, limit_ms), 1);
	while (ev.type == MOULT_STATUS);
	assert_int_equal(ev.type, MOULT_DOWN);
	assert_int_equal(ev.status, status);
}

static void
expect_restart(struct moult *m, int limit_ms)
{
	struct moult_event ev;

	do
		assert_int_equal(await_event(m, &ev, limit_ms), 1);
	while (ev.type == MOULT_STATUS);
	assert_int_equal(ev.type, MOULT_RESTART);
	assert_int_equal(await_event(m, &ev, 20), 0);
}

static int
count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int count = 0;

	assert_non_null(dir);
	while (readdir(dir) != NULL)
		count++;
	closedir(dir);
	return count;
}

/* ---- what it reports ---- */

static void
statuses_arrive_in_order_and_whole(void **state)
{
	struct moult_event ev;
	struct moult *m = start(*state, "say status checking 0 -\nsay status updating 37 1.1.0\n"
					"say status update_failed 100 1.1.0-rc.1+b\npause\n");

	assert_int_equal(await_event(m, &ev, SOON_MS), 1);
	assert_int_equal(ev.type, MOULT_STATUS);
	assert_string_equal(ev.text, "checking");
	assert_string_equal(ev.version, "");
	assert_int_equal(await_event(m, &ev, SOON_MS), 1);
	assert_string_equal(ev.text, "updating");
	assert_int_equal(ev.percent, 37);
	assert_string_equal(ev.version, "1.1.0");
	assert_int_equal(await_event(m, &ev, SOON_MS), 1);
	assert_string_equal(ev.text, "update_failed");
	assert_int_equal(ev.percent, 100);
	assert_string_equal(ev.version, "1.1.0-rc.1+b");
	moult_stop(m);
}

static void
exit_42_is_a_restart_and_nothing_is_started_again(void **state)
{
	struct place *p = *state;
	struct moult *m =
	    start(p, "note @\nsay status restarting 100 1.1.0\nsay end 42\nexit 42\n");
	struct moult_event ev;
	char before[FILE_BYTES], after[FILE_BYTES];

	expect_restart(m, SOON_MS);
	read_notes(p, before);
	assert_int_equal(await_event(m, &ev, 1300), 0);
	read_notes(p, after);
	assert_string_equal(before, after);
	moult_stop(m);
}

static void
exit_42_without_a_word_is_a_restart(void **state)
{
	struct moult *m = start(*state, "exit 42\n");

	expect_restart(m, SOON_MS);
	moult_stop(m);
}

static void
the_end_line_is_no_restart_when_the_exit_status_differs(void **state)
{
	struct moult *m = start(*state, "say end 42\nexit 71\n");

	expect_down(m, 71, SOON_MS);
	moult_stop(m);
}

static void
a_death_by_signal_is_told_as_128_and_its_number(void **state)
{
	struct moult *m = start(*state, "die 9\n");

	expect_down(m, 128 + 9, SOON_MS);
	moult_stop(m);
}

/* ---- a daemon with habits of its own ---- */

static void
a_restart_is_known_though_the_daemon_ignores_sigchld(void **state)
{
	struct moult *m;

	signal(SIGCHLD, SIG_IGN);
	m = start(*state, "say end 42\nexit 42\n");
	expect_restart(m, SOON_MS);
	moult_stop(m);
	m = start(*state, "say end 75\nexit 75\n");
	expect_down(m, 75, SOON_MS);
	moult_stop(m);
	m = start(*state, "exit 42\n");
	expect_down(m, -1, SOON_MS);
	moult_stop(m);
	signal(SIGCHLD, SIG_DFL);
}

static void
a_restart_is_known_though_the_daemon_waits_for_every_child(void **state)
{
	struct moult *m = start(*state, "say end 42\nexit 42\n");
	int status;

	assert_true(waitpid(-1, &status, 0) > 0);
	expect_restart(m, SOON_MS);
	moult_stop(m);
}

static void
children_of_the_daemon_are_left_to_the_daemon(void **state)
{
	pid_t pid = fork();
	struct moult *m;
	int status;

	if (pid == 0)
		_exit(7);
	m = start(*state, "exit 0\n");
	expect_down(m, 0, SOON_MS);
	moult_stop(m);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), 7);
}

static void
a_forked_copy_does_nothing_but_release(void **state)
{
	struct place *p = *state;
	struct moult *m = start(p, "polite 0\nnote @\nsay status checking 0 -\npause\n");
	struct moult_event ev;
	pid_t monitor = noted_pid(p), pid;
	int status;

	if ((pid = fork()) == 0) {
		if (moult_next(m, &ev) != -1 || errno != ECHILD || moult_fd(m) != -1)
			_exit(1);
		moult_stop(m);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(kill(monitor, 0), 0);
	assert_int_equal(await_event(m, &ev, SOON_MS), 1); /* the parent's still works */
	assert_string_equal(ev.text, "checking");
	moult_stop(m);
	assert_int_equal(kill(monitor, 0), -1);
}

static void
a_forked_copy_that_lives_on_does_not_hide_the_end(void **state)
{
	struct moult *m = start(*state, "sleep 100\nexit 42\n");
	struct moult_event ev;
	struct rusage before, after;
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		pause();
		_exit(0);
	}
	expect_restart(m, SOON_MS);
	getrusage(RUSAGE_SELF, &before);
	assert_int_equal(await_event(m, &ev, 300), 0);
	getrusage(RUSAGE_SELF, &after);
	assert_true(after.ru_utime.tv_usec + after.ru_stime.tv_usec +
			1000000 * after.ru_utime.tv_sec - before.ru_utime.tv_usec -
			before.ru_stime.tv_usec - 1000000 * before.ru_utime.tv_sec <
		    100000); /* and moult_fd() is quiet: no busy loop */
	moult_stop(m);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
}

static void
the_monitor_starts_clean(void **state)
{
	struct place *p = *state;
	struct moult *m;
	char buf[FILE_BYTES];
	int leak = open("/dev/null", O_RDONLY); /* no close-on-exec, on purpose */
	sigset_t mask, old;

	setenv("MOULT_TEST_SECRET", "x", 1);
	sigemptyset(&mask);
	sigaddset(&mask, SIGUSR1);
	sigprocmask(SIG_BLOCK, &mask, &old);
	signal(SIGPIPE, SIG_IGN);
	m = start(p, "facts @\nsay status deployed 100 -\npause\n");
	signal(SIGPIPE, SIG_DFL);
	sigprocmask(SIG_SETMASK, &old, NULL);
	assert_int_equal(await_event(m, &(struct moult_event){0}, SOON_MS), 1);
	moult_stop(m);
	close(leak);
	unsetenv("MOULT_TEST_SECRET");

	read_notes(p, buf);
	assert_non_null(strstr(buf, "arg -f\n"));
	assert_non_null(strstr(buf, "arg -e\narg 3\n"));
	assert_non_null(strstr(buf, "env PATH="));
	assert_non_null(strstr(buf, "env LANG=C.UTF-8\nleader yes\n"));
	assert_null(strstr(buf, "SECRET"));
	assert_null(strstr(buf, "blocked"));
	assert_null(strstr(buf, "ignored"));
	assert_non_null(strstr(buf, "fd 0\nfd 1\nfd 2\nfd 3\n"));
	/* 4 is the puppet's own script; the daemon's open descriptors would come after it. */
	assert_null(strstr(buf, "fd 5\n"));
	assert_null(strstr(buf, "fd 10\n"));
}

static void
the_log_goes_where_the_daemon_says(void **state)
{
	struct place *p = *state;
	struct moult_options o = {.size = sizeof(o), .config = "/nonexistent/moult.conf"};
	char buf[FILE_BYTES];
	struct moult *m;

	o.monitor = p->monitor;
	o.log_fd = open(p->notes, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(moult_start(&m, &o), 0);
	close(o.log_fd); /* the library has a copy */
	expect_down(m, 78, SOON_MS);
	moult_stop(m);
	assert_true(read_notes(p, buf) > 0);
}

/* ---- a monitor that lies ---- */

static void
a_liar_is_killed_and_counts_as_76(void **state)
{
	static const char *const lies[] = {
	    "binary",
	    "bytes 5000",
	    "say ",
	    "say hello",
	    "say status",
	    "say status checking",
	    "say status checking 0",
	    "say status checking 0 ",
	    "say status checking 101 -",
	    "say status checking -1 -",
	    "say status checking 0000 -",
	    "say status checking 0x1 -",
	    "say status checking  0 -",
	    "say status Checking 0 -",
	    "say status unknown 0 -",
	    "say status checking 0 1.0.0 more",
	    "say end",
	    "say end 256",
	    "say end 42 42",
	    "say end 0\nsay end 42",
	    "say end 0\nsay status checking 0 -",
	};
	size_t i;

	for (i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		char script[128];
		struct moult *m;

		snprintf(script, sizeof(script), "deaf\n%s\nsay end 42\npause\n", lies[i]);
		m = start(*state, script);
		expect_down(m, 76, SOON_MS);
		moult_stop(m);
	}
}

static void
a_version_too_long_is_a_lie(void **state)
{
	char script[MOULT_TEXT_MAX + 64];
	struct moult *m;

	snprintf(script, sizeof(script), "say status checking 0 %0*d\npause\n", MOULT_TEXT_MAX, 1);
	m = start(*state, script);
	expect_down(m, 76, SOON_MS);
	moult_stop(m);
	snprintf(
	    script, sizeof(script), "say status checking 0 %0*d\npause\n", MOULT_TEXT_MAX - 1, 1);
	m = start(*state, script);
	assert_int_equal(await_event(m, &(struct moult_event){0}, SOON_MS), 1);
	moult_stop(m);
}

static void
a_flood_is_cut_off(void **state)
{
	struct moult *m = start(*state, "deaf\nflood\n");
	struct moult_event ev;
	int count = 0;

	do {
		assert_int_equal(await_event(m, &ev, SOON_MS), 1);
		count++;
	} while (ev.type == MOULT_STATUS);
	assert_int_equal(ev.type, MOULT_DOWN);
	assert_int_equal(ev.status, 76);
	assert_true(count <= 3000);
	moult_stop(m);
}

static void
one_that_says_its_end_and_stays_is_killed(void **state)
{
	struct moult *m = start(*state, "deaf\nsay end 42\npause\n");
	int64_t began = now_ms();

	expect_restart(m, 8000); /* it said so, and the bound is 5 s */
	assert_true(now_ms() - began >= 4900);
	moult_stop(m);
}

static void
one_that_closes_its_pipe_and_stays_is_killed(void **state)
{
	struct moult *m = start(*state, "deaf\nclose\npause\n");

	expect_down(m, 128 + 9, 8000);
	moult_stop(m);
}

/* ---- start and stop ---- */

static void
a_dead_monitor_is_started_again_with_growing_delay(void **state)
{
	struct place *p = *state;
	struct moult *m = start(p, "note @\nexit 75\n");
	int64_t first, second, third;
	char buf[FILE_BYTES];

	expect_down(m, 75, SOON_MS);
	first = now_ms();
	expect_down(m, 75, SOON_MS);
	second = now_ms();
	expect_down(m, 75, SOON_MS);
	third = now_ms();
	assert_in_range(second - first, 950, 1900);
	assert_in_range(third - second, 1950, 2900);
	moult_stop(m);
	read_notes(p, buf);
	assert_int_equal(strtol(buf, NULL, 10) > 0, 1);
}

static void
what_a_person_must_mend_is_not_started_again(void **state)
{
	static const char *const scripts[] = {"exit 64\n", "exit 77\n", "exit 78\n"};
	struct moult_event ev;
	size_t i;

	for (i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
		struct moult *m = start(*state, scripts[i]);

		expect_down(m, atoi(scripts[i] + strlen("exit ")), SOON_MS);
		assert_int_equal(await_event(m, &ev, 1200), 0);
		moult_stop(m);
	}
}

static void
stop_is_quick_when_the_monitor_is_polite(void **state)
{
	struct place *p = *state;
	struct moult *m = start(p, "polite 0\nnote @\npause\n");
	int64_t began;
	pid_t monitor = noted_pid(p);

	began = now_ms();
	moult_stop(m);
	assert_true(now_ms() - began < 1000);
	assert_int_equal(kill(monitor, 0), -1);
}

static void
stop_kills_a_monitor_that_ignores_it(void **state)
{
	struct place *p = *state;
	struct moult *m = start(p, "deaf\nnote @\npause\n");
	pid_t monitor = noted_pid(p);
	int64_t began = now_ms();

	moult_stop(m);
	assert_in_range(now_ms() - began, 10000, 15000);
	assert_int_equal(kill(monitor, 0), -1);
}

static void
stop_works_though_sigchld_is_ignored(void **state)
{
	struct place *p = *state;
	struct moult *m;
	int64_t began;

	signal(SIGCHLD, SIG_IGN);
	m = start(p, "polite 0\nnote @\npause\n");
	noted_pid(p);
	began = now_ms();
	moult_stop(m);
	assert_true(now_ms() - began < 1000);
	signal(SIGCHLD, SIG_DFL);
}

static void
no_descriptor_and_no_child_is_left_behind(void **state)
{
	struct moult_options bad = {.size = sizeof(bad), .monitor = "/nonexistent/monitor"};
	int i, before = count_fds();
	struct moult *m;

	for (i = 0; i < 20; i++) {
		m = start(*state, i % 2 == 0 ? "exit 1\n" : "pause\n");
		if (i % 2 == 0)
			expect_down(m, 1, SOON_MS);
		moult_stop(m);
		assert_int_equal(moult_start(&m, &bad), -1);
		assert_int_equal(errno, ENOENT);
		assert_null(m);
	}
	assert_int_equal(count_fds(), before);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

static void
bad_arguments_are_refused(void **state)
{
	struct {
		struct moult_options known;
		long more;
	} newer = {.known = {.size = sizeof(newer)}, .more = 1};
	struct moult_options none = {.size = 0};
	struct moult_event ev;
	struct moult *m;

	(void)state;
	assert_int_equal(moult_start(NULL, NULL), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(moult_start(&m, &none), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(moult_start(&m, &newer.known), -1);
	assert_int_equal(errno, E2BIG);
	assert_int_equal(moult_next(NULL, &ev), -1);
	assert_int_equal(moult_fd(NULL), -1);
	moult_stop(NULL);
}

static void
relative_paths_outlive_a_change_of_directory(void **state)
{
	struct place *p = *state;
	struct moult_options o = {.size = sizeof(o), .config = "script"};
	char cwd[PATH_BYTES];
	struct moult *m;

	o.monitor = p->monitor;
	assert_non_null(getcwd(cwd, sizeof(cwd)));
	write_script(p, "exit 75\n");
	assert_int_equal(chdir(p->dir), 0);
	assert_int_equal(moult_start(&m, &o), 0);
	assert_int_equal(chdir("/"), 0);
	expect_down(m, 75, SOON_MS);
	write_script(p, "exit 42\n");
	expect_restart(m, SOON_MS);
	moult_stop(m);
	assert_int_equal(chdir(cwd), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_place, remove_place)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(statuses_arrive_in_order_and_whole),
	    TEST(exit_42_is_a_restart_and_nothing_is_started_again),
	    TEST(exit_42_without_a_word_is_a_restart),
	    TEST(the_end_line_is_no_restart_when_the_exit_status_differs),
	    TEST(a_death_by_signal_is_told_as_128_and_its_number),
	    TEST(a_restart_is_known_though_the_daemon_ignores_sigchld),
	    TEST(a_restart_is_known_though_the_daemon_waits_for_every_child),
	    TEST(children_of_the_daemon_are_left_to_the_daemon),
	    TEST(a_forked_copy_does_nothing_but_release),
	    TEST(a_forked_copy_that_lives_on_does_not_hide_the_end),
	    TEST(the_monitor_starts_clean),
	    TEST(the_log_goes_where_the_daemon_says),
	    TEST(a_liar_is_killed_and_counts_as_76),
	    TEST(a_version_too_long_is_a_lie),
	    TEST(a_flood_is_cut_off),
	    TEST(one_that_says_its_end_and_stays_is_killed),
	    TEST(one_that_closes_its_pipe_and_stays_is_killed),
	    TEST(a_dead_monitor_is_started_again_with_growing_delay),
	    TEST(what_a_person_must_mend_is_not_started_again),
	    TEST(stop_is_quick_when_the_monitor_is_polite),
	    TEST(stop_kills_a_monitor_that_ignores_it),
	    TEST(stop_works_though_sigchld_is_ignored),
	    TEST(no_descriptor_and_no_child_is_left_behind),
	    TEST(bad_arguments_are_refused),
	    TEST(relative_paths_outlive_a_change_of_directory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
