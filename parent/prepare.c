/*
 * prepare.c - all that needs names, files or power, done before the seal.
 *
 * room: monitor, before its seal.
 * distrusts: the password file's permissions; whoever else may write the status directory.
 */
#include "monitor.h"

#include <arpa/inet.h>
#include <dirent.h>
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
refuse_user(const struct mon *m, const char *key, const char *name)
{
	const char *words;
	int status = user_refusal(errno, &words);

	log_exit(status, "%s: [deploy] %s%s%s: %s", m->conf_path, key, name[0] != '\0' ? " = " : "",
	    name, words);
}

static void
find_users(struct mon *m, struct user *deploy)
{
	if (user_monitor(&m->user, &m->conf) == -1)
		refuse_user(m, "monitor_user", m->conf.monitor_user);
	if (user_deploy(deploy, &m->conf) == -1) {
		/* Its owner is the default, and it cannot be looked at. */
		if (m->conf.deploy_user[0] == '\0' && errno != EINVAL)
			refuse_user(m, "repo", m->conf.repo);
		refuse_user(m, "deploy_user", m->conf.deploy_user);
	}
	if (geteuid() != 0)
		return;
	if (m->user.uid == deploy->uid)
		log_exit(EX_CONFIG,
		    "%s: [deploy] monitor_user and deploy_user are both %s: name two users, or "
		    "nothing keeps monitor and executor apart",
		    m->conf_path, deploy->name);
	log_info("monitor: %s, executor and steps: %s", m->user.name, deploy->name);
}

static bool
is_in_group(const struct user *u, gid_t gid)
{
	int i;

	for (i = 0; i < u->group_count && u->groups[i] != gid; i++)
		continue;
	return i < u->group_count || u->gid == gid;
}

/* Root is told by its capabilities what it may do, not by owner and mode. */
static bool
could_change(const struct user *u, const struct stat *st)
{
	bool dir = S_ISDIR(st->st_mode);

	if (u->uid == 0)
		return false;
	if (st->st_uid == u->uid)
		return true;
	if (dir && (st->st_mode & S_ISVTX)) /* then names in it are their owners' alone */
		return false;
	return (st->st_mode & S_IWOTH) || ((st->st_mode & S_IWGRP) && is_in_group(u, st->st_gid));
}

/*
 * What says what may run here must not be theirs to change who run it, nor any directory above it.
 * path is what the key's value, or the command line, leads to.
 */
static void
check_trusted(const struct mon *m, const struct user *deploy, const char *key, const char *value)
{
	const struct user *both[] = {&m->user, deploy};
	char path[PATH_MAX];
	struct stat st;
	size_t i;

	if (value[0] == '\0')
		return;
	if (realpath(value, path) == NULL)
		log_exit(EX_CONFIG, "%s%s: %s", key, value, strerrordesc_np(errno));
	for (;;) {
		if (stat(path, &st) == -1)
			log_exit(EX_CONFIG, "%s%s: %s", key, path, strerrordesc_np(errno));
		for (i = 0; i < sizeof(both) / sizeof(both[0]); i++)
			if (could_change(both[i], &st))
				log_exit(EX_NOPERM,
				    "%s%s: could be changed by %s: it, and each directory above "
				    "it, must be root's alone to write",
				    key, path, both[i]->name);
		if (strcmp(path, "/") == 0)
			return;
		*strrchr(path, '/') = '\0';
		if (path[0] == '\0')
			(void)strlcpy(path, "/", sizeof(path)); /* fits */
	}
}

static void
find_owners(struct mon *m)
{
	const struct passwd *pw;

	m->owners.self = m->user.uid;
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

/* Opens a directory, made when it is missing. */
static int
open_made_dir(int above_fd, const char *path)
{
	int fd = -1;

	if (mkdirat(above_fd, path, 0755) == 0 || errno == EEXIST)
		fd = openat(above_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd == -1)
		log_exit(errno == EACCES || errno == EPERM ? EX_NOPERM : EX_OSERR,
		    "[deploy] state_dir: %s cannot be made or opened: %s", path,
		    strerrordesc_np(errno));
	return fd;
}

static bool
is_empty(int fd)
{
	int again = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	DIR *dir = again == -1 ? NULL : fdopendir(again);
	struct dirent *entry;
	bool empty = dir != NULL;

	while (empty && (entry = readdir(dir)) != NULL)
		empty = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
	if (dir != NULL)
		(void)closedir(dir); /* only read from */
	else if (again != -1)
		(void)close(again); /* the same */
	return empty;
}

/* What root has made for u, now or in a start that was cut off: root's, and empty. */
static void
give_to(int fd, const char *path, const struct user *u)
{
	struct stat st;

	if (geteuid() != 0 || fstat(fd, &st) == -1 || st.st_uid != 0 || !is_empty(fd))
		return;
	if (fchown(fd, u->uid, u->gid) == -1)
		fatal("[deploy] state_dir: %s: giving it to %s", path, u->name);
}

static void
check_status_dir(const struct mon *m)
{
	const char *state_dir = m->conf.state_dir;
	struct stat st;

	if (fstat(m->status_dir_fd, &st) == -1)
		fatal("%s/monitor", state_dir);
	if (st.st_uid != m->user.uid && (st.st_uid != 0 || geteuid() == 0))
		log_exit(EX_NOPERM,
		    "%s/monitor belongs to user %lu, not to %s, who is to write it: chown it",
		    state_dir, (unsigned long)st.st_uid, m->user.name);
	if (st.st_mode & S_IWOTH)
		log_exit(EX_NOPERM, "%s/monitor: anyone may write it", state_dir);
}

static void
open_status_dir(struct mon *m, const struct user *deploy)
{
	const char *state_dir = m->conf.state_dir;
	int fd = open_made_dir(AT_FDCWD, state_dir);

	give_to(fd, state_dir, deploy);
	m->status_dir_fd = open_made_dir(fd, "monitor");
	(void)close(fd); /* only named */
	give_to(m->status_dir_fd, "monitor", &m->user);
	check_status_dir(m);
}

/* Once we are who we stay: root could do all of it. */
void
mon_check_access(const struct mon *m)
{
	if (faccessat(m->status_dir_fd, ".", W_OK | X_OK, AT_EACCESS) == -1)
		log_exit(EX_NOPERM, "%s/monitor cannot be written by %s: %s", m->conf.state_dir,
		    m->user.name, strerrordesc_np(errno));
	if (faccessat(AT_FDCWD, m->watch.dir, R_OK | X_OK, AT_EACCESS) == -1 && errno == EACCES)
		log_exit(EX_NOPERM,
		    "[deploy] signal: the directory %s cannot be read by %s, who runs the monitor",
		    m->watch.dir, m->user.name);
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

/* Started as root, the two users are kept from what root has decided. */
static void
check_all_trusted(const struct mon *m, const struct user *deploy)
{
	if (geteuid() != 0)
		return;
	check_trusted(m, deploy, "", m->conf_path);
	check_trusted(m, deploy, "[verify] allowed_signers: ", m->conf.allowed_signers);
	check_trusted(m, deploy, "[verify] openpgp_keys: ", m->conf.openpgp_keys);
}

void
mon_prepare(struct mon *m)
{
	struct user deploy;

	/* jansson takes its seed from a device, which the filter forbids later. */
	json_object_seed(0);
	find_users(m, &deploy);
	check_all_trusted(m, &deploy);
	find_owners(m);
	open_status_dir(m, &deploy);
	prepare_redis(m);
	watch_daemon(m);
	m->status.pid = getpid();
	m->status.pid_start = mon_process_start(getpid());
}

void
mon_prepare_check(struct mon *m)
{
	char path[CONF_TEXT_MAX + sizeof("/monitor")];
	struct user deploy;

	find_users(m, &deploy);
	check_all_trusted(m, &deploy);
	find_owners(m);
	(void)snprintf(path, sizeof(path), "%s/monitor", m->conf.state_dir); /* fits */
	m->status_dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (m->status_dir_fd != -1)
		check_status_dir(m);
	else if (errno != ENOENT)
		log_exit(EX_NOPERM, "[deploy] state_dir: %s: %s", path, strerrordesc_np(errno));
	if (m->conf.redis != CONF_REDIS_NONE)
		read_password(m);
}
