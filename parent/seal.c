/*
 * seal.c - giving up power: limits, no_new_privs, and the list of what is left.
 *
 * room: monitor; the one file with its filter.
 * distrusts: this very process, once it reads input.
 *
 * Two programs. The second allows calls by name and kills for every other; the first, which is
 * loaded before it, kills for arguments that no work of ours has. The strictest verdict wins.
 */
#include "monitor.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "filter.h"
#include "log.h"

#define SEAL_FILES      32
#define SEAL_FILE_BYTES (1 << 20)
#define SEAL_DATA_BYTES (64 << 20)

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

#if defined(__SANITIZE_ADDRESS__)
#define SEAL_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SEAL_SANITIZED 1
#endif
#endif
#ifndef SEAL_SANITIZED
#define SEAL_SANITIZED 0
#endif

#define ALLOW(name, reason)                                                                     \
	{                                                                                       \
		.call = (name), .verdict = FILTER_ALLOW, .test = FILTER_ALWAYS, .why = (reason) \
	}
#define ALLOW_IF(name, number, is, reason)                                                        \
	{                                                                                         \
		.call = (name), .verdict = FILTER_ALLOW, .test = FILTER_EQ, .argument = (number), \
		.value = (is), .why = (reason)                                                    \
	}
#define KILL_IF(name, number, bits, is, reason)                                      \
	{                                                                            \
		.call = (name), .verdict = FILTER_KILL, .test = FILTER_MASKED_EQ,    \
		.argument = (number), .mask = (bits), .value = (is), .why = (reason) \
	}
#define KILL_ABOVE(name, number, is, reason)                                                     \
	{                                                                                        \
		.call = (name), .verdict = FILTER_KILL, .test = FILTER_GT, .argument = (number), \
		.value = (is), .why = (reason)                                                   \
	}

/* clang-format off */
static const struct filter_row calls[] = {
	ALLOW("ppoll", "the loop"),
	ALLOW("read", "files, signalfd, inotify, Redis"),
	ALLOW("write", "the log, status.json, Redis, libmoult's pipe"),
	ALLOW("close", "files and connections"),
	ALLOW("lseek", "file_identify() reads from the start"),
	ALLOW("openat", "the signal, status.json"),
	ALLOW("fstat", "the signal's kind and owner"),
	ALLOW("newfstatat", "the same, and how libc spells fstat"),
	ALLOW("statx", "the signal's identity"),
	ALLOW("renameat", "status.json takes its name"),
	ALLOW("unlinkat", "an aside of status.json that a crash left"),
	ALLOW("inotify_add_watch", "the signal's directory came back"),
	ALLOW("inotify_rm_watch", "it went"),
	ALLOW("statfs", "is it on a file system without events"),
	ALLOW("sendto", "requests to the executor"),
	ALLOW("recvmsg", "its reports"),
	ALLOW("wait4", "its exit status"),
	ALLOW("brk", "memory"),
	ALLOW("mmap", "memory; arguments below"),
	ALLOW("munmap", "memory"),
	ALLOW("mremap", "memory"),
	ALLOW("madvise", "memory that malloc gives back"),
	ALLOW("mprotect", "memory; arguments below"),
	ALLOW("clock_gettime", "the clock, where the vDSO has none"),
	ALLOW("gettimeofday", "the same"),
	ALLOW("getpid", "each line of the log"),
	ALLOW("gettid", "abort()"),
	ALLOW("rt_sigprocmask", "abort()"),
	ALLOW("rt_sigaction", "abort()"),
	ALLOW("rt_sigreturn", "the end of any signal handler"),
	ALLOW("restart_syscall", "a ppoll that was stopped and continued"),
	ALLOW("exit_group", "the end"),
};

/* Narrowed to our own process id when the filter is built. */
static const struct filter_row calls_on_itself[] = {
	ALLOW("tgkill", "abort()"),
};

static const struct filter_row calls_of_redis[] = {
	ALLOW("connect", "Redis"),
	ALLOW("getsockopt", "whether it connected"),
	ALLOW("setsockopt", "hiredis: no delay"),
	ALLOW("fcntl", "hiredis: a socket that does not block"),
};

static const struct filter_row sockets_tcp[] = {
	ALLOW_IF("socket", 0, AF_INET, "Redis by TCP"),
	ALLOW_IF("socket", 0, AF_INET6, "Redis by TCP"),
};

static const struct filter_row sockets_unix[] = {
	ALLOW_IF("socket", 0, AF_UNIX, "Redis by its own socket"),
};

static const struct filter_row sanitizer_calls[] = {
	ALLOW("sigaltstack", "sanitizers: at exit"),
	ALLOW("sched_yield", "sanitizers: their locks"),
	ALLOW("futex", "sanitizers: their locks"),
	ALLOW("readlink", "sanitizers: a report names the binary"),
	ALLOW("ioctl", "sanitizers: is stderr a terminal"),
};

#define SOCK_TYPE_BITS 0xf /* the rest are SOCK_CLOEXEC and SOCK_NONBLOCK */

static const struct filter_row arguments[] = {
	KILL_IF("mmap", 2, PROT_EXEC, PROT_EXEC, "no code is loaded any more"),
	KILL_IF("mprotect", 2, PROT_EXEC, PROT_EXEC, "no data becomes code"),
	KILL_IF("socket", 1, SOCK_TYPE_BITS, SOCK_DGRAM, "Redis is a stream"),
	KILL_IF("socket", 1, SOCK_TYPE_BITS, SOCK_RAW, "Redis is a stream"),
	KILL_IF("socket", 1, SOCK_TYPE_BITS, SOCK_RDM, "Redis is a stream"),
	KILL_IF("socket", 1, SOCK_TYPE_BITS, SOCK_SEQPACKET, "Redis is a stream"),
	KILL_ABOVE("socket", 2, IPPROTO_TCP, "not MPTCP, which walks round port rules"),
	KILL_IF("sendto", 3, MSG_FASTOPEN, MSG_FASTOPEN, "it connects without connect()"),
};
/* clang-format on */

void
mon_seal_walk(void (*see)(void *arg, const char *table, const struct filter_row *row), void *arg)
{
	static const struct {
		const char *name;
		const struct filter_row *rows;
		size_t count;
	} tables[] = {
	    {"always", calls, COUNT(calls)},
	    {"always, on itself alone", calls_on_itself, COUNT(calls_on_itself)},
	    {"with Redis", calls_of_redis, COUNT(calls_of_redis)},
	    {"with Redis by TCP", sockets_tcp, COUNT(sockets_tcp)},
	    {"with Redis by its own socket", sockets_unix, COUNT(sockets_unix)},
	    {"in builds with sanitizers", sanitizer_calls, COUNT(sanitizer_calls)},
	    {"never", arguments, COUNT(arguments)},
	};
	size_t i, j;

	for (i = 0; i < COUNT(tables); i++)
		for (j = 0; j < tables[i].count; j++)
			see(arg, tables[i].name, &tables[i].rows[j]);
}

/* Rows of the list that this configuration needs. */
#define ROWS_MAX                                                                              \
	(COUNT(calls) + COUNT(calls_on_itself) + COUNT(calls_of_redis) + COUNT(sockets_tcp) + \
	    COUNT(sockets_unix) + COUNT(sanitizer_calls))

static size_t
append(struct filter_row *all, size_t used, const struct filter_row *rows, size_t count)
{
	memcpy(all + used, rows, count * sizeof(*rows)); /* ROWS_MAX is the sum of the tables */
	return used + count;
}

static size_t
gather(const struct mon *m, struct filter_row all[ROWS_MAX])
{
	size_t i, n;

	n = append(all, 0, calls_on_itself, COUNT(calls_on_itself));
	for (i = 0; i < n; i++) {
		all[i].test = FILTER_EQ;
		all[i].value = (uint64_t)getpid();
	}
	n = append(all, n, calls, COUNT(calls));
	if (m->conf.redis != CONF_REDIS_NONE)
		n = append(all, n, calls_of_redis, COUNT(calls_of_redis));
	if (m->conf.redis == CONF_REDIS_TCP)
		n = append(all, n, sockets_tcp, COUNT(sockets_tcp));
	if (m->conf.redis == CONF_REDIS_UNIX)
		n = append(all, n, sockets_unix, COUNT(sockets_unix));
	if (SEAL_SANITIZED)
		n = append(all, n, sanitizer_calls, COUNT(sanitizer_calls));
	return n;
}

static void
limit(__rlimit_resource_t resource, const char *name, rlim_t value)
{
	const struct rlimit rl = {.rlim_cur = value, .rlim_max = value};
	struct rlimit now;

	/* A limit that is narrower already stays: raising it may be forbidden. */
	if (getrlimit(resource, &now) == 0 && now.rlim_max <= value)
		return;
	if (setrlimit(resource, &rl) == -1)
		fatal("setrlimit %s", name);
}

static void
set_limits(void)
{
	struct stat st;

	limit(RLIMIT_CORE, "CORE", 0);
	limit(RLIMIT_NOFILE, "NOFILE", SEAL_FILES);
	limit(RLIMIT_NPROC, "NPROC", 0);
	/* The limit counts a file's offset, not our bytes: a long log file must stay writable. */
	if (fstat(STDERR_FILENO, &st) == -1 || !S_ISREG(st.st_mode))
		limit(RLIMIT_FSIZE, "FSIZE", SEAL_FILE_BYTES);
	if (!SEAL_SANITIZED)
		limit(RLIMIT_DATA, "DATA", SEAL_DATA_BYTES);
}

static void
load(const struct filter_row *rows, size_t count, enum filter_verdict otherwise)
{
	struct filter_program p;

	if (filter_build(&p, rows, count, otherwise, 0) == -1)
		fatal("the system call filter cannot be built");
	if (filter_load(&p) == -1)
		fatal("the system call filter cannot be loaded");
	filter_clear(&p);
}

/* Without any of its groups: what it reads is open to it by its user id, or to all. */
static void
become_user(const struct mon *m)
{
	const char *what;

	if (geteuid() == 0 && user_become(&m->user, 0, 0, &what) == -1)
		fatal("the monitor cannot become %s: %s", m->user.name, what);
	mon_check_access(m);
}

void
mon_seal(struct mon *m)
{
	struct filter_row all[ROWS_MAX];
	size_t count = gather(m, all);

	set_limits();
	become_user(m);
	/* Nobody of our own user may look into our memory, where the password of Redis is. */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == -1)
		fatal("PR_SET_DUMPABLE");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
		fatal("PR_SET_NO_NEW_PRIVS");
	mon_domain_enter(m);
	if ((m->status.missing & 1u << LAYER_SECCOMP) != 0)
		return; /* told by mon_domain_probe() */
	load(arguments, COUNT(arguments), FILTER_ALLOW);
	load(all, count, FILTER_KILL);
}
