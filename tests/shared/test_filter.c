/*
 * test_filter.c - shared/filter.c, on children that load a filter and make one call.
 *
 * room: tests.
 * distrusts: nothing.
 *
 * Calls are made with arguments that the kernel itself would answer otherwise, and refused with an
 * error that it never gives, so that each verdict can be told from the kernel's own answer.
 */
#include <errno.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>

#include "check.h"
#include "filter.h"

#define SENTINEL EXFULL
#define UNNAMED  SYS_getpriority /* a call that no row below names */

#define ALWAYS(name, decision, code)                                            \
	{                                                                       \
		.call = name, .verdict = decision, .error = code, .why = "test" \
	}
#define WHEN(name, decision, code, how, number, bits, bound)                                       \
	{                                                                                          \
		.call = name, .verdict = decision, .error = code, .test = how, .argument = number, \
		.mask = bits, .value = bound, .why = "test"                                        \
	}

struct attempt {
	const struct filter_row *rows;
	size_t count;
	enum filter_verdict otherwise;
	int otherwise_error;
	long call;
	unsigned long a, b, c;
};

#define LOADED_NOT 200 /* an exit status apart from every errno below */

/* Exits with the errno of the call, 0 when it succeeded. */
static void
attempt_in_child(void *arg)
{
	const struct attempt *t = arg;
	struct filter_program p;
	long rc;

	if (filter_build(&p, t->rows, t->count, t->otherwise, t->otherwise_error) == -1 ||
	    filter_load(&p) == -1)
		_exit(LOADED_NOT);
	rc = syscall(t->call, t->a, t->b, t->c);
	syscall(SYS_exit_group, rc == -1 ? errno : 0);
}

/* The errno, or minus the signal that killed the child. */
static int
outcome(const struct attempt *t)
{
	struct attempt copy = *t;
	char said[1024];
	int status = check_in_child(attempt_in_child, &copy, said, sizeof(said));

	if (WIFSIGNALED(status))
		return -WTERMSIG(status);
	assert_int_not_equal(WEXITSTATUS(status), LOADED_NOT);
	return WEXITSTATUS(status);
}

static const struct filter_row base[] = {
    ALWAYS("exit_group", FILTER_ALLOW, 0),
    ALWAYS("getppid", FILTER_ALLOW, 0),
    ALWAYS("umask", FILTER_REFUSE, SENTINEL),
    ALWAYS("sync", FILTER_KILL, 0),
};

static void
allowed(void **state)
{
	struct attempt t = {base, COUNT(base), FILTER_REFUSE, ENOSYS, SYS_getppid, 0, 0, 0};

	(void)state;
	assert_int_equal(outcome(&t), 0);
}

static void
refused(void **state)
{
	struct attempt t = {base, COUNT(base), FILTER_REFUSE, ENOSYS, SYS_umask, 022, 0, 0};

	(void)state;
	assert_int_equal(outcome(&t), SENTINEL);
}

static void
killed(void **state)
{
	struct attempt t = {base, COUNT(base), FILTER_REFUSE, ENOSYS, SYS_sync, 0, 0, 0};

	(void)state;
	assert_int_equal(outcome(&t), -SIGSYS);
}

static void
otherwise(void **state)
{
	struct attempt t = {base, COUNT(base), FILTER_REFUSE, ENOSYS, UNNAMED, 0, 0, 0};

	(void)state;
	assert_int_equal(outcome(&t), ENOSYS);
	t.call = 100000;
	assert_int_equal(outcome(&t), ENOSYS);
	t.otherwise_error = SENTINEL;
	t.call = UNNAMED;
	assert_int_equal(outcome(&t), SENTINEL);
	t.otherwise = FILTER_KILL;
	assert_int_equal(outcome(&t), -SIGSYS);
	t.call = SYS_getppid;
	assert_int_equal(outcome(&t), 0);
	t.otherwise = FILTER_ALLOW;
	t.call = UNNAMED;
	assert_int_equal(outcome(&t), 0);
	t.call = SYS_umask;
	assert_int_equal(outcome(&t), SENTINEL);
}

/* ioctl(-1, b) fails with EBADF where the filter lets it through. */
static int
outcome_of_test(enum filter_test test, uint64_t mask, uint64_t value, unsigned long b)
{
	const struct filter_row rows[] = {
	    WHEN("ioctl", FILTER_REFUSE, SENTINEL, test, 1, mask, value)};
	struct attempt t = {rows, 1, FILTER_ALLOW, 0, SYS_ioctl, (unsigned long)-1, b, 0};

	return outcome(&t);
}

static void
comparisons(void **state)
{
	static const struct {
		enum filter_test test;
		bool below, at, above; /* whether 9, 10 and 11 are refused by a value of 10 */
	} rows[] = {
	    {FILTER_EQ, false, true, false},
	    {FILTER_NE, true, false, true},
	    {FILTER_LT, true, false, false},
	    {FILTER_GT, false, false, true},
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		assert_int_equal(
		    outcome_of_test(rows[i].test, 0, 10, 9), rows[i].below ? SENTINEL : EBADF);
		assert_int_equal(
		    outcome_of_test(rows[i].test, 0, 10, 10), rows[i].at ? SENTINEL : EBADF);
		assert_int_equal(
		    outcome_of_test(rows[i].test, 0, 10, 11), rows[i].above ? SENTINEL : EBADF);
	}
}

static void
masked(void **state)
{
	const uint64_t tiocsti = 0x5412, low = 0xffffffff;

	(void)state;
	assert_int_equal(outcome_of_test(FILTER_MASKED_EQ, low, tiocsti, 0x5412), SENTINEL);
	assert_int_equal(
	    outcome_of_test(FILTER_MASKED_EQ, low, tiocsti, 0xdeadbeef00005412), SENTINEL);
	assert_int_equal(outcome_of_test(FILTER_MASKED_EQ, low, tiocsti, 0x5413), EBADF);
	/* Why the mask is needed: the kernel looks at 32 bits, an exact comparison at 64. */
	assert_int_equal(outcome_of_test(FILTER_EQ, 0, tiocsti, 0xdeadbeef00005412), EBADF);
	assert_int_equal(outcome_of_test(FILTER_MASKED_EQ, 06000, 04000, 04755), SENTINEL);
	assert_int_equal(outcome_of_test(FILTER_MASKED_EQ, 06000, 04000, 0755), EBADF);
}

static void
two_rows_of_a_call(void **state)
{
	static const struct filter_row rows[] = {
	    WHEN("ioctl", FILTER_REFUSE, SENTINEL, FILTER_EQ, 1, 0, 1),
	    WHEN("ioctl", FILTER_KILL, 0, FILTER_EQ, 1, 0, 2),
	};
	struct attempt t = {rows, 2, FILTER_ALLOW, 0, SYS_ioctl, (unsigned long)-1, 1, 0};

	(void)state;
	assert_int_equal(outcome(&t), SENTINEL);
	t.b = 2;
	assert_int_equal(outcome(&t), -SIGSYS);
	t.b = 3;
	assert_int_equal(outcome(&t), EBADF);
}

static void
unknown_names(void **state)
{
	static const struct filter_row rows[] = {
	    ALWAYS("exit_group", FILTER_ALLOW, 0),
	    ALWAYS("no_such_call_yet", FILTER_ALLOW, 0),
	    ALWAYS("getppid", FILTER_ALLOW, 0),
	};
	struct attempt t = {rows, COUNT(rows), FILTER_KILL, 0, SYS_getppid, 0, 0, 0};

	(void)state;
	assert_int_equal(outcome(&t), 0);
}

static void
build_in_child(void *arg)
{
	const struct attempt *t = arg;
	struct filter_program p;

	(void)filter_build(&p, t->rows, t->count, t->otherwise, t->otherwise_error);
}

static void
bad_rows(void **state)
{
	static const struct filter_row shadow[] = {
	    ALWAYS("ioctl", FILTER_ALLOW, 0),
	    WHEN("ioctl", FILTER_REFUSE, EPERM, FILTER_EQ, 1, 0, 1),
	};
	static const struct filter_row argument[] = {
	    WHEN("ioctl", FILTER_ALLOW, 0, FILTER_EQ, 6, 0, 1)};
	const struct attempt bad[] = {
	    {shadow, 2, FILTER_KILL, 0, 0, 0, 0, 0},

	    {argument, 1, FILTER_KILL, 0, 0, 0, 0, 0},
	};
	char said[1024];
	size_t i;
	int status;

	(void)state;
	for (i = 0; i < COUNT(bad); i++) {
		struct attempt t = bad[i];

		status = check_in_child(build_in_child, &t, said, sizeof(said));
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), 70);
		assert_non_null(strstr(said, "filter: ioctl: "));
	}
}

static void
two_programs(void *arg)
{
	static const struct filter_row first[] = {ALWAYS("umask", FILTER_REFUSE, SENTINEL)};
	static const struct filter_row second[] = {ALWAYS("sync", FILTER_REFUSE, SENTINEL)};
	struct filter_program p, q;

	(void)arg;
	if (filter_build(&p, first, 1, FILTER_ALLOW, 0) == -1 ||
	    filter_build(&q, second, 1, FILTER_ALLOW, 0) == -1 || filter_load(&p) == -1 ||
	    filter_load(&q) == -1)
		_exit(1);
	if (syscall(SYS_umask, 022) != -1 || errno != SENTINEL)
		_exit(2);
	if (syscall(SYS_sync) != -1 || errno != SENTINEL)
		_exit(3);
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
		_exit(4);
	filter_clear(&p);
	filter_clear(&p);
	filter_clear(&q);
	if (p.code != NULL || p.length != 0)
		_exit(5);
}

static void
stacked(void **state)
{
	char said[1024];

	(void)state;
	assert_int_equal(check_in_child(two_programs, NULL, said, sizeof(said)), 0);
}

/* A tracer changes getppid's number to -1, as fault injectors do to skip it. */
static void
traced(void *arg)
{
	const struct attempt *t = arg;
	struct filter_program p;

	if (filter_build(&p, t->rows, t->count, t->otherwise, t->otherwise_error) == -1 ||
	    ptrace(PTRACE_TRACEME, 0, NULL, NULL) == -1 || raise(SIGSTOP) != 0 ||
	    filter_load(&p) == -1)
		_exit(LOADED_NOT);
	syscall(SYS_exit_group, syscall(SYS_getppid) == -1 ? errno : 0);
}

#ifdef __x86_64__
/* Runs t under trace; returns its wait status. */
static int
skip_one_call(struct attempt *t)
{
	struct user_regs_struct regs;
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		traced(t);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	while (WIFSTOPPED(status)) {
		assert_int_equal(ptrace(PTRACE_GETREGS, pid, NULL, &regs), 0);
		if (regs.orig_rax == SYS_getppid && regs.rax == (unsigned long long)-ENOSYS) {
			regs.orig_rax = (unsigned long long)-1; /* at its entry */
			assert_int_equal(ptrace(PTRACE_SETREGS, pid, NULL, &regs), 0);
		}
		assert_int_equal(ptrace(PTRACE_SYSCALL, pid, NULL, NULL), 0);
		assert_int_equal(waitpid(pid, &status, 0), pid);
	}
	return status;
}

static void
skipped(void **state)
{
	struct attempt t = {base, COUNT(base), FILTER_KILL, 0, 0, 0, 0, 0};
	int status = skip_one_call(&t);

	(void)state;
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), ENOSYS);
	t.otherwise = FILTER_ALLOW;
	status = skip_one_call(&t);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), ENOSYS);
}
#else
static void
skipped(void **state)
{
	(void)state, (void)traced;
	skip(); /* the registers are named for x86-64 alone */
}
#endif

int
main(void)
{
	static const struct CMUnitTest tests[] = {
	    TEST("a call that is allowed reaches the kernel", allowed),
	    TEST("a call that is refused fails with its row's error", refused),
	    TEST("a call that is forbidden kills by SIGSYS", killed),
	    TEST("a call that no row names gets the verdict for all others", otherwise),
	    TEST("arguments are compared", comparisons),
	    TEST("a masked comparison is not passed by high bits", masked),
	    TEST("rows of one call are told apart by their arguments", two_rows_of_a_call),
	    TEST("a name that libseccomp does not know is skipped", unknown_names),
	    TEST("a row that would be dropped or rejected is a bug", bad_rows),
	    TEST("programs stack, and bring no_new_privs", stacked),
	    TEST("a call that a tracer skips gets ENOSYS, not SIGSYS", skipped),
	};

	if (!filter_available()) {
		print_message("this kernel has no filters: skipped\n");
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
