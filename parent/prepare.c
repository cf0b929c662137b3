/*
 * prepare.c - all that needs names, files or power, done before the seal.
 *
 * room: monitor, before its seal.
 * distrusts: the password file's permissions; whoever else may write the status directory.
 */
#include "monitor.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <netdb.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sysexits.h>
#include <unistd.h>

#include <bsd/string.h>

#include "log.h"

#define STAT_MAX         1024 /* bytes of /proc/PID/stat */
#define STAT_STATE_FIELD 3    /* the first one behind the name in parentheses */
#define STAT_START_FIELD 22

uint64_t
mon_process_start(pid_t pid)
{
	char path[64], text[STAT_MAX], *p;
	ssize_t n;
	int fd, field;

	(void)snprintf(path, sizeof(path), "/proc/%ld/stat", (long)pid); /* fits */
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd == -1)
		return 0;
	n = read(fd, text, sizeof(text) - 1);
	(void)close(fd); /* only read from */
	text[n > 0 ? n : 0] = '\0';
	/* The name may hold blanks and parentheses; nothing behind it does. */
	p = strrchr(text, ')');
	if (p == NULL)
		return 0;
	for (field = STAT_STATE_FIELD - 1; field < STAT_START_FIELD && p != NULL; field++)
		p = strchr(p + 1, ' ');
	return p == NULL ? 0 : strtoull(p, NULL, 10);
}

static void
find_owners(struct mon *m)
{
	const struct passwd *pw;

	m->owners.self = geteuid();
	if (m->conf.signal_owner[0] == '\0')
		return;
	errno = 0;
	pw = getpwnam(m->conf.signal_owner);
	if (pw == NULL)
		log_exit(EX_CONFIG, "%s: signal_owner: no such user: %s", m->conf_path,
		    m->conf.signal_owner);
	m->owners.other = pw->pw_uid;
	m->owners.has_other = true;
}

static void
make_dir(const char *path)
{
	if (mkdir(path, 0755) == -1 && errno != EEXIST)
		log_exit(errno == EACCES || errno == EPERM ? EX_NOPERM : EX_OSERR,
		    "%s cannot be made: %s", path, strerrordesc_np(errno));
}

static void
open_status_dir(struct mon *m)
{
	char path[CONF_TEXT_MAX + sizeof("/monitor")];
	struct stat st;

	(void)snprintf(path, sizeof(path), "%s/monitor", m->conf.state_dir); /* fits */
	make_dir(m->conf.state_dir);
	make_dir(path);
	m->status_dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (m->status_dir_fd == -1 || fstat(m->status_dir_fd, &st) == -1)
		log_exit(EX_NOPERM, "%s: %s", path, strerrordesc_np(errno));
	if ((st.st_uid != geteuid() && st.st_uid != 0) || (st.st_mode & S_IWOTH))
		log_exit(EX_NOPERM, "%s belongs to another user, or anyone may write it", path);
	if (faccessat(m->status_dir_fd, ".", W_OK | X_OK, AT_EACCESS) == -1)
		log_exit(EX_NOPERM, "%s cannot be written: %s", path, strerrordesc_np(errno));
}

static void
read_password(struct mon *m)
{
	char path[PATH_MAX], *data;
	struct stat st;
	size_t len;

	if (m->conf.password_file[0] == '\0')
		return;
	/* Secrets are often handed out as links: the file they lead to is what counts. */
	if (realpath(m->conf.password_file, path) == NULL || stat(path, &st) == -1)
		log_exit(EX_CONFIG, "%s: %s", m->conf.password_file, strerrordesc_np(errno));
	if (st.st_mode & (S_IROTH | S_IWOTH | S_IWGRP))
		log_exit(EX_NOPERM, "%s: others may read or write it", m->conf.password_file);
	if (file_slurp(AT_FDCWD, path, REDIS_PASSWORD_MAX - 1, &data, &len) == -1)
		log_exit(EX_CONFIG, "%s: %s", m->conf.password_file, strerrordesc_np(errno));
	data[strcspn(data, "\r\n")] = '\0';
	(void)strlcpy(m->redis.password, data, sizeof(m->redis.password)); /* bounded above */
	explicit_bzero(data, len);
	free(data);
	if (m->redis.password[0] == '\0')
		log_exit(EX_CONFIG, "%s: its first line is empty", m->conf.password_file);
}

/* The host as numbers: behind the filter there is no resolver. */
static void
resolve_redis(struct mon *m)
{
	const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
	struct mon_redis *r = &m->redis;
	struct addrinfo *list, *ai;
	int rc;

	rc = getaddrinfo(m->conf.redis_host, NULL, &hints, &list);
	if (rc != 0) {
		log_warnx("redis %s: %s; until the next start the status goes to status.json alone",
		    m->conf.redis_host, gai_strerror(rc));
		return;
	}
	for (ai = list; ai != NULL && r->address_count < REDIS_ADDRESSES_MAX; ai = ai->ai_next)
		if (getnameinfo(ai->ai_addr, ai->ai_addrlen, r->addresses[r->address_count],
			sizeof(r->addresses[0]), NULL, 0, NI_NUMERICHOST) == 0)
			r->address_count++;
	freeaddrinfo(list);
	if (r->address_count > 0)
		r->link = LINK_DOWN;
}

static void
prepare_redis(struct mon *m)
{
	struct mon_redis *r = &m->redis;

	r->link = LINK_OFF;
	(void)snprintf(
	    r->key, sizeof(r->key), "system_status:%s:deploy", m->conf.computer); /* fits */
	/* In braces: one slot with its key, and no key's name twice in it. */
	(void)snprintf(r->log_key, sizeof(r->log_key), "{%s}:log", r->key); /* fits */
	(void)strlcpy(r->user, m->conf.redis_user, sizeof(r->user));        /* the same size */
	switch (m->conf.redis) {
	case CONF_REDIS_NONE:
		return;
	case CONF_REDIS_UNIX:
		r->link = LINK_DOWN;
		break;
	case CONF_REDIS_TCP:
		resolve_redis(m);
		break;
	}
	read_password(m);
}

/* The daemon may be gone before we look: then this is already another parent. */
static void
watch_daemon(struct mon *m)
{
	pid_t daemon = getppid();

	m->daemon_fd = -1;
	if (daemon <= 1) /* started by init itself, or outside our process namespace */
		return;
	m->daemon_fd = (int)syscall(SYS_pidfd_open, daemon, 0); /* close-on-exec by itself */
	if (m->daemon_fd == -1 && errno != ENOSYS)
		log_warn("the daemon that started us cannot be watched");
	if (getppid() != daemon)
		log_exit(EX_OK, "the daemon that started us has ended");
}

void
mon_prepare(struct mon *m)
{
	/* jansson takes its seed from a device, which the filter forbids later. */
	json_object_seed(0);
	find_owners(m);
	open_status_dir(m);
	prepare_redis(m);
	watch_daemon(m);
	m->status.pid = getpid();
	m->status.pid_start = mon_process_start(getpid());
}
