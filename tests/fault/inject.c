/*
 * inject.c - a daemon that traces the pair it has started, and breaks one system call of it.
 *
 * room: tests; it stands where the daemon stands, as the parent of every pair of one life.
 * distrusts: nothing.
 *
 *	inject [-r ROLES] [-m MODE] [-n NUMBER] [-p PAIRS] -- moult-monitor -f FILE
 *
 * ROLES are letters: m the monitor, e the executor, s the steps. Calls of these count up together
 * from 1 in the order in which they are made; a process counts from its execve(2). MODE says what
 * happens at call NUMBER:
 *
 *	count          nothing: the end prints how many there were
 *	err:E          the call is not made and fails with errno E; close(2) is made, as it always
 *is ever:E         so does each call of this kind (and role) from then on short          a read or
 *write is made with one byte kill           the process that makes it is killed before it is made
 *	pair           monitor and executor are killed, the caller before the call is made
 *	all            so is everything below, steps included
 *
 * With "+" after kill, pair or all the call is made first. Only calls that change something outside
 * of the process count for kill, pair and all: see changes(). After the broken pair PAIRS more are
 * started one after another without a tracer, until one ends with 42 or with 0. Each event is a
 * line on stdout: "count N", "at CALL ROLE", "pair CODE". End of file on stdin ends the pair that
 * runs, by SIGTERM.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <seccomp.h>

#define TRACEES_MAX 512

enum role { ROLE_NONE = 0, ROLE_MONITOR = 'm', ROLE_EXECUTOR = 'e', ROLE_STEP = 's' };
enum mode { MODE_COUNT, MODE_ERR, MODE_EVER, MODE_SHORT, MODE_KILL, MODE_PAIR, MODE_ALL };

struct tracee {
	pid_t pid;
	enum role role;
	bool inside;  /* between the entry of a call and its exit */
	bool broken;  /* this call's result is to be replaced */
	bool started; /* its first stop has been seen */
};

struct plan {
	const char *roles;
	enum mode mode;
	bool after; /* the call is made first */
	int error;
	long number;
	int pairs;
};

struct trace {
	struct plan plan;
	struct tracee tracee[TRACEES_MAX];
	size_t count;
	long calls;     /* counted so far */
	long ever_call; /* -1: none yet */
	enum role ever_role;
	pid_t pair; /* the monitor */
};

static void __attribute__((noreturn)) die(const char *what)
{
	perror(what);
	exit(70);
}

static void
say(const char *text)
{
	if (printf("%s\n", text) < 0 || fflush(stdout) == EOF)
		exit(70);
}

/* ---- processes ---- */

static struct tracee *
find(struct trace *t, pid_t pid)
{
	for (size_t i = 0; i < t->count; i++)
		if (t->tracee[i].pid == pid)
			return &t->tracee[i];
	if (t->count == TRACEES_MAX) {
		fprintf(stderr, "inject: too many processes\n");
		exit(70);
	}
	t->tracee[t->count] = (struct tracee){.pid = pid};
	return &t->tracee[t->count++];
}

static void
forget(struct trace *t, pid_t pid)
{
	for (size_t i = 0; i < t->count; i++)
		if (t->tracee[i].pid == pid) {
			t->tracee[i] = t->tracee[--t->count];
			return;
		}
}

/* Which program a process has become. */
static enum role
role_of(pid_t pid)
{
	char path[64], exe[PATH_MAX];
	const char *name;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
	n = readlink(path, exe, sizeof(exe) - 1);
	if (n <= 0)
		return ROLE_STEP;
	exe[n] = '\0';
	name = strrchr(exe, '/');
	name = name == NULL ? exe : name + 1;
	if (strcmp(name, "moult-monitor") == 0)
		return ROLE_MONITOR;
	return strcmp(name, "moult-executor") == 0 ? ROLE_EXECUTOR : ROLE_STEP;
}

static bool
is_wanted(const struct trace *t, enum role role)
{
	return role != ROLE_NONE && strchr(t->plan.roles, (int)role) != NULL;
}

/* ---- calls ---- */

/* A call that changes something outside of its process; for kills in between the others are one. */
static bool
changes(const struct user_regs_struct *r)
{
	switch (r->orig_rax) {
	case SYS_openat:
	case SYS_open:
		return (r->rdx & (O_CREAT | O_TRUNC)) != 0 || (r->rsi & O_CREAT) != 0;
	case SYS_write:
	case SYS_pwrite64:
	case SYS_writev:
	case SYS_sendto:
	case SYS_sendmsg:
	case SYS_rename:
	case SYS_renameat:
	case SYS_renameat2:
	case SYS_unlink:
	case SYS_unlinkat:
	case SYS_rmdir:
	case SYS_mkdir:
	case SYS_mkdirat:
	case SYS_link:
	case SYS_linkat:
	case SYS_symlink:
	case SYS_symlinkat:
	case SYS_ftruncate:
	case SYS_truncate:
	case SYS_chmod:
	case SYS_fchmod:
	case SYS_fchmodat:
	case SYS_chown:
	case SYS_fchown:
	case SYS_fsync:
	case SYS_fdatasync:
	case SYS_syncfs:
	case SYS_sync:
	case SYS_fork:
	case SYS_vfork:
	case SYS_clone:
	case SYS_execve:
	case SYS_kill:
	case SYS_exit_group:
		return true;
	default:
		return false;
	}
}

static bool
counts(const struct trace *t, const struct user_regs_struct *r)
{
	if (t->plan.mode == MODE_KILL || t->plan.mode == MODE_PAIR || t->plan.mode == MODE_ALL)
		return changes(r);
	/* Not to be failed: they do not fail, or nothing looks. */
	return r->orig_rax != SYS_exit_group && r->orig_rax != SYS_exit &&
	       r->orig_rax != SYS_rt_sigreturn && r->orig_rax != SYS_restart_syscall;
}

static void
say_at(long call, enum role role)
{
	char line[128];
	char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, (int)call);

	snprintf(line, sizeof(line), "at %s %c", name != NULL ? name : "?", (int)role);
	free(name);
	say(line);
}

static void
kill_roles(struct trace *t, bool steps)
{
	for (size_t i = 0; i < t->count; i++)
		if (steps || t->tracee[i].role != ROLE_STEP)
			(void)kill(t->tracee[i].pid, SIGKILL);
}

static void
strike(struct trace *t, struct tracee *p)
{
	switch (t->plan.mode) {
	case MODE_KILL:
		(void)kill(p->pid, SIGKILL);
		break;
	case MODE_PAIR:
		kill_roles(t, false);
		break;
	case MODE_ALL:
		kill_roles(t, true);
		break;
	case MODE_COUNT:
	case MODE_ERR:
	case MODE_EVER:
	case MODE_SHORT:
		break;
	}
}

static bool
is_transfer(unsigned long long call)
{
	return call == SYS_read || call == SYS_write || call == SYS_pread64 || call == SYS_pwrite64;
}

static bool
is_kill(enum mode mode)
{
	return mode == MODE_KILL || mode == MODE_PAIR || mode == MODE_ALL;
}

static void
on_entry(struct trace *t, struct tracee *p)
{
	struct user_regs_struct r;
	bool hit;

	if (ptrace(PTRACE_GETREGS, p->pid, NULL, &r) == -1 || !counts(t, &r))
		return;
	hit = ++t->calls == t->plan.number;
	if (hit)
		say_at((long)r.orig_rax, p->role);
	if (hit && is_kill(t->plan.mode)) {
		if (t->plan.after)
			p->broken = true;
		else
			strike(t, p);
		return;
	}
	if (hit && t->plan.mode == MODE_EVER) {
		t->ever_call = (long)r.orig_rax;
		t->ever_role = p->role;
	}
	if (hit && t->plan.mode == MODE_SHORT && is_transfer(r.orig_rax) && r.rdx > 1) {
		r.rdx = 1;
		(void)ptrace(PTRACE_SETREGS, p->pid, NULL, &r);
	}
	if ((hit && t->plan.mode == MODE_ERR) ||
	    (t->ever_call == (long)r.orig_rax && t->ever_role == p->role)) {
		p->broken = true;
		if (r.orig_rax == SYS_close) /* it closes, whatever it says */
			return;
		r.orig_rax = ~0ull; /* skipped */
		(void)ptrace(PTRACE_SETREGS, p->pid, NULL, &r);
	}
}

static void
on_exit_of_call(struct trace *t, struct tracee *p)
{
	struct user_regs_struct r;

	if (!p->broken)
		return;
	p->broken = false;
	if (is_kill(t->plan.mode)) {
		strike(t, p);
		return;
	}
	if (ptrace(PTRACE_GETREGS, p->pid, NULL, &r) == 0) {
		r.rax = (unsigned long long)-(long long)t->plan.error;
		(void)ptrace(PTRACE_SETREGS, p->pid, NULL, &r);
	}
}

/* ---- stops ---- */

static void
go_on(struct trace *t, struct tracee *p, int sig)
{
	bool wanted = is_wanted(t, p->role) || p->role == ROLE_NONE;

	/* A step whose calls nobody counts runs at its own speed; its children are not seen. */
	if (!wanted && p->role == ROLE_STEP && t->plan.mode != MODE_ALL) {
		pid_t pid = p->pid;

		forget(t, pid);
		(void)ptrace(PTRACE_DETACH, pid, NULL, (void *)(long)sig);
		return;
	}
	(void)ptrace(wanted ? PTRACE_SYSCALL : PTRACE_CONT, p->pid, NULL, (void *)(long)sig);
}

static void
on_stop(struct trace *t, pid_t pid, int status)
{
	struct tracee *p = find(t, pid);
	int sig = WSTOPSIG(status), event = status >> 16;

	if (event == PTRACE_EVENT_EXEC) {
		p->role = role_of(pid);
		p->inside = true; /* the end of execve(2) is to come */
		sig = 0;
	} else if (event != 0 || (sig == SIGSTOP && !p->started)) {
		p->started = true;
		sig = 0;
	} else if (sig == (SIGTRAP | 0x80)) {
		p->inside = !p->inside;
		if (p->inside && is_wanted(t, p->role))
			on_entry(t, p);
		else if (!p->inside)
			on_exit_of_call(t, p);
		sig = 0;
	}
	go_on(t, p, sig);
}

static int
code_of(int status)
{
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void
say_pair(int code)
{
	char line[32];

	snprintf(line, sizeof(line), "pair %d", code);
	say(line);
}

/* True at the end of our own input: we are told to end the pair. */
static bool
told_to_end(void)
{
	struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
	char byte;

	return poll(&in, 1, 0) == 1 && read(STDIN_FILENO, &byte, 1) <= 0;
}

static void
on_alarm(int sig)
{
	(void)sig;
} /* only so that waitpid(2) returns */

static pid_t
start(char *argv[], bool traced)
{
	pid_t pid = fork();

	if (pid == -1)
		die("fork");
	if (pid != 0)
		return pid;
	if (traced && (ptrace(PTRACE_TRACEME, 0, NULL, NULL) == -1 || raise(SIGSTOP) != 0))
		die("ptrace");
	execv(argv[0], argv);
	die(argv[0]);
}

/* The code of the pair. Its processes are traced until the last one has ended. */
static int
run_traced(struct trace *t, char *argv[])
{
	const long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXEC | PTRACE_O_TRACEFORK |
			     PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL;
	int status, code = 0;
	bool ending = false;
	pid_t pid;

	t->pair = start(argv, true);
	do
		pid = waitpid(t->pair, &status, 0);
	while (pid == -1 && errno == EINTR);
	if (pid != t->pair || !WIFSTOPPED(status) ||
	    ptrace(PTRACE_SETOPTIONS, t->pair, NULL, (void *)options) == -1)
		die("ptrace");
	find(t, t->pair)->started = true;
	(void)ptrace(PTRACE_CONT, t->pair, NULL, NULL);
	for (;;) {
		pid = waitpid(-1, &status, __WALL);
		if (pid == -1 && errno == EINTR) {
			if (!ending && told_to_end()) {
				ending = true;
				(void)kill(t->pair, SIGTERM);
			}
			continue;
		}
		if (pid == -1)
			return code; /* ECHILD */
		if (WIFSTOPPED(status)) {
			on_stop(t, pid, status);
			continue;
		}
		forget(t, pid);
		if (pid == t->pair) {
			code = code_of(status);
			say_pair(code);
		}
	}
}

static int
run_plain(char *argv[])
{
	pid_t pid = start(argv, false);
	bool ending = false;
	int status;

	while (waitpid(pid, &status, 0) == -1)
		if (errno == EINTR && !ending && told_to_end()) {
			ending = true;
			(void)kill(pid, SIGTERM);
		}
	say_pair(code_of(status));
	return code_of(status);
}

/* ---- arguments ---- */

static void __attribute__((noreturn)) usage(void)
{
	fprintf(
	    stderr, "usage: inject [-r ROLES] [-m MODE] [-n NUMBER] [-p PAIRS] -- monitor...\n");
	exit(64);
}

static void
parse_mode(struct plan *p, const char *text)
{
	static const struct {
		const char *name;
		enum mode mode;
	} modes[] = {{"count", MODE_COUNT}, {"err", MODE_ERR}, {"ever", MODE_EVER},
	    {"short", MODE_SHORT}, {"kill", MODE_KILL}, {"pair", MODE_PAIR}, {"all", MODE_ALL}};
	size_t len = strcspn(text, ":+");

	p->after = strchr(text, '+') != NULL;
	p->error = text[len] == ':' ? atoi(text + len + 1) : 0;
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		if (strlen(modes[i].name) == len && strncmp(modes[i].name, text, len) == 0) {
			p->mode = modes[i].mode;
			return;
		}
	usage();
}

static void
read_options(struct plan *p, int argc, char *argv[])
{
	int c;

	*p = (struct plan){.roles = "me", .mode = MODE_COUNT};
	while ((c = getopt(argc, argv, "+r:m:n:p:")) != -1)
		switch (c) {
		case 'r':
			p->roles = optarg;
			break;
		case 'm':
			parse_mode(p, optarg);
			break;
		case 'n':
			p->number = atol(optarg);
			break;
		case 'p':
			p->pairs = atoi(optarg);
			break;
		default:
			usage();
		}
	if (optind == argc)
		usage();
}

int
main(int argc, char *argv[])
{
	static struct trace trace = {.ever_call = -1};
	struct sigaction act = {.sa_handler = on_alarm}; /* without SA_RESTART */
	char line[64];
	int code;

	read_options(&trace.plan, argc, argv);
	/* Each round of waiting is cut, to look at our own input. */
	if (sigaction(SIGALRM, &act, NULL) == -1)
		die("sigaction");
	if (fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK) == -1)
		die("stdin");
	ualarm(20000, 20000);
	code = run_traced(&trace, argv + optind);
	snprintf(line, sizeof(line), "count %ld", trace.calls);
	say(line);
	for (int i = 0; i < trace.plan.pairs && code != 42 && code != 0; i++)
		code = run_plain(argv + optind);
	return 0;
}
