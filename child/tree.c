/*
 * tree.c - every process a step has started, however it detached itself.
 *
 * room: executor.
 * distrusts: the step: it may fork twice, leave its session, ignore TERM and stop itself.
 *
 * As a subreaper the executor becomes the parent of each orphan below it. Only direct children
 * are ever signaled: their pids cannot be used again before we reap them. When a child dies its
 * own children come to us, and the next round reaches them, until waitid(2) says ECHILD.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "spawn.h"

#define CHILDREN_BYTES 65536
#define END_ROUND_MS   5
#define END_ROUNDS     1000 /* then a process that hangs in the kernel is left behind */

static int
children_open(void)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/task/%ld/children", syscall(SYS_gettid));
	return open(path, O_RDONLY | O_CLOEXEC);
}

void
tree_adopt(void)
{
	int fd;

	if (prctl(PR_SET_CHILD_SUBREAPER, 1) == -1)
		fatal("prctl(PR_SET_CHILD_SUBREAPER)");
	/* Without this list (CONFIG_PROC_CHILDREN) nothing a step leaves behind can be ended. */
	if ((fd = children_open()) == -1)
		fatal("/proc/self/task/*/children");
	close(fd);
}

void
tree_signal(int sig)
{
	char list[CHILDREN_BYTES];
	int fd = children_open();
	ssize_t n;
	char *save = NULL;

	if (fd == -1) {
		log_warn("children of this process");
		return;
	}
	n = read(fd, list, sizeof(list) - 1);
	close(fd);
	if (n <= 0)
		return;
	list[n] = '\0';
	/* A full buffer may end inside a number: that last one waits for the next round. */
	if ((size_t)n == sizeof(list) - 1 && strrchr(list, ' ') != NULL)
		*strrchr(list, ' ') = '\0';
	for (char *word = strtok_r(list, " \n", &save); word != NULL;
	     word = strtok_r(NULL, " \n", &save)) {
		long pid = strtol(word, NULL, 10);

		if (pid > 1)
			(void)kill((pid_t)pid, sig); /* ESRCH: a zombie, reaped next */
		/* A stopped process does not act on TERM until it continues. */
		if (pid > 1 && sig == SIGTERM)
			(void)kill((pid_t)pid, SIGCONT);
	}
}

bool
tree_reap(struct child *c)
{
	for (;;) {
		siginfo_t info;

		memset(&info, 0, sizeof(info));
		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG) == -1) {
			if (errno == EINTR)
				continue;
			if (errno == ECHILD)
				return false;
			fatal("waitid");
		}
		if (info.si_pid == 0)
			return true;
		if (info.si_pid != c->pid)
			continue;
		c->pid = 0;
		c->exited = true;
		c->status = info.si_code == CLD_EXITED ? info.si_status : -info.si_status;
	}
}

void
tree_end(void)
{
	const struct timespec pause = {0, END_ROUND_MS * 1000000L};
	siginfo_t info;

	for (int round = 0; round < END_ROUNDS; round++) {
		do {
			memset(&info, 0, sizeof(info));
			if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG) == -1 && errno == ECHILD)
				return;
		} while (info.si_pid != 0);
		tree_signal(SIGKILL);
		(void)nanosleep(&pause, NULL); /* cut short: the next round comes sooner */
	}
}
