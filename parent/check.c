/*
 * check.c - `moult-monitor --check`: shows on this machine that the sealed monitor is confined, and
 *	that it can do its work.
 *
 * room: monitor. Each attempt is made by a child behind the real seal; this process itself makes
 *	nothing but a scratch directory, and reads no input.
 * distrusts: the kernel's word for what it keeps, and our own tables: only the attempt counts.
 *
 * The calls are made raw: the kernel's answer counts, not the C library's.
 */
#include "monitor.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sysexits.h>
#include <unistd.h>

#include "log.h"
#include "verdict.h"

#define ASIDE "check" /* in the status directory, for a moment */

/* What is removed at the end, by the process that made it. */
struct scratch {
	char dir[64], status[80];
	pid_t owner;
};

static int
result(long rc)
{
	return rc == -1 ? errno : 0;
}

/* ---- attempts: 0 when it went through, else the error ---- */

static int
try_nothing(struct mon *m)
{
	(void)m;
	return 0;
}

static int
try_execute(struct mon *m)
{
	const char *const argv[] = {"/bin/true", NULL}, *const envp[] = {NULL};

	(void)m;
	return result(syscall(SYS_execve, argv[0], argv, envp));
}

static int
try_fork(struct mon *m)
{
	long pid = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);

	(void)m;
	if (pid == 0)
		_exit(0);
	return result(pid);
}

static int
try_kill(struct mon *m)
{
	(void)m;
	return result(syscall(SYS_kill, getppid(), 0));
}

static int
try_family(struct mon *m)
{
	(void)m;
	return result(syscall(SYS_socket, AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0));
}

static int
try_datagram(struct mon *m)
{
	(void)m;
	return result(syscall(SYS_socket, AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
}

static int
try_read(struct mon *m)
{
	(void)m;
	return result(syscall(SYS_openat, AT_FDCWD, "/etc/passwd", O_RDONLY | O_CLOEXEC, 0));
}

static int
try_write(struct mon *m)
{
	(void)m;
	return result(syscall(SYS_openat, AT_FDCWD, "/dev/null", O_WRONLY | O_CLOEXEC, 0));
}

static int
try_make(struct mon *m)
{
	char path[64];
	int rc;

	(void)snprintf(path, sizeof(path), "/tmp/moult-check-%ld", (long)m->status.pid); /* fits */
	rc = result(
	    syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
	if (rc == 0)
		(void)unlinkat(AT_FDCWD, path, 0);
	return rc;
}

static int
try_connect(struct mon *m)
{
	const struct sockaddr_in to = {.sin_family = AF_INET,
	    .sin_port = htons(m->conf.redis_port == 1 ? 2 : 1),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	long fd = syscall(SYS_socket, AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return fd == -1 ? errno : result(syscall(SYS_connect, fd, &to, sizeof(to)));
}

/* Its listener is our parent, which is in no domain: listen_outside(). */
static int
try_abstract(struct mon *m)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	socklen_t len = (socklen_t)offsetof(struct sockaddr_un, sun_path) + 1 +
			(socklen_t)snprintf(to.sun_path + 1, sizeof(to.sun_path) - 1,
			    "moult-check-%ld", (long)m->status.pid);
	long fd = syscall(SYS_socket, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return fd == -1 ? errno : result(syscall(SYS_connect, fd, &to, len));
}

#define WITHOUT (1u << CONF_REDIS_NONE)
#define BY_TCP  (1u << CONF_REDIS_TCP)
#define BY_UNIX (1u << CONF_REDIS_UNIX)
#define ALWAYS  (WITHOUT | BY_TCP | BY_UNIX)

static const struct attempt {
	enum wire_layer layer;
	const char *what;
	int (*fn)(struct mon *m);
	int with;           /* how it must end: an error, or a signal as a negative number */
	unsigned int redis; /* for which ways to Redis */
} attempts[] = {
    {LAYER_SECCOMP, "execute a program", try_execute, -SIGSYS, ALWAYS},
    {LAYER_SECCOMP, "start a process", try_fork, -SIGSYS, ALWAYS},
    {LAYER_SECCOMP, "signal a process", try_kill, -SIGSYS, ALWAYS},
    {LAYER_SECCOMP, "open a netlink socket", try_family, -SIGSYS, ALWAYS},
    {LAYER_SECCOMP, "open a UDP socket", try_datagram, -SIGSYS, ALWAYS},
    {LAYER_SECCOMP, "open a TCP socket", try_connect, -SIGSYS, WITHOUT | BY_UNIX},
    {LAYER_SECCOMP, "open a Unix socket", try_abstract, -SIGSYS, WITHOUT | BY_TCP},
    {LAYER_FILES, "read /etc/passwd", try_read, EACCES, ALWAYS},
    {LAYER_FILES, "write /dev/null", try_write, EACCES, ALWAYS},
    {LAYER_FILES, "make a file in /tmp", try_make, EACCES, ALWAYS},
    {LAYER_NETWORK, "connect to another port than that of Redis", try_connect, EACCES, BY_TCP},
    {LAYER_SCOPE, "connect to an abstract socket", try_abstract, EPERM, BY_UNIX},
};

#define ATTEMPTS (sizeof(attempts) / sizeof(attempts[0]))

static const char *
outcome(int rc, char text[64])
{
	if (rc == 0)
		return "it went through";
	if (rc < 0)
		(void)snprintf(text, 64, "killed by signal %d", -rc); /* fits */
	else
		(void)snprintf(text, 64, "%.60s", strerrordesc_np(rc)); /* fits */
	return text;
}

/* The layer, with all attempts that it must stop here. */
static void
check_layer(struct mon *m, uint32_t layer)
{
	size_t i, tried = 0, failed = 0;
	char text[64];
	int rc;

	for (i = 0; i < ATTEMPTS; i++) {
		const struct attempt *a = &attempts[i];

		if (a->layer != layer || (a->redis & 1u << m->conf.redis) == 0)
			continue;
		tried++;
		rc = mon_trial(m, a->fn);
		if (rc == a->with)
			continue;
		failed++;
		verdict_say(VERDICT_FAILED, TOPIC_SANDBOX,
		    "%s: the monitor was to be kept from: %s: %s", wire_layer_name(layer), a->what,
		    outcome(rc, text));
	}
	if (tried > 0 && failed == 0)
		verdict_say(VERDICT_OK, TOPIC_SANDBOX,
		    "%s: %zu attempts in the monitor, all refused", wire_layer_name(layer), tried);
}

static void
check_layers(struct mon *m)
{
	bool required = m->conf.mode == CONF_REQUIRE;
	uint32_t layer;

	for (layer = 0; layer < LAYER_END; layer++)
		if ((m->status.missing & 1u << layer) == 0)
			check_layer(m, layer);
		else
			verdict_say(required ? VERDICT_FAILED : VERDICT_WARNING, TOPIC_SANDBOX,
			    "%s is missing, for the monitor too%s", wire_layer_name(layer),
			    required ? "; [sandbox] mode = require" : "");
}

/* ---- what must work ---- */

static int
list_signals(struct mon *m)
{
	return result(
	    syscall(SYS_openat, AT_FDCWD, m->watch.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0));
}

/* As status.json is written, under another name. */
static int
write_status(struct mon *m)
{
	if (file_replace_volatile(m->status_dir_fd, ASIDE, "{}", 2, 0600) == -1)
		return errno;
	return result(unlinkat(m->status_dir_fd, ASIDE, 0));
}

static void
check_work(struct mon *m, bool made)
{
	char text[64];
	int rc = mon_trial(m, list_signals);

	if (rc != 0)
		verdict_say(VERDICT_FAILED, TOPIC_SIGNAL,
		    "[deploy] signal: the monitor, user %s, cannot read %s: %s", m->user.name,
		    m->watch.dir, outcome(rc, text));
	else
		verdict_say(VERDICT_OK, TOPIC_SIGNAL, "the monitor, user %s, reads %s",
		    m->user.name, m->watch.dir);
	rc = mon_trial(m, write_status);
	if (rc != 0)
		verdict_say(VERDICT_FAILED, TOPIC_STATE,
		    "[deploy] state_dir: the monitor, user %s, cannot write %s/monitor: %s",
		    m->user.name, m->conf.state_dir, outcome(rc, text));
	else
		verdict_say(VERDICT_OK, TOPIC_STATE, "the monitor, user %s, %s %s/monitor",
		    m->user.name, made ? "is to be given" : "writes", m->conf.state_dir);
}

/* ---- the whole ---- */

static void
remove_scratch(int status, void *arg)
{
	const struct scratch *s = arg;

	(void)status;
	if (getpid() != s->owner)
		return; /* a trial that the seal has ended */
	(void)rmdir(s->status);
	(void)rmdir(s->dir); /* a few bytes in /tmp, if it stays */
}

/* In the place of a status directory that the first start will make. */
static void
scratch_make(struct mon *m, struct scratch *s)
{
	s->owner = getpid();
	(void)snprintf(s->dir, sizeof(s->dir), "/tmp/moult-check-XXXXXX"); /* fits */
	if (mkdtemp(s->dir) == NULL || chmod(s->dir, 0711) == -1)
		fatal("%s", s->dir);
	(void)snprintf(s->status, sizeof(s->status), "%s/monitor", s->dir); /* fits */
	if (on_exit(remove_scratch, s) != 0)
		fatal("on_exit");
	if (mkdir(s->status, 0755) == -1 ||
	    (geteuid() == 0 && chown(s->status, m->user.uid, m->user.gid) == -1))
		fatal("%s", s->status);
	m->status_dir_fd = file_open_dir(AT_FDCWD, s->status);
	if (m->status_dir_fd == -1)
		fatal("%s", s->status);
}

/* Somebody who listens at an abstract name, and is in no domain. */
static void
listen_outside(const struct mon *m)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	socklen_t len = (socklen_t)offsetof(struct sockaddr_un, sun_path) + 1 +
			(socklen_t)snprintf(at.sun_path + 1, sizeof(at.sun_path) - 1,
			    "moult-check-%ld", (long)m->status.pid);
	long fd = syscall(SYS_socket, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd == -1 || syscall(SYS_bind, fd, &at, len) == -1 || syscall(SYS_listen, fd, 1) == -1)
		fatal("an abstract socket");
}

void
mon_check(struct mon *m)
{
	static struct scratch scratch; /* for on_exit(3) */
	bool made = false;
	int rc;

	m->status.pid = getpid();
	mon_domain_look(m);
	mon_prepare_check(m);
	mon_watch_open(m);
	if (m->status_dir_fd == -1) {
		scratch_make(m, &scratch);
		made = true;
	}
	listen_outside(m);
	rc = mon_trial(m, try_nothing);
	if (rc > 0)
		exit(rc); /* it has said why: a place that it may not use, most likely */
	if (rc < 0)
		log_exit(EX_OSERR, "the sealed monitor is ended by signal %d", -rc);
	check_layers(m);
	check_work(m, made);
	exit(EX_OK);
}
