/*
 * test_spawn.c - child/spawn.c and child/tree.c, on real programs.
 *
 * room: tests. Called with "facts" it is itself such a program, and prints what it was given.
 * distrusts: nothing.
 */
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "commands.h"
#include "fixture.h"

#define SELF     "/proc/self/exe"
#define SHELL    "/bin/sh"
#define LOCK     "lock"
#define ROUND_MS 10
#define FDS_MAX  1024
#define LEAKS                          \
	{                              \
		7, 31, 32, 33, 64, 200 \
	}
#define BIG_BYTES   (4u << 20)
#define FACTS_BYTES 4096

static struct exe *
exe_of(void **state)
{
	return &((struct fixture *)*state)->e;
}

/* ---- the program that tells what it was given ---- */

static void
print_descriptors(void)
{
	printf("fds");
	for (int fd = 0; fd < FDS_MAX; fd++)
		if (fcntl(fd, F_GETFD) != -1)
			printf(" %d", fd);
	printf("\n");
}

static void
print_signals(void)
{
	sigset_t blocked;
	struct sigaction act;

	sigprocmask(SIG_SETMASK, NULL, &blocked);
	printf("signals");
	for (int sig = 1; sig < NSIG; sig++) {
		if (sigismember(&blocked, sig) == 1)
			printf(" blocked:%d", sig);
		if (sigaction(sig, NULL, &act) == 0 && act.sa_handler == SIG_IGN)
			printf(" ignored:%d", sig);
	}
	printf("\n");
}

static int
facts(void)
{
	char cwd[TEST_PATH_MAX];
	struct rlimit core, processes;
	int on_death = 0;

	prctl(PR_GET_PDEATHSIG, &on_death);
	getrlimit(RLIMIT_CORE, &core);
	getrlimit(RLIMIT_NPROC, &processes);
	print_descriptors();
	print_signals();
	printf("leader %d %d\n", getsid(0) == getpid(), getpgrp() == getpid());
	printf("death %d\n", on_death);
	printf("umask %03o\n", (unsigned int)umask(0));
	printf("core %llu\n", (unsigned long long)core.rlim_max);
	printf("processes %d\n", processes.rlim_cur <= 4096);
	printf("cwd %s\n", getcwd(cwd, sizeof(cwd)));
	printf("tty %d\n", open("/dev/tty", O_RDWR | O_CLOEXEC) != -1);
	return 0;
}

/* ---- commands of the tests ---- */

static void
command(struct exe *e, const char *const *argv, const char *const *envp)
{
	struct command *c = &e->command;

	memset(c, 0, sizeof(*c));
	c->profile = PROFILE_INSTALL;
	c->network = NETWORK_NONE;
	for (; *argv != NULL; argv++) {
		size_t len = strlen(*argv) + 1;

		c->argv[c->argc++] = memcpy(c->arena + c->used, *argv, len);
		c->used += len;
	}
	for (; envp != NULL && *envp != NULL; envp++) {
		size_t len = strlen(*envp) + 1;

		c->envp[c->envc++] = memcpy(c->arena + c->used, *envp, len);
		c->used += len;
	}
}

static void
shell(struct exe *e, const char *script)
{
	const char *const argv[] = {SHELL, "-c", script, NULL};
	const char *const envp[] = {"PATH=/usr/bin:/bin", NULL};

	command(e, argv, envp);
	e->command.capture = true;
}

static int
start(struct exe *e, const char **stage)
{
	const struct ground ground = {&e->filters, -1, e->repo_fd, e->lock_fd};

	return spawn(&e->child, &e->command, &ground, stage);
}

static void
start_well(struct exe *e)
{
	const char *stage = "none";

	if (start(e, &stage) == -1)
		fail_msg("%s: %s: %s", e->command.argv[0], stage, strerror(errno));
	assert_true(e->child.pid > 0);
}

/* All that comes from one of our ends until it is closed; NUL at its end. */
static size_t
drain(int fd, char *text, size_t size)
{
	size_t used = 0;

	for (;;) {
		ssize_t n = read(fd, text + used, size - 1 - used);

		if (n > 0)
			used += (size_t)n;
		else if (n == 0)
			break;
		else if (errno == EAGAIN)
			assert_true(readable(fd, TEST_WAIT_MS));
		assert_true(used < size - 1);
	}
	text[used] = '\0';
	return used;
}

/* Until sig has ended every child. */
static void
end_tree(struct exe *e, int sig)
{
	int waited_ms = 0;

	while (tree_reap(&e->child)) {
		assert_true(waited_ms < TEST_WAIT_MS);
		if (sig != 0)
			tree_signal(sig, false);
		poll(NULL, 0, ROUND_MS);
		waited_ms += ROUND_MS;
	}
}

static void
finish(struct exe *e)
{
	end_tree(e, 0);
	assert_true(e->child.exited);
	assert_int_equal(e->child.pid, 0);
	spawn_release(&e->child);
}

static int
spawn_make(void **state)
{
	struct exe *e;

	fixture_make(state);
	e = exe_of(state);
	put_text(e->state_fd, LOCK, "");
	e->lock_fd = openat(e->state_fd, LOCK, O_RDWR | O_CLOEXEC);
	assert_true(e->lock_fd >= 0);
	tree_adopt();
	return 0;
}

static int
spawn_end(void **state)
{
	struct exe *e = exe_of(state);

	end_tree(e, SIGKILL); /* a failed test leaves nothing either */
	spawn_release(&e->child);
	close(e->lock_fd);
	return fixture_end(state);
}

static size_t
count_descriptors(void)
{
	size_t count = 0;

	for (int fd = 0; fd < FDS_MAX; fd++)
		count += fcntl(fd, F_GETFD) != -1;
	return count;
}

/* ---- how it ends ---- */

static void
exit_status(void **state)
{
	struct exe *e = exe_of(state);
	static const struct {
		const char *script;
		int status;
	} ends[] = {{"exit 0", 0}, {"exit 1", 1}, {"exit 127", 127}, {"exit 255", 255},
	    {"kill -TERM $$", -SIGTERM}, {"kill -KILL $$", -SIGKILL}, {"kill -SYS $$", -SIGSYS},
	    {"ulimit -c unlimited; kill -SEGV $$", -SIGSEGV}};

	for (size_t i = 0; i < COUNT(ends); i++) {
		shell(e, ends[i].script);
		start_well(e);
		finish(e);
		assert_int_equal(e->child.status, ends[i].status);
	}
}

static void
assert_fails(struct exe *e, const char *stage_due, int error)
{
	size_t descriptors = count_descriptors();
	const char *stage = "none";

	errno = 0;
	assert_int_equal(start(e, &stage), -1);
	assert_int_equal(errno, error);
	assert_string_equal(stage, stage_due);
	assert_int_equal(count_descriptors(), descriptors);
	end_tree(e, 0); /* the child that could not become the program has ended */
}

static void
cannot_execute(void **state)
{
	struct exe *e = exe_of(state);
	char path[TEST_PATH_MAX];
	const char *const absent[] = {"/nonexistent/program", NULL};
	const char *const named[] = {"make", NULL};
	const char *const here[] = {path, NULL};

	command(e, absent, NULL);
	assert_fails(e, "execve", ENOENT);
	command(e, named, NULL); /* a name is not searched for */
	assert_fails(e, "execve", ENOENT);
	snprintf(path, sizeof(path), "%s/program", e->conf.state_dir);
	put_text(e->state_fd, "program", "#!/nonexistent/interpreter\n");
	command(e, here, NULL);
	assert_fails(e, "execve", EACCES);
	assert_int_equal(fchmodat(e->state_fd, "program", 0755, 0), 0);
	assert_fails(e, "execve", ENOENT);
	put_text(e->state_fd, "program", "neither a script nor a binary");
	assert_fails(e, "execve", ENOEXEC);
}

static void
cannot_enter(void **state)
{
	struct exe *e = exe_of(state);
	int repo_fd = e->repo_fd;

	shell(e, "exit 0");
	e->repo_fd = e->lock_fd;
	assert_fails(e, "fchdir", ENOTDIR);
	e->repo_fd = repo_fd;
}

static void
cannot_confine(void **state)
{
	struct exe *e = exe_of(state);
	struct filter_program *p = &e->filters.plain[NETWORK_NONE];
	const struct filter_row row = {.call = "getppid", .verdict = FILTER_ALLOW, .why = "test"};

	assert_int_equal(filter_build(p, &row, 1, FILTER_ALLOW, 0), 0);
	p->length = 0; /* which the kernel refuses */
	shell(e, "exit 0");
	assert_fails(e, "seccomp", EINVAL);
	filter_clear(p);
}

static void
no_descriptors(void **state)
{
	struct exe *e = exe_of(state);
	int lock_fd = e->lock_fd;

	shell(e, "exit 0");
	e->lock_fd = -1;
	assert_fails(e, "pipe", EBADF);
	e->lock_fd = lock_fd;
}

/* ---- what it is given ---- */

static void
tell_facts(struct exe *e, char text[FACTS_BYTES])
{
	char self[TEST_PATH_MAX];
	const char *const argv[] = {self, "facts", NULL};
	ssize_t n = readlink(SELF, self, sizeof(self) - 1);
	bool dialog = e->command.dialog;

	assert_true(n > 0);
	self[n] = '\0';
	command(e, argv, NULL);
	e->command.capture = true;
	e->command.dialog = dialog;
	start_well(e);
	drain(e->child.out_fd, text, FACTS_BYTES);
	finish(e);
	assert_int_equal(e->child.status, 0);
}

static void
descriptors(void **state)
{
	struct exe *e = exe_of(state);
	static const int leaks[] = LEAKS;
	char text[FACTS_BYTES];

	for (size_t i = 0; i < COUNT(leaks); i++)
		if (fcntl(leaks[i], F_GETFD) == -1)
			assert_int_equal(
			    dup2(STDERR_FILENO, leaks[i]), leaks[i]); /* not close-on-exec */
	tell_facts(e, text);
	assert_non_null(strstr(text, "fds 0 1 2 3\n"));
	e->command.dialog = true;
	tell_facts(e, text);
	assert_non_null(strstr(text, "fds 0 1 2 3 4 5\n"));
	for (size_t i = 0; i < COUNT(leaks); i++)
		close(leaks[i]);
}

static void
session(void **state)
{
	struct exe *e = exe_of(state);
	char text[FACTS_BYTES], line[TEST_PATH_MAX];

	memset(&e->command, 0, sizeof(e->command));
	tell_facts(e, text);
	assert_non_null(strstr(text, "leader 1 1\n"));
	assert_non_null(strstr(text, "tty 0\n"));
	assert_non_null(strstr(text, "umask 022\n"));
	assert_non_null(strstr(text, "core 0\n"));
	assert_non_null(strstr(text, "processes 1\n"));
	snprintf(line, sizeof(line), "cwd %s\n", e->conf.repo);
	assert_non_null(strstr(text, line));
	snprintf(line, sizeof(line), "death %d\n", SIGKILL);
	assert_non_null(strstr(text, line));
}

static void
signals(void **state)
{
	struct exe *e = exe_of(state);
	static const int ignored[] = {SIGPIPE, SIGXFSZ, SIGINT, SIGHUP, SIGQUIT, SIGUSR1};
	char text[FACTS_BYTES];
	sigset_t all, before;

	memset(&e->command, 0, sizeof(e->command));
	for (size_t i = 0; i < COUNT(ignored); i++)
		signal(ignored[i], SIG_IGN);
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	tell_facts(e, text);
	sigprocmask(SIG_SETMASK, &before, NULL);
	for (size_t i = 0; i < COUNT(ignored); i++)
		signal(ignored[i], SIG_DFL);
	assert_non_null(strstr(text, "signals\n"));
}

static void
environment(void **state)
{
	struct exe *e = exe_of(state);
	const char *const argv[] = {"/usr/bin/env", NULL};
	const char *const envp[] = {"ONE=1", "TWO= two words", "EMPTY=", NULL};
	char text[FACTS_BYTES];

	assert_int_equal(setenv("LD_PRELOAD_OF_THE_TEST", "leaks", 1), 0);
	command(e, argv, envp);
	e->command.capture = true;
	start_well(e);
	drain(e->child.out_fd, text, sizeof(text));
	finish(e);
	assert_string_equal(text, "ONE=1\nTWO= two words\nEMPTY=\n");
}

static void
environment_of_install(void **state)
{
	struct exe *e = exe_of(state);
	char text[FACTS_BYTES], due[FACTS_BYTES];

	snprintf(e->conf.install_command, sizeof(e->conf.install_command), "env");
	snprintf(e->journal.state.run, sizeof(e->journal.state.run), "a-run");
	snprintf(e->journal.state.from, sizeof(e->journal.state.from), "1.0.0");
	snprintf(e->journal.state.to, sizeof(e->journal.state.to), "1.1.0");
	snprintf(e->journal.state.commit, sizeof(e->journal.state.commit), "%040d", 7);
	e->journal.state.channel = CHANNEL_BETA;
	e->journal.state.attempt = 2;
	e->conf.install_s = 1;
	command_install(e);
	e->command.capture = true;
	start_well(e);
	drain(e->child.out_fd, text, sizeof(text));
	finish(e);
	snprintf(due, sizeof(due),
	    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n"
	    "HOME=%s/tmp/home\nTMPDIR=%s/"
	    "tmp\nMOULT_STATE_DIR=%s\nMOULT_RUN=a-run\nMOULT_CHANNEL=beta\n"
	    "MOULT_FROM=1.0.0\nMOULT_TO=1.1.0\nLANG=C.UTF-8\nMOULT_COMMIT=%040d\n"
	    "MOULT_ATTEMPT=2\n",
	    e->conf.state_dir, e->conf.state_dir, e->conf.state_dir, 7);
	assert_string_equal(text, due);
}

static void
input_is_empty(void **state)
{
	struct exe *e = exe_of(state);
	char text[FACTS_BYTES];

	shell(e, "cat; readlink /proc/self/fd/0");
	start_well(e);
	drain(e->child.out_fd, text, sizeof(text));
	finish(e);
	assert_string_equal(text, "/dev/null\n");
}

/* ---- what it says ---- */

static void
capture(void **state)
{
	struct exe *e = exe_of(state);
	char text[FACTS_BYTES];

	shell(e, "echo out; echo err >&2");
	start_well(e);
	drain(e->child.out_fd, text, sizeof(text));
	assert_string_equal(text, "out\n");
	drain(e->child.log_fd, text, sizeof(text));
	assert_string_equal(text, "err\n");
	finish(e);
}

static void
without_capture(void **state)
{
	struct exe *e = exe_of(state);
	char text[FACTS_BYTES];

	shell(e, "echo out; echo err >&2");
	e->command.capture = false;
	start_well(e);
	assert_int_equal(e->child.out_fd, -1);
	assert_int_equal(e->child.ask_fd, -1);
	drain(e->child.log_fd, text, sizeof(text));
	assert_string_equal(text, "out\nerr\n");
	finish(e);
}

static void
much_output(void **state)
{
	struct exe *e = exe_of(state);
	char *text = malloc(BIG_BYTES + 2);

	assert_non_null(text);
	shell(e, "head -c 4194304 /dev/zero");
	start_well(e);
	assert_int_equal(drain(e->child.out_fd, text, BIG_BYTES + 2), BIG_BYTES);
	finish(e);
	assert_int_equal(e->child.status, 0);
	free(text);
}

static void
dialog(void **state)
{
	struct exe *e = exe_of(state);
	char text[FACTS_BYTES];

	shell(e, "echo printed; while read -r line <&4; do echo \"heard $line\" >&5; done; exit 3");
	e->command.capture = false;
	e->command.dialog = true;
	start_well(e);
	assert_int_equal(write(e->child.ask_fd, "one\n", 4), 4);
	assert_true(readable(e->child.out_fd, TEST_WAIT_MS));
	assert_int_equal(read(e->child.out_fd, text, sizeof(text)), strlen("heard one\n"));
	assert_memory_equal(text, "heard one\n", strlen("heard one\n"));
	close(e->child.ask_fd);
	e->child.ask_fd = -1;
	drain(e->child.log_fd, text, sizeof(text));
	assert_string_equal(text, "printed\n");
	finish(e);
	assert_int_equal(e->child.status, 3);
}

static void
does_not_wait(void **state)
{
	struct exe *e = exe_of(state);
	char text[FACTS_BYTES];

	shell(e, "exec sleep 1000");
	start_well(e);
	assert_int_equal(read(e->child.out_fd, text, sizeof(text)), -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(read(e->child.log_fd, text, sizeof(text)), -1);
	assert_int_equal(errno, EAGAIN);
	assert_true(tree_reap(&e->child));
	assert_false(e->child.exited);
	end_tree(e, SIGTERM);
	finish(e);
	assert_int_equal(e->child.status, -SIGTERM);
}

/* ---- the lock, and our own end ---- */

static bool
lockable(struct exe *e)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	int fd = openat(e->state_fd, LOCK, O_RDWR | O_CLOEXEC);
	bool free_now = fcntl(fd, F_OFD_SETLK, &lock) == 0;

	close(fd);
	return free_now;
}

static void
lock_lives(void **state)
{
	struct exe *e = exe_of(state);
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	char text[FACTS_BYTES];

	assert_int_equal(fcntl(e->lock_fd, F_OFD_SETLK, &lock), 0);
	shell(e, "setsid sleep 1000 >/dev/null 2>&1 & exit 0");
	start_well(e);
	drain(e->child.out_fd, text, sizeof(text));
	close(e->lock_fd); /* as when we die */
	e->lock_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	assert_false(lockable(e));
	end_tree(e, SIGKILL);
	assert_true(lockable(e));
}

/* Starts a program, tells its pid, and waits to be killed. */
static void
parent_in_child(struct exe *e, int tell_fd)
{
	shell(e, "exec sleep 1000");
	start_well(e);
	(void)!write(tell_fd, &e->child.pid, sizeof(e->child.pid)); /* then the test sees none */
	for (;;)
		pause();
}

static void
dies_with_us(void **state)
{
	struct exe *e = exe_of(state);
	int ends[2], pidfd;
	pid_t parent, pid = 0;

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	fflush(NULL);
	parent = fork();
	assert_true(parent >= 0);
	if (parent == 0)
		parent_in_child(e, ends[1]);
	assert_int_equal(read(ends[0], &pid, sizeof(pid)), sizeof(pid));
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	assert_true(pidfd >= 0);
	assert_false(readable(pidfd, 0));
	assert_int_equal(kill(parent, SIGKILL), 0);
	assert_true(readable(pidfd, TEST_WAIT_MS));
	close(pidfd);
	close(ends[0]);
	close(ends[1]);
	end_tree(e, 0);
}

/* ---- trees ---- */

/* Runs a script that says "ready" when all of its processes live, then ends them all. */
static void
assert_tree_ends(struct exe *e, const char *script, int sig)
{
	char text[FACTS_BYTES];
	size_t used = 0;

	shell(e, script);
	start_well(e);
	while (used == 0 || memmem(text, used, "ready", 5) == NULL) {
		ssize_t n;

		assert_true(readable(e->child.out_fd, TEST_WAIT_MS));
		n = read(e->child.out_fd, text + used, sizeof(text) - used);
		assert_true(n > 0);
		used += (size_t)n;
	}
	end_tree(e, sig);
	drain(e->child.out_fd, text, sizeof(text)); /* nobody is left to hold the other end */
	spawn_release(&e->child);
}

static void
tree_detached(void **state)
{
	struct exe *e = exe_of(state);

	assert_tree_ends(
	    e, "setsid sh -c 'setsid sh -c \"echo ready; sleep 1000\" & exit' & exit", SIGKILL);
	assert_tree_ends(e,
	    "(setsid sh -c '(setsid sh -c \"(sleep 1000 & echo ready; sleep 1000) &\" &)' &)",
	    SIGTERM);
}

static void
tree_deaf(void **state)
{
	assert_tree_ends(exe_of(state),
	    "trap '' TERM HUP INT; setsid sh -c 'sleep 1000 & echo ready; sleep 1000; sleep 1000'",
	    SIGKILL);
}

static void
tree_stopped(void **state)
{
	struct exe *e = exe_of(state);
	siginfo_t info;

	shell(e, "kill -STOP $$; sleep 1000");
	start_well(e);
	assert_int_equal(waitid(P_PID, (id_t)e->child.pid, &info, WSTOPPED | WNOWAIT), 0);
	end_tree(e, SIGTERM);
	assert_true(e->child.exited);
	assert_int_equal(e->child.status, -SIGTERM);
	spawn_release(&e->child);
}

static void
tree_wide(void **state)
{
	assert_tree_ends(exe_of(state),
	    "i=0; while [ $i -lt 100 ]; do setsid sleep 1000 & i=$((i + 1)); done; echo ready; "
	    "wait",
	    SIGKILL);
}

static void
tree_growing(void **state)
{
	/* Each one starts the next and ends: whoever is looked for has gone already. */
	assert_tree_ends(exe_of(state),
	    "cat > hop <<'END'\n#!/bin/sh\nsleep 0.01\n[ $1 -gt 300 ] || setsid ./hop $(($1 + 1)) "
	    "&\nEND\nchmod +x hop; ./hop 0 & echo ready",
	    SIGKILL);
}

static void
tree_bystander(void **state)
{
	struct exe *e = exe_of(state);
	pid_t pid;
	int pidfd;

	/* A process of the same user that is no child of ours: our own parent. */
	pid = getppid();
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	assert_tree_ends(e, "echo ready; sleep 1000", SIGKILL);
	assert_true(pidfd == -1 || !readable(pidfd, 0));
	close(pidfd);
}

static void
tree_at_exit(void **state)
{
	struct exe *e = exe_of(state);
	char text[FACTS_BYTES];

	shell(
	    e, "setsid sh -c 'trap \"\" TERM; sleep 1000 & sleep 1000' & trap '' TERM; sleep 1000");
	start_well(e);
	tree_end(false);
	drain(e->child.out_fd, text, sizeof(text));
	assert_false(tree_reap(&e->child));
	tree_end(false); /* nothing is left to end */
	spawn_release(&e->child);
}

static void
orphans_do_not_count(void **state)
{
	struct exe *e = exe_of(state);
	char text[FACTS_BYTES];

	/* The status of the program itself, not of what it has left behind. */
	shell(e, "setsid sh -c 'exit 9' & setsid sh -c 'kill -9 $$' & wait; exit 4");
	start_well(e);
	drain(e->child.out_fd, text, sizeof(text));
	finish(e);
	assert_int_equal(e->child.status, 4);
}

#define SPAWN_TEST(title, function)                          \
	{                                                    \
		title, function, spawn_make, spawn_end, NULL \
	}

int
main(int argc, char *argv[])
{
	const struct CMUnitTest tests[] = {
	    SPAWN_TEST("exit statuses and signals are told apart", exit_status),
	    SPAWN_TEST("a program that cannot be executed is told, with its errno", cannot_execute),
	    SPAWN_TEST("a directory that cannot be entered is told", cannot_enter),
	    SPAWN_TEST("a filter that cannot be loaded is told, and nothing runs", cannot_confine),
	    SPAWN_TEST("a missing descriptor is told", no_descriptors),
	    SPAWN_TEST("a program finds no descriptor open but its own", descriptors),
	    SPAWN_TEST("a program leads a session, without terminal and core files", session),
	    SPAWN_TEST("a program begins with every signal as it should be", signals),
	    SPAWN_TEST("the environment is the command's and nothing else", environment),
	    SPAWN_TEST("the install command's environment is exactly this", environment_of_install),
	    SPAWN_TEST("standard input is /dev/null", input_is_empty),
	    SPAWN_TEST("captured output is apart from the log", capture),
	    SPAWN_TEST("without capture all output goes to the log", without_capture),
	    SPAWN_TEST("much output comes whole", much_output),
	    SPAWN_TEST("a dialog has two more descriptors", dialog),
	    SPAWN_TEST("nothing is waited for", does_not_wait),
	    SPAWN_TEST("the lock is held while anything of a step lives", lock_lives),
	    SPAWN_TEST("a program dies with us", dies_with_us),
	    SPAWN_TEST("who forks twice and leaves its session is ended", tree_detached),
	    SPAWN_TEST("who ignores TERM is killed", tree_deaf),
	    SPAWN_TEST("who has stopped is ended by TERM", tree_stopped),
	    SPAWN_TEST("a hundred processes are ended", tree_wide),
	    SPAWN_TEST("a chain of processes that outruns its hunter is ended", tree_growing),
	    SPAWN_TEST("at our own end all that is left is killed", tree_at_exit),
	    SPAWN_TEST("others of the same user are left alone", tree_bystander),
	    SPAWN_TEST("the program's own status counts", orphans_do_not_count),
	};

	if (argc == 2 && strcmp(argv[1], "facts") == 0)
		return facts();
	return cmocka_run_group_tests_name("spawn", tests, NULL, NULL);
}
