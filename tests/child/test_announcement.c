/*
 * test_announcement.c - child/announcement.c: only what was acted on is taken away.
 *
 * room: tests.
 * distrusts: nothing.
 */
#include <signal.h>

#include "fixture.h"

#define NAME      "update.json"
#define ASIDE     ".update.json.moult"
#define RETRY     "update.json.retry"
#define OLD       "{\"available\":\"1.1.0\"}"
#define NEWER     "{\"available\":\"1.2.0\"}"
#define NEWEST    "{\"available\":\"1.3.0\"}"
#define REPLACED  2000 /* times, by a watcher that never rests */
#define TEXT_MAX  64
#define BYTES_MAX 4096 /* of a signal file */

static struct exe *
exe_of(void **state)
{
	return &((struct fixture *)*state)->e;
}

/* As a watcher does: written aside, renamed into place. */
static void
announce(struct exe *e, const char *text)
{
	put_text(e->signal_dir_fd, "new", text);
	assert_int_equal(renameat(e->signal_dir_fd, "new", e->signal_dir_fd, NAME), 0);
}

static struct file_identity
identity_of(struct exe *e, const char *name)
{
	char content[BYTES_MAX];
	struct file_identity id;
	size_t len;
	int fd = file_open_wary(e->signal_dir_fd, name);

	assert_true(fd >= 0);
	assert_int_equal(file_identify(fd, content, sizeof(content), &len, &id), 0);
	close(fd);
	return id;
}

static struct file_identity
announced(struct exe *e, const char *text)
{
	announce(e, text);
	return identity_of(e, NAME);
}

static void
assert_left(struct exe *e, const char *text)
{
	assert_false(exists(e->signal_dir_fd, ASIDE));
	if (text == NULL)
		assert_false(exists(e->signal_dir_fd, NAME));
	else
		assert_true(file_holds(e->signal_dir_fd, NAME, text));
}

static void
hold_same(void **state)
{
	struct exe *e = exe_of(state);
	struct file_identity id = announced(e, OLD);
	int fd = announcement_hold(e, &id);

	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	close(fd);
	assert_left(e, OLD);
}

static void
hold_other(void **state)
{
	struct exe *e = exe_of(state);
	struct file_identity id = announced(e, OLD);

	announce(e, NEWER);
	assert_int_equal(announcement_hold(e, &id), -1);
	announce(e, OLD); /* the same text in another file is another wish */
	assert_int_equal(announcement_hold(e, &id), -1);
	assert_int_equal(unlinkat(e->signal_dir_fd, NAME, 0), 0);
	assert_int_equal(announcement_hold(e, &id), -1);
	assert_int_equal(symlinkat("elsewhere", e->signal_dir_fd, NAME), 0);
	assert_int_equal(announcement_hold(e, &id), -1);
	assert_int_equal(unlinkat(e->signal_dir_fd, NAME, 0), 0);
	assert_int_equal(mkfifoat(e->signal_dir_fd, NAME, 0644), 0);
	assert_int_equal(announcement_hold(e, &id), -1);
}

static void
hold_rewritten(void **state)
{
	struct exe *e = exe_of(state);
	struct file_identity id = announced(e, OLD);

	put_text(e->signal_dir_fd, NAME, NEWER); /* in place: the same inode */
	assert_int_equal(announcement_hold(e, &id), -1);
}

static void
held_inode(void **state)
{
	struct exe *e = exe_of(state);
	struct file_identity id = announced(e, OLD), later;
	int fd = announcement_hold(e, &id);

	assert_int_equal(unlinkat(e->signal_dir_fd, NAME, 0), 0);
	put_text(e->signal_dir_fd, NAME, OLD);
	later = identity_of(e, NAME);
	assert_true(later.ino != id.ino);
	close(fd);
}

static void
hold_in_new_directory(void **state)
{
	struct fixture *f = *state;
	struct exe *e = &f->e;
	struct file_identity id;
	int fd, dir_fd;

	assert_int_equal(unlinkat(f->root_fd, "signal", AT_REMOVEDIR), 0);
	dir_fd = fixture_open(f, "signal");
	put_text(dir_fd, NAME, OLD);
	fd = e->signal_dir_fd;
	e->signal_dir_fd = dir_fd; /* for the identity alone */
	id = identity_of(e, NAME);
	e->signal_dir_fd = fd;
	close(dir_fd);
	fd = announcement_hold(e, &id);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(announcement_take(e, &id), 0);
	assert_left(e, NULL);
}

static void
take_same(void **state)
{
	struct exe *e = exe_of(state);
	struct file_identity id = announced(e, OLD);

	assert_int_equal(announcement_take(e, &id), 0);
	assert_left(e, NULL);
	assert_int_equal(announcement_take(e, &id), 0); /* once more does no harm */
	assert_left(e, NULL);
}

static void
take_largest(void **state)
{
	struct exe *e = exe_of(state);
	char text[BYTES_MAX + 1];
	struct file_identity id;

	memset(text, ' ', BYTES_MAX);
	text[BYTES_MAX] = '\0';
	id = announced(e, text);
	assert_int_equal(announcement_take(e, &id), 0);
	assert_left(e, NULL);
}

static void
take_other(void **state)
{
	struct exe *e = exe_of(state);
	struct file_identity id = announced(e, OLD), before;

	announce(e, NEWER);
	before = identity_of(e, NAME);
	assert_int_equal(announcement_take(e, &id), 0);
	assert_left(e, NEWER);
	/* It is still the same file, so that it is not taken for a third one. */
	id = identity_of(e, NAME);
	assert_int_equal(file_identity_compare(&before, &id), 0);
}

static void
take_same_text(void **state)
{
	struct exe *e = exe_of(state);
	struct file_identity id = announced(e, OLD);

	announce(e, OLD);
	assert_int_equal(announcement_take(e, &id), 0);
	assert_left(e, OLD);
}

static void
take_rewritten(void **state)
{
	struct exe *e = exe_of(state);
	struct file_identity id = announced(e, OLD);

	put_text(e->signal_dir_fd, NAME, NEWER);
	assert_int_equal(announcement_take(e, &id), 0);
	assert_left(e, NEWER);
}

static void
take_strange(void **state)
{
	struct exe *e = exe_of(state);
	struct file_identity id = announced(e, OLD);
	struct stat st;

	assert_int_equal(unlinkat(e->signal_dir_fd, NAME, 0), 0);
	assert_int_equal(symlinkat("elsewhere", e->signal_dir_fd, NAME), 0);
	assert_int_equal(announcement_take(e, &id), 0);
	assert_int_equal(fstatat(e->signal_dir_fd, NAME, &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(unlinkat(e->signal_dir_fd, NAME, 0), 0);
	assert_int_equal(mkdirat(e->signal_dir_fd, NAME, 0755), 0);
	assert_int_equal(announcement_take(e, &id), 0);
	assert_int_equal(fstatat(e->signal_dir_fd, NAME, &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_true(S_ISDIR(st.st_mode));
}

static void
aside(struct exe *e)
{
	assert_int_equal(renameat(e->signal_dir_fd, NAME, e->signal_dir_fd, ASIDE), 0);
}

static void
take_after_crash(void **state)
{
	struct exe *e = exe_of(state);
	struct file_identity id = announced(e, OLD);

	aside(e); /* and there it ended */
	assert_int_equal(announcement_take(e, &id), 0);
	assert_left(e, NULL);
}

static void
take_after_crash_and_newer(void **state)
{
	struct exe *e = exe_of(state);
	struct file_identity id = announced(e, OLD);

	aside(e);
	announce(e, NEWER);
	assert_int_equal(announcement_take(e, &id), 0);
	assert_left(e, NEWER);
}

static void
take_other_aside(void **state)
{
	struct exe *e = exe_of(state);
	struct file_identity id = announced(e, OLD);

	announce(e, NEWER);
	aside(e); /* a newer one was moved aside, and there it ended */
	assert_int_equal(announcement_take(e, &id), 0);
	assert_left(e, NEWER);
	aside(e);
	announce(e, NEWEST);
	assert_int_equal(announcement_take(e, &id), 0);
	assert_left(e, NEWEST);
}

static void
restore(void **state)
{
	struct exe *e = exe_of(state);

	announcement_restore(e);
	assert_left(e, NULL);
	announce(e, OLD);
	announcement_restore(e);
	assert_left(e, OLD);
	aside(e);
	announcement_restore(e);
	assert_left(e, OLD);
	aside(e);
	announce(e, NEWER);
	announcement_restore(e);
	assert_left(e, NEWER);
}

static void
retry(void **state)
{
	struct exe *e = exe_of(state);

	announcement_clear_retry(e); /* none is there */
	announce(e, OLD);
	put_text(e->signal_dir_fd, RETRY, "");
	announcement_clear_retry(e);
	assert_false(exists(e->signal_dir_fd, RETRY));
	assert_left(e, OLD);
}

/* Announces one update after the other, as fast as it can. */
static void
watch_in_child(void *arg)
{
	struct exe *e = arg;
	char text[TEXT_MAX];

	for (int i = 0; i <= REPLACED; i++) {
		snprintf(text, sizeof(text), "{\"available\":\"1.%d.0\"}", i);
		announce(e, text);
	}
}

static void
race(void **state)
{
	struct exe *e = exe_of(state);
	struct file_identity id = announced(e, OLD);
	char last[TEXT_MAX];
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		watch_in_child(e);
		_exit(0);
	}
	while (waitpid(pid, &status, WNOHANG) == 0)
		assert_int_equal(announcement_take(e, &id), 0);
	assert_int_equal(status, 0);
	snprintf(last, sizeof(last), "{\"available\":\"1.%d.0\"}", REPLACED);
	assert_left(e, last);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    EXE_TEST("the announced file is held open, and left in its place", hold_same),
	    EXE_TEST("another file is not held, even with the same text", hold_other),
	    EXE_TEST("a file rewritten in place is another one", hold_rewritten),
	    EXE_TEST("while it is held its inode is not used again", held_inode),
	    EXE_TEST("a signal directory that was made anew is found", hold_in_new_directory),
	    EXE_TEST("the file acted on is taken away, once", take_same),
	    EXE_TEST("the largest signal file is taken away too", take_largest),
	    EXE_TEST("a newer file stays, and stays the same file", take_other),
	    EXE_TEST("a newer file with the same text stays", take_same_text),
	    EXE_TEST("a file rewritten in place stays", take_rewritten),
	    EXE_TEST("a link or a directory in its place stays", take_strange),
	    EXE_TEST("one left aside by a crash is taken away", take_after_crash),
	    EXE_TEST("one left aside goes, and a newer one stays", take_after_crash_and_newer),
	    EXE_TEST("a newer one left aside goes back, but not over a still newer one",
		take_other_aside),
	    EXE_TEST("what a crash left aside is put back, but not over a newer one", restore),
	    EXE_TEST("the wish for a retry is removed, the signal not", retry),
	    EXE_TEST("under a watcher that never rests the last announcement is never lost", race),
	};

	return cmocka_run_group_tests_name("announcement", tests, NULL, NULL);
}
