/*
 * escape.h - attempts to leave the confinement: what one is, and the stage it is tried on.
 *
 * room: tests. attempts*.c try, rows.c says what must come of it, stage.c builds what is attacked,
 *	judge.c compares; test_step.c and test_monitor.c run them behind the real seals.
 * distrusts: each layer alone: all of them are taken off in turn, to see what is left.
 */
#ifndef ESCAPE_H
#define ESCAPE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Who tries. X(symbol, name, what has gone wrong there) */
#define ESCAPE_WHO(X)                                                          \
	X(MONITOR, "monitor", "a compromised monitor")                         \
	X(MIGRATE, "migrate", "a hostile migration")                           \
	X(INSTALL, "install", "a hostile Makefile")                            \
	X(LOOK, "look", "git, taken over by the content of the checkout")      \
	X(CHECKOUT, "checkout", "git, taken over by the content of a version") \
	X(VERIFY, "verify", "git or gpg, taken over by a signature")           \
	X(FETCH, "fetch", "git, taken over by the remote")                     \
	X(OPEN, "migrate+net", "a hostile migration, with migrate_network = yes")

#define ESCAPE_ENUM_WHO(symbol, name, what) WHO_##symbol,
enum who { ESCAPE_WHO(ESCAPE_ENUM_WHO) WHO_END };

/* The layers, one letter each. X(symbol, letter, name) */
#define ESCAPE_LAYERS(X)                                \
	X(USERS, 'U', "two users")                      \
	X(PRIVS, 'N', "no_new_privs")                   \
	X(CALLS, 'S', "seccomp")                        \
	X(FILES, 'F', "Landlock: files")                \
	X(PORTS, 'T', "Landlock: TCP ports")            \
	X(SCOPE, 'C', "Landlock: scopes")               \
	X(DOMAIN, 'D', "any Landlock domain")           \
	X(LIMITS, 'L', "resource limits")               \
	X(DUMPABLE, 'd', "dumpable 0")                  \
	X(CLOEXEC, 'X', "descriptors closed at execve") \
	X(TREE, 'P', "the end of a step's whole tree")

#define ESCAPE_ENUM_LAYER(symbol, letter, name) ESC_##symbol,
enum escape_layer { ESCAPE_LAYERS(ESCAPE_ENUM_LAYER) ESC_END };
#define ESC_BIT(layer) (1u << (layer))
#define ESC_ALL        (ESC_BIT(ESC_END) - 1)

/* The deploy user, where we are root: a number that nobody has; it needs no name. */
#define DEPLOY_UID 61101

/* Processes that are attacked. */
enum victim { THE_MONITOR, THE_DAEMON, THE_NEIGHBOR, THE_EXECUTOR, VICTIM_END };

/* Files and directories that are attacked, below the stage's root. X(symbol, path, kind, owner) */
#define ESCAPE_SPOTS(X)                                        \
	X(REPO, "repo", DIR, DEPLOY)                           \
	X(MAKEFILE, "repo/Makefile", FILE, DEPLOY)             \
	X(PROGRAM, "repo/program", PROGRAM, DEPLOY)            \
	X(GITDIR, "repo/.git", DIR, DEPLOY)                    \
	X(CONFIG, "repo/.git/config", FILE, DEPLOY)            \
	X(HEAD, "repo/.git/HEAD", FILE, DEPLOY)                \
	X(LOCK, "repo/.git/moult.lock", FILE, DEPLOY)          \
	X(HOOKS, "repo/.git/hooks", DIR, DEPLOY)               \
	X(OBJECTS, "repo/.git/objects", DIR, DEPLOY)           \
	X(REFS, "repo/.git/refs", DIR, DEPLOY)                 \
	X(LOGS, "repo/.git/logs", DIR, DEPLOY)                 \
	X(STATE, "state", DIR, DEPLOY)                         \
	X(JOURNAL, "state/journal", FILE, DEPLOY)              \
	X(HISTORY, "state/history.jsonl", FILE, DEPLOY)        \
	X(APPLIED, "state/migration_state.json", FILE, DEPLOY) \
	X(STATE_LOG, "state/log", DIR, DEPLOY)                 \
	X(OLD_LOG, "state/log/old.log", FILE, DEPLOY)          \
	X(STATE_GIT, "state/git", DIR, DEPLOY)                 \
	X(STATE_CONFIG, "state/git/config", FILE, DEPLOY)      \
	X(TMP, "state/tmp", DIR, DEPLOY)                       \
	X(STATUS_DIR, "state/monitor", DIR, MONITOR)           \
	X(STATUS, "state/monitor/status.json", FILE, MONITOR)  \
	X(SIGNAL_DIR, "signal", DIR, DEPLOY)                   \
	X(SIGNAL, "signal/update.json", FILE, ROOT)            \
	X(CONF, "moult.conf", FILE, ROOT)                      \
	X(KEYS, "keys", DIR, ROOT)                             \
	X(DEPLOY_KEY, "keys/deploy", SECRET, DEPLOY)           \
	X(KNOWN_HOSTS, "keys/known_hosts", FILE, DEPLOY)       \
	X(SIGNERS, "keys/allowed_signers", FILE, ROOT)         \
	X(PASSWORD, "keys/redis-password", SECRET, ROOT)       \
	X(HOME, "home", DIR, DEPLOY)                           \
	X(PROFILE, "home/.profile", FILE, DEPLOY)              \
	X(USER_KEY, "home/id_ed25519", SECRET, DEPLOY)         \
	X(SHADOW, "shadow", SECRET, ROOT)                      \
	X(ELSEWHERE, "elsewhere", DIR, DEPLOY)                 \
	X(REMOTE, "remote", DIR, DEPLOY)

#define ESCAPE_ENUM_SPOT(symbol, path, kind, owner) SPOT_##symbol,
enum spot { ESCAPE_SPOTS(ESCAPE_ENUM_SPOT) SPOT_END };

/* Places of the machine itself. X(symbol, path) */
#define ESCAPE_MACHINE(X)                        \
	X(SHADOW, "/etc/shadow")                 \
	X(PASSWD, "/etc/passwd")                 \
	X(CRON, "/etc/cron.d")                   \
	X(TMP, "/tmp")                           \
	X(VAR_TMP, "/var/tmp")                   \
	X(SHM, "/dev/shm")                       \
	X(INIT, "/proc/1/environ")               \
	X(KCORE, "/proc/kcore")                  \
	X(MOUNTS, "/proc/self/mountinfo")        \
	X(TCP, "/proc/net/tcp")                  \
	X(CORE, "/proc/sys/kernel/core_pattern") \
	X(SYSRQ, "/proc/sysrq-trigger")          \
	X(POWER, "/sys/power/state")             \
	X(CGROUP, "/sys/fs/cgroup/cgroup.procs") \
	X(KMSG, "/dev/kmsg")                     \
	X(MEM, "/dev/mem")                       \
	X(KVM, "/dev/kvm")                       \
	X(FUSE, "/dev/fuse")                     \
	X(PTMX, "/dev/ptmx")

#define ESCAPE_ENUM_MACHINE(symbol, path) MACHINE_##symbol,
enum machine { ESCAPE_MACHINE(ESCAPE_ENUM_MACHINE) MACHINE_END };

/* Ports, for attempts that reach either. */
enum { PORT_REDIS, PORT_REMOTE };

#define STAGE_PATH_MAX 192

/* What is attacked, as an attempt finds it. A program that is executed reads it from a file. */
struct stage {
	char root[STAGE_PATH_MAX];
	char path[SPOT_END][STAGE_PATH_MAX];
	pid_t pid[VICTIM_END];
	uint64_t address; /* of STAGE_WORD in the monitor and the neighbor */
	int borrowed_fd;  /* a descriptor of each of them worth stealing */
	int watch_fd;     /* the monitor's own inotify(7); -1 for all others */
	uid_t deploy_uid, monitor_uid;
	gid_t deploy_gid, monitor_gid;
	/* Redis, and the remote at two addresses */
	uint16_t redis_port, redis_udp_port, remote_port;
	char redis_path[STAGE_PATH_MAX], redis_datagrams[STAGE_PATH_MAX];
	char redis_abstract[64]; /* without the leading NUL */
	/* where this one may write: TMPDIR, or for git another place; "" nowhere */
	char own_dir[STAGE_PATH_MAX];
	char mark[64]; /* MOULT_ESCAPE=..., in the environment of all that is started */
};
#define STAGE_WORD 0x6d6f756c74

/* What came of it: 0 it worked, an errno, or one of these. */
#define CAME_SIGNAL(n) (-(n)) /* the signal that ended it */
#define CAME_NOTHING   1000   /* the calls passed, and nothing of it was found outside */
#define CAME_ABSENT    1001   /* this machine has nothing to try it on */
#define CAME_BROKEN    1002   /* the attempt itself failed */
#define CAME_UNTRIED   1003   /* it would reach what is not ours */
/* As exit statuses of a process, which have 8 bits. */
#define EXIT_NOTHING 250
#define EXIT_ABSENT  251
#define EXIT_BROKEN  252
#define EXIT_MAX     200 /* of an errno */

struct row;
typedef int attempt(const struct stage *s, const struct row *r);

struct row {
	enum who who;
	const char *does;   /* a sentence without its subject */
	attempt *try;       /* async-signal-safe: 0, an errno, or CAME_x */
	long at;            /* a victim, a spot, a call's number, a limit */
	int one, two;       /* what comes of it, with one user and with two; 0: open */
	const char *layers; /* each of which stops it alone; K: any user but root is refused */
	const char *open;   /* why it may stay open; NULL: it may not */
	/* Whether it happened after all, seen from outside; NULL: the attempt knows. */
	bool (*happened)(const struct stage *s);
	const char
	    *unsafe; /* not tried where none of these layers is on: it would reach strangers */
	long arg[6]; /* of a call that is only to be let through */
	int passed;  /* the error by which the kernel itself then refuses it */
};

extern const struct row rows[];
size_t rows_count(void);
const char *who_name(enum who who);
const char *who_words(enum who who);

/* helpers that attempts*.c share: -1 becomes the errno */
#define CAME(call) ((call) == -1 ? errno : 0)
/* Runs a program in a child: its exit status, CAME_SIGNAL, or the errno of execve(2) at *error. */
int run_program(const char *path, char *const argv[], char *const envp[], int *error);
/* The name of a new file in own_dir; NULL when there is no such directory. */
const char *own_name(const struct stage *s, char path[STAGE_PATH_MAX + 32], const char *name);
/* A file of our own with text in it. 0, or an errno. */
int own_file(const char *path, const void *data, size_t len, mode_t mode);

/* attempts_*.c */
attempt try_send_kill, try_send_kill_group, try_send_kill_all, try_send_tkill, try_send_tgkill,
    try_send_queue, try_send_tgqueue, try_send_pidfd, try_send_by_owner, try_trace_seize,
    try_trace_attach, try_memory_read, try_memory_write, try_memory_advise, try_descriptor_take,
    try_compare, try_proc_memory, try_proc_environment, try_proc_maps, try_proc_descriptors,
    try_proc_root, try_proc_cwd, try_proc_command, try_proc_oom, try_proc_exists, try_proc_status,
    try_namespace_join, try_wait_for, try_limits_change, try_nice_process, try_nice_group,
    try_nice_user, try_affinity, try_scheduler, try_scheduler_param, try_scheduler_attr,
    try_io_priority, try_pages_move, try_pages_migrate, try_clone_flag, try_clone3_flag,
    try_unshare_flag, try_survive_session, try_survive_subreaper, try_survive_chain,
    try_survive_bomb, try_limit_processes, try_limit_core, try_privileges_again, try_user_monitor,
    try_user_root, try_groups_drop, try_setuid_program, try_file_write, try_file_truncate,
    try_file_replace, try_file_remove, try_file_exchange, try_file_link, try_file_symlink,
    try_file_reopen, try_file_openat2, try_file_handle, try_file_by_handle, try_file_read,
    try_file_chmod, try_file_utimes, try_file_xattr, try_file_xattr_new, try_file_chown,
    try_file_stat, try_file_watch, try_file_flock, try_file_lease, try_file_dup_path,
    try_file_own_domain, try_file_chdir, try_file_empty, try_file_unlinkat, try_file_renameat,
    try_dir_create, try_dir_tmpfile, try_dir_list, try_dir_rename_away, try_dir_rename_in,
    try_dir_socket, try_path_read, try_path_write, try_path_create, try_exec_spot, try_exec_own,
    try_exec_own_by_loader, try_exec_memfd, try_exec_empty_path, try_exec_mapped, try_setid_chmod,
    try_setid_fchmod, try_setid_fchmodat, try_setid_fchmodat2, try_setid_open, try_setid_creat,
    try_setid_mknod, try_setid_tmpfile, try_device_make, try_descriptors_leaked, try_lock_release,
    try_lock_write, try_log_reread, try_tcp_redis, try_tcp_redis_v6, try_tcp_redis_mptcp,
    try_tcp_redis_fastopen, try_tcp_redis_fastopen_option, try_tcp_redis_sendmsg_fastopen,
    try_tcp_redis_async, try_tcp_remote_elsewhere, try_udp_redis, try_udp_dns, try_unix_redis,
    try_unix_redis_abstract, try_unix_redis_pair, try_unix_pair_raw, try_listen_unbound,
    try_listen_bound, try_bind_udp, try_socket_raw, try_socket_icmp, try_socket_packet,
    try_socket_netlink, try_socket_vsock, try_socket_sctp, try_socket_sctp_default, try_socket_alg,
    try_socket_type_high, try_filter_over, try_tiocsti, try_tiocsti_high, try_tioclinux,
    try_tioclinux_high, try_call, try_call_x32, try_call_int80, try_keyring, try_shm, try_sem,
    try_msg, try_mqueue, try_perf, try_uring, try_kernel_log, try_memory_exec, try_memory_make_exec,
    try_fork_plain, try_exec_shell, try_descriptor_pass, try_refused_often;

/* Where a survivor shows itself: it holds a lock on this file in TMPDIR. */
#define SURVIVOR_NAME "survivor"
bool survivor_lives(const struct stage *s);
bool victim_was_signaled(const struct stage *s);
bool lock_is_free(const struct stage *s);

/* Which layers are on, and for whom. */
struct set {
	char name[24]; /* "all", "none", "all but S", "S alone" */
	bool two;
	bool root; /* of the two, deploy_user is root: as little as that leaves */
	uint32_t on;
};

/* ---- stage.c: builds what is attacked, and mends it after each attempt ---- */

struct stage *stage_open(const struct set *set);
void stage_mend(struct stage *s);
void stage_close(struct stage *s);
/* What this one may write: s->own_dir. */
void stage_set_who(struct stage *s, enum who who);
/* For a program that is executed. */
#define STAGE_FILE "repo/.stage"

/* ---- judge.c: which layers are on, and whether what came is what the row says ---- */

#define SETS_MAX 48
/* Those that can be run here: two users take root. Not the whole: without those of one layer alone,
 * and without one in one layout only. */
size_t sets_make(struct set sets[SETS_MAX], bool whole);
/* 1 << ESC_x of layers that this kernel lacks. */
uint32_t layers_missing(void);

struct results {
	int came[SETS_MAX][512];
};
#define CAME_UNKNOWN 2000 /* not tried yet */

/* Tries all rows that are chosen, on one set: fills came. */
typedef void runner(const struct set *set, int came[]);

/* What both programs are: runs each set in a process of its own, compares, prints. With --table all
 * sets, and what came of each row on each of them. */
int escape_main(int argc, char *argv[], bool (*chosen)(const struct row *), runner *run);

/* ---- layers.c: linked in place of what a layer is made of (ld --wrap) ---- */

/* From here on these layers are kept off, of those that the product puts on. */
void layers_off(uint32_t on);
/* The attempt itself is not meddled with. */
void layers_done(void);

int came_of_exit(bool exited, int status);
int exit_of_came(int came);

#endif
