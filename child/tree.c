/*
 * tree.c - every process a step has started, however it detached itself.
 *
 * room: executor.
 * distrusts: the step: it may fork twice, leave its session, ignore TERM and stop itself.
 *
 * As a subreaper the executor becomes the parent of each orphan below it. Where signals do not
 * leave our Landlock domain, kill(-1) reaches all of it at once, a fork under way included. Else
 * only direct children are signaled: their pids cannot be used again before we reap them. When a
 * child dies its own children come to us, and the next round reaches them. Either way it is over
 * when waitid(2) says ECHILD.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "spawn.h"

#define CHILDREN_BYTES 65536
#define STRAY_ENVIRON  65536
#define STRAY_END_MS   5000
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

static void
signal_children(int sig)
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
	}
}

static void
signal_all(int sig, bool whole)
{
	if (whole)
		(void)kill(-1, sig); /* ESRCH: nobody is left. Never us, by kill(2) */
	else
		signal_children(sig);
}

void
tree_signal(int sig, bool whole)
{
	signal_all(sig, whole);
	/* A stopped process does not act on TERM until it continues. */
	if (sig == SIGTERM)
		signal_all(SIGCONT, whole);
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

/* True when the environment of a process holds the entry mark. */
static bool
is_marked(const char *pid, const char *mark)
{
	char path[64], text[STRAY_ENVIRON];
	size_t used = 0, len = strlen(mark) + 1; /* with its NUL */
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%.20s/environ", pid);
	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) == -1)
		return false; /* another user's, or gone */
	while (used < sizeof(text) && (n = read(fd, text + used, sizeof(text) - used)) > 0)
		used += (size_t)n;
	close(fd);
	return memmem(text, used, mark, len) != NULL;
}

/* Kills one process and waits for its end. The descriptor keeps another one of that pid safe. */
static int
end_stray(const char *pid, const char *mark)
{
	struct pollfd slot = {.events = POLLIN};
	int rc = 0;

	slot.fd = pidfd_open((pid_t)strtol(pid, NULL, 10), 0);
	if (slot.fd == -1)
		return 0;
	if (is_marked(pid, mark)) {
		log_warnx("process %s is of a step whose executor was killed; it is ended", pid);
		rc = 1;
		if (pidfd_send_signal(slot.fd, SIGKILL, NULL, 0) == -1 ||
		    poll(&slot, 1, STRAY_END_MS) != 1)
			rc = -1;
	}
	close(slot.fd);
	return rc;
}

int
tree_end_strays(const char *mark)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	int count = 0, rc = 0;

	if (proc == NULL)
		return -1;
	while (rc != -1 && (entry = readdir(proc)) != NULL)
		if (isdigit((unsigned char)entry->d_name[0]) && is_marked(entry->d_name, mark)) {
			rc = end_stray(entry->d_name, mark);
			count += rc == 1;
		}
	closedir(proc);
	return rc == -1 ? -1 : count;
}

void
tree_end(bool whole)
{
	const struct timespec pause = {0, END_ROUND_MS * 1000000L};
	siginfo_t info;

	for (int round = 0; round < END_ROUNDS; round++) {
		do {
			memset(&info, 0, sizeof(info));
			if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG) == -1 && errno == ECHILD)
				return;
		} while (info.si_pid != 0);
		tree_signal(SIGKILL, whole);
		(void)nanosleep(&pause, NULL); /* cut short: the next round comes sooner */
	}
}
