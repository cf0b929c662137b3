/*
 * attempts_process.c - attempts on other processes: to signal, read, steer and outlive them.
 *
 * room: tests.
 * distrusts: nothing: it plays whoever has been taken over.
 */
#include "escape.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/ioprio.h>
#include <linux/kcmp.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROC_PATH_MAX  64
#define BOMB           150 /* processes; far below what the limit stops */
#define CHAIN          40
#define HOP_US         500
#define LIFE_S         30 /* of a survivor that nothing ends */
#define STEP_PROCESSES 4096

/* Ignored by whom it reaches, unless he waits for it. */
#define HARMLESS SIGURG

static pid_t
victim(const struct stage *s, const struct row *r)
{
	return s->pid[r->at];
}

/* ---- signals ---- */

int
try_send_kill(const struct stage *s, const struct row *r)
{
	return CAME(kill(victim(s, r), HARMLESS));
}

int
try_send_kill_group(const struct stage *s, const struct row *r)
{
	return CAME(kill(-victim(s, r), HARMLESS));
}

/* It succeeds whomever it reaches: what it did shows outside. */
int
try_send_kill_all(const struct stage *s, const struct row *r)
{
	(void)s, (void)r;
	return kill(-1, HARMLESS) == -1 ? errno : CAME_NOTHING;
}

int
try_send_tkill(const struct stage *s, const struct row *r)
{
	return CAME(syscall(SYS_tkill, victim(s, r), HARMLESS));
}

int
try_send_tgkill(const struct stage *s, const struct row *r)
{
	return CAME(syscall(SYS_tgkill, victim(s, r), victim(s, r), HARMLESS));
}

int
try_send_queue(const struct stage *s, const struct row *r)
{
	return CAME(sigqueue(victim(s, r), HARMLESS, (union sigval){.sival_int = 1}));
}

int
try_send_tgqueue(const struct stage *s, const struct row *r)
{
	siginfo_t info;

	memset(&info, 0, sizeof(info));
	info.si_signo = HARMLESS;
	info.si_code = SI_QUEUE;
	info.si_pid = getpid();
	info.si_uid = getuid();
	return CAME(syscall(SYS_rt_tgsigqueueinfo, victim(s, r), victim(s, r), HARMLESS, &info));
}

static int
open_victim(const struct stage *s, const struct row *r)
{
	return (int)syscall(SYS_pidfd_open, victim(s, r), 0);
}

int
try_send_pidfd(const struct stage *s, const struct row *r)
{
	int fd = open_victim(s, r);

	return fd == -1 ? errno : CAME(syscall(SYS_pidfd_send_signal, fd, HARMLESS, NULL, 0));
}

/* The kernel sends it for us, when our pipe becomes readable. */
int
try_send_by_owner(const struct stage *s, const struct row *r)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) == -1)
		return CAME_BROKEN;
	if (fcntl(ends[0], F_SETOWN, victim(s, r)) == -1)
		return errno;
	if (fcntl(ends[0], F_SETSIG, HARMLESS) == -1 || fcntl(ends[0], F_SETFL, O_ASYNC) == -1)
		return errno;
	return write(ends[1], "x", 1) == 1 ? CAME_NOTHING : CAME_BROKEN;
}

/* ---- tracing and memory ---- */

int
try_trace_seize(const struct stage *s, const struct row *r)
{
	if (ptrace(PTRACE_SEIZE, victim(s, r), NULL, NULL) == -1)
		return errno;
	(void)ptrace(PTRACE_DETACH, victim(s, r), NULL, NULL); /* our end does it as well */
	return 0;
}

int
try_trace_attach(const struct stage *s, const struct row *r)
{
	int status;

	if (ptrace(PTRACE_ATTACH, victim(s, r), NULL, NULL) == -1)
		return errno;
	(void)waitpid(victim(s, r), &status, __WALL);
	(void)ptrace(PTRACE_DETACH, victim(s, r), NULL, NULL);
	return 0;
}

/* The pointer is the other process's. */
static void *
address(const struct stage *s)
{
	return (void *)(uintptr_t)s->address;
}

int
try_memory_read(const struct stage *s, const struct row *r)
{
	uint64_t word = 0;
	struct iovec here = {&word, sizeof(word)}, there = {address(s), sizeof(word)};

	if (process_vm_readv(victim(s, r), &here, 1, &there, 1, 0) == -1)
		return errno;
	return word == STAGE_WORD ? 0 : CAME_BROKEN;
}

int
try_memory_write(const struct stage *s, const struct row *r)
{
	uint64_t word = STAGE_WORD;
	struct iovec here = {&word, sizeof(word)}, there = {address(s), sizeof(word)};

	return CAME(process_vm_writev(victim(s, r), &here, 1, &there, 1, 0));
}

int
try_memory_advise(const struct stage *s, const struct row *r)
{
	struct iovec there = {(void *)(uintptr_t)(s->address & ~(uint64_t)4095), 4096};
	int fd = open_victim(s, r);

	return fd == -1 ? errno : CAME(syscall(SYS_process_madvise, fd, &there, 1, MADV_COLD, 0));
}

int
try_descriptor_take(const struct stage *s, const struct row *r)
{
	int fd = open_victim(s, r);

	return fd == -1 ? errno : CAME(syscall(SYS_pidfd_getfd, fd, s->borrowed_fd, 0));
}

int
try_compare(const struct stage *s, const struct row *r)
{
	return CAME(syscall(SYS_kcmp, getpid(), victim(s, r), KCMP_FILES, 0, 0));
}

/* ---- /proc ---- */

static int
proc_open(const struct stage *s, const struct row *r, const char *name, int flags)
{
	char path[PROC_PATH_MAX];

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)victim(s, r), name);
	return open(path, flags | O_CLOEXEC);
}

static int
proc_try(const struct stage *s, const struct row *r, const char *name, int flags)
{
	return CAME(proc_open(s, r, name, flags));
}

int
try_proc_memory(const struct stage *s, const struct row *r)
{
	return proc_try(s, r, "mem", O_RDWR);
}

int
try_proc_environment(const struct stage *s, const struct row *r)
{
	return proc_try(s, r, "environ", O_RDONLY);
}

int
try_proc_maps(const struct stage *s, const struct row *r)
{
	return proc_try(s, r, "maps", O_RDONLY);
}

int
try_proc_descriptors(const struct stage *s, const struct row *r)
{
	return proc_try(s, r, "fd", O_RDONLY | O_DIRECTORY);
}

int
try_proc_root(const struct stage *s, const struct row *r)
{
	return proc_try(s, r, "root", O_PATH);
}

int
try_proc_cwd(const struct stage *s, const struct row *r)
{
	return proc_try(s, r, "cwd", O_PATH);
}

int
try_proc_command(const struct stage *s, const struct row *r)
{
	return proc_try(s, r, "cmdline", O_RDONLY);
}

int
try_proc_status(const struct stage *s, const struct row *r)
{
	return proc_try(s, r, "status", O_RDONLY);
}

/* 1000: the first to be killed when memory is short. */
int
try_proc_oom(const struct stage *s, const struct row *r)
{
	int fd = proc_open(s, r, "oom_score_adj", O_WRONLY);

	return fd == -1 ? errno : CAME(write(fd, "1000", 4));
}

int
try_proc_exists(const struct stage *s, const struct row *r)
{
	char path[PROC_PATH_MAX];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d", (int)victim(s, r));
	return CAME(stat(path, &st));
}

int
try_namespace_join(const struct stage *s, const struct row *r)
{
	int fd = open_victim(s, r);

	return fd == -1 ? errno : CAME(setns(fd, CLONE_NEWNS));
}

int
try_wait_for(const struct stage *s, const struct row *r)
{
	siginfo_t info;

	return CAME(waitid(P_PID, (id_t)victim(s, r), &info, WEXITED | WNOHANG));
}

/* ---- limits and scheduling: nothing of it is Landlock's ---- */

int
try_limits_change(const struct stage *s, const struct row *r)
{
	/* One that nobody here needs: the executor has to go on. */
	const struct rlimit none = {0, 0};

	return CAME(prlimit(victim(s, r), RLIMIT_MSGQUEUE, &none, NULL));
}

int
try_nice_process(const struct stage *s, const struct row *r)
{
	return CAME(setpriority(PRIO_PROCESS, (id_t)victim(s, r), 19));
}

int
try_nice_group(const struct stage *s, const struct row *r)
{
	return CAME(setpriority(PRIO_PGRP, (id_t)victim(s, r), 19));
}

int
try_nice_user(const struct stage *s, const struct row *r)
{
	(void)s, (void)r;
	return CAME(setpriority(PRIO_USER, getuid(), 19));
}

int
try_affinity(const struct stage *s, const struct row *r)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set) == -1)
		return CAME_BROKEN;
	return CAME(sched_setaffinity(victim(s, r), sizeof(set), &set));
}

int
try_scheduler(const struct stage *s, const struct row *r)
{
	const struct sched_param none = {0};

	return CAME(sched_setscheduler(victim(s, r), SCHED_BATCH, &none));
}

int
try_scheduler_param(const struct stage *s, const struct row *r)
{
	const struct sched_param none = {0};

	return CAME(sched_setparam(victim(s, r), &none));
}

int
try_scheduler_attr(const struct stage *s, const struct row *r)
{
	/* struct sched_attr: its header and the C library's do not go together. */
	struct {
		uint32_t size, policy;
		uint64_t flags;
		int32_t nice;
		uint32_t priority;
		uint64_t runtime, deadline, period;
	} attr = {.size = sizeof(attr), .policy = SCHED_BATCH, .nice = 19};

	return CAME(syscall(SYS_sched_setattr, victim(s, r), &attr, 0));
}

int
try_io_priority(const struct stage *s, const struct row *r)
{
	return CAME(syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, victim(s, r),
	    IOPRIO_PRIO_VALUE(IOPRIO_CLASS_IDLE, 0)));
}

int
try_pages_move(const struct stage *s, const struct row *r)
{
	return CAME(syscall(SYS_move_pages, victim(s, r), 0, NULL, NULL, NULL, 0));
}

int
try_pages_migrate(const struct stage *s, const struct row *r)
{
	unsigned long node = 1;

	return CAME(syscall(SYS_migrate_pages, victim(s, r), 2, &node, &node));
}

/* ---- processes of other kinds ---- */

int
try_clone_flag(const struct stage *s, const struct row *r)
{
	long pid = syscall(SYS_clone, r->at | SIGCHLD, NULL, NULL, NULL, 0);

	(void)s;
	if (pid == 0)
		_exit(0);
	if (pid > 0 && (r->at & CLONE_PARENT) == 0)
		(void)waitpid((pid_t)pid, NULL, 0); /* else it is our parent's */
	return CAME(pid);
}

int
try_clone3_flag(const struct stage *s, const struct row *r)
{
	struct clone_args args;
	long pid;

	(void)s;
	memset(&args, 0, sizeof(args));
	args.flags = (uint64_t)r->at;
	args.exit_signal = SIGCHLD;
	pid = syscall(SYS_clone3, &args, sizeof(args));
	if (pid == 0)
		_exit(0);
	if (pid > 0)
		(void)waitpid((pid_t)pid, NULL, 0);
	return CAME(pid);
}

int
try_unshare_flag(const struct stage *s, const struct row *r)
{
	(void)s;
	return CAME(unshare((int)r->at));
}

/* ---- outliving the step ---- */

/* Holds the lock that shows its life, and everything else it was born with; tells when it does. */
static void __attribute__((noreturn)) linger(const struct stage *s, int tell)
{
	char path[STAGE_PATH_MAX + 32];
	int fd;

	(void)signal(SIGTERM, SIG_IGN);
	(void)signal(SIGHUP, SIG_IGN);
	(void)signal(SIGALRM, SIG_DFL);
	(void)alarm(LIFE_S);
	fd = open(own_name(s, path, SURVIVOR_NAME), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
	if (fd == -1 || flock(fd, LOCK_SH) == -1)
		_exit(1);
	(void)!write(tell, "x", 1); /* a reader that is gone gives up by itself */
	close(tell);
	for (;;)
		(void)pause();
}

bool
survivor_lives(const struct stage *s)
{
	char path[STAGE_PATH_MAX + 32];
	int fd = open(own_name(s, path, SURVIVOR_NAME), O_RDWR | O_CLOEXEC);
	bool lives = fd != -1 && flock(fd, LOCK_EX | LOCK_NB) == -1 && errno == EWOULDBLOCK;

	if (fd != -1)
		close(fd);
	return lives;
}

/* Until all of them linger. */
static int
lingering(int count, int ready)
{
	char byte;

	for (int i = 0; i < count; i++)
		if (read(ready, &byte, 1) != 1)
			return CAME_BROKEN;
	return CAME_NOTHING;
}

int
try_survive_session(const struct stage *s, const struct row *r)
{
	int ends[2];
	pid_t pid;

	(void)r;
	if (pipe(ends) == -1 || (pid = fork()) == -1)
		return errno;
	if (pid == 0) {
		(void)setsid(); /* it is no leader: it cannot fail */
		if (fork() == 0)
			linger(s, ends[1]);
		_exit(0);
	}
	(void)waitpid(pid, NULL, 0);
	close(ends[1]);
	return lingering(1, ends[0]);
}

int
try_survive_subreaper(const struct stage *s, const struct row *r)
{
	if (prctl(PR_SET_CHILD_SUBREAPER, 1) == -1)
		return errno;
	return try_survive_session(s, r);
}

/* One that forks on, so that whoever walks finds the one that is already gone. */
int
try_survive_chain(const struct stage *s, const struct row *r)
{
	int ends[2];
	pid_t pid;

	(void)r;
	if (pipe(ends) == -1 || (pid = fork()) == -1)
		return errno;
	if (pid == 0) {
		for (int i = 0; i < CHAIN; i++) {
			(void)setsid();
			if (fork() != 0)
				_exit(0);
			(void)usleep(HOP_US);
		}
		linger(s, ends[1]);
	}
	(void)waitpid(pid, NULL, 0);
	close(ends[1]);
	return lingering(1, ends[0]);
}

int
try_survive_bomb(const struct stage *s, const struct row *r)
{
	int ends[2];

	(void)r;
	if (pipe(ends) == -1)
		return errno;
	for (int i = 0; i < BOMB; i++) {
		pid_t pid = fork();

		if (pid == -1)
			return errno;
		if (pid == 0) {
			(void)setsid();
			linger(s, ends[1]);
		}
	}
	return lingering(BOMB, ends[0]);
}

/* ---- limits of our own, and who we are ---- */

int
try_limit_processes(const struct stage *s, const struct row *r)
{
	struct rlimit now;

	(void)s, (void)r;
	if (getrlimit(RLIMIT_NPROC, &now) == -1)
		return errno;
	if (now.rlim_max > STEP_PROCESSES)
		return 0;
	now.rlim_max = now.rlim_cur = STEP_PROCESSES + 1;
	return CAME(setrlimit(RLIMIT_NPROC, &now));
}

int
try_limit_core(const struct stage *s, const struct row *r)
{
	const struct rlimit much = {1 << 20, 1 << 20};

	(void)s, (void)r;
	return CAME(setrlimit(RLIMIT_CORE, &much));
}

int
try_privileges_again(const struct stage *s, const struct row *r)
{
	(void)s, (void)r;
	return CAME(prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0));
}

int
try_user_monitor(const struct stage *s, const struct row *r)
{
	(void)r;
	if (s->monitor_uid == s->deploy_uid)
		return CAME_ABSENT;
	return CAME(setresuid(s->monitor_uid, s->monitor_uid, s->monitor_uid));
}

int
try_user_root(const struct stage *s, const struct row *r)
{
	(void)s, (void)r;
	return CAME(setresuid(0, 0, 0));
}

int
try_groups_drop(const struct stage *s, const struct row *r)
{
	const gid_t root = 0;

	(void)s, (void)r;
	return CAME(syscall(SYS_setgroups, 1, &root));
}

/* The loader lists a program's libraries and ends with 0; with rights that the program's file
 * gave it, it refuses to, and ends with 5. */
int
try_setuid_program(const struct stage *s, const struct row *r)
{
	char *argv[] = {(char[]){"su"}, NULL};
	char *envp[] = {(char[]){"LD_TRACE_LOADED_OBJECTS=1"}, NULL};
	struct stat st;
	int error = 0, status;

	(void)s, (void)r;
	if (stat("/bin/su", &st) == -1 || st.st_uid != 0 || (st.st_mode & S_ISUID) == 0)
		return CAME_ABSENT;
	status = run_program("/bin/su", argv, envp, &error);
	if (error != 0)
		return error;
	return status == 0 ? EPERM : status == 5 ? 0 : CAME_BROKEN;
}
