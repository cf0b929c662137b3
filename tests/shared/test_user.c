/*
 * test_user.c - shared/user.c: who is meant, and that what was given up is gone for good.
 *
 * room: tests.
 * distrusts: nothing.
 */
#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <pwd.h>
#include <stdbool.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sysexits.h>

#include "check.h"
#include "user.h"

#define SAID_MAX 4096
#define NOBODY   "nobody"

static void
need_root(void)
{
	if (geteuid() == 0)
		return;
	print_message("skipped: only root can become another user\n");
	skip();
}

static void
need_ordinary(void)
{
	if (geteuid() != 0)
		return;
	print_message("skipped: root can become anybody\n");
	skip();
}

/* In a child: the words go to the test by stderr. */
#define PROVE(condition)                                                                      \
	do {                                                                                  \
		if (!(condition)) {                                                           \
			dprintf(STDERR_FILENO, "not so: %s (errno %d)\n", #condition, errno); \
			_exit(1);                                                             \
		}                                                                             \
	} while (0)

#define REFUSED(call, error) PROVE((errno = 0, (call) == -1) && errno == (error))

static void
run_child(void (*function)(void *), void *arg)
{
	char said[SAID_MAX];
	int status = check_in_child(function, arg, said, sizeof(said));

	if (status != 0)
		fail_msg("wait status %#x: %s", (unsigned int)status, said);
}

/* ---- becoming ------------------------------------------------------------------------------- */

static void
become_nobody(void *arg)
{
	const char *what = "?";
	gid_t groups[NGROUPS_MAX];
	uid_t r, e, s;
	struct user u;
	unsigned long cap;

	(void)arg;
	PROVE(user_by_name(&u, NOBODY) == 0);
	PROVE(user_become(&u, 0, 0, &what) == 0);
	PROVE(what == NULL);
	PROVE(getresuid(&r, &e, &s) == 0 && r == u.uid && e == u.uid && s == u.uid);
	PROVE(getresgid(&r, &e, &s) == 0 && r == u.gid && e == u.gid && s == u.gid);
	PROVE(getgroups(NGROUPS_MAX, groups) == 0);
	REFUSED(setuid(0), EPERM);
	REFUSED(setresuid(-1u, 0, -1u), EPERM);
	REFUSED(setgid(0), EPERM);
	REFUSED(setgroups(0, NULL), EPERM);
	REFUSED(chown("/", 1, 1), EPERM);
	REFUSED(mount("none", "/tmp", "tmpfs", 0, NULL), EPERM);
	REFUSED(open("/etc/shadow", O_RDONLY), EACCES);
	REFUSED(kill(getppid(), 0), EPERM);
	REFUSED(prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0), EPERM);
	REFUSED(prctl(PR_SET_SECUREBITS, 0, 0, 0, 0), EPERM);
	REFUSED(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_CHOWN, 0, 0), EPERM);
	for (cap = 0; cap <= CAP_LAST_CAP; cap++)
		PROVE(prctl(PR_CAPBSET_READ, cap, 0, 0, 0) != 1);
}

static void
nobody(void **state)
{
	(void)state;
	need_root();
	run_child(become_nobody, NULL);
}

static void
become_with_groups(void *arg)
{
	struct user u = {.uid = 12345, .gid = 23456, .groups = {23456, 7, 5}, .group_count = 3};
	gid_t groups[NGROUPS_MAX];
	const char *what;

	(void)arg;
	PROVE(user_become(&u, 1, 0, &what) == 0);
	PROVE(getgroups(NGROUPS_MAX, groups) == 3);
	PROVE(groups[0] + groups[1] + groups[2] == 23456 + 7 + 5);
	REFUSED(setgroups(0, NULL), EPERM);
	REFUSED(setuid(0), EPERM);
}

static void
with_groups(void **state)
{
	(void)state;
	need_root();
	run_child(become_with_groups, NULL);
}

static void
become_lesser_root(void *arg)
{
	const char *path = arg, *what;
	struct user u;
	int fd;

	PROVE(user_by_uid(&u, 0, 0) == 0);
	PROVE(user_become(&u, 1, USER_ROOT_KEEPS, &what) == 0);
	PROVE(geteuid() == 0);
	/* What installing takes. */
	PROVE(chown(path, 12345, 12345) == 0);
	PROVE(chmod(path, 02751) == 0);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	PROVE(fd >= 0);
	/* And no more. */
	REFUSED(mount("none", "/tmp", "tmpfs", 0, NULL), EPERM);
	REFUSED(setresuid(12345, 12345, 12345), EPERM);
	REFUSED(setgroups(0, NULL), EPERM);
	REFUSED(mknod("moult-device", S_IFCHR | 0600, 0x103), EPERM);
	REFUSED(sethostname("x", 1), EPERM);
	REFUSED(chroot("/"), EPERM);
	REFUSED(prctl(PR_CAPBSET_DROP, CAP_CHOWN, 0, 0, 0), EPERM);
	REFUSED(prctl(PR_SET_SECUREBITS, 0, 0, 0, 0), EPERM);
	REFUSED(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_CHOWN, 0, 0), EPERM);
	PROVE(prctl(PR_CAPBSET_READ, CAP_CHOWN, 0, 0, 0) == 1);
	PROVE(prctl(PR_CAPBSET_READ, CAP_SYS_ADMIN, 0, 0, 0) == 0);
	PROVE(prctl(PR_CAPBSET_READ, CAP_SETUID, 0, 0, 0) == 0);
}

static void
lesser_root(void **state)
{
	char dir[PATH_MAX], path[PATH_MAX + 8];
	int dirfd, fd;

	(void)state;
	need_root();
	check_dir_make(dir, &dirfd);
	snprintf(path, sizeof(path), "%s/file", dir);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
	run_child(become_lesser_root, path);
	check_dir_remove(dir, dirfd);
}

/* The set of a process's line in /proc/self/status, as a program that was executed has it. */
static uint64_t
set_after_exec(uint64_t keep, const char *name)
{
	char line[256], *argv[] = {(char[]){"cat"}, (char[]){"/proc/self/status"}, NULL};
	uint64_t set = UINT64_MAX;
	const char *what;
	struct user u;
	int ends[2];
	pid_t pid;
	FILE *in;

	assert_int_equal(pipe(ends), 0);
	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		check_child_signals();
		if (user_by_uid(&u, 0, 0) == -1 || user_become(&u, 0, keep, &what) == -1 ||
		    dup2(ends[1], STDOUT_FILENO) == -1)
			_exit(1);
		close(ends[0]);
		close(ends[1]);
		(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		execv("/bin/cat", argv);
		_exit(2);
	}
	close(ends[1]);
	in = fdopen(ends[0], "r");
	assert_non_null(in);
	while (fgets(line, sizeof(line), in) != NULL)
		if (strncmp(line, name, strlen(name)) == 0)
			set = strtoull(line + strlen(name), NULL, 16);
	fclose(in);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	return set;
}

/* A container's root may lack some from the start. */
static void
executed(void **state)
{
	uint64_t had = USER_ROOT_KEEPS;
	unsigned long cap;

	(void)state;
	need_root();
	for (cap = 0; cap <= CAP_LAST_CAP; cap++)
		if (prctl(PR_CAPBSET_READ, cap, 0, 0, 0) != 1)
			had &= ~(UINT64_C(1) << cap);
	assert_int_equal(set_after_exec(USER_ROOT_KEEPS, "CapEff:"), had);
	assert_int_equal(set_after_exec(USER_ROOT_KEEPS, "CapPrm:"), had);
	assert_int_equal(set_after_exec(USER_ROOT_KEEPS, "CapBnd:"), had);
	assert_int_equal(set_after_exec(USER_ROOT_KEEPS, "CapInh:"), 0);
	assert_int_equal(set_after_exec(0, "CapEff:"), 0);
	assert_int_equal(set_after_exec(0, "CapBnd:"), 0);
}

static void
become_with_keep(void *arg)
{
	struct user u = {.uid = 12345, .gid = 12345};
	const char *what = NULL;

	(void)arg;
	REFUSED(user_become(&u, 0, USER_ROOT_KEEPS, &what), EINVAL);
	PROVE(what != NULL);
	PROVE(geteuid() != u.uid);
}

static void
keep_is_for_root(void **state)
{
	(void)state;
	run_child(become_with_keep, NULL);
}

static void
become_unasked(void *arg)
{
	struct user u = {.uid = 12345, .gid = 12345};
	const char *what = NULL;
	uid_t before = getuid();

	(void)arg;
	REFUSED(user_become(&u, 0, 0, &what), EPERM);
	PROVE(what != NULL && what[0] != '\0');
	PROVE(getuid() == before && geteuid() == before);
}

static void
ordinary(void **state)
{
	(void)state;
	need_ordinary();
	run_child(become_unasked, NULL);
}

/* ---- who is meant --------------------------------------------------------------------------- */

static void
by_name(void **state)
{
	const struct passwd *pw = getpwnam(NOBODY);
	struct user u;

	(void)state;
	assert_non_null(pw);
	assert_int_equal(user_by_name(&u, NOBODY), 0);
	assert_int_equal(u.uid, pw->pw_uid);
	assert_int_equal(u.gid, pw->pw_gid);
	assert_string_equal(u.name, NOBODY);
	assert_true(u.group_count >= 1);
	assert_int_equal(user_by_name(&u, "no-such-user-here"), -1);
	assert_int_equal(errno, ENOENT);
}

static void
by_uid(void **state)
{
	struct user u;

	(void)state;
	assert_int_equal(user_by_uid(&u, 0, 77), 0);
	assert_string_equal(u.name, "root");
	assert_int_equal(u.gid, 0);
	assert_int_equal(user_by_uid(&u, 54321, 77), 0);
	assert_int_equal(u.uid, 54321);
	assert_int_equal(u.gid, 77);
	assert_string_equal(u.name, "54321");
	assert_int_equal(u.group_count, 1);
	assert_int_equal(u.groups[0], 77);
}

static void
self_alone(void **state)
{
	const struct passwd *pw = getpwuid(geteuid());
	struct conf c = {0};
	const char *words;
	struct user u;

	(void)state;
	need_ordinary();
	assert_int_equal(user_monitor(&u, &c), 0);
	assert_int_equal(u.uid, geteuid());
	assert_int_equal(user_deploy(&u, &c), 0);
	assert_int_equal(u.uid, geteuid());
	if (pw != NULL) {
		snprintf(c.monitor_user, sizeof(c.monitor_user), "%s", pw->pw_name);
		assert_int_equal(user_monitor(&u, &c), 0);
	}
	strcpy(c.monitor_user, "root");
	strcpy(c.deploy_user, "root");
	assert_int_equal(user_monitor(&u, &c), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(user_deploy(&u, &c), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(user_refusal(EPERM, &words), EX_NOPERM);
	assert_non_null(strstr(words, "only root"));
}

static void
monitor_of_root(void **state)
{
	bool own = getpwnam(USER_MONITOR) != NULL;
	struct conf c = {0};
	struct user u;

	(void)state;
	need_root();
	assert_int_equal(user_monitor(&u, &c), 0);
	assert_string_equal(u.name, own ? USER_MONITOR : USER_MONITOR_ELSE);
	strcpy(c.monitor_user, "daemon");
	assert_int_equal(user_monitor(&u, &c), 0);
	assert_string_equal(u.name, "daemon");
}

static void
deploy_of_root(void **state)
{
	struct conf c = {0};
	char dir[PATH_MAX];
	const char *words;
	struct user u;
	int fd;

	(void)state;
	need_root();
	check_dir_make(dir, &fd);
	snprintf(c.repo, sizeof(c.repo), "%.200s", dir);
	assert_int_equal(user_deploy(&u, &c), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(user_refusal(EINVAL, &words), EX_CONFIG);
	assert_non_null(strstr(words, "belongs to root"));
	strcpy(c.deploy_user, "root");
	assert_int_equal(user_deploy(&u, &c), 0);
	assert_int_equal(u.uid, 0);
	c.deploy_user[0] = '\0';
	assert_int_equal(fchown(fd, 54321, 77), 0);
	assert_int_equal(user_deploy(&u, &c), 0);
	assert_int_equal(u.uid, 54321);
	assert_int_equal(u.gid, 77);
	strcpy(c.repo, "/no/such/checkout");
	assert_int_equal(user_deploy(&u, &c), -1);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(user_refusal(ENOENT, &words), EX_CONFIG);
	check_dir_remove(dir, fd);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
	    TEST("root becomes nobody, and nothing leads back", nobody),
	    TEST("a user's groups come along when they are asked for", with_groups),
	    TEST("root that stays root can install, and nothing more", lesser_root),
	    TEST("what a lesser root executes gets no more than was kept", executed),
	    TEST("nobody but root keeps a capability", keep_is_for_root),
	    TEST("an ordinary user becomes nobody else, and is told why", ordinary),
	    TEST("a user is found by name", by_name),
	    TEST("a user id without a name is a user, too", by_uid),
	    TEST("an ordinary user may name itself alone", self_alone),
	    TEST("started as root, the monitor has a default", monitor_of_root),
	    TEST("started as root, the executor is the owner of the checkout, unless that is root",
		deploy_of_root),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
