/*
 * spawn.c - fork and exec, the only place of this room.
 *
 * room: executor.
 * distrusts: nothing here comes from outside: commands.c makes the command lines.
 *
 * Everything is ready before fork(2); after it the child makes async-signal-safe calls only, and
 * tells through a close-on-exec pipe which one failed.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "executor.h"
#include "log.h"
#include "spawn.h"

#define PIPE_BYTES     (1 << 20) /* a flood is cheaper to drain through a large pipe */
#define STEP_PROCESSES 4096      /* RLIMIT_NPROC, per user: stops a fork bomb, not a build */
#define HIGH_FD        32        /* above every target below */

#define SPAWN_STAGES(X)               \
	X(DESCRIPTORS, "descriptors") \
	X(SESSION, "setsid")          \
	X(DIRECTORY, "fchdir")        \
	X(LIMITS, "setrlimit")        \
	X(PARENT, "parent")           \
	X(FILTER, "seccomp")          \
	X(EXEC, "execve")

#define STAGE_ENUM(symbol, name) STAGE_##symbol,
#define STAGE_NAME(symbol, name) name,
enum stage { SPAWN_STAGES(STAGE_ENUM) STAGE_END };
static const char *const stage_names[] = {SPAWN_STAGES(STAGE_NAME)};

struct failure {
	enum stage stage;
	int error;
};

/* The child's ends, all close-on-exec and at HIGH_FD or above. */
struct ends {
	int null, log, out, ask, lock, cwd, report;
};

static void
close_if(int *fd)
{
	if (*fd != -1)
		close(*fd);
	*fd = -1;
}

static void __attribute__((noreturn)) give_up(int report, enum stage stage)
{
	struct failure f = {stage, errno};
	ssize_t n = write(report, &f, sizeof(f));

	_exit(n == (ssize_t)sizeof(f) ? 127 : 126);
}

static int
child_descriptors(const struct command *cmd, const struct ends *ends)
{
	const struct {
		int from, to;
	} redirections[] = {
	    {ends->null, STDIN_FILENO},
	    {cmd->capture ? ends->out : ends->log, STDOUT_FILENO},
	    {ends->log, STDERR_FILENO},
	    {ends->lock, SPAWN_LOCK_FD},
	    {cmd->dialog ? ends->ask : -1, SPAWN_ASK_FD},
	    {cmd->dialog ? ends->out : -1, SPAWN_ANSWER_FD},
	};
	unsigned int first = cmd->dialog ? SPAWN_ANSWER_FD + 1 : SPAWN_LOCK_FD + 1;

	for (size_t i = 0; i < sizeof(redirections) / sizeof(redirections[0]); i++)
		if (redirections[i].from != -1 &&
		    dup2(redirections[i].from, redirections[i].to) == -1)
			return -1;
	/* Not closed yet: the report pipe must live until execve(2). */
	return close_range(first, ~0u, CLOSE_RANGE_CLOEXEC);
}

static int
child_limits(void)
{
	const struct rlimit none = {0, 0};
	struct rlimit processes;

	if (setrlimit(RLIMIT_CORE, &none) == -1 || getrlimit(RLIMIT_NPROC, &processes) == -1)
		return -1;
	if (processes.rlim_max > STEP_PROCESSES)
		processes.rlim_max = STEP_PROCESSES;
	if (processes.rlim_cur > processes.rlim_max)
		processes.rlim_cur = processes.rlim_max;
	return setrlimit(RLIMIT_NPROC, &processes);
}

/* What we, or whoever started us, ignore would stay ignored in the program. */
static int
child_signals(void)
{
	struct sigaction act, usual;
	sigset_t none;

	memset(&usual, 0, sizeof(usual));
	usual.sa_handler = SIG_DFL;
	for (int sig = 1; sig < NSIG; sig++) /* the C library keeps two to itself: EINVAL */
		if (sigaction(sig, NULL, &act) == 0 && act.sa_handler == SIG_IGN &&
		    sigaction(sig, &usual, NULL) == -1)
			return -1;
	sigemptyset(&none);
	return sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Dies with us; and if we died before it asked for that, at once. */
static int
child_parent(pid_t parent)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) == -1)
		return -1;
	if (getppid() == parent)
		return 0;
	errno = ESRCH;
	return -1;
}

static void __attribute__((noreturn)) child_run(const struct command *cmd, const struct ends *ends,
    const struct filter_program *filter, pid_t parent)
{
	if (setsid() == -1)
		give_up(ends->report, STAGE_SESSION);
	if (fchdir(ends->cwd) == -1)
		give_up(ends->report, STAGE_DIRECTORY);
	if (child_descriptors(cmd, ends) == -1)
		give_up(ends->report, STAGE_DESCRIPTORS);
	umask(022);
	if (child_limits() == -1 || child_signals() == -1)
		give_up(ends->report, STAGE_LIMITS);
	if (child_parent(parent) == -1)
		give_up(ends->report, STAGE_PARENT);
	if (filter->code != NULL && filter_load(filter) == -1)
		give_up(ends->report, STAGE_FILTER);
	execve(cmd->argv[0], cmd->argv, cmd->envp);
	give_up(ends->report, STAGE_EXEC);
}

/* A pipe whose child's end is out of the way of the redirections. ours: 0 we read, 1 we write. */
static int
make_pipe(int *our_end, int *child_end, int ours)
{
	int ends[2], high;

	if (pipe2(ends, O_CLOEXEC) == -1)
		return -1;
	high = fcntl(ends[1 - ours], F_DUPFD_CLOEXEC, HIGH_FD);
	close(ends[1 - ours]);
	*our_end = ends[ours];
	*child_end = high;
	if (high == -1)
		return -1;
	return fcntl(*our_end, F_SETFL, O_NONBLOCK);
}

static int
high_copy(int fd)
{
	return fcntl(fd, F_DUPFD_CLOEXEC, HIGH_FD);
}

static void
ends_clear(struct ends *ends)
{
	close_if(&ends->null);
	close_if(&ends->log);
	close_if(&ends->out);
	close_if(&ends->ask);
	close_if(&ends->lock);
	close_if(&ends->cwd);
	close_if(&ends->report);
}

static int
ends_open(struct child *c, const struct command *cmd, struct ends *ends, int cwd_fd, int lock_fd)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null == -1)
		return -1;
	ends->null = high_copy(null);
	close(null);
	ends->cwd = high_copy(cwd_fd);
	ends->lock = high_copy(lock_fd);
	if (ends->null == -1 || ends->cwd == -1 || ends->lock == -1)
		return -1;
	if (make_pipe(&c->log_fd, &ends->log, 0) == -1)
		return -1;
	(void)fcntl(
	    c->log_fd, F_SETPIPE_SZ, PIPE_BYTES); /* refused over the user's quota: slower */
	if ((cmd->capture || cmd->dialog) && make_pipe(&c->out_fd, &ends->out, 0) == -1)
		return -1;
	if (cmd->dialog && make_pipe(&c->ask_fd, &ends->ask, 1) == -1)
		return -1;
	return 0;
}

/* Waits for execve(2) to succeed (end of file) or for word of what failed. */
static int
await_exec(int report, const char **stage)
{
	struct failure f;
	ssize_t n;

	do
		n = read(report, &f, sizeof(f));
	while (n == -1 && errno == EINTR);
	if (n == 0)
		return 0;
	*stage = n == (ssize_t)sizeof(f) && f.stage < STAGE_END ? stage_names[f.stage] : "start";
	errno = n == (ssize_t)sizeof(f) ? f.error : EPIPE;
	return -1;
}

int
spawn(struct child *c, const struct command *cmd, const struct filters *f, int cwd_fd, int lock_fd,
    const char **stage)
{
	struct ends ends = {-1, -1, -1, -1, -1, -1, -1};
	int report = -1, rc = -1, error;
	pid_t self = getpid(), pid;

	memset(c, 0, sizeof(*c));
	c->log_fd = c->out_fd = c->ask_fd = -1;
	*stage = "pipe";
	if (ends_open(c, cmd, &ends, cwd_fd, lock_fd) == -1 ||
	    make_pipe(&report, &ends.report, 0) == -1 || fcntl(report, F_SETFL, 0) == -1)
		goto out;
	*stage = "fork";
	if ((pid = fork()) == -1)
		goto out;
	if (pid == 0)
		child_run(cmd, &ends, &f->profile[cmd->profile], self);
	c->pid = pid;
	close_if(&ends.report);
	rc = await_exec(report, stage);
out:
	error = errno;
	ends_clear(&ends);
	close_if(&report);
	if (rc == -1)
		spawn_release(c);
	errno = error;
	return rc;
}

void
spawn_release(struct child *c)
{
	close_if(&c->log_fd);
	close_if(&c->out_fd);
	close_if(&c->ask_fd);
}
