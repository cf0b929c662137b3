/*
 * test_domain.c - child/domain.c: what each profile may do with which path, by the kernel itself.
 *
 * room: tests. Everything confined happens in children.
 * distrusts: nothing.
 */
#include "confined.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <sys/un.h>

#include "remote.h"

#define ALL_PROFILES "LFVCSMI" /* the profiles' letters, in their order */

/*
 * A path, under the root of the test when it has no slash in front, and which profiles may read,
 * write and execute it.
 */
static const struct {
	const char *path, *read, *write, *execute;
} due[] = {
    {"repo/file", "LFVCMI", "CI", "MI"},
    {"repo/src/file", "LFVCMI", "CI", "MI"},
    {"repo/.git/file", "LFVCMI", "CI", "MI"},
    {"repo/.git/objects/file", "LFVCMI", "FCI", "MI"},
    {"repo/.git/refs/file", "LFVCMI", "FCI", "MI"},
    {"repo/.git/logs/file", "LFVCMI", "FCI", "MI"},
    {"state/file", "", "", ""},
    {"state/log/file", "", "", ""},
    {"state/git/file", "LFVC", "", ""},
    {"state/tmp/file", "VSMI", "VSMI", "I"},
    {"signal/file", "", "", ""},
    {"write/file", "MI", "MI", "I"},
    {"read/file", "MI", "", "MI"},
    {"remote/file", "F", "", ""},
    {"keys/file", "V", "", ""},
    {"ssh/file", "", "", ""},
    {"tools/file", "MI", "", "MI"},
    {"outside/file", "", "", ""},
    {"lock", "", "", ""},
    {"/usr/bin/env", ALL_PROFILES, "", ALL_PROFILES},
    {"/etc/passwd", ALL_PROFILES, "", ""},
    {"/etc/hosts", "FMI", "", ""},
    {"/etc/fstab", "MI", "", ""},
    {"/dev/null", ALL_PROFILES, ALL_PROFILES, ""},
    {"/dev/urandom", ALL_PROFILES, "", ""},
    {"/dev/zero", ALL_PROFILES, "", ""},
    {"/dev/tty", "", "", ""},
    {"/proc/self/status", "", "", ""},
    {"/proc/1/cmdline", "", "", ""},
    {"/sys/kernel/uevent_seqnum", "", "", ""},
    {"/var/lib/dpkg/status", "", "", ""},
};

/* ---- what is tried in a child ---- */

struct attempt {
	const char *path;
	uint32_t right;
};

static int
opened(int fd)
{
	return fd == -1 ? errno : 0;
}

/* 0: it may; else why not. What is no program is refused by the kernel only after the domain. */
static int
attempt(const void *arg)
{
	const struct attempt *a = arg;
	char *const none[] = {NULL};

	if (a->right == FILE_READ_FILE)
		return opened(open(a->path, O_RDONLY | O_NONBLOCK | O_NOCTTY));
	if (a->right == FILE_WRITE_FILE)
		return opened(open(a->path, O_WRONLY | O_NONBLOCK | O_NOCTTY));
	(void)execve(a->path, none, none);
	return errno == ENOEXEC ? 0 : errno;
}

static int
in_step(const struct exe *e, enum profile profile, enum network network, int (*fn)(const void *arg),
    const void *arg)
{
	struct ground ground = {&e->filters, -1, e->repo_fd, e->lock_fd};
	char where[DOMAIN_PATH_MAX];
	int rc;

	if (domain_step(e, profile, network, &ground.ruleset_fd, where) == -1)
		fail_msg("%s: %s", where, strerror(errno));
	rc = spawn_trial(&ground, network, fn, arg);
	close(ground.ruleset_fd);
	return rc;
}

static bool
is_in(const char *letters, int profile)
{
	return strchr(letters, ALL_PROFILES[profile]) != NULL;
}

static bool
runs_programs(const struct fixture *f)
{
	struct statvfs fs;

	return fstatvfs(f->root_fd, &fs) == 0 && (fs.f_flag & ST_NOEXEC) == 0;
}

static void
full_path(const struct fixture *f, const char *path, char full[TEST_PATH_MAX])
{
	if (path[0] == '/')
		snprintf(full, TEST_PATH_MAX, "%s", path);
	else
		snprintf(full, TEST_PATH_MAX, "%.200s/%s", f->root, path);
}

static void
check_kernel(struct fixture *f, int profile, const char *path, uint32_t right, bool may)
{
	char full[TEST_PATH_MAX];
	const struct attempt a = {full, right};
	int got;

	full_path(f, path, full);
	if (access(full, F_OK) == -1)
		return; /* not every system has all of them */
	got = in_step(&f->e, (enum profile)profile, NETWORK_NONE, attempt, &a);
	if (may ? got != 0 : got != EACCES)
		fail_msg("%c %s %#x: %s", ALL_PROFILES[profile], path, (unsigned int)right,
		    got == 0 ? "allowed" : strerror(got));
}

/* The kernel, and what is said of it when a failure is explained. */
static void
check_path(struct fixture *f, int profile, const char *path, uint32_t right, bool may)
{
	char full[TEST_PATH_MAX];

	check_kernel(f, profile, path, right, may);
	full_path(f, path, full);
	if (access(full, F_OK) == 0 &&
	    domain_grants(&f->e, (enum profile)profile, full, right) != may)
		fail_msg(
		    "domain_grants: %c %s %#x", ALL_PROFILES[profile], path, (unsigned int)right);
}

static void
files(void **state)
{
	struct fixture *f = *state;

	need_landlock(&f->e);
	for (size_t i = 0; i < COUNT(due); i++)
		for (int p = 0; p < PROFILE_END; p++) {
			check_path(f, p, due[i].path, FILE_READ_FILE, is_in(due[i].read, p));
			check_path(f, p, due[i].path, FILE_WRITE_FILE, is_in(due[i].write, p));
			if (runs_programs(f))
				check_path(
				    f, p, due[i].path, FILE_EXECUTE, is_in(due[i].execute, p));
		}
}

/* What a fetch over ssh reads beside, and nobody else. */
static void
files_of_ssh(void **state)
{
	struct fixture *f = *state;
	struct exe *e = &f->e;

	need_landlock(e);
	snprintf(e->conf.remote, sizeof(e->conf.remote), "git@example.invalid:p.git");
	set_place(f, e->conf.ssh_key, "ssh/file");
	set_place(f, e->conf.ssh_known_hosts, "keys/known");
	put_text(f->root_fd, "keys/known", "");
	for (int p = 0; p < PROFILE_END; p++) {
		check_path(f, p, "ssh/file", FILE_READ_FILE, p == PROFILE_FETCH);
		check_path(f, p, "ssh/file", FILE_WRITE_FILE, false);
		check_path(f, p, "keys/known", FILE_READ_FILE, p == PROFILE_FETCH);
		check_path(f, p, "remote/file", FILE_READ_FILE, false);
		check_path(f, p, "/etc/hosts", FILE_READ_FILE, is_in("FMI", p));
	}
}

static void
files_of_https(void **state)
{
	struct fixture *f = *state;
	struct exe *e = &f->e;

	need_landlock(e);
	snprintf(e->conf.remote, sizeof(e->conf.remote), "https://example.invalid/p.git");
	set_place(f, e->conf.ssh_key, "ssh/file");
	set_place(f, e->conf.ca_file, "keys/ca.pem");
	put_text(f->root_fd, "keys/ca.pem", "");
	for (int p = 0; p < PROFILE_END; p++) {
		check_path(f, p, "ssh/file", FILE_READ_FILE, false); /* not an ssh remote */
		check_path(f, p, "keys/ca.pem", FILE_READ_FILE, p == PROFILE_FETCH);
	}
}

/* A path that begins like a place, and lies beside it. */
static void
neighbors(void **state)
{
	struct fixture *f = *state;

	need_landlock(&f->e);
	make_place(f, "write-not");
	make_place(f, "repository");
	for (int p = 0; p < PROFILE_END; p++) {
		check_path(f, p, "write-not/file", FILE_READ_FILE, false);
		check_path(f, p, "repository/file", FILE_READ_FILE, false);
	}
}

/* A file that one profile alone may read is not read by others where its directory is theirs. */
static void
secrets(void **state)
{
	struct fixture *f = *state;
	struct exe *e = &f->e;
	static const char *const files[] = {"read/key", "read/deep/signers", "read/password",
	    "read/deep/plain", "read/deeper/plain"};

	need_landlock(e);
	assert_int_equal(mkdirat(f->root_fd, "read/deep", 0755), 0);
	assert_int_equal(mkdirat(f->root_fd, "read/deeper", 0755), 0);
	for (size_t i = 0; i < COUNT(files); i++)
		put_text(f->root_fd, files[i], "");
	assert_int_equal(symlinkat("read/key", f->root_fd, "key"), 0);
	snprintf(e->conf.remote, sizeof(e->conf.remote), "ssh://example.invalid/p.git");
	set_place(f, e->conf.ssh_key, "key"); /* by a link: what it leads to is the secret */
	set_place(f, e->conf.ssh_known_hosts, "keys/file");
	set_place(f, e->conf.allowed_signers, "read/deep/signers");
	set_place(f, e->conf.password_file, "read/password");
	for (int p = 0; p < PROFILE_END; p++) {
		check_kernel(f, p, "read/key", FILE_READ_FILE, p == PROFILE_FETCH);
		check_kernel(f, p, "read/deep/signers", FILE_READ_FILE, p == PROFILE_VERIFY);
		check_kernel(f, p, "read/password", FILE_READ_FILE, false);
		check_kernel(f, p, "read/deep/plain", FILE_READ_FILE, is_in("MI", p));
		check_kernel(f, p, "read/deeper/plain", FILE_READ_FILE, is_in("MI", p));
		check_kernel(f, p, "read/file", FILE_READ_FILE, is_in("MI", p));
	}
}

/* ---- directories: making, moving and removing ---- */

static const char *
at(const char *base, const char *name, char path[TEST_PATH_MAX])
{
	snprintf(path, TEST_PATH_MAX, "%s/%s", base, name);
	return path;
}

#define TRY(number, call)              \
	do                             \
		if ((call) == -1)      \
			return number; \
	while (0)

static int
change(const void *base)
{
	char a[TEST_PATH_MAX], b[TEST_PATH_MAX];
	int fd;

	TRY(1, fd = open(at(base, "new", a), O_WRONLY | O_CREAT | O_EXCL, 0644));
	TRY(2, write(fd, "x", 1));
	TRY(3, ftruncate(fd, 0));
	TRY(4, mkdir(at(base, "dir", a), 0755));
	TRY(5, rename(at(base, "new", a), at(base, "dir/moved", b)));
	TRY(6, link(at(base, "dir/moved", a), at(base, "linked", b)));
	TRY(7, symlink("linked", at(base, "link", a)));
	TRY(8, mkfifo(at(base, "fifo", a), 0600));
	TRY(9, chmod(at(base, "linked", a), 0755));
	TRY(10, truncate(at(base, "linked", a), 3));
	for (const char *const *name =
		 (const char *const[]){"linked", "link", "fifo", "dir/moved", NULL};
	     *name != NULL; name++)
		TRY(11, unlink(at(base, *name, a)));
	TRY(12, rmdir(at(base, "dir", a)));
	return 0;
}

/* Each of them must fail; the number of the first that does not. */
static int
change_nothing(const void *base)
{
	char a[TEST_PATH_MAX], b[TEST_PATH_MAX];

	if (open(at(base, "new", a), O_WRONLY | O_CREAT, 0644) != -1)
		return 1;
	if (mkdir(at(base, "dir", a), 0755) != -1)
		return 2;
	if (rename(at(base, "file", a), at(base, "moved", b)) != -1)
		return 3;
	if (link(at(base, "file", a), at(base, "linked", b)) != -1)
		return 4;
	if (symlink("file", at(base, "link", a)) != -1)
		return 5;
	if (unlink(at(base, "file", a)) != -1)
		return 6;
	if (truncate(at(base, "file", a), 0) != -1)
		return 7;
	if (mkfifo(at(base, "fifo", a), 0600) != -1)
		return 8;
	if (mknod(at(base, "node", a), S_IFCHR | 0600, 0x103) != -1)
		return 9;
	return 0;
}

static void
changes(void **state)
{
	static const struct {
		const char *dir, *by;
	} dirs[] = {{"repo", "CI"}, {"repo/.git", "CI"}, {"repo/.git/objects", "FCI"},
	    {"repo/.git/refs", "FCI"}, {"state", ""}, {"state/git", ""}, {"state/tmp", "VSMI"},
	    {"state/log", ""}, {"write", "MI"}, {"read", ""}, {"remote", ""}, {"keys", ""},
	    {"signal", ""}, {"outside", ""}};
	struct fixture *f = *state;
	char path[TEST_PATH_MAX];

	need_landlock(&f->e);
	for (size_t i = 0; i < COUNT(dirs); i++)
		for (int p = 0; p < PROFILE_END; p++) {
			int rc;

			full_path(f, dirs[i].dir, path);
			rc = in_step(&f->e, (enum profile)p, NETWORK_NONE,
			    is_in(dirs[i].by, p) ? change : change_nothing, path);
			if (rc != 0)
				fail_msg("%c %s: %d", ALL_PROFILES[p], dirs[i].dir, rc);
		}
}

static int
make_device(const void *base)
{
	char a[TEST_PATH_MAX];

	if (mknod(at(base, "char", a), S_IFCHR | 0600, 0x103) != -1)
		return 1;
	return mknod(at(base, "block", a), S_IFBLK | 0600, 0x700) != -1 ? 2 : 0;
}

static void
devices(void **state)
{
	struct fixture *f = *state;
	char path[TEST_PATH_MAX];

	need_landlock(&f->e);
	full_path(f, "write", path);
	assert_int_equal(in_step(&f->e, PROFILE_INSTALL, NETWORK_NONE, make_device, path), 0);
}

/* ---- places that are not what they should be ---- */

static void
assert_fails_at(struct exe *e, int profile, const char *path, int error)
{
	char where[DOMAIN_PATH_MAX];
	int fd = -2;

	errno = 0;
	assert_int_equal(domain_step(e, (enum profile)profile, NETWORK_NONE, &fd, where), -1);
	assert_int_equal(errno, error);
	assert_string_equal(where, path);
	assert_int_equal(fd, -1);
}

static void
all_places_are_there(void **state)
{
	struct exe *e = exe_of(state);
	char where[DOMAIN_PATH_MAX];
	int fd;

	need_landlock(e);
	for (int p = 0; p < PROFILE_END; p++)
		for (int n = 0; n < NETWORK_END; n++) {
			if (n == NETWORK_REMOTE)
				snprintf(e->conf.remote, sizeof(e->conf.remote), "git://h:1/p");
			else
				set_place(*state, e->conf.remote, "remote");
			assert_int_equal(
			    domain_step(e, (enum profile)p, (enum network)n, &fd, where), 0);
			assert_true(fd >= 0);
			assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
			close(fd);
		}
}

static void
missing_places(void **state)
{
	static const struct {
		const char *path, *by;
	} places[] = {
	    {"write/deep", "MI"}, {"read/deep", "MI"}, {"tools/none", "MI"}, {"keys/none", "V"}};
	struct fixture *f = *state;
	struct exe *e = &f->e;
	char path[CONF_TEXT_MAX], where[DOMAIN_PATH_MAX];
	int fd;

	need_landlock(e);
	snprintf(e->conf.write_paths, sizeof(e->conf.write_paths), "%.90s/write %.90s/write/deep",
	    f->root, f->root);
	snprintf(e->conf.read_paths, sizeof(e->conf.read_paths), "%.90s/read %.90s/read/deep",
	    f->root, f->root);
	set_place(f, e->conf.migrate_command, "tools/none --fast /nonexistent/argument");
	set_place(f, e->conf.install_command, "tools/none");
	set_place(f, e->conf.openpgp_keys, "keys/none");
	set_place(f, e->conf.remote, "remote/none"); /* of which git speaks itself */
	for (size_t i = 0; i < COUNT(places); i++) {
		set_place(f, path, places[i].path);
		for (int p = 0; p < PROFILE_END; p++)
			if (is_in(places[i].by, p))
				assert_fails_at(e, p, path, ENOENT);
			else if (!is_in("MIV", p)) {
				assert_int_equal(
				    domain_step(e, (enum profile)p, NETWORK_NONE, &fd, where), 0);
				close(fd);
			}
		assert_int_equal(mkdir(path, 0755), 0); /* the next one is what is missing */
	}
}

/* A link in what a step may change would let the next one out. */
static void
links_are_refused(void **state)
{
	static const struct {
		const char *path, *by;
	} places[] = {{"repo/.git/objects", "F"}, {"repo/.git/refs", "F"}, {"repo/.git/logs", "F"},
	    {"state/git", "LFVC"}, {"state/tmp", "VSMI"}};
	struct fixture *f = *state;
	char path[CONF_TEXT_MAX], aside[CONF_TEXT_MAX], target[CONF_TEXT_MAX];

	need_landlock(&f->e);
	set_place(f, aside, "aside");
	set_place(f, target, "outside");
	for (size_t i = 0; i < COUNT(places); i++) {
		set_place(f, path, places[i].path);
		assert_int_equal(rename(path, aside), 0);
		assert_int_equal(symlink(target, path), 0);
		for (int p = 0; p < PROFILE_END; p++)
			if (is_in(places[i].by, p))
				assert_fails_at(&f->e, p, path, ENOTDIR);
		assert_int_equal(unlink(path), 0);
		assert_int_equal(rename(aside, path), 0);
	}
}

static void
without_landlock(void **state)
{
	struct exe *e = exe_of(state);
	char where[DOMAIN_PATH_MAX];
	int fd = -2;

	memset(&e->landlock, 0, sizeof(e->landlock));
	assert_int_equal(domain_step(e, PROFILE_INSTALL, NETWORK_NONE, &fd, where), 0);
	assert_int_equal(fd, -1);
	assert_int_equal(domain_own(e), 0);
}

/* The table: each profile has what any program needs, and each place a use. */
static void
table(void **state)
{
	size_t count, uses[PLACE_END] = {0}, rows_of[PROFILE_END] = {0};
	const struct domain_row *rows = domain_rows(&count);

	(void)state;
	for (size_t i = 0; i < count; i++) {
		assert_true(rows[i].files != 0);
		assert_true(rows[i].why[0] != '\0');
		assert_int_equal(rows[i].files & (FILE_MAKE_CHAR | FILE_MAKE_BLOCK), 0);
		uses[rows[i].place]++;
		rows_of[rows[i].profile]++;
		for (size_t j = 0; j < i; j++)
			assert_false(
			    rows[i].profile == rows[j].profile && rows[i].place == rows[j].place);
	}
	for (size_t i = 0; i < PLACE_END; i++)
		assert_true(uses[i] > 0);
	for (size_t i = 0; i < PROFILE_END; i++)
		assert_true(rows_of[i] >= 4);
}

/* ---- real programs ---- */

static void
programs(void **state)
{
	static const struct {
		enum profile profile;
		const char *script;
		int status;
	} runs[] = {
	    {PROFILE_LOOK, "read -r x < file && ! echo y 2>&- > file", 0},
	    {PROFILE_CHECKOUT, "echo y > file && mv file src/moved && mv src/moved file", 0},
	    {PROFILE_MIGRATE, "! echo y 2>&- > file && echo y > ../write/new", 0},
	    {PROFILE_MIGRATE, "ls .. 2>&1", 2},
	    {PROFILE_MIGRATE, "f=$(mktemp) && echo z > $f && rm $f", 0},
	    {PROFILE_INSTALL,
		"printf '#!/bin/sh\\nexit 7\\n' > made && chmod 755 made && mv made ../write/made "
		"&& "
		"../write/made",
		7},
	    {PROFILE_INSTALL, "cat ../state/file ../signal/file ../outside/file", 1},
	    {PROFILE_INSTALL,
		"python3 -ISE -c 'import tempfile, json, sqlite3, subprocess\n"
		"subprocess.run([\"make\", \"--version\"], check=True)'",
		0},
	    {PROFILE_VERIFY, "git --version && echo k > $TMPDIR/ring", 0},
	    {PROFILE_SWEEP, "rm -rf $TMPDIR/*", 0},
	};
	struct exe *e = exe_of(state);

	need_landlock(e);
	for (size_t i = 0; i < COUNT(runs); i++) {
		e->run.tail_len = 0;
		give_shell(e, runs[i].profile, NETWORK_NONE, runs[i].script);
		if (run_command(e, true) != runs[i].status)
			fail_msg("%s: %d: %.*s", runs[i].script, e->child.status,
			    (int)e->run.tail_len, e->run.tail);
	}
}

/* ---- the network ---- */

static int
server(int domain, uint16_t *port)
{
	struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	struct sockaddr_in four = {
	    .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr *a = domain == AF_INET ? (struct sockaddr *)&four : (struct sockaddr *)&six;
	socklen_t len = domain == AF_INET ? sizeof(four) : sizeof(six);
	int fd = socket(domain, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, a, len), 0);
	assert_int_equal(listen(fd, 8), 0);
	assert_int_equal(getsockname(fd, a, &len), 0);
	*port = ntohs(domain == AF_INET ? four.sin_port : six.sin6_port);
	return fd;
}

struct call {
	int domain, type, protocol;
	uint16_t port; /* 0: the socket alone */
	bool bound;    /* bind instead of connect */
};

static int
call(const void *arg)
{
	const struct call *c = arg;
	struct sockaddr_in a = {.sin_family = AF_INET,
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	    .sin_port = htons(c->port)};
	int fd = socket(c->domain, c->type, c->protocol), rc;

	if (fd == -1)
		return errno;
	if (c->port == 0 && !c->bound)
		return 0;
	rc = c->bound ? bind(fd, (struct sockaddr *)&a, sizeof(a))
		      : connect(fd, (struct sockaddr *)&a, sizeof(a));
	return rc == -1 ? errno : 0;
}

#define PROTOCOL_MPTCP 262

static void
network_of_a_fetch(void **state)
{
	struct exe *e = exe_of(state);
	uint16_t port, other;
	int servers[] = {server(AF_INET, &port), server(AF_INET, &other)};
	const struct {
		struct call call;
		int due;
	} calls[] = {
	    {{AF_INET, SOCK_STREAM, 0, port, false}, 0},
	    {{AF_INET, SOCK_STREAM, IPPROTO_TCP, port, false}, 0},
	    {{AF_INET, SOCK_STREAM, 0, other, false}, EACCES},
	    {{AF_INET, SOCK_STREAM, 0, 53, false}, ECONNREFUSED},
	    {{AF_INET, SOCK_STREAM, 0, 0, true}, EPERM},
	    {{AF_INET, SOCK_DGRAM, 0, 0, false}, ESOCKTNOSUPPORT},
	    {{AF_INET, SOCK_STREAM, PROTOCOL_MPTCP, 0, false}, EPROTONOSUPPORT},
	    {{AF_UNIX, SOCK_STREAM, 0, 0, false}, EAFNOSUPPORT},
	    {{AF_NETLINK, SOCK_STREAM, 0, 0, false}, EAFNOSUPPORT},
	};

	need_landlock(e);
	profile_build(&e->filters, NETWORK_OPEN);
	snprintf(e->conf.remote, sizeof(e->conf.remote), "git://127.0.0.1:%u/p", port);
	for (size_t i = 0; i < COUNT(calls); i++) {
		int rc = in_step(e, PROFILE_FETCH, NETWORK_REMOTE, call, &calls[i].call);

		/* A name server of this machine may answer at 53: reached all the same. */
		if (rc != calls[i].due && !(calls[i].call.port == 53 && rc == 0))
			fail_msg("call %zu: %s", i, strerror(rc));
	}
	close(servers[0]);
	close(servers[1]);
}

static void
network_of_the_rest(void **state)
{
	struct exe *e = exe_of(state);
	uint16_t port;
	int fd = server(AF_INET, &port);
	const struct call stream = {AF_INET, SOCK_STREAM, 0, port, false},
			  bound = {AF_INET, SOCK_STREAM, 0, 0, true},
			  datagram = {AF_INET, SOCK_DGRAM, 0, 0, false},
			  local = {AF_UNIX, SOCK_STREAM, 0, 0, false};

	need_landlock(e);
	/* Landlock alone, as where system calls are not filtered. */
	assert_int_equal(in_step(e, PROFILE_INSTALL, NETWORK_NONE, call, &stream), EACCES);
	assert_int_equal(in_step(e, PROFILE_INSTALL, NETWORK_NONE, call, &bound), EACCES);
	profile_build(&e->filters, NETWORK_OPEN);
	for (int p = 0; p < PROFILE_END; p++) {
		const enum profile profile = (enum profile)p;

		assert_int_equal(in_step(e, profile, NETWORK_NONE, call, &stream), EAFNOSUPPORT);
		assert_int_equal(in_step(e, profile, NETWORK_NONE, call, &datagram), EAFNOSUPPORT);
		assert_int_equal(in_step(e, profile, NETWORK_NONE, call, &local), EAFNOSUPPORT);
	}
	assert_int_equal(in_step(e, PROFILE_INSTALL, NETWORK_OPEN, call, &stream), 0);
	assert_int_equal(in_step(e, PROFILE_INSTALL, NETWORK_OPEN, call, &bound), 0);
	assert_int_equal(in_step(e, PROFILE_INSTALL, NETWORK_OPEN, call, &datagram), 0);
	assert_int_equal(in_step(e, PROFILE_INSTALL, NETWORK_OPEN, call, &local), 0);
	close(fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST("each place has a use, and each row its reason", table),
	    CONFINED_TEST("each profile reads, writes and executes its rows alone", files),
	    CONFINED_TEST("the deploy key is read by a fetch over ssh alone", files_of_ssh),
	    CONFINED_TEST("a fetch over https reads the authorities, and no key", files_of_https),
	    CONFINED_TEST("a secret is read by its own profile alone, wherever it stands", secrets),
	    CONFINED_TEST("a place's neighbor of a longer name is not in it", neighbors),
	    CONFINED_TEST("things are made, moved and removed where files are written", changes),
	    CONFINED_TEST("devices are made nowhere", devices),
	    CONFINED_TEST(
		"with all places there, every profile has a domain", all_places_are_there),
	    CONFINED_TEST("a configured place that is missing is named", missing_places),
	    CONFINED_TEST(
		"a link in the place of a directory of ours is refused", links_are_refused),
	    CONFINED_TEST("without Landlock there is no domain, and no error", without_landlock),
	    CONFINED_TEST("real programs run in their domains", programs),
	    CONFINED_TEST("a fetch reaches its remote's port and name servers", network_of_a_fetch),
	    CONFINED_TEST("the other steps reach what is configured", network_of_the_rest),
	};

	return cmocka_run_group_tests_name("domain", tests, NULL, NULL);
}
