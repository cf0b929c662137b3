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
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "executor.h"
#include "landlock.h"
#include "log.h"
#include "spawn.h"

#define PIPE_BYTES     (1 << 20) /* a flood is cheaper to drain through a large pipe */
#define STEP_PROCESSES 4096      /* RLIMIT_NPROC, per user: stops a fork bomb, not a build */
#define HIGH_FD        32        /* above every target below */
#define START_WAIT_MS  30000     /* an execve(2) may wait for a disk, but not for ever */
#define TRIAL_LIMIT_S  20

#define SPAWN_STAGES(X)               \
	X(DESCRIPTORS, "descriptors") \
	X(SESSION, "setsid")          \
	X(DIRECTORY, "fchdir")        \
	X(LIMITS, "setrlimit")        \
	X(PARENT, "parent")           \
	X(DOMAIN, "landlock")         \
	X(FILTER, "seccomp")          \
	X(EXEC, "execve")

#define STAGE_ENUM(symbol, name) STAGE_##symbol,
#define STAGE_NAME(symbol, name) name,
enum stage { SPAWN_STAGES(STAGE_ENUM) STAGE_END };
static const char *const stage_names[] = {SPAWN_STAGES(STAGE_NAME)};

/*
 * What the child tells before it is another program: a listener's descriptor, or what failed. That
 * the end is closed says that it has started.
 */
struct report {
	enum stage stage;
	int error; /* 0: a descriptor comes along */
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
	struct report r = {stage, errno};
	ssize_t n = write(report, &r, sizeof(r));

	_exit(n == (ssize_t)sizeof(r) ? 127 : 126);
}

static int
child_descriptors(const struct command *cmd, const struct ends *ends)
{
	const struct {
		int from, to;
	} redirections[] = {
	    {ends->null, STDIN_FILENO},
	    {cmd->capture ? ends->out : ends->log, STDOUT_FILENO},
	    {cmd->capture_errors ? ends->out : ends->log, STDERR_FILENO},
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

/* Hands the listener over; our copy goes with execve(2). */
static int
tell_listener(int report, int listener)
{
	struct report r = {STAGE_FILTER, 0};
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = {&r, sizeof(r)};
	struct msghdr msg;

	memset(&control, 0, sizeof(control));
	memset(&msg, 0, sizeof(msg));
	msg.msg_iov = &iov;
	msg.msg_iovlen = 1;
	msg.msg_control = control.bytes;
	msg.msg_controllen = sizeof(control.bytes);
	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	control.header.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(&control.header), &listener, sizeof(int));
	return sendmsg(report, &msg, 0) == (ssize_t)sizeof(r) ? 0 : -1;
}

/* report: -1 in a trial, of which nobody asks what was refused. */
static int
child_filter(const struct filters *f, enum network network, int report)
{
	int listener = -1;

	if (f->told[network].code != NULL && report != -1)
		listener = filter_load_told(&f->told[network]);
	if (listener != -1)
		return tell_listener(report, listener);
	/* Somebody above us listens already, and a process may have one listener. */
	return f->plain[network].code == NULL ? 0 : filter_load(&f->plain[network]);
}

static void
child_confine(const struct ground *g, enum network network, int report, enum stage *stage)
{
	*stage = STAGE_DOMAIN;
	if (g->ruleset_fd != -1 && landlock_enter(g->ruleset_fd) == -1)
		return;
	*stage = STAGE_FILTER;
	if (child_filter(g->filters, network, report) == -1)
		return;
	*stage = STAGE_END;
}

static void __attribute__((noreturn))
child_run(const struct command *cmd, const struct ends *ends, const struct ground *g, pid_t parent)
{
	enum stage stage;

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
	child_confine(g, cmd->network, ends->report, &stage);
	if (stage != STAGE_END)
		give_up(ends->report, stage);
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

/* Both ends close at execve(2), and a descriptor can pass. */
static int
make_report(int *our_end, int *child_end)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == -1)
		return -1;
	*our_end = ends[0];
	*child_end = high_copy(ends[1]);
	close(ends[1]);
	return *child_end == -1 ? -1 : 0;
}

static int
ends_open(struct child *c, const struct command *cmd, struct ends *ends, const struct ground *g)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null == -1)
		return -1;
	ends->null = high_copy(null);
	close(null);
	ends->cwd = high_copy(g->cwd_fd);
	ends->lock = high_copy(g->lock_fd);
	if (ends->null == -1 || ends->cwd == -1 || ends->lock == -1)
		return -1;
	if (make_pipe(&c->log_fd, &ends->log, 0) == -1)
		return -1;
	(void)fcntl(
	    c->log_fd, F_SETPIPE_SZ, PIPE_BYTES); /* refused over the user's quota: slower */
	if ((cmd->capture || cmd->capture_errors || cmd->dialog) &&
	    make_pipe(&c->out_fd, &ends->out, 0) == -1)
		return -1;
	if (cmd->dialog && make_pipe(&c->ask_fd, &ends->ask, 1) == -1)
		return -1;
	return 0;
}

/* Receives one report; its descriptor goes to *listener. The length; 0 at the end; -1, errno. */
static ssize_t
hear_report(int report, struct report *r, int *listener)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = {r, sizeof(*r)};
	struct msghdr msg;
	ssize_t n;

	memset(&msg, 0, sizeof(msg));
	msg.msg_iov = &iov;
	msg.msg_iovlen = 1;
	msg.msg_control = control.bytes;
	msg.msg_controllen = sizeof(control.bytes);
	n = recvmsg(report, &msg, MSG_CMSG_CLOEXEC);
	if (n > 0 && CMSG_FIRSTHDR(&msg) != NULL && control.header.cmsg_type == SCM_RIGHTS)
		memcpy(listener, CMSG_DATA(&control.header), sizeof(int));
	return n;
}

/* Waits for execve(2) to succeed (end of file) or for word of what failed. */
static int
await_exec(struct child *c, int report, const char **stage)
{
	struct pollfd slot = {.fd = report, .events = POLLIN};
	struct report r = {STAGE_END, 0};
	ssize_t n;

	*stage = "start";
	do {
		int ready = poll(&slot, 1, START_WAIT_MS);

		if (ready == 0) {
			(void)kill(c->pid, SIGKILL); /* ours, and not reaped */
			errno = ETIMEDOUT;
			return -1;
		}
		n = ready == -1 ? -1 : hear_report(report, &r, &c->notify_fd);
	} while ((n == -1 && errno == EINTR) || (n == (ssize_t)sizeof(r) && r.error == 0));
	if (n == 0)
		return 0;
	if (n == (ssize_t)sizeof(r) && r.stage < STAGE_END)
		*stage = stage_names[r.stage];
	errno = n == (ssize_t)sizeof(r) ? r.error : EPIPE;
	return -1;
}

int
spawn(struct child *c, const struct command *cmd, const struct ground *g, const char **stage)
{
	struct ends ends = {-1, -1, -1, -1, -1, -1, -1};
	int report = -1, rc = -1, error;
	pid_t self = getpid(), pid;

	memset(c, 0, sizeof(*c));
	c->log_fd = c->out_fd = c->ask_fd = c->notify_fd = -1;
	*stage = "pipe";
	if (ends_open(c, cmd, &ends, g) == -1 || make_report(&report, &ends.report) == -1)
		goto out;
	*stage = "fork";
	if ((pid = fork()) == -1)
		goto out;
	if (pid == 0)
		child_run(cmd, &ends, g, self);
	c->pid = pid;
	close_if(&ends.report);
	rc = await_exec(c, report, stage);
out:
	error = errno;
	ends_clear(&ends);
	close_if(&report);
	if (rc == -1)
		spawn_release(c);
	errno = error;
	return rc;
}

/* The status of a child as one number. */
static int
await_trial(pid_t pid)
{
	siginfo_t info;

	memset(&info, 0, sizeof(info));
	while (waitid(P_PID, (id_t)pid, &info, WEXITED) == -1)
		if (errno != EINTR)
			return SPAWN_NO_TRIAL;
	return info.si_code == CLD_EXITED ? info.si_status : -info.si_status;
}

int
spawn_trial(
    const struct ground *g, enum network network, int (*fn)(const void *arg), const void *arg)
{
	enum stage stage;
	pid_t pid = fork();

	if (pid == -1)
		return SPAWN_NO_TRIAL;
	if (pid == 0) {
		(void)alarm(TRIAL_LIMIT_S);
		if (setsid() == -1 || fchdir(g->cwd_fd) == -1 || child_limits() == -1 ||
		    child_signals() == -1)
			_exit(126);
		child_confine(g, network, -1, &stage);
		_exit(stage == STAGE_END ? fn(arg) & 0xff : 126);
	}
	return await_trial(pid);
}

pid_t
spawn_stranger(int *release_fd)
{
	int ends[2];
	char byte;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) == -1)
		return -1;
	if ((pid = fork()) == 0) {
		close(ends[1]);
		_exit(read(ends[0], &byte, 1) == 0 ? 0 : 1); /* until our end closes */
	}
	close(ends[0]);
	*release_fd = ends[1];
	if (pid == -1)
		close(ends[1]);
	return pid;
}

void
spawn_release(struct child *c)
{
	close_if(&c->log_fd);
	close_if(&c->out_fd);
	close_if(&c->ask_fd);
	close_if(&c->notify_fd);
}
