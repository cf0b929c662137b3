/*
 * test_denial.c - child/denial.c: what was refused to a step, counted and explained.
 *
 * room: tests. Called with "calls COUNT NAME..." it is itself the program that is refused calls.
 * distrusts: nothing.
 */
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "confined.h"

#define FLOOD        10000
#define OUTSIDE      "outside/file"
#define EXPLAINED(e) ((e)->run.detail)

/* ---- the program that is refused ---- */

/* Each with arguments of which nothing comes, were it let through. */
static const struct {
	const char *name;
	long number;
} calls[] = {{"socket", SYS_socket}, {"ptrace", SYS_ptrace}, {"mount", SYS_mount},
    {"umount2", SYS_umount2}, {"pivot_root", SYS_pivot_root}, {"chroot", SYS_chroot},
    {"unshare", SYS_unshare}, {"setns", SYS_setns}, {"keyctl", SYS_keyctl},
    {"add_key", SYS_add_key}, {"bpf", SYS_bpf}, {"perf_event_open", SYS_perf_event_open},
    {"io_uring_setup", SYS_io_uring_setup}, {"userfaultfd", SYS_userfaultfd},
    {"swapon", SYS_swapon}, {"acct", SYS_acct}, {"sethostname", SYS_sethostname}};

static long
call_by_name(const char *name)
{
	for (size_t i = 0; i < COUNT(calls); i++)
		if (strcmp(calls[i].name, name) == 0)
			return syscall(calls[i].number, -1L, -1L, -1L, -1L, -1L, -1L);
	return 0;
}

/* Prints the last errno of each, and fails when a call was not refused. */
static int
make_calls(char *argv[])
{
	long count = strtol(argv[0], NULL, 10);

	for (char **name = argv + 1; *name != NULL; name++) {
		for (long i = 0; i < count; i++)
			if (call_by_name(*name) != -1)
				return 2;
		printf("%s %s\n", *name, strerrorname_np(errno));
	}
	return 1;
}

static void
give_calls(struct exe *e, const char *count, const char *const *names)
{
	static char self[TEST_PATH_MAX];
	const char *argv[COMMAND_ARGV_MAX] = {self, "calls", count};
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	assert_true(n > 0);
	self[n] = '\0';
	for (size_t i = 3; *names != NULL; names++)
		argv[i++] = *names;
	give_command(e, PROFILE_INSTALL, NETWORK_NONE, argv);
}

/* ---- the story of a failed step ---- */

static int
denial_make(void **state)
{
	struct exe *e;

	confined_make(state);
	e = exe_of(state);
	e->run.step = STEP_INSTALL;
	profile_build(&e->filters, NETWORK_OPEN);
	return 0;
}

static void
explain(struct exe *e, const char *detail)
{
	snprintf(e->run.detail, sizeof(e->run.detail), "%s", detail);
	denial_explain(e);
	assert_true(strlen(e->run.detail) < sizeof(e->run.detail));
}

static void
need_listener(void)
{
	if (filter_can_tell())
		return;
	print_message("this kernel tells nobody what a filter refuses\n");
	skip();
}

static void
counted(void **state)
{
	struct exe *e = exe_of(state);
	const char *const names[] = {"socket", NULL};

	need_listener();
	give_calls(e, "3", names);
	assert_int_equal(run_command(e, false), 1);
	assert_true(printed(e, "socket EAFNOSUPPORT\n"));
	explain(e, "make install: exit status 1");
	assert_string_equal(EXPLAINED(e),
	    "make install: exit status 1; install was refused socket(2) 3 times: the step has no "
	    "network; [sandbox] install_network = yes allows it");
}

static void
counted_once(void **state)
{
	struct exe *e = exe_of(state);
	const char *const names[] = {"socket", "ptrace", NULL};

	need_listener();
	e->run.step = STEP_MIGRATE;
	give_calls(e, "1", names);
	assert_int_equal(run_command(e, false), 1);
	assert_true(printed(e, "ptrace EPERM\n"));
	explain(e, "001_x.py: exit status 1");
	assert_string_equal(EXPLAINED(e),
	    "001_x.py: exit status 1; migrate was refused socket(2) 1 time: the step has no "
	    "network; [sandbox] migrate_network = yes allows it; migrate was refused ptrace(2) 1 "
	    "time: reads and steers other processes");
}

/* Where the network is open a refused socket is one that no key allows. */
static void
open_network(void **state)
{
	struct exe *e = exe_of(state);
	const char *const names[] = {"socket", NULL};

	need_listener();
	give_calls(e, "2", names);
	e->command.network = NETWORK_OPEN;
	assert_int_equal(run_command(e, false), 1);
	explain(e, "x");
	assert_non_null(strstr(EXPLAINED(e), "install was refused socket(2) 2 times: "));
	assert_null(strstr(EXPLAINED(e), "install_network"));
}

static void
nothing_refused(void **state)
{
	struct exe *e = exe_of(state);

	give_shell(e, PROFILE_INSTALL, NETWORK_NONE, "echo no such luck; exit 3");
	assert_int_equal(run_command(e, true), 3);
	explain(e, "make install: exit status 3");
	assert_string_equal(EXPLAINED(e), "make install: exit status 3");
}

static void
many_kinds(void **state)
{
	struct exe *e = exe_of(state);
	const char *names[COUNT(calls) + 1] = {NULL};

	need_listener();
	assert_true(COUNT(calls) > EXE_DENIALS_MAX);
	for (size_t i = 0; i < COUNT(calls); i++)
		names[i] = calls[i].name;
	give_calls(e, "5", names);
	assert_int_equal(run_command(e, false), 1);
	for (size_t i = 0; i < COUNT(calls); i++)
		assert_true(printed(e, calls[i].name)); /* each one was refused */
	assert_int_equal(e->run.denial_count, EXE_DENIALS_MAX);
	for (size_t i = 0; i < EXE_DENIALS_MAX; i++) {
		assert_string_equal(e->run.denials[i].row->call, calls[i].name);
		assert_int_equal(e->run.denials[i].count, 5);
	}
	explain(e, "make install: exit status 1");
	assert_non_null(strstr(EXPLAINED(e), "ptrace(2) 5 times"));
}

static void
flood(void **state)
{
	struct exe *e = exe_of(state);
	const char *const names[] = {"socket", "acct", NULL};
	char count[16];

	need_listener();
	snprintf(count, sizeof(count), "%d", FLOOD);
	give_calls(e, count, names);
	assert_int_equal(run_command(e, false), 1);
	assert_int_equal(e->run.denial_count, 2);
	assert_int_equal(e->run.denials[0].count, FLOOD);
	assert_int_equal(e->run.denials[1].count, FLOOD);
}

/* From several processes at once, some of which are killed while they wait for their answer. */
static void
flood_of_the_dying(void **state)
{
	struct exe *e = exe_of(state);
	char self[CONF_TEXT_MAX], script[TEST_PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	need_listener();
	assert_true(n > 0);
	self[n] = '\0';
	snprintf(script, sizeof(script),
	    "for i in 1 2 3 4 5 6 7 8; do timeout -s KILL 0.2 '%s' calls 10000000 socket & done; "
	    "wait; '%s' calls 1 acct; exit 4",
	    self, self);
	give_shell(e, PROFILE_INSTALL, NETWORK_NONE, script);
	assert_int_equal(run_command(e, false), 4);
	assert_int_equal(e->run.denial_count, 2);
	assert_true(e->run.denials[0].count >= 8);
	assert_int_equal(e->run.denials[1].count, 1);
}

/* Nobody answers any more: the calls fail, and the step goes on. */
static void
deserted(void **state)
{
	struct exe *e = exe_of(state);
	const char *const names[] = {"acct", NULL};

	need_listener();
	give_calls(e, "3", names);
	start_command(e, false);
	assert_true(e->child.notify_fd != -1);
	close(e->child.notify_fd);
	e->child.notify_fd = -1;
	finish_command(e);
	assert_int_equal(e->child.status, 1);
	assert_true(printed(e, "acct ENOSYS\n"));
	assert_int_equal(e->run.denial_count, 0);
}

/* A process may have one listener: somebody above has it, as where moult itself is confined. */
static void
under_another_listener(void *arg)
{
	const struct filter_row row = {.call = "quotactl", .verdict = FILTER_TELL, .why = "test"};
	const char *const names[] = {"socket", "acct", NULL};
	struct exe *e = arg;
	struct filter_program p;

	if (filter_build(&p, &row, 1, FILTER_ALLOW, 0) == -1 || filter_load_told(&p) == -1)
		_exit(3);
	give_calls(e, "2", names);
	start_command(e, false);
	if (e->child.notify_fd != -1)
		_exit(4);
	finish_command(e);
	if (e->child.status != 1 || !printed(e, "socket EAFNOSUPPORT\nacct EPERM\n"))
		_exit(5);
	_exit(e->run.denial_count == 0 ? 0 : 6);
}

static void
no_listener(void **state)
{
	need_listener();
	assert_int_equal(end_of_child(under_another_listener, exe_of(state)), 0);
}

static void
no_program_to_tell(void **state)
{
	struct exe *e = exe_of(state);
	const char *const names[] = {"socket", "acct", NULL};

	filter_clear(&e->filters.told[NETWORK_NONE]); /* as on a kernel without notification */
	give_calls(e, "2", names);
	assert_int_equal(run_command(e, false), 1);
	assert_true(printed(e, "socket EAFNOSUPPORT\nacct EPERM\n"));
	explain(e, "x");
	assert_string_equal(EXPLAINED(e), "x");
}

/* ---- files ---- */

static void
run_refused(struct exe *e, enum wire_step step, enum profile profile, const char *script)
{
	e->run.step = step;
	e->run.tail_len = 0;
	give_shell(e, profile, NETWORK_NONE, script);
	assert_true(run_command(e, true) != 0);
	explain(e, "x");
}

/* "x; STEP may not write ROOT/path" and what follows. */
static void
assert_explained(struct fixture *f, const char *step, const char *path, const char *key)
{
	char due[TEST_PATH_MAX];

	snprintf(due, sizeof(due), "; %s may not write %.200s/%s%s", step, f->root, path, key);
	if (strstr(EXPLAINED(&f->e), due) == NULL)
		fail_msg("%s", EXPLAINED(&f->e));
}

#define WRITE_KEY "; [sandbox] write_paths names what it may write"

static void
files(void **state)
{
	static const struct {
		enum wire_step step;
		enum profile profile;
		const char *script, *path;
	} refused[] = {
	    {STEP_MIGRATE, PROFILE_MIGRATE, "echo y > $ROOT/outside/file", "outside/file"},
	    {STEP_MIGRATE, PROFILE_MIGRATE, "cp /dev/null $ROOT/outside/new", "outside/new"},
	    {STEP_INSTALL, PROFILE_INSTALL, "mkdir $ROOT/outside/dir", "outside/dir"},
	    {STEP_INSTALL, PROFILE_INSTALL,
		"exec python3 -ISE -c 'import sys; open(sys.argv[1], \"a\")' $ROOT/outside/file",
		"outside/file"},
	};
	struct fixture *f = *state;
	struct exe *e = &f->e;
	char script[TEST_PATH_MAX];

	need_landlock(e);
	for (size_t i = 0; i < COUNT(refused); i++) {
		snprintf(script, sizeof(script), "ROOT=%.200s; %s", f->root, refused[i].script);
		run_refused(e, refused[i].step, refused[i].profile, script);
		assert_explained(f, wire_step_name(refused[i].step), refused[i].path, WRITE_KEY);
	}
}

/* What is only readable to this user was refused for reading. */
static void
reading(void **state)
{
	struct exe *e = exe_of(state);

	need_landlock(e);
	run_refused(e, STEP_INSTALL, PROFILE_INSTALL, "cat /proc/version");
	if (geteuid() == 0) /* who may write it as well, so far as its mode says */
		assert_non_null(strstr(EXPLAINED(e), "x; install may not "));
	else
		assert_non_null(strstr(EXPLAINED(e), "x; install may not read /proc/version; "
						     "[sandbox] read_paths names"));
}

/* git's steps have no key that would allow more. */
static void
no_key(void **state)
{
	struct fixture *f = *state;
	char script[TEST_PATH_MAX];

	need_landlock(&f->e);
	snprintf(script, sizeof(script), "echo y > %.200s/repo/file", f->root);
	run_refused(&f->e, STEP_VERIFY, PROFILE_VERIFY, script);
	assert_explained(f, "verify", "repo/file", "");
	assert_null(strstr(EXPLAINED(&f->e), "[sandbox]"));
}

static void
print(struct exe *e, const char *text)
{
	e->run.tail_len = strlen(text);
	assert_true(e->run.tail_len <= sizeof(e->run.tail));
	memcpy(e->run.tail, text, e->run.tail_len);
}

/* In a child that is no root: owner and mode refuse, so it was not the domain. */
static void
explain_to_nobody(void *arg)
{
	struct fixture *f = arg;
	struct exe *e = &f->e;
	char text[TEST_PATH_MAX];

	if (geteuid() == 0 &&
	    (setresgid(65534, 65534, 65534) == -1 || setresuid(65534, 65534, 65534) == -1))
		_exit(3);
	snprintf(text, sizeof(text), "cat: %.200s/outside/closed: Permission denied\n", f->root);
	print(e, text);
	give_shell(e, PROFILE_INSTALL, NETWORK_NONE, "true");
	snprintf(e->run.detail, sizeof(e->run.detail), "x");
	denial_explain(e);
	dprintf(STDERR_FILENO, "%s", e->run.detail);
}

static void
refused_by_mode(void **state)
{
	struct fixture *f = *state;
	char said[TEST_SAID_BYTES];

	need_landlock(&f->e);
	put_text(f->root_fd, "outside/closed", "");
	assert_int_equal(fchmodat(f->root_fd, "outside/closed", 0, 0), 0);
	assert_int_equal(fchmod(f->root_fd, 0755), 0);
	assert_int_equal(in_child(explain_to_nobody, f, said), 0);
	assert_string_equal(said, "x");
	/* The same with a mode that would let it in: then it was the domain. */
	assert_int_equal(fchmodat(f->root_fd, "outside/closed", 0666, 0), 0);
	assert_int_equal(in_child(explain_to_nobody, f, said), 0);
	assert_non_null(strstr(said, "x; install may not write "));
}

/* Lines that name no path, no such path, or one that its profile has. */
static void
not_explained(void **state)
{
	static const char *const lines[] = {"Permission denied", "x: Permission denied",
	    "/dev/null: Permission denied", "/: no such luck", "reading /proc/version failed",
	    "/no/such/path/at/all: Permission denied", "make: *** [install] Error 1", "EPERM/",
	    "a/b: Permission denied"};
	struct exe *e = exe_of(state);
	char text[TEST_PATH_MAX];

	need_landlock(e);
	give_shell(e, PROFILE_INSTALL, NETWORK_NONE, "true");
	for (size_t i = 0; i < COUNT(lines); i++) {
		print(e, lines[i]);
		explain(e, "x");
		assert_string_equal(EXPLAINED(e), "x");
	}
	snprintf(text, sizeof(text), "%s/file: Permission denied", e->conf.repo);
	print(e, text); /* it may; somebody else has refused */
	explain(e, "x");
	assert_string_equal(EXPLAINED(e), "x");
}

/* What a step prints is its own: no byte of it does more than stand there. */
static void
hostile_words(void **state)
{
	struct exe *e = exe_of(state);
	char tail[RUN_TAIL_MAX];

	need_landlock(e);
	give_shell(e, PROFILE_INSTALL, NETWORK_NONE, "true");
	memset(tail, '/', sizeof(tail));
	memcpy(tail, "EPERM ", 6);
	e->run.tail_len = sizeof(tail);
	memcpy(e->run.tail, tail, sizeof(tail));
	explain(e, "x");
	for (size_t i = 6; i < sizeof(tail); i++)
		tail[i] = "/ \"(`:=%s\x1b\n\xff"[i % 12];
	memcpy(e->run.tail, tail, sizeof(tail));
	explain(e, "x");
	/* Many lines that each name another path: three are told. */
	e->run.tail_len = 0;
	for (int i = 0; i < 60; i++) {
		char line[64];
		int len = snprintf(line, sizeof(line), "/proc/%d/mem EPERM \x1b[2J\n", 1000 + i);

		memcpy(e->run.tail + e->run.tail_len, line, (size_t)len);
		e->run.tail_len += (size_t)len;
	}
	memcpy(e->run.tail, "EPERM /dev/shm\x1b[2J /sys\n", 24);
	explain(e, "x");
	for (const char *c = EXPLAINED(e); *c != '\0'; c++)
		assert_true(*c >= ' ' && *c <= '~');
}

/* A detail that fills its room already is left as it is. */
static void
no_room(void **state)
{
	struct exe *e = exe_of(state);
	char detail[WIRE_DETAIL_MAX];
	const char *const names[] = {"socket", "ptrace", NULL};

	need_listener();
	give_calls(e, "1", names);
	assert_int_equal(run_command(e, false), 1);
	memset(detail, 'd', sizeof(detail) - 1);
	for (size_t len = sizeof(detail) - 1; len > sizeof(detail) - 100; len--) {
		detail[len] = '\0';
		explain(e, detail);
		assert_memory_equal(EXPLAINED(e), detail, len);
	}
}

#define DENIAL_TEST(title, function)                             \
	{                                                        \
		title, function, denial_make, confined_end, NULL \
	}

int
main(int argc, char *argv[])
{
	const struct CMUnitTest tests[] = {
	    DENIAL_TEST("refused calls are counted, and the key that allows them named", counted),
	    DENIAL_TEST("each kind of call has its own words", counted_once),
	    DENIAL_TEST("what no key allows names none", open_network),
	    DENIAL_TEST("a step that was refused nothing just failed", nothing_refused),
	    DENIAL_TEST("more kinds than are told apart are refused all the same", many_kinds),
	    DENIAL_TEST("a flood of refused calls is counted to the last one", flood),
	    DENIAL_TEST(
		"callers that die while they wait leave the others' count", flood_of_the_dying),
	    DENIAL_TEST("without an answer the calls fail and the step goes on", deserted),
	    DENIAL_TEST("under another's listener calls are refused by the kernel", no_listener),
	    DENIAL_TEST("on a kernel that tells nobody too", no_program_to_tell),
	    DENIAL_TEST("a path that its domain refused is named", files),
	    DENIAL_TEST("a file that only reading was refused of is named so", reading),
	    DENIAL_TEST("where no key allows more, none is named", no_key),
	    DENIAL_TEST("what owner and mode refuse is not the domain's", refused_by_mode),
	    DENIAL_TEST("lines without a refused path explain nothing", not_explained),
	    DENIAL_TEST("what a step prints does no harm", hostile_words),
	    DENIAL_TEST("an explanation never cuts what was said first", no_room),
	};

	if (argc > 3 && strcmp(argv[1], "calls") == 0) {
		int status = make_calls(argv + 2);

		fflush(stdout);
		_exit(status); /* a sanitizer's look for leaks would be refused calls too */
	}
	return cmocka_run_group_tests_name("denial", tests, NULL, NULL);
}
