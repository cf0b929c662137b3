/*
 * attempts_kernel.c - attempts on the kernel: calls that a step has no use for.
 *
 * room: tests.
 * distrusts: nothing: it plays whoever has been taken over.
 *
 * Nothing here may do harm where it is let through: a call that would change the machine is made
 * with an argument that the kernel refuses behind its own question for rights.
 */
#include "escape.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/io_uring.h>
#include <linux/keyctl.h>
#include <linux/perf_event.h>
#include <linux/seccomp.h>
#include <mqueue.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/klog.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define HIGH_BIT (1UL << 32)

/* The row's call with the row's arguments; by the row's error it has been let through. */
int
try_call(const struct stage *s, const struct row *r)
{
	(void)s;
	if (r->at < 0)
		return CAME_ABSENT;
	if (syscall(r->at, r->arg[0], r->arg[1], r->arg[2], r->arg[3], r->arg[4], r->arg[5]) != -1)
		return 0;
	return errno == r->passed ? 0 : errno;
}

/* The table knows the numbers of one architecture; the kernel may serve three. */
int
try_call_x32(const struct stage *s, const struct row *r)
{
	(void)s, (void)r;
#ifdef __x86_64__
	return CAME(syscall(0x40000000L | SYS_getpid));
#else
	return CAME_ABSENT;
#endif
}

int
try_call_int80(const struct stage *s, const struct row *r)
{
	(void)s, (void)r;
#ifdef __x86_64__
	long result;

	__asm__ volatile("int $0x80" : "=a"(result) : "a"(20L /* getpid */) : "memory");
	return result > 0 ? 0 : (int)-result;
#else
	return CAME_ABSENT;
#endif
}

/* ---- terminals: no terminal is there, and ENOTTY says that the call was let through ---- */

static int
terminal(unsigned long command)
{
	char byte = 'x';
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) == -1)
		return CAME_BROKEN;
	if (syscall(SYS_ioctl, ends[0], command, &byte) != -1 || errno == ENOTTY)
		return 0;
	return errno;
}

int
try_tiocsti(const struct stage *s, const struct row *r)
{
	(void)s, (void)r;
	return terminal(TIOCSTI);
}

int
try_tiocsti_high(const struct stage *s, const struct row *r)
{
	(void)s, (void)r;
	return terminal(TIOCSTI | HIGH_BIT);
}

int
try_tioclinux(const struct stage *s, const struct row *r)
{
	(void)s, (void)r;
	return terminal(TIOCLINUX);
}

int
try_tioclinux_high(const struct stage *s, const struct row *r)
{
	(void)s, (void)r;
	return terminal(TIOCLINUX | HIGH_BIT);
}

/* ---- what the processes of one user share past all files ---- */

int
try_keyring(const struct stage *s, const struct row *r)
{
	(void)s, (void)r;
	return CAME(syscall(SYS_add_key, "user", "moult-escape", "x", 1, KEY_SPEC_PROCESS_KEYRING));
}

int
try_shm(const struct stage *s, const struct row *r)
{
	int id = shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600);

	(void)s, (void)r;
	if (id != -1)
		(void)shmctl(id, IPC_RMID, NULL); /* nothing is left behind */
	return CAME(id);
}

int
try_sem(const struct stage *s, const struct row *r)
{
	int id = semget(IPC_PRIVATE, 1, IPC_CREAT | 0600);

	(void)s, (void)r;
	if (id != -1)
		(void)semctl(id, 0, IPC_RMID); /* nothing is left behind */
	return CAME(id);
}

int
try_msg(const struct stage *s, const struct row *r)
{
	int id = msgget(IPC_PRIVATE, IPC_CREAT | 0600);

	(void)s, (void)r;
	if (id != -1)
		(void)msgctl(id, IPC_RMID, NULL); /* nothing is left behind */
	return CAME(id);
}

int
try_mqueue(const struct stage *s, const struct row *r)
{
	char name[64];
	mqd_t queue;

	(void)r;
	snprintf(name, sizeof(name), "/%.60s", s->redis_abstract); /* the stage's own */
	queue = mq_open(name, O_RDWR | O_CREAT, 0600, NULL);
	if (queue != (mqd_t)-1)
		(void)mq_unlink(name); /* nothing is left behind */
	return CAME(queue);
}

/* ---- the kernel's large interfaces ---- */

int
try_perf(const struct stage *s, const struct row *r)
{
	struct perf_event_attr attr;

	(void)s, (void)r;
	memset(&attr, 0, sizeof(attr));
	attr.size = sizeof(attr);
	attr.type = PERF_TYPE_SOFTWARE;
	attr.config = PERF_COUNT_SW_PAGE_FAULTS;
	attr.exclude_kernel = attr.exclude_hv = 1;
	return CAME(syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0));
}

int
try_uring(const struct stage *s, const struct row *r)
{
	struct io_uring_params params;

	(void)s, (void)r;
	memset(&params, 0, sizeof(params));
	return CAME(syscall(SYS_io_uring_setup, 1, &params));
}

int
try_kernel_log(const struct stage *s, const struct row *r)
{
	char text[256];

	(void)s, (void)r;
	return CAME(klogctl(3 /* SYSLOG_ACTION_READ_ALL */, text, sizeof(text)));
}

/* A filter that allows everything, on top of ours: the strictest answer still counts. */
int
try_filter_over(const struct stage *s, const struct row *r)
{
	struct sock_filter all[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
	struct sock_fprog program = {1, all};

	(void)s, (void)r;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1 ||
	    syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == -1)
		return CAME_BROKEN;
	return CAME(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0));
}

/* Each of them wakes the executor, who answers: neither may get stuck. */
int
try_refused_often(const struct stage *s, const struct row *r)
{
	(void)s;
	for (long i = 0; i < r->at; i++)
		if (socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0) != -1)
			return 0;
	return errno;
}
