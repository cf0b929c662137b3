/*
 * domain.c - which files, ports and processes the executor and its steps reach: Landlock domains.
 *
 * room: executor. The only file of this room with Landlock rules.
 * distrusts: every step: it runs the code of the new version, or git on what a remote has sent.
 *
 * The executor enters a domain of its own, which signals do not leave: so kill(-1) reaches what it
 * has started and nothing else. Each step is nested in one more, whose files are the rows below;
 * a path that no row of its profile names can be neither opened nor changed.
 */
#include "domain.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "executor.h"
#include "log.h"
#include "remote.h"

#define PORT_DNS 53

#define ROW(profile, place, files, why) {PROFILE_##profile, PLACE_##place, files, why},

/* What any program of the system needs to run at all. */
#define PROGRAM_ROWS(profile)                                                       \
	ROW(profile, SYSTEM, FILE_RUN, "programs, libraries and their data")        \
	ROW(profile, BASICS, FILE_READ, "how libraries are found, users are named") \
	ROW(profile, NULL, FILE_USE, "standard input, and where output is thrown")  \
	ROW(profile, RANDOM, FILE_READ_FILE, "names of temporary files, keys, zeros")

#define GIT_ROWS(profile, rights, why)  \
	PROGRAM_ROWS(profile)           \
	ROW(profile, REPO, rights, why) \
	ROW(profile, GIT, FILE_READ, "the configuration that git reads instead of the checkout's")

static const struct domain_row rows[] = {
    GIT_ROWS(LOOK, FILE_READ, "the checkout, which is only looked at")

	GIT_ROWS(FETCH, FILE_READ, "what is here already") ROW(
	    FETCH, STORE, FILE_CHANGE, "what is received: objects, refs and their logs") ROW(FETCH,
	    NAMES, FILE_READ, "host names and certificate authorities") ROW(FETCH, REMOTE,
	    FILE_READ, "a remote that is a directory") ROW(FETCH, SSH, FILE_READ,
	    "the deploy key and the known hosts") ROW(FETCH, CA, FILE_READ,
	    "the configured certificate authorities")

	    GIT_ROWS(VERIFY, FILE_READ, "the object that is signed") ROW(
		VERIFY, SIGNERS, FILE_READ, "the keys that may sign") ROW(VERIFY, TMP, FILE_CHANGE,
		"the signature as a file, a keyring")

		GIT_ROWS(CHECKOUT, FILE_CHANGE, "the working tree, HEAD and the index")

		    PROGRAM_ROWS(SWEEP) ROW(SWEEP, TMP, FILE_CHANGE, "what is removed")

			PROGRAM_ROWS(MIGRATE) ROW(
			    MIGRATE, ETC, FILE_READ, "the system's configuration") ROW(MIGRATE,
			    NAMES, FILE_READ, "host names, where a network is allowed") ROW(MIGRATE,
			    REPO, FILE_RUN, "the new version's code, not to be changed by itself")
			    ROW(MIGRATE, TMP, FILE_CHANGE, "HOME and TMPDIR") ROW(MIGRATE, WRITE,
				FILE_CHANGE, "[sandbox] write_paths: what it migrates") ROW(MIGRATE,
				READ, FILE_RUN, "[sandbox] read_paths") ROW(MIGRATE, MIGRATOR,
				FILE_RUN, "migrate_command, where it is outside of the system")

				PROGRAM_ROWS(INSTALL) ROW(INSTALL, ETC, FILE_READ,
				    "the system's configuration") ROW(INSTALL, NAMES, FILE_READ,
				    "host names, where a network is allowed") ROW(INSTALL, REPO,
				    FILE_BUILD, "it builds in the checkout") ROW(INSTALL, TMP,
				    FILE_BUILD, "HOME and TMPDIR") ROW(INSTALL, WRITE, FILE_BUILD,
				    "[sandbox] write_paths: where it installs to")
				    ROW(INSTALL, READ, FILE_RUN, "[sandbox] read_paths")
					ROW(INSTALL, INSTALLER, FILE_RUN,
					    "install_command, where it is outside of the system")};

#define ROWS (sizeof(rows) / sizeof(rows[0]))

static const char *const system_paths[] = {
    "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/opt", NULL};
static const char *const basics[] = {
    "/etc/ld.so.cache", "/etc/nsswitch.conf", "/etc/passwd", "/etc/group", "/etc/localtime", NULL};
static const char *const names[] = {"/etc/resolv.conf", "/etc/hosts", "/etc/host.conf",
    "/etc/gai.conf", "/etc/services", "/etc/protocols", "/etc/ssl", "/etc/ca-certificates",
    "/etc/gnutls", NULL};
static const char *const etc[] = {"/etc", NULL};
static const char *const null_device[] = {"/dev/null", NULL};
static const char *const random_devices[] = {
    "/dev/urandom", "/dev/random", "/dev/zero", "/dev/full", NULL};

const struct domain_row *
domain_rows(size_t *count)
{
	*count = ROWS;
	return rows;
}

const char *
domain_place_name(enum place place)
{
	static const char *const words[] = {
#define WORDS(symbol, name) name,
	    DOMAIN_PLACES(WORDS)
#undef WORDS
	};

	return words[place];
}

/* What is done with each path of a place; must: it has to be there. */
typedef int path_fn(void *arg, const char *path, bool must);

static int
each_of(const char *const *list, path_fn *fn, void *arg)
{
	int rc = 0;

	for (; rc == 0 && *list != NULL; list++)
		rc = fn(arg, *list, false);
	return rc;
}

/* The words of a value that are absolute paths; first: only the first one counts. */
static int
each_word(const char *value, bool first, path_fn *fn, void *arg)
{
	char buf[CONF_TEXT_MAX], *words[CONF_WORDS_MAX];
	int rc = 0;

	conf_words(value, buf, words);
	for (size_t i = 0; rc == 0 && words[i] != NULL && (i == 0 || !first); i++)
		if (words[i][0] == '/')
			rc = fn(arg, words[i], true);
	return rc;
}

static int
each_set(const char *value, path_fn *fn, void *arg)
{
	return value[0] == '\0' ? 0 : fn(arg, value, true);
}

/* ssh(1) looks into its user's own directory for what is not configured. */
static int
each_ssh(const struct exe *e, path_fn *fn, void *arg)
{
	char path[DOMAIN_PATH_MAX];
	const struct passwd *pw;
	int rc;

	if (!remote_is_ssh(&e->conf))
		return 0;
	if ((rc = each_set(e->conf.ssh_key, fn, arg)) != 0 ||
	    (rc = each_set(e->conf.ssh_known_hosts, fn, arg)) != 0 ||
	    (rc = fn(arg, "/etc/ssh", false)) != 0)
		return rc;
	if (e->conf.ssh_key[0] != '\0' && e->conf.ssh_known_hosts[0] != '\0')
		return 0;
	if ((pw = getpwuid(geteuid())) == NULL ||
	    snprintf(path, sizeof(path), "%s/.ssh", pw->pw_dir) >= (int)sizeof(path))
		return 0;
	return fn(arg, path, false);
}

static int
each_below(const char *dir, const char *const *list, path_fn *fn, void *arg)
{
	char path[DOMAIN_PATH_MAX];
	int rc = 0;

	for (; rc == 0 && *list != NULL; list++) {
		snprintf(path, sizeof(path), "%s/%s", dir, *list); /* fits: both are short */
		rc = fn(arg, path, true);
	}
	return rc;
}

static int
each_path(const struct exe *e, enum place place, path_fn *fn, void *arg)
{
	static const char *const store[] = {".git/objects", ".git/refs", ".git/logs", NULL};
	static const char *const git[] = {"git", NULL}, *const tmp[] = {"tmp", NULL};
	const struct conf *c = &e->conf;
	int rc;

	switch (place) {
	case PLACE_SYSTEM:
		return each_of(system_paths, fn, arg);
	case PLACE_BASICS:
		return each_of(basics, fn, arg);
	case PLACE_NAMES:
		return each_of(names, fn, arg);
	case PLACE_ETC:
		return each_of(etc, fn, arg);
	case PLACE_NULL:
		return each_of(null_device, fn, arg);
	case PLACE_RANDOM:
		return each_of(random_devices, fn, arg);
	case PLACE_REPO:
		return fn(arg, c->repo, true);
	case PLACE_STORE:
		return each_below(c->repo, store, fn, arg);
	case PLACE_GIT:
		return each_below(c->state_dir, git, fn, arg);
	case PLACE_TMP:
		return each_below(c->state_dir, tmp, fn, arg);
	case PLACE_REMOTE:
		/* Not there: git says so in its own words. */
		return remote_is_local(c) ? fn(arg, remote_path(c), false) : 0;
	case PLACE_SSH:
		return each_ssh(e, fn, arg);
	case PLACE_CA:
		return each_set(c->ca_file, fn, arg);
	case PLACE_SIGNERS:
		rc = each_set(c->allowed_signers, fn, arg);
		return rc != 0 ? rc : each_set(c->openpgp_keys, fn, arg);
	case PLACE_WRITE:
		return each_word(c->write_paths, false, fn, arg);
	case PLACE_READ:
		return each_word(c->read_paths, false, fn, arg);
	case PLACE_MIGRATOR:
		return each_word(c->migrate_command, true, fn, arg);
	case PLACE_INSTALLER:
		return each_word(c->install_command, true, fn, arg);
	case PLACE_END:
		break;
	}
	bug("domain: no such place: %d", (int)place);
}

#define SECRETS_MAX 5

/* Files that one profile alone may read, wherever they stand; links resolved. */
struct secrets {
	char path[SECRETS_MAX][PATH_MAX];
	size_t count;
};

struct making {
	const struct exe *e;
	const struct domain_row *row;
	int ruleset_fd;
	struct secrets secrets;
	char *where; /* DOMAIN_PATH_MAX */
};

static void
secrets_find(const struct conf *c, struct secrets *s)
{
	const char *const files[SECRETS_MAX] = {
	    c->ssh_key, c->ssh_known_hosts, c->allowed_signers, c->openpgp_keys, c->password_file};

	s->count = 0;
	for (size_t i = 0; i < SECRETS_MAX; i++)
		if (files[i][0] != '\0' && realpath(files[i], s->path[s->count]) != NULL)
			s->count++;
}

/* 0: no secret lies at or below path; 1: below; 2: it is one. */
static int
secrets_at(const struct secrets *s, const char *path)
{
	size_t len = strlen(path);

	for (size_t i = 0; i < s->count; i++)
		if (strncmp(s->path[i], path, len) == 0 &&
		    (s->path[i][len] == '/' || s->path[i][len] == '\0'))
			return s->path[i][len] == '/' ? 1 : 2;
	return 0;
}

static int
allow(void *arg, const char *path, bool must)
{
	const struct making *m = arg;
	/* What the checkout and the state directory hold must not lead out of them by a link; nor
	 * do links of the system count, whose targets are rows of their own, or lead to a secret.
	 */
	static const int flags[PLACE_END] = {[PLACE_STORE] = O_NOFOLLOW | O_DIRECTORY,
	    [PLACE_GIT] = O_NOFOLLOW | O_DIRECTORY,
	    [PLACE_TMP] = O_NOFOLLOW | O_DIRECTORY,
	    [PLACE_SYSTEM] = O_NOFOLLOW,
	    [PLACE_ETC] = O_NOFOLLOW,
	    [PLACE_READ] = O_NOFOLLOW};
	int fd = open(path, O_PATH | O_CLOEXEC | flags[m->row->place]), rc, error;

	if (fd == -1 && !must && (errno == ENOENT || errno == EACCES || errno == ENOTDIR))
		return 0;
	rc = fd == -1 ? -1 : landlock_allow(&m->e->landlock, m->ruleset_fd, fd, m->row->files);
	error = errno;
	if (fd != -1)
		close(fd);
	if (rc == -1)
		snprintf(m->where, DOMAIN_PATH_MAX, "%s", path);
	errno = error;
	return rc;
}

/*
 * Landlock grants a directory with all below it. Where a secret lies there, what lies beside the
 * way to it is granted instead, one by one.
 */
static int
allow_beside(struct making *m, const char *path)
{
	char below[PATH_MAX];
	struct dirent *entry;
	int rc = 0, at = secrets_at(&m->secrets, path);
	DIR *dir;

	if (at != 1)
		return at == 0 ? allow(m, path, false) : 0;
	if ((dir = opendir(path)) == NULL)
		return 0; /* not for this user, so not for the step either */
	while (rc == 0 && (entry = readdir(dir)) != NULL)
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
		    snprintf(below, sizeof(below), "%s/%s", path, entry->d_name) <
			(int)sizeof(below))
			rc = allow_beside(m, below);
	closedir(dir);
	return rc;
}

/* A secret is granted by the row that names it, and not by one that holds it among others. */
static bool
is_wide(enum place place)
{
	return place == PLACE_SYSTEM || place == PLACE_ETC || place == PLACE_READ;
}

static int
allow_place(void *arg, const char *path, bool must)
{
	struct making *m = arg;
	char real[PATH_MAX];

	if (!is_wide(m->row->place))
		return allow(m, path, must);
	if (m->row->place != PLACE_READ)
		return allow_beside(m, path);
	return realpath(path, real) != NULL ? allow_beside(m, real) : allow(m, path, must);
}

static int
allow_ports(const struct exe *e, int ruleset_fd, enum network network)
{
	if (network != NETWORK_REMOTE)
		return 0;
	if (landlock_allow_port(&e->landlock, ruleset_fd, PORT_DNS, PORT_CONNECT) == -1)
		return -1;
	return landlock_allow_port(&e->landlock, ruleset_fd, remote_port(&e->conf), PORT_CONNECT);
}

int
domain_step(const struct exe *e, enum profile profile, enum network network, int *ruleset_fd,
    char where[DOMAIN_PATH_MAX])
{
	struct making m = {.e = e, .where = where};
	int rc, error;

	*ruleset_fd = -1;
	snprintf(where, DOMAIN_PATH_MAX, "landlock");
	m.ruleset_fd = landlock_ruleset(
	    &e->landlock, FILE_ALL, network == NETWORK_OPEN ? 0 : PORT_ALL, SCOPE_ALL);
	if (m.ruleset_fd == -1)
		return errno == ENOTSUP ? 0 : -1; /* told at the start: mode = degrade */
	secrets_find(&e->conf, &m.secrets);
	rc = allow_ports(e, m.ruleset_fd, network);
	for (size_t i = 0; rc == 0 && i < ROWS; i++)
		if (rows[i].profile == profile) {
			m.row = &rows[i];
			rc = each_path(e, rows[i].place, allow_place, &m);
		}
	error = errno;
	if (rc == 0)
		*ruleset_fd = m.ruleset_fd;
	else
		close(m.ruleset_fd);
	errno = error;
	return rc;
}

int
domain_own(const struct exe *e)
{
	/* A domain that does not handle REFER forbids moving files between directories, to all that
	 * are nested in it as well: so it is handled, and allowed everywhere. */
	int fd = landlock_ruleset(&e->landlock, FILE_REFER, 0, SCOPE_ALL), rc, error;

	if (fd == -1)
		return errno == ENOTSUP ? 0 : -1;
	rc = landlock_allow(&e->landlock, fd, e->root_fd, FILE_REFER);
	if (rc == 0)
		rc = landlock_enter(fd);
	error = errno;
	close(fd);
	errno = error;
	return rc;
}

struct asking {
	const char *path;
};

/* 1: path is this one or lies below it. */
static int
holds(void *arg, const char *path, bool must)
{
	const struct asking *a = arg;
	size_t len = strlen(path);

	(void)must;
	return strncmp(a->path, path, len) == 0 && (a->path[len] == '/' || a->path[len] == '\0');
}

bool
domain_grants(const struct exe *e, enum profile profile, const char *path, uint32_t right)
{
	struct asking a = {path};
	struct secrets secrets;
	char real[PATH_MAX];
	bool secret;

	secrets_find(&e->conf, &secrets);
	secret = realpath(path, real) != NULL && secrets_at(&secrets, real) == 2;
	for (size_t i = 0; i < ROWS; i++)
		if (rows[i].profile == profile && (rows[i].files & right) == right &&
		    !(secret && is_wide(rows[i].place)) &&
		    each_path(e, rows[i].place, holds, &a) == 1)
			return true;
	return false;
}
