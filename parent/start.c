/*
 * start.c - starting the executor, and reaping it.
 *
 * room: monitor, before its seal; the one file with fork(2) and execve(2), which the filter
 *	forbids afterwards.
 * distrusts: nothing yet: no input has been read.
 */
#include "monitor.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include <bsd/string.h>

#include "log.h"

#define EXECUTOR_NAME  "moult-executor"
#define GENERATION_MAX 48 /* PID:STARTTIME */
#define TRIAL_LIMIT_S  20
#define REPORT_FD      4 /* the child tells here what failed; closed by a successful exec */

/* Everything that the child needs, ready before the fork. */
struct launch {
	char path[PATH_MAX];
	char config[PATH_MAX];
	char generation[GENERATION_MAX];
	int null_fd, wire_fd, report_fd;
};

/* What the child says through the pipe. */
struct launch_failure {
	int stage; /* index of launch_stages */
	int error;
};

static const char *const launch_stages[] = {"descriptors", "signals", "execve"};
enum { STAGE_DESCRIPTORS, STAGE_SIGNALS, STAGE_EXEC, STAGE_COUNT };

/* The executor stands beside our own binary. */
static void
find_executor(char path[PATH_MAX])
{
	char self[PATH_MAX];
	ssize_t n;

	n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (n <= 0)
		fatal("/proc/self/exe");
	self[n] = '\0';
	if ((size_t)snprintf(path, PATH_MAX, "%s/" EXECUTOR_NAME, dirname(self)) >= PATH_MAX)
		log_exit(EX_OSERR, "the path of " EXECUTOR_NAME " is too long");
}

/* From here to execve(2) only calls that are safe behind fork(2) in any program. */
static int
move_descriptors(const struct launch *l)
{
	int wire_fd, report_fd;

	/* First out of the way of the places they go to. */
	wire_fd = fcntl(l->wire_fd, F_DUPFD_CLOEXEC, REPORT_FD + 1);
	report_fd = fcntl(l->report_fd, F_DUPFD_CLOEXEC, REPORT_FD + 1);
	if (wire_fd == -1 || report_fd == -1)
		return -1;
	if (dup2(l->null_fd, STDIN_FILENO) == -1 || dup2(STDERR_FILENO, STDOUT_FILENO) == -1 ||
	    dup2(wire_fd, WIRE_FD) == -1 || dup3(report_fd, REPORT_FD, O_CLOEXEC) == -1)
		return -1;
	closefrom(REPORT_FD + 1);
	return 0;
}

static int
reset_signals(void)
{
	static const int changed[] = {SIGHUP, SIGPIPE, SIGXFSZ};
	sigset_t none;
	size_t i;

	for (i = 0; i < sizeof(changed) / sizeof(changed[0]); i++)
		if (signal(changed[i], SIG_DFL) == SIG_ERR)
			return -1;
	(void)sigemptyset(&none); /* cannot fail */
	return sigprocmask(SIG_SETMASK, &none, NULL);
}

static void __attribute__((noreturn)) become_executor(const struct launch *l)
{
	char name[] = EXECUTOR_NAME, f[] = "-f", g[] = "-g";
	char config[PATH_MAX], generation[GENERATION_MAX];
	char path_var[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
	char lang_var[] = "LANG=C.UTF-8";
	char *argv[] = {name, f, config, g, generation, NULL};
	char *env[] = {path_var, lang_var, NULL};
	struct launch_failure failure = {.stage = STAGE_DESCRIPTORS};
	int report_fd = l->report_fd;

	(void)strlcpy(config, l->config, sizeof(config));             /* the same size */
	(void)strlcpy(generation, l->generation, sizeof(generation)); /* the same size */
	if (move_descriptors(l) == -1)
		goto fail;
	report_fd = REPORT_FD;
	failure.stage = STAGE_SIGNALS;
	/* Its own group, so that an interrupt typed at a terminal reaches the monitor alone. */
	if (reset_signals() == -1 || setpgid(0, 0) == -1)
		goto fail;
	failure.stage = STAGE_EXEC;
	(void)execve(l->path, argv, env);
fail:
	failure.error = errno;
	(void)!write(report_fd, &failure, sizeof(failure)); /* unheard, the exit status says it */
	_exit(EX_OSERR);
}

static void
await_exec(const struct launch *l, int report_fd)
{
	struct launch_failure failure;
	ssize_t n;

	do {
		n = read(report_fd, &failure, sizeof(failure));
	} while (n == -1 && errno == EINTR);
	if (n == (ssize_t)sizeof(failure) && failure.stage >= 0 && failure.stage < STAGE_COUNT)
		log_exit(EX_OSERR, "%s cannot be started: %s: %s", l->path,
		    launch_stages[failure.stage], strerrordesc_np(failure.error));
	(void)close(report_fd); /* at its end of file */
}

void
mon_start_executor(struct mon *m)
{
	struct launch l;
	int pair[2], report[2];
	pid_t daemon = getppid();

	find_executor(l.path);
	if (strlcpy(l.config, m->conf_path, sizeof(l.config)) >= sizeof(l.config))
		log_exit(EX_USAGE, "the path of the configuration is too long");
	(void)snprintf(l.generation, sizeof(l.generation), "%ld:%llu", (long)daemon,
	    (unsigned long long)mon_process_start(daemon)); /* fits */
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == -1)
		fatal("socketpair");
	if (pipe2(report, O_CLOEXEC) == -1)
		fatal("pipe2");
	l.null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (l.null_fd == -1)
		fatal("/dev/null");
	l.wire_fd = pair[1];
	l.report_fd = report[1];
	m->executor = fork();
	if (m->executor == -1)
		fatal("fork");
	if (m->executor == 0)
		become_executor(&l);
	(void)close(pair[1]);   /* the executor's */
	(void)close(report[1]); /* the executor's */
	(void)close(l.null_fd); /* the executor's */
	await_exec(&l, report[0]);
	wire_init(&m->wire, pair[0], DOOR_REPORTS);
}

void
mon_reap_executor(struct mon *m)
{
	if (!m->executor_ended && waitpid(m->executor, &m->executor_status, WNOHANG) == m->executor)
		m->executor_ended = true;
}

int
mon_trial(struct mon *m, int (*fn)(struct mon *m))
{
	pid_t pid = fork();
	int status;

	if (pid == -1)
		fatal("fork");
	if (pid == 0) {
		(void)alarm(TRIAL_LIMIT_S); /* cannot fail */
		mon_seal(m);
		_exit(fn(m) & 0xff);
	}
	while (waitpid(pid, &status, 0) == -1)
		if (errno != EINTR)
			fatal("waitpid");
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}
