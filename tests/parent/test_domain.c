/*
 * test_domain.c - parent/domain.c: what the monitor reaches once it is confined, and what not.
 *
 * room: tests.
 * distrusts: nothing.
 */
#include "fixture.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/un.h>
#include <sysexits.h>

#include "filter.h"

#define SAID_MAX 4096
#define SIGNAL   "{\"current\":\"1.0.0\",\"available\":\"1.1.0\",\"channel\":\"stable\"}"
#define OUTSIDE  "an outsider"

/* In a child: the words go to the test by stderr. */
#define PROVE(condition)                                                                      \
	do {                                                                                  \
		if (!(condition)) {                                                           \
			dprintf(STDERR_FILENO, "not so: %s (errno %d)\n", #condition, errno); \
			_exit(1);                                                             \
		}                                                                             \
	} while (0)

#define REFUSED(call, error) PROVE((errno = 0, (call) == -1) && errno == (error))

struct peers {
	struct fixture *f;
	int tcp_fd, other_fd, abstract_fd;
	uint16_t port, other_port;
	struct sockaddr_un name; /* of the abstract socket */
	socklen_t name_size;
	void (*change)(struct fixture *);
};

static int
listen_tcp(uint16_t *port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t size = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (void *)&a, size), 0);
	assert_int_equal(listen(fd, 4), 0);
	assert_int_equal(getsockname(fd, (void *)&a, &size), 0);
	*port = ntohs(a.sin_port);
	return fd;
}

static void
open_peers(struct peers *p, struct fixture *f)
{
	*p = (struct peers){.f = f, .name = {.sun_family = AF_UNIX}};
	p->tcp_fd = listen_tcp(&p->port);
	p->other_fd = listen_tcp(&p->other_port);
	p->abstract_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	p->name_size = sizeof(p->name);
	/* A bind without a name: the kernel chooses an abstract one. */
	assert_int_equal(bind(p->abstract_fd, (void *)&p->name, sizeof(sa_family_t)), 0);
	assert_int_equal(getsockname(p->abstract_fd, (void *)&p->name, &p->name_size), 0);
	assert_int_equal(listen(p->abstract_fd, 4), 0);
	f->m.conf.redis = CONF_REDIS_TCP;
	f->m.conf.redis_port = p->port;
	f->m.state = MON_WAITING;
}

static void
close_peers(struct peers *p)
{
	close(p->tcp_fd);
	close(p->other_fd);
	close(p->abstract_fd);
}

static void
need_landlock(void)
{
	struct landlock_features f;

	landlock_probe(&f, LANDLOCK_ABI_KNOWN);
	if (landlock_missing(&f) == 0)
		return;
	print_message("skipped: this kernel lacks a layer of Landlock (ABI %d)\n", f.abi);
	skip();
}

static void
run(void (*function)(void *), void *arg, int status, const char *words)
{
	char said[SAID_MAX];
	int end = check_in_child(function, arg, said, sizeof(said));

	if (!WIFEXITED(end) || WEXITSTATUS(end) != status || strstr(said, words) == NULL)
		fail_msg("wait status %#x, where exit %d and \"%s\" are due: %s", (unsigned int)end,
		    status, words, said);
}

/* ---- inside --------------------------------------------------------------------------------- */

static void
work(void *arg)
{
	struct peers *p = arg;
	struct fixture *f = p->f;
	struct wire_update u = fixture_update();

	mon_domain_probe(&f->m);
	mon_domain_enter(&f->m);
	PROVE(f->m.domain.confines_files && f->m.domain.granted);
	PROVE(mon_look(&f->m) == ON_SIGNAL);
	mon_status_step(&f->m, &u, STEP_FETCH, 1);
	PROVE(f->m.status.write_error == 0);
	mon_status_deployed(&f->m, &u); /* over the first one */
	PROVE(f->m.status.write_error == 0);
	mon_status_restore(&f->m);
	PROVE(f->m.status.write_error == 0);
	PROVE(faccessat(f->m.status_dir_fd, "status.json", F_OK, 0) == 0);
}

static void
its_work(void **state)
{
	struct fixture *f = *state;
	struct peers p;

	need_landlock();
	open_peers(&p, f);
	fixture_put(f, "sig/u.json", SIGNAL, strlen(SIGNAL));
	run(work, &p, 0, "");
	close_peers(&p);
}

static void
reach_files(void *arg)
{
	struct peers *p = arg;
	struct fixture *f = p->f;
	char *argv[] = {(char[]){"true"}, NULL};

	mon_domain_probe(&f->m);
	mon_domain_enter(&f->m);
	REFUSED(open("/etc/passwd", O_RDONLY), EACCES);
	REFUSED(open("/", O_RDONLY | O_DIRECTORY), EACCES);
	REFUSED(open("/dev/null", O_WRONLY), EACCES);
	REFUSED(openat(f->dirfd, OUTSIDE, O_RDONLY), EACCES);
	REFUSED(openat(f->dirfd, OUTSIDE, O_WRONLY), EACCES);
	REFUSED(openat(f->dirfd, "new", O_WRONLY | O_CREAT, 0600), EACCES);
	REFUSED(openat(f->dirfd, "sig/u.json", O_WRONLY), EACCES);
	REFUSED(openat(f->dirfd, "sig/new", O_WRONLY | O_CREAT, 0600), EACCES);
	REFUSED(unlinkat(f->dirfd, "sig/u.json", 0), EACCES);
	REFUSED(renameat(f->dirfd, "sig/u.json", f->dirfd, "sig/v.json"), EACCES);
	REFUSED(openat(f->dirfd, "status", O_RDONLY | O_DIRECTORY), EACCES);
	REFUSED(mkdirat(f->m.status_dir_fd, "dir", 0700), EACCES);
	REFUSED(symlinkat("/etc/passwd", f->m.status_dir_fd, "link"), EACCES);
	REFUSED(mkfifoat(f->m.status_dir_fd, "fifo", 0600), EACCES);
	REFUSED(linkat(f->dirfd, "sig/u.json", f->m.status_dir_fd, "u.json", 0), EXDEV);
	REFUSED(execv("/bin/true", argv), EACCES);
}

static void
other_files(void **state)
{
	struct fixture *f = *state;
	struct peers p;

	need_landlock();
	open_peers(&p, f);
	fixture_put(f, "sig/u.json", SIGNAL, strlen(SIGNAL));
	fixture_put(f, OUTSIDE, "", 0);
	run(reach_files, &p, 0, "");
	close_peers(&p);
}

static int
connect_tcp(uint16_t port)
{
	struct sockaddr_in a = {
	    .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return connect(fd, (void *)&a, sizeof(a));
}

static void
reach_peers(void *arg)
{
	struct sockaddr_in any = {.sin_family = AF_INET};
	struct peers *p = arg;

	mon_domain_probe(&p->f->m);
	mon_domain_enter(&p->f->m);
	PROVE(connect_tcp(p->port) == 0);
	REFUSED(connect_tcp(p->other_port), EACCES);
	REFUSED(bind(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), (void *)&any, sizeof(any)),
	    EACCES);
	REFUSED(
	    connect(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), (void *)&p->name, p->name_size),
	    EPERM);
	/* The kernel's signal to the executor, when we end, is sent in our name. */
	PROVE(kill(getppid(), 0) == 0);
}

static void
other_peers(void **state)
{
	struct peers p;

	need_landlock();
	open_peers(&p, *state);
	run(reach_peers, &p, 0, "");
	close_peers(&p);
}

static void
reach_no_port(void *arg)
{
	struct peers *p = arg;

	p->f->m.conf.redis = CONF_REDIS_UNIX;
	mon_domain_probe(&p->f->m);
	mon_domain_enter(&p->f->m);
	REFUSED(connect_tcp(p->port), EACCES);
}

static void
no_port(void **state)
{
	struct peers p;

	need_landlock();
	open_peers(&p, *state);
	run(reach_no_port, &p, 0, "");
	close_peers(&p);
}

/* ---- another directory ---------------------------------------------------------------------- */

/* Confined as we are we can change nothing; a process made before can. */
static void
change_from_outside(struct peers *p)
{
	int ends[2], status;
	pid_t pid;
	char c;

	PROVE(pipe(ends) == 0);
	pid = fork();
	PROVE(pid >= 0);
	if (pid == 0) {
		close(ends[1]);
		if (read(ends[0], &c, 1) == 0)
			p->change(p->f);
		_exit(0);
	}
	close(ends[0]);
	mon_domain_probe(&p->f->m);
	mon_domain_enter(&p->f->m);
	(void)mon_look(&p->f->m);
	close(ends[1]);
	PROVE(waitpid(pid, &status, 0) == pid && status == 0);
}

static void
look_after_change(void *arg)
{
	struct peers *p = arg;

	change_from_outside(p);
	mon_dispatch(&p->f->m, ON_LOOK);
	PROVE(p->f->m.state == MON_WAITING);
}

static void
replace(struct fixture *f)
{
	PROVE(renameat(f->dirfd, "sig", f->dirfd, "old") == 0);
	PROVE(mkdirat(f->dirfd, "sig", 0755) == 0);
}

static void
make(struct fixture *f)
{
	PROVE(mkdirat(f->dirfd, "sig", 0755) == 0);
}

static void
take_away(struct fixture *f)
{
	PROVE(unlinkat(f->dirfd, "sig", AT_REMOVEDIR) == 0);
}

static void
replaced(void **state)
{
	struct peers p;

	need_landlock();
	open_peers(&p, *state);
	p.change = replace;
	run(look_after_change, &p, EX_OSERR, "was replaced by another");
	close_peers(&p);
}

static void
appeared(void **state)
{
	struct fixture *f = *state;
	struct peers p;

	need_landlock();
	open_peers(&p, f);
	assert_int_equal(unlinkat(f->dirfd, "sig", AT_REMOVEDIR), 0);
	p.change = make;
	run(look_after_change, &p, EX_OSERR, "was not there at the start");
	close_peers(&p);
}

static void
went(void **state)
{
	struct peers p;

	need_landlock();
	open_peers(&p, *state);
	p.change = take_away;
	run(look_after_change, &p, 0, "");
	close_peers(&p);
}

/* ---- kernels that lack it ------------------------------------------------------------------- */

/* For this process there is no Landlock from here on. */
static void
lose_landlock(void)
{
	static const struct filter_row rows[] = {
	    {.call = "landlock_create_ruleset", .verdict = FILTER_REFUSE, .error = ENOSYS}};
	struct filter_program p;

	PROVE(filter_build(&p, rows, COUNT(rows), FILTER_ALLOW, 0) == 0);
	PROVE(filter_load(&p) == 0);
	filter_clear(&p);
}

static void
require(void *arg)
{
	struct fixture *f = arg;

	lose_landlock();
	f->m.conf.mode = CONF_REQUIRE;
	mon_domain_probe(&f->m);
}

static void
required(void **state)
{
	run(require, *state, EX_OSERR,
	    "missing: landlock, landlock-truncate, landlock-network, landlock-devices, "
	    "landlock-scope");
	run(require, *state, EX_OSERR, "Linux 6.12");
}

static void
degrade(void *arg)
{
	struct fixture *f = arg;
	uint32_t all = (1u << LAYER_END) - 1;

	lose_landlock();
	f->m.conf.mode = CONF_DEGRADE;
	f->m.state = MON_WAITING;
	mon_domain_probe(&f->m);
	PROVE(f->m.status.missing == (all & ~(1u << LAYER_SECCOMP)));
	mon_domain_enter(&f->m);
	PROVE(!f->m.domain.confines_files);
	PROVE(mon_look(&f->m) == ON_SIGNAL);
	/* Nothing shuts it out of another directory. */
	replace(f);
	fixture_put(f, "sig/u.json", SIGNAL " ", strlen(SIGNAL " "));
	PROVE(mon_look(&f->m) == ON_SIGNAL);
}

static void
degraded(void **state)
{
	struct fixture *f = *state;
	char said[SAID_MAX], line[256];
	const char *at;
	uint32_t layer;

	fixture_put(f, "sig/u.json", SIGNAL, strlen(SIGNAL));
	assert_int_equal(check_in_child(degrade, f, said, sizeof(said)), 0);
	for (layer = LAYER_SECCOMP + 1; layer < LAYER_END; layer++) {
		snprintf(line, sizeof(line), "DEGRADED: %s is missing: %s\n",
		    wire_layer_name(layer), wire_layer_words(layer));
		at = strstr(said, line);
		assert_non_null(at);
		assert_null(strstr(at + 1, line));
	}
	assert_null(strstr(said, "seccomp"));
}

static void
see_place(void *arg, const char *place, const char *rights, const char *why)
{
	int *count = arg;

	(*count)++;
	assert_true(place[0] != '\0' && rights[0] != '\0' && why[0] != '\0');
	assert_null(strstr(rights, "execute"));
}

static void
table(void **state)
{
	int count = 0;

	(void)state;
	mon_domain_walk(see_place, &count);
	assert_int_equal(count, 3);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
	    MON_TEST("confined, the monitor reads the signal and writes its status", its_work),
	    MON_TEST("no other file is read, written, made, moved or executed", other_files),
	    MON_TEST("only the port of Redis is connected to, and no abstract socket", other_peers),
	    MON_TEST("without Redis by TCP there is no port", no_port),
	    MON_TEST("a signal's directory that was replaced ends the monitor", replaced),
	    MON_TEST("a signal's directory that appears later ends the monitor", appeared),
	    MON_TEST("a signal's directory that goes is waited for", went),
	    MON_TEST("a kernel that lacks a layer is refused by name", required),
	    MON_TEST("a degraded monitor says each missing layer once, and works", degraded),
	    MON_TEST("each place has its rights and its reason", table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
