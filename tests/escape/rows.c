/*
 * rows.c - the attempts: one row each, with what must come of it and which layers see to that.
 *
 * room: tests.
 * distrusts: the layers: each row names those that stop it alone, and each is taken off in turn.
 *
 * What may stay open says why; SECURITY.md explains the same.
 */
#include "escape.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <linux/sched.h>
#include <linux/userfaultfd.h>
#include <sched.h>
#include <signal.h>
#include <sys/fanotify.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/quota.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/timex.h>

#ifndef SYS_iopl
#define SYS_iopl       (-1)
#define SYS_ioperm     (-1)
#define SYS_modify_ldt (-1)
#endif
#ifndef SYS_memfd_secret
#define SYS_memfd_secret 447
#endif
#ifndef SYS_listmount
#define SYS_statmount 457
#define SYS_listmount 458
#endif

#define ROW(w, text, what, on, with_one, with_two, stopping) \
	{.who = WHO_##w,                                     \
	    .does = text,                                    \
	    .try = try_##what,                               \
	    .at = on,                                        \
	    .one = with_one,                                 \
	    .two = with_two,                                 \
	    .layers = stopping},
/* Further fields behind it. */
#define ROWX(w, text, what, on, with_one, with_two, stopping, ...) \
	{.who = WHO_##w,                                           \
	    .does = text,                                          \
	    .try = try_##what,                                     \
	    .at = on,                                              \
	    .one = with_one,                                       \
	    .two = with_two,                                       \
	    .layers = stopping,                                    \
	    __VA_ARGS__},
/* A call of the kernel that is refused before it does anything; error: what lets it through says.
 */
#define CALL(w, text, number, error, stopping, ...) \
	{.who = WHO_##w,                            \
	    .does = text,                           \
	    .try = try_call,                        \
	    .at = number,                           \
	    .one = EPERM,                           \
	    .two = EPERM,                           \
	    .layers = stopping,                     \
	    .passed = error,                        \
	    .arg = {__VA_ARGS__}},
#define TEXT(string) (long)(string)

#define WHY_PROBE \
	"that a process lives is no secret: Landlock guards neither stat(2) nor pidfd_open(2)"
#define WHY_STAT  "a file's size and times are no secret: Landlock does not guard stat(2)"
#define WHY_CHDIR "to stand in a directory gives no right in it"
#define WHY_OWNER \
	"with one user the file is its own; Landlock does not guard mode, times and attributes"
#define WHY_WATCH "inotify(7) tells when a file changes, not what it holds"
#define WHY_CODE                                                                                  \
	"whoever may run a loader or an interpreter may run any code it can read: EXECUTE is no " \
	"barrier to code, and nothing here relies on it"
#define WHY_PORT    "a port rule has no host: whoever listens at the remote's port is reached"
#define WHY_NETWORK "[sandbox] migrate_network = yes allows it"
#define WHY_TREE                                                                       \
	"it has to write the checkout, and Landlock cannot except a directory of it; " \
	"git never reads the configuration and the hooks there"
#define WHY_MODE                                                                           \
	"it owns the file, and Landlock does not guard modes: a key is safe from it in a " \
	"directory "                                                                       \
	"of root's that others may not enter"
#define WHY_LOCK "the lock is passed on so that it is held while anything of the step lives"

/* clang-format off */
const struct row rows[] = {
	/* ---- the processes around it ---- */
	ROW(MIGRATE, "signals the monitor: kill", send_kill, THE_MONITOR, EPERM, EPERM, "UC")
	ROW(MIGRATE, "signals the monitor: kill of its group", send_kill_group, THE_MONITOR, EPERM,
	    EPERM, "UC")
	ROWX(MIGRATE, "signals whomever it can: kill(-1)", send_kill_all, 0, CAME_NOTHING,
	    CAME_NOTHING, "C",
	    .happened = victim_was_signaled, .unsafe = "C")
	ROW(MIGRATE, "signals the monitor: tkill", send_tkill, THE_MONITOR, EPERM, EPERM, "UC")
	ROW(MIGRATE, "signals the monitor: tgkill", send_tgkill, THE_MONITOR, EPERM, EPERM, "UC")
	ROW(MIGRATE, "signals the monitor: sigqueue", send_queue, THE_MONITOR, EPERM, EPERM, "UC")
	ROW(MIGRATE, "signals the monitor: rt_tgsigqueueinfo", send_tgqueue, THE_MONITOR, EPERM,
	    EPERM, "UC")
	ROW(MIGRATE, "signals the monitor: pidfd_send_signal", send_pidfd, THE_MONITOR, EPERM,
	    EPERM, "UC")
	ROWX(MIGRATE, "signals the monitor: F_SETOWN of a pipe", send_by_owner, THE_MONITOR,
	    CAME_NOTHING,
	    CAME_NOTHING, "UC", .happened = victim_was_signaled)
	ROW(MIGRATE, "signals the executor: kill", send_kill, THE_EXECUTOR, EPERM, EPERM, "C")
	ROW(MIGRATE, "signals the executor: pidfd_send_signal", send_pidfd, THE_EXECUTOR, EPERM,
	    EPERM, "C")
	ROW(MIGRATE, "signals the daemon: kill", send_kill, THE_DAEMON, EPERM, EPERM, "UC")
	ROW(MIGRATE, "signals another process of its user: kill", send_kill, THE_NEIGHBOR, EPERM,
	    EPERM, "C")
	ROW(INSTALL, "signals the monitor: kill", send_kill, THE_MONITOR, EPERM, EPERM, "UC")
	ROW(INSTALL, "signals the executor: kill", send_kill, THE_EXECUTOR, EPERM, EPERM, "C")
	ROW(FETCH, "signals the monitor: kill", send_kill, THE_MONITOR, EPERM, EPERM, "UC")
	ROW(FETCH, "signals the executor: kill", send_kill, THE_EXECUTOR, EPERM, EPERM, "C")
	ROW(LOOK, "signals the executor: kill", send_kill, THE_EXECUTOR, EPERM, EPERM, "C")

	ROW(MIGRATE, "traces the monitor: PTRACE_SEIZE", trace_seize, THE_MONITOR, EPERM, EPERM,
	    "USDd")
	ROW(MIGRATE, "traces the monitor: PTRACE_ATTACH", trace_attach, THE_MONITOR, EPERM, EPERM,
	    "USDd")
	ROW(MIGRATE, "traces the executor: PTRACE_SEIZE", trace_seize, THE_EXECUTOR, EPERM, EPERM,
	    "SDd")
	ROW(MIGRATE, "traces another process of its user: PTRACE_SEIZE", trace_seize, THE_NEIGHBOR,
	    EPERM, EPERM, "SD")
	ROW(INSTALL, "traces the executor: PTRACE_SEIZE", trace_seize, THE_EXECUTOR, EPERM, EPERM,
	    "SDd")
	ROW(FETCH, "traces the executor: PTRACE_SEIZE", trace_seize, THE_EXECUTOR, EPERM, EPERM,
	    "SDd")
	ROW(CHECKOUT, "traces the executor: PTRACE_SEIZE", trace_seize, THE_EXECUTOR, EPERM, EPERM,
	    "SDd")
	ROW(MIGRATE, "reads the monitor's memory: process_vm_readv", memory_read, THE_MONITOR,
	    EPERM, EPERM, "USDd")
	ROW(MIGRATE, "writes the monitor's memory: process_vm_writev", memory_write, THE_MONITOR,
	    EPERM, EPERM, "USDd")
	ROW(MIGRATE, "reads the executor's memory: process_vm_readv", memory_read, THE_EXECUTOR,
	    EPERM, EPERM, "SDd")
	ROW(MIGRATE, "writes another process of its user: process_vm_writev", memory_write,
	    THE_NEIGHBOR, EPERM, EPERM, "SD")
	ROW(MIGRATE, "has the monitor's memory swapped out: process_madvise", memory_advise,
	    THE_MONITOR, EPERM, EPERM, "USDd")
	ROW(MIGRATE, "takes a descriptor of the monitor: pidfd_getfd", descriptor_take, THE_MONITOR,
	    EPERM, EPERM, "USDd")
	ROW(MIGRATE, "takes a descriptor of the executor: pidfd_getfd", descriptor_take,
	    THE_EXECUTOR, EPERM, EPERM, "SDd")
	ROW(MIGRATE, "compares its descriptors with the monitor's: kcmp", compare, THE_MONITOR,
	    EPERM, EPERM, "USDd")
	ROW(MIGRATE, "opens the monitor's memory: /proc/PID/mem", proc_memory, THE_MONITOR, EACCES,
	    EACCES, "UFDd")
	ROW(MIGRATE, "opens the executor's memory: /proc/PID/mem", proc_memory, THE_EXECUTOR,
	    EACCES, EACCES, "FDd")
	ROW(INSTALL, "opens the executor's memory: /proc/PID/mem", proc_memory, THE_EXECUTOR,
	    EACCES, EACCES, "FDd")
	ROW(MIGRATE, "reads the monitor's environment: /proc/PID/environ", proc_environment,
	    THE_MONITOR, EACCES, EACCES, "UFDd")
	ROW(MIGRATE, "reads its neighbor's environment: /proc/PID/environ", proc_environment,
	    THE_NEIGHBOR, EACCES, EACCES, "FD")
	ROW(MIGRATE, "reads where the monitor's memory lies: /proc/PID/maps", proc_maps,
	    THE_MONITOR, EACCES, EACCES, "UFDd")
	ROW(MIGRATE, "lists the monitor's descriptors: /proc/PID/fd", proc_descriptors, THE_MONITOR,
	    EACCES, EACCES, "UFd")
	ROW(MIGRATE, "enters the monitor's root: /proc/PID/root", proc_root, THE_MONITOR, EACCES,
	    EACCES, "UDd")
	ROW(MIGRATE, "enters the executor's directory: /proc/PID/cwd", proc_cwd, THE_EXECUTOR,
	    EACCES, EACCES, "Dd")
	ROW(MIGRATE, "reads the monitor's command line: /proc/PID/cmdline", proc_command,
	    THE_MONITOR, EACCES, EACCES, "F")
	ROW(MIGRATE, "reads the monitor's status: /proc/PID/status", proc_status, THE_MONITOR,
	    EACCES, EACCES, "F")
	ROW(MIGRATE, "offers the monitor to the memory killer: oom_score_adj", proc_oom,
	    THE_MONITOR, EACCES, EACCES, "UFd")
	ROWX(MIGRATE, "asks whether the monitor lives: stat of /proc/PID", proc_exists, THE_MONITOR,
	    0, 0, "", .open = WHY_PROBE)
	ROW(MIGRATE, "joins the monitor's namespaces: setns", namespace_join, THE_MONITOR, EPERM,
	    EPERM, "KS")
	ROW(MIGRATE, "waits for the monitor in its parent's place: waitid", wait_for, THE_MONITOR,
	    ECHILD, ECHILD, "K")

	ROW(MIGRATE, "lowers the monitor's limits: prlimit", limits_change, THE_MONITOR, EPERM,
	    EPERM, "US")
	ROW(MIGRATE, "lowers the executor's limits: prlimit", limits_change, THE_EXECUTOR, EPERM,
	    EPERM, "S")
	ROW(FETCH, "lowers the monitor's limits: prlimit", limits_change, THE_MONITOR, EPERM, EPERM,
	    "US")
	ROW(MIGRATE, "slows the monitor down: setpriority", nice_process, THE_MONITOR, EPERM, EPERM,
	    "US")
	ROW(MIGRATE, "slows the monitor's group down: setpriority", nice_group, THE_MONITOR, EPERM,
	    EPERM, "US")
	ROWX(MIGRATE, "slows all of its user down: setpriority(PRIO_USER)", nice_user, 0, EPERM,
	    EPERM, "S", .unsafe = "S")
	ROW(MIGRATE, "pins the monitor to a processor: sched_setaffinity", affinity, THE_MONITOR,
	    EPERM, EPERM, "US")
	ROW(MIGRATE, "makes the monitor wait for all others: sched_setscheduler", scheduler,
	    THE_MONITOR, EPERM, EPERM, "US")
	ROW(MIGRATE, "schedules the monitor anew: sched_setparam", scheduler_param, THE_MONITOR,
	    EPERM, EPERM, "US")
	ROW(MIGRATE, "schedules the monitor anew: sched_setattr", scheduler_attr, THE_MONITOR,
	    EPERM, EPERM, "US")
	ROW(MIGRATE, "makes the executor wait for all others: sched_setscheduler", scheduler,
	    THE_EXECUTOR, EPERM, EPERM, "S")
	ROW(MIGRATE, "puts the monitor last at the disk: ioprio_set", io_priority, THE_MONITOR,
	    EPERM, EPERM, "US")
	ROW(MIGRATE, "moves the monitor's pages: move_pages", pages_move, THE_MONITOR, EPERM, EPERM,
	    "USDd")
	ROW(MIGRATE, "moves the monitor's pages: migrate_pages", pages_migrate, THE_MONITOR, EPERM,
	    EPERM, "USDd")

	/* ---- new kinds of processes, and those that stay ---- */
	ROW(MIGRATE, "makes a user namespace: clone", clone_flag, CLONE_NEWUSER, EPERM, EPERM, "S")
	ROW(MIGRATE, "makes a user namespace: clone3", clone3_flag, CLONE_NEWUSER, ENOSYS, ENOSYS,
	    "S")
	ROW(MIGRATE, "makes a user namespace: unshare", unshare_flag, CLONE_NEWUSER, EPERM, EPERM,
	    "S")
	ROW(MIGRATE, "makes a user and a network namespace: unshare", unshare_flag,
	    CLONE_NEWUSER | CLONE_NEWNET, EPERM, EPERM, "S")
	ROW(MIGRATE, "makes a user and a mount namespace: clone", clone_flag,
	    CLONE_NEWUSER | CLONE_NEWNS, EPERM, EPERM, "S")
	ROW(FETCH, "makes a user namespace: unshare", unshare_flag, CLONE_NEWUSER, EPERM, EPERM,
	    "S")
	ROW(INSTALL, "makes a user namespace: unshare", unshare_flag, CLONE_NEWUSER, EPERM, EPERM,
	    "S")
	ROW(MIGRATE, "makes a mount namespace: unshare", unshare_flag, CLONE_NEWNS, EPERM, EPERM,
	    "KS")
	ROW(MIGRATE, "makes a process namespace: unshare", unshare_flag, CLONE_NEWPID, EPERM, EPERM,
	    "KS")
	ROW(MIGRATE, "makes a network namespace: clone", clone_flag, CLONE_NEWNET, EPERM, EPERM,
	    "KS")
	ROW(MIGRATE, "makes a child of the executor: CLONE_PARENT", clone_flag, CLONE_PARENT, EPERM,
	    EPERM, "S")
	ROWX(MIGRATE, "outlives its step: setsid and two forks", survive_session, 0, CAME_NOTHING,
	    CAME_NOTHING, "P", .happened = survivor_lives)
	ROWX(MIGRATE, "outlives its step below a subreaper of its own", survive_subreaper, 0,
	    CAME_NOTHING, CAME_NOTHING, "P", .happened = survivor_lives)
	ROWX(MIGRATE, "outlives its step by forking on", survive_chain, 0, CAME_NOTHING,
	    CAME_NOTHING, "P", .happened = survivor_lives)
	ROWX(MIGRATE, "outlives its step by 150 processes", survive_bomb, 0, CAME_NOTHING,
	    CAME_NOTHING, "P", .happened = survivor_lives)
	ROWX(INSTALL, "outlives its step: setsid and two forks", survive_session, 0, CAME_NOTHING,
	    CAME_NOTHING, "P", .happened = survivor_lives)
	ROW(MIGRATE, "has more than 4096 processes: setrlimit", limit_processes, 0, EPERM, EPERM,
	    "L")
	ROW(MIGRATE, "allows itself a core dump: setrlimit", limit_core, 0, EPERM, EPERM, "L")
	ROW(MIGRATE, "takes no_new_privs back: prctl", privileges_again, 0, EINVAL, EINVAL, "K")
	ROW(MIGRATE, "becomes the monitor's user: setresuid", user_monitor, 0, CAME_ABSENT, EPERM,
	    "K")
	ROW(MIGRATE, "becomes root: setresuid", user_root, 0, EPERM, EPERM, "K")
	ROW(MIGRATE, "joins root's group: setgroups", groups_drop, 0, EPERM, EPERM, "K")
	ROW(MIGRATE, "runs a program with its owner's rights: su", setuid_program, 0, EPERM, EPERM,
	    "N")
	ROW(INSTALL, "runs a program with its owner's rights: su", setuid_program, 0, EPERM, EPERM,
	    "N")
	ROW(FETCH, "runs a program with its owner's rights: su", setuid_program, 0, EPERM, EPERM,
	    "N")

	/* ---- the signal file, whose directory it may write ---- */
	ROW(MIGRATE, "writes the signal file: open", file_write, SPOT_SIGNAL, EACCES, EACCES, "UF")
	ROW(MIGRATE, "empties the signal file: truncate", file_truncate, SPOT_SIGNAL, EACCES,
	    EACCES, "UF")
	ROW(MIGRATE, "empties the signal file: O_TRUNC", file_empty, SPOT_SIGNAL, EACCES, EACCES,
	    "UF")
	ROW(MIGRATE, "replaces the signal file: rename", file_replace, SPOT_SIGNAL, EACCES, EACCES,
	    "F")
	ROW(MIGRATE, "replaces the signal file: RENAME_EXCHANGE", file_exchange, SPOT_SIGNAL,
	    EACCES, EACCES, "F")
	ROW(MIGRATE, "removes the signal file: unlink", file_remove, SPOT_SIGNAL, EACCES, EACCES,
	    "F")
	ROW(MIGRATE, "takes the signal file away: rename", dir_rename_in, SPOT_SIGNAL, EACCES,
	    EACCES, "F")
	ROW(MIGRATE, "gives the signal file a second name: link", file_link, SPOT_SIGNAL, EXDEV,
	    EPERM, "UF")
	ROW(MIGRATE, "writes the signal file through a symbolic link", file_symlink, SPOT_SIGNAL,
	    EACCES, EACCES, "UF")
	ROW(MIGRATE, "writes the signal file: O_PATH, then /proc/self/fd", file_reopen, SPOT_SIGNAL,
	    EACCES, EACCES, "UF")
	ROW(MIGRATE, "writes the signal file: openat below an O_PATH directory", file_dup_path,
	    SPOT_SIGNAL, EACCES, EACCES, "UF")
	ROW(MIGRATE, "writes the signal file: openat2", file_openat2, SPOT_SIGNAL, ENOSYS, ENOSYS,
	    "USF")
	ROW(MIGRATE, "writes the signal file inside a domain of its own", file_own_domain,
	    SPOT_SIGNAL, EACCES, EACCES, "UF")
	ROW(MIGRATE, "announces a version: a new file beside the signal file", dir_create,
	    SPOT_SIGNAL_DIR, EACCES, EACCES, "F")
	ROW(MIGRATE, "renames the signal's directory", dir_rename_away, SPOT_SIGNAL_DIR, EACCES,
	    EACCES, "UF")
	ROW(MIGRATE, "reads the signal file", file_read, SPOT_SIGNAL, EACCES, EACCES, "F")
	ROW(MIGRATE, "locks the signal file: flock", file_flock, SPOT_SIGNAL, EACCES, EACCES, "F")
	ROW(MIGRATE, "is told when the signal file is opened: a lease", file_lease, SPOT_SIGNAL,
	    EACCES, EACCES, "UF")
	ROW(MIGRATE, "asks for the signal file's handle: name_to_handle_at", file_handle,
	    SPOT_SIGNAL, EPERM, EPERM, "S")
	ROW(MIGRATE, "opens a file by its handle: open_by_handle_at", file_by_handle, 0, EPERM,
	    EPERM, "KS")
	ROWX(MIGRATE, "changes the signal file's mode: chmod", file_chmod, SPOT_SIGNAL, 0, EPERM,
	    "U", .open = WHY_OWNER)
	ROWX(MIGRATE, "changes the signal file's times: utimensat", file_utimes, SPOT_SIGNAL, 0,
	    EPERM, "U", .open = WHY_OWNER)
	ROWX(MIGRATE, "gives the signal file an attribute: setxattr", file_xattr, SPOT_SIGNAL, 0,
	    EACCES, "U", .open = WHY_OWNER)
	ROW(MIGRATE, "gives the signal file an attribute: setxattrat", file_xattr_new, SPOT_SIGNAL,
	    ENOSYS, ENOSYS, "US")
	ROWX(MIGRATE, "makes the signal file its own: chown", file_chown, SPOT_SIGNAL, 0, EPERM,
	    "U", .open = WHY_OWNER)
	ROWX(MIGRATE, "asks for the signal file's size and times: stat", file_stat, SPOT_SIGNAL, 0,
	    0, "", .open = WHY_STAT)
	ROWX(MIGRATE, "is told when the signal file changes: inotify", file_watch, SPOT_SIGNAL, 0,
	    0, "", .open = WHY_WATCH)
	CALL(MIGRATE, "is told when any file changes: fanotify", SYS_fanotify_init, EINVAL, "S",
	    FAN_CLASS_NOTIF | FAN_REPORT_FID)
	ROW(INSTALL, "writes the signal file: open", file_write, SPOT_SIGNAL, EACCES, EACCES, "UF")
	ROW(INSTALL, "replaces the signal file: rename", file_replace, SPOT_SIGNAL, EACCES, EACCES,
	    "F")
	ROW(CHECKOUT, "writes the signal file: open", file_write, SPOT_SIGNAL, EACCES, EACCES, "UF")
	ROW(FETCH, "replaces the signal file: rename", file_replace, SPOT_SIGNAL, EACCES, EACCES,
	    "F")

	/* ---- moult's own records ---- */
	ROW(MIGRATE, "writes the journal", file_write, SPOT_JOURNAL, EACCES, EACCES, "F")
	ROW(MIGRATE, "empties the journal: truncate", file_truncate, SPOT_JOURNAL, EACCES, EACCES,
	    "F")
	ROW(MIGRATE, "writes migration_state.json", file_write, SPOT_APPLIED, EACCES, EACCES, "F")
	ROW(MIGRATE, "replaces migration_state.json: rename", file_replace, SPOT_APPLIED, EACCES,
	    EACCES, "F")
	ROW(MIGRATE, "writes status.json", file_write, SPOT_STATUS, EACCES, EACCES, "UF")
	ROW(MIGRATE, "replaces status.json: rename", file_replace, SPOT_STATUS, EACCES, EACCES,
	    "UF")
	ROW(MIGRATE, "writes the history", file_write, SPOT_HISTORY, EACCES, EACCES, "F")
	ROW(MIGRATE, "writes another run's log", file_write, SPOT_OLD_LOG, EACCES, EACCES, "F")
	ROW(MIGRATE, "reads another run's log", file_read, SPOT_OLD_LOG, EACCES, EACCES, "F")
	ROW(MIGRATE, "writes the configuration that git reads", file_write, SPOT_STATE_CONFIG,
	    EACCES, EACCES, "F")
	ROW(INSTALL, "writes the journal", file_write, SPOT_JOURNAL, EACCES, EACCES, "F")
	ROW(INSTALL, "writes migration_state.json", file_write, SPOT_APPLIED, EACCES, EACCES, "F")
	ROW(INSTALL, "writes the configuration that git reads", file_write, SPOT_STATE_CONFIG,
	    EACCES, EACCES, "F")
	ROW(INSTALL, "replaces the directory of that configuration", dir_rename_away,
	    SPOT_STATE_GIT, EACCES, EACCES, "F")
	ROW(CHECKOUT, "writes the configuration that git reads", file_write, SPOT_STATE_CONFIG,
	    EACCES, EACCES, "F")
	ROW(CHECKOUT, "writes the journal", file_write, SPOT_JOURNAL, EACCES, EACCES, "F")
	ROW(FETCH, "writes the configuration that git reads", file_write, SPOT_STATE_CONFIG, EACCES,
	    EACCES, "F")
	ROW(FETCH, "writes the journal", file_write, SPOT_JOURNAL, EACCES, EACCES, "F")
	ROW(VERIFY, "writes the journal", file_write, SPOT_JOURNAL, EACCES, EACCES, "F")
	ROW(LOOK, "writes the journal", file_write, SPOT_JOURNAL, EACCES, EACCES, "F")

	/* ---- the checkout ---- */
	ROW(MIGRATE, "writes the checkout's Makefile", file_write, SPOT_MAKEFILE, EACCES, EACCES,
	    "F")
	ROW(MIGRATE, "writes .git/config", file_write, SPOT_CONFIG, EACCES, EACCES, "F")
	ROW(MIGRATE, "plants a hook: .git/hooks", dir_create, SPOT_HOOKS, EACCES, EACCES, "F")
	ROW(MIGRATE, "plants a hook without a name: O_TMPFILE", dir_tmpfile, SPOT_HOOKS, EACCES,
	    EACCES, "F")
	ROW(MIGRATE, "moves HEAD: .git/HEAD", file_write, SPOT_HEAD, EACCES, EACCES, "F")
	ROWX(INSTALL, "writes .git/config", file_write, SPOT_CONFIG, 0, 0, "", .open = WHY_TREE)
	ROWX(INSTALL, "plants a hook: .git/hooks", dir_create, SPOT_HOOKS, 0, 0, "",
	    .open = WHY_TREE)
	ROWX(INSTALL, "removes the checkout's lock: unlink", file_remove, SPOT_LOCK, 0, 0, "",
	    .open = WHY_TREE)
	ROWX(CHECKOUT, "writes .git/config", file_write, SPOT_CONFIG, 0, 0, "", .open = WHY_TREE)
	ROWX(CHECKOUT, "plants a hook: .git/hooks", dir_create, SPOT_HOOKS, 0, 0, "",
	    .open = WHY_TREE)
	ROW(LOOK, "writes .git/config", file_write, SPOT_CONFIG, EACCES, EACCES, "F")
	ROW(LOOK, "plants a hook: .git/hooks", dir_create, SPOT_HOOKS, EACCES, EACCES, "F")
	ROW(LOOK, "writes the checkout's Makefile", file_write, SPOT_MAKEFILE, EACCES, EACCES, "F")
	ROW(LOOK, "runs a program of the checkout", exec_spot, SPOT_PROGRAM, EACCES, EACCES, "F")
	ROW(CHECKOUT, "runs a program of the checkout", exec_spot, SPOT_PROGRAM, EACCES, EACCES,
	    "F")
	ROW(VERIFY, "runs a program of the checkout", exec_spot, SPOT_PROGRAM, EACCES, EACCES, "F")
	ROW(VERIFY, "writes .git/config", file_write, SPOT_CONFIG, EACCES, EACCES, "F")
	ROW(VERIFY, "moves a branch: .git/refs", dir_create, SPOT_REFS, EACCES, EACCES, "F")
	ROW(FETCH, "runs a program of the checkout", exec_spot, SPOT_PROGRAM, EACCES, EACCES, "F")
	ROW(FETCH, "writes the checkout's Makefile", file_write, SPOT_MAKEFILE, EACCES, EACCES, "F")
	ROW(FETCH, "writes .git/config", file_write, SPOT_CONFIG, EACCES, EACCES, "F")
	ROW(FETCH, "plants a hook: .git/hooks", dir_create, SPOT_HOOKS, EACCES, EACCES, "F")
	ROW(FETCH, "moves HEAD: .git/HEAD", file_write, SPOT_HEAD, EACCES, EACCES, "F")

	/* ---- keys and secrets ---- */
	ROW(INSTALL, "reads the deploy key", file_read, SPOT_DEPLOY_KEY, EACCES, EACCES, "F")
	ROW(MIGRATE, "reads the deploy key", file_read, SPOT_DEPLOY_KEY, EACCES, EACCES, "F")
	ROWX(MIGRATE, "lets everybody read the deploy key: chmod", file_chmod, SPOT_DEPLOY_KEY, 0,
	    0, "", .open = WHY_MODE)
	ROWX(MIGRATE, "lets everybody write state_dir: chmod", file_chmod, SPOT_STATE, 0, 0, "",
	    .open = WHY_MODE)
	ROWX(MIGRATE, "shuts the monitor out of the signal's directory: chmod", file_chmod,
	    SPOT_SIGNAL_DIR, 0, 0, "", .open = WHY_MODE)
	ROWX(MIGRATE, "lets everybody read the password of Redis: chmod", file_chmod, SPOT_PASSWORD,
	    0, EPERM, "U", .open = WHY_OWNER)
	ROW(LOOK, "reads the deploy key", file_read, SPOT_DEPLOY_KEY, EACCES, EACCES, "F")
	ROW(CHECKOUT, "reads the deploy key", file_read, SPOT_DEPLOY_KEY, EACCES, EACCES, "F")
	ROW(VERIFY, "reads the deploy key", file_read, SPOT_DEPLOY_KEY, EACCES, EACCES, "F")
	ROW(FETCH, "writes the known hosts", file_write, SPOT_KNOWN_HOSTS, EACCES, EACCES, "F")
	ROW(FETCH, "reads the allowed signers", file_read, SPOT_SIGNERS, EACCES, EACCES, "F")
	ROW(FETCH, "writes the allowed signers", file_write, SPOT_SIGNERS, EACCES, EACCES, "UF")
	ROW(VERIFY, "writes the allowed signers", file_write, SPOT_SIGNERS, EACCES, EACCES, "UF")
	ROW(MIGRATE, "writes the allowed signers", file_write, SPOT_SIGNERS, EACCES, EACCES, "UF")
	ROW(INSTALL, "replaces the allowed signers: rename", file_replace, SPOT_SIGNERS, EACCES,
	    EACCES, "UF")
	ROW(MIGRATE, "reads the password of Redis", file_read, SPOT_PASSWORD, EACCES, EACCES, "UF")
	ROW(FETCH, "reads the password of Redis", file_read, SPOT_PASSWORD, EACCES, EACCES, "UF")
	ROW(MIGRATE, "reads a key of its user", file_read, SPOT_USER_KEY, EACCES, EACCES, "F")
	ROW(INSTALL, "reads a key of its user", file_read, SPOT_USER_KEY, EACCES, EACCES, "F")
	ROW(FETCH, "reads a key of its user", file_read, SPOT_USER_KEY, EACCES, EACCES, "F")
	ROW(CHECKOUT, "reads a key of its user", file_read, SPOT_USER_KEY, EACCES, EACCES, "F")
	ROW(VERIFY, "reads a key of its user", file_read, SPOT_USER_KEY, EACCES, EACCES, "F")
	ROW(MIGRATE, "reads a secret of root", file_read, SPOT_SHADOW, EACCES, EACCES, "UF")
	ROW(MIGRATE, "writes moult.conf", file_write, SPOT_CONF, EACCES, EACCES, "UF")
	ROW(INSTALL, "writes moult.conf", file_write, SPOT_CONF, EACCES, EACCES, "UF")
	ROW(INSTALL, "replaces moult.conf: rename", file_replace, SPOT_CONF, EACCES, EACCES, "UF")

	/* ---- what else its user has, and the machine ---- */
	ROW(MIGRATE, "writes its user's profile: ~/.profile", file_write, SPOT_PROFILE, EACCES,
	    EACCES, "F")
	ROW(INSTALL, "writes its user's profile: ~/.profile", file_write, SPOT_PROFILE, EACCES,
	    EACCES, "F")
	ROW(MIGRATE, "makes a file in its user's home", dir_create, SPOT_HOME, EACCES, EACCES, "F")
	ROW(MIGRATE, "lists its user's home", dir_list, SPOT_HOME, EACCES, EACCES, "F")
	ROW(LOOK, "lists its user's home", dir_list, SPOT_HOME, EACCES, EACCES, "F")
	ROW(MIGRATE, "makes a file elsewhere", dir_create, SPOT_ELSEWHERE, EACCES, EACCES, "F")
	ROW(INSTALL, "makes a file elsewhere", dir_create, SPOT_ELSEWHERE, EACCES, EACCES, "F")
	ROW(MIGRATE, "makes a Unix socket elsewhere", dir_socket, SPOT_ELSEWHERE, EAFNOSUPPORT,
	    EAFNOSUPPORT, "SF")
	ROWX(MIGRATE, "goes to another directory: chdir", file_chdir, SPOT_HOME, 0, 0, "",
	    .open = WHY_CHDIR)
	ROW(MIGRATE, "makes a file in /tmp", path_create, MACHINE_TMP, EACCES, EACCES, "F")
	ROW(INSTALL, "makes a file in /tmp", path_create, MACHINE_TMP, EACCES, EACCES, "F")
	ROW(FETCH, "makes a file in /tmp", path_create, MACHINE_TMP, EACCES, EACCES, "F")
	ROW(LOOK, "makes a file in /tmp", path_create, MACHINE_TMP, EACCES, EACCES, "F")
	ROW(MIGRATE, "makes a file in /var/tmp", path_create, MACHINE_VAR_TMP, EACCES, EACCES, "F")
	ROW(MIGRATE, "makes a file in /dev/shm", path_create, MACHINE_SHM, EACCES, EACCES, "F")
	ROW(MIGRATE, "makes a timed job: /etc/cron.d", path_create, MACHINE_CRON, EACCES, EACCES,
	    "KF")
	ROW(MIGRATE, "writes /etc/passwd", path_write, MACHINE_PASSWD, EACCES, EACCES, "KF")
	ROW(MIGRATE, "reads /etc/shadow", path_read, MACHINE_SHADOW, EACCES, EACCES, "K")
	ROW(MIGRATE, "reads the environment of init: /proc/1/environ", path_read, MACHINE_INIT,
	    EACCES, EACCES, "KFD")
	ROW(MIGRATE, "reads the kernel's memory: /proc/kcore", path_read, MACHINE_KCORE, EACCES,
	    EACCES, "KF")
	ROW(MIGRATE, "reads the machine's memory: /dev/mem", path_read, MACHINE_MEM, EACCES, EACCES,
	    "KF")
	ROW(MIGRATE, "reads the list of mounts: /proc/self/mountinfo", path_read, MACHINE_MOUNTS,
	    EACCES, EACCES, "F")
	ROW(MIGRATE, "reads who is connected: /proc/net/tcp", path_read, MACHINE_TCP, EACCES,
	    EACCES, "F")
	ROW(MIGRATE, "opens a new terminal: /dev/ptmx", path_write, MACHINE_PTMX, EACCES, EACCES,
	    "F")
	ROW(MIGRATE, "opens the kernel's log: /dev/kmsg", path_write, MACHINE_KMSG, EACCES, EACCES,
	    "KF")
	ROW(MIGRATE, "opens file systems of its own: /dev/fuse", path_write, MACHINE_FUSE, EACCES,
	    EACCES, "F")
	ROW(MIGRATE, "opens virtual machines: /dev/kvm", path_write, MACHINE_KVM, EACCES, EACCES,
	    "F")
	ROW(MIGRATE, "opens what handles core dumps: core_pattern", path_write, MACHINE_CORE,
	    EACCES, EACCES, "KF")
	ROW(MIGRATE, "opens /proc/sysrq-trigger", path_write, MACHINE_SYSRQ, EACCES, EACCES, "KF")
	ROW(MIGRATE, "opens /sys/power/state", path_write, MACHINE_POWER, EACCES, EACCES, "KF")
	ROW(MIGRATE, "leaves its control group: cgroup.procs", path_write, MACHINE_CGROUP, EACCES,
	    EACCES, "KF")

	/* ---- running code ---- */
	ROW(MIGRATE, "runs a program that it wrote: TMPDIR", exec_own, 0, EACCES, EACCES, "F")
	ROW(VERIFY, "runs a program that it wrote: TMPDIR", exec_own, 0, EACCES, EACCES, "F")
	ROW(CHECKOUT, "runs a program that it wrote: the checkout", exec_own, 0, EACCES, EACCES,
	    "F")
	ROW(FETCH, "runs a program that it wrote: .git/objects", exec_own, 0, EACCES, EACCES, "F")
	ROWX(MIGRATE, "runs a program that it wrote through ld.so", exec_own_by_loader, 0, 0, 0, "",
	    .open = WHY_CODE)
	ROWX(FETCH, "runs a program that it wrote through ld.so", exec_own_by_loader, 0, 0, 0, "",
	    .open = WHY_CODE)
	ROWX(MIGRATE, "maps a file that it wrote as code: mmap", exec_mapped, 0, 0, 0, "",
	    .open = WHY_CODE)
	ROW(MIGRATE, "runs a program without a file: memfd_create", exec_memfd, 0, ENOSYS, ENOSYS,
	    "S")
	ROW(MIGRATE, "runs a program without a name: AT_EMPTY_PATH", exec_empty_path, 0, EPERM,
	    EPERM, "S")
	ROW(MIGRATE, "makes a set-id program: chmod", setid_chmod, 04755, EPERM, EPERM, "S")
	ROW(MIGRATE, "makes a set-gid program: chmod", setid_chmod, 02755, EPERM, EPERM, "S")
	ROW(MIGRATE, "makes a set-id program: fchmod", setid_fchmod, 04755, EPERM, EPERM, "S")
	ROW(MIGRATE, "makes a set-id program: fchmodat", setid_fchmodat, 04755, EPERM, EPERM, "S")
	ROW(MIGRATE, "makes a set-id program: fchmodat2", setid_fchmodat2, 04755, ENOSYS, ENOSYS,
	    "S")
	ROW(MIGRATE, "makes a set-id program: open", setid_open, 0, EPERM, EPERM, "S")
	ROW(MIGRATE, "makes a set-id program: creat", setid_creat, 0, EPERM, EPERM, "S")
	ROW(MIGRATE, "makes a set-id program: mknod", setid_mknod, 0, EPERM, EPERM, "S")
	ROW(MIGRATE, "makes a set-id program: O_TMPFILE", setid_tmpfile, 0, EPERM, EPERM, "S")
	ROW(INSTALL, "makes a set-id program: chmod", setid_chmod, 04755, EPERM, EPERM, "S")
	ROW(INSTALL, "makes a set-id program: open", setid_open, 0, EPERM, EPERM, "S")
	ROW(CHECKOUT, "makes a set-id program: fchmod", setid_fchmod, 04755, EPERM, EPERM, "S")
	ROW(MIGRATE, "makes a character device: mknod", device_make, S_IFCHR, EACCES, EACCES, "KF")
	ROW(INSTALL, "makes a block device: mknod", device_make, S_IFBLK, EACCES, EACCES, "KF")

	/* ---- what it inherits ---- */
	ROW(MIGRATE, "finds a descriptor of the executor open", descriptors_leaked, 0, EBADF, EBADF,
	    "X")
	ROW(INSTALL, "finds a descriptor of the executor open", descriptors_leaked, 0, EBADF, EBADF,
	    "X")
	ROW(FETCH, "finds a descriptor of the executor open", descriptors_leaked, 0, EBADF, EBADF,
	    "X")
	ROWX(MIGRATE, "lets go of the checkout's lock: F_OFD_SETLK", lock_release, 0, 0, 0, "",
	    .open = WHY_LOCK, .happened = lock_is_free)
	ROWX(MIGRATE, "writes into the checkout's lock", lock_write, 0, 0, 0, "", .open = WHY_LOCK)
	ROW(MIGRATE, "reads back what was printed", log_reread, 0, EBADF, EBADF, "K")

	/* ---- Redis and the network ---- */
	ROW(MIGRATE, "reaches Redis: TCP", tcp_redis, 0, EAFNOSUPPORT, EAFNOSUPPORT, "ST")
	ROW(MIGRATE, "reaches Redis: an IPv4 address in IPv6", tcp_redis_v6, 0, EAFNOSUPPORT,
	    EAFNOSUPPORT, "ST")
	ROW(MIGRATE, "reaches Redis: MPTCP", tcp_redis_mptcp, 0, EAFNOSUPPORT, EAFNOSUPPORT, "S")
	ROW(MIGRATE, "reaches Redis: MSG_FASTOPEN of sendto", tcp_redis_fastopen, 0, EAFNOSUPPORT,
	    EAFNOSUPPORT, "S")
	ROW(MIGRATE, "reaches Redis: TCP_FASTOPEN_CONNECT", tcp_redis_fastopen_option, 0,
	    EAFNOSUPPORT, EAFNOSUPPORT, "ST")
	ROW(MIGRATE, "reaches Redis: its Unix socket", unix_redis, 0, EAFNOSUPPORT, EAFNOSUPPORT,
	    "S")
	ROW(MIGRATE, "reaches Redis: an abstract Unix socket", unix_redis_abstract, 0, EAFNOSUPPORT,
	    EAFNOSUPPORT, "SC")
	ROW(MIGRATE, "reaches a Unix socket: a pair of datagram sockets", unix_redis_pair, 0, EPERM,
	    EPERM, "S")
	ROW(MIGRATE, "reaches a Unix socket: a pair of raw sockets", unix_pair_raw, 0, EPERM, EPERM,
	    "S")
	ROW(MIGRATE, "hands a descriptor out: SCM_RIGHTS", descriptor_pass, 0, EAFNOSUPPORT,
	    EAFNOSUPPORT, "S")
	ROW(MIGRATE, "sends a datagram: UDP", udp_redis, 0, EAFNOSUPPORT, EAFNOSUPPORT, "S")
	ROW(MIGRATE, "listens: bind and listen", listen_bound, 0, EAFNOSUPPORT, EAFNOSUPPORT, "ST")
	ROW(MIGRATE, "listens: listen without bind", listen_unbound, 0, EAFNOSUPPORT, EAFNOSUPPORT,
	    "S")
	ROW(MIGRATE, "opens a netlink socket", socket_netlink, 0, EAFNOSUPPORT, EAFNOSUPPORT, "S")
	ROW(MIGRATE, "opens a netlink socket behind a high bit", socket_type_high, 0, EAFNOSUPPORT,
	    EAFNOSUPPORT, "S")
	ROW(MIGRATE, "opens a netlink socket under a filter of its own", filter_over, 0,
	    EAFNOSUPPORT, EAFNOSUPPORT, "S")
	ROW(MIGRATE, "reaches the machine's host: vsock", socket_vsock, 0, EAFNOSUPPORT,
	    EAFNOSUPPORT, "S")
	ROW(MIGRATE, "opens the kernel's ciphers: AF_ALG", socket_alg, 0, EAFNOSUPPORT,
	    EAFNOSUPPORT, "S")
	ROW(MIGRATE, "opens a raw socket", socket_raw, 0, EAFNOSUPPORT, EAFNOSUPPORT, "KS")
	ROW(MIGRATE, "opens a packet socket", socket_packet, 0, EAFNOSUPPORT, EAFNOSUPPORT, "KS")
	ROW(MIGRATE, "is refused 1000 times and goes on", refused_often, 1000, EAFNOSUPPORT,
	    EAFNOSUPPORT, "S")
	ROW(INSTALL, "reaches Redis: TCP", tcp_redis, 0, EAFNOSUPPORT, EAFNOSUPPORT, "ST")
	ROW(INSTALL, "reaches Redis: its Unix socket", unix_redis, 0, EAFNOSUPPORT, EAFNOSUPPORT,
	    "S")
	ROW(LOOK, "reaches Redis: TCP", tcp_redis, 0, EAFNOSUPPORT, EAFNOSUPPORT, "ST")
	ROW(CHECKOUT, "reaches Redis: TCP", tcp_redis, 0, EAFNOSUPPORT, EAFNOSUPPORT, "ST")
	ROW(CHECKOUT, "sends a datagram: UDP", udp_redis, 0, EAFNOSUPPORT, EAFNOSUPPORT, "S")
	ROW(VERIFY, "reaches Redis: TCP", tcp_redis, 0, EAFNOSUPPORT, EAFNOSUPPORT, "ST")

	ROW(FETCH, "reaches Redis: TCP", tcp_redis, 0, EACCES, EACCES, "T")
	ROW(FETCH, "reaches Redis: TCP, without waiting", tcp_redis_async, 0, EACCES, EACCES, "T")
	ROW(FETCH, "reaches Redis: an IPv4 address in IPv6", tcp_redis_v6, 0, EACCES, EACCES, "T")
	ROW(FETCH, "reaches Redis: MPTCP", tcp_redis_mptcp, 0, EPROTONOSUPPORT, EPROTONOSUPPORT,
	    "S")
	ROW(FETCH, "reaches Redis: MSG_FASTOPEN of sendto", tcp_redis_fastopen, 0, EPERM, EPERM,
	    "S")
	ROW(FETCH, "reaches Redis: MSG_FASTOPEN of sendmsg", tcp_redis_sendmsg_fastopen,
	    SYS_sendmsg, EPERM, EPERM, "S")
	ROW(FETCH, "reaches Redis: MSG_FASTOPEN of sendmmsg", tcp_redis_sendmsg_fastopen,
	    SYS_sendmmsg, EPERM, EPERM, "S")
	ROW(FETCH, "reaches Redis: TCP_FASTOPEN_CONNECT", tcp_redis_fastopen_option, 0, EACCES,
	    EACCES, "T")
	ROW(FETCH, "reaches Redis: its Unix socket", unix_redis, 0, EAFNOSUPPORT, EAFNOSUPPORT, "S")
	ROW(FETCH, "reaches Redis: an abstract Unix socket", unix_redis_abstract, 0, EAFNOSUPPORT,
	    EAFNOSUPPORT, "SC")
	ROW(FETCH, "reaches a Unix socket: a pair of datagram sockets", unix_redis_pair, 0, EPERM,
	    EPERM, "S")
	ROW(FETCH, "sends a datagram: UDP", udp_redis, 0, ESOCKTNOSUPPORT, ESOCKTNOSUPPORT, "S")
	ROW(FETCH, "waits for datagrams: UDP", bind_udp, 0, ESOCKTNOSUPPORT, ESOCKTNOSUPPORT, "S")
	ROW(FETCH, "asks a name server: UDP", udp_dns, 0, ESOCKTNOSUPPORT, ESOCKTNOSUPPORT, "S")
	ROWX(FETCH, "reaches another machine at the remote's port", tcp_remote_elsewhere, 0, 0, 0,
	    "", .open = WHY_PORT)
	ROW(FETCH, "listens: bind and listen", listen_bound, 0, EPERM, EPERM, "ST")
	ROW(FETCH, "listens: listen without bind", listen_unbound, 0, EPERM, EPERM, "S")
	ROW(FETCH, "opens a raw socket", socket_raw, 0, ESOCKTNOSUPPORT, ESOCKTNOSUPPORT, "KS")
	ROW(FETCH, "opens a socket of ICMP", socket_icmp, 0, EPROTONOSUPPORT, EPROTONOSUPPORT, "S")
	ROW(FETCH, "opens a packet socket", socket_packet, 0, EAFNOSUPPORT, EAFNOSUPPORT, "KS")
	ROW(FETCH, "opens a netlink socket", socket_netlink, 0, EAFNOSUPPORT, EAFNOSUPPORT, "S")
	ROW(FETCH, "reaches the machine's host: vsock", socket_vsock, 0, EAFNOSUPPORT, EAFNOSUPPORT,
	    "S")
	ROW(FETCH, "opens a socket of SCTP", socket_sctp, 0, EPROTONOSUPPORT, EPROTONOSUPPORT, "S")
	ROW(FETCH, "opens a socket of SCTP by default", socket_sctp_default, 0, ESOCKTNOSUPPORT,
	    ESOCKTNOSUPPORT, "S")

	ROWX(OPEN, "reaches Redis: TCP", tcp_redis, 0, 0, 0, "", .open = WHY_NETWORK)
	ROWX(OPEN, "reaches Redis: its Unix socket", unix_redis, 0, 0, 0, "", .open = WHY_NETWORK)
	ROWX(OPEN, "sends a datagram: UDP", udp_redis, 0, 0, 0, "", .open = WHY_NETWORK)
	ROW(OPEN, "reaches Redis: an abstract Unix socket", unix_redis_abstract, 0, EPERM, EPERM,
	    "C")
	ROW(OPEN, "reaches Redis: MPTCP", tcp_redis_mptcp, 0, EPROTONOSUPPORT, EPROTONOSUPPORT, "S")
	ROW(OPEN, "opens a raw socket", socket_raw, 0, ESOCKTNOSUPPORT, ESOCKTNOSUPPORT, "KS")
	ROW(OPEN, "opens a netlink socket", socket_netlink, 0, EAFNOSUPPORT, EAFNOSUPPORT, "S")
	ROW(OPEN, "makes a Unix socket elsewhere", dir_socket, SPOT_ELSEWHERE, EACCES, EACCES, "F")

	/* ---- terminals ---- */
	ROW(MIGRATE, "types into a terminal: TIOCSTI", tiocsti, 0, EPERM, EPERM, "S")
	ROW(MIGRATE, "types into a terminal: TIOCSTI behind a high bit", tiocsti_high, 0, EPERM,
	    EPERM, "S")
	ROW(MIGRATE, "types into a console: TIOCLINUX", tioclinux, 0, EPERM, EPERM, "S")
	ROW(MIGRATE, "types into a console: TIOCLINUX behind a high bit", tioclinux_high, 0, EPERM,
	    EPERM, "S")
	CALL(MIGRATE, "hangs a terminal up: vhangup", SYS_vhangup, 0, "KS", 0)

	/* ---- mounts ---- */
	CALL(MIGRATE, "mounts a file system: mount", SYS_mount, 0, "KSF", TEXT("none"),
	    TEXT("/usr"), TEXT("tmpfs"), 0, 0)
	CALL(MIGRATE, "unmounts a file system: umount2", SYS_umount2, EINVAL, "KSF", TEXT("/usr"),
	    0)
	CALL(MIGRATE, "changes the root: chroot", SYS_chroot, 0, "KS", TEXT("/usr"))
	CALL(MIGRATE, "changes the root: pivot_root", SYS_pivot_root, EINVAL, "KSF", TEXT("/usr"),
	    TEXT("/usr"))
	CALL(MIGRATE, "copies a mount: open_tree", SYS_open_tree, 0, "KS", AT_FDCWD, TEXT("/usr"),
	    1 /* OPEN_TREE_CLONE */)
	CALL(MIGRATE, "makes a mount: fsopen", SYS_fsopen, 0, "KS", TEXT("tmpfs"), 0)
	CALL(MIGRATE, "picks a mount: fspick", SYS_fspick, 0, "KS", AT_FDCWD, TEXT("/usr"), 0)
	CALL(MIGRATE, "moves a mount: move_mount", SYS_move_mount, EBADF, "KS", -1, TEXT(""), -1,
	    TEXT(""), 0)
	ROWX(MIGRATE, "lists all mounts: listmount", call, SYS_listmount, ENOSYS, ENOSYS, "S",
	    .passed = EFAULT, .arg = {1, 0, 0, 0})

	/* ---- the kernel ---- */
	CALL(MIGRATE, "loads a program into the kernel: bpf", SYS_bpf, EINVAL, "S", 0, 0, 0)
	ROW(MIGRATE, "makes calls that no filter sees: io_uring_setup", uring, 0, EPERM, EPERM, "S")
	ROW(MIGRATE, "measures the kernel: perf_event_open", perf, 0, EPERM, EPERM, "S")
	CALL(MIGRATE, "stops the kernel at a page: userfaultfd", SYS_userfaultfd, 0, "S",
	    UFFD_USER_MODE_ONLY)
	ROW(MIGRATE, "keeps a key in the kernel: add_key", keyring, 0, EPERM, EPERM, "S")
	CALL(MIGRATE, "reads its user's keyring: keyctl", SYS_keyctl, ENOKEY, "S",
	    KEYCTL_GET_KEYRING_ID, KEY_SPEC_USER_SESSION_KEYRING, 0)
	CALL(MIGRATE, "asks for a key: request_key", SYS_request_key, ENOKEY, "S", TEXT("user"),
	    TEXT("moult-escape"), 0, KEY_SPEC_PROCESS_KEYRING)
	ROW(MIGRATE, "shares memory: shmget", shm, 0, EPERM, EPERM, "S")
	ROW(MIGRATE, "shares a semaphore: semget", sem, 0, EPERM, EPERM, "S")
	ROW(MIGRATE, "shares a message queue: msgget", msg, 0, EPERM, EPERM, "S")
	ROW(MIGRATE, "shares a message queue: mq_open", mqueue, 0, EPERM, EPERM, "SF")
	CALL(MIGRATE, "hides memory: memfd_secret", SYS_memfd_secret, 0, "S", 0)
	CALL(MIGRATE, "lends pages to a pipe: vmsplice", SYS_vmsplice, EBADF, "S", -1, 0, 0, 0)
	CALL(MIGRATE, "switches address randomization off: personality", SYS_personality, 0, "S",
	    ADDR_NO_RANDOMIZE)
	CALL(MIGRATE, "makes segments of its own: modify_ldt", SYS_modify_ldt, 0, "S", 0, 0, 0)
	CALL(MIGRATE, "speaks to hardware: iopl", SYS_iopl, 0, "KS", 3)
	CALL(MIGRATE, "speaks to hardware: ioperm", SYS_ioperm, 0, "KS", 0x80, 1, 1)
	CALL(MIGRATE, "steers memory: set_mempolicy", SYS_set_mempolicy, 0, "S", 0, 0, 0)
	CALL(MIGRATE, "loads a kernel: kexec_load", SYS_kexec_load, EINVAL, "KS", 0, 0, 0, 0xffff)
	CALL(MIGRATE, "loads a kernel: kexec_file_load", SYS_kexec_file_load, EINVAL, "KS", -1, -1,
	    0, 0, 0xffff)
	CALL(MIGRATE, "loads a module: init_module", SYS_init_module, ENOEXEC, "KS", 0, 0, TEXT(""))
	CALL(MIGRATE, "loads a module: finit_module", SYS_finit_module, EBADF, "KS", -1, TEXT(""),
	    0)
	CALL(MIGRATE, "unloads a module: delete_module", SYS_delete_module, ENOENT, "KS",
	    TEXT("moult_none"), O_NONBLOCK)
	CALL(MIGRATE, "restarts the machine: reboot", SYS_reboot, EINVAL, "KS", 0, 0, 0, 0)
	CALL(MIGRATE, "swaps: swapon", SYS_swapon, ENOENT, "KS", TEXT("/moult-none"), 0)
	CALL(MIGRATE, "stops swapping: swapoff", SYS_swapoff, ENOENT, "KS", TEXT("/moult-none"))
	CALL(MIGRATE, "speaks to quotas: quotactl", SYS_quotactl, 0, "S", QCMD(Q_SYNC, USRQUOTA), 0,
	    0, 0)
	CALL(MIGRATE, "keeps accounts: acct", SYS_acct, ENOENT, "KS", TEXT("/moult-none"))
	ROW(MIGRATE, "reads the kernel's log: syslog", kernel_log, 0, EPERM, EPERM, "S")
	CALL(MIGRATE, "sets the clock: settimeofday", SYS_settimeofday, 0, "KS", 0, 0)
	CALL(MIGRATE, "sets the host's name: sethostname", SYS_sethostname, EINVAL, "KS", 0, -1)
	CALL(MIGRATE, "sets the domain's name: setdomainname", SYS_setdomainname, EINVAL, "KS", 0,
	    -1)
	ROW(MIGRATE, "calls by numbers of another table: x32", call_x32, 0, CAME_SIGNAL(SIGSYS),
	    CAME_SIGNAL(SIGSYS), "S")
	ROW(MIGRATE, "calls by numbers of another table: int 0x80", call_int80, 0,
	    CAME_SIGNAL(SIGSYS), CAME_SIGNAL(SIGSYS), "S")
	ROW(FETCH, "calls by numbers of another table: int 0x80", call_int80, 0,
	    CAME_SIGNAL(SIGSYS), CAME_SIGNAL(SIGSYS), "S")
	ROW(FETCH, "makes calls that no filter sees: io_uring_setup", uring, 0, EPERM, EPERM, "S")
	CALL(FETCH, "loads a program into the kernel: bpf", SYS_bpf, EINVAL, "S", 0, 0, 0)

	/* ---- the monitor ---- */
#define KILLED CAME_SIGNAL(SIGSYS)
	ROW(MONITOR, "starts a process: fork", fork_plain, 0, KILLED, KILLED, "SL")
	ROW(MONITOR, "becomes a shell: execve", exec_shell, 0, KILLED, KILLED, "SF")
	ROW(MONITOR, "signals the executor: kill", send_kill, THE_NEIGHBOR, KILLED, KILLED, "US")
	ROW(MONITOR, "signals the daemon: kill", send_kill, THE_DAEMON, KILLED, KILLED, "US")
	ROW(MONITOR, "signals the daemon: tgkill", send_tgkill, THE_DAEMON, KILLED, KILLED, "US")
	ROW(MONITOR, "signals the executor: pidfd_send_signal", send_pidfd, THE_NEIGHBOR, KILLED,
	    KILLED, "US")
	ROWX(MONITOR, "signals the executor: F_SETOWN of a pipe", send_by_owner, THE_NEIGHBOR,
	    KILLED, KILLED, "US", .happened = victim_was_signaled)
	ROW(MONITOR, "traces the executor: PTRACE_SEIZE", trace_seize, THE_NEIGHBOR, KILLED, KILLED,
	    "USD")
	ROW(MONITOR, "writes the executor's memory: process_vm_writev", memory_write, THE_NEIGHBOR,
	    KILLED, KILLED, "USD")
	ROW(MONITOR, "takes a descriptor of the executor: pidfd_getfd", descriptor_take,
	    THE_NEIGHBOR, KILLED, KILLED, "USD")
	ROW(MONITOR, "opens the executor's memory: /proc/PID/mem", proc_memory, THE_NEIGHBOR,
	    EACCES, EACCES, "UFD")
	ROW(MONITOR, "lowers the executor's limits: prlimit", limits_change, THE_NEIGHBOR, KILLED,
	    KILLED, "US")
	ROW(MONITOR, "slows the executor down: setpriority", nice_process, THE_NEIGHBOR, KILLED,
	    KILLED, "US")
	ROW(MONITOR, "makes memory that runs: mmap", memory_exec, 0, KILLED, KILLED, "S")
	ROW(MONITOR, "makes its data run: mprotect", memory_make_exec, 0, KILLED, KILLED, "S")
	ROW(MONITOR, "runs a program without a file: memfd_create", exec_memfd, 0, KILLED, KILLED,
	    "SFL")
	ROW(MONITOR, "makes a user namespace: unshare", unshare_flag, CLONE_NEWUSER, KILLED, KILLED,
	    "S")
	ROW(MONITOR, "reads the deploy key", file_read, SPOT_DEPLOY_KEY, EACCES, EACCES, "UF")
	ROW(MONITOR, "reads a key of the deploy user", file_read, SPOT_USER_KEY, EACCES, EACCES,
	    "UF")
	ROW(MONITOR, "reads the password of Redis once more", file_read, SPOT_PASSWORD, EACCES,
	    EACCES, "UF")
	ROW(MONITOR, "reads /etc/passwd", path_read, MACHINE_PASSWD, EACCES, EACCES, "F")
	ROW(MONITOR, "writes the checkout's Makefile", file_write, SPOT_MAKEFILE, EACCES, EACCES,
	    "UF")
	ROW(MONITOR, "plants a hook: .git/hooks", dir_create, SPOT_HOOKS, EACCES, EACCES, "UF")
	ROW(MONITOR, "writes .git/config", file_write, SPOT_CONFIG, EACCES, EACCES, "UF")
	ROW(MONITOR, "removes the checkout's Makefile: unlinkat", file_unlinkat, SPOT_MAKEFILE,
	    EACCES, EACCES, "UF")
	ROW(MONITOR, "replaces the journal by its status: renameat", file_renameat, SPOT_JOURNAL,
	    EACCES, EACCES, "UF")
	ROW(MONITOR, "removes the signal file: unlinkat", file_unlinkat, SPOT_SIGNAL, EACCES,
	    EACCES, "UF")
	ROW(MONITOR, "writes the journal", file_write, SPOT_JOURNAL, EACCES, EACCES, "UF")
	ROW(MONITOR, "writes migration_state.json", file_write, SPOT_APPLIED, EACCES, EACCES, "UF")
	ROW(MONITOR, "writes the signal file", file_write, SPOT_SIGNAL, EACCES, EACCES, "UF")
	ROW(MONITOR, "announces a version: a new file beside the signal file", dir_create,
	    SPOT_SIGNAL_DIR, EACCES, EACCES, "UF")
	ROW(MONITOR, "writes moult.conf", file_write, SPOT_CONF, EACCES, EACCES, "UF")
	ROW(MONITOR, "writes the allowed signers", file_write, SPOT_SIGNERS, EACCES, EACCES, "UF")
	ROW(MONITOR, "makes a file in /tmp", path_create, MACHINE_TMP, EACCES, EACCES, "F")
	ROW(MONITOR, "changes a file's mode: chmod", file_chmod, SPOT_MAKEFILE, KILLED, KILLED,
	    "US")
	ROW(MONITOR, "changes a file's times: utimensat", file_utimes, SPOT_MAKEFILE, KILLED,
	    KILLED, "US")
	ROWX(MONITOR, "changes its root: chroot", call, SYS_chroot, KILLED, KILLED, "KS",
	    .arg = {TEXT("/usr")})
	ROW(MONITOR, "reaches another port: TCP", tcp_redis, PORT_REMOTE, EACCES, EACCES, "T")
	ROW(MONITOR, "reaches another port: MPTCP", tcp_redis_mptcp, PORT_REMOTE, KILLED, KILLED,
	    "S")
	ROW(MONITOR, "reaches another port: MSG_FASTOPEN of sendto", tcp_redis_fastopen,
	    PORT_REMOTE, KILLED, KILLED, "S")
	ROW(MONITOR, "reaches another port: TCP_FASTOPEN_CONNECT", tcp_redis_fastopen_option,
	    PORT_REMOTE, EACCES, EACCES, "T")
	ROW(MONITOR, "reaches a Unix socket", unix_redis, 0, KILLED, KILLED, "S")
	ROW(MONITOR, "reaches an abstract Unix socket", unix_redis_abstract, 0, KILLED, KILLED,
	    "SC")
	ROW(MONITOR, "sends a datagram: UDP", udp_redis, 0, KILLED, KILLED, "S")
	ROW(MONITOR, "listens: bind and listen", listen_bound, 0, KILLED, KILLED, "ST")
	ROW(MONITOR, "opens a netlink socket", socket_netlink, 0, KILLED, KILLED, "S")
	ROW(MONITOR, "hands a descriptor out: SCM_RIGHTS", descriptor_pass, 0, KILLED, KILLED, "S")
	ROW(MONITOR, "calls by numbers of another table: int 0x80", call_int80, 0, KILLED, KILLED,
	    "S")
	ROW(MONITOR, "makes calls that no filter sees: io_uring_setup", uring, 0, KILLED, KILLED,
	    "S")
	ROW(MONITOR, "opens a file by its handle: open_by_handle_at", file_by_handle, 0, KILLED,
	    KILLED, "KS")
	ROWX(MONITOR, "asks for a file's size and times: fstatat", file_stat, SPOT_USER_KEY, 0, 0,
	    "", .open = WHY_STAT)
	ROWX(MONITOR, "is told when a file changes: inotify", file_watch, SPOT_MAKEFILE, 0, 0, "",
	    .open = WHY_WATCH)
};
/* clang-format on */

size_t
rows_count(void)
{
	return sizeof(rows) / sizeof(rows[0]);
}

static const struct {
	const char *name, *words;
} whos[] = {
#define WHO_WORDS(symbol, name, what) {name, what},
    ESCAPE_WHO(WHO_WORDS)};

const char *
who_name(enum who who)
{
	return whos[who].name;
}

const char *
who_words(enum who who)
{
	return whos[who].words;
}

/* ---- exit statuses ---- */

int
exit_of_came(int came)
{
	switch (came) {
	case CAME_NOTHING:
		return EXIT_NOTHING;
	case CAME_ABSENT:
		return EXIT_ABSENT;
	default:
		return came >= 0 && came <= EXIT_MAX ? came : EXIT_BROKEN;
	}
}

int
came_of_exit(bool exited, int status)
{
	if (!exited)
		return CAME_SIGNAL(status);
	if (status <= EXIT_MAX)
		return status;
	return status == EXIT_NOTHING  ? CAME_NOTHING
	       : status == EXIT_ABSENT ? CAME_ABSENT
				       : CAME_BROKEN;
}
