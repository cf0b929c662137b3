/*
 * spawn.c - where the command starts other programs: the pair's and the user's daemon.
 *
 * room: client: the only file of the command that forks and executes.
 * distrusts: nothing; both programs are the caller's own.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "client.h"
#include "log.h"

void
spawn_find(const char *name, char path[PATH_MAX])
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	if (n > 0) {
		self[n] = '\0';
		slash = strrchr(self, '/');
		if (slash != NULL) {
			*slash = '\0';
			if (snprintf(path, PATH_MAX, "%s/%s", self, name) < PATH_MAX &&
			    access(path, X_OK) == 0)
				return;
		}
	}
	snprintf(path, PATH_MAX, MOULT_LIBEXECDIR "/%s", name);
}

/* tmpdir: NULL, or an entry of the environment that goes along. */
static int
become(const char *name, const char *config, const char *option, const char *tmpdir)
{
	const char *const argv[] = {name, "-f", config, option, NULL};
	const char *const envp[] = {"PATH=" CLIENT_SEARCH, "LANG=C.UTF-8", tmpdir, NULL};
	char path[PATH_MAX];

	spawn_find(name, path);
	/* execve(2) changes neither; its prototype is older than const. */
	execve(path, (char *const *)(uintptr_t)argv, (char *const *)(uintptr_t)envp);
	log_warn("cannot start %s", path);
	return EX_OSERR;
}

int
spawn_become_monitor(const char *config)
{
	return become(CLIENT_MONITOR, config, NULL, NULL);
}

int
spawn_become_checker(const char *name, const char *config)
{
	char tmpdir[PATH_MAX + sizeof("TMPDIR=")];
	const char *value = getenv("TMPDIR");
	bool fits = value != NULL &&
		    snprintf(tmpdir, sizeof(tmpdir), "TMPDIR=%s", value) < (int)sizeof(tmpdir);

	return become(name, config, "--check", fits ? tmpdir : NULL);
}

void
spawn_checker(struct checker *c, int (*fn)(const void *arg), const void *arg)
{
	int out[2], err[2] = {-1, -1}, null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	bool ready = null != -1 && pipe2(out, O_CLOEXEC) == 0;

	if (!ready || pipe2(err, O_CLOEXEC) == -1 || (c->pid = fork()) == -1)
		fatal("a checking process");
	if (c->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		if (dup2(null, STDIN_FILENO) == -1 || dup2(out[1], STDOUT_FILENO) == -1 ||
		    dup2(err[1], STDERR_FILENO) == -1)
			_exit(EX_OSERR);
		_exit(fn(arg));
	}
	close(null);
	close(out[1]);
	close(err[1]);
	c->out_fd = out[0];
	c->err_fd = err[0];
}

/* Between fork(2) and execve(2): does not return. */
static void
become_daemon(char *const argv[], const sigset_t *mask, pid_t parent, int report_fd)
{
	int err;

	/* Killed hard, we must not leave a daemon behind that nobody supervises. */
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(EX_OSERR);
	sigprocmask(SIG_SETMASK, mask, NULL);
	execvp(argv[0], argv);
	err = errno;
	(void)!write(report_fd, &err, sizeof(err)); /* we are gone either way */
	_exit(EX_OSERR);
}

pid_t
spawn_daemon(char *const argv[], const sigset_t *mask)
{
	pid_t pid, parent = getpid();
	int ends[2], err = 0;
	ssize_t n;

	if (pipe2(ends, O_CLOEXEC) == -1)
		return -1;
	pid = fork();
	if (pid == 0)
		become_daemon(argv, mask, parent, ends[1]);
	err = pid == -1 ? errno : 0;
	close(ends[1]);
	if (pid != -1) { /* the end of file is the success of execve(2) */
		do
			n = read(ends[0], &err, sizeof(err));
		while (n == -1 && errno == EINTR);
		if (n == (ssize_t)sizeof(err)) {
			waitpid(pid, NULL, 0);
			pid = -1;
		}
	}
	close(ends[0]);
	if (pid == -1)
		errno = err;
	return pid;
}
