/*
 * test_prepare.c - parent/prepare.c and parent/seal.c: who the monitor is, what it makes for whom,
 * and whose word it takes.
 *
 * room: tests.
 * distrusts: nothing.
 */
#include "fixture.h"

#include <errno.h>
#include <sysexits.h>

#define SAID_MAX 4096
#define DEPLOY   54321 /* a user without an entry */
#define GROUP    54322
#define NOBODY   65534

/* In a child: the words go to the test by stderr. */
#define PROVE(condition)                                                                      \
	do {                                                                                  \
		if (!(condition)) {                                                           \
			dprintf(STDERR_FILENO, "not so: %s (errno %d)\n", #condition, errno); \
			_exit(1);                                                             \
		}                                                                             \
	} while (0)

static void
need_root(bool root)
{
	if ((geteuid() == 0) == root)
		return;
	print_message("skipped: %s\n",
	    root ? "only root can become another user" : "root may become anybody");
	skip();
}

/* A configuration that names places in the fixture's directory; repo belongs to DEPLOY. */
static void
lay_out(struct fixture *f)
{
	static char conf_path[PATH_MAX + 16];
	struct conf *c = &f->m.conf;

	close(f->m.status_dir_fd); /* opened anew by what is tested */
	f->m.status_dir_fd = -1;
	assert_int_equal(fchmod(f->dirfd, 0755), 0);
	assert_int_equal(mkdirat(f->dirfd, "repo", 0755), 0);
	assert_int_equal(mkdirat(f->dirfd, "etc", 0755), 0);
	if (geteuid() == 0)
		assert_int_equal(fchownat(f->dirfd, "repo", DEPLOY, GROUP, 0), 0);
	fixture_put(f, "etc/conf", "", 0);
	fixture_put(f, "etc/signers", "", 0);
	snprintf(c->repo, sizeof(c->repo), "%.200s/repo", f->path);
	snprintf(c->state_dir, sizeof(c->state_dir), "%.200s/state", f->path);
	snprintf(c->allowed_signers, sizeof(c->allowed_signers), "%.200s/etc/signers", f->path);
	snprintf(conf_path, sizeof(conf_path), "%s/etc/conf", f->path);
	f->m.conf_path = conf_path;
	if (geteuid() == 0)
		strcpy(c->monitor_user, "nobody");
}

static void
prepare(void *arg)
{
	struct fixture *f = arg;

	mon_prepare(&f->m);
}

static void
run(struct fixture *f, void (*function)(void *), int status, const char *words)
{
	char said[SAID_MAX];
	int end = check_in_child(function, f, said, sizeof(said));

	if (!WIFEXITED(end) || WEXITSTATUS(end) != status || strstr(said, words) == NULL)
		fail_msg("wait status %#x, where exit %d and \"%s\" are due: %s", (unsigned int)end,
		    status, words, said);
}

static void
assert_owner(struct fixture *f, const char *name, uid_t uid, gid_t gid, mode_t mode)
{
	struct stat st;

	assert_int_equal(fstatat(f->dirfd, name, &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(st.st_uid, uid);
	assert_int_equal(st.st_gid, gid);
	assert_int_equal(st.st_mode & 07777, mode);
}

/* ---- started as root ------------------------------------------------------------------------ */

static void
made_for_both(void **state)
{
	struct fixture *f = *state;

	need_root(true);
	lay_out(f);
	run(f, prepare, 0, "monitor: nobody, executor and steps: 54321");
	assert_owner(f, "state", DEPLOY, GROUP, 0755);
	assert_owner(f, "state/monitor", NOBODY, NOBODY, 0755);
	run(f, prepare, 0, ""); /* and again, where they are */
	assert_owner(f, "state", DEPLOY, GROUP, 0755);
}

static void
not_given_away(void **state)
{
	struct fixture *f = *state;

	need_root(true);
	lay_out(f);
	assert_int_equal(mkdirat(f->dirfd, "state", 0755), 0);
	assert_int_equal(mkdirat(f->dirfd, "state/monitor", 0755), 0);
	assert_int_equal(mkdirat(f->dirfd, "state/monitor/something", 0755), 0);
	run(f, prepare, EX_NOPERM, "/state/monitor belongs to user 0, not to nobody");
	assert_int_equal(unlinkat(f->dirfd, "state/monitor/something", AT_REMOVEDIR), 0);
	assert_owner(f, "state", 0, 0, 0755);
	assert_owner(f, "state/monitor", 0, 0, 0755);
	assert_int_equal(fchownat(f->dirfd, "state/monitor", DEPLOY, GROUP, 0), 0);
	run(f, prepare, EX_NOPERM, "belongs to user 54321");
	assert_int_equal(fchownat(f->dirfd, "state/monitor", NOBODY, NOBODY, 0), 0);
	run(f, prepare, 0, "");
	assert_int_equal(unlinkat(f->dirfd, "state/monitor", AT_REMOVEDIR), 0);
	assert_int_equal(symlinkat("/etc", f->dirfd, "state/monitor"), 0);
	run(f, prepare, EX_OSERR, "cannot be made or opened");
	assert_int_equal(unlinkat(f->dirfd, "state/monitor", 0), 0);
}

/* A start may be cut off between making a directory and giving it to whom it is for. */
static void
given_late(void **state)
{
	struct fixture *f = *state;

	need_root(true);
	lay_out(f);
	assert_int_equal(mkdirat(f->dirfd, "state", 0755), 0);
	run(f, prepare, 0, "");
	assert_owner(f, "state", DEPLOY, GROUP, 0755);
	assert_int_equal(fchownat(f->dirfd, "state/monitor", 0, 0, 0), 0);
	run(f, prepare, 0, "");
	assert_owner(f, "state/monitor", NOBODY, NOBODY, 0755);
}

static void
two_users(void **state)
{
	struct fixture *f = *state;

	need_root(true);
	lay_out(f);
	assert_int_equal(fchownat(f->dirfd, "repo", NOBODY, NOBODY, 0), 0);
	run(f, prepare, EX_CONFIG, "monitor_user and deploy_user are both nobody");
	assert_int_equal(fchownat(f->dirfd, "repo", 0, 0, 0), 0);
	run(f, prepare, EX_CONFIG, "deploy_user: is not set, and the checkout belongs to root");
	strcpy(f->m.conf.deploy_user, "root");
	run(f, prepare, 0, "executor and steps: root");
	strcpy(f->m.conf.deploy_user, "nobody");
	run(f, prepare, EX_CONFIG, "are both nobody");
	f->m.conf.deploy_user[0] = '\0';
	strcpy(f->m.conf.repo, "/no/such/checkout");
	run(f, prepare, EX_CONFIG, "repo = /no/such/checkout: No such file");
}

static void
trusted(void **state)
{
	struct fixture *f = *state;

	need_root(true);
	lay_out(f);
	assert_int_equal(fchownat(f->dirfd, "etc/conf", DEPLOY, 0, 0), 0);
	run(f, prepare, EX_NOPERM, "etc/conf: could be changed by 54321");
	assert_int_equal(fchownat(f->dirfd, "etc/conf", 0, 0, 0), 0);
	assert_int_equal(fchownat(f->dirfd, "etc/signers", NOBODY, 0, 0), 0);
	run(f, prepare, EX_NOPERM, "etc/signers: could be changed by nobody");
	assert_int_equal(fchownat(f->dirfd, "etc/signers", 0, GROUP, 0), 0);
	assert_int_equal(fchmodat(f->dirfd, "etc/signers", 0664, 0), 0);
	run(f, prepare, EX_NOPERM, "etc/signers: could be changed by 54321");
	assert_int_equal(fchmodat(f->dirfd, "etc/signers", 0644, 0), 0);
	run(f, prepare, 0, "");
	assert_int_equal(fchownat(f->dirfd, "etc", DEPLOY, 0, 0), 0);
	run(f, prepare, EX_NOPERM, "/etc: could be changed by 54321");
	assert_int_equal(fchownat(f->dirfd, "etc", 0, 0, 0), 0);
	assert_int_equal(fchmodat(f->dirfd, "etc", 0777, 0), 0);
	run(f, prepare, EX_NOPERM, "/etc: could be changed by");
	assert_int_equal(fchmodat(f->dirfd, "etc", 01777, 0), 0); /* as /tmp is */
	run(f, prepare, 0, "");
	assert_int_equal(unlinkat(f->dirfd, "etc/signers", 0), 0);
	run(f, prepare, EX_CONFIG, "allowed_signers: ");
}

static void
seal(void *arg)
{
	struct fixture *f = arg;
	struct wire_update u = fixture_update();
	struct mon *m = &f->m;

	mon_domain_probe(m);
	mon_prepare(m);
	mon_watch_open(m);
	mon_seal(m);
	PROVE(getpid() == m->status.pid);
	mon_status_step(m, &u, STEP_FETCH, 1);
	PROVE(m->status.write_error == 0);
	PROVE(mon_look(m) == ON_NONE);
}

static void
sealed(void **state)
{
	struct fixture *f = *state;

	need_root(true);
	lay_out(f);
	f->m.conf.mode = CONF_DEGRADE; /* as far as this kernel goes */
	run(f, seal, 0, "");
	assert_owner(f, "state/monitor/status.json", NOBODY, NOBODY, 0644);
	assert_int_equal(fchmodat(f->dirfd, "sig", 0700, 0), 0);
	run(f, seal, EX_NOPERM, "/sig cannot be read by nobody");
	assert_int_equal(fchmodat(f->dirfd, "sig", 0711, 0), 0);
	run(f, seal, EX_NOPERM, "/sig cannot be read by nobody");
	assert_int_equal(unlinkat(f->dirfd, "sig", AT_REMOVEDIR), 0);
	run(f, seal, 0, "waiting for its return");
	assert_int_equal(fchmodat(f->dirfd, "state/monitor", 0555, 0), 0);
	run(f, seal, EX_NOPERM, "monitor cannot be written by nobody");
}

static void
owners(void *arg)
{
	struct fixture *f = arg;

	strcpy(f->m.conf.signal_owner, "daemon");
	mon_prepare(&f->m);
	PROVE(f->m.owners.self == NOBODY);
	PROVE(f->m.owners.has_other && f->m.owners.other != 0 && f->m.owners.other != NOBODY);
}

static void
owner_of_signal(void **state)
{
	struct fixture *f = *state;

	need_root(true);
	lay_out(f);
	run(f, owners, 0, "");
}

/* ---- started by another --------------------------------------------------------------------- */

static void
ordinary(void **state)
{
	struct fixture *f = *state;

	need_root(false);
	lay_out(f);
	f->m.conf.mode = CONF_DEGRADE;
	run(f, seal, 0, "");
	assert_owner(f, "state", geteuid(), getegid(), 0755);
	assert_owner(f, "state/monitor/status.json", geteuid(), getegid(), 0644);
	strcpy(f->m.conf.monitor_user, "root");
	run(f, prepare, EX_NOPERM, "monitor_user = root: only root may run as another user");
	f->m.conf.monitor_user[0] = '\0';
	strcpy(f->m.conf.deploy_user, "root");
	run(f, prepare, EX_NOPERM, "deploy_user = root: only root may run as another user");
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
	    MON_TEST("root makes each directory for whom it is", made_for_both),
	    MON_TEST("root gives away nothing that was in use before", not_given_away),
	    MON_TEST("a start that was cut off is made good by the next", given_late),
	    MON_TEST("monitor and executor are two users, and root only when named", two_users),
	    MON_TEST("neither user can change what says what may run", trusted),
	    MON_TEST("sealed as nobody the monitor can do its work, or says why not", sealed),
	    MON_TEST(
		"the signal may belong to the monitor's user, not to who started", owner_of_signal),
	    MON_TEST("an ordinary user stays who it is, and may name no other", ordinary),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
