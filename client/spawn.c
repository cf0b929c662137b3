/*
 * spawn.c - where the command starts other programs: the monitor and the user's daemon.
 *
 * room: client: the only file of the command that forks and executes.
 * distrusts: nothing; both programs are the caller's own.
 */
#include <errno.h>
#include <fcntl.h>
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

int
spawn_become_monitor(const char *config)
{
	char search[] = "PATH=" CLIENT_SEARCH, lang[] = "LANG=C.UTF-8";
	char name[] = CLIENT_MONITOR, flag[] = "-f";
	char *file = strdup(config);
	char *argv[] = {name, flag, file, NULL};
	char *envp[] = {search, lang, NULL};
	char path[PATH_MAX];

	if (file == NULL)
		fatal("moult run");
	spawn_find(CLIENT_MONITOR, path);
	execve(path, argv, envp);
	log_warn("cannot start %s", path);
	free(file);
	return EX_OSERR;
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
