/*
 * test_scope.c - the executor's own domain, and ending with one kill(-1) all that a step has
 * started.
 *
 * room: tests. kill(-1) is only ever called by a child that has entered the domain and was then
 *	refused to signal a process outside of it: without that it would end this user's session.
 * distrusts: nothing.
 */
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "confined.h"

#define PIDS_MAX 256

/* In a child. */
static void
must(bool holds, const char *what)
{
	if (holds)
		return;
	dprintf(STDERR_FILENO, "%s: %s\n", what, strerror(errno));
	_exit(1);
}
#define MUST(condition) must((condition), #condition)

/* What seal.c does; ends this child unless signals really stay in. */
static void
enter_own_domain(struct exe *e)
{
	int release_fd;
	pid_t stranger = spawn_stranger(&release_fd);

	MUST(stranger > 0);
	MUST(kill(stranger, 0) == 0);
	MUST(domain_own(e) == 0);
	MUST(kill(stranger, 0) == -1 && errno == EPERM);
	MUST(kill(getppid(), 0) == -1 && errno == EPERM);
	close(release_fd);
	MUST(waitpid(stranger, NULL, 0) == stranger);
	tree_adopt();
}

static void
probe(void *arg)
{
	enter_own_domain(arg);
	MUST(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
}

static void
run_in_child(void (*function)(void *), void *arg)
{
	char said[TEST_SAID_BYTES];
	int status = in_child(function, arg, said);

	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		fail_msg("status %#x: %s", (unsigned int)status, said);
}

static void
stranger_is_out_of_reach(void **state)
{
	need_landlock(exe_of(state));
	run_in_child(probe, exe_of(state));
}

/* The domain forbids nothing but what crosses its border. */
static void
still_able(void *arg)
{
	struct exe *e = arg;
	int fd;

	enter_own_domain(e);
	MUST((fd = openat(e->state_fd, "made", O_WRONLY | O_CREAT, 0644)) != -1);
	MUST(renameat(e->state_fd, "made", e->repo_fd, "moved") == 0);
	MUST(linkat(e->repo_fd, "moved", e->signal_dir_fd, "linked", 0) == 0);
	MUST(unlinkat(e->repo_fd, "moved", 0) == 0);
	MUST(openat(e->root_fd, "etc/passwd", O_RDONLY) != -1);
}

static void
own_domain_allows(void **state)
{
	need_landlock(exe_of(state));
	run_in_child(still_able, exe_of(state));
}

/* ---- a step that does not want to end ---- */

struct flight {
	struct exe *e;
	const char *script;
	enum profile profile;
	bool plain;    /* without the domains: as on an older kernel */
	int sig;       /* the first signal */
	size_t living; /* processes that must be there before it */
};

static size_t
read_pids(const struct exe *e, pid_t pids[PIDS_MAX])
{
	size_t len, count = 0;
	char *text, *at, *end;

	if (faccessat(e->repo_fd, "pids", F_OK, 0) == -1)
		return 0;
	text = get_bytes(e->repo_fd, "pids", &len);
	for (at = text; count < PIDS_MAX; at = end) {
		long pid = strtol(at, &end, 10);

		if (end == at)
			break;
		pids[count++] = (pid_t)pid;
	}
	free(text);
	return count;
}

static void
end_flight(void *arg)
{
	struct flight *fl = arg;
	struct exe *e = fl->e;
	pid_t pids[PIDS_MAX];
	int64_t end_ms = clock_monotonic_ms() + TEST_WAIT_MS;
	size_t count;
	int rounds = 0;

	if (fl->plain)
		tree_adopt();
	else
		enter_own_domain(e);
	give_shell(e, fl->profile, NETWORK_NONE, fl->script);
	start_command(e, !fl->plain);
	while (read_pids(e, pids) < fl->living) {
		MUST(clock_monotonic_ms() < end_ms);
		(void)readable(e->child.log_fd, ROUND_MS);
		(void)output_read(e);
	}
	while (tree_reap(&e->child)) {
		tree_signal(rounds++ == 0 ? fl->sig : SIGKILL, !fl->plain);
		MUST(clock_monotonic_ms() < end_ms);
		(void)poll(NULL, 0, 1);
	}
	count = read_pids(e, pids);
	for (size_t i = 0; i < count; i++)
		MUST(kill(pids[i], 0) == -1);
	MUST(e->child.exited && e->child.pid == 0);
}

/* A process of the same user, which nobody here may touch. */
static pid_t
start_bystander(void)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		check_child_signals();
		for (;;)
			pause();
	}
	return pid;
}

static void
fly(struct exe *e, const char *script, size_t living, enum profile profile, int sig)
{
	for (int plain = 0; plain <= 1; plain++) {
		struct flight fl = {e, script, profile, plain == 1, sig, living};
		pid_t bystander = start_bystander();

		(void)unlinkat(e->repo_fd, "pids", 0);
		run_in_child(end_flight, &fl);
		assert_int_equal(waitpid(bystander, NULL, WNOHANG), 0); /* it lives */
		assert_int_equal(kill(bystander, SIGKILL), 0);
		assert_int_equal(waitpid(bystander, NULL, 0), bystander);
	}
}

static void
detached(void **state)
{
	need_landlock(exe_of(state));
	fly(exe_of(state),
	    "(setsid sh -c '(setsid sh -c \"echo \\$\\$ >> pids; sleep 1000 & echo \\$! >> pids; "
	    "sleep 1000\" &)' &); echo $$ >> pids; exit 0",
	    3, PROFILE_INSTALL, SIGKILL);
}

static void
deaf(void **state)
{
	need_landlock(exe_of(state));
	fly(exe_of(state),
	    "trap '' TERM HUP INT; setsid sh -c 'echo $$ >> pids; sleep 1000; sleep 1000' & "
	    "echo $$ >> pids; kill -STOP $$; sleep 1000",
	    2, PROFILE_INSTALL, SIGTERM);
}

static void
many(void **state)
{
	need_landlock(exe_of(state));
	fly(exe_of(state),
	    "i=0; while [ $i -lt 100 ]; do setsid sleep 1000 & echo $! >> pids; i=$((i + 1)); "
	    "done; wait",
	    100, PROFILE_INSTALL, SIGKILL);
}

static void
hopping(void **state)
{
	need_landlock(exe_of(state));
	fly(exe_of(state),
	    "cat > hop <<'END'\n#!/bin/sh\necho $$ >> pids\n[ $1 -gt 200 ] || setsid ./hop "
	    "$(($1 + 1)) &\nEND\nchmod +x hop; ./hop 0 &",
	    5, PROFILE_INSTALL, SIGKILL);
}

/* A step cannot do to us what we do to it: its own kill(-1) stays in its own domain. */
static void
step_kills_all(void *arg)
{
	struct exe *e = arg;

	enter_own_domain(e);
	give_shell(e, PROFILE_INSTALL, NETWORK_NONE,
	    "sleep 1000 & trap '' TERM; kill -TERM -1; kill -0 $PPID && exit 9; wait; exit 5");
	start_command(e, true);
	while (tree_reap(&e->child))
		(void)poll(NULL, 0, ROUND_MS);
	MUST(e->child.exited && e->child.status == 5);
}

static void
step_reaches_itself_alone(void **state)
{
	pid_t bystander = start_bystander();

	need_landlock(exe_of(state));
	run_in_child(step_kills_all, exe_of(state));
	assert_int_equal(waitpid(bystander, NULL, WNOHANG), 0);
	assert_int_equal(kill(bystander, SIGKILL), 0);
	assert_int_equal(waitpid(bystander, NULL, 0), bystander);
}

/* Our own end: nothing of a step is left, and nobody waits for ever. */
static void
end_by_ourselves(void *arg)
{
	struct exe *e = arg;
	pid_t pids[PIDS_MAX];

	enter_own_domain(e);
	give_shell(e, PROFILE_INSTALL, NETWORK_NONE,
	    "trap '' TERM; setsid sh -c 'trap \"\" TERM; echo $$ >> pids; sleep 1000' & sleep "
	    "1000");
	start_command(e, true);
	while (read_pids(e, pids) < 1)
		(void)poll(NULL, 0, ROUND_MS);
	tree_end(true);
	MUST(kill(pids[0], 0) == -1);
	MUST(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
	tree_end(true); /* nobody is left to be ended */
}

static void
at_our_end(void **state)
{
	need_landlock(exe_of(state));
	run_in_child(end_by_ourselves, exe_of(state));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    CONFINED_TEST("a process outside cannot be signaled", stranger_is_out_of_reach),
	    CONFINED_TEST("the executor's own domain forbids no files", own_domain_allows),
	    CONFINED_TEST("who left its session and forked twice is ended", detached),
	    CONFINED_TEST("who is deaf or has stopped is ended", deaf),
	    CONFINED_TEST("a hundred sessions are ended", many),
	    CONFINED_TEST("a chain that outruns its hunter is ended", hopping),
	    CONFINED_TEST("a step's own kill(-1) reaches itself alone", step_reaches_itself_alone),
	    CONFINED_TEST("at our own end all that is left is killed", at_our_end),
	};

	return cmocka_run_group_tests_name("scope", tests, NULL, NULL);
}
