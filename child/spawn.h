/*
 * spawn.h - one program of a step: how it is described, started, heard and ended.
 *
 * room: executor. spawn.c is the only file of this room that forks and executes.
 * distrusts: whatever the program prints, and that it ends when asked.
 */
#ifndef MOULT_SPAWN_H
#define MOULT_SPAWN_H

#ifndef MOULT_ROOM_CHILD
#error "this header belongs to the executor alone"
#endif

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "filter.h"
#include "wire.h"

#define COMMAND_ARGV_MAX    48
#define COMMAND_ENV_MAX     40
#define COMMAND_ARENA_BYTES 16384
#define CHILD_OUT_MAX       65536

/*
 * What a program may do beside computing. Its files are in domain.c, its system calls in profile.c.
 * X(profile, name, network, what it is for)
 */
#define SPAWN_PROFILES(X)                                                           \
	X(LOOK, "look", NONE, "git reads the checkout")                             \
	X(FETCH, "fetch", REMOTE, "git fetches")                                    \
	X(VERIFY, "verify", NONE, "git asks whether a signature is good")           \
	X(CHECKOUT, "checkout", NONE, "git changes the working tree")               \
	X(SWEEP, "sweep", NONE, "TMPDIR is emptied")                                \
	X(MIGRATE, "migrate", CONFIGURED, "migrations, the new version's own code") \
	X(INSTALL, "install", CONFIGURED, "the install command")

/* X(network, name, what it reaches) */
#define SPAWN_NETWORKS(X)                                                                    \
	X(NONE, "none", "no socket of any family")                                           \
	X(REMOTE, "remote", "TCP over IPv4 and IPv6, outgoing, to the remote's port and 53") \
	X(OPEN, "open", "TCP and UDP over IPv4 and IPv6, Unix sockets, listening")

#define SPAWN_ENUM_PROFILE(symbol, name, network, use) PROFILE_##symbol,
enum profile { SPAWN_PROFILES(SPAWN_ENUM_PROFILE) PROFILE_END };

#define SPAWN_ENUM_NETWORK(symbol, name, reach) NETWORK_##symbol,
enum network { SPAWN_NETWORKS(SPAWN_ENUM_NETWORK) NETWORK_END };

/* Descriptors a program finds open, beside 0, 1 and 2. */
#define SPAWN_LOCK_FD   3 /* the checkout's lock: held while anything of the step lives */
#define SPAWN_ASK_FD    4 /* dialog only: requests to it */
#define SPAWN_ANSWER_FD 5 /* dialog only: its answers */

enum start { START_REPO, START_STATE, START_ROOT };

struct command {
	enum profile profile;
	enum network network;         /* of this configuration */
	uint32_t limit_s;             /* of its whole life; in a dialog, of each answer */
	uint32_t silence_s;           /* without any output; 0: no limit */
	bool capture;                 /* standard output is for us, not for the log */
	bool capture_errors;          /* so is standard error */
	bool dialog;                  /* it is fed requests and answers in lines */
	bool progress;                /* its output tells percents */
	enum start start;             /* the directory it begins in */
	char *argv[COMMAND_ARGV_MAX]; /* argv[0] is an absolute path; all BORROW arena */
	char *envp[COMMAND_ENV_MAX];
	size_t argc, envc, used;
	char arena[COMMAND_ARENA_BYTES];
};

struct child {
	pid_t pid;                  /* 0: none; it is ours, and not reaped */
	int log_fd, out_fd, ask_fd; /* OWNED: our ends; -1 */
	int notify_fd;              /* OWNED: calls that were refused to it are told here; -1 */
	bool exited;
	int status; /* of waitid: CLD_EXITED's code, or -signal */
	bool timed_out, silent;
	size_t out_len;
	bool out_cut;
	char out[CHILD_OUT_MAX];
};

/*
 * Built before the seal, for networks up to the widest; programs without code are not loaded
 * (sandbox mode degrade). The executor loads two, which its steps inherit: calls, and the arguments
 * of the widest network. A step adds the one of its network: told, where what it refuses is
 * answered by the executor, or plain, where the kernel has no such notification. What the
 * executor's own two refuse they leave to that answer, for an error that the kernel gives by itself
 * would never be told.
 */
struct filters {
	enum network widest;
	struct filter_program calls;
	struct filter_program told[NETWORK_END], plain[NETWORK_END];
};

/* What a program is started with. */
struct ground {
	const struct filters *filters;
	int ruleset_fd; /* its domain; -1: none. BORROWED, as are the others */
	int cwd_fd, lock_fd;
};

/*
 * Starts cmd. Returns 0; or -1 with errno and *stage naming what failed. After 0 the program is
 * running: its execve(2) has succeeded.
 */
int spawn(struct child *c, const struct command *cmd, const struct ground *g, const char **stage);

/* Closes our ends; the child must have been reaped. */
void spawn_release(struct child *c);

/*
 * What would become of fn in a step: runs it in a child that is confined as spawn() confines
 * programs, and waits for it. fn makes async-signal-safe calls only. Returns what it returned, 0
 * to 255; a signal that ended it as a negative number; or SPAWN_NO_TRIAL and errno.
 */
#define SPAWN_NO_TRIAL (-1000)
int spawn_trial(
    const struct ground *g, enum network network, int (*fn)(const void *arg), const void *arg);

/*
 * A child outside of the domain that the executor is about to enter: it waits until release_fd is
 * closed. Returns its pid, or -1 and errno.
 */
pid_t spawn_stranger(int *release_fd);

/* tree.c: every process a step has started, however it detached itself */

/* Makes orphans of orphans ours (PR_SET_CHILD_SUBREAPER). Ends the process when it cannot. */
void tree_adopt(void);
/*
 * Signals all that the steps have started. whole: signals do not leave our domain, so kill(-1)
 * reaches them all at once; else every child, the adopted ones too. A child's pid is ours until it
 * is reaped.
 */
void tree_signal(int sig, bool whole);
/* Reaps what has ended; fills in c when its program is among them. Returns false when no child is
 * left at all. */
bool tree_reap(struct child *c);
/*
 * Ends what a step of a killed executor has left: processes whose environment holds mark, and so
 * was made by commands.c. Before we enter our domain, which they are not in. Returns how many there
 * were; -1 when one does not end.
 */
int tree_end_strays(const char *mark);
/* Kills and reaps all that is left, before we end: the monitor may have lied in the middle of a
 * step, and the next executor must not find its processes at work. */
void tree_end(bool whole);

#endif
