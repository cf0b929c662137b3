/*
 * stage.c - what is attacked: real processes, files and servers, made anew for each set of layers.
 *
 * room: tests.
 * distrusts: every attempt: whatever one may have changed is mended before the next.
 */
#include "escape.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define BACKLOG    4096
#define COPY_BYTES 65536
#define DIRS_OPEN  16

enum kind { DIR_KIND, FILE_KIND, SECRET_KIND, PROGRAM_KIND };
enum owner { DEPLOY_OWNER, MONITOR_OWNER, ROOT_OWNER };

static const struct {
	const char *path;
	enum kind kind;
	enum owner owner;
} spots[SPOT_END] = {
#define SPOT_ROW(symbol, path, kind, owner) {path, kind##_KIND, owner##_OWNER},
    ESCAPE_SPOTS(SPOT_ROW)};

static const char text[] = "what was there\n";

/* In the memory of all that are forked from here, at one address. */
static volatile uint64_t word = STAGE_WORD;

struct whole {
	struct stage stage; /* the first: what stage_open() returns */
	struct set set;
	int servers[8];
	size_t server_count;
};

static void __attribute__((noreturn)) give_up(const char *what)
{
	fprintf(stderr, "escape: stage: %s: %s\n", what, strerror(errno));
	exit(EXIT_BROKEN);
}

static mode_t
mode_of(enum kind kind)
{
	switch (kind) {
	case DIR_KIND:
	case PROGRAM_KIND:
		return 0755;
	case FILE_KIND:
		return 0644;
	case SECRET_KIND:
		return 0600;
	}
	abort();
}

static uid_t
uid_of(const struct whole *w, enum owner owner)
{
	if (!w->set.two)
		return geteuid();
	return owner == ROOT_OWNER      ? 0
	       : owner == MONITOR_OWNER ? w->stage.monitor_uid
					: w->stage.deploy_uid;
}

static gid_t
gid_of(const struct whole *w, enum owner owner)
{
	if (!w->set.two)
		return getegid();
	return owner == ROOT_OWNER      ? 0
	       : owner == MONITOR_OWNER ? w->stage.monitor_gid
					: w->stage.deploy_gid;
}

/* ---- files ---- */

static void
copy_program(int out)
{
	static char data[COPY_BYTES];
	char path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - sizeof("/attempt"));
	int in;

	if (n == -1)
		give_up("/proc/self/exe");
	path[n] = '\0';
	strcpy(strrchr(path, '/'), "/attempt"); /* room was left above */
	if ((in = open(path, O_RDONLY | O_CLOEXEC)) == -1)
		give_up(path);
	while ((n = read(in, data, sizeof(data))) > 0)
		if (write(out, data, (size_t)n) != n)
			give_up("copy");
	close(in);
}

static void
make_file(const struct whole *w, enum spot spot)
{
	const char *path = w->stage.path[spot];
	int fd;

	(void)unlink(path); /* what an attempt put in its place */
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd == -1)
		give_up(path);
	if (spots[spot].kind == PROGRAM_KIND)
		copy_program(fd);
	else if (write(fd, text, sizeof(text) - 1) != (ssize_t)sizeof(text) - 1)
		give_up(path);
	if (fchown(fd, uid_of(w, spots[spot].owner), gid_of(w, spots[spot].owner)) == -1 ||
	    fchmod(fd, mode_of(spots[spot].kind)) == -1)
		give_up(path);
	close(fd);
}

static void
make_dir(const struct whole *w, enum spot spot)
{
	const char *path = w->stage.path[spot];
	char away[STAGE_PATH_MAX + 8];

	snprintf(away, sizeof(away), "%s.away", path);
	if (rename(away, path) == -1 && mkdir(path, 0700) == -1 && errno != EEXIST)
		give_up(path);
	if (chown(path, uid_of(w, spots[spot].owner), gid_of(w, spots[spot].owner)) == -1 ||
	    chmod(path, 0755) == -1)
		give_up(path);
}

static bool
is_whole(const struct whole *w, enum spot spot)
{
	bool dir = spots[spot].kind == DIR_KIND;
	struct stat st;

	if (lstat(w->stage.path[spot], &st) == -1 || S_ISDIR(st.st_mode) != dir ||
	    st.st_uid != uid_of(w, spots[spot].owner))
		return false;
	if ((st.st_mode & 07777) != mode_of(spots[spot].kind) && spot != SPOT_LOCK)
		return false;
	return dir || spots[spot].kind == PROGRAM_KIND || spot == SPOT_LOCK ||
	       (st.st_size == (off_t)sizeof(text) - 1 && st.st_mtime > 1);
}

static void
remove_in(const char *dir, const char *name)
{
	char path[STAGE_PATH_MAX + 32];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	if (unlink(path) == -1 && errno != ENOENT && errno != EISDIR && errno != ENOTDIR)
		give_up(path);
}

void
stage_mend(struct stage *s)
{
	static const char *const planted[] = {"planted", "door", "forged", "linked", "symlink",
	    "taken", "own-program", "setid", "device", SURVIVOR_NAME};
	struct whole *w = (struct whole *)s;

	for (enum spot spot = 0; spot < SPOT_END; spot++) {
		bool dir = spots[spot].kind == DIR_KIND;

		if (!is_whole(w, spot))
			dir ? make_dir(w, spot) : make_file(w, spot);
		for (size_t i = 0; dir && i < sizeof(planted) / sizeof(planted[0]); i++)
			remove_in(s->path[spot], planted[i]);
	}
}

static int
remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st, (void)flag, (void)ftw;
	return remove(path);
}

/* ---- servers: Redis, and the remote ---- */

static void
keep(struct whole *w, int fd)
{
	if (fd == -1 || w->server_count == sizeof(w->servers) / sizeof(w->servers[0]))
		give_up("server");
	w->servers[w->server_count++] = fd;
}

static uint16_t
serve_port(struct whole *w, const char *host, int type, uint16_t port)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
	socklen_t len = sizeof(in);
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	(void)inet_pton(AF_INET, host, &in.sin_addr); /* a constant */
	keep(w, fd);
	if (bind(fd, (struct sockaddr *)&in, sizeof(in)) == -1 ||
	    (type == SOCK_STREAM && listen(fd, BACKLOG) == -1) ||
	    getsockname(fd, (struct sockaddr *)&in, &len) == -1)
		give_up("port");
	return ntohs(in.sin_port);
}

static void
serve_unix(struct whole *w, const char *name, bool abstract, int type)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	size_t len = strlen(name);
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	keep(w, fd);
	if (len + 2 > sizeof(un.sun_path)) {
		errno = ENAMETOOLONG;
		give_up(name);
	}
	memcpy(un.sun_path + (abstract ? 1 : 0), name, len);
	len += offsetof(struct sockaddr_un, sun_path) + 1;
	if (bind(fd, (struct sockaddr *)&un, (socklen_t)len) == -1 ||
	    (type == SOCK_STREAM && listen(fd, BACKLOG) == -1) ||
	    (!abstract && chmod(name, 0777) == -1))
		give_up(name);
}

static void
serve(struct whole *w)
{
	struct stage *s = &w->stage;

	snprintf(s->redis_path, sizeof(s->redis_path), "%.150s/redis.sock", s->root);
	snprintf(s->redis_datagrams, sizeof(s->redis_datagrams), "%.150s/log.sock", s->root);
	snprintf(s->redis_abstract, sizeof(s->redis_abstract), "%.60s", strrchr(s->root, '/') + 1);
	s->redis_port = serve_port(w, "127.0.0.1", SOCK_STREAM, 0);
	s->redis_udp_port = serve_port(w, "127.0.0.1", SOCK_DGRAM, 0);
	s->remote_port = serve_port(w, "127.0.0.2", SOCK_STREAM, 0);
	(void)serve_port(w, "127.0.0.1", SOCK_STREAM, s->remote_port);
	serve_unix(w, s->redis_path, false, SOCK_STREAM);
	serve_unix(w, s->redis_datagrams, false, SOCK_DGRAM);
	serve_unix(w, s->redis_abstract, true, SOCK_STREAM);
}

/* ---- processes ---- */

static void __attribute__((noreturn))
be_victim(const struct whole *w, uid_t uid, gid_t gid, bool dumpable)
{
	sigset_t all;

	(void)setpgid(0, 0);
	/* What is sent to it stays pending, to be seen from outside. */
	sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, NULL);
	if (w->set.two && (setresgid(gid, gid, gid) == -1 || setresuid(uid, uid, uid) == -1))
		give_up("victim");
	(void)close_range(STDERR_FILENO + 1, ~0u, 0); /* what others wait for the end of */
	/* Behind the change of users, which clears both. */
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)prctl(PR_SET_DUMPABLE, dumpable ? 1 : 0);
	for (;;)
		(void)pause();
}

static void
make_victim(struct whole *w, enum victim v)
{
	struct stage *s = &w->stage;
	bool hidden = (w->set.on & ESC_BIT(ESC_DUMPABLE)) != 0;
	uid_t uid = v == THE_MONITOR ? s->monitor_uid : v == THE_DAEMON ? 0 : s->deploy_uid;
	gid_t gid = v == THE_MONITOR ? s->monitor_gid : v == THE_DAEMON ? 0 : s->deploy_gid;
	pid_t pid = fork();

	if (pid == -1)
		give_up("fork");
	if (pid == 0)
		be_victim(w, uid, gid, v != THE_MONITOR || !hidden);
	(void)setpgid(pid, pid); /* whoever comes first */
	s->pid[v] = pid;
}

static void
end_victim(struct whole *w, enum victim v)
{
	(void)kill(w->stage.pid[v], SIGKILL);
	(void)waitpid(w->stage.pid[v], NULL, 0);
}

/* Signals that wait at a process, as /proc tells everybody. */
static bool
is_pending(pid_t pid)
{
	char path[64], line[256];
	unsigned long long set, waiting = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	if ((f = fopen(path, "re")) == NULL)
		return true; /* it did not survive */
	while (fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, "SigPnd: %llx", &set) == 1 ||
		    sscanf(line, "ShdPnd: %llx", &set) == 1)
			waiting |= set;
	(void)fclose(f); /* only read from */
	return waiting != 0;
}

/* One that was signaled is replaced: only what comes next may count. */
bool
victim_was_signaled(const struct stage *s)
{
	struct whole *w = (struct whole *)(uintptr_t)s;
	bool signaled = false;

	for (enum victim v = 0; v < THE_EXECUTOR; v++)
		if (is_pending(s->pid[v])) {
			signaled = true;
			end_victim(w, v);
			make_victim(w, v);
		}
	return signaled;
}

/* ---- the whole ---- */

static void
name_users(struct whole *w)
{
	const struct passwd *pw = getpwnam("_moult");
	struct stage *s = &w->stage;

	s->deploy_uid = s->monitor_uid = geteuid();
	s->deploy_gid = s->monitor_gid = getegid();
	if (!w->set.two)
		return;
	if (pw == NULL)
		pw = getpwnam("nobody");
	if (pw == NULL)
		give_up("nobody");
	s->monitor_uid = pw->pw_uid;
	s->monitor_gid = pw->pw_gid;
	s->deploy_uid = s->deploy_gid = w->set.root ? 0 : DEPLOY_UID;
}

struct stage *
stage_open(const struct set *set)
{
	struct whole *w = mmap(NULL, sizeof(*w), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
	    -1, 0); /* the executor sees new victims too */
	const char *base = getenv("TMPDIR");
	struct stage *s = &w->stage;

	if (w == MAP_FAILED)
		give_up("mmap");
	w->set = *set;
	name_users(w);
	snprintf(
	    s->root, sizeof(s->root), "%.64s/moult-escape.XXXXXX", base != NULL ? base : "/tmp");
	if (mkdtemp(s->root) == NULL || chmod(s->root, 0755) == -1)
		give_up(s->root);
	for (enum spot spot = 0; spot < SPOT_END; spot++)
		snprintf(s->path[spot], STAGE_PATH_MAX, "%.120s/%s", s->root, spots[spot].path);
	stage_mend(s);
	snprintf(s->mark, sizeof(s->mark), "MOULT_ESCAPE=%.40s", strrchr(s->root, '/') + 1);
	s->address = (uintptr_t)&word;
	s->borrowed_fd = STDERR_FILENO;
	s->watch_fd = -1;
	serve(w);
	for (enum victim v = 0; v < THE_EXECUTOR; v++)
		make_victim(w, v);
	return s;
}

void
stage_set_who(struct stage *s, enum who who)
{
	static const enum spot own[WHO_END] = {[WHO_MONITOR] = SPOT_STATUS_DIR,
	    [WHO_MIGRATE] = SPOT_TMP,
	    [WHO_OPEN] = SPOT_TMP,
	    [WHO_INSTALL] = SPOT_TMP,
	    [WHO_VERIFY] = SPOT_TMP,
	    [WHO_CHECKOUT] = SPOT_REPO,
	    [WHO_FETCH] = SPOT_OBJECTS,
	    [WHO_LOOK] = SPOT_TMP};

	/* A look may write nowhere: what it tries there fails. */
	snprintf(s->own_dir, sizeof(s->own_dir), "%.190s", s->path[own[who]]);
}

void
stage_close(struct stage *s)
{
	struct whole *w = (struct whole *)s;

	for (enum victim v = 0; v < THE_EXECUTOR; v++)
		end_victim(w, v);
	for (size_t i = 0; i < w->server_count; i++)
		close(w->servers[i]);
	if (nftw(s->root, remove_one, DIRS_OPEN, FTW_DEPTH | FTW_PHYS) == -1)
		give_up(s->root);
	(void)munmap(w, sizeof(*w)); /* it was mapped */
}
