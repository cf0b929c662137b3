/*
 * check_sandbox.c - attempts that must fail in a step, and what must work there.
 *
 * room: executor.
 * distrusts: the kernel's word for what it keeps, and our own tables: only the attempt counts.
 *
 * Each attempt is made twice. Before the seal, with nothing that confines it, it has to work: else
 * it would prove nothing. After it, confined as the step's program is, it has to fail, and with the
 * error that the layer gives. The calls are made raw: the kernel's answer counts, not the C
 * library's. Where nothing would be left of a call that passes, it is made with a bad argument,
 * which has an error of its own.
 */
#include "check.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/random.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "domain.h"
#include "log.h"
#include "profile.h"
#include "remote.h"

#define BAD_POINTER  1UL
#define HIGH_BIT     (1UL << 32) /* of an ioctl's number the kernel does not look at it */
#define ON(network)  (1u << NETWORK_##network)
#define ALL_NETWORKS (ON(NONE) | ON(REMOTE) | ON(OPEN))

/* What an attempt is made on. */
struct target {
	const struct yard *yard;
	const char *path;
	int which;                   /* 0: the control's socket, 1: the attempts' */
	bool listed[CHECK_FAMILIES]; /* families that the step's table refuses */
};

/* An attempt: 0 when it went through, else the error. */
typedef int attempt_fn(const void *arg);

static int
result(long rc)
{
	return rc == -1 ? errno : 0;
}

static int
open_raw(const char *path, int flags)
{
	return result(syscall(SYS_openat, AT_FDCWD, path, flags | O_CLOEXEC, 0));
}

static int
try_read(const void *arg)
{
	return open_raw(((const struct target *)arg)->path, O_RDONLY);
}

static int
try_list(const void *arg)
{
	return open_raw(((const struct target *)arg)->path, O_RDONLY | O_DIRECTORY);
}

static int
try_write(const void *arg)
{
	return open_raw(((const struct target *)arg)->path, O_WRONLY);
}

static int
try_make(const void *arg)
{
	const struct target *t = arg;
	int dir = open(t->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int rc = result(syscall(SYS_mkdirat, dir, ".moult-check", 0700));

	if (rc == 0)
		(void)syscall(SYS_unlinkat, dir, ".moult-check", AT_REMOVEDIR);
	return rc;
}

static int
try_execute(const void *arg)
{
	const struct target *t = arg;
	const char *const argv[] = {t->path, NULL}, *const envp[] = {NULL};

	return result(syscall(SYS_execve, t->path, argv, envp)); /* it ends with 0 */
}

static int
try_truncate(const void *arg)
{
	return result(syscall(SYS_truncate, ((const struct target *)arg)->path, 0));
}

/* A device that each step may read. */
static int
try_device(const void *arg)
{
	int fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC), bits;

	(void)arg;
	return fd == -1 ? ENODEV : result(syscall(SYS_ioctl, fd, RNDGETENTCNT, &bits));
}

/* By sockets that were there before: those of a step's own are refused by another layer. */
static int
try_connect(const void *arg)
{
	const struct target *t = arg;

	return result(
	    syscall(SYS_connect, t->yard->tcp_fd[t->which], &t->yard->tcp, sizeof(t->yard->tcp)));
}

static int
try_abstract(const void *arg)
{
	const struct target *t = arg;

	return result(
	    syscall(SYS_connect, t->yard->local_fd[t->which], &t->yard->local, t->yard->local_len));
}

static int
try_signal(const void *arg)
{
	(void)arg;
	return result(syscall(SYS_kill, getppid(), 0));
}

static int
try_ptrace(const void *arg)
{
	(void)arg;
	return result(syscall(SYS_ptrace, PTRACE_ATTACH, -1, 0, 0));
}

static int
try_read_memory(const void *arg)
{
	(void)arg;
	return result(syscall(SYS_process_vm_readv, -1, 0, 0, 0, 0, 1));
}

static int
try_limits(const void *arg)
{
	(void)arg;
	return result(syscall(SYS_prlimit64, -1, 0, 0, 0));
}

static int
try_mount(const void *arg)
{
	(void)arg;
	return result(syscall(SYS_mount, BAD_POINTER, BAD_POINTER, BAD_POINTER, 0, 0));
}

static int
try_unshare(const void *arg)
{
	(void)arg;
	return result(syscall(SYS_unshare, CLONE_NEWUSER | CLONE_PARENT));
}

static int
try_clone(const void *arg)
{
	(void)arg;
	return result(syscall(SYS_clone, CLONE_NEWUSER | CLONE_FS, 0, 0, 0, 0));
}

static int
try_clone3(const void *arg)
{
	(void)arg;
	return result(syscall(SYS_clone3, 0, 0));
}

static int
try_setid(const void *arg)
{
	(void)arg;
	return result(syscall(SYS_fchmodat, AT_FDCWD, BAD_POINTER, S_ISUID | 0755));
}

static int
try_terminal(const void *arg)
{
	(void)arg;
	return result(syscall(SYS_ioctl, -1, TIOCSTI | HIGH_BIT, 0));
}

/* 0 as soon as one can be opened. */
static int
try_sockets(const void *arg)
{
	const struct target *t = arg;

	for (int family = 1; family < CHECK_FAMILIES; family++)
		if (t->listed[family]) {
			long fd = syscall(SYS_socket, family, SOCK_STREAM | SOCK_CLOEXEC, 0);

			if (fd != -1 || errno != EAFNOSUPPORT)
				return fd != -1 ? 0 : errno;
		}
	return EAFNOSUPPORT;
}

static int
try_datagrams(const void *arg)
{
	(void)arg;
	return result(syscall(SYS_socket, AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
}

enum made_on { MADE_ON_NOTHING, MADE_ON_FILE, MADE_ON_DIR, MADE_ON_PROGRAM };

/* One attempt: what it would be, and the errors of it with the layer and without it. */
static const struct attempt {
	enum wire_layer layer;
	const char *what;
	attempt_fn *fn;
	enum made_on on;
	int with, without;
	unsigned int networks; /* where it must fail */
} attempts[] = {
    {LAYER_FILES, "read a file", try_read, MADE_ON_FILE, EACCES, 0, ALL_NETWORKS},
    {LAYER_FILES, "list a directory", try_list, MADE_ON_DIR, EACCES, 0, ALL_NETWORKS},
    {LAYER_FILES, "write a file", try_write, MADE_ON_FILE, EACCES, 0, ALL_NETWORKS},
    {LAYER_FILES, "make a directory", try_make, MADE_ON_DIR, EACCES, 0, ALL_NETWORKS},
    {LAYER_FILES, "execute a program", try_execute, MADE_ON_PROGRAM, EACCES, 0, ALL_NETWORKS},
    {LAYER_TRUNCATE, "truncate a file", try_truncate, MADE_ON_FILE, EACCES, 0, ALL_NETWORKS},
    {LAYER_DEVICES, "control a device", try_device, MADE_ON_NOTHING, EACCES, 0, ALL_NETWORKS},
    {LAYER_NETWORK, "connect to a port", try_connect, MADE_ON_NOTHING, EACCES, 0,
	ON(NONE) | ON(REMOTE)},
    {LAYER_SCOPE, "signal the executor", try_signal, MADE_ON_NOTHING, EPERM, 0, ALL_NETWORKS},
    {LAYER_SCOPE, "connect to an abstract socket", try_abstract, MADE_ON_NOTHING, EPERM, 0,
	ALL_NETWORKS},
    {LAYER_SECCOMP, "trace a process", try_ptrace, MADE_ON_NOTHING, EPERM, ESRCH, ALL_NETWORKS},
    {LAYER_SECCOMP, "read another's memory", try_read_memory, MADE_ON_NOTHING, EPERM, EINVAL,
	ALL_NETWORKS},
    {LAYER_SECCOMP, "set another's limits", try_limits, MADE_ON_NOTHING, EPERM, ESRCH,
	ALL_NETWORKS},
    {LAYER_SECCOMP, "mount", try_mount, MADE_ON_NOTHING, EPERM, EFAULT, ALL_NETWORKS},
    {LAYER_SECCOMP, "make a user namespace (unshare)", try_unshare, MADE_ON_NOTHING, EPERM, EINVAL,
	ALL_NETWORKS},
    {LAYER_SECCOMP, "make a user namespace (clone)", try_clone, MADE_ON_NOTHING, EPERM, EINVAL,
	ALL_NETWORKS},
    {LAYER_SECCOMP, "make a user namespace (clone3)", try_clone3, MADE_ON_NOTHING, ENOSYS, EINVAL,
	ALL_NETWORKS},
    {LAYER_SECCOMP, "make a set-id program", try_setid, MADE_ON_NOTHING, EPERM, EFAULT,
	ALL_NETWORKS},
    {LAYER_SECCOMP, "type into a terminal", try_terminal, MADE_ON_NOTHING, EPERM, EBADF,
	ALL_NETWORKS},
    {LAYER_SECCOMP, "open a socket of a family that is none of its", try_sockets, MADE_ON_NOTHING,
	EAFNOSUPPORT, 0, ALL_NETWORKS},
    {LAYER_SECCOMP, "open a UDP socket", try_datagrams, MADE_ON_NOTHING, EAFNOSUPPORT, 0, ON(NONE)},
    {LAYER_SECCOMP, "open a UDP socket", try_datagrams, MADE_ON_NOTHING, ESOCKTNOSUPPORT, 0,
	ON(REMOTE)},
};

#define ATTEMPTS (sizeof(attempts) / sizeof(attempts[0]))
static_assert(ATTEMPTS <= CHECK_ATTEMPTS_MAX, "each has its control");

/* What has come of all this. */
struct tally {
	struct check *check;
	size_t tried[LAYER_END], failed[LAYER_END];
	size_t worked, profiles;
};

static const char *
profile_name(enum profile profile)
{
	static const char *const names[] = {
#define NAME(symbol, name, network, use) name,
	    SPAWN_PROFILES(NAME)
#undef NAME
	};

	return names[profile];
}

/* Whether [sandbox] write_paths or read_paths open a path to a profile. By the configuration's own
 * words, not by the table whose effect is tried here. */
static bool
is_configured(const struct conf *c, enum profile profile, const char *path)
{
	const char *const values[] = {c->write_paths, c->read_paths};
	char buf[CONF_TEXT_MAX], *words[CONF_WORDS_MAX];

	if (profile != PROFILE_MIGRATE && profile != PROFILE_INSTALL)
		return false;
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		conf_words(values[i], buf, words);
		for (size_t j = 0; words[j] != NULL; j++) {
			size_t len = strlen(words[j]);

			if (strncmp(path, words[j], len) == 0 &&
			    (path[len] == '/' || path[len] == '\0'))
				return true;
		}
	}
	return false;
}

/* As commands.c chooses it. */
static enum network
network_of(const struct conf *c, enum profile profile)
{
	if ((profile == PROFILE_MIGRATE && c->migrate_network) ||
	    (profile == PROFILE_INSTALL && c->install_network))
		return NETWORK_OPEN;
	return profile == PROFILE_FETCH && !remote_is_local(c) ? NETWORK_REMOTE : NETWORK_NONE;
}

/* ---- before the seal ---- */

static void
yard_file(const char *path, const char *text, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);

	if (fd == -1 || file_write_all(fd, text, strlen(text)) == -1)
		fatal("%s", path);
	close(fd);
}

static int
raw_socket(int family, int type)
{
	return (int)syscall(SYS_socket, family, type | SOCK_CLOEXEC, 0);
}

/* Somebody who listens, for the controls; without a network there is none. */
static void
yard_sockets(struct yard *y)
{
	int tcp = raw_socket(AF_INET, SOCK_STREAM), local = raw_socket(AF_UNIX, SOCK_STREAM);
	socklen_t len = sizeof(y->tcp);

	y->tcp.sin_family = AF_INET;
	y->tcp.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	(void)syscall(SYS_bind, tcp, &y->tcp, len); /* told by the control, as below */
	(void)syscall(SYS_getsockname, tcp, &y->tcp, &len);
	(void)syscall(SYS_listen, tcp, 1);
	y->local.sun_family = AF_UNIX;
	y->local_len = (socklen_t)offsetof(struct sockaddr_un, sun_path) + 1 +
		       (socklen_t)snprintf(y->local.sun_path + 1, sizeof(y->local.sun_path) - 1,
			   "moult-check-%ld", (long)getpid());
	(void)syscall(SYS_bind, local, &y->local, y->local_len);
	(void)syscall(SYS_listen, local, 1);
	for (int i = 0; i < 2; i++) {
		y->tcp_fd[i] = raw_socket(AF_INET, SOCK_STREAM);
		y->local_fd[i] = raw_socket(AF_UNIX, SOCK_STREAM);
	}
}

static void
yard_make(struct check *c)
{
	struct yard *y = &c->yard;

	snprintf(y->dir, sizeof(y->dir), "%s/outside", c->scratch);
	snprintf(y->file, sizeof(y->file), "%s/outside/file", c->scratch);
	snprintf(y->program, sizeof(y->program), "%s/outside/program", c->scratch);
	if (mkdir(y->dir, 0700) == -1)
		fatal("%s", y->dir);
	yard_file(y->file, "outside\n", 0600);
	yard_file(y->program, "#!/bin/sh\nexit 0\n", 0700);
	yard_sockets(y);
}

static const char *
path_of(const struct yard *y, enum made_on on)
{
	switch (on) {
	case MADE_ON_FILE:
		return y->file;
	case MADE_ON_DIR:
		return y->dir;
	case MADE_ON_PROGRAM:
		return y->program;
	case MADE_ON_NOTHING:
		break;
	}
	return NULL;
}

void
check_sandbox_prepare(struct check *c)
{
	static const struct filters none;
	const struct ground bare = {&none, -1, c->e->root_fd, -1};

	yard_make(c);
	for (size_t i = 0; i < ATTEMPTS; i++) {
		struct target t = {.yard = &c->yard, .path = path_of(&c->yard, attempts[i].on)};

		memset(t.listed, 0, sizeof(t.listed));
		t.listed[AF_UNIX] = true; /* of which each system has some */
		c->shown[i] =
		    spawn_trial(&bare, NETWORK_NONE, attempts[i].fn, &t) == attempts[i].without;
	}
}

/* ---- after it ---- */

static void
list_families(struct target *t, enum network network)
{
	for (int family = 1; family < CHECK_FAMILIES; family++) {
		const uint64_t arguments[6] = {(uint64_t)family, SOCK_STREAM, 0, 0, 0, 0};
		const struct filter_row *row = profile_refusal(network, (int)SYS_socket, arguments);

		t->listed[family] = row != NULL && row->error == EAFNOSUPPORT;
	}
}

static const char *
outcome(int rc, char text[64])
{
	if (rc == 0)
		return "it went through";
	if (rc < 0)
		snprintf(text, 64, "killed by signal %d", -rc);
	else
		snprintf(text, 64, "%.60s", strerror(rc));
	return text;
}

/* One attempt, which has to end with an error. */
static void
attempt(struct tally *t, const struct ground *g, enum profile profile, enum network network,
    const struct attempt *a, struct target *target)
{
	char text[64];
	int rc = spawn_trial(g, network, a->fn, target);

	t->tried[a->layer]++;
	if (rc == a->with)
		return;
	t->failed[a->layer]++;
	if (rc == SPAWN_NO_TRIAL)
		verdict_say(
		    VERDICT_FAILED, TOPIC_SYSTEM, "a step could not be tried: %s", strerror(errno));
	else
		verdict_say(VERDICT_FAILED, TOPIC_SANDBOX,
		    "%s: the step %s was to be kept from: %s%s%s: %s", wire_layer_name(a->layer),
		    profile_name(profile), a->what, target->path != NULL ? ", " : "",
		    target->path != NULL ? target->path : "", outcome(rc, text));
}

static void
attempt_all(struct tally *t, const struct ground *g, enum profile profile, enum network network)
{
	struct exe *e = t->check->e;
	struct target target = {.yard = &t->check->yard, .which = 1};

	list_families(&target, network);
	for (size_t i = 0; i < ATTEMPTS; i++) {
		const struct attempt *a = &attempts[i];

		target.path = path_of(&t->check->yard, a->on);
		if ((e->missing & 1u << a->layer) != 0 || !t->check->shown[i] ||
		    (a->networks & 1u << network) == 0)
			continue;
		if (target.path != NULL && is_configured(&e->conf, profile, target.path))
			continue; /* told by try_profile() */
		attempt(t, g, profile, network, a, &target);
	}
}

/* Directories of moult and of the watcher, which are no step's. */
static void
attempt_dirs(struct tally *t, const struct ground *g, enum profile profile, enum network network)
{
	static const struct attempt make = {
	    LAYER_FILES, "make a directory", try_make, MADE_ON_DIR, EACCES, 0, ALL_NETWORKS};
	const struct exe *e = t->check->e;
	const char *const dirs[] = {e->signal_dir, t->check->state_dir};
	struct target target = {.yard = &t->check->yard};

	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		target.path = dirs[i];
		if (access(dirs[i], F_OK) == 0)
			attempt(t, g, profile, network, &make, &target);
	}
}

/* Files that one profile alone may read, or none. */
static void
attempt_secrets(struct tally *t, const struct ground *g, enum profile profile, enum network network)
{
	static const struct attempt read_it = {
	    LAYER_FILES, "read a secret", try_read, MADE_ON_FILE, EACCES, 0, ALL_NETWORKS};
	const struct conf *c = &t->check->e->conf;
	const struct {
		const char *path;
		enum profile reader; /* PROFILE_END: nobody */
	} secrets[] = {{c->ssh_key, PROFILE_FETCH}, {c->allowed_signers, PROFILE_VERIFY},
	    {c->openpgp_keys, PROFILE_VERIFY}, {c->password_file, PROFILE_END}};
	struct target target = {.yard = &t->check->yard};

	for (size_t i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++) {
		target.path = secrets[i].path;
		if (target.path[0] != '\0' && profile != secrets[i].reader &&
		    access(target.path, R_OK) == 0)
			attempt(t, g, profile, network, &read_it, &target);
	}
}

/* ---- what must work ---- */

static int
read_head(const void *arg)
{
	(void)arg;
	return open_raw(".git/HEAD", O_RDONLY); /* a trial begins in the checkout */
}

/* Without a name, where the file system can: then not even a time changes. */
static int
write_into(const void *arg)
{
	const char *path = ((const struct target *)arg)->path;
	struct stat st;
	int rc;

	if (stat(path, &st) == -1)
		return errno;
	if (!S_ISDIR(st.st_mode))
		return open_raw(path, O_WRONLY);
	rc = (int)syscall(SYS_openat, AT_FDCWD, path, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
	if (rc == -1 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL))
		return try_make(arg);
	return result(rc);
}

static void
must_work(struct tally *t, const struct ground *g, enum profile profile, const char *verb,
    int (*fn)(const void *arg), const char *path)
{
	const struct exe *e = t->check->e;
	const struct target target = {.path = path};
	char text[64];
	int rc = spawn_trial(g, network_of(&e->conf, profile), fn, &target);

	if (rc == 0)
		t->worked++;
	else
		verdict_say(VERDICT_FAILED, TOPIC_SANDBOX, "the step %s cannot %s %s: %s",
		    profile_name(profile), verb, path, outcome(rc, text));
}

static void
work(struct tally *t, const struct ground *g, enum profile profile)
{
	const struct exe *e = t->check->e;
	char buf[CONF_TEXT_MAX], *paths[CONF_WORDS_MAX], tmp[CONF_TEXT_MAX + 8];

	if (domain_grants(e, profile, e->conf.repo, FILE_READ))
		must_work(t, g, profile, "read", read_head, e->conf.repo);
	if (domain_grants(e, profile, e->conf.repo, FILE_CHANGE))
		must_work(t, g, profile, "write", write_into, e->conf.repo);
	snprintf(tmp, sizeof(tmp), "%s/tmp", e->conf.state_dir);
	if (domain_grants(e, profile, tmp, FILE_CHANGE))
		must_work(t, g, profile, "write TMPDIR,", write_into, tmp);
	conf_words(e->conf.write_paths, buf, paths);
	for (size_t i = 0; paths[i] != NULL; i++)
		if (domain_grants(e, profile, paths[i], FILE_WRITE_FILE) &&
		    faccessat(AT_FDCWD, paths[i], W_OK, AT_EACCESS) == 0) /* else told as that */
			must_work(
			    t, g, profile, "write [sandbox] write_paths:", write_into, paths[i]);
}

/* ---- the whole ---- */

static void
try_profile(struct tally *t, enum profile profile)
{
	struct exe *e = t->check->e;
	enum network network = network_of(&e->conf, profile);
	struct ground ground = {&e->filters, -1, e->repo_fd, -1};
	char where[DOMAIN_PATH_MAX];

	if (domain_step(e, profile, network, &ground.ruleset_fd, where) == -1) {
		verdict_say(VERDICT_FAILED, TOPIC_PLACES, "the step %s cannot be confined: %s: %s",
		    profile_name(profile), where, strerror(errno));
		return;
	}
	t->profiles++;
	if (is_configured(&e->conf, profile, t->check->yard.dir))
		verdict_say(VERDICT_WARNING, TOPIC_SANDBOX,
		    "[sandbox] write_paths or read_paths hold %s: that the step %s is kept from "
		    "files "
		    "was not tried there; another TMPDIR shows it",
		    t->check->scratch, profile_name(profile));
	attempt_all(t, &ground, profile, network);
	if ((e->missing & 1u << LAYER_FILES) == 0) {
		attempt_dirs(t, &ground, profile, network);
		attempt_secrets(t, &ground, profile, network);
	}
	work(t, &ground, profile);
	if (ground.ruleset_fd != -1)
		close(ground.ruleset_fd);
}

static void
say_layer(const struct tally *t, enum wire_layer layer)
{
	const struct exe *e = t->check->e;
	const char *name = wire_layer_name(layer);

	if ((e->missing & 1u << layer) != 0)
		verdict_say(e->conf.mode == CONF_REQUIRE ? VERDICT_FAILED : VERDICT_WARNING,
		    TOPIC_SANDBOX, "%s is missing on this kernel: %s%s", name,
		    wire_layer_words(layer),
		    e->conf.mode == CONF_REQUIRE ? "; [sandbox] mode = require" : "");
	else if (t->tried[layer] == 0)
		verdict_say(
		    VERDICT_WARNING, TOPIC_SANDBOX, "%s: nothing could be tried here", name);
	else if (t->failed[layer] == 0)
		verdict_say(VERDICT_OK, TOPIC_SANDBOX,
		    "%s: %zu attempts in %zu kinds of steps, all refused", name, t->tried[layer],
		    t->profiles);
}

void
check_sandbox(struct check *c)
{
	struct tally t;

	memset(&t, 0, sizeof(t));
	t.check = c;
	for (int profile = 0; profile < PROFILE_END; profile++)
		try_profile(&t, (enum profile)profile);
	for (int layer = 0; layer < LAYER_END; layer++)
		say_layer(&t, (enum wire_layer)layer);
	verdict_say(VERDICT_OK, TOPIC_SANDBOX, "this kernel says: Landlock ABI %d, corrections %#x",
	    c->e->landlock.abi, c->e->landlock.errata);
	if (t.worked > 0)
		verdict_say(VERDICT_OK, TOPIC_SANDBOX,
		    "the steps read the checkout and write their places");
}
