/*
 * test_landlock.c - shared/landlock.c, on the running kernel.
 *
 * room: tests. Domains are entered in children alone: nobody leaves one.
 * distrusts: nothing.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include "check.h"
#include "landlock.h"
#include "wire.h"

#define SAID_BYTES 1024
#define FIRST_ABI  0x1fffu /* what the first version knew */

/* What a child needs: the features, a directory, and where it looks for what. */
struct place {
	struct landlock_features f;
	char path[PATH_MAX];
	int fd;
	int ruleset_fd;
	uint16_t ports[2];
	pid_t outside;
};

static int
place_make(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	assert_non_null(p);
	landlock_probe(&p->f, LANDLOCK_ABI_KNOWN);
	check_dir_make(p->path, &p->fd);
	p->ruleset_fd = -1;
	*state = p;
	return 0;
}

static int
place_end(void **state)
{
	struct place *p = *state;

	if (p->ruleset_fd != -1)
		close(p->ruleset_fd);
	check_dir_remove(p->path, p->fd);
	free(p);
	return 0;
}

static void
put(const struct place *p, const char *name)
{
	int fd = openat(p->fd, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, "text", 4), 4);
	close(fd);
}

static void
allow(struct place *p, const char *name, uint32_t files)
{
	int fd = openat(p->fd, name, O_PATH | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(landlock_allow(&p->f, p->ruleset_fd, fd, files), 0);
	close(fd);
}

static void
forbid(struct place *p, uint32_t files, uint32_t ports, uint32_t scopes)
{
	p->ruleset_fd = landlock_ruleset(&p->f, files, ports, scopes);
	assert_true(p->ruleset_fd >= 0);
	assert_int_equal(fcntl(p->ruleset_fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
}

static void
confined(void (*function)(void *), struct place *p)
{
	char said[SAID_BYTES];
	int status = check_in_child(function, p, said, sizeof(said));

	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		fail_msg("status %#x: %s", (unsigned int)status, said);
}

/* In a child. */
static void
must(bool holds, const char *what)
{
	if (holds)
		return;
	dprintf(STDERR_FILENO, "%s: %s", what, strerror(errno));
	_exit(1);
}
#define MUST(condition)         must((condition), #condition)
#define MUST_FAIL(call, reason) must((call) == -1 && errno == (reason), #call)

static void
enter(const struct place *p)
{
	MUST(landlock_enter(p->ruleset_fd) == 0);
	MUST(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
}

#define NEEDS(p, abi_needed)                                                                    \
	do                                                                                      \
		if ((p)->f.abi < (abi_needed)) {                                                \
			print_message("this kernel's Landlock is older: ABI %d\n", (p)->f.abi); \
			skip();                                                                 \
		}                                                                               \
	while (0)

/* ---- what is there ---- */

static void
probe_by_version(void **state)
{
	static const struct {
		uint32_t files, ports, scopes;
	} due[] = {
	    {0, 0, 0},
	    {FIRST_ABI, 0, 0},
	    {FIRST_ABI | FILE_REFER, 0, 0},
	    {FIRST_ABI | FILE_REFER | FILE_TRUNCATE, 0, 0},
	    {FIRST_ABI | FILE_REFER | FILE_TRUNCATE, PORT_ALL, 0},
	    {FILE_ALL, PORT_ALL, 0},
	    {FILE_ALL, PORT_ALL, SCOPE_ALL},
	    {FILE_ALL, PORT_ALL, SCOPE_ALL},
	};
	const struct place *p = *state;
	struct landlock_features f;

	for (int abi = 0; abi < (int)COUNT(due); abi++) {
		if (abi > p->f.abi)
			break;
		landlock_probe(&f, abi);
		assert_int_equal(f.abi, abi);
		assert_int_equal(f.files, due[abi].files);
		assert_int_equal(f.ports, due[abi].ports);
		assert_int_equal(f.scopes, due[abi].scopes);
	}
	NEEDS(p, LANDLOCK_ABI_KNOWN);
	landlock_probe(&f, 99);
	assert_int_equal(f.files, FILE_ALL); /* what a newer kernel knows beside is none of ours */
}

static void
missing_layers(void **state)
{
	static const struct {
		struct landlock_features f;
		uint32_t missing;
	} due[] = {
	    {{.files = FILE_ALL, .ports = PORT_ALL, .scopes = SCOPE_ALL}, 0},
	    {{.files = FILE_ALL, .ports = PORT_ALL}, 1 << LAYER_SCOPE},
	    {{.files = FILE_ALL, .ports = PORT_ALL, .scopes = SCOPE_SIGNAL}, 1 << LAYER_SCOPE},
	    {{.files = FILE_ALL, .ports = PORT_CONNECT, .scopes = SCOPE_ALL}, 1 << LAYER_NETWORK},
	    {{.files = FILE_ALL & ~FILE_IOCTL_DEV, .ports = PORT_ALL, .scopes = SCOPE_ALL},
		1 << LAYER_DEVICES},
	    {{.files = FILE_ALL & ~FILE_TRUNCATE, .ports = PORT_ALL, .scopes = SCOPE_ALL},
		1 << LAYER_TRUNCATE},
	    {{.files = FILE_ALL & ~FILE_REFER, .ports = PORT_ALL, .scopes = SCOPE_ALL},
		1 << LAYER_FILES},
	    {{.files = FILE_ALL & ~FILE_MAKE_SYM, .ports = PORT_ALL, .scopes = SCOPE_ALL},
		1 << LAYER_FILES},
	    {{.abi = 0}, 1 << LAYER_FILES | 1 << LAYER_TRUNCATE | 1 << LAYER_NETWORK |
			     1 << LAYER_DEVICES | 1 << LAYER_SCOPE},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(due); i++)
		assert_int_equal(landlock_missing(&due[i].f), due[i].missing);
}

static void
nothing_is_kept(void **state)
{
	const struct landlock_features none = {.abi = 0}, files = {.abi = 3, .files = FILE_ALL};

	(void)state;
	errno = 0;
	assert_int_equal(landlock_ruleset(&none, FILE_ALL, PORT_ALL, SCOPE_ALL), -1);
	assert_int_equal(errno, ENOTSUP);
	assert_int_equal(landlock_ruleset(&files, 0, PORT_ALL, SCOPE_ALL), -1);
	assert_int_equal(errno, ENOTSUP);
}

/* A view of each older kernel makes a ruleset that this one takes: what it lacks is left out. */
static void
older_rulesets(void **state)
{
	struct place *p = *state;
	struct landlock_features f;

	for (int abi = 1; abi <= LANDLOCK_ABI_KNOWN && abi <= p->f.abi; abi++) {
		int fd;

		landlock_probe(&f, abi);
		fd = landlock_ruleset(&f, FILE_ALL, PORT_ALL, SCOPE_ALL);
		assert_true(fd >= 0);
		assert_int_equal(landlock_allow(&f, fd, p->fd, FILE_ALL), 0);
		assert_int_equal(landlock_allow_port(&f, fd, 80, PORT_ALL), 0);
		close(fd);
	}
}

static void
rules(void **state)
{
	struct place *p = *state;
	int null = open("/dev/null", O_PATH | O_CLOEXEC);

	NEEDS(p, 1);
	put(p, "file");
	assert_int_equal(symlinkat("file", p->fd, "link"), 0);
	forbid(p, FILE_ALL, 0, 0);
	allow(p, ".", FILE_ALL);
	allow(p, "file", FILE_ALL);                      /* rights of directories are left out */
	allow(p, "file", FILE_READ_DIR | FILE_MAKE_REG); /* nothing is left: no rule at all */
	assert_int_equal(landlock_allow(&p->f, p->ruleset_fd, null, FILE_USE), 0);
	assert_int_equal(landlock_allow(&p->f, p->ruleset_fd, null, FILE_ALL), 0);
	close(null);
	assert_int_equal(landlock_allow(&p->f, p->ruleset_fd, -1, FILE_READ), -1);
	assert_int_equal(errno, EBADF);
	assert_int_equal(landlock_allow(&p->f, p->fd, p->fd, FILE_READ), -1);
	assert_int_equal(landlock_allow_port(&p->f, p->ruleset_fd, 1, PORT_CONNECT) == 0,
	    p->f.ports == 0); /* a right that the ruleset does not handle cannot be allowed */
}

/* ---- what a domain does ---- */

static void
read_inside(void *arg)
{
	char *const none[] = {NULL};
	struct place *p = arg;

	enter(p);
	MUST(openat(p->fd, "in/file", O_RDONLY) >= 0);
	MUST_FAIL(openat(p->fd, "in/file", O_WRONLY), EACCES);
	MUST_FAIL(openat(p->fd, "out/file", O_RDONLY), EACCES);
	MUST_FAIL(openat(p->fd, "out", O_RDONLY | O_DIRECTORY), EACCES);
	MUST_FAIL(open("/etc/passwd", O_RDONLY), EACCES);
	MUST(openat(p->fd, "single", O_RDONLY) >= 0);
	MUST_FAIL(openat(p->fd, "in/new", O_WRONLY | O_CREAT, 0644), EACCES);
	MUST_FAIL(mkdirat(p->fd, "in/new", 0755), EACCES);
	MUST_FAIL(symlinkat("file", p->fd, "in/new"), EACCES);
	MUST_FAIL(mkfifoat(p->fd, "in/new", 0600), EACCES);
	MUST_FAIL(unlinkat(p->fd, "in/file", 0), EACCES);
	MUST_FAIL(execveat(p->fd, "in/file", none, none, 0), EACCES);
}

static void
make_tree(struct place *p)
{
	assert_int_equal(mkdirat(p->fd, "in", 0755), 0);
	assert_int_equal(mkdirat(p->fd, "in/deep", 0755), 0);
	assert_int_equal(mkdirat(p->fd, "out", 0755), 0);
	put(p, "in/file");
	put(p, "in/deep/file");
	put(p, "out/file");
	put(p, "single");
	assert_int_equal(fchmodat(p->fd, "in/file", 0755, 0), 0);
}

static void
reading(void **state)
{
	struct place *p = *state;

	NEEDS(p, 1);
	make_tree(p);
	forbid(p, FILE_ALL, 0, 0);
	allow(p, "in", FILE_READ);
	allow(p, "single", FILE_READ);
	confined(read_inside, p);
}

static void
truncate_inside(void *arg)
{
	struct place *p = arg;
	int fd;

	enter(p);
	MUST(fchdir(p->fd) == 0);
	MUST((fd = openat(p->fd, "in/file", O_WRONLY)) >= 0);
	MUST_FAIL(ftruncate(fd, 0), EACCES);
	MUST_FAIL(truncate("in/file", 0), EACCES);
	MUST_FAIL(truncate("out/file", 0), EACCES);
	MUST_FAIL(openat(p->fd, "in/file", O_WRONLY | O_TRUNC), EACCES);
	MUST(truncate("in/deep/file", 1) == 0);
}

static void
truncating(void **state)
{
	struct place *p = *state;

	NEEDS(p, 3);
	make_tree(p);
	forbid(p, FILE_ALL, 0, 0);
	allow(p, "in", FILE_WRITE_FILE);
	allow(p, "in/deep", FILE_TRUNCATE);
	confined(truncate_inside, p);
}

#define MOVED (FILE_READ | FILE_WRITE_FILE | FILE_MAKE_REG | FILE_REMOVE_FILE | FILE_REFER)

static void
move_inside(void *arg)
{
	struct place *p = arg;

	enter(p);
	MUST(renameat(p->fd, "in/file", p->fd, "in/deep/moved") == 0);
	MUST(linkat(p->fd, "in/deep/file", p->fd, "in/linked", 0) == 0);
	MUST_FAIL(renameat(p->fd, "in/deep/moved", p->fd, "out/moved"), EACCES);
	MUST_FAIL(renameat(p->fd, "out/file", p->fd, "in/taken"), EACCES);
	MUST_FAIL(linkat(p->fd, "out/file", p->fd, "in/taken", 0), EXDEV);
	/* To where more is allowed: it would gain rights by moving. */
	MUST_FAIL(renameat(p->fd, "in/linked", p->fd, "more/linked"), EXDEV);
}

static void
moving(void **state)
{
	struct place *p = *state;

	NEEDS(p, 2);
	make_tree(p);
	assert_int_equal(mkdirat(p->fd, "more", 0755), 0);
	forbid(p, FILE_ALL, 0, 0);
	allow(p, "in", MOVED);
	allow(p, "more", MOVED | FILE_EXECUTE);
	confined(move_inside, p);
}

static void
move_nested(void *arg)
{
	struct place *p = arg;
	int outer = landlock_ruleset(&p->f, FILE_MAKE_FIFO, 0, 0);

	/* A layer that does not handle REFER forbids it, to the layers in it as well. */
	MUST(landlock_enter(outer) == 0);
	enter(p);
	MUST_FAIL(renameat(p->fd, "in/file", p->fd, "in/deep/moved"), EXDEV);
	MUST(renameat(p->fd, "in/file", p->fd, "in/renamed") == 0);
}

static void
moving_needs_every_layer(void **state)
{
	struct place *p = *state;

	NEEDS(p, 2);
	make_tree(p);
	forbid(p, FILE_ALL, 0, 0);
	allow(p, "in", MOVED);
	confined(move_nested, p);
}

static int
listening(uint16_t *port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, len), 0);
	assert_int_equal(listen(fd, 8), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	*port = ntohs(a.sin_port);
	return fd;
}

static int
at_port(int (*call)(int, const struct sockaddr *, socklen_t), uint16_t port)
{
	struct sockaddr_in a = {.sin_family = AF_INET,
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	    .sin_port = htons(port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), rc, error;

	MUST(fd >= 0);
	rc = call(fd, (struct sockaddr *)&a, sizeof(a));
	error = errno;
	close(fd);
	errno = error;
	return rc;
}

static void
call_ports(void *arg)
{
	struct place *p = arg;

	MUST(at_port(connect, p->ports[1]) == 0);
	enter(p);
	MUST(at_port(connect, p->ports[0]) == 0);
	MUST_FAIL(at_port(connect, p->ports[1]), EACCES);
	MUST_FAIL(at_port(bind, p->ports[0]), EACCES);
	MUST_FAIL(at_port(bind, 0), EACCES);
}

static void
ports(void **state)
{
	struct place *p = *state;
	int servers[2];

	NEEDS(p, 4);
	servers[0] = listening(&p->ports[0]);
	servers[1] = listening(&p->ports[1]);
	forbid(p, 0, PORT_ALL, 0);
	assert_int_equal(landlock_allow_port(&p->f, p->ruleset_fd, p->ports[0], PORT_CONNECT), 0);
	confined(call_ports, p);
	close(servers[0]);
	close(servers[1]);
}

static void
signal_outside(void *arg)
{
	struct place *p = arg;
	pid_t child;

	MUST(kill(p->outside, 0) == 0);
	enter(p);
	MUST_FAIL(kill(p->outside, 0), EPERM);
	MUST_FAIL(kill(p->outside, SIGKILL), EPERM);
	MUST_FAIL(syscall(SYS_tgkill, p->outside, p->outside, SIGKILL), EPERM);
	MUST((child = fork()) != -1);
	if (child == 0)
		for (;;)
			pause();
	MUST(kill(child, SIGKILL) == 0);
	MUST(waitpid(child, NULL, 0) == child);
}

static void
scope_of_signals(void **state)
{
	struct place *p = *state;
	int status;

	NEEDS(p, 6);
	p->outside = fork();
	assert_true(p->outside >= 0);
	if (p->outside == 0) {
		check_child_signals();
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	forbid(p, 0, 0, SCOPE_SIGNAL);
	confined(signal_outside, p);
	assert_int_equal(waitpid(p->outside, &status, WNOHANG), 0); /* it has survived */
	assert_int_equal(kill(p->outside, SIGKILL), 0);
	assert_int_equal(waitpid(p->outside, &status, 0), p->outside);
}

static socklen_t
abstract_name(struct sockaddr_un *a, const char *word, pid_t pid)
{
	memset(a, 0, sizeof(*a));
	a->sun_family = AF_UNIX;
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1) +
	       (socklen_t)snprintf(
		   a->sun_path + 1, sizeof(a->sun_path) - 1, "moult-test-%s-%d", word, (int)pid);
}

static int
abstract(int (*call)(int, const struct sockaddr *, socklen_t), const char *word, pid_t pid)
{
	struct sockaddr_un a;
	socklen_t len = abstract_name(&a, word, pid);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd == -1 || call(fd, (struct sockaddr *)&a, len) == -1)
		return -1;
	return fd;
}

static void
call_abstract(void *arg)
{
	struct place *p = arg;
	int own;

	MUST(abstract(connect, "out", p->outside) != -1);
	enter(p);
	MUST_FAIL(abstract(connect, "out", p->outside), EPERM);
	MUST((own = abstract(bind, "in", p->outside)) != -1 && listen(own, 1) == 0);
	MUST(abstract(connect, "in", p->outside) != -1);
}

static void
scope_of_abstract_sockets(void **state)
{
	struct place *p = *state;
	int fd;

	NEEDS(p, 6);
	p->outside = getpid();
	fd = abstract(bind, "out", p->outside);
	assert_true(fd >= 0);
	assert_int_equal(listen(fd, 4), 0);
	forbid(p, 0, 0, SCOPE_ABSTRACT);
	confined(call_abstract, p);
	close(fd);
}

static void
enter_nothing(void *arg)
{
	(void)arg;
	MUST_FAIL(landlock_enter(-1), EBADF);
	MUST_FAIL(landlock_enter(STDERR_FILENO), EBADFD);
	MUST(open("/etc/passwd", O_RDONLY) >= 0);
}

static void
entering_no_ruleset(void **state)
{
	NEEDS((struct place *)*state, 1);
	confined(enter_nothing, *state);
}

/* ---- words ---- */

static void
words(void **state)
{
	char text[LANDLOCK_WORDS_MAX];

	(void)state;
	landlock_words(0, text);
	assert_string_equal(text, "");
	landlock_words(FILE_RUN, text);
	assert_string_equal(text, "execute read list");
	landlock_words(FILE_TRUNCATE, text);
	assert_string_equal(text, "truncate");
	landlock_words(FILE_ALL, text);
	assert_string_equal(text,
	    "execute write read list remove-dir remove-file make-char make-dir make-file "
	    "make-socket make-fifo make-block make-link move-between-dirs truncate device-ioctl");
}

#define PLACE_TEST(title, function)                          \
	{                                                    \
		title, function, place_make, place_end, NULL \
	}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    PLACE_TEST("each version of the kernel's keeps the rights it has", probe_by_version),
	    TEST("what a kernel lacks is missing, by its layers", missing_layers),
	    TEST("a ruleset of nothing is not made", nothing_is_kept),
	    PLACE_TEST("a ruleset leaves out what an older kernel lacks", older_rulesets),
	    PLACE_TEST("a rule for a file leaves out what directories have", rules),
	    PLACE_TEST("inside is read, outside is not, and nothing is written", reading),
	    PLACE_TEST("who may write may not cut short", truncating),
	    PLACE_TEST("files move between directories only where both allow it", moving),
	    PLACE_TEST("a layer that does not know of moving forbids it", moving_needs_every_layer),
	    PLACE_TEST("one port is called, no other, and none is bound", ports),
	    PLACE_TEST("signals stay in the domain", scope_of_signals),
	    PLACE_TEST("abstract sockets stay in the domain", scope_of_abstract_sockets),
	    PLACE_TEST("what is no ruleset is not entered", entering_no_ruleset),
	    TEST("rights have words", words),
	};

	return cmocka_run_group_tests_name("landlock", tests, NULL, NULL);
}
