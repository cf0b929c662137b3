/*
 * test_profile.c - child/profile.c: the real filters, loaded as in a step, and what they answer.
 *
 * room: tests.
 * distrusts: nothing.
 *
 * Most calls are made with an argument that the kernel refuses by itself, so that nothing is done
 * when a filter lets them through, and the errno tells who has answered.
 */
#include <linux/sched.h>
#include <netinet/in.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "fixture.h"
#include "profile.h"

#define LOADED_NOT  200 /* an exit status apart from every errno below */
#define CALLS_KNOWN 600 /* numbers of this and some future kernels */
#define ERRNO_MAX   134
#define HIGH_BIT    0x100000000ul
#define BAD_FLAG    0x100         /* of a socket's type: EINVAL, when the kernel is asked at all */
#define BAD_CLONE   CLONE_SIGHAND /* without CLONE_VM: EINVAL */
#define SETID       06755
#define TMPFILE     020000000 /* O_TMPFILE without O_DIRECTORY */
#define X32         0x40000000
#define MPTCP       262
#define MINUS_ONE   (~0ul)
#define URETPROBE   335 /* the kernel's own trampolines: */
#define UPROBE      336 /* it asks no filter, and ends who calls them otherwise */

static struct exe *
exe_of(void **state)
{
	return &((struct fixture *)*state)->e;
}

/* ---- loading as the executor and its steps do ---- */

static int
profile_make(void **state)
{
	fixture_make(state);
	profile_build(&exe_of(state)->filters, NETWORK_OPEN);
	return 0;
}

static int
profile_end(void **state)
{
	struct filters *f = &exe_of(state)->filters;

	for (size_t i = 0; i < NETWORK_END; i++) {
		filter_clear(&f->told[i]);
		filter_clear(&f->plain[i]);
	}
	filter_clear(&f->calls);
	return fixture_end(state);
}

static void
load(const struct filters *f, enum network network)
{
	if (profile_load_own(f) == -1 || filter_load(&f->plain[network]) == -1)
		_exit(LOADED_NOT);
}

struct attempt {
	const char *what;
	long call;
	unsigned long arg[6];
	int due[NETWORK_END]; /* errno; 0: it succeeds */
};

struct trial {
	const struct filters *filters;
	enum network network;
	const struct attempt *attempt;
	int said_fd;
};

static void
try_in_child(void *arg)
{
	const struct trial *t = arg;
	const struct attempt *a = t->attempt;
	long rc;
	int error;

	load(t->filters, t->network);
	rc = syscall(a->call, a->arg[0], a->arg[1], a->arg[2], a->arg[3], a->arg[4], a->arg[5]);
	error = rc == -1 ? errno : 0;
	_exit(error);
}

static void
assert_attempts(struct exe *e, const struct attempt *attempts, size_t count)
{
	struct trial t = {.filters = &e->filters};
	int wrong = 0;

	for (size_t i = 0; i < count; i++) {
		t.attempt = &attempts[i];
		for (int p = 0; p < NETWORK_END; p++) {
			int end;

			t.network = (enum network)p;
			end = end_of_child(try_in_child, &t);
			assert_int_not_equal(end, LOADED_NOT);
			if (end == attempts[i].due[p])
				continue;
			print_error("%s, network %d: %s, not %s\n", attempts[i].what, p,
			    end < 0 ? "killed" : strerrorname_np(end),
			    strerrorname_np(attempts[i].due[p]));
			wrong++;
		}
	}
	assert_int_equal(wrong, 0);
}

/* The same in each profile. */
#define ALL(error)                  \
	{                           \
		error, error, error \
	}
#define LONG(number) ((unsigned long)(number))
#define AT           LONG(AT_FDCWD)

/* ---- sockets ---- */

#define SOCKET(what, family, type, protocol, in_none, in_remote, in_open)                \
	{                                                                                \
		what, SYS_socket, {LONG(family), LONG(type) | BAD_FLAG, LONG(protocol)}, \
		{                                                                        \
			in_none, in_remote, in_open                                      \
		}                                                                        \
	}
#define NO_FAMILY(what, family)                                                         \
	SOCKET(what, family, SOCK_STREAM, 0, EAFNOSUPPORT, EAFNOSUPPORT, EAFNOSUPPORT), \
	    SOCKET(what, family, SOCK_DGRAM, 0, EAFNOSUPPORT, ESOCKTNOSUPPORT, EAFNOSUPPORT)
#define NO_TYPE(what, type)                                                             \
	SOCKET(what, AF_INET, type, 0, EAFNOSUPPORT, ESOCKTNOSUPPORT, ESOCKTNOSUPPORT), \
	    SOCKET(what, AF_INET6, type, 0, EAFNOSUPPORT, ESOCKTNOSUPPORT, ESOCKTNOSUPPORT)
#define NO_PROTOCOL(what, protocol) \
	SOCKET(what, AF_INET, SOCK_STREAM, protocol, EAFNOSUPPORT, EPROTONOSUPPORT, EPROTONOSUPPORT)

static void
families(void **state)
{
	static const struct attempt attempts[] = {
	    SOCKET("TCP", AF_INET, SOCK_STREAM, 0, EAFNOSUPPORT, EINVAL, EINVAL),
	    SOCKET("TCP over IPv6", AF_INET6, SOCK_STREAM, 0, EAFNOSUPPORT, EINVAL, EINVAL),
	    SOCKET("TCP, named", AF_INET, SOCK_STREAM, IPPROTO_TCP, EAFNOSUPPORT, EINVAL, EINVAL),
	    SOCKET("UDP", AF_INET, SOCK_DGRAM, 0, EAFNOSUPPORT, ESOCKTNOSUPPORT, EINVAL),
	    SOCKET("UDP, named", AF_INET, SOCK_DGRAM, IPPROTO_UDP, EAFNOSUPPORT, EPROTONOSUPPORT,
		EINVAL),
	    SOCKET("not to block", AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
		EAFNOSUPPORT, EINVAL, EINVAL),
	    SOCKET("Unix", AF_UNIX, SOCK_STREAM, 0, EAFNOSUPPORT, EAFNOSUPPORT, EINVAL),
	    SOCKET("Unix datagrams", AF_UNIX, SOCK_DGRAM, 0, EAFNOSUPPORT, ESOCKTNOSUPPORT, EINVAL),
	    SOCKET("Unix packets", AF_UNIX, SOCK_SEQPACKET, 0, EAFNOSUPPORT, EAFNOSUPPORT, EINVAL),
	    NO_FAMILY("none", AF_UNSPEC),
	    NO_FAMILY("AX.25", AF_AX25),
	    NO_FAMILY("IPX", AF_IPX),
	    NO_FAMILY("AppleTalk", AF_APPLETALK),
	    NO_FAMILY("NET/ROM", AF_NETROM),
	    NO_FAMILY("bridge", AF_BRIDGE),
	    NO_FAMILY("ATM PVC", AF_ATMPVC),
	    NO_FAMILY("X.25", AF_X25),
	    NO_FAMILY("ROSE", AF_ROSE),
	    NO_FAMILY("key management", AF_KEY),
	    NO_FAMILY("netlink", AF_NETLINK),
	    NO_FAMILY("packet", AF_PACKET),
	    NO_FAMILY("CAN", AF_CAN),
	    NO_FAMILY("Bluetooth", AF_BLUETOOTH),
	    NO_FAMILY("the kernel's ciphers", AF_ALG),
	    NO_FAMILY("virtual machines", AF_VSOCK),
	    NO_FAMILY("XDP", AF_XDP),
	    NO_FAMILY("the highest", AF_MAX),
	    NO_FAMILY("negative", MINUS_ONE),
	    NO_FAMILY("high bits", AF_INET | HIGH_BIT),
	};

	assert_attempts(exe_of(state), attempts, COUNT(attempts));
}

static void
types(void **state)
{
	static const struct attempt attempts[] = {
	    NO_TYPE("raw", SOCK_RAW),
	    NO_TYPE("reliable datagrams", SOCK_RDM),
	    NO_TYPE("sequenced packets, which is SCTP", SOCK_SEQPACKET),
	    NO_TYPE("DCCP", SOCK_DCCP),
	    NO_TYPE("packet", SOCK_PACKET),
	    NO_TYPE("raw, not to block", SOCK_RAW | SOCK_NONBLOCK),
	    NO_TYPE("raw, high bits", SOCK_RAW | HIGH_BIT),
	    NO_PROTOCOL("MPTCP", MPTCP),
	    NO_PROTOCOL("SCTP", IPPROTO_SCTP),
	    NO_PROTOCOL("DCCP", IPPROTO_DCCP),
	    NO_PROTOCOL("ICMP", IPPROTO_ICMP),
	    NO_PROTOCOL("ICMPv6", IPPROTO_ICMPV6),
	    NO_PROTOCOL("UDP-Lite", IPPROTO_UDPLITE),
	    NO_PROTOCOL("raw", IPPROTO_RAW),
	    NO_PROTOCOL("negative", MINUS_ONE),
	    NO_PROTOCOL("MPTCP, high bits", MPTCP | HIGH_BIT),
	};

	assert_attempts(exe_of(state), attempts, COUNT(attempts));
}

/* Each protocol number but the three that remain. */
static void
protocols(void **state)
{
	struct attempt a = SOCKET(
	    "by number", AF_INET, SOCK_STREAM, 0, EAFNOSUPPORT, EPROTONOSUPPORT, EPROTONOSUPPORT);

	for (unsigned long n = 1; n < 20; n++) {
		if (n == IPPROTO_TCP || n == IPPROTO_UDP)
			continue;
		a.arg[2] = n;
		assert_attempts(exe_of(state), &a, 1);
	}
}

#define PAIR(what, family, type, error)                                                       \
	{                                                                                     \
		what, SYS_socketpair, {LONG(family), LONG(type) | BAD_FLAG, 0, 0}, ALL(error) \
	}
#define SENDS(what, call, where, flags, error)                            \
	{                                                                 \
		what, call, {MINUS_ONE, 0, [where] = (flags)}, ALL(error) \
	}

static void
socket_calls(void **state)
{
	static const struct attempt attempts[] = {
	    PAIR("a pair of streams", AF_UNIX, SOCK_STREAM, EINVAL),
	    PAIR("a pair of packet sockets", AF_UNIX, SOCK_SEQPACKET, EINVAL),
	    PAIR("a pair for datagrams", AF_UNIX, SOCK_DGRAM, EPERM),
	    PAIR("the same, not to block", AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, EPERM),
	    PAIR("the same, high bits", AF_UNIX, SOCK_DGRAM | HIGH_BIT, EPERM),
	    PAIR("raw, which Unix makes datagrams of", AF_UNIX, SOCK_RAW, EPERM),
	    PAIR("a pair of another family", AF_INET, SOCK_STREAM, EPERM),
	    PAIR("a pair over TIPC", AF_TIPC, SOCK_STREAM, EPERM),
	    SENDS("sendto", SYS_sendto, 3, 0, EBADF),
	    SENDS("sendto that connects", SYS_sendto, 3, MSG_FASTOPEN, EPERM),
	    SENDS("sendto that connects, among flags", SYS_sendto, 3,
		MSG_FASTOPEN | MSG_NOSIGNAL | HIGH_BIT, EPERM),
	    SENDS("sendmsg that connects", SYS_sendmsg, 2, MSG_FASTOPEN, EPERM),
	    SENDS("sendmmsg that connects", SYS_sendmmsg, 3, MSG_FASTOPEN, EPERM),
	    {"listen", SYS_listen, {MINUS_ONE}, {EPERM, EPERM, EBADF}},
	    {"accept", SYS_accept, {MINUS_ONE}, {EPERM, EPERM, EBADF}},
	    {"accept4", SYS_accept4, {MINUS_ONE}, {EPERM, EPERM, EBADF}},
	    {"connect", SYS_connect, {MINUS_ONE}, ALL(EBADF)},
	    {"bind", SYS_bind, {MINUS_ONE}, {EPERM, EPERM, EBADF}},
	};

	assert_attempts(exe_of(state), attempts, COUNT(attempts));
}

/* ---- processes ---- */

#define CLONE(what, flags, error)                                      \
	{                                                              \
		what, SYS_clone, {BAD_CLONE | LONG(flags)}, ALL(error) \
	}

static void
processes(void **state)
{
	static const struct attempt attempts[] = {
	    CLONE("a plain one", SIGCHLD, EINVAL),
	    CLONE("a mount namespace", CLONE_NEWNS, EPERM),
	    CLONE("a UTS namespace", CLONE_NEWUTS, EPERM),
	    CLONE("an IPC namespace", CLONE_NEWIPC, EPERM),
	    CLONE("a user namespace", CLONE_NEWUSER, EPERM),
	    CLONE("a user namespace, among flags", CLONE_NEWUSER | CLONE_FS | SIGCHLD, EPERM),
	    CLONE("a user namespace, high bits", CLONE_NEWUSER | HIGH_BIT, EPERM),
	    CLONE("a PID namespace", CLONE_NEWPID, EPERM),
	    CLONE("a network namespace", CLONE_NEWNET, EPERM),
	    CLONE("a cgroup namespace", CLONE_NEWCGROUP, EPERM),
	    CLONE("a sibling", CLONE_PARENT, EPERM),
	    CLONE("one that is traced as we are", CLONE_PTRACE, EPERM),
	    CLONE("one that cannot be traced", CLONE_UNTRACED, EPERM),
	    {"clone3", SYS_clone3, {0, 0}, ALL(ENOSYS)},
	    {"unshare", SYS_unshare, {CLONE_NEWUSER}, ALL(EPERM)},
	    {"setns", SYS_setns, {MINUS_ONE, 0}, ALL(EPERM)},
	    {"ptrace", SYS_ptrace, {PTRACE_TRACEME}, ALL(EPERM)},
	    {"execveat of a descriptor", SYS_execveat, {MINUS_ONE, LONG(""), 0, 0, AT_EMPTY_PATH},
		ALL(EPERM)},
	    {"execveat of a name", SYS_execveat, {AT, LONG("/nonexistent"), 0, 0, 0}, ALL(ENOENT)},
	    {"memfd_create", SYS_memfd_create, {LONG("x"), 0}, ALL(ENOSYS)},
	    {"x32", X32 | SYS_getpid, {0}, ALL(-SIGSYS)},
	};

	assert_attempts(exe_of(state), attempts, COUNT(attempts));
}

static void
others(void **state)
{
	static const struct attempt attempts[] = {
	    {"its own limits", SYS_prlimit64, {0, 999}, ALL(EINVAL)},
	    {"another's limits", SYS_prlimit64, {1, RLIMIT_NOFILE}, ALL(EPERM)},
	    {"another's, high bits", SYS_prlimit64, {HIGH_BIT, RLIMIT_NOFILE}, ALL(EPERM)},
	    {"its own priority", SYS_setpriority, {PRIO_PROCESS, 0, 19}, ALL(0)},
	    {"another's priority", SYS_setpriority, {PRIO_PROCESS, 1, 19}, ALL(EPERM)},
	    {"its group's priority", SYS_setpriority, {PRIO_PGRP, 0, 19}, ALL(EPERM)},
	    {"its user's priority", SYS_setpriority, {PRIO_USER, 0, 19}, ALL(EPERM)},
	    {"its own processors", SYS_sched_setaffinity, {0, 0, 0}, ALL(EINVAL)},
	    {"another's processors", SYS_sched_setaffinity, {1, 0, 0}, ALL(EPERM)},
	    {"its own policy", SYS_sched_setscheduler, {0, 99, 0}, ALL(EINVAL)},
	    {"another's policy", SYS_sched_setscheduler, {1, 99, 0}, ALL(EPERM)},
	    {"another's parameters", SYS_sched_setparam, {1, 0}, ALL(EPERM)},
	    {"another's attributes", SYS_sched_setattr, {1, 0, 0}, ALL(EPERM)},
	    {"its own I/O priority", SYS_ioprio_set, {1, 0, 0xffff}, ALL(EINVAL)},
	    {"another's I/O priority", SYS_ioprio_set, {1, 1, 0}, ALL(EPERM)},
	    {"its group's I/O priority", SYS_ioprio_set, {2, 0, 0xffff}, ALL(EPERM)},
	    {"its user's I/O priority", SYS_ioprio_set, {3, 0, 0xffff}, ALL(EPERM)},
	    {"another's memory, reading", SYS_process_vm_readv, {1}, ALL(EPERM)},
	    {"another's memory, writing", SYS_process_vm_writev, {1}, ALL(EPERM)},
	    {"another's descriptors", SYS_pidfd_getfd, {MINUS_ONE, 0, 0}, ALL(EPERM)},
	    {"typing", SYS_ioctl, {MINUS_ONE, TIOCSTI}, ALL(EPERM)},
	    {"typing, high bits", SYS_ioctl, {MINUS_ONE, TIOCSTI | HIGH_BIT}, ALL(EPERM)},
	    {"typing, all high bits", SYS_ioctl, {MINUS_ONE, TIOCSTI | ~0xfffffffful}, ALL(EPERM)},
	    {"the console", SYS_ioctl, {MINUS_ONE, TIOCLINUX}, ALL(EPERM)},
	    {"the console, high bits", SYS_ioctl, {MINUS_ONE, TIOCLINUX | HIGH_BIT}, ALL(EPERM)},
	    {"another ioctl", SYS_ioctl, {MINUS_ONE, TIOCGWINSZ}, ALL(EBADF)},
	};

	assert_attempts(exe_of(state), attempts, COUNT(attempts));
}

/* ---- files ---- */

#define OPENS(what, flags, mode, error)                                                     \
	{what " by open", SYS_open, {0, LONG(flags), LONG(mode)}, ALL(error)},              \
	{                                                                                   \
		what " by openat", SYS_openat, {AT, 0, LONG(flags), LONG(mode)}, ALL(error) \
	}

static void
set_id(void **state)
{
	static const struct attempt attempts[] = {
	    {"chmod", SYS_chmod, {0, 0755}, ALL(EFAULT)},
	    {"chmod of a sticky directory", SYS_chmod, {0, 01777}, ALL(EFAULT)},
	    {"chmod u+s", SYS_chmod, {0, 04755}, ALL(EPERM)},
	    {"chmod g+s", SYS_chmod, {0, 02755}, ALL(EPERM)},
	    {"chmod u+s, high bits", SYS_chmod, {0, 04755 | HIGH_BIT}, ALL(EPERM)},
	    {"fchmod u+s", SYS_fchmod, {MINUS_ONE, 04755}, ALL(EPERM)},
	    {"fchmodat g+s", SYS_fchmodat, {AT, 0, 02755}, ALL(EPERM)},
	    {"fchmodat", SYS_fchmodat, {AT, 0, 0755}, ALL(EFAULT)},
	    {"fchmodat2", 452, {AT, 0, 04755, 0}, ALL(ENOSYS)},
	    {"creat", SYS_creat, {0, 0755}, ALL(EFAULT)},
	    {"creat u+s", SYS_creat, {0, 04755}, ALL(EPERM)},
	    {"mknod u+s", SYS_mknod, {0, S_IFREG | 04755, 0}, ALL(EPERM)},
	    {"mknodat g+s", SYS_mknodat, {AT, 0, S_IFREG | 02755, 0}, ALL(EPERM)},
	    {"mknodat of a pipe", SYS_mknodat, {AT, 0, S_IFIFO | 0644, 0}, ALL(EFAULT)},
	    OPENS("a new file", O_WRONLY | O_CREAT, 0755, EFAULT),
	    OPENS("a new set-id file", O_WRONLY | O_CREAT, SETID, EPERM),
	    OPENS("a new set-uid file", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 04755, EPERM),
	    OPENS("a new set-gid file", O_RDWR | O_CREAT, 02755, EPERM),
	    OPENS("an old file with garbage for a mode", O_RDONLY, 0xffffffff, EFAULT),
	    OPENS("an old file with a set-id mode", O_RDWR | O_TRUNC, SETID, EFAULT),
	    OPENS("a file without a name", O_RDWR | O_TMPFILE, 0600, EFAULT),
	    OPENS("a set-id file without a name", O_RDWR | O_TMPFILE, SETID, EPERM),
	    OPENS("a set-uid file without a name", O_RDWR | O_TMPFILE, 04755, EPERM),
	    OPENS("a directory with a set-id mode", O_RDONLY | O_DIRECTORY, SETID, EFAULT),
	    {"openat2", SYS_openat2, {AT, 0, 0, 0}, ALL(ENOSYS)},
	};

	assert_attempts(exe_of(state), attempts, COUNT(attempts));
}

/* ---- the table of names ---- */

static long
number_of(const char *name)
{
	return seccomp_syscall_resolve_name(name);
}

static void
refused_names(void **state)
{
	struct attempt a = {
	    .arg = {MINUS_ONE, MINUS_ONE, MINUS_ONE, MINUS_ONE, MINUS_ONE, MINUS_ONE},
	    .due = ALL(EPERM)};
	const struct filter_row *rows;
	size_t count, seen = 0;

	rows = profile_calls(&count);
	for (size_t i = 0; i < count; i++) {
		assert_true(rows[i].why != NULL && rows[i].why[0] != '\0');
		a.what = rows[i].call;
		a.call = number_of(rows[i].call);
		if (rows[i].verdict == FILTER_ALLOW || a.call < 0)
			continue;
		assert_attempts(exe_of(state), &a, 1);
		seen++;
	}
	assert_true(seen > 80);
}

static void
unlisted_in_child(void *arg)
{
	const struct filters *f = arg;
	const struct filter_row *rows;
	bool listed[CALLS_KNOWN] = {[URETPROBE] = true, [UPROBE] = true};
	size_t count;

	rows = profile_calls(&count);
	for (size_t i = 0; i < count; i++) {
		long number = number_of(rows[i].call);

		if (number >= 0 && number < CALLS_KNOWN)
			listed[number] = true;
	}
	load(f, NETWORK_NONE);
	for (long call = 0; call < CALLS_KNOWN; call++) {
		if (listed[call])
			continue;
		if (syscall(call, -1, -1, -1, -1, -1, -1) != -1 || errno != ENOSYS) {
			dprintf(STDERR_FILENO, "call %ld: %d\n", call, errno);
			_exit(1);
		}
	}
}

static void
unlisted_names(void **state)
{
	char said[TEST_SAID_BYTES];
	int status = in_child(unlisted_in_child, &exe_of(state)->filters, said);

	assert_string_equal(said, "");
	assert_int_equal(status, 0);
}

static void
each_once(void **state)
{
	const struct filter_row *rows;
	size_t count;

	(void)state;
	rows = profile_calls(&count);
	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(rows[i].call, rows[j].call);
}

static void
reasons(void **state)
{
	const struct filter_row *rows;
	size_t count;

	(void)state;
	for (int p = 0; p < NETWORK_END; p++) {
		rows = profile_arguments((enum network)p, &count);
		for (size_t i = 0; i < count; i++) {
			assert_int_equal(rows[i].verdict, FILTER_REFUSE);
			assert_in_range(rows[i].error, 1, ERRNO_MAX);
			assert_true(rows[i].why != NULL && rows[i].why[0] != '\0');
		}
	}
}

/* ---- programs ---- */

struct program {
	const struct filters *filters;
	const char *directory, *script;
	enum network network;
};

static void
program_in_child(void *arg)
{
	const struct program *p = arg;

	if (chdir(p->directory) == -1 || dup2(STDERR_FILENO, STDOUT_FILENO) == -1)
		_exit(LOADED_NOT);
	load(p->filters, p->network);
	execl("/bin/sh", "sh", "-euc", p->script, NULL);
	_exit(LOADED_NOT);
}

static void
assert_works(void **state, enum network network, const char *script)
{
	struct exe *e = exe_of(state);
	struct program p = {&e->filters, e->conf.repo, script, network};
	char said[TEST_SAID_BYTES];
	int status = in_child(program_in_child, &p, said);

	if (status != 0)
		fail_msg("status %d: %s", status, said);
}

static void
works_shell(void **state)
{
	assert_works(state, NETWORK_NONE,
	    "echo one > a; cp -p a b; mv b c; ln -s c d; cat d | tr a-z A-Z | sort > e; "
	    "chmod 755 e; mkdir -p x/y; find . -type f -exec sha256sum {} + > sums; rm -rf x; "
	    "tar cf t.tar a c; gzip t.tar; gunzip -c t.tar.gz | tar tf -; (sleep 0.01 & wait); "
	    "install -D -m 755 a bin/a; test \"$(cat e)\" = ONE; nice true; timeout 5 true");
}

static void
works_python(void **state)
{
	assert_works(state, NETWORK_NONE,
	    "cat > t.py <<'END'\n"
	    "import asyncio, concurrent.futures, os, sqlite3, subprocess, sys, tempfile, "
	    "threading\n"
	    "with concurrent.futures.ThreadPoolExecutor(4) as pool:\n"
	    "    assert sum(pool.map(lambda n: n * n, range(100))) == 328350\n"
	    "assert subprocess.run(['echo', 'x'], capture_output=True).stdout == b'x\\n'\n"
	    "assert subprocess.run('exit 3', shell=True).returncode == 3\n"
	    "db = sqlite3.connect('db')\n"
	    "db.execute('PRAGMA journal_mode = WAL')\n"
	    "db.execute('CREATE TABLE t (n INTEGER)')\n"
	    "db.executemany('INSERT INTO t VALUES (?)', [(n,) for n in range(1000)])\n"
	    "db.commit()\n"
	    "assert db.execute('SELECT sum(n) FROM t').fetchone() == (499500,)\n"
	    "async def two():\n"
	    "    p = await asyncio.create_subprocess_exec('true')\n"
	    "    return await p.wait()\n"
	    "assert asyncio.run(two()) == 0\n"
	    "with tempfile.TemporaryDirectory() as d:\n"
	    "    open(os.path.join(d, 'f'), 'w').close()\n"
	    "END\n"
	    "TMPDIR=. /usr/bin/python3 -I t.py");
}

static void
works_git(void **state)
{
	assert_works(state, NETWORK_NONE,
	    "export HOME=$PWD GIT_CONFIG_NOSYSTEM=1 LC_ALL=C; git init -q -b main r; cd r; "
	    "git config user.name T; git config user.email t@example.invalid; "
	    "seq 1000 > a; git add a; git commit -q -m one; git tag v1.0.0; echo x >> a; "
	    "git commit -q -a -m two; git gc -q; git checkout -q --detach v1.0.0; cd ..; "
	    "git clone -q r s; cd s; git fetch -q --tags; git merge -q --ff-only origin/main; "
	    "git fsck; test \"$(git describe --tags --abbrev=0)\" = v1.0.0");
}

static void
works_make(void **state)
{
	assert_works(state, NETWORK_NONE,
	    "for i in 1 2 3 4; do echo \"int f$i(void) { return $i; }\" > f$i.c; done; "
	    "echo 'int f1(void), f2(void); int main(void) { return f1() + f2() - 3; }' > main.c; "
	    "printf 'CFLAGS = -O2 -g -pipe\\nprogram: main.o f1.o f2.o f3.o f4.o\\n"
	    "\\t$(CC) -o $@ $^\\n' > Makefile; TMPDIR=. make -s -j4; ./program");
}

static void
works_network(void **state)
{
	static const char script[] = "cat > n.py <<'END'\n"
				     "import socket\n"
				     "s = socket.socket()\n"
				     "s.settimeout(5)\n"
				     "try:\n"
				     "    s.connect(('127.0.0.1', 1))\n"
				     "except ConnectionRefusedError:\n"
				     "    pass\n"
				     "socket.getaddrinfo('localhost', 80)\n"
				     "END\n"
				     "/usr/bin/python3 -I n.py";

	assert_works(state, NETWORK_REMOTE, script);
	assert_works(state, NETWORK_OPEN, script);
}

static void
works_server(void **state)
{
	assert_works(state, NETWORK_OPEN,
	    "cat > s.py <<'END'\n"
	    "import socket\n"
	    "for family, at in ((socket.AF_INET, ('127.0.0.1', 0)), (socket.AF_UNIX, 's')):\n"
	    "    s = socket.socket(family)\n"
	    "    s.bind(at)\n"
	    "    s.listen()\n"
	    "    c = socket.socket(family)\n"
	    "    c.connect(s.getsockname())\n"
	    "    s.accept()[0].sendall(b'x')\n"
	    "    assert c.recv(1) == b'x'\n"
	    "END\n"
	    "/usr/bin/python3 -I s.py");
}

#define PROFILE_TEST(title, function)                            \
	{                                                        \
		title, function, profile_make, profile_end, NULL \
	}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    PROFILE_TEST("each network has its families of sockets and no other", families),
	    PROFILE_TEST("TCP is spoken, in an open step also UDP, and nothing else", types),
	    PROFILE_TEST("every other protocol number is refused", protocols),
	    PROFILE_TEST("a socket comes by no side door, and a fetch is not called", socket_calls),
	    PROFILE_TEST("no namespace, no sibling, no tracing, no nameless program", processes),
	    PROFILE_TEST("no step steers another process, or types into a terminal", others),
	    PROFILE_TEST("nobody makes a set-id program", set_id),
	    PROFILE_TEST("every call that the table refuses gets EPERM", refused_names),
	    PROFILE_TEST("every call that the table does not name gets ENOSYS", unlisted_names),
	    PROFILE_TEST("the table names each call once", each_once),
	    PROFILE_TEST("the tables of arguments refuse only, each row with its reason", reasons),
	    PROFILE_TEST("a shell and its tools work", works_shell),
	    PROFILE_TEST("python works: threads, programs, a database", works_python),
	    PROFILE_TEST("git works", works_git),
	    PROFILE_TEST("make and gcc work", works_make),
	    PROFILE_TEST("a fetch can connect and resolve names", works_network),
	    PROFILE_TEST("an open step can serve", works_server),
	};

	return cmocka_run_group_tests_name("profile", tests, NULL, NULL);
}
