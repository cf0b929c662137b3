/*
 * test_watch.c - parent/watch.c: a change of the signal's directory is never missed.
 *
 * room: tests.
 * distrusts: nothing.
 */
#include "fixture.h"

#include <poll.h>

static void
open_watch(struct fixture *f)
{
	mon_watch_open(&f->m);
	assert_true(f->m.watch.fd >= 0);
	assert_string_equal(f->m.watch.name, "u.json");
	assert_string_equal(f->m.watch.retry_name, "u.json.retry");
}

/* What the loop would be told now. */
static enum mon_event
told(struct fixture *f)
{
	struct pollfd p = {.fd = f->m.watch.fd, .events = POLLIN};

	return poll(&p, 1, 0) == 1 ? mon_watch_ready(&f->m, p.revents) : ON_NONE;
}

static void
names(void **state)
{
	struct fixture *f = *state;

	open_watch(f);
	assert_int_equal(told(f), ON_NONE);
	fixture_put(f, "sig/other", "", 0);
	assert_int_equal(told(f), ON_NONE);
	fixture_put(f, "sig/.u.json.moult", "", 0);
	assert_int_equal(told(f), ON_NONE);
	fixture_put(f, "sig/u.json", "", 0);
	assert_int_equal(told(f), ON_LOOK);
	assert_int_equal(renameat(f->dirfd, "sig/other", f->dirfd, "sig/u.json"), 0);
	assert_int_equal(told(f), ON_LOOK);
	assert_int_equal(fchmodat(f->dirfd, "sig/u.json", 0600, 0), 0);
	assert_int_equal(told(f), ON_LOOK);
	assert_int_equal(unlinkat(f->dirfd, "sig/u.json", 0), 0);
	assert_int_equal(told(f), ON_LOOK);
	fixture_put(f, "sig/u.json.retry", "", 0);
	assert_int_equal(told(f), ON_LOOK);
	assert_int_equal(told(f), ON_NONE);
}

static void
replaced(void **state)
{
	struct fixture *f = *state;

	open_watch(f);
	assert_int_equal(mkdirat(f->dirfd, "new", 0755), 0);
	assert_int_equal(renameat(f->dirfd, "sig", f->dirfd, "old"), 0);
	assert_int_equal(renameat(f->dirfd, "new", f->dirfd, "sig"), 0);
	assert_int_equal(told(f), ON_LOOK);
	assert_int_not_equal(f->m.watch.dir_wd, -1);
	(void)told(f);
	fixture_put(f, "old/u.json", "", 0);
	assert_int_equal(told(f), ON_NONE);
	fixture_put(f, "sig/u.json", "", 0);
	assert_int_equal(told(f), ON_LOOK);
}

static void
removed(void **state)
{
	struct fixture *f = *state;
	int held;

	open_watch(f);
	held = openat(f->dirfd, "sig", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(unlinkat(f->dirfd, "sig", AT_REMOVEDIR), 0);
	assert_int_equal(told(f), ON_LOOK);
	assert_int_equal(f->m.watch.dir_wd, -1);
	assert_true(f->m.due_ms[TIMER_WATCH] == MON_NEVER); /* its return makes an event */
	close(held);
	assert_int_equal(mkdirat(f->dirfd, "sig", 0755), 0);
	assert_int_equal(told(f), ON_LOOK);
	assert_int_not_equal(f->m.watch.dir_wd, -1);
	fixture_put(f, "sig/u.json", "", 0);
	assert_int_equal(told(f), ON_LOOK);
}

static void
missing_deep(void **state)
{
	struct fixture *f = *state;

	snprintf(f->m.conf.signal, sizeof(f->m.conf.signal), "%.200s/a/b//c/u.json", f->path);
	open_watch(f);
	assert_int_equal(f->m.watch.dir_wd, -1);
	assert_int_equal(mkdirat(f->dirfd, "b", 0755), 0);
	assert_int_equal(told(f), ON_NONE);
	assert_int_equal(mkdirat(f->dirfd, "a", 0755), 0);
	assert_int_equal(told(f), ON_LOOK);
	assert_int_equal(mkdirat(f->dirfd, "a/b", 0755), 0);
	assert_int_equal(mkdirat(f->dirfd, "a/b/c", 0755), 0);
	assert_int_equal(told(f), ON_LOOK);
	assert_int_not_equal(f->m.watch.dir_wd, -1);
	assert_int_equal(renameat(f->dirfd, "a", f->dirfd, "z"), 0); /* far above it */
	assert_int_equal(told(f), ON_LOOK);
	assert_int_equal(f->m.watch.dir_wd, -1);
}

static void
linked(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(mkdirat(f->dirfd, "new", 0755), 0);
	assert_int_equal(symlinkat("sig", f->dirfd, "current"), 0);
	assert_int_equal(symlinkat("new", f->dirfd, "next"), 0);
	snprintf(f->m.conf.signal, sizeof(f->m.conf.signal), "%.200s/current/u.json", f->path);
	open_watch(f);
	assert_int_equal(renameat(f->dirfd, "next", f->dirfd, "current"), 0);
	assert_int_equal(told(f), ON_LOOK);
	(void)told(f);
	fixture_put(f, "new/u.json", "", 0);
	assert_int_equal(told(f), ON_LOOK);
}

static void
crowded(void **state)
{
	struct fixture *f = *state;
	int i;

	open_watch(f);
	for (i = 0; i < 40000; i++) /* more than the queue holds, see /proc/sys/fs/inotify */
		fixture_put(f, i % 2 == 0 ? "sig/a" : "sig/b", "", 0);
	fixture_put(f, "sig/u.json", "", 0);
	assert_int_equal(told(f), ON_LOOK);
	(void)told(f);
	fixture_put(f, "sig/u.json", "1", 1);
	assert_int_equal(told(f), ON_LOOK);
}

static void
by_the_clock(void **state)
{
	struct fixture *f = *state;

	open_watch(f);
	close(f->m.watch.fd);
	f->m.watch.fd = -1;
	assert_int_equal(mon_timer_watch(&f->m), ON_LOOK);
	assert_in_range(
	    f->m.due_ms[TIMER_WATCH] - clock_monotonic_ms(), MON_WATCH_MS - 1000, MON_WATCH_MS);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
	    MON_TEST("the signal and the wish for a retry are told, nothing else", names),
	    MON_TEST("a replaced directory is watched in the old one's place", replaced),
	    MON_TEST("a removed directory is awaited, also while it is held open", removed),
	    MON_TEST("a directory that is missing with all above it is awaited", missing_deep),
	    MON_TEST("a link in the path that is turned is followed", linked),
	    MON_TEST("an overflow is a reason to look", crowded),
	    MON_TEST("without inotify the clock is asked", by_the_clock),
	};

	return cmocka_run_group_tests_name("watch", tests, NULL, NULL);
}
